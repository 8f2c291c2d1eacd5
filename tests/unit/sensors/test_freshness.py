"""Stale state is told once per episode, and its recovery once, even when a tick dies in between."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from resources.clock import instant_text
from resources.rows import OperationalEvent
from sensors.freshness import build_freshness_sensor, is_stale
from studio_assets.studio_state.events import SNAPSHOT_CONFIRMED, SNAPSHOT_RECOVERED, SNAPSHOT_STALE

NOON = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)


@pytest.mark.parametrize(("minutes", "expected"), [(59, False), (60, False), (61, True)])
def test_state_is_stale_beyond_its_limit_only(minutes, expected):
    assert is_stale(NOON, NOON + timedelta(minutes=minutes), 60) is expected


class Ticks:
    """Evaluates the sensor as the daemon does: the cursor of one tick is handed to the next."""

    def __init__(self, settings, history, clock):
        self.sensor = build_freshness_sensor(settings)
        self.resources = {"history": history, "clock": clock}
        self.cursor = None

    def tick(self, *, dies=False):
        with dg.build_sensor_context(resources=self.resources, cursor=self.cursor) as context:
            answer = self.sensor(context)
            if not dies:
                self.cursor = context.cursor
        return answer.skip_message


@pytest.fixture
def ticks(settings, history, clock):
    return Ticks(settings, history, clock)


def confirm(history, clock):
    history.record_event(
        OperationalEvent(SNAPSHOT_CONFIRMED, clock.now(), {"asOf": instant_text(clock.now())})
    )


def test_nothing_is_told_before_the_first_snapshot(ticks, history):
    assert "ever" in ticks.tick()
    assert history.names() == []


def test_an_episode_is_told_once_and_so_is_its_end(ticks, history, clock):
    """Fresh, stale for three ticks, fresh again, stale again: stale, recovered, stale."""
    confirm(history, clock)
    assert ticks.tick() == "The state is fresh."
    clock.advance(minutes=61)
    for _ in range(3):
        assert "stale" in ticks.tick()
        clock.advance(minutes=1)
    confirm(history, clock)
    for _ in range(2):
        assert ticks.tick() == "The state is fresh."
    clock.advance(minutes=61)
    ticks.tick()
    told = [name for name in history.names() if name != SNAPSHOT_CONFIRMED]
    assert told == [SNAPSHOT_STALE, SNAPSHOT_RECOVERED, SNAPSHOT_STALE]


def test_a_tick_that_dies_before_its_cursor_is_kept_tells_nothing_twice(ticks, history, clock):
    confirm(history, clock)
    clock.advance(minutes=61)
    ticks.tick(dies=True)
    ticks.tick()
    assert history.names().count(SNAPSHOT_STALE) == 1
    confirm(history, clock)
    ticks.tick(dies=True)
    ticks.tick()
    assert history.names().count(SNAPSHOT_RECOVERED) == 1


def test_a_rebuilt_past_day_is_no_stale_state(ticks, history, clock):
    """Filling the history confirms days long gone; the newest instant that was seen is what counts."""
    confirm(history, clock)
    long_gone = {"asOf": instant_text(clock.now() - timedelta(days=30))}
    history.record_event(OperationalEvent(SNAPSHOT_CONFIRMED, clock.now(), long_gone))
    assert ticks.tick() == "The state is fresh."
