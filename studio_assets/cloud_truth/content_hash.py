"""The content hash of a collection: the same kept rows always give the same 64 hex digits.

Hashed are a header (schema version, contract, columns) and then every row, in the order given, as a JSON
array of its values. Read times and run ids are not in it. Instants are integer microseconds, money integer
minor units, other numbers their shortest decimal text, so no float ever reaches the JSON.
"""

import hashlib
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from studio_assets.contracts.arrow import SCHEMA_VERSION
from studio_assets.contracts.model import Collection, Kind

_ROWS_PER_CHUNK = 2000  # measured: larger chunks gain nothing and hold more memory


class ContentHash:
    """SHA-256 over the canonical rows of one contract; feed batches in document-id order."""

    def __init__(self, contract: Collection) -> None:
        self._kinds: list[Kind] = [Kind.TEXT, *(column.kind for column in contract.columns)]
        columns = [["document_id", Kind.TEXT], *([column.name, column.kind] for column in contract.columns)]
        self._hash = hashlib.sha256(orjson.dumps([SCHEMA_VERSION, contract.source, contract.name, columns]))

    def update(self, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch; how rows are divided into batches does not matter."""
        for start in range(0, batch.num_rows, _ROWS_PER_CHUNK):
            chunk = batch.slice(start, _ROWS_PER_CHUNK)
            columns = [_canonical(chunk.column(i), kind) for i, kind in enumerate(self._kinds)]
            rows = orjson.dumps(list(zip(*columns, strict=True)))
            self._hash.update(b",")
            self._hash.update(memoryview(rows)[1:-1])

    def hexdigest(self) -> str:
        """Return the hash of the rows so far, 64 hex digits."""
        return self._hash.hexdigest()


def _canonical(array: pa.Array, kind: Kind) -> list[Any]:
    if kind is Kind.NUMBER:
        return [None if value is None else repr(value + 0.0) for value in array.to_pylist()]
    if kind is Kind.DATE:
        array = array.cast(pa.string())
    elif kind is Kind.INSTANT:
        array = array.cast(pa.int64())
    if pa.types.is_integer(array.type) and array.null_count:
        values = pc.fill_null(array, 0).to_numpy().astype(object)
        values[array.is_null().to_numpy(zero_copy_only=False)] = None
        return list(values)
    return list(array.to_numpy(zero_copy_only=False).tolist())
