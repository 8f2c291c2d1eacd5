"""The tests' own Dagster in memory records what Dagster's does."""

import dagster as dg
import pytest
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import InMemoryEventLogStorage
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
from dagster._serdes import deserialize_value
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import DBAPIError

from tests.dagster_memory import OneConnectionLog, memory_instance

DAYS = dg.DailyPartitionsDefinition("2026-11-01")
ONE = dg.AssetKey("one")
EVENTS = SqlEventLogStorageMetadata.tables["event_logs"]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dg.asset(partitions_def=DAYS, code_version="1", check_specs=[dg.AssetCheckSpec("holds", asset="one")])
def one():
    yield dg.MaterializeResult(data_version=dg.DataVersion("1"), metadata={"rows": 3}, tags={"a": "b"})
    yield dg.AssetCheckResult(passed=False, check_name="holds", severity=dg.AssetCheckSeverity.WARN)


@dg.asset(check_specs=[dg.AssetCheckSpec("holds", asset="plain")])
def plain():
    yield dg.MaterializeResult(metadata={"rows": 5})
    yield dg.AssetCheckResult(passed=True, check_name="holds")


@dg.asset(deps=[one], partitions_def=DAYS)
def other():
    raise dg.Failure("The kilns are cold.")


def tags_of(record):
    """Return the tags of a materialization but its own id."""
    return {name: said for name, said in record.asset_materialization.tags.items() if "uuid" not in name}


def recorded(instance):
    """Return all that can be asked about two runs, without ids, times and traces."""
    runs = [
        dg.materialize(
            [one, other], partition_key=day, instance=instance, run_config=QUIET, raise_on_error=False
        )
        for day in ("2026-11-01", "2026-11-02")
    ]
    records = instance.fetch_materializations(dg.AssetRecordsFilter(ONE), limit=9).records
    (check,) = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(ONE, "holds")]
    ).values()
    return {
        "events": [
            [(entry.step_key, entry.dagster_event_type) for entry in instance.all_logs(run.run_id)]
            for run in runs
        ],
        "runs": [run.status for run in instance.get_runs()],
        "keys": sorted(map(str, instance.all_asset_keys())),
        "materialized": [
            (it.storage_id, it.partition_key, it.asset_materialization.metadata, tags_of(it))
            for it in records
        ],
        "check": (check.status, check.evaluation.passed, check.evaluation.severity),
    }


def stamps_of(instance):
    """Return the revisions that the tables of events and of runs are said to have."""
    storages = (instance.event_log_storage, instance.run_storage)
    return [storage._held_conn.execute(text("SELECT * FROM alembic_version")).all() for storage in storages]


def test_the_same_runs_leave_the_same_records():
    """Events in order, materializations with data versions, checks and failures of two runs of two days."""
    with dg.DagsterInstance.ephemeral() as theirs:
        expected = recorded(theirs)
        tables = set(inspect(theirs.event_log_storage._engine).get_table_names())
        columns = {it["name"] for it in inspect(theirs.event_log_storage._engine).get_columns("asset_keys")}
        stamps = stamps_of(theirs)
    with memory_instance() as ours:
        log = ours.event_log_storage
        assert type(log) is OneConnectionLog
        assert stamps_of(ours) == stamps
        assert recorded(ours) == expected
        assert {name for name in (*tables, "no_such") if log.has_table(name)} == tables - {"alembic_version"}
        assert {name for name in (*columns, "no_such") if log.has_asset_key_col(name)} == columns


@pytest.fixture(scope="module")
def events():
    """Return all events of five runs, and of what people reported outside of any."""
    with dg.DagsterInstance.ephemeral() as theirs:
        recorded(theirs)
        theirs.report_runless_asset_event(
            dg.AssetMaterialization(ONE, partition="2026-11-03", tags={"a": "c"})
        )
        theirs.report_runless_asset_event(dg.AssetObservation("seen", metadata={"rows": 4}, tags={"d": "e"}))
        theirs.report_runless_asset_event(dg.AssetCheckEvaluation(ONE, "holds", passed=True))
        recorded(theirs)
        dg.materialize([plain], instance=theirs, run_config=QUIET)
        theirs.report_runless_asset_event(dg.AssetObservation(ONE, metadata={"rows": 6}))
        log = theirs.event_log_storage
        with log.index_connection() as conn:
            kept = conn.execute(select(EVENTS.c.event).order_by(EVENTS.c.id)).scalars().all()
        return [deserialize_value(event, EventLogEntry) for event in kept]


