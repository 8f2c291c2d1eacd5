"""A failed run leaves one event that a person can read, without secrets."""

import dagster as dg
import pytest

from sensors.run_failures import RUN_FAILED, build_run_failure_sensor, first_line
from tests.dagster_memory import memory_instance

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (
            "dagster._core.definitions.events.Failure: 2 collections are lost.\n\nStack Trace:\n  x",
            "2 collections are lost.",
        ),
        ("\n  plain\nrest", "plain"),
        ("", "no reason given"),
        ("a" * 600, "a" * 500),
    ],
)
def test_only_the_sentence_for_people_is_kept(reason, expected):
    assert first_line(reason) == expected


def test_secrets_do_not_get_into_events():
    assert "rk_live_" not in first_line("Failure: refused rk_live_abcdefgh12345678 for good")


def test_a_failed_run_becomes_one_event(history, clock):
    @dg.op
    def break_down():
        raise dg.Failure("The kilns are cold. Nothing was fired.")

    @dg.job
    def fire():
        break_down()

    with memory_instance() as instance:
        result = fire.execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config=QUIET,
            tags={"dagster/partition": "2026-11-20"},
        )
        sensor = build_run_failure_sensor()
        context = dg.build_run_status_sensor_context(
            sensor_name="run_failure_sensor",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=result.get_run_failure_event(),
            resources={"history": history, "clock": clock},
        ).for_run_failure()
        sensor(context)
    (event,) = history.kept
    assert event.name == RUN_FAILED
    assert event.run_id == result.run_id
    assert event.payload == {
        "job": "fire",
        "partition": "2026-11-20",
        "steps": ["break_down"],
        "reasons": ["The kilns are cold. Nothing was fired."],
    }
