"""A failed run leaves one operational event, so that whoever looks at the studio sees it without Dagster."""

import dagster as dg

from policies.redaction import Redactor
from resources.clock import Clock
from resources.postgres.history import History
from resources.rows import OperationalEvent
from studio_assets.jobs import PARTITION_TAG

RUN_FAILED = "dagster:run:failed"
REASON_LENGTH = 500
REASONS_KEPT = 5


def build_run_failure_sensor() -> dg.SensorDefinition:
    """Return the sensor that records failed runs. It proposes nothing and retries nothing.

    Dedupe key: Dagster calls it once per failed run. Skips when nothing failed. Never does anything outside.
    """

    @dg.run_failure_sensor(
        name="run_failure_sensor",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
        description="Records one operational event per failed run.",
    )
    def run_failure_sensor(
        context: dg.RunFailureSensorContext,
        history: dg.ResourceParam[History],
        clock: dg.ResourceParam[Clock],
    ) -> None:
        run = context.dagster_run
        steps = context.get_step_failure_events()
        reasons = [event.step_failure_data.error_display_string for event in steps] or [
            context.failure_event.message or "no reason given"
        ]
        history.record_event(
            OperationalEvent(
                RUN_FAILED,
                clock.now(),
                {
                    "job": run.job_name,
                    "partition": run.tags.get(PARTITION_TAG),
                    "steps": [event.step_key for event in steps],
                    "reasons": [first_line(reason) for reason in reasons[:REASONS_KEPT]],
                },
                run.run_id,
            )
        )

    return run_failure_sensor


def first_line(reason: str) -> str:
    """Return the first sentence-bearing line of an error, cut and without secrets.

    Dagster puts the exception's class in front of its message; only the message is for people.
    """
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    line = lines[0] if lines else "no reason given"
    cleaned: str = Redactor().value(line.rpartition("Failure: ")[2])
    return cleaned[:REASON_LENGTH]
