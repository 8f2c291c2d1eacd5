"""What promises are tried with: a runner that remembers all, and a connector that heals the other side."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from policies.redaction import Redactor
from resources.connector import Command, CommandPlan, Connector, ConnectorError, Fault, Health, Reading
from resources.connectors.breaker import BreakerPolicy
from resources.connectors.circuits import MemoryBreakerStore
from resources.connectors.contract.subject import BrokenPromiseError, Subject
from resources.connectors.records import MemoryCallLog
from resources.connectors.runner import CallPolicy, ConnectorRunner

OPEN_SECONDS: Final = 60.0


@dataclass(slots=True)
class _Clock:
    """A clock that a check moves."""

    moved: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.moved


@dataclass(slots=True)
class Bench:
    """A runner around a new connector, with all it remembers."""

    subject: Subject
    attempts: int = 1
    failures_to_open: int = 3
    connector: Connector | None = None
    clock: _Clock = field(default_factory=_Clock)
    log: MemoryCallLog = field(default_factory=MemoryCallLog)
    runner: ConnectorRunner = field(init=False)

    def __post_init__(self) -> None:
        seconds = self.subject.deadline_seconds
        self.runner = ConnectorRunner(
            self.connector or self.subject.connector(),
            breakers=MemoryBreakerStore(self.clock),
            calls=self.log,
            clock=self.clock,
            policy=CallPolicy(
                deadline_seconds=(seconds + 2) * self.attempts,
                attempt_seconds=seconds,
                attempts=self.attempts,
                first_wait_seconds=0.01,
                breaker=BreakerPolicy(self.failures_to_open, OPEN_SECONDS),
            ),
            redactor=Redactor.knowing(self.subject.secrets),
        )


def failure_of_read(subject: Subject, connector: Connector | None = None) -> tuple[ConnectorError, float]:
    """Return how a read fails, and after how many seconds."""
    started = time.monotonic()
    try:
        (connector or subject.connector()).read(subject.deadline_seconds)
    except ConnectorError as error:
        return error, time.monotonic() - started
    raise BrokenPromiseError("a read succeeded although the other side was in trouble")


def fault_of_run(bench: Bench) -> Fault | None:
    """Return how a read through the runner fails; null when it does not."""
    try:
        bench.runner.read()
    except ConnectorError as error:
        return error.fault
    return None


class HealsOnFailure:
    """A connector whose first failure ends the trouble."""

    def __init__(self, inner: Connector, subject: Subject) -> None:
        self._inner = inner
        self._subject = subject
        self.connector_id = inner.connector_id
        self.version = inner.version
        self.is_read_only = inner.is_read_only

    def health(self, deadline_seconds: float) -> Health:
        """Pass it on."""
        return self._inner.health(deadline_seconds)

    def read(self, deadline_seconds: float) -> Reading:
        """Pass it on; heal the other side when it fails."""
        try:
            return self._inner.read(deadline_seconds)
        except ConnectorError:
            self._subject.heal()
            raise

    def execute(self, command: Command, *, is_dry_run: bool, deadline_seconds: float) -> CommandPlan:
        """Pass it on."""
        return self._inner.execute(command, is_dry_run=is_dry_run, deadline_seconds=deadline_seconds)

    def close(self) -> None:
        """Pass it on."""
        self._inner.close()
