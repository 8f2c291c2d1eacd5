"""The views of connectors, devices and findings.

INVARIANT: nothing here says when the building is watched. A hub's mode and its safety monitor stay in the
schema ``studio``.
"""

# ruff: noqa: S608 - the SQL is made of this module's names

from collections.abc import Sequence
from typing import Final

from resources.postgres.tables import SCHEMA
from resources.postgres.tables_connectors import CONNECTOR_BREAKERS
from resources.postgres.tables_findings import CONNECTOR_READINGS, FINDINGS
from resources.postgres.views import ANALYTICS, View, ViewColumn, columns_from, newest_of_each

CURRENT_SECONDS: Final = 3600
"""From what age on a device's row is not current; the house's own setting has the same default."""

_INSTANT: Final = "timestamp with time zone"


def _steps(table: str) -> str:
    # Jumps along the index: as many look-ups as connectors, however many rows there are.
    return (
        f"(WITH RECURSIVE found AS ((SELECT connector_id FROM studio.{table} "
        "WHERE studio_id = studio.current_studio_id() ORDER BY connector_id LIMIT 1) "
        f"UNION ALL SELECT (SELECT t.connector_id FROM studio.{table} AS t "
        "WHERE t.studio_id = studio.current_studio_id() AND t.connector_id > found.connector_id "
        "ORDER BY t.connector_id LIMIT 1) FROM found WHERE found.connector_id IS NOT NULL) "
        "SELECT connector_id FROM found WHERE connector_id IS NOT NULL)"
    )


_CONNECTORS_SQL: Final = (
    "SELECT studio.current_studio_id() AS studio_id, c.connector_id FROM ("
    f"{_steps('connector_calls')} UNION {_steps('connector_readings')} "
    "UNION SELECT circuit FROM studio.connector_breakers WHERE studio_id = studio.current_studio_id()"
    ") AS c (connector_id)"
)

_READING_COLUMNS: Final = [
    *columns_from(CONNECTOR_READINGS, "studio_id", "connector_id", "revision", "content_hash"),
    ViewColumn("first_read_at", _INSTANT, "When the first read that said so was made, UTC."),
    ViewColumn("read_at", _INSTANT, "When a good read last said so, UTC."),
    *columns_from(CONNECTOR_READINGS, "devices", "failures", "worked_around"),
    *columns_from(CONNECTOR_READINGS, "run_id", "code_version", "recorded_at"),
]
_CONFIRMED: Final = (
    "LEFT JOIN LATERAL (SELECT t.read_at, t.observed FROM studio.connector_confirmations AS t "
    "WHERE t.studio_id = r.studio_id AND t.connector_id = r.connector_id AND t.revision = r.revision "
    "ORDER BY t.read_at DESC LIMIT 1) AS c ON true"
)
_READING_NAMES: Final = (
    "r.studio_id, r.connector_id, r.revision, r.content_hash, r.read_at AS first_read_at, "
    "COALESCE(c.read_at, r.read_at) AS read_at, r.devices, r.failures, r.worked_around, r.run_id, "
    "r.code_version, r.recorded_at"
)
_OBSERVED: Final = ViewColumn("observed", "jsonb", "Devices that spoke since then: id and instant, UTC.")

_FINDING_COLUMNS: Final = [
    *columns_from(FINDINGS, "studio_id", "finding_id", "revision", "number", "department", "detector"),
    *columns_from(FINDINGS, "kind", "subject_kind", "subject_id", "severity", "confidence", "state", "since"),
    ViewColumn("expected", "text", "What should be: a number or words, as text."),
    ViewColumn("observed", "text", "What is instead: a number or words, as text."),
    *columns_from(FINDINGS, "unit", "expected_cents", "observed_cents", "currency"),
    *columns_from(FINDINGS, "likely_cause", "next_step", "capability_id", "evidence"),
    *columns_from(FINDINGS, "content_hash", "observed_at", "run_id", "code_version", "recorded_at"),
]
_VALUES: Final = ("expected", "observed")
_FINDING_NAMES: Final = ", ".join(
    f"t.{column.name} #>> '{{}}' AS {column.name}" if column.name in _VALUES else f"t.{column.name}"
    for column in _FINDING_COLUMNS
)

