"""Runs a world in a thread: the past as fast as it can be written, then, if wanted, the present."""

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from twins.world import almanac
from twins.world.clock import WorldClock
from twins.world.world import World

Report = Callable[..., None]


def _system_time() -> datetime:
    return datetime.now(UTC)


class WorldRunner:
    """One world in one thread.

    Args:
        world: What is written.
        clock: The clock shared with the twins; pinned while the past is written, then released.
        is_live: Whether to go on with the plan after having caught up.
        report: Called with an event name and fields, for every day of the past and when it is done. A day
            on which nothing was written is told like any other: the first hours of today often are.
        source: Tells real time.
        longest_nap_seconds: How long the thread sleeps at most; a machine that slept catches up after it.
    """

    def __init__(
        self,
        world: World,
        clock: WorldClock,
        *,
        is_live: bool,
        report: Report,
        source: Callable[[], datetime] = _system_time,
        longest_nap_seconds: float = 30.0,
    ) -> None:
        self.world = world
        self.is_ready = threading.Event()
        self.has_ended = threading.Event()
        self.failure: BaseException | None = None
        self._clock = clock
        self._is_live = is_live
        self._report = report
        self._source = source
        self._longest_nap_seconds = longest_nap_seconds
        self._reached: date | None = None  # the day up to which all that was due is written
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="world", daemon=True)

    @property
    def days_of_history(self) -> int:
        """Return how many studio-local days the past has, today included."""
        return (almanac.day_of(self._source()) - self.world.settings.first_day).days + 1

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the step in hand, and wait for that."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self.world.close()

    def describe(self) -> dict[str, Any]:
        """Return settings and progress for a status page."""
        settings, progress, day = self.world.settings, self.world.progress, self._reached
        return {
            "seed": settings.seed,
            "firstDay": settings.first_day.isoformat(),
            "size": settings.size.name,
            "hasIncidents": settings.has_incidents,
            "isLive": self._is_live,
            "isReady": self.is_ready.is_set(),
            "day": day.isoformat() if day else None,
            "done": self._done(day),
            "of": self.days_of_history,
            "simulatedAt": progress.simulated_at.isoformat() if progress.simulated_at else None,
            "documents": progress.documents,
            "writes": progress.writes,
            "stripeCalls": progress.stripe_calls,
            "failure": type(self.failure).__name__ if self.failure else None,
        }

    def _run(self) -> None:
        try:
            self._catch_up()
            if not self._stopping.is_set():
                self._clock.release()
                self.is_ready.set()
                self._report("world:history:ready", **self.describe())
            while self._is_live and not self._stopping.is_set():
                self._live_on()
        except Exception as error:  # noqa: BLE001 - whatever ends the world is reported and ends the process
            self.failure = error
            self._report("world:history:failed", level="error", error=f"{type(error).__name__}: {error}")
        finally:
            self.has_ended.set()

    def _catch_up(self) -> None:
        world = self.world
        while world.next_at() <= (now := self._source()) and not self._stopping.is_set():
            world.apply_next()
            if world.progress.day:
                self._reach(world.progress.day)
        if not self._stopping.is_set():
            self._reach(almanac.day_of(now))

    def _reach(self, day: date) -> None:
        """Tell every day up to this one that was not told yet."""
        for number in range(self._done(self._reached), self._done(day)):
            self._reached = self.world.settings.first_day + timedelta(days=number)
            self._report(
                "world:history:progress", day=str(self._reached), done=number + 1, of=self.days_of_history
            )

    def _live_on(self) -> None:
        """Sleep until the next step is due, write it, and return the clock to real time."""
        now = self._source()
        wait = (self.world.next_at() - now) / timedelta(seconds=1)
        if wait > 0:
            self._reached = almanac.day_of(now)
            self._stopping.wait(min(wait, self._longest_nap_seconds))
            return
        try:
            self.world.apply_next()
        finally:
            self._clock.release()

    def _done(self, day: date | None) -> int:
        return max(0, (day - self.world.settings.first_day).days + 1) if day else 0
