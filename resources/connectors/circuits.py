"""The state of a connector's circuit, where it is kept, and how several processes share it.

Every Dagster step is its own process, so the state lives behind a port: PostgreSQL in the house, memory in
tests. Once a circuit's rest is over, exactly one caller is let through to probe; the others stay refused
until it has succeeded, failed, or outlived its time.
"""

import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from resources.clock import Clock
from resources.connector import Fault


class CircuitState(StrEnum):
    """Closed lets calls through; opened refuses them; half-opened waits for one probe."""

    CLOSED = "closed"
    OPENED = "opened"
    HALF_OPENED = "half-opened"


@dataclass(frozen=True, slots=True)
class Circuit:
    """One circuit at one instant.

    Attributes:
        state: See ``CircuitState``.
        failures: In a row, since the last success.
        opened_at: When it opened, UTC; null while closed.
        retry_at: When the next call is let through, UTC; null while closed.
        fault: Why it is degraded; null when it is not. A closed circuit has one after a fault that waiting
            does not mend, such as a wrong token.
    """

    state: CircuitState = CircuitState.CLOSED
    failures: int = 0
    opened_at: datetime | None = None
    retry_at: datetime | None = None
    fault: Fault | None = None

    @property
    def is_degraded(self) -> bool:
        """Whether the connector cannot be relied on now."""
        return self.state is not CircuitState.CLOSED or self.fault is not None


class BreakerStore(Protocol):
    """Keeps circuits by name. Every method is atomic, also between processes."""

    def admit(self, name: str, probe_seconds: float) -> Circuit:
        """Return the circuit as it is for this caller; a name not seen before is closed.

        ``half-opened`` makes the caller the only probe, for ``probe_seconds``; whoever else comes meanwhile
        gets ``opened``.
        """

    def look(self, name: str) -> Circuit:
        """Return the circuit without asking to pass."""

    def add_failure(self, name: str) -> int:
        """Count a failure; return how many there are in a row."""

    def open(self, name: str, fault: Fault, open_seconds: float) -> bool:
        """Refuse calls for a while; return whether the circuit was not degraded before."""

    def note(self, name: str, fault: Fault) -> bool:
        """Remember a fault that does not open the circuit; return whether it was not degraded before."""

    def recover(self, name: str) -> bool:
        """Close the circuit and forget its failures; return whether it was degraded before."""

    def release(self, name: str) -> None:
        """Give a probe back that learnt nothing: the next caller may probe at once."""


class MemoryBreakerStore:
    """Circuits of this process only; safe for threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._circuits: dict[str, Circuit] = {}

    def admit(self, name: str, probe_seconds: float) -> Circuit:
        """See ``BreakerStore``."""
        with self._lock:
            circuit, now = self._get(name), self._clock.now()
            if circuit.state is CircuitState.CLOSED:
                return circuit
            if circuit.retry_at is not None and circuit.retry_at > now:
                return replace(circuit, state=CircuitState.OPENED)
            until = now + timedelta(seconds=probe_seconds)
            self._circuits[name] = replace(circuit, state=CircuitState.HALF_OPENED, retry_at=until)
            return self._circuits[name]

    def look(self, name: str) -> Circuit:
        """See ``BreakerStore``."""
        with self._lock:
            return self._get(name)

    def add_failure(self, name: str) -> int:
        """See ``BreakerStore``."""
        with self._lock:
            circuit = self._get(name)
            self._circuits[name] = replace(circuit, failures=circuit.failures + 1)
            return circuit.failures + 1

    def open(self, name: str, fault: Fault, open_seconds: float) -> bool:
        """See ``BreakerStore``."""
        with self._lock:
            before, now = self._get(name), self._clock.now()
            self._circuits[name] = replace(
                before,
                state=CircuitState.OPENED,
                opened_at=before.opened_at or now,
                retry_at=now + timedelta(seconds=open_seconds),
                fault=fault,
            )
            return not before.is_degraded

    def note(self, name: str, fault: Fault) -> bool:
        """See ``BreakerStore``."""
        with self._lock:
            before = self._get(name)
            self._circuits[name] = replace(before, fault=fault)
            return not before.is_degraded

    def recover(self, name: str) -> bool:
        """See ``BreakerStore``."""
        with self._lock:
            before = self._get(name)
            self._circuits[name] = Circuit()
            return before.is_degraded

    def release(self, name: str) -> None:
        """See ``BreakerStore``."""
        with self._lock:
            circuit = self._get(name)
            if circuit.state is CircuitState.HALF_OPENED:
                now = self._clock.now()
                self._circuits[name] = replace(circuit, state=CircuitState.OPENED, retry_at=now)

    def _get(self, name: str) -> Circuit:
        return self._circuits.get(name, Circuit())