_INTERNAL: Final = (
    View(
        SCHEMA,
        "connectors",
        "One row per connector of the connection's studio that was ever called or read.",
        columns_from(CONNECTOR_READINGS, "studio_id", "connector_id"),
        _CONNECTORS_SQL,
    ),
    View(
        SCHEMA,
        "connector_readings_current",
        "One row per connector: its newest good reading, as last confirmed.",
        [*_READING_COLUMNS, _OBSERVED],
        f"SELECT {_READING_NAMES}, COALESCE(c.observed, '{{}}') AS observed FROM studio.connectors AS k "
        "CROSS JOIN LATERAL (SELECT t.* FROM studio.connector_readings AS t "
        "WHERE t.studio_id = k.studio_id AND t.connector_id = k.connector_id "
        f"ORDER BY t.revision DESC LIMIT 1) AS r {_CONFIRMED}",
    ),
    View(
        SCHEMA,
        "findings_current",
        "One row per finding: its newest revision, open or resolved.",
        _FINDING_COLUMNS,
        newest_of_each(FINDINGS, "finding_id", "revision", _FINDING_COLUMNS, _FINDING_NAMES),
    ),
)

_DEVICE_COLUMNS: Final = [
    *columns_from(CONNECTOR_READINGS, "studio_id", "connector_id"),
    ViewColumn("device_id", "text", "The vendor's id; unique within a connector."),
    ViewColumn("kind", "text", "What it is, such as vacuum; null when it was not read."),
    ViewColumn("model", "text", "The vendor's model code; null when unknown."),
    ViewColumn("place", "text", "kiln_room, or null elsewhere."),
    ViewColumn("is_online", "boolean", "Whether the vendor can reach it; null when not said."),
    ViewColumn("is_healthy", "boolean", "False on a known fault; null when anything it said is unknown."),
    ViewColumn("battery_pct", "integer", "Charge, percent; null where there is none or it was not said."),
    ViewColumn("state", "text", "The vendor's state word or code; null when not said."),
    ViewColumn("error_code", "text", "The vendor's raw error code; null when there is none."),
    ViewColumn("error_name", "text", "What the code is known to mean; null when nobody knows."),
    ViewColumn("values", "jsonb", 'Measured numbers: {"name with unit": number}.'),
    ViewColumn("consumables", "jsonb", 'Hours left: {"part": hours}; empty where there are none.'),
    ViewColumn("observed_at", _INSTANT, "When the device said so, UTC; null when it was not read."),
    ViewColumn("last_clean_at", _INSTANT, "When it last finished cleaning, UTC; null if not said."),
    ViewColumn("read_at", _INSTANT, "When the connector's newest good read was made, UTC."),
    ViewColumn("age_seconds", "bigint", "Whole seconds since read_at."),
    ViewColumn("fault", "text", "Why this device was not read; null when it was."),
    ViewColumn(
        "is_current",
        "boolean",
        "Whether it may be taken as so now: told by the newest read of a connector in order, this past hour.",
    ),
    *columns_from(CONNECTOR_READINGS, "revision"),
]
# Devices that said nothing are rows, too: what cannot be read must not look as if it did not exist.
_DEVICES_SQL: Final = f"""
SELECT r.studio_id, r.connector_id, d ->> 'device_id' AS device_id, d ->> 'kind' AS kind,
    d ->> 'model' AS model, d ->> 'place' AS place, (d ->> 'is_online')::boolean AS is_online,
    (d ->> 'is_healthy')::boolean AS is_healthy, (d ->> 'battery_pct')::integer AS battery_pct,
    d ->> 'state' AS state, d ->> 'error_code' AS error_code, d ->> 'error_name' AS error_name,
    d -> 'values' AS "values", d -> 'consumables' AS consumables,
    COALESCE(r.observed ->> (d ->> 'device_id'), d ->> 'observed_at')::timestamptz AS observed_at,
    (d ->> 'last_clean_at')::timestamptz AS last_clean_at, r.read_at,
    floor(extract(epoch FROM now() - r.read_at))::bigint AS age_seconds, d ->> 'fault' AS fault,
    d ->> 'fault' IS NULL AND b.fault IS NULL AND COALESCE(l.ending, 'ok') = 'ok'
        AND r.read_at > now() - interval '{CURRENT_SECONDS} seconds' AS is_current,
    r.revision
FROM studio.connector_readings_current AS r
LEFT JOIN LATERAL (
    SELECT t.ending FROM studio.connector_calls AS t
    WHERE t.studio_id = r.studio_id AND t.connector_id = r.connector_id AND t.operation = 'read'
    ORDER BY t.started_at DESC LIMIT 1) AS l ON true
CROSS JOIN LATERAL (
    SELECT t.value FROM jsonb_array_elements(r.devices) AS t UNION ALL
    SELECT t.value FROM jsonb_array_elements(r.failures) AS t) AS every (d)
LEFT JOIN studio.connector_breakers AS b ON b.studio_id = r.studio_id AND b.circuit = r.connector_id"""

