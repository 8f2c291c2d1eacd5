"""The history tables as they are now: what queries are written against, and what every column means.

Migrations create and change the tables; a test proves that they end in exactly this shape. The comments
here are the only description of a column: they become ``COMMENT ON`` in the database and the data
dictionary. Rules (checks, triggers, row-level security, grants) live in the migrations.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Date,
    Double,
    FetchedValue,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from resources.postgres.values import ForeignText, Instant

SCHEMA = "studio"
VERSION_TABLE = "alembic_version"  # Alembic's own, in the schema above

METADATA = MetaData(schema=SCHEMA)


def _column(name: str, kind: Any, comment: str, *rest: Any, null: bool = False, **more: Any) -> Column[Any]:
    return Column(name, kind, *rest, nullable=null, comment=comment, **more)


def _studio() -> Column[Any]:
    return _column("studio_id", Text, "The studio the row belongs to; row-level security shows no other's.")


def _provenance() -> tuple[Column[Any], ...]:
    return (
        _column("run_id", Text, "Dagster run that wrote the row."),
        _column("code_version", Text, "Version of the code that computed the row."),
        _recorded_at(),
    )


def _recorded_at() -> Column[Any]:
    return _column(
        "recorded_at",
        Instant,
        "When the row was written, by the database's clock, UTC.",
        server_default=FetchedValue(),
    )


def _revision(of: str) -> Column[Any]:
    return _column("revision", Integer, f"Counts from 1 without gaps; the highest is the current {of}.")


def _previous_revision() -> Column[Any]:
    return _column(
        "previous_revision",
        Integer,
        "The revision before this one; null for the first. Lets the database refuse gaps.",
        Computed("NULLIF(revision - 1, 0)", persisted=True),
        null=True,
    )


SOURCE_READS = Table(
    "source_reads",
    METADATA,
    _studio(),
    _column("source", Text, "Where the collection lives: firestore or stripe."),
    _column("name", Text, "Asset name of the collection, snake_case."),
    _column("read_at", Instant, "The instant the read shows, UTC; Firestore's pinned read time."),
    _revision("read of that instant"),
    _previous_revision(),
    _column("snapshot_date", Date, "Studio-local day the read belongs to."),
    _column("mode", Text, "full, or incremental since the last watermark."),
    _column("completeness", Text, "full only when proven; partial and failed reads derive nothing."),
    _column("documents", BigInteger, "Documents kept, without quarantined ones."),
    _column(
        "expected_documents", BigInteger, "The source's own count; null where it cannot count.", null=True
    ),
    _column("quarantined", BigInteger, "Violations set aside; one row each in quarantined_documents."),
    _column("warnings", JSONB, 'What was tolerated: {"column: what": how many times}.'),
    _column("billed_reads", BigInteger, "Document reads (Firestore) or requests (Stripe) the source counts."),
    _column("resumes", Integer, "How often a broken stream was taken up again."),
    _column(
        "newest_source_at", Instant, "Newest change seen, by the source's clock; null if empty.", null=True
    ),
    _column("watermark_at", Instant, "Where the next incremental read starts; null without one.", null=True),
    _column("content_hash", Text, "SHA-256 of the canonical kept rows; null unless full.", null=True),
    _column("raw_url", Text, "Where the kept rows lie as Parquet; null unless full.", null=True),
    _column("seconds", Double, "Wall time of the read, seconds."),
    _column("reason", ForeignText, "Why the read is not full, for a person; null when it is.", null=True),
    *_provenance(),
    PrimaryKeyConstraint("studio_id", "source", "name", "read_at", "revision", name="source_reads_pkey"),
    ForeignKeyConstraint(
        ["studio_id", "source", "name", "read_at", "previous_revision"],
        [f"{SCHEMA}.source_reads.{key}" for key in ("studio_id", "source", "name", "read_at", "revision")],
        name="source_reads_no_gap",
    ),
    Index("source_reads_by_day", "studio_id", "snapshot_date", "source", "name"),
    comment=(
        "One row per read of one collection, failed and partial reads included. A source we failed to read "
        "is never an empty source: derive only from rows whose completeness is full."
    ),
)

QUARANTINED_DOCUMENTS = Table(
    "quarantined_documents",
    METADATA,
    _studio(),
    _column("source", Text, "Source of the read."),
    _column("name", Text, "Collection of the read."),
    _column("read_at", Instant, "Instant of the read, UTC."),
    _column("revision", Integer, "Revision of the read."),
    _column("position", Integer, "Place within the read, from 1."),
    _column("document_id", ForeignText, "Id of the document in its source."),
    _column("field_path", ForeignText, "Field that violates the contract."),
    _column("reason", ForeignText, "The rule that was broken; never the value, which may be personal."),
    PrimaryKeyConstraint(
        *("studio_id", "source", "name", "read_at", "revision", "position"), name="quarantined_documents_pkey"
    ),
    ForeignKeyConstraint(
        ["studio_id", "source", "name", "read_at", "revision"],
        [f"{SCHEMA}.source_reads.{key}" for key in ("studio_id", "source", "name", "read_at", "revision")],
        name="quarantined_documents_read",
    ),
    comment="One row per contract violation found by a read. The document was set aside, not dropped.",
)

SNAPSHOTS = Table(
    "studio_state_snapshots",
    METADATA,
    _studio(),
    _column("snapshot_date", Date, "Studio-local day the snapshot describes."),
    _revision("state of that day"),
    _previous_revision(),
    _column("content_hash", Text, "SHA-256 of counters and source hashes: same cloud state, same hash."),
    _column("payload", JSONB, "The whole StudioState document, schema v3.1."),
    _column("observed_at", Instant, "When the state was computed, UTC."),
    *_provenance(),
    PrimaryKeyConstraint("studio_id", "snapshot_date", "revision", name="studio_state_snapshots_pkey"),
    ForeignKeyConstraint(
        ["studio_id", "snapshot_date", "previous_revision"],
        [f"{SCHEMA}.studio_state_snapshots.{key}" for key in ("studio_id", "snapshot_date", "revision")],
        name="studio_state_snapshots_no_gap",
    ),
    Index("studio_state_snapshots_by_observed_at", "studio_id", "observed_at"),
    comment=(
        "One row per revision of StudioState of one day. A new revision is written only when the cloud says "
        "something else than the newest one; all snapshots come from full reads."
    ),
)

_SNAPSHOT_KEY = ("studio_id", "snapshot_date", "revision")

COUNTERS = Table(
    "studio_state_counters",
    METADATA,
    _studio(),
    _column("snapshot_date", Date, "Studio-local day of the snapshot."),
    _column("revision", Integer, "Revision of the snapshot."),
    _column("counter", Text, "Name of the counter as in the payload, e.g. counts.batchesActive."),
    _column("value", BigInteger, "The counter's value, in its unit."),
    _column("unit", Text, "What is counted: documents, cents, and so on."),
    PrimaryKeyConstraint(*_SNAPSHOT_KEY, "counter", name="studio_state_counters_pkey"),
    ForeignKeyConstraint(
        list(_SNAPSHOT_KEY),
        [f"{SCHEMA}.studio_state_snapshots.{key}" for key in _SNAPSHOT_KEY],
        name="studio_state_counters_snapshot",
    ),
    Index("studio_state_counters_by_counter", "studio_id", "counter", "snapshot_date"),
    comment="One row per counter of one snapshot revision.",
)

DIFFS = Table(
    "studio_state_diffs",
    METADATA,
    _studio(),
    _column("to_date", Date, "Day of the newer snapshot."),
    _column("to_revision", Integer, "Revision of the newer snapshot."),
    _revision("comparison of that snapshot"),
    _previous_revision(),
    _column("to_read_at", Instant, "As-of time of the newer snapshot, UTC."),
    _column("from_date", Date, "Day of the older snapshot; null for the first ever.", null=True),
    _column("from_revision", Integer, "Revision of the older snapshot; null for the first ever.", null=True),
    _column("from_read_at", Instant, "As-of time of the older snapshot, UTC; null for the first.", null=True),
    _column("sources_changed", ARRAY(Text), "Collections whose content hash differs."),
    _column("content_hash", Text, "SHA-256 of the comparison: the same comparison is written once."),
    _column("observed_at", Instant, "When the two were compared, UTC."),
    *_provenance(),
    PrimaryKeyConstraint("studio_id", "to_date", "to_revision", "revision", name="studio_state_diffs_pkey"),
    ForeignKeyConstraint(
        ["studio_id", "to_date", "to_revision", "previous_revision"],
        [f"{SCHEMA}.studio_state_diffs.{key}" for key in ("studio_id", "to_date", "to_revision", "revision")],
        name="studio_state_diffs_no_gap",
    ),
    ForeignKeyConstraint(
        ["studio_id", "to_date", "to_revision"],
        [f"{SCHEMA}.studio_state_snapshots.{key}" for key in _SNAPSHOT_KEY],
        name="studio_state_diffs_to",
    ),
    ForeignKeyConstraint(
        ["studio_id", "from_date", "from_revision"],
        [f"{SCHEMA}.studio_state_snapshots.{key}" for key in _SNAPSHOT_KEY],
        name="studio_state_diffs_from",
    ),
    comment=(
        "One row per compared pair of snapshots. Compared again with an older snapshot that was filled in "
        "later, the pair gets a new revision."
    ),
)

_DIFF_KEY = ("studio_id", "to_date", "to_revision", "revision")

DIFF_CHANGES = Table(
    "studio_state_diff_changes",
    METADATA,
    _studio(),
    _column("to_date", Date, "Day of the newer snapshot."),
    _column("to_revision", Integer, "Revision of the newer snapshot."),
    _column("revision", Integer, "Revision of the comparison."),
    _column("counter", Text, "Counter that differs."),
    _column("old_value", BigInteger, "Value in the older snapshot; 0 where it had none."),
    _column("new_value", BigInteger, "Value in the newer snapshot; 0 where it has none."),
    _column(
        "delta",
        BigInteger,
        "new_value minus old_value.",
        Computed("new_value - old_value", persisted=True),
    ),
    PrimaryKeyConstraint(*_DIFF_KEY, "counter", name="studio_state_diff_changes_pkey"),
    ForeignKeyConstraint(
        list(_DIFF_KEY),
        [f"{SCHEMA}.studio_state_diffs.{key}" for key in _DIFF_KEY],
        name="studio_state_diff_changes_diff",
    ),
    comment="One row per counter that differs between the two snapshots of a comparison.",
)

DRIFT = Table(
    "studio_state_drift",
    METADATA,
    _studio(),
    _column("snapshot_date", Date, "Day of the snapshot that was checked."),
    _column("snapshot_revision", Integer, "Revision of the snapshot that was checked."),
    _revision("check of that snapshot"),
    _column("metric", Text, "Counter that the source recomputed."),
    _column("source", Text, "Source that recomputed it."),
    _column("expected", BigInteger, "The source's own answer."),
    _column("observed", BigInteger, "Our snapshot's value."),
    _column(
        "delta",
        BigInteger,
        "observed minus expected.",
        Computed("observed - expected", persisted=True),
    ),
    _column("is_drift", Boolean, "Whether the difference is beyond the threshold."),
    _column("confidence", Double, "0 to 1: how far the two can be compared; 1 when read at one instant."),
    _column("note", ForeignText, "What limits the comparison; empty when nothing does."),
    _column("content_hash", Text, "SHA-256 of the whole check: the same result is written once."),
    _column("observed_at", Instant, "When the check was made, UTC."),
    *_provenance(),
    PrimaryKeyConstraint(
        *("studio_id", "snapshot_date", "snapshot_revision", "revision", "metric"),
        name="studio_state_drift_pkey",
    ),
    ForeignKeyConstraint(
        ["studio_id", "snapshot_date", "snapshot_revision"],
        [f"{SCHEMA}.studio_state_snapshots.{key}" for key in _SNAPSHOT_KEY],
        name="studio_state_drift_snapshot",
    ),
    comment=(
        "One row per metric of one check of a snapshot revision against the source's own counts. A check "
        "with the same result as the newest one writes nothing."
    ),
)

OPERATIONAL_EVENTS = Table(
    "operational_events",
    METADATA,
    _studio(),
    _column("event_id", BigInteger, "Number of the event, rising; may have gaps.", Identity(always=True)),
    _column("name", Text, "What happened, subject:object:action."),
    _column("at", Instant, "When it happened, UTC."),
    _column("payload", JSONB, "Details; never secrets or personal data."),
    _column("run_id", Text, "Dagster run it happened in; null outside of runs.", null=True),
    _recorded_at(),
    PrimaryKeyConstraint("studio_id", "event_id", name="operational_events_pkey"),
    Index("operational_events_by_time", "studio_id", "at"),
    comment="One row per thing that happened to the system itself: start-up posture, drift, a failed read.",
)
