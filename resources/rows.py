"""Row types that cross room borders: what a read reports, and what history keeps.

They live with the doors because both the readers (which produce them) and PostgreSQL (which keeps them)
need one shape. They hold no behaviour beyond what the shape itself implies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any


class Completeness(StrEnum):
    """How much of a source a read saw. A source we failed to read is never an empty source."""

    FULL = "full"
    PARTIAL = "partial"
    FAILED = "failed"


class ReadMode(StrEnum):
    """How a read was made: everything, or only what changed since the last watermark."""

    FULL = "full"
    INCREMENTAL = "incremental"


@dataclass(frozen=True, slots=True)
class QuarantinedDocument:
    """One document that violates its contract.

    ``reason`` names the field and the rule, never the offending value: a value may be personal data.
    """

    document_id: str
    field_path: str
    reason: str


@dataclass(frozen=True, slots=True)
class SourceRead:
    """One read of one collection: grain is (studio, source, name, read_at).

    Attributes:
        source: ``firestore`` or ``stripe``.
        name: The asset name of the collection, snake_case (``kiln_firings``, ``payment_intents``).
        snapshot_date: Studio-local day the read belongs to.
        read_at: The instant the read shows, aware UTC; Firestore's pinned ``read_time``.
        mode: Full, or incremental since a watermark.
        completeness: ``full`` only when proven; ``failed`` and ``partial`` reads have a ``reason``.
        documents: Rows kept (without quarantined ones).
        expected_documents: The source's own count at ``read_at``; null where the source cannot count.
        quarantined: Every document set aside, with its reason.
        warnings: ``"column: what was tolerated"`` -> how many times.
        billed_reads: Document reads (Firestore) or requests (Stripe) the source charges or counts.
        resumes: How often a broken stream was taken up again.
        newest_source_at: Newest change the rows show, by the source's own clock; null when empty.
        content_hash: SHA-256 over the canonical kept rows; null unless ``completeness`` is ``full``.
        raw_url: Where the kept rows lie as Parquet; null unless ``completeness`` is ``full``.
        seconds: Wall time of the read.
        reason: Why the read is not full, in words for a person; null when it is.
        watermark_at: Newest value of the contract's change field; the start of the next incremental read.
    """

    source: str
    name: str
    snapshot_date: date
    read_at: datetime
    mode: ReadMode
    completeness: Completeness
    documents: int
    expected_documents: int | None
    quarantined: Sequence[QuarantinedDocument]
    warnings: Mapping[str, int]
    billed_reads: int
    resumes: int
    newest_source_at: datetime | None
    content_hash: str | None
    raw_url: str | None
    seconds: float
    reason: str | None = None
    watermark_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One revision of StudioState for one studio-local day: grain is (studio, snapshot_date, revision).

    ``payload`` is the whole StudioState document. ``content_hash`` covers only what the cloud says
    (counters and source hashes), so the same cloud state always has the same hash.
    """

    snapshot_date: date
    revision: int
    content_hash: str
    payload: Mapping[str, Any]
    observed_at: datetime
    run_id: str
    code_version: str


@dataclass(frozen=True, slots=True)
class CounterChange:
    """One counter that differs between two snapshots; ``delta`` is new minus old."""

    counter: str
    old: int
    new: int

    @property
    def delta(self) -> int:
        """Return the signed change, new minus old."""
        return self.new - self.old


@dataclass(frozen=True, slots=True)
class SnapshotDiff:
    """What changed between two full snapshots, with both as-of times.

    ``from_*`` is null for the first snapshot ever. Grain of ``changes``: one per counter that differs.
    """

    to_date: date
    to_revision: int
    to_read_at: datetime
    from_date: date | None
    from_revision: int | None
    from_read_at: datetime | None
    changes: Sequence[CounterChange]
    sources_changed: Sequence[str]


@dataclass(frozen=True, slots=True)
class DriftMetric:
    """One counter recomputed by the source itself: ``expected`` is the source's answer, ``observed`` ours.

    ``confidence`` (0-1) says how far the two can be compared: 1 when both were read at one instant.
    """

    metric: str
    source: str
    expected: int
    observed: int
    is_drift: bool
    confidence: float
    note: str = ""

    @property
    def delta(self) -> int:
        """Return observed minus expected."""
        return self.observed - self.expected


@dataclass(frozen=True, slots=True)
class OperationalEvent:
    """Something that happened to the system itself (start-up posture, drift, a failed read).

    ``name`` reads ``subject:object:action``. ``payload`` never holds secrets or personal data.
    """

    name: str
    at: datetime
    payload: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None
