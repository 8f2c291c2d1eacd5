"""Reading one Firestore collection whole: every document at one instant, proven by the source's own count.

A read is ``full`` only when the rows kept and the documents set aside add up to the count at the same
instant. Anything else is ``partial`` or ``failed``, with the reason in words, and leaves no file behind.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from operator import lt
from typing import Any

import pyarrow as pa

from resources.errors import SourceUnreadableError
from resources.firestore.gateway import CollectionQuery, DocumentSource, ScanStats, Where
from resources.raw_store import RawStore
from resources.rows import ReadMode, SourceRead
from studio_assets.cloud_truth.content_hash import ContentHash
from studio_assets.cloud_truth.outcome import Kept, ReadFaultError, ReadRequest, Tally, finished, unfinished
from studio_assets.cloud_truth.rows import RowReader
from studio_assets.contracts.model import Collection

Progress = Callable[[int], None]
"""Called with the number of documents seen so far."""

FULL_READ_AT = "studio.full_read_at"
"""Fact noted in a Parquet file: the instant of the last whole read its rows rest on."""

_NUMBERED = re.compile(r"__id(0|-?[1-9][0-9]*)__")


def read_collection(
    documents: DocumentSource,
    contract: Collection,
    raw: RawStore,
    *,
    studio_id: str,
    snapshot_date: date,
    read_at: datetime,
    progress: Progress | None = None,
) -> SourceRead:
    """Read every document of a collection at ``read_at`` and keep the contract's columns as Parquet.

    Returns:
        The read. ``full``: proven by count, with content hash and ``raw_url``. ``partial``: some documents
        came but not provably all. ``failed``: none came. The last two have a ``reason`` and no file.

    Never raises for a fault of the source or of the raw store.
    """
    request = ReadRequest(contract, studio_id, snapshot_date, read_at)
    return read_whole(documents, raw, request, Tally(), progress=progress)


def read_whole(
    documents: DocumentSource,
    raw: RawStore,
    request: ReadRequest,
    tally: Tally,
    *,
    progress: Progress | None = None,
    warnings: Mapping[str, int] | None = None,
) -> SourceRead:
    """Read as :func:`read_collection` does, adding to the tally and warnings of an attempt before it."""
    reader, content = RowReader(request.contract), ContentHash(request.contract)
    kept, url = 0, request.raw_url(raw)
    try:
        tally.expected = tally.count(documents, request)
        with raw.writer(url, reader.schema) as file:
            for rows in scan_rows(documents, request, reader, tally.stats):
                content.update(rows)
                file.write(rows)
                kept += rows.num_rows
                if progress is not None:
                    progress(kept + len(reader.quarantined))
            prove_count(tally.expected, kept + len(reader.quarantined))
            file.note({FULL_READ_AT: request.read_at.isoformat()})
    except (SourceUnreadableError, ReadFaultError, OSError, pa.ArrowException) as fault:
        set_aside = tuple(reader.quarantined)
        return unfinished(request, tally, fault, documents=kept, quarantined=set_aside)
    seen = Kept(kept, tuple(reader.quarantined), {**(warnings or {}), **reader.warnings}, reader.newest_at)
    return finished(request, tally, seen, mode=ReadMode.FULL, content_hash=content.hexdigest(), raw_url=url)


def scan_rows(
    documents: DocumentSource,
    request: ReadRequest,
    reader: RowReader,
    stats: ScanStats,
    where: Sequence[Where] = (),
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of the matching documents; a whole scan must come in strictly rising id order.

    Raises:
        ReadFaultError: when a document comes twice or out of order, so that the scan proves nothing.
    """
    contract = request.contract
    query = CollectionQuery(contract.path, contract.field_paths, where)
    last_id = None
    for batch in documents.scan(query, read_time=request.read_at, stats=stats):
        if not where and batch.ids:
            ids = batch.ids if last_id is None else [last_id, *batch.ids]
            if not (all(map(lt, ids, ids[1:])) or _is_rising(ids)):
                raise ReadFaultError("The source sent a document twice or out of order.")
            last_id = batch.ids[-1]
        rows = reader.read_batch(batch)
        del batch  # the next one needs the room
        yield rows


def is_numbered(document_id: str) -> bool:
    """Say whether an id is one of Firestore's numbers (``__id7__``), which come first, in order of size."""
    return document_id.startswith("__id") and _NUMBERED.fullmatch(document_id) is not None


def _is_rising(ids: Sequence[str]) -> bool:
    """Say whether ids come strictly in Firestore's own order."""
    keys: list[tuple[Any, ...]] = [
        (0, int(one[len("__id") : -len("__")])) if is_numbered(one) else (1, one) for one in ids
    ]
    return all(map(lt, keys, keys[1:]))


def prove_count(expected: int, seen: int) -> None:
    """Raise unless the documents seen are as many as the source counts."""
    if seen != expected:
        raise ReadFaultError(f"The source counts {expected} documents at this instant, but {seen} came.")
