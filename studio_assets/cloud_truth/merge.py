"""Laying changed rows over an earlier read, in document-id order and with bounded memory."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

_ID = "document_id"


def merge_rows(
    base: Iterable[pa.RecordBatch], changed: pa.Table, touched: pa.Array
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of ``base`` with the touched documents replaced by their changed rows.

    Args:
        base: Earlier rows, in document-id order.
        changed: New rows of touched documents, in document-id order; a touched document that was set aside
            has none. Held in memory, so a caller with more changes than unchanged rows should read whole.
        touched: Ids of every document the changes speak of.

    Yields:
        Batches in document-id order; each id once.
    """
    ids, done = changed.column(_ID).to_pylist(), 0
    for batch in base:
        if batch.num_rows == 0:
            continue
        until = bisect_right(ids, batch.column(_ID)[-1].as_py(), lo=done)
        untouched = batch.filter(pc.invert(pc.is_in(batch.column(_ID), value_set=touched)))
        rows = pa.concat_tables([pa.Table.from_batches([untouched]), changed.slice(done, until - done)])
        done = until
        yield from rows.sort_by(_ID).to_batches()
    yield from changed.slice(done).to_batches()
