"""When the studio is read: today's snapshot on a schedule, and yesterday's once more when its day has ended.

The second one makes every past day end at its own midnight, by the job that rebuilds past days.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from resources.clock import day_start
from resources.settings import Settings
from studio_assets.jobs import PARTITION_TAG, REBUILD_JOB, RETENTION_JOB, SNAPSHOT_JOB
from studio_assets.partitions import studio_days

CLOSING_TIME = timedelta(hours=1)
"""How long into the new day the old one may be closed: Firestore keeps past versions for an hour."""
CLOSING_HOURS = "0-1"
"""Hours of the clock in which a day's first hour may lie: some days begin at one, not at midnight."""
RETENTION_CRON = "40 3 * * *"  # when nobody is at the studio

_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def build_refresh_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Return the schedule that keeps today's snapshot fresh.

    One run per tick, keyed by day and minute, so a tick evaluated twice asks once. Skips while a run of the
    day is under way. Reads only what changed where that is provable.
    """

    @dg.schedule(
        name="refresh_schedule",
        job_name=SNAPSHOT_JOB,
        cron_schedule=cron_of_minutes(settings.refresh_minutes),
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Reads the cloud every {settings.refresh_minutes} minutes and derives today's snapshot.",
    )
    def refresh_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tick = context.scheduled_execution_time.astimezone(ZoneInfo(settings.timezone))
        today = tick.date().isoformat()
        running = context.instance.get_runs_count(
            dg.RunsFilter(statuses=_UNDER_WAY, tags={PARTITION_TAG: today})
        )
        if running:
            return dg.SkipReason(f"A run of {today} is still under way.")
        return _request(f"{today}/{tick:%H:%M}", today, "incremental")

    return refresh_schedule


def build_closing_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Return the schedule that reads the day that has just ended once more, whole, as it was at its end.

    Asked on every tick of the new day's first hour under one key, so it runs once. It makes what the past has
    and nothing of the present: findings, drafts and devices stay those of the day's own runs.
    """

    @dg.schedule(
        name="closing_schedule",
        job_name=REBUILD_JOB,
        cron_schedule=cron_of_minutes(settings.refresh_minutes, hours=CLOSING_HOURS),
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Reads the day that has just ended once more, as it was at its end.",
    )
    def closing_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tick = context.scheduled_execution_time.astimezone(ZoneInfo(settings.timezone))
        yesterday = (tick.date() - timedelta(days=1)).isoformat()
        if not is_closing(tick):
            return dg.SkipReason(f"The first hour after {yesterday} is over.")
        if not studio_days(settings).has_partition_key(yesterday):
            return dg.SkipReason(f"History begins after {yesterday}.")
        return _request(f"{yesterday}/closing", yesterday, "full")

    return closing_schedule


def build_retention_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Return the nightly schedule that forgets raw files and replaced runs."""
    return dg.ScheduleDefinition(
        name="retention_schedule",
        job_name=RETENTION_JOB,
        cron_schedule=RETENTION_CRON,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Forgets raw files and replaced runs every night.",
    )


def cron_of_minutes(minutes: int, *, hours: str = "*") -> str:
    """Return the cron line for "every N minutes", 1 to 60; ticks start at the full hour, in these hours."""
    return f"{'0' if minutes == 60 else f'*/{minutes}'} {hours} * * *"


def _request(run_key: str, day: str, mode: str) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=run_key,
        partition_key=day,
        run_config={"ops": {"read_cloud_truth": {"config": {"mode": mode}}}},
        tags={"studio/reason": "closing" if run_key.endswith("closing") else "refresh"},
    )


def is_closing(tick: datetime) -> bool:
    """Say whether a local tick may still close the day before; some days begin at one, not at midnight."""
    return tick - day_start(tick.date(), str(tick.tzinfo)) < CLOSING_TIME
