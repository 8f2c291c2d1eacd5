"""A check's evaluation names the materialization that was judged, whoever looked it up."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from studio_assets.checks.judged import judged_result, targets_of
from tests.dagster_memory import memory_instance

DAYS = dg.DailyPartitionsDefinition("2026-11-01")
KEY = dg.AssetKey("thing")
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dg.asset(partitions_def=DAYS)
def thing() -> None:
    """Stand for what is judged."""


@dg.multi_asset_check(
    specs=[dg.AssetCheckSpec(name, asset=KEY) for name in ("asked_once", "left_to_dagster")]
)
def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    targets = targets_of(context.instance, [KEY], date.fromisoformat(context.partition_key))
    yield judged_result(targets, asset_key=KEY, check_name="asked_once", passed=True)
    yield judged_result({}, asset_key=KEY, check_name="left_to_dagster", passed=True)


def test_the_materialization_that_was_judged_is_named_as_dagster_would_name_it():
    """And where another day was materialized since, nothing is said: then Dagster finds the day's own."""
    with dg.DagsterInstance.ephemeral() as instance:
        for day in ("2026-11-02", "2026-11-01"):
            run = dg.materialize([thing, checks], partition_key=day, instance=instance, run_config=QUIET)
            newest = instance.fetch_materializations(dg.AssetRecordsFilter(KEY, asset_partitions=[day]), 1)
            (record,) = newest.records
            named = {
                one.check_name: one.target_materialization_data for one in run.get_asset_check_evaluations()
            }
            assert named["asked_once"] == named["left_to_dagster"]
            assert (named["asked_once"].storage_id, named["asked_once"].run_id) == (
                record.storage_id,
                run.run_id,
            )
        assert targets_of(instance, [KEY], date(2026, 11, 1)).keys() == {KEY}
        assert targets_of(instance, [KEY], date(2026, 11, 2)) == {}


def test_what_a_run_made_itself_is_asked_for_once(monkeypatch):
    """What another run made is asked for every time: it may make it again."""
    with memory_instance() as instance:
        run = dg.materialize([thing, checks], partition_key="2026-11-01", instance=instance, run_config=QUIET)
        asked, really = [], instance.get_asset_records
        monkeypatch.setattr(instance, "get_asset_records", lambda keys: asked.append(keys) or really(keys))
        day = date(2026, 11, 1)
        found = [targets_of(instance, [KEY], day, run.run_id) for _ in range(2)]
        assert found[0] == found[1] == targets_of(instance, [KEY], day)
        assert len(asked) == 2
        for _ in range(2):
            assert targets_of(instance, [KEY], day, "another run") == found[0]
        assert len(asked) == 4
