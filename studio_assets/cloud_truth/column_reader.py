"""One column of a contract, read for many documents at once.

Values of the form the contract expects are taken in bulk. Every other value, and every value that might break
a rule, goes through ``cell_rules`` one at a time, so the rules are written once and the bulk only has to know
what is certainly fine.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from resources.firestore.cells import Cells, CellType
from studio_assets.cloud_truth.cell_rules import (
    EARLIEST_MICROS,
    LATEST_MICROS,
    MISSING,
    TEXT_LIMIT_BYTES,
    UNKNOWN_VALUE,
    CellFaultError,
    fold,
    parse_date,
    read_cell,
)
from studio_assets.contracts.arrow import arrow_type
from studio_assets.contracts.model import Column, Kind

Mask = npt.NDArray[np.bool_]
Types = npt.NDArray[np.uint8]

# Plain numbers: looking up an enum's member takes longer than comparing a thousand cells.
_NULL, _BOOLEAN, _INTEGER, _DOUBLE, _INSTANT, _TEXT = (
    int(each)
    for each in (
        CellType.NULL,
        CellType.BOOLEAN,
        CellType.INTEGER,
        CellType.DOUBLE,
        CellType.INSTANT,
        CellType.TEXT,
    )
)

_EXACT_FLOAT = 2**53
_LARGEST_BULK_DOLLARS = 1e9  # a float's last digit is worth less than a thousandth of a cent below this
_NEAR_A_CENT = 1e-3
_KNOWN_LIMIT = 4096  # spellings remembered per column; enums are tiny, so more means free text


class ColumnReader:
    """Reads one column; keeps what it learnt about spellings between batches."""

    def __init__(self, column: Column, *, are_numbers_instants: bool) -> None:
        """Make a reader; ``are_numbers_instants`` says that epoch seconds are this source's own form."""
        self.column = column
        self.warnings: Counter[str] = Counter()
        self._type = arrow_type(column)
        self._are_numbers_instants = are_numbers_instants
        self._spellings: dict[str, tuple[str, bool]] = {}
        self._bulk: Callable[[Cells, Types], tuple[pa.Array, Mask]] = {
            Kind.TEXT: self._texts,
            Kind.ENUM: self._enums,
            Kind.INTEGER: self._integers,
            Kind.CENTS: self._integers,
            Kind.DOLLARS: self._dollars,
            Kind.NUMBER: self._quantities,
            Kind.BOOLEAN: self._booleans,
            Kind.INSTANT: self._instants,
            Kind.DATE: self._dates,
        }[column.kind]

    def read(self, cells: Cells) -> tuple[pa.Array, Mapping[int, str]]:
        """Return the stored column (null where absent, null or refused) and why cells were refused."""
        types = cells.types
        array, fine = self._bulk(cells, types)
        odd = np.flatnonzero(~fine & (types > _NULL))
        faults: dict[int, str] = {}
        if len(odd):
            array = self._read_one_by_one(array, cells, odd, faults)
        if self.column.is_required and array.null_count:
            for place in np.flatnonzero(types <= _NULL):
                faults[int(place)] = MISSING
        return array, faults

    def _read_one_by_one(
        self, array: pa.Array, cells: Cells, odd: npt.NDArray[np.intp], faults: dict[int, str]
    ) -> pa.Array:
        stored = []
        for place in odd.tolist():
            tolerated: list[str] = []
            try:
                stored.append(read_cell(self.column, cells.value(place), tolerated.append))
                self.warnings.update(tolerated)
            except CellFaultError as fault:
                faults[place] = fault.reason
                stored.append(None)
        mask = np.zeros(len(array), dtype=np.bool_)
        mask[odd] = True
        return pc.replace_with_mask(array, pa.array(mask), pa.array(stored, self._type))

    def _texts(self, cells: Cells, types: Types) -> tuple[pa.Array, Mask]:
        texts, fine = cells.texts, types == _TEXT
        longest = pc.max(pc.binary_length(texts)).as_py()
        if longest is not None and longest > TEXT_LIMIT_BYTES:
            texts = pc.if_else(pc.less_equal(pc.binary_length(texts), TEXT_LIMIT_BYTES), texts, None)
            fine = texts.is_valid().to_numpy(zero_copy_only=False)
        return texts, fine

    def _enums(self, cells: Cells, types: Types) -> tuple[pa.Array, Mask]:
        texts, fine = self._texts(cells, types)
        encoded = texts.dictionary_encode()
        found = {spelling: self._spelling(spelling) for spelling in encoded.dictionary.to_pylist()}
        if not all(is_known for _, is_known in found.values()):
            unknown = pa.array([spelling for spelling, (_, is_known) in found.items() if not is_known])
            self.warnings[UNKNOWN_VALUE] += pc.sum(pc.is_in(texts, value_set=unknown)).as_py()
        if all(stored == spelling for spelling, (stored, _) in found.items()):
            return texts, fine
        folded = pa.array([stored for stored, _ in found.values()], pa.string())
        return folded.take(encoded.indices), fine

    def _dates(self, cells: Cells, types: Types) -> tuple[pa.Array, Mask]:
        texts, fine = self._texts(cells, types)
        encoded = texts.dictionary_encode()
        days: list[date | None] = []
        for text in encoded.dictionary.to_pylist():
            try:
                days.append(parse_date(text))
            except CellFaultError:
                days.append(None)
        array = pa.array(days, pa.date32()).take(encoded.indices)
        return array, fine & array.is_valid().to_numpy(zero_copy_only=False)

    def _integers(self, cells: Cells, types: Types) -> tuple[pa.Array, Mask]:
        numbers = cells.numbers
        fine = (types == _INTEGER) & self._in_range(numbers)
        return pa.array(numbers, self._type, mask=~fine), fine

    def _dollars(self, cells: Cells, types: Types) -> tuple[pa.Array, Mask]:
        amounts, fine = _floats(cells, types)
        fine &= np.abs(amounts) < _LARGEST_BULK_DOLLARS
        scaled = np.where(fine, amounts, 0.0) * 100
        cents = np.rint(scaled)
        # Close to a whole cent, rounding the float and rounding its decimal text agree; else ask the text.
        fine &= (np.abs(scaled - cents) < _NEAR_A_CENT) & self._in_range(cents)
        return pa.array(cents.astype(np.int64), self._type, mask=~fine), fine

    def _quantities(self, cells: Cells, types: Types) -> tuple[pa.Array, Mask]:
        numbers, fine = _floats(cells, types)
        fine &= self._in_range(numbers)
        return pa.array(numbers + 0.0, self._type, mask=~fine), fine

    def _booleans(self, cells: Cells, types: Types) -> tuple[pa.Array, Mask]:
        fine = types == _BOOLEAN
        return pa.array(cells.numbers != 0, self._type, mask=~fine), fine

    def _instants(self, cells: Cells, types: Types) -> tuple[pa.Array, Mask]:
        micros, fine = cells.numbers, types == _INSTANT
        if self._are_numbers_instants:
            is_seconds = (types == _INTEGER) & (micros >= EARLIEST_MICROS // 10**6)
            is_seconds &= micros < LATEST_MICROS // 10**6
            micros = np.where(is_seconds, np.where(is_seconds, micros, 0) * 10**6, micros)
            fine |= is_seconds
        fine &= (micros >= EARLIEST_MICROS) & (micros < LATEST_MICROS)
        return pa.array(micros, pa.int64(), mask=~fine).view(self._type), fine

    def _in_range(self, numbers: npt.NDArray[Any]) -> Mask:
        fine = np.ones(len(numbers), dtype=np.bool_)
        if self.column.minimum is not None:
            fine &= numbers >= self.column.minimum
        if self.column.maximum is not None:
            fine &= numbers <= self.column.maximum
        return fine

    def _spelling(self, spelling: str) -> tuple[str, bool]:
        known = self._spellings.get(spelling)
        if known is None:
            known = fold(self.column, spelling)
            if len(self._spellings) < _KNOWN_LIMIT:
                self._spellings[spelling] = known
        return known


def _floats(cells: Cells, types: Types) -> tuple[npt.NDArray[np.float64], Mask]:
    """Return doubles and exact integers as floats (0 elsewhere), and which cells those are."""
    numbers = cells.numbers
    doubles = numbers.view(np.float64)
    is_double = (types == _DOUBLE) & np.isfinite(doubles)
    is_integer = (types == _INTEGER) & (numbers > -_EXACT_FLOAT) & (numbers < _EXACT_FLOAT)
    return np.where(
        is_double, doubles, np.where(is_integer, numbers, 0).astype(np.float64)
    ), is_double | is_integer
