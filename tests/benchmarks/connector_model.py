"""What a circuit breaker is to do, written down a second time, and what counts as a leak; both only judge.

The model is fed with what was seen at the connector itself, below the runner: when each attempt began and
how it ended. It shares no code with the breaker, and knows it by its description alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

OK = "ok"
ANSWERED = frozenset({"auth", "unsupported"})  # the other side answered: waiting does not mend it
CLOCK_SLACK_SECONDS = 0.05  # between our clock and the database's, and between a decision and its reading
MEMORY_LIMIT_MB = 16.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time the connector was asked. Instants are seconds of one clock; ``ending`` is ok or a fault."""

    began_at: float
    ended_at: float
    ending: str


@dataclass(slots=True)
class BreakerModel:
    """One circuit as it should be.

    Attributes:
        failures_to_open: Failures in a row that open it.
        open_seconds: How long it then refuses.
        openings: From closed to open.
        reopenings: Probes that failed.
        closings: From open to closed.
        entered: Times it became degraded.
        left: Times it came out of that.
        violations: Every disagreement with what was seen, in words.
    """

    failures_to_open: int
    open_seconds: float
    is_open: bool = False
    failures: int = 0
    fault: str | None = None
    rest: tuple[float, float] = (0.0, 0.0)
    openings: int = 0
    reopenings: int = 0
    closings: int = 0
    entered: int = 0
    left: int = 0
    violations: list[str] = field(default_factory=list)

    def called(
        self, began_at: float, attempts: Sequence[Attempt], returned_at: float, *, is_refused: bool
    ) -> None:
        """Take one call of the runner: what the connector saw of it, and whether the breaker refused it."""
        for attempt in attempts:
            if self.is_open and attempt.began_at < self.rest[0] - CLOCK_SLACK_SECONDS:
                self.violations.append(
                    f"asked {self.rest[0] - attempt.began_at:.2f} s before its rest was over"
                )
            self._ended(attempt, returned_at)
        if is_refused and not attempts:
            if not self.is_open:
                self.violations.append("refused though it should be closed")
            elif began_at > self.rest[1] + CLOCK_SLACK_SECONDS:
                self.violations.append(f"refused {began_at - self.rest[1]:.2f} s after its rest was over")
        elif not attempts:
            self.violations.append("neither asked nor refused")

    def compare(self, state: str, failures: int, fault: str | None, retry_at: float | None) -> None:
        """Compare with what the store says between calls."""
        if (state == "closed") is self.is_open:
            self.violations.append(f"is {state}, should be {'opened' if self.is_open else 'closed'}")
        elif fault != self.fault:
            self.violations.append(f"says the fault is {fault}, should be {self.fault}")
        elif not self.is_open and failures != self.failures:
            self.violations.append(f"counts {failures} failures, should count {self.failures}")
        elif self.is_open and (retry_at is None or not self._is_in_rest(retry_at)):
            self.violations.append("will try again at another time than it should")

    def compare_changes(self, entered: int, left: int) -> None:
        """Compare how often degraded mode was told to have begun and ended."""
        if (entered, left) != (self.entered, self.left):
            told, should = f"{entered} and {left}", f"{self.entered} and {self.left}"
            self.violations.append(
                f"told of {told} changes into and out of degraded mode, should be {should}"
            )

    def _is_in_rest(self, retry_at: float) -> bool:
        return self.rest[0] - CLOCK_SLACK_SECONDS <= retry_at <= self.rest[1] + CLOCK_SLACK_SECONDS

    def _ended(self, attempt: Attempt, returned_at: float) -> None:
        was_degraded, was_open = self.is_open or self.fault is not None, self.is_open
        if attempt.ending == OK or attempt.ending in ANSWERED:
            self.is_open, self.failures = False, 0
            self.fault = None if attempt.ending == OK else attempt.ending
            self.closings += was_open
        else:
            self.failures += 1
            if was_open or self.failures >= self.failures_to_open:
                self.is_open, self.fault = True, attempt.ending
                self.rest = (attempt.ended_at + self.open_seconds, returned_at + self.open_seconds)
                self.openings += not was_open
                self.reopenings += was_open
        is_degraded = self.is_open or self.fault is not None
        self.entered += is_degraded and not was_degraded
        self.left += was_degraded and not is_degraded


@dataclass(frozen=True, slots=True)
class Weight:
    """What a process holds at one quiet moment.

    Attributes:
        at: Seconds since the start.
        tasks: Unfinished asyncio tasks.
        sockets: Open sockets.
        files: Open file descriptors, sockets included.
        threads: Running threads.
        memory_mb: Memory that is this process's alone.
    """

    at: float
    tasks: int
    sockets: int
    files: int
    threads: int
    memory_mb: float


def leaks(
    warm: Weight, end: Weight, between: Sequence[Weight], limit_mb: float = MEMORY_LIMIT_MB
) -> list[str]:
    """Return every kind of thing of which there is more at the end than after warming up, in words.

    Memory is judged by medians of the first and last quarter of the moments ``between``, so that one large
    answer that is just being read is not taken for a leak; and by the end itself.
    """
    found = []
    for name in ("tasks", "sockets", "files", "threads"):
        before, after = getattr(warm, name), getattr(end, name)
        if after > before:
            found.append(f"{after - before} {name} leaked ({before} after warming up, {after} at the end)")
    quarter = max(1, len(between) // 4)
    first = median(one.memory_mb for one in between[:quarter]) if between else warm.memory_mb
    last = median(one.memory_mb for one in between[-quarter:]) if between else end.memory_mb
    if min(end.memory_mb - warm.memory_mb, last - first) > limit_mb:
        found.append(
            f"memory grew from {warm.memory_mb:.1f} to {end.memory_mb:.1f} MB (limit: {limit_mb:g} MB more)"
        )
    return found


def period_errors(planned: Sequence[float], began: Sequence[float]) -> dict[str, Any]:
    """Return by how many milliseconds polls began late: median, 99th percentile, worst."""
    late = sorted((after - before) * 1000 for before, after in zip(planned, began, strict=True))
    if not late:
        return {"median": None, "p99": None, "worst": None}
    return {
        "median": round(median(late), 1),
        "p99": round(late[min(len(late) - 1, int(len(late) * 0.99))], 1),
        "worst": round(late[-1], 1),
    }
