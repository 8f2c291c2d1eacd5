"""Forgetting: old raw files and replaced runs go, current ones and all of history stay."""

from datetime import timedelta

import pytest

from studio_assets.definitions import build_defs

pytestmark = pytest.mark.integration
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def forget(studio):
    definitions = build_defs(studio.settings, history=studio.history, raw=studio.raw, clock=studio.clock)
    job = definitions.resolve_job_def("retention_job")
    return job.execute_in_process(instance=studio.instance, run_config=QUIET)


def test_what_outlived_its_use_is_forgotten_and_the_rest_stays(studio):
    """Two reads, forty days apart: the old files go, the current ones stay, every read stays on record."""
    first = studio.run()
    old = {read.raw_url for read in first.sources.values()}
    studio.clock.advance(minutes=5)
    second = studio.run()
    current = {read.raw_url for read in second.sources.values()}
    assert not old & current
    studio.clock.advance(days=40)
    assert forget(studio).success
    assert not any(studio.raw.exists(url) for url in old)
    assert all(studio.raw.exists(url) for url in current)
    assert studio.history.current_snapshot().content_hash == second.content_hash
    assert studio.history.latest_read("firestore", "batches").raw_url in current


def test_replaced_runs_are_forgotten_and_the_newest_of_a_day_stays(studio):
    """Dagster still knows that the day is materialized."""
    first, second = studio.run(), studio.run()
    studio.clock.set(studio.machine_now() + timedelta(days=10))
    assert forget(studio).success
    assert studio.instance.get_run_by_id(first.run_id) is None
    assert studio.instance.get_run_by_id(second.run_id) is not None
