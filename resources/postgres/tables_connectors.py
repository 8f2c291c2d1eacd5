"""The connectors' tables as they are now; as in ``tables.py``, only these comments describe a column."""

from sqlalchemy import Boolean, Double, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from resources.postgres.table_parts import described, recorded_at_column, studio_column
from resources.postgres.tables import METADATA
from resources.postgres.values import Instant

CONNECTOR_BREAKERS = Table(
    "connector_breakers",
    METADATA,
    studio_column(),
    described("circuit", Text, "Name of the circuit: the connector's id."),
    described(
        "state", Text, "closed lets calls through, opened refuses them, half-opened waits for a probe."
    ),
    described("failures", Integer, "Failures in a row since the last success."),
    described("opened_at", Instant, "When it opened, UTC; null while closed.", null=True),
    described("retry_at", Instant, "When the next call is let through, UTC; null while closed.", null=True),
    described("fault", Text, "Why the connector is degraded; null when it is not.", null=True),
    described("changed_at", Instant, "When the row last changed, by the database's clock, UTC."),
    PrimaryKeyConstraint("studio_id", "circuit", name="connector_breakers_pkey"),
    comment=(
        "One row per connector: the state of its circuit breaker now, shared by all processes. Changes in "
        "place; what happened when is in connector_calls and the audit log."
    ),
)

CONNECTOR_CALLS = Table(
    "connector_calls",
    METADATA,
    studio_column(),
    described("request_id", Text, "Unique id of the call; also on its log lines."),
    described("connector_id", Text, "Which connector was called."),
    described("connector_version", Text, "Version of the connector's code."),
    described("operation", Text, "health, read or execute."),
    described("is_dry_run", Boolean, "Whether nothing was to be changed; true for every read."),
    described("started_at", Instant, "When the call began, UTC."),
    described("seconds", Double, "Wall time, retries and waits included, seconds."),
    described("latency_bucket", Text, "Upper bound of the duration in milliseconds, or over."),
    described("attempts", Integer, "How often the other side was asked; 0 when we refused to."),
    described("ending", Text, "ok, failed, refused (by us, nothing was sent) or interrupted."),
    described("fault", Text, "Why it did not succeed; null when ok or interrupted.", null=True),
    described("input_hash", Text, "SHA-256 of what was asked, canonical JSON."),
    described("output_hash", Text, "SHA-256 of what was returned; null unless ok.", null=True),
    described("device_count", Integer, "Devices read; null unless a read ended ok.", null=True),
    described("failed_device_count", Integer, "Devices not read; null unless a read ended ok.", null=True),
    described("run_id", Text, "Dagster run on whose behalf; null outside runs.", null=True),
    recorded_at_column(),
    PrimaryKeyConstraint("studio_id", "request_id", name="connector_calls_pkey"),
    Index("connector_calls_by_connector", "studio_id", "connector_id", "started_at"),
    Index(
        "connector_calls_good_reads",
        "studio_id",
        "connector_id",
        "started_at",
        postgresql_where=text("operation = 'read' AND ending = 'ok'"),
    ),
    comment=(
        "One row per call to a connector, however many attempts it took. Hashes prove what was asked and "
        "answered; neither is kept here."
    ),
)
