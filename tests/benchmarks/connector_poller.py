"""One connector polled at a period, and held against the model of its circuit."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from resources.connector import Command, CommandPlan, Connector, ConnectorError, Health, Reading
from resources.connectors.breaker import CallRefusedError
from resources.connectors.runner import ConnectorRunner
from tests.benchmarks.connector_model import OK, Attempt, BreakerModel
from tests.benchmarks.connector_world import Database


class FastClock:
    """A clock that goes faster than time."""

    def __init__(self, speed: int) -> None:
        self._started, self._speed = datetime.now(UTC), speed

    def now(self) -> datetime:
        """Return its instant, UTC."""
        now = datetime.now(UTC)
        return self._started + (now - self._started) * self._speed


class Watched:
    """A connector that notes every time it is really asked; between the runner and the real one."""

    def __init__(self, inner: Connector) -> None:
        self.connector_id, self.version, self.is_read_only = inner.connector_id, inner.version, True
        self._inner = inner
        self._lock = threading.Lock()
        self._attempts: list[list[Any]] = []
        self.longest_overrun = 0.0

    def read(self, deadline_seconds: float) -> Reading:
        """Ask, and note."""
        note: list[Any] = [time.time(), None, None]
        with self._lock:
            self._attempts.append(note)
        ending = "unknown"
        try:
            answer = self._inner.read(deadline_seconds)
            ending = OK
        except ConnectorError as error:
            ending = error.fault.value
            raise
        else:
            return answer
        finally:
            note[1:] = time.time(), ending
            self.longest_overrun = max(self.longest_overrun, note[1] - note[0] - deadline_seconds)

    def taken(self, now: float) -> list[Attempt]:
        """Return the attempts since the last time; one that still runs was given up as timed out."""
        with self._lock:
            notes, self._attempts = self._attempts, []
        return [Attempt(began, ended or now, ending or "timeout") for began, ended, ending in notes]

    def health(self, deadline_seconds: float) -> Health:
        """Pass on."""
        return self._inner.health(deadline_seconds)

    def execute(self, command: Command, *, is_dry_run: bool, deadline_seconds: float) -> CommandPlan:
        """Pass on."""
        return self._inner.execute(command, is_dry_run=is_dry_run, deadline_seconds=deadline_seconds)

    def close(self) -> None:
        """Pass on."""
        self._inner.close()


@dataclass(slots=True)
class Poller:
    """One connector, polled at a period by a thread of its own."""

    watched: Watched
    runner: ConnectorRunner
    database: Database
    model: BreakerModel
    period: float
    offset: float
    planned: list[float] = field(default_factory=list)
    began: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    endings: Counter[str] = field(default_factory=Counter)
    worked_around: Counter[str] = field(default_factory=Counter)
    silent_devices: int = 0
    attempts: int = 0
    missed: int = 0
    idle_until: float = 0.0

    def poll_until(self, started: float, ends_at: float) -> None:
        """Poll at every multiple of the period; a poll whose time came during another is missed."""
        due = started + self.offset
        while due < ends_at:
            self.idle_until = due
            time.sleep(max(0.0, due - time.time()))
            self.idle_until = 0.0
            self.planned.append(due)
            self.began.append(time.time())
            self.poll()
            due += self.period
            while due < time.time() - self.period:
                self.missed += 1
                due += self.period
        self.idle_until = float("inf")

    def poll(self) -> str:
        """Poll once, and hold the circuit against the model."""
        began_at, is_refused, ending = time.time(), False, OK
        try:
            reading = self.runner.read()
            self.worked_around.update(fault.value for fault in reading.worked_around)
            self.silent_devices += len(reading.failures)
        except CallRefusedError:
            is_refused, ending = True, "refused"
        except ConnectorError as error:
            ending = error.fault.value
        returned_at = time.time()
        self.seconds.append(returned_at - began_at)
        self.endings[ending] += 1
        attempts = self.watched.taken(returned_at)
        self.attempts += len(attempts)
        circuit = self.database.breakers.look(self.watched.connector_id)
        self.model.called(began_at, attempts, time.time(), is_refused=is_refused)
        retry_at = circuit.retry_at.timestamp() if circuit.retry_at else None
        self.model.compare(circuit.state.value, circuit.failures, circuit.fault, retry_at)
        return ending
