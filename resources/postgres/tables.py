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
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from resources.postgres.table_parts import described, recorded_at_column, studio_column
from resources.postgres.values import ForeignText, Instant

SCHEMA = "studio"
VERSION_TABLE = "alembic_version"  # Alembic's own, in the schema above

METADATA = MetaData(schema=SCHEMA)


def _provenance() -> tuple[Column[Any], ...]:
    return (
        described("run_id", Text, "Dagster run that wrote the row."),
        described("code_version", Text, "Version of the code that computed the row."),
        recorded_at_column(),
    )


def _revision(of: str) -> Column[Any]:
    return described("revision", Integer, f"Counts from 1 without gaps; the highest is the current {of}.")


def _previous_revision() -> Column[Any]:
    return described(
        "previous_revision",
        Integer,
        "The revision before this one; null for the first. Lets the database refuse gaps.",
        Computed("NULLIF(revision - 1, 0)", persisted=True),
        null=True,
    )


SOURCE_READS = Table(
    "source_reads",
    METADATA,
    studio_column(),
    described("source", Text, "Where the collection lives: firestore or stripe."),
    described("name", Text, "Asset name of the collection, snake_case."),
    described("read_at", Instant, "The instant the read shows, UTC; Firestore's pinned read time."),
    _revision("read of that instant"),
    _previous_revision(),
    described("snapshot_date", Date, "Studio-local day the read belongs to."),
    described("mode", Text, "full, or incremental since the last watermark."),
    described("completeness", Text, "full only when proven; partial and failed reads derive nothing."),
    described("documents", BigInteger, "Documents kept, without quarantined ones."),
    described(
        "expected_documents", BigInteger, "The source's own count; null where it cannot count.", null=True
    ),
    described("quarantined", BigInteger, "Violations set aside; one row each in quarantined_documents."),
    described("warnings", JSONB, 'What was tolerated: {"column: what": how many times}.'),
    described(
        "billed_reads", BigInteger, "Document reads (Firestore) or requests (Stripe) the source counts."
    ),
    described("resumes", Integer, "How often a broken stream was taken up again."),
    described(
        "newest_source_at", Instant, "Newest change seen, by the source's clock; null if empty.", null=True
    ),
    described(
        "watermark_at", Instant, "Where the next incremental read starts; null without one.", null=True
    ),
    described("content_hash", Text, "SHA-256 of the canonical kept rows; null unless full.", null=True),
    described("raw_url", Text, "Where the kept rows lie as Parquet; null unless full.", null=True),
    described("seconds", Double, "Wall time of the read, seconds."),
    described("reason", ForeignText, "Why the read is not full, for a person; null when it is.", null=True),
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
    studio_column(),
    described("source", Text, "Source of the read."),
    described("name", Text, "Collection of the read."),
    described("read_at", Instant, "Instant of the read, UTC."),
    described("revision", Integer, "Revision of the read."),
    described("position", Integer, "Place within the read, from 1."),
    described("document_id", ForeignText, "Id of the document in its source."),
    described("field_path", ForeignText, "Field that violates the contract."),
    described("reason", ForeignText, "The rule that was broken; never the value, which may be personal."),
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
    studio_column(),
    described("snapshot_date", Date, "Studio-local day the snapshot describes."),
    _revision("state of that day"),
    _previous_revision(),
    described(
        "content_hash",
        Text,
        "SHA-256 of counters, source hashes and device counts: same cloud state, same hash.",
    ),
    described("payload", JSONB, "The whole StudioState document, schema v3.1 or v3.2 (with devices)."),
    described("observed_at", Instant, "When the state was computed, UTC."),
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
    studio_column(),
    described("snapshot_date", Date, "Studio-local day of the snapshot."),
    described("revision", Integer, "Revision of the snapshot."),
    described("counter", Text, "Name of the counter as in the payload, e.g. counts.batchesActive."),
    described("value", BigInteger, "The counter's value, in its unit."),
    described("unit", Text, "What is counted: documents, cents, and so on."),
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
    studio_column(),
    described("to_date", Date, "Day of the newer snapshot."),
    described("to_revision", Integer, "Revision of the newer snapshot."),
    _revision("comparison of that snapshot"),
    _previous_revision(),
    described("to_read_at", Instant, "As-of time of the newer snapshot, UTC."),
    described("from_date", Date, "Day of the older snapshot; null for the first ever.", null=True),
    described(
        "from_revision", Integer, "Revision of the older snapshot; null for the first ever.", null=True
    ),
    described(
        "from_read_at", Instant, "As-of time of the older snapshot, UTC; null for the first.", null=True
    ),
    described("sources_changed", ARRAY(Text), "Collections whose content hash differs."),
    described("content_hash", Text, "SHA-256 of the comparison: the same comparison is written once."),
    described("observed_at", Instant, "When the two were compared, UTC."),
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
    studio_column(),
    described("to_date", Date, "Day of the newer snapshot."),
    described("to_revision", Integer, "Revision of the newer snapshot."),
    described("revision", Integer, "Revision of the comparison."),
    described("counter", Text, "Counter that differs."),
    described("old_value", BigInteger, "Value in the older snapshot; 0 where it had none."),
    described("new_value", BigInteger, "Value in the newer snapshot; 0 where it has none."),
    described(
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
    studio_column(),
    described("snapshot_date", Date, "Day of the snapshot that was checked."),
    described("snapshot_revision", Integer, "Revision of the snapshot that was checked."),
    _revision("check of that snapshot"),
    described("metric", Text, "Counter that the source recomputed."),
    described("source", Text, "Source that recomputed it."),
    described("expected", BigInteger, "The source's own answer."),
    described("observed", BigInteger, "Our snapshot's value."),
    described(
        "delta",
        BigInteger,
        "observed minus expected.",
        Computed("observed - expected", persisted=True),
    ),
    described("is_drift", Boolean, "Whether the difference is beyond the threshold."),
    described("confidence", Double, "0 to 1: how far the two can be compared; 1 when read at one instant."),
    described("note", ForeignText, "What limits the comparison; empty when nothing does."),
    described("content_hash", Text, "SHA-256 of the whole check: the same result is written once."),
    described("observed_at", Instant, "When the check was made, UTC."),
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
    studio_column(),
    described("event_id", BigInteger, "Number of the event, rising; may have gaps.", Identity(always=True)),
    described("name", Text, "What happened, subject:object:action."),
    described("at", Instant, "When it happened, UTC."),
    described("payload", JSONB, "Details; never secrets or personal data."),
    described("run_id", Text, "Dagster run it happened in; null outside of runs.", null=True),
    recorded_at_column(),
    PrimaryKeyConstraint("studio_id", "event_id", name="operational_events_pkey"),
    Index("operational_events_by_time", "studio_id", "at"),
    Index(
        "operational_events_confirmations",
        *("studio_id", "at"),
        postgresql_where=text("name = 'studio_state:snapshot:confirmed'"),
    ),
    comment="One row per thing that happened to the system itself: start-up posture, drift, a failed read.",
)
