"""The connectors' tables: the state of every circuit, which changes, and every call, which never does."""

from alembic import op

revision = "0004"
down_revision = "0003"

_STUDIO_ID = r"studio_id text NOT NULL CHECK (studio_id ~ '^[a-z][a-z0-9_]{1,40}$')"
_NAME = r"~ '^[a-z][a-z0-9_]{0,62}$'"
_HASH = r"~ '^[0-9a-f]{64}$'"
_FAULTS = (
    "IN ('auth', 'timeout', 'unavailable', 'rate_limited', 'bad_response', 'read_only_violation', "
    "'unsupported', 'unknown')"
)

_BREAKERS = f"""
    {_STUDIO_ID},
    circuit text NOT NULL CHECK (circuit {_NAME}),
    state text NOT NULL CHECK (state IN ('closed', 'opened', 'half-opened')),
    failures integer NOT NULL CHECK (failures >= 0),
    opened_at timestamptz,
    retry_at timestamptz,
    fault text CHECK (fault {_FAULTS}),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (studio_id, circuit),
    CONSTRAINT connector_breakers_closed_waits_for_nothing
        CHECK ((state = 'closed') = (retry_at IS NULL) AND (state = 'closed') = (opened_at IS NULL)),
    CONSTRAINT connector_breakers_not_closed_says_why CHECK (state = 'closed' OR fault IS NOT NULL)
"""

_CALLS = f"""
    {_STUDIO_ID},
    request_id text NOT NULL CHECK (request_id ~ '^[0-9a-f]{{32}}$'),
    connector_id text NOT NULL CHECK (connector_id {_NAME}),
    connector_version text NOT NULL CHECK (connector_version <> ''),
    operation text NOT NULL CHECK (operation IN ('health', 'read', 'execute')),
    is_dry_run boolean NOT NULL,
    started_at timestamptz NOT NULL,
    seconds double precision NOT NULL CHECK (seconds >= 0),
    latency_bucket text NOT NULL CHECK (latency_bucket ~ '^([0-9]+|over)$'),
    attempts integer NOT NULL CHECK (attempts >= 0),
    ending text NOT NULL CHECK (ending IN ('ok', 'failed', 'refused', 'interrupted')),
    fault text CHECK (fault {_FAULTS}),
    input_hash text NOT NULL CHECK (input_hash {_HASH}),
    output_hash text CHECK (output_hash {_HASH}),
    device_count integer CHECK (device_count >= 0),
    failed_device_count integer CHECK (failed_device_count >= 0),
    run_id text CHECK (run_id <> ''),
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (studio_id, request_id),
    CONSTRAINT connector_calls_only_execute_acts CHECK (is_dry_run OR operation = 'execute'),
    CONSTRAINT connector_calls_bad_ending_says_why
        CHECK ((ending IN ('failed', 'refused')) = (fault IS NOT NULL)),
    CONSTRAINT connector_calls_only_ok_has_output CHECK ((ending = 'ok') = (output_hash IS NOT NULL)),
    CONSTRAINT connector_calls_good_read_counts
        CHECK ((ending = 'ok' AND operation = 'read') = (device_count IS NOT NULL)
            AND (device_count IS NULL) = (failed_device_count IS NULL))
"""

# Table -> its columns, the rule that keeps its rows, and what the runtime may do besides reading.
_TABLES = {
    "connector_breakers": (
        _BREAKERS,
        "kept BEFORE DELETE OR TRUNCATE",
        "INSERT, UPDATE (state, failures, opened_at, retry_at, fault, changed_at)",
    ),
    "connector_calls": (_CALLS, "append_only BEFORE UPDATE OR DELETE OR TRUNCATE", "INSERT"),
}
_INDEXES = (
    "connector_calls_by_connector ON studio.connector_calls (studio_id, connector_id, started_at)",
    (
        "connector_calls_good_reads ON studio.connector_calls (studio_id, connector_id, started_at) "
        "WHERE operation = 'read' AND ending = 'ok'"
    ),
)


def upgrade() -> None:
    """Create the tables; wall each off by studio, keep its rows, and give the runtime what it needs."""
    for name, (body, rule, rights) in _TABLES.items():
        op.execute(f"CREATE TABLE studio.{name} ({body})")
        trigger, _, when = rule.partition(" ")
        op.execute(
            f"CREATE TRIGGER {name}_{trigger} {when} ON studio.{name} "
            "FOR EACH STATEMENT EXECUTE FUNCTION studio.refuse_change()"
        )
        op.execute(f"ALTER TABLE studio.{name} ENABLE ALWAYS TRIGGER {name}_{trigger}")
        op.execute(f"ALTER TABLE studio.{name} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE studio.{name} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY {name}_of_one_studio ON studio.{name} "
            "USING (studio_id = studio.current_studio_id()) "
            "WITH CHECK (studio_id = studio.current_studio_id())"
        )
        op.execute(f"GRANT SELECT, {rights} ON studio.{name} TO studio_app")
    for index in _INDEXES:
        op.execute(f"CREATE INDEX {index}")


def downgrade() -> None:
    """Refuse: the record of calls is never taken back."""
    raise NotImplementedError("The record of calls is append-only; restore a backup instead.")
