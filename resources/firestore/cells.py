"""One field of a batch of documents, column-wise: what type each value has, and the value.

A reader that knows which type it expects can take a whole column at once and look one by one only at the
odd values. The wire decoder makes cells without making a Python object per value; ``ValueCells`` makes them
from values that already are Python objects.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


class CellType(IntEnum):
    """What stands in a cell. ``OTHER`` has no column form: maps, lists, bytes, huge integers."""

    ABSENT = 0
    NULL = 1
    BOOLEAN = 2
    INTEGER = 3
    DOUBLE = 4
    INSTANT = 5
    TEXT = 6
    OTHER = 7


class Cells(Protocol):
    """One field of consecutive documents, in document order."""

    @property
    def types(self) -> npt.NDArray[np.uint8]:
        """Return the :class:`CellType` of every cell."""

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """Return per cell 0/1, the integer, the double's bits, or epoch microseconds; else anything."""

    @property
    def texts(self) -> pa.Array:
        """Return the text of every ``TEXT`` cell as a string array; null elsewhere."""

    def value(self, index: int) -> Any:
        """Return one cell as a plain Python value; ``None`` when absent or null."""


_TYPE_OF = {
    type(None): CellType.NULL,
    bool: CellType.BOOLEAN,
    int: CellType.INTEGER,
    float: CellType.DOUBLE,
    datetime: CellType.INSTANT,
    str: CellType.TEXT,
}


class ValueCells:
    """Cells over plain Python values; ``None`` stands for absent and null alike."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = values
        self.types = np.array([_TYPE_OF.get(type(value), CellType.OTHER) for value in values], dtype=np.uint8)
        self._demote(CellType.INTEGER, lambda value: not INT64_MIN <= value <= INT64_MAX)
        self._demote(CellType.INSTANT, lambda value: value.tzinfo is None)
        self._demote(CellType.TEXT, lambda value: not _is_unicode(value))

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """See :class:`Cells`."""
        numbers = np.zeros(len(self._values), dtype=np.int64)
        for cell_type, arrow_type in (
            (CellType.BOOLEAN, pa.bool_()),
            (CellType.INTEGER, pa.int64()),
            (CellType.INSTANT, pa.timestamp("us", tz="UTC")),
        ):
            places = np.flatnonzero(self.types == cell_type).tolist()
            if places:
                chosen = pa.array([self._values[place] for place in places], arrow_type)
                numbers[places] = chosen.cast(pa.int64()).to_numpy(zero_copy_only=False)
        places = np.flatnonzero(self.types == CellType.DOUBLE).tolist()
        numbers[places] = np.array([self._values[place] for place in places], dtype=np.float64).view(np.int64)
        return numbers

    @property
    def texts(self) -> pa.Array:
        """See :class:`Cells`."""
        is_text = self.types == CellType.TEXT
        if is_text.all():
            return pa.array(self._values, pa.string())
        pairs = zip(self._values, is_text, strict=True)
        return pa.array([value if is_one else None for value, is_one in pairs], pa.string())

    def value(self, index: int) -> Any:
        """See :class:`Cells`."""
        return self._values[index]

    def _demote(self, cell_type: CellType, is_odd: Any) -> None:
        for place in np.flatnonzero(self.types == cell_type).tolist():
            if is_odd(self._values[place]):
                self.types[place] = CellType.OTHER


def _is_unicode(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate: JSON can carry one, UTF-8 cannot
        return False
    return True
