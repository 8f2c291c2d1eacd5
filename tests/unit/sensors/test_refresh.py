"""The refresh schedule asks once per tick, skips while a run is under way, and closes the day that ended."""

from datetime import datetime
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from sensors.refresh import (
    build_closing_schedule,
    build_refresh_schedule,
    build_retention_schedule,
    cron_of_minutes,
    is_closing,
)
from studio_assets.jobs import REBUILD_JOB, SNAPSHOT_JOB

PHOENIX = ZoneInfo("America/Phoenix")


@pytest.fixture
def instance(tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as local:
        yield local


def evaluate(settings, instance, when, build=build_refresh_schedule):
    schedule = build(settings)
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=when) as context:
        return schedule(context)


@pytest.mark.parametrize(("minutes", "cron"), [(1, "*/1 * * * *"), (15, "*/15 * * * *"), (60, "0 * * * *")])
def test_every_n_minutes_is_a_cron_line(minutes, cron):
    assert cron_of_minutes(minutes) == cron


def test_a_tick_asks_for_today_by_changes_with_a_key_of_its_own(settings, instance):
    """The day is the studio's: late evening in Phoenix is already tomorrow in UTC."""
    request = evaluate(settings, instance, datetime(2026, 11, 19, 22, 45, tzinfo=PHOENIX))
    assert request.partition_key == "2026-11-19"
    assert request.run_key == "2026-11-19/22:45"
    assert request.run_config["ops"]["read_cloud_truth"]["config"]["mode"] == "incremental"


@pytest.mark.parametrize(
    ("hour", "minute", "closes"), [(0, 0, True), (0, 45, True), (1, 0, False), (23, 45, False)]
)
def test_the_first_hour_closes_the_day_before(settings, instance, hour, minute, closes):
    """Asked on several ticks under one key, so it runs once; it is read whole."""
    tick = datetime(2026, 11, 20, hour, minute, tzinfo=PHOENIX)
    request = evaluate(settings, instance, tick, build_closing_schedule)
    assert isinstance(request, dg.RunRequest) is closes
    if closes:
        assert (request.run_key, request.partition_key) == ("2026-11-19/closing", "2026-11-19")
        assert request.run_config["ops"]["read_cloud_truth"]["config"]["mode"] == "full"


def test_a_day_is_closed_by_the_job_that_makes_nothing_of_the_present(settings):
    """By the main job the closing would make findings and drafts of a day that is over."""
    assert build_closing_schedule(settings).job_name == REBUILD_JOB
    assert build_refresh_schedule(settings).job_name == SNAPSHOT_JOB
    assert build_closing_schedule(settings).cron_schedule == cron_of_minutes(
        settings.refresh_minutes, hours="0-1"
    )


@pytest.mark.parametrize(
    ("day", "hour", "closes"), [(24, 1, True), (24, 2, False), (25, 0, True), (25, 1, False)]
)
def test_a_day_is_closed_also_when_the_next_begins_without_a_midnight(day, hour, closes):
    """Cairo skips from midnight to one o'clock on 24 April 2026; the hour after that is the first."""
    assert is_closing(datetime(2026, 4, day, hour, 15, tzinfo=ZoneInfo("Africa/Cairo"))) is closes


def test_a_day_before_history_begins_is_not_closed(settings, instance):
    first = datetime(2026, 1, 1, 0, 15, tzinfo=PHOENIX)
    assert "History begins" in evaluate(settings, instance, first, build_closing_schedule).skip_message
    assert evaluate(settings, instance, first).partition_key == "2026-01-01"


def test_a_tick_is_skipped_while_a_run_of_the_day_is_under_way(settings, instance):
    """Runs of other days do not matter, and ended runs do not either."""
    when = datetime(2026, 11, 20, 12, 0, tzinfo=PHOENIX)

    @dg.job
    def any_job():
        pass

    def add(day, status):
        instance.create_run_for_job(any_job, tags={"dagster/partition": day}, status=status)

    add("2026-11-19", dg.DagsterRunStatus.STARTED)
    add("2026-11-20", dg.DagsterRunStatus.SUCCESS)
    assert isinstance(evaluate(settings, instance, when), dg.RunRequest)
    add("2026-11-20", dg.DagsterRunStatus.STARTED)
    assert "still under way" in evaluate(settings, instance, when).skip_message


def test_schedules_run_by_themselves_in_the_studios_time(settings):
    for build in (build_refresh_schedule, build_closing_schedule, build_retention_schedule):
        schedule = build(settings)
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
        assert schedule.execution_timezone == "America/Phoenix"
