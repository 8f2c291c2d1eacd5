"""What a read of one collection reports: its cost while it runs, and its outcome when it ends.

Shared by whole reads and change reads, so that both say the same things in the same words.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from resources.errors import SourceUnreadableError
from resources.firestore.gateway import DocumentSource, ScanStats, Where
from resources.raw_store import RawStore
from resources.rows import Completeness, QuarantinedDocument, ReadMode, SourceRead
from studio_assets.contracts.model import Collection

COUNTED_PER_BILLED_READ = 1000  # Firestore bills one document read per 1,000 index entries a count looks at
_FRESHNESS_COLUMNS = ("updated_at", "created_at", "loaned_at")


class ReadFaultError(Exception):
    """A read cannot be called full. The message is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Which read is asked for: the contract, and the studio, day and instant it belongs to."""

    contract: Collection
    studio_id: str
    snapshot_date: date
    read_at: datetime

    def raw_url(self, raw: RawStore) -> str:
        """Return where the kept rows of this read will lie."""
        contract = self.contract
        return raw.url_for(self.studio_id, contract.source, contract.name, self.snapshot_date, self.read_at)


@dataclass(slots=True)
class Tally:
    """What a read has cost so far; goes on counting when a read is begun again in another mode."""

    expected: int | None = None
    counted_reads: int = 0
    stats: ScanStats = field(default_factory=ScanStats)
    started: float = field(default_factory=time.monotonic)

    def count(self, documents: DocumentSource, request: ReadRequest, where: Sequence[Where] = ()) -> int:
        """Ask the source how many documents there are, and book what the answer costs."""
        found = documents.count(request.contract.path, read_time=request.read_at, where=where)
        self.counted_reads += max(1, -(-found // COUNTED_PER_BILLED_READ))
        return found


@dataclass(frozen=True, slots=True)
class Kept:
    """What a read has to show: rows, documents set aside, what was tolerated, newest instants."""

    documents: int
    quarantined: Sequence[QuarantinedDocument]
    warnings: Mapping[str, int]
    newest_at: Callable[[str], datetime | None]


def finished(
    request: ReadRequest, tally: Tally, kept: Kept, *, mode: ReadMode, content_hash: str, raw_url: str
) -> SourceRead:
    """Return the report of a proven read."""
    change_column = request.contract.change_column
    return SourceRead(
        source=request.contract.source,
        name=request.contract.name,
        snapshot_date=request.snapshot_date,
        read_at=request.read_at,
        mode=mode,
        completeness=Completeness.FULL,
        documents=kept.documents,
        expected_documents=tally.expected,
        quarantined=kept.quarantined,
        warnings=kept.warnings,
        billed_reads=tally.stats.billed_reads + tally.counted_reads,
        resumes=tally.stats.resumes,
        newest_source_at=_newest(request, kept, _freshness_column(request.contract)),
        content_hash=content_hash,
        raw_url=raw_url,
        seconds=round(time.monotonic() - tally.started, 3),
        watermark_at=_newest(request, kept, change_column),
    )


def unfinished(
    request: ReadRequest,
    tally: Tally,
    fault: Exception,
    *,
    documents: int,
    quarantined: Sequence[QuarantinedDocument],
    mode: ReadMode = ReadMode.FULL,
) -> SourceRead:
    """Return the report of a read that is not full: ``partial`` when some documents came, else ``failed``."""
    has_some = documents + len(quarantined) > 0
    return SourceRead(
        source=request.contract.source,
        name=request.contract.name,
        snapshot_date=request.snapshot_date,
        read_at=request.read_at,
        mode=mode,
        completeness=Completeness.PARTIAL if has_some else Completeness.FAILED,
        documents=documents,
        expected_documents=tally.expected,
        quarantined=quarantined,
        warnings={},
        billed_reads=tally.stats.billed_reads + tally.counted_reads,
        resumes=tally.stats.resumes,
        newest_source_at=None,
        content_hash=None,
        raw_url=None,
        seconds=round(time.monotonic() - tally.started, 3),
        reason=f"{_sentence(fault)} Nothing of this read was kept; the last full read stays current.",
    )


def _sentence(fault: Exception) -> str:
    if isinstance(fault, SourceUnreadableError | ReadFaultError):
        return str(fault)
    if isinstance(fault, OSError):
        return f"The rows could not be written to the raw store ({fault.strerror or type(fault).__name__})."
    return f"The rows could not be written to the raw store ({type(fault).__name__})."


def _freshness_column(contract: Collection) -> str | None:
    names = {column.name for column in contract.columns}
    candidates = (contract.change_column, *_FRESHNESS_COLUMNS)
    return next((name for name in candidates if name in names), None)


def _newest(request: ReadRequest, kept: Kept, column: str | None) -> datetime | None:
    """Return the newest instant of a column, at most the read itself: a wrong clock hides no change."""
    newest = kept.newest_at(column) if column is not None else None
    return None if newest is None else min(newest, request.read_at)
