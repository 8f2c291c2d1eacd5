"""Documents in, rows out: the tolerant reader of one contract.

A document that violates its contract is set aside with its id and the reason, counted, and never fatal.
What was tolerated (an unknown status, a date given as text) is counted as a warning. Reading is a pure
function of the documents; nothing here knows where they come from.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from resources.firestore.cells import Cells, ValueCells
from resources.firestore.gateway import DocumentBatch
from resources.rows import QuarantinedDocument
from studio_assets.cloud_truth.cell_rules import EPOCH
from studio_assets.cloud_truth.column_reader import ColumnReader
from studio_assets.contracts.arrow import arrow_schema
from studio_assets.contracts.model import Collection, Kind


class NewestInstants:
    """The newest instant of every ``INSTANT`` column of a contract, over the rows it was shown."""

    def __init__(self, contract: Collection) -> None:
        self._columns = {
            column.name: place
            for place, column in enumerate(contract.columns, start=1)
            if column.kind is Kind.INSTANT
        }
        self._micros: dict[str, int] = {}

    def add(self, rows: pa.RecordBatch) -> None:
        """Take the rows of a batch into account."""
        for name, place in self._columns.items():
            newest = pc.max(rows.column(place)).value
            if newest is not None:
                self._micros[name] = max(newest, self._micros.get(name, newest))

    def at(self, column: str) -> datetime | None:
        """Return the newest instant of a column, ``None`` when no row has one."""
        if column not in self._columns:
            raise KeyError(f"{column!r} is no column of instants")
        micros = self._micros.get(column)
        return None if micros is None else EPOCH + timedelta(microseconds=micros)


class RowReader:
    """Reads documents of one contract into record batches; keeps the tally of one read.

    Use one reader per read: ``quarantined``, ``warnings`` and ``newest_at`` add up over all its batches.
    """

    def __init__(self, contract: Collection) -> None:
        self.contract = contract
        self.schema: pa.Schema = arrow_schema(contract)
        self.quarantined: list[QuarantinedDocument] = []
        self._readers = [
            ColumnReader(column, are_numbers_instants=contract.source == "stripe")
            for column in contract.columns
        ]
        self._newest = NewestInstants(contract)

    @property
    def warnings(self) -> Mapping[str, int]:
        """Return ``"column: what was tolerated"`` -> how many values, over every document read."""
        return {
            f"{reader.column.name}: {what}": times
            for reader in self._readers
            for what, times in sorted(reader.warnings.items())
            if times
        }

    def read(self, ids: Sequence[str], records: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
        """Return the rows of some documents in the contract's schema, in the order given.

        Args:
            ids: Document ids.
            records: Their fields as plain (nested) mappings, one per id; fields the contract does not list
                are not looked at.

        Returns:
            One row per document that keeps its contract; the others are added to ``quarantined``.
        """
        cells: list[Cells] = [ValueCells(_pluck(records, column.path)) for column in self.contract.columns]
        return self._rows(ids, cells)

    def read_batch(self, batch: DocumentBatch) -> pa.RecordBatch:
        """Return the rows of a batch; as :meth:`read`, but column-wise where the source offers that."""
        if batch.columns is None:
            return self.read(batch.ids, batch.records)
        return self._rows(batch.ids, [batch.columns[column.path] for column in self.contract.columns])

    def newest_at(self, column: str) -> datetime | None:
        """Return the newest instant among the kept rows of a column; ``None`` when there is none."""
        return self._newest.at(column)

    def _rows(self, ids: Sequence[str], cells: Sequence[Cells]) -> pa.RecordBatch:
        arrays = [pa.array(ids, pa.string())]
        refused: dict[int, tuple[str, str]] = {}
        for reader, column_cells in zip(self._readers, cells, strict=True):
            array, faults = reader.read(column_cells)
            arrays.append(array)
            for place, reason in faults.items():
                refused.setdefault(place, (reader.column.path, reason))
        rows = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        if refused:
            rows = self._set_aside(rows, ids, refused)
        self._newest.add(rows)
        return rows

    def _set_aside(
        self, rows: pa.RecordBatch, ids: Sequence[str], refused: Mapping[int, tuple[str, str]]
    ) -> pa.RecordBatch:
        keep = np.ones(len(ids), dtype=np.bool_)
        for place in sorted(refused):
            keep[place] = False
            self.quarantined.append(QuarantinedDocument(ids[place], *refused[place]))
        return rows.filter(pa.array(keep))


def _pluck(records: Sequence[Mapping[str, Any]], path: str) -> list[Any]:
    """Return the value at a dotted path of every record; ``None`` where any part of the path is absent."""
    head, *rest = path.split(".")
    values = [record.get(head) for record in records]
    for part in rest:
        values = [value.get(part) if isinstance(value, Mapping) else None for value in values]
    return values