_HEALTH_COLUMNS: Final = [
    *columns_from(CONNECTOR_READINGS, "studio_id", "connector_id"),
    ViewColumn("circuit", "text", "closed lets calls through, opened and half-opened do not."),
    ViewColumn("is_degraded", "boolean", "Whether the connector cannot be relied on now."),
    *columns_from(CONNECTOR_BREAKERS, "fault"),
    ViewColumn("failures_in_a_row", "integer", "Failures since the last success."),
    ViewColumn("degraded_since", _INSTANT, "When the circuit opened, UTC; null while it is closed."),
    ViewColumn("next_retry_at", _INSTANT, "When it is asked again at the earliest, UTC; null: at once."),
    ViewColumn("last_good_read_at", _INSTANT, "When the newest good read began, UTC; null if none."),
    ViewColumn("good_read_age_seconds", "bigint", "Whole seconds since then; null if none."),
    ViewColumn("last_call_at", _INSTANT, "When the newest call began, UTC; null if none."),
    ViewColumn("last_ending", "text", "How it ended: ok, failed, refused or interrupted; null if none."),
    ViewColumn("calls_24h", "bigint", "Calls that began in the last 24 hours."),
    ViewColumn("failures_24h", "bigint", "Of these, how many failed or were refused."),
]
_HEALTH_SQL: Final = """
SELECT k.studio_id, k.connector_id, COALESCE(b.state, 'closed') AS circuit,
    COALESCE(b.state <> 'closed' OR b.fault IS NOT NULL, false) AS is_degraded, b.fault,
    COALESCE(b.failures, 0) AS failures_in_a_row, b.opened_at AS degraded_since,
    b.retry_at AS next_retry_at, g.started_at AS last_good_read_at,
    floor(extract(epoch FROM now() - g.started_at))::bigint AS good_read_age_seconds,
    l.started_at AS last_call_at, l.ending AS last_ending, n.calls AS calls_24h, n.failures AS failures_24h
FROM studio.connectors AS k
LEFT JOIN studio.connector_breakers AS b ON b.studio_id = k.studio_id AND b.circuit = k.connector_id
LEFT JOIN LATERAL (
    SELECT t.started_at FROM studio.connector_calls AS t
    WHERE t.studio_id = k.studio_id AND t.connector_id = k.connector_id
      AND t.operation = 'read' AND t.ending = 'ok' ORDER BY t.started_at DESC LIMIT 1) AS g ON true
LEFT JOIN LATERAL (
    SELECT t.started_at, t.ending FROM studio.connector_calls AS t
    WHERE t.studio_id = k.studio_id AND t.connector_id = k.connector_id
    ORDER BY t.started_at DESC, t.recorded_at DESC LIMIT 1) AS l ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS calls, count(*) FILTER (WHERE t.ending IN ('failed', 'refused')) AS failures
    FROM studio.connector_calls AS t
    WHERE t.studio_id = k.studio_id AND t.connector_id = k.connector_id
      AND t.started_at > now() - interval '24 hours') AS n"""

_ANALYTICS: Final = (
    View(
        ANALYTICS,
        "devices",
        "One row per device of each connector's newest good reading, and per device it could not read.",
        _DEVICE_COLUMNS,
        _DEVICES_SQL,
    ),
    View(
        ANALYTICS,
        "connector_health",
        "One row per connector: how it is now, and its calls of the last 24 hours.",
        _HEALTH_COLUMNS,
        _HEALTH_SQL,
    ),
    View(
        ANALYTICS,
        "connector_readings",
        "One row per change of what a connector's devices said, with the last read that agreed.",
        _READING_COLUMNS,
        f"SELECT {_READING_NAMES} FROM studio.connector_readings AS r {_CONFIRMED}",
    ),
    View(
        ANALYTICS,
        "findings",
        "One row per finding as it is now, open or resolved.",
        _FINDING_COLUMNS,
        "SELECT t.* FROM studio.findings_current AS t",
    ),
)

CONNECTOR_VIEWS: Final[Sequence[View]] = (*_INTERNAL, *_ANALYTICS)
