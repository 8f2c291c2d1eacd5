"""Reading only what changed since an earlier read, with the same content hash as reading everything.

The documents whose change time is not older than the last watermark (less an overlap for late writers) are
read and laid over the earlier rows. The result is accepted only when it adds up to the source's own count,
which is how deletions show. Whenever that cannot be proven, the collection is read whole, and the report says
why.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from resources.errors import SourceUnreadableError
from resources.firestore.gateway import DocumentSource, Where
from resources.raw_store import RawStore
from resources.rows import Completeness, QuarantinedDocument, ReadMode, SourceRead
from studio_assets.cloud_truth.content_hash import ContentHash
from studio_assets.cloud_truth.merge import merge_rows
from studio_assets.cloud_truth.outcome import Kept, ReadFaultError, ReadRequest, Tally, finished, unfinished
from studio_assets.cloud_truth.read import (
    FULL_READ_AT,
    Progress,
    is_numbered,
    prove_count,
    read_whole,
    scan_rows,
)
from studio_assets.cloud_truth.rows import NewestInstants, RowReader
from studio_assets.contracts.arrow import arrow_schema
from studio_assets.contracts.model import Collection

OVERLAP = timedelta(minutes=10)
"""How far behind the watermark to look again: change times are stamped before the write is committed."""

LONGEST_CHAIN = timedelta(hours=24)
"""How long change reads may follow one another: a writer that leaves the change time alone shows then."""

MOST_CHANGES_IN_MEMORY = 1000
"""Above this, changes to most of a collection are read as a whole, which needs less memory."""

_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


class _ReadWholeError(Exception):
    """Changes cannot be proven to give the whole; the message says why, to stand behind "read whole:"."""


def read_changes(
    documents: DocumentSource,
    contract: Collection,
    raw: RawStore,
    *,
    base: SourceRead | None,
    studio_id: str,
    snapshot_date: date,
    read_at: datetime,
    overlap: timedelta = OVERLAP,
    longest_chain: timedelta = LONGEST_CHAIN,
    progress: Progress | None = None,
) -> SourceRead:
    """Bring an earlier read of a collection up to ``read_at``, or read it whole where that is not provable.

    ``base`` is the newest full read of the same collection; its rows are taken from ``base.raw_url``.
    ``overlap`` is how far behind its watermark to look again. A whole read is made when the last one is older
    than ``longest_chain``.

    Returns:
        As :func:`studio_assets.cloud_truth.read.read_collection`. ``mode`` says which way it was read; a
        whole read has the warning ``"read whole: <why>"``. ``warnings`` of a change read cover the changed
        documents only. ``billed_reads`` covers everything asked, counts and abandoned attempts included.

    Never raises for a fault of the source or of the raw store.
    """
    request, tally = ReadRequest(contract, studio_id, snapshot_date, read_at), Tally()
    try:
        earlier = _open_base(raw, request, base, longest_chain)
        return _read_onto(earlier, documents, raw, request, tally, overlap=overlap, progress=progress)
    except _ReadWholeError as why:
        reason = {f"read whole: {why}": 1}
        return read_whole(documents, raw, request, tally, progress=progress, warnings=reason)


@dataclass(frozen=True, slots=True)
class _Base:
    """An earlier read whose rows can be built upon."""

    read: SourceRead
    url: str
    full_read_at: str
    change_path: str


def _open_base(
    raw: RawStore, request: ReadRequest, base: SourceRead | None, longest_chain: timedelta
) -> _Base:
    """Return the earlier read when its rows can be built upon, else raise why not."""
    contract = request.contract
    if contract.change_column is None:
        raise _ReadWholeError("no field of this collection tells every change")
    if base is None or base.completeness is not Completeness.FULL or base.raw_url is None:
        raise _ReadWholeError("there is no earlier full read")
    if (base.source, base.name) != (contract.source, contract.name):
        raise ValueError(f"a read of {base.name} cannot be brought up to date as {contract.name}")
    if base.read_at > request.read_at:
        raise _ReadWholeError("the earlier read shows a later instant")
    try:
        schema, facts = raw.schema(base.raw_url)
        full_read_at = facts[FULL_READ_AT]
        is_too_long = request.read_at - datetime.fromisoformat(full_read_at) > longest_chain
    except (OSError, pa.ArrowException, KeyError, ValueError):
        raise _ReadWholeError("the rows of the earlier read are gone or damaged") from None
    if schema.metadata != arrow_schema(contract).metadata:
        raise _ReadWholeError("the contract has changed since the earlier read")
    if is_too_long:
        raise _ReadWholeError("the last whole read is too long ago")
    return _Base(base, base.raw_url, full_read_at, contract.column(contract.change_column).path)


def _read_onto(
    base: _Base,
    documents: DocumentSource,
    raw: RawStore,
    request: ReadRequest,
    tally: Tally,
    *,
    overlap: timedelta,
    progress: Progress | None,
) -> SourceRead:
    """Read the changes, lay them over the earlier rows, and prove the sum; else raise why it cannot be."""
    reader = RowReader(request.contract)
    watermark = min(base.read.watermark_at or base.read.read_at, base.read.read_at)
    since = (Where(base.change_path, ">=", watermark - overlap),)
    kept, quarantined, url = 0, list[QuarantinedDocument](), request.raw_url(raw)
    try:
        changed, touched = _changes(base, documents, request, tally, reader=reader, since=since)
        quarantined = _still_set_aside(base.read.quarantined, touched, reader.quarantined)
        content, before = ContentHash(request.contract), ContentHash(request.contract)
        newest = NewestInstants(request.contract)
        with raw.writer(url, reader.schema) as file:
            for rows in merge_rows(_hashed(raw.iter_batches(base.url), before), changed, touched):
                content.update(rows)
                newest.add(rows)
                file.write(rows)
                kept += rows.num_rows
                if progress is not None:
                    progress(kept + len(quarantined))
            if before.hexdigest() != base.read.content_hash:
                raise _ReadWholeError("the rows of the earlier read are gone or damaged")
            if kept + len(quarantined) != tally.expected:
                raise _ReadWholeError("documents were deleted, or changed without a new change time")
            file.note({FULL_READ_AT: base.full_read_at})
    except (SourceUnreadableError, ReadFaultError) as fault:
        set_aside = tuple(reader.quarantined)
        return unfinished(
            request, tally, fault, mode=ReadMode.INCREMENTAL, documents=0, quarantined=set_aside
        )
    except (OSError, pa.ArrowException):
        raise _ReadWholeError("the rows of the earlier read are gone or damaged") from None
    seen = Kept(kept, tuple(quarantined), reader.warnings, newest.at)
    return finished(
        request, tally, seen, mode=ReadMode.INCREMENTAL, content_hash=content.hexdigest(), raw_url=url
    )


def _changes(
    base: _Base,
    documents: DocumentSource,
    request: ReadRequest,
    tally: Tally,
    *,
    reader: RowReader,
    since: Sequence[Where],
) -> tuple[pa.Table, pa.Array]:
    """Return the rows of the changed documents in id order, and the ids of all of them, set aside or not."""
    tally.expected = tally.count(documents, request)
    if tally.count(documents, request, (Where(base.change_path, ">=", _BEGINNING),)) != tally.expected:
        raise _ReadWholeError("some documents carry no usable change time")
    to_read = tally.count(documents, request, since)
    if to_read > MOST_CHANGES_IN_MEMORY and to_read * 2 > tally.expected:
        raise _ReadWholeError("most documents have changed")
    batches = list(scan_rows(documents, request, reader, tally.stats, since))
    changed = pa.Table.from_batches(batches, schema=reader.schema).sort_by("document_id")
    ids = [*changed.column("document_id").to_pylist(), *(one.document_id for one in reader.quarantined)]
    prove_count(to_read, len(set(ids)))
    _refuse_numbered(ids)
    return changed, pa.array(ids, pa.string())


def _still_set_aside(
    before: Sequence[QuarantinedDocument], touched: pa.Array, now: Sequence[QuarantinedDocument]
) -> list[QuarantinedDocument]:
    """Return the documents set aside earlier and not touched since, and those set aside now, by id."""
    seen_again = set(touched.to_pylist())
    untouched = [one for one in before if one.document_id not in seen_again]
    return sorted([*untouched, *now], key=lambda one: one.document_id)


def _refuse_numbered(ids: Sequence[str]) -> None:
    """Raise when an id is a number: those do not sort as text, so rows cannot be laid over one another."""
    if any(map(is_numbered, ids)):
        raise _ReadWholeError("some document ids are numbers")


def _hashed(rows: Iterable[pa.RecordBatch], content: ContentHash) -> Iterator[pa.RecordBatch]:
    """Pass rows on and hash them, so that earlier rows damaged on disk are noticed."""
    for batch in rows:
        _refuse_numbered(batch.column("document_id")[:1].to_pylist())  # numbers come before every text
        content.update(batch)
        yield batch
