"""The life of one part, as a pure state machine: what happened goes in, what to do comes out.

It knows no process and no clock, so every path can be tested without waiting. A service that ends is
started again after a pause that doubles with every failure in a row; a step that succeeds is done.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
STABLE_SECONDS: Final = 60.0
STEP_ATTEMPTS: Final = 3


class Phase(StrEnum):
    """Where a part is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    PAUSING = "restarting"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


class Action(StrEnum):
    """What the supervisor has to do now."""

    NOTHING = "nothing"
    START = "start"
    KILL = "kill"


def pause_seconds(failures: int) -> float:
    """Return how long to wait after this many failures in a row (at least 1), in seconds."""
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 16))


@dataclass(slots=True)
class Lifecycle:
    """The state of one part.

    Attributes:
        is_service: A service runs until it is stopped; a step runs until it succeeds.
        start_limit_seconds: A service that is not ready by then is ended and started again.
        failures: Failures in a row; reset when a service has been ready for ``STABLE_SECONDS``.
        restarts: How often it was started again, ever.
    """

    is_service: bool
    start_limit_seconds: float
    phase: Phase = Phase.WAITING
    since: float = 0.0
    failures: int = 0
    restarts: int = 0

    def advance(self, now: float, *, may_start: bool, exit_code: int | None, is_ready: bool) -> Action:
        """Take in what happened since the last call and return what to do.

        Args:
            now: Seconds on any steady clock.
            may_start: Whether everything this part needs is there.
            exit_code: Of the process, once it has ended; null while it runs or when there is none.
            is_ready: Whether the last look at the running part found it working.
        """
        if self.phase in {Phase.WAITING, Phase.PAUSING}:
            return self._start(now) if may_start and self._is_rested(now) else Action.NOTHING
        if self.phase not in {Phase.STARTING, Phase.READY}:
            return Action.NOTHING
        if exit_code is not None:
            self._ended(now, exit_code)
        elif self.phase is Phase.READY:
            if now - self.since >= STABLE_SECONDS:
                self.failures = 0
        elif is_ready and self.is_service:
            self._enter(Phase.READY, now)
        elif now - self.since > self.start_limit_seconds:
            return Action.KILL
        return Action.NOTHING

    def could_not_start(self, now: float) -> None:
        """Take in that starting failed before there was a process; counts as one failure."""
        self._ended(now, 1)

    def _is_rested(self, now: float) -> bool:
        return self.phase is Phase.WAITING or now - self.since >= pause_seconds(self.failures)

    def _start(self, now: float) -> Action:
        self.restarts += self.phase is Phase.PAUSING
        self._enter(Phase.STARTING, now)
        return Action.START

    def _ended(self, now: float, exit_code: int) -> None:
        if exit_code == 0 and not self.is_service:
            self._enter(Phase.DONE, now)
            return
        if self.phase is Phase.READY and now - self.since >= STABLE_SECONDS:
            self.failures = 0
        self.failures += 1
        gives_up = not self.is_service and self.failures >= STEP_ATTEMPTS
        self._enter(Phase.FAILED if gives_up else Phase.PAUSING, now)

    def _enter(self, phase: Phase, now: float) -> None:
        self.phase, self.since = phase, now
