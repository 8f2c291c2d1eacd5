"""A run that is asked to stop says so: Dagster takes the signal, and would call it a failed step."""

import os
import signal

import pytest
from dagster import DagsterEventType

from studio_assets.run import INTERRUPTED, run_snapshot

pytestmark = pytest.mark.integration


def within_a_step(studio, monkeypatch, number):
    """Let the signal come while the snapshot is about to be kept."""

    def append(*_given, **_named):
        os.kill(os.getpid(), number)

    monkeypatch.setattr(studio.history, "append_snapshot", append)


def between_two_steps(studio, monkeypatch, number):
    """Let it come when the reading is over and the next step has not begun."""
    handle = studio.instance.handle_new_event

    def handle_new_event(event, **named):
        if event.dagster_event_type is DagsterEventType.STEP_SUCCESS:
            os.kill(os.getpid(), number)
        return handle(event, **named)

    monkeypatch.setattr(studio.instance, "handle_new_event", handle_new_event)


@pytest.mark.parametrize(
    ("comes", "number"), [(within_a_step, signal.SIGINT), (between_two_steps, signal.SIGTERM)]
)
def test_a_run_that_was_asked_to_stop_says_so_and_keeps_nothing_half(studio, monkeypatch, comes, number):
    """Whoever has more to do can stop; a signal is never told as the failure of a step or of a source."""
    with monkeypatch.context() as patch:
        comes(studio, patch, number)
        run = run_snapshot(studio.instance, studio.settings, snapshot_date=studio.day, doors=studio.doors)
    assert (run.success, run.is_interrupted, run.errors) == (False, True, (INTERRUPTED,))
    assert studio.history.current_snapshot() is None
    again = studio.run()
    assert (again.success, again.is_interrupted, again.revision) == (True, False, 1), again.errors
