"""A connector that does what a test tells it to, and a runner around it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from policies.redaction import Redactor
from resources.connector import CommandPlan, Health, Reading
from resources.connectors.breaker import BreakerPolicy
from resources.connectors.circuits import MemoryBreakerStore
from resources.connectors.records import MemoryCallLog
from resources.connectors.runner import CallPolicy, ConnectorRunner

NOON = datetime(2026, 3, 1, 19, tzinfo=UTC)
CANARY = "canary-77c0ffee"


class TestClock:
    """A clock that a test moves."""

    __test__ = False

    def __init__(self):
        self.instant = NOON

    def now(self):
        return self.instant

    def pass_by(self, seconds):
        self.instant += timedelta(seconds=seconds)


@dataclass
class Puppet:
    """Does what ``act`` does, with every call."""

    act: Callable[[float], None] = lambda _: None
    connector_id: str = "puppet"
    version: str = "1"
    is_read_only: bool = True
    calls: list = field(default_factory=list)
    reading: Reading = field(default_factory=lambda: Reading([], [], NOON))

    def health(self, deadline_seconds):
        self.calls.append("health")
        self.act(deadline_seconds)
        return Health(is_healthy=True, fault=None, sentence=f"fine, {CANARY}", checked_at=NOON)

    def read(self, deadline_seconds):
        self.calls.append("read")
        self.act(deadline_seconds)
        return self.reading

    def execute(self, command, *, is_dry_run, deadline_seconds):
        self.calls.append(f"execute {command.name}")
        self.act(deadline_seconds)
        return CommandPlan("does it", {"name": command.name})

    def close(self):
        self.calls.append("close")


@pytest.fixture
def clock():
    return TestClock()


@pytest.fixture
def puppet():
    return Puppet()


@pytest.fixture
def log():
    return MemoryCallLog()


@pytest.fixture
def changes():
    return []


@pytest.fixture
def store(clock):
    return MemoryBreakerStore(clock)


@pytest.fixture
def make_runner(puppet, clock, log, changes, store):
    """Return a function that makes a runner of the puppet, impatient unless told otherwise."""

    def make(**policy):
        breaker = policy.pop("breaker", BreakerPolicy(failures_to_open=3, open_seconds=60, probe_seconds=30))
        quick = {"deadline_seconds": 5.0, "attempts": 1, "first_wait_seconds": 0.001}
        return ConnectorRunner(
            puppet,
            breakers=store,
            calls=log,
            clock=clock,
            policy=CallPolicy(**quick | policy, breaker=breaker),
            redactor=Redactor.knowing([CANARY]),
            on_change=changes.append,
            run_id="run-1",
        )

    return make


@pytest.fixture
def runner(make_runner):
    return make_runner()
