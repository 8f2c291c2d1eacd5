"""The life of one part, as a pure state machine: what happened goes in, what to do comes out.

It knows no process and no clock, so every path can be tested without waiting. A service that ends is
started again after a pause that doubles with every failure in a row; a step that succeeds is done.
An end while something the part needs was away is no failure of its own: it starts when that is back.
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
        stable_seconds: After having worked this long (a service ready, a step running), what failed before
            is forgotten.
        failures: Failures in a row.
        starts: How often it was started, ever.
    """

    is_service: bool
    start_limit_seconds: float
    stable_seconds: float = STABLE_SECONDS
    phase: Phase = Phase.WAITING
    since: float = 0.0
    failures: int = 0
    starts: int = 0

    @property
    def restarts(self) -> int:
        """How often it was started again, ever."""
        return max(0, self.starts - 1)

    def advance(
        self,
        now: float,
        *,
        may_start: bool,
        exit_code: int | None,
        is_ready: bool,
        was_let_down: bool = False,
    ) -> Action:
        """Take in what happened since the last call and return what to do.

        Args:
            now: Seconds on any steady clock.
            may_start: Whether everything this part needs is there.
            exit_code: Of the process, once it has ended; null while it runs or when there is none.
            is_ready: Whether the last look at the running part found it working.
            was_let_down: Whether something it needs was away since it was started: then neither an end now
                nor having failed says anything of the part itself.
        """
        if self.phase is Phase.FAILED and was_let_down:
            self.failures = 0
            self._enter(Phase.WAITING, now)
        if self.phase in {Phase.WAITING, Phase.PAUSING}:
            return self._start(now) if may_start and self._is_rested(now) else Action.NOTHING
        if self.phase not in {Phase.STARTING, Phase.READY}:
            return Action.NOTHING
        if exit_code is not None:
            self._ended(now, exit_code, was_let_down=was_let_down)
        elif self.phase is Phase.READY:
            if self._has_worked_well(now):
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
        self.starts += 1
        self._enter(Phase.STARTING, now)
        return Action.START

    def _has_worked_well(self, now: float) -> bool:
        is_at_work = self.phase is (Phase.READY if self.is_service else Phase.STARTING)
        return is_at_work and now - self.since >= self.stable_seconds

    def _ended(self, now: float, exit_code: int, *, was_let_down: bool = False) -> None:
        if exit_code == 0 and not self.is_service:
            self._enter(Phase.DONE, now)
            return
        if was_let_down:
            self._enter(Phase.WAITING, now)
            return
        if self._has_worked_well(now):
            self.failures = 0
        self.failures += 1
        gives_up = not self.is_service and self.failures >= STEP_ATTEMPTS
        self._enter(Phase.FAILED if gives_up else Phase.PAUSING, now)

    def _enter(self, phase: Phase, now: float) -> None:
        self.phase, self.since = phase, now