def tables_of(log):
    """Return all rows of all tables of a log; of the second at which one was made only that there is one."""
    with log.index_connection() as conn:
        return {
            name: [
                {
                    column: said is None if column == "create_timestamp" else said
                    for column, said in row.items()
                }
                for row in conn.execute(select(table).order_by(table.c.id)).mappings()
            ]
            for name, table in SqlEventLogStorageMetadata.tables.items()
        }


@pytest.mark.parametrize("together", [1, 2, 7, 50, 10_000])
def test_the_same_events_leave_the_same_rows(events, together):
    """Every row of every table, with its ids, however many events waited to be written together."""
    theirs, ours = InMemoryEventLogStorage(), OneConnectionLog()
    try:
        for number, event in enumerate(events, 1):
            theirs.store_event(event)
            ours.store_event(event)
            if number % together == 0:
                assert tables_of(ours) == tables_of(theirs)
        expected = tables_of(theirs)
        assert tables_of(ours) == expected
        assert len(expected["event_logs"]) == len(events)
        assert {
            len(expected[name]) > 1 for name in ("asset_keys", "asset_event_tags", "asset_check_executions")
        } == {True}
    finally:
        theirs.dispose()
        ours.dispose()


def test_numbers_of_deleted_events_are_given_again_as_dagster_does(events):
    """A run that was deleted takes its events with it, those that wait too; the next have their numbers."""
    last = events[-1].run_id
    theirs, ours = InMemoryEventLogStorage(), OneConnectionLog()
    try:
        for log in (theirs, ours):
            for event in events:
                log.store_event(event)
            log.delete_events(last)
            log.wipe_asset(ONE)
            for event in events[:40]:
                log.store_event(event)
        assert [row["id"] for row in tables_of(ours)["event_logs"]] == [
            row["id"] for row in tables_of(theirs)["event_logs"]
        ]
        assert len(tables_of(ours)["event_logs"]) == sum(event.run_id != last for event in events) + 40
    finally:
        theirs.dispose()
        ours.dispose()


def test_who_watches_a_run_is_told_at_once(events):
    """With what came before already kept, and under Dagster's numbers."""
    run_id = events[0].run_id
    told = {}
    for log in (InMemoryEventLogStorage(), OneConnectionLog()):
        seen = told[type(log)] = []

        def watch(event, cursor, log=log, seen=seen):
            seen.append((event, cursor, len(log.get_records_for_run(event.run_id).records)))

        for number, event in enumerate(events):
            if number == 10:
                log.watch(run_id, "0", watch)
            log.store_event(event)
        log.dispose()
    theirs, ours = told.values()
    assert ours == theirs
    assert ours[0][1:] == theirs[0][1:]
    assert len(ours) == sum(event.run_id == run_id for event in events[10:])


def test_who_asks_and_fails_takes_no_event_along(events):
    """What waited is written by then, as with Dagster's own."""
    log = OneConnectionLog()
    try:
        for event in events:
            log.store_event(event)
        with pytest.raises(DBAPIError, match="no_such"), log.index_connection() as conn:
            conn.execute(text("SELECT * FROM no_such"))
        assert len(tables_of(log)["event_logs"]) == len(events)
    finally:
        log.dispose()


def test_an_event_that_cannot_be_written_is_heard_of_at_every_look(events):
    """Nobody takes the log for whole, or for empty, because somebody else has heard of it already."""
    log = OneConnectionLog()
    try:
        log.store_event(events[0])
        with log.index_connection() as conn:
            conn.execute(text("ALTER TABLE event_logs RENAME TO elsewhere"))
        log.store_event(events[1])
        for _ in range(2):
            with pytest.raises(DBAPIError, match="no such table: event_logs"):
                log.get_records_for_run(events[0].run_id)
        with log._only.begin():
            log._only.execute(text("ALTER TABLE elsewhere RENAME TO event_logs"))
        assert len(tables_of(log)["event_logs"]) == 2
    finally:
        log.dispose()


def test_an_event_nobody_looked_for_is_written_at_the_end_or_heard_of(events):
    """And all is let go of, for good."""
    log = OneConnectionLog()
    with log.index_connection() as conn:
        conn.execute(text("DROP TABLE event_logs"))
    log.store_event(events[0])
    with pytest.raises(DBAPIError, match="no such table: event_logs"):
        log.dispose()
    assert log._only.closed
    assert log._held_conn.closed
