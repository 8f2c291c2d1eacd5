"""Reading one type of Stripe object whole: everything created before an instant, as kept columns in id order.

Stripe cannot count its objects, so a read proves itself otherwise: every window of creation time was paged to
its end, and no id came twice. Anything else is a failed read with its reason, and leaves no file behind.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from resources.errors import SourceUnreadableError
from resources.raw_store import RawStore
from resources.rows import QuarantinedDocument, ReadMode, SourceRead
from resources.stripe.gateway import ListStats, PaymentSource
from studio_assets.cloud_truth.content_hash import ContentHash
from studio_assets.cloud_truth.outcome import Kept, ReadFaultError, ReadRequest, Tally, finished, unfinished
from studio_assets.cloud_truth.rows import RowReader
from studio_assets.contracts.model import Collection

Progress = Callable[[int], None]
"""Called with the number of objects seen so far."""

_OBJECTS_PER_READ = 1000
"""Whole objects held before their columns are kept; columns of a single page are slow to build."""

_ROWS_PER_BATCH = 8192


def read_payment_objects(
    payments: PaymentSource,
    contract: Collection,
    raw: RawStore,
    *,
    studio_id: str,
    snapshot_date: date,
    read_at: datetime,
    progress: Progress | None = None,
) -> SourceRead:
    """Read every object of a type created before ``read_at``; keep the contract's columns as Parquet.

    An object's content is its present one, whatever ``read_at`` is: Stripe keeps no past versions. Rows are
    sorted by id before they are hashed and written, so the order of pages does not matter; until then the
    kept columns (never the whole objects) are in memory.

    Returns:
        The read: ``full`` with content hash and ``raw_url``, or ``failed`` with a ``reason`` and no rows.
        ``billed_reads`` counts requests, ``resumes`` requests that had to be repeated.

    Never raises for a fault of the source or of the raw store.
    """
    request = ReadRequest(contract, studio_id, snapshot_date, read_at)
    reader, content = RowReader(contract), ContentHash(contract)
    tally, stats, url = Tally(), ListStats(), request.raw_url(raw)
    try:
        rows = _sorted_rows(payments, request, reader, stats, progress)
        with raw.writer(url, reader.schema) as file:
            for batch in rows.to_batches(_ROWS_PER_BATCH):
                content.update(batch)
                file.write(batch)
    except (SourceUnreadableError, ReadFaultError, OSError, pa.ArrowException) as fault:
        _book(tally, stats)
        return unfinished(request, tally, fault, documents=0, quarantined=())
    _book(tally, stats)
    kept = Kept(rows.num_rows, _in_id_order(reader), dict(reader.warnings), reader.newest_at)
    return finished(request, tally, kept, mode=ReadMode.FULL, content_hash=content.hexdigest(), raw_url=url)


def _sorted_rows(
    payments: PaymentSource,
    request: ReadRequest,
    reader: RowReader,
    stats: ListStats,
    progress: Progress | None,
) -> pa.Table:
    """Return the kept rows in id order.

    Raises:
        ReadFaultError: when an object came twice.
    """
    batches: list[pa.RecordBatch] = []
    waiting: list[Mapping[str, Any]] = []

    def keep() -> None:
        batches.append(reader.read([record["id"] for record in waiting], waiting))
        waiting.clear()

    seen = 0
    for page in payments.list_objects(request.contract.path, created_before=request.read_at, stats=stats):
        waiting.extend(page)
        if len(waiting) >= _OBJECTS_PER_READ:
            keep()
        seen += len(page)
        if progress is not None:
            progress(seen)
    keep()
    # One chunk: sorting many small ones is slow, and so is hashing them.
    rows = pa.Table.from_batches(batches, reader.schema).combine_chunks().sort_by("document_id")
    ids = rows.column("document_id")
    if pc.count_distinct(ids).as_py() != len(ids):
        raise ReadFaultError("The source sent an object twice.")
    return rows


def _in_id_order(reader: RowReader) -> tuple[QuarantinedDocument, ...]:
    """Return the objects set aside in an order that does not depend on how pages came."""
    return tuple(sorted(reader.quarantined, key=lambda document: document.document_id))


def _book(tally: Tally, stats: ListStats) -> None:
    """Enter what the listing cost."""
    tally.stats.billed_reads, tally.stats.resumes = stats.requests, stats.retries
