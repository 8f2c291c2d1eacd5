"""Rows of history arrive and stay: neither the runtime nor the owner can change or remove one."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from resources.postgres.connector_calls import PostgresCallLog
from resources.postgres.device_readings import DeviceReadings
from resources.postgres.engine import owner_engine
from resources.postgres.roles import OWNER
from resources.postgres.tables import METADATA
from resources.postgres.tables_governance import CHANGING_TABLES, GOVERNANCE_TABLES
from resources.rows import CounterChange, DriftMetric, OperationalEvent, SnapshotDiff
from tests.integration.postgres import swarm_rows
from tests.integration.postgres.governance_desk import Desk
from tests.integration.postgres.samples import DAY, NOON, make_call, make_read, make_reading

pytestmark = pytest.mark.integration

_TABLES = [
    table.fullname
    for table in METADATA.tables.values()
    if table not in GOVERNANCE_TABLES and table not in CHANGING_TABLES
]
_CHANGES = ["UPDATE {} SET studio_id = 'other'", "DELETE FROM {}", "TRUNCATE {} CASCADE"]


@pytest.fixture
def filled(history, take, app_engine):
    """Put one row into every table."""
    history.record_read(make_read(), "run-1", "1")
    take(content="a")
    second, _ = take(content="bb")
    changes = (CounterChange("counts.batchesActive", 1, 2),)
    diff = SnapshotDiff(DAY, 2, NOON, DAY, 1, NOON, changes, ("batches",))
    history.append_diff(diff, NOON, "run-1", "1")
    metric = DriftMetric("counts.a", "firestore", 3, 3, is_drift=False, confidence=1.0)
    history.append_drift(second, [metric], NOON, "run-1", "1")
    history.record_event(OperationalEvent("a:b:c", NOON))
    PostgresCallLog(app_engine, "monsoonfire").append(make_call())
    told = {"run_id": "run-1", "code_version": "1"}
    readings = DeviceReadings(app_engine, "monsoonfire")
    for minutes in (0, 1):
        readings.keep("hubitat", make_reading(NOON + timedelta(minutes=minutes)), **told)
    swarm_rows.fill(Desk(app_engine, None))


def _counts(owner_url):
    with owner_engine(owner_url).connect() as connection:
        return {name: connection.scalar(text(f"SELECT count(*) FROM {name}")) for name in _TABLES}  # noqa: S608 - our names


def _refusal(engine, statement):
    """Return the database's words when it refuses; fail when it does not."""
    with pytest.raises(DBAPIError) as refused, engine.begin() as connection:
        connection.execute(text(statement))
    return str(refused.value.orig)


def test_nobody_changes_a_row(filled, app_engine, owner_url):
    """The runtime lacks the right; the owner and even the superuser meet the trigger."""
    before = _counts(owner_url)
    assert min(before.values()) > 0
    superuser = owner_engine(owner_url)
    for table in _TABLES:
        for change in _CHANGES:
            statement = change.format(table)
            assert "permission denied" in _refusal(app_engine, statement)
            assert "append-only" in _refusal(superuser, statement)
            assert "append-only" in _refusal(superuser, f"SET LOCAL ROLE {OWNER}; {statement}")
    assert _counts(owner_url) == before


def test_the_replication_switch_does_not_turn_the_trigger_off(filled, owner_url):
    """``session_replication_role`` silences ordinary triggers; these are always on."""
    statement = "SET LOCAL session_replication_role = replica; DELETE FROM studio.operational_events"
    assert "append-only" in _refusal(owner_engine(owner_url), statement)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE studio.source_reads DISABLE TRIGGER ALL",
        "ALTER TABLE studio.source_reads DISABLE ROW LEVEL SECURITY",
        "DROP TABLE studio.source_reads",
        "CREATE TABLE studio.mine (n int)",
        "CREATE TABLE analytics.mine (n int)",
        "UPDATE studio.alembic_version SET version_num = '0'",
        "CREATE OR REPLACE FUNCTION studio.current_studio_id() RETURNS text LANGUAGE sql AS $$SELECT 'x'$$",
    ],
)
def test_the_runtime_cannot_change_the_rules(app_engine, statement):
    with (
        pytest.raises(DBAPIError, match=r"must be owner|permission denied"),
        app_engine.begin() as connection,
    ):
        connection.execute(text(statement))


def test_a_gap_between_revisions_is_refused(take, owner_url):
    """The database itself refuses revision 3 after revision 1, whoever writes it."""
    take()
    statement = (
        "INSERT INTO studio.studio_state_snapshots (studio_id, snapshot_date, revision, content_hash, "
        "payload, observed_at, run_id, code_version) "
        "VALUES ('monsoonfire', '2026-03-01', {}, repeat('{}', 64), '{{}}', now(), 'r', '1')"
    )
    engine = owner_engine(owner_url)
    for revision, letter, words in ((3, "b", "no_gap"), (0, "b", "revision_check")):
        with pytest.raises(DBAPIError, match=words), engine.begin() as connection:
            connection.execute(text(statement.format(revision, letter)))
    with engine.begin() as connection:
        connection.execute(text(statement.format(2, "b")))
    with pytest.raises(DBAPIError, match="says the same"), engine.begin() as connection:
        connection.execute(text(statement.format(3, "b")))
