"""When governance is looked at and signed: every few minutes, whole once a day, sooner while one is red."""

import dagster as dg

from policies.ports import Ledger
from resources.clock import Clock
from resources.postgres.audit_log import AuditLog
from resources.settings import Settings
from sensors.execution import UNDER_WAY
from studio_assets.governance.assets import FULL, SCOPE_TAG
from studio_assets.governance.checkpoints import has_grown
from studio_assets.governance.signing import CHECKPOINT_JOB
from studio_assets.jobs import OBSERVE_GOVERNANCE_JOB

EVERY_FIVE_MINUTES = "*/5 * * * *"
CHECKPOINT_CRON = "2-59/5 * * * *"  # between the checks, so that runs do not queue up
FULL_CRON = "20 4 * * *"  # when nobody is at the studio
RED_INTERVAL_SECONDS = 60


def build_governance_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """Return the schedules that observe and check governance: often since the last time, daily all of it."""
    return [
        dg.ScheduleDefinition(
            name="governance_schedule",
            job_name=OBSERVE_GOVERNANCE_JOB,
            cron_schedule=EVERY_FIVE_MINUTES,
            execution_timezone=settings.timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="Observes proposals and audit log and judges the standing checks.",
        ),
        dg.ScheduleDefinition(
            name="governance_full_schedule",
            job_name=OBSERVE_GOVERNANCE_JOB,
            cron_schedule=FULL_CRON,
            execution_timezone=settings.timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            tags={SCOPE_TAG: FULL},
            description="As the other one, with the whole audit log recomputed.",
        ),
    ]


def build_checkpoint_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Return the schedule that has a checkpoint signed every five minutes in which the log grew.

    One run per tick, keyed by the minute. Skips while nothing is new: the news of the last checkpoint does
    not count, or the log would grow by itself for ever.
    """

    @dg.schedule(
        name="checkpoint_schedule",
        job_name=CHECKPOINT_JOB,
        cron_schedule=CHECKPOINT_CRON,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Has the audit log signed when it grew.",
    )
    def checkpoint_schedule(
        context: dg.ScheduleEvaluationContext, audit: dg.ResourceParam[AuditLog]
    ) -> dg.RunRequest | dg.SkipReason:
        if not has_grown(audit):
            return dg.SkipReason("The log has not grown since the last checkpoint.")
        return dg.RunRequest(
            run_key=f"checkpoint/{context.scheduled_execution_time:%Y-%m-%dT%H:%MZ}",
            tags={"studio/id": settings.studio_id},
        )

    return checkpoint_schedule


def build_red_checks_sensor(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor that looks at once in a new house, and again soon while a check of governance is red.

    One run at a time; it only judges. Skips while nothing is red. Proposes nothing, never does anything
    outside.
    """

    @dg.sensor(
        name="red_checks_sensor",
        job_name=OBSERVE_GOVERNANCE_JOB,
        minimum_interval_seconds=RED_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Judges the standing checks once in a new house, and every minute while one is red.",
    )
    def red_checks_sensor(
        context: dg.SensorEvaluationContext,
        ledger: dg.ResourceParam[Ledger],
        clock: dg.ResourceParam[Clock],
    ) -> dg.RunRequest | dg.SkipReason:
        ours = {"studio/id": settings.studio_id}
        if not context.instance.get_runs_count(dg.RunsFilter(job_name=OBSERVE_GOVERNANCE_JOB, tags=ours)):
            # Nobody has looked yet: staff and engineers should not have to wait for the schedule's next turn.
            return dg.RunRequest(tags={**ours, "studio/reason": "first"})
        with ledger.transaction() as transaction:
            red = transaction.facts(now=clock.now(), capability_id=None).red_checks
        if not red:
            return dg.SkipReason("No check is red.")
        under_way = dg.RunsFilter(job_name=OBSERVE_GOVERNANCE_JOB, tags=ours, statuses=list(UNDER_WAY))
        if context.instance.get_runs_count(under_way):
            return dg.SkipReason("The checks are being judged.")
        return dg.RunRequest(tags={**ours, "studio/reason": "red"})

    return red_checks_sensor
