"""The tests' own Dagster in memory records what Dagster's does."""

import dagster as dg
from sqlalchemy import inspect

from tests.dagster_memory import OneConnectionLog, memory_instance

DAYS = dg.DailyPartitionsDefinition("2026-11-01")
ONE = dg.AssetKey("one")
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dg.asset(partitions_def=DAYS, code_version="1", check_specs=[dg.AssetCheckSpec("holds", asset="one")])
def one():
    yield dg.MaterializeResult(data_version=dg.DataVersion("1"), metadata={"rows": 3}, tags={"a": "b"})
    yield dg.AssetCheckResult(passed=False, check_name="holds", severity=dg.AssetCheckSeverity.WARN)


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


def test_the_same_runs_leave_the_same_records():
    """Events in order, materializations with data versions, checks and failures of two runs of two days."""
    with dg.DagsterInstance.ephemeral() as theirs:
        expected = recorded(theirs)
        tables = set(inspect(theirs.event_log_storage._engine).get_table_names())
        columns = {it["name"] for it in inspect(theirs.event_log_storage._engine).get_columns("asset_keys")}
    with memory_instance() as ours:
        log = ours.event_log_storage
        assert type(log) is OneConnectionLog
        assert recorded(ours) == expected
        assert {name for name in (*tables, "no_such") if log.has_table(name)} == tables - {"alembic_version"}
        assert {name for name in (*columns, "no_such") if log.has_asset_key_col(name)} == columns
