"""The twin's clock: real time, or a time the simulated world sets so that it can write its own past.

Instants are whole microseconds since 1970, Firestore's own precision. Nothing the clock hands out ever goes
backwards: a commit is strictly later than every commit and every read before it, so an instant once read
shows the same documents for ever.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from twins.firestore.errors import failed_precondition, invalid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def to_micros(instant: datetime) -> int:
    """Return microseconds since 1970 of an aware datetime."""
    return (instant - EPOCH) // MICROSECOND


def to_datetime(micros: int) -> datetime:
    """Return the aware UTC datetime of microseconds since 1970."""
    return EPOCH + micros * MICROSECOND


def _machine_micros() -> int:
    return time.time_ns() // 1000


class TwinClock:
    """Tells commit and read times; thread safe.

    Args:
        retention: How far back ``read_time`` may reach, as on the service (one hour, or seven days with
            point-in-time recovery). None keeps every past readable. Older versions are refused, not dropped.
        source: Where real time comes from, in microseconds since 1970.
    """

    def __init__(
        self, *, retention: timedelta | None = None, source: Callable[[], int] = _machine_micros
    ) -> None:
        self.retention = retention
        self._source = source
        self._pinned: int | None = None
        self._latest = 0
        self._lock = threading.Lock()

    def set(self, instant: datetime) -> None:
        """Pin the time to ``instant``; each commit then takes the next free microsecond from there.

        Time that was already handed out is never handed out again: after a step back, commits go on from the
        latest instant known.
        """
        with self._lock:
            self._pinned = to_micros(instant)

    def release(self) -> None:
        """Return to real time."""
        with self._lock:
            self._pinned = None

    def read(self) -> int:
        """Return the present: not earlier than any commit, and earlier than every commit still to come."""
        with self._lock:
            self._latest = max(self._latest, self._now())
            return self._latest

    def read_past(self, micros: int) -> int:
        """Return ``micros`` if a client may read at it.

        Raises:
            RefusedError: INVALID_ARGUMENT for the future; FAILED_PRECONDITION beyond the retention.
        """
        with self._lock:
            now = max(self._latest, self._now())
            if micros > now:
                raise invalid("The requested 'read_time' cannot be in the future.")
            if self.retention is not None and micros < now - self.retention // MICROSECOND:
                raise failed_precondition("The requested 'read_time' is too old.")
            self._latest = max(self._latest, micros)
            return micros

    def commit(self) -> int:
        """Return the instant of a new commit, later than everything committed or read before."""
        with self._lock:
            self._latest = max(self._latest + 1, self._now())
            return self._latest

    def _now(self) -> int:
        return self._source() if self._pinned is None else self._pinned
