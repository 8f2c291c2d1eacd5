"""Promises of the thread that writes a world: the past, then the present, and a clean end."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from twins.world import almanac
from twins.world.clock import WorldClock
from twins.world.plan import opening_of
from twins.world.runner import WorldRunner
from twins.world.world import World

PATIENCE_SECONDS = 20


class RecordingClock:
    """A document clock that remembers what it was told."""

    def __init__(self):
        self.pinned = None

    def set(self, instant):
        self.pinned = instant

    def release(self):
        self.pinned = None


class RecordingWriter:
    """A writer that keeps steps and waits for nobody; it can fail or wait at a chosen step."""

    def __init__(self, clock):
        self.clock = clock
        self.steps = []
        self.fails_at = None
        self.gate = None
        self.reached_gate = threading.Event()
        self.is_closed = False

    def apply(self, step):
        if self.gate and len(self.steps) == self.gate[0]:
            self.reached_gate.set()
            assert self.gate[1].wait(PATIENCE_SECONDS)
        if self.fails_at == len(self.steps):
            raise RuntimeError("the server is gone")
        self.clock.set(step.at)
        self.steps.append(step)

    def close(self):
        self.is_closed = True


class Time:
    """Real time, as far as the runner knows."""

    def __init__(self, instant):
        self.instant = instant

    def __call__(self):
        return self.instant


@pytest.fixture
def stage(settings):
    """Return a runner three days after the first day, its writer, its time, its reports."""

    def build(*, is_live=False):
        clock = WorldClock(RecordingClock())
        writer = RecordingWriter(clock)
        time = Time(almanac.local(settings.first_day + timedelta(days=3), 12))
        reports = []
        runner = WorldRunner(
            World(settings, writer),
            clock,
            is_live=is_live,
            report=lambda event, **fields: reports.append((event, fields)),
            source=time,
            longest_nap_seconds=0.01,
        )
        return runner, writer, time, reports

    return build


def test_the_past_is_written_day_by_day_and_then_the_clock_is_released(stage):
    """Every day is reported once; nothing beyond now is written; the clock is back in real time."""
    runner, writer, time, reports = stage()
    runner.start()
    assert runner.has_ended.wait(PATIENCE_SECONDS)
    assert [fields["done"] for event, fields in reports if event == "world:history:progress"] == [1, 2, 3, 4]
    assert reports[-1][0] == "world:history:ready"
    assert reports[-1][1]["isReady"] is True
    assert writer.steps[-1].at <= time.instant < runner.world.next_at()
    assert writer.clock.now() > datetime.now(UTC) - timedelta(minutes=1)
    runner.stop()
    assert writer.is_closed


@pytest.mark.parametrize("seconds", [-1, 0, 1, 5, 1800])
def test_the_past_has_today_in_it_from_its_first_second(stage, seconds):
    """Just after the studio's midnight nothing has happened yet: the quiet day is told and counted, too.

    The CI once ran ``twins up --days 2`` in the first minutes of a day, and was told of two days of three.
    """
    runner, writer, time, reports = stage()
    today = runner.world.settings.first_day + timedelta(days=2)
    time.instant = almanac.local(today, 0) + timedelta(seconds=seconds)
    days = 2 if seconds < 0 else 3
    runner.start()
    assert runner.has_ended.wait(PATIENCE_SECONDS)
    assert [fields["done"] for event, fields in reports if event == "world:history:progress"] == [
        *range(1, days + 1)
    ]
    assert {fields["of"] for _, fields in reports} == {days}
    assert reports[-1][0] == "world:history:ready"
    last = runner.world.settings.first_day + timedelta(days=days - 1)
    assert (reports[-1][1]["day"], reports[-1][1]["done"]) == (last.isoformat(), days)
    assert writer.steps[-1].at <= time.instant < runner.world.next_at()
    runner.stop()


def test_a_live_world_has_reached_a_new_day_though_nothing_happens_in_it_yet(stage):
    """After midnight the status counts the new day, before its first step is due."""
    runner, writer, time, _ = stage(is_live=True)
    first_day = runner.world.settings.first_day
    time.instant = almanac.local(first_day + timedelta(days=3), 0) - timedelta(seconds=1)
    runner.start()
    assert runner.is_ready.wait(PATIENCE_SECONDS)
    written = len(writer.steps)
    assert (runner.describe()["done"], runner.describe()["of"]) == (3, 3)
    time.instant += timedelta(seconds=2)
    assert runner.world.next_at() > time.instant
    while runner.describe()["done"] == 3 and not runner.has_ended.wait(0.01):
        pass
    assert (runner.describe()["day"], runner.describe()["of"]) == (str(first_day + timedelta(days=3)), 4)
    assert len(writer.steps) == written
    runner.stop()


def test_progress_counts_what_there_is(stage, settings):
    """Documents, writes and calls of the status add up to the truth."""
    runner, writer, time, _ = stage()
    runner.start()
    assert runner.has_ended.wait(PATIENCE_SECONDS)
    truth = runner.world.truth(time.instant)
    progress = runner.world.progress
    assert progress.documents == len(truth.documents(time.instant))
    assert progress.stripe_calls == len(truth.calls)
    assert progress.writes == sum(len(step.writes) for step in writer.steps)
    assert runner.describe()["of"] == 4
    assert runner.world.labels(time.instant) == truth.plan.labels(time.instant)


def test_a_live_world_goes_on_when_its_time_comes(stage):
    """Steps of the future are written when they are due, and the clock is real again after each."""
    runner, writer, time, _ = stage(is_live=True)
    runner.start()
    assert runner.is_ready.wait(PATIENCE_SECONDS)
    before = len(writer.steps)
    assert runner.world.next_at() > time.instant
    writer.gate = (before + 3, threading.Event())
    time.instant += timedelta(days=1)
    assert writer.reached_gate.wait(PATIENCE_SECONDS)
    assert len(writer.steps) == before + 3
    writer.gate[1].set()
    runner.stop()
    assert runner.has_ended.is_set()
    assert runner.failure is None


def test_a_live_world_writes_what_a_later_start_would_have_written(stage, settings):
    """Restarted or not, the steps are the same."""
    runner, writer, time, _ = stage(is_live=True)
    runner.start()
    assert runner.is_ready.wait(PATIENCE_SECONDS)
    later = time.instant + timedelta(days=1)
    fresh, other, _, _ = stage()
    fresh.world.apply_until(later)
    time.instant = later
    # What is written tells how far it is: the world itself belongs to the runner's thread.
    while len(writer.steps) < len(other.steps) and not runner.has_ended.wait(0.01):
        pass
    runner.stop()
    assert writer.steps == other.steps


def test_it_stops_in_the_middle_of_the_past(stage):
    """Asked to stop, it ends after the step in hand and is not ready."""
    runner, writer, _, reports = stage()
    writer.gate = (5, threading.Event())
    runner.start()
    assert writer.reached_gate.wait(PATIENCE_SECONDS)
    stopper = threading.Thread(target=runner.stop)
    stopper.start()
    writer.gate[1].set()
    stopper.join(PATIENCE_SECONDS)
    assert runner.has_ended.is_set()
    assert not runner.is_ready.is_set()
    assert len(writer.steps) <= 7
    assert "world:history:ready" not in {event for event, _ in reports}


def test_a_failure_is_told_and_remembered(stage):
    """A world that cannot be written says why and never claims to be ready."""
    runner, writer, _, reports = stage()
    writer.fails_at = 4
    runner.start()
    assert runner.has_ended.wait(PATIENCE_SECONDS)
    assert isinstance(runner.failure, RuntimeError)
    assert reports[-1][0] == "world:history:failed"
    assert "the server is gone" in reports[-1][1]["error"]
    assert runner.describe()["failure"] == "RuntimeError"
    assert not runner.is_ready.is_set()
    runner.stop()


def test_stripe_sees_exactly_the_pinned_instant(settings):
    """The clock tells the simulated instant while pinned and the source's time otherwise."""
    documents = RecordingClock()
    real = datetime(2030, 1, 1, tzinfo=UTC)
    clock = WorldClock(documents, lambda: real)
    assert clock.now() == real
    clock.set(opening_of(settings))
    assert clock.now() == documents.pinned == opening_of(settings)
    clock.release()
    assert clock.now() == real
    assert documents.pinned is None
