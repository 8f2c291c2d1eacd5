"""What is forgotten: only runs that a later success of the same day has replaced, and only when old."""

from datetime import UTC, datetime, timedelta

import pytest

from studio_assets.jobs import REPLACED_RUNS_KEPT, EndedRun, replaced_runs

NOW = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
OLD = NOW - REPLACED_RUNS_KEPT - timedelta(seconds=1)


def run(run_id, partition="2026-11-01", *, job="snapshot_job", ended_at=OLD, is_success=True):
    return EndedRun(run_id, job, partition, is_success, ended_at)


def test_the_newest_success_of_every_day_stays_for_ever():
    """Dagster knows by it that the day is materialized."""
    runs = [
        run("first", ended_at=OLD - timedelta(hours=2)),
        run("second", ended_at=OLD - timedelta(hours=1)),
        run("third"),
        run("other day", "2026-11-02"),
    ]
    assert replaced_runs(runs, now=NOW) == ["first", "second"]


def test_failures_are_forgotten_too_and_do_not_replace_a_success():
    runs = [run("good", ended_at=OLD - timedelta(hours=2)), run("bad", is_success=False)]
    assert replaced_runs(runs, now=NOW) == ["bad"]


def test_a_day_rebuilt_does_not_replace_what_was_found_on_the_day_itself():
    """Rebuilding makes less than the day's own run did; forgetting that run would lose the rest."""
    runs = [run("own", ended_at=OLD - timedelta(hours=2)), run("rebuilt", job="rebuild_job")]
    assert replaced_runs(runs, now=NOW) == []


@pytest.mark.parametrize(("age", "expected"), [(1, ["first"]), (0, []), (-1, [])])
def test_runs_stay_for_three_days(age, expected):
    """Exactly three days old is still kept."""
    ended_at = NOW - REPLACED_RUNS_KEPT - timedelta(microseconds=age)
    assert replaced_runs([run("first", ended_at=ended_at), run("newest", ended_at=NOW)], now=NOW) == expected
