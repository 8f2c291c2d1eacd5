"""What every connector promises, as checks that run anywhere: in CI on twins, and on a user's own devices.

One function per promise. A subject says how to make the connector and, on a twin, how to cause trouble; on
real devices no trouble is caused, no command is sent, and promises that need either are skipped.
"""

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

import psutil

from policies.redaction import Redactor
from resources.connector import (
    TRANSIENT,
    Command,
    CommandPlan,
    Connector,
    ConnectorError,
    Fault,
    Health,
    Reading,
)
from resources.connectors.breaker import BreakerPolicy, CallRefusedError
from resources.connectors.circuits import CircuitState, MemoryBreakerStore
from resources.connectors.records import Ending, MemoryCallLog
from resources.connectors.runner import CallPolicy, ConnectorRunner

SLACK_SECONDS: Final = 1.0  # beyond the deadline, for a machine that is busy
_IDLE_SECONDS: Final = 0.3
_SETTLE_SECONDS: Final = 3.0
_OPEN_SECONDS: Final = 60.0


class Trouble(StrEnum):
    """What a subject on a twin can be asked to suffer; every connector fails with the fault named here."""

    AUTH = "auth"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    RATE_LIMITED = "rate_limited"
    BAD_RESPONSE = "bad_response"


class Subject(Protocol):
    """One connector and the other side it talks to.

    Attributes:
        connector_id: As the connector's.
        secrets: Values that must appear nowhere.
        deadline_seconds: Enough for one call.
        is_pretend: Whether the other side is a twin: trouble and commands are allowed on a twin only.
    """

    connector_id: str
    secrets: Sequence[str]
    deadline_seconds: float
    is_pretend: bool

    def connector(self) -> Connector:
        """Return a new connector that remembers nothing."""

    def strike(self, trouble: Trouble) -> None:
        """Let trouble begin, until ``heal``."""

    def heal(self) -> None:
        """Let it end."""

    def requests(self) -> int:
        """Return how many requests the other side has seen."""

    def commands(self) -> Sequence[str]:
        """Return every command the other side has seen."""

    def act_unguarded(self) -> None:
        """Send one command past all guards, so that ``commands`` is known to see."""


class BrokenPromiseError(Exception):
    """A connector does not keep a promise; the sentence says which part."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one connector did: names of promises; ``reasons`` says why the failed ones failed."""

    connector_id: str
    passed: tuple[str, ...]
    failed: tuple[str, ...]
    skipped: tuple[str, ...]
    reasons: Mapping[str, str]

    def as_json(self) -> Mapping[str, object]:
        """Return the verdict as the command line prints it."""
        return {
            "id": self.connector_id,
            "passed": list(self.passed),
            "failed": list(self.failed),
            "skipped": list(self.skipped),
            "reasons": dict(self.reasons),
        }


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise: its name, its check, and whether it needs a twin."""

    name: str
    check: Callable[[Subject], None]
    needs_twin: bool


def verify(subject: Subject) -> Verdict:
    """Hold a connector to every promise that can be tried on this subject; never raises for a broken one."""
    passed, failed, skipped = [], [], []
    reasons: dict[str, str] = {}
    redactor = Redactor.knowing(subject.secrets)
    for promise in PROMISES:
        if promise.needs_twin and not subject.is_pretend:
            skipped.append(promise.name)
            continue
        try:
            promise.check(subject)
            passed.append(promise.name)
        except Exception as error:  # noqa: BLE001 - a connector that raises what it should not has failed
            failed.append(promise.name)
            reasons[promise.name] = redactor.text(f"{type(error).__name__}: {error}")
        finally:
            if subject.is_pretend:
                subject.heal()
    return Verdict(subject.connector_id, tuple(passed), tuple(failed), tuple(skipped), reasons)


def _hold(is_kept: object, sentence: str) -> None:
    if not is_kept:
        raise BrokenPromiseError(sentence)


@dataclass(slots=True)
class _Clock:
    """A clock that a check moves."""

    moved: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.moved


@dataclass(slots=True)
class _Bench:
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
                breaker=BreakerPolicy(self.failures_to_open, _OPEN_SECONDS),
            ),
            redactor=Redactor.knowing(self.subject.secrets),
        )


def _failure(subject: Subject, connector: Connector | None = None) -> tuple[ConnectorError, float]:
    """Return how a read fails, and after how many seconds."""
    started = time.monotonic()
    try:
        (connector or subject.connector()).read(subject.deadline_seconds)
    except ConnectorError as error:
        return error, time.monotonic() - started
    raise BrokenPromiseError("a read succeeded although the other side was in trouble")


def _health(subject: Subject) -> None:
    """Health tells good from bad, in time, and does not raise."""
    found = subject.connector().health(subject.deadline_seconds)
    _hold(found.is_healthy and found.fault is None, f"not healthy without trouble: {found.sentence}")
    _hold(found.checked_at.tzinfo is not None, "the instant has no zone")


def _health_in_trouble(subject: Subject) -> None:
    """Health says no, and why, when the other side refuses us."""
    subject.strike(Trouble.AUTH)
    started = time.monotonic()
    found = subject.connector().health(subject.deadline_seconds)
    _hold(not found.is_healthy and found.fault is Fault.AUTH, f"said {found.fault} to a refused login")
    _hold(time.monotonic() - started < subject.deadline_seconds + SLACK_SECONDS, "health took too long")


def _read(subject: Subject) -> None:
    """A read names each device once, and claims no more health than it knows."""
    reading = subject.connector().read(subject.deadline_seconds)
    ids = [one.device_id for one in reading.devices] + [one.device_id for one in reading.failures]
    _hold(ids and len(ids) == len(set(ids)), "devices are missing or named twice")
    for one in reading.devices:
        _hold(one.observed_at.tzinfo is not None, "an instant has no zone")
        _hold(one.observed_at <= reading.read_at + timedelta(seconds=5), "a reading comes from the future")
        _hold(not (one.is_healthy and one.is_online is False), "an unreachable device is called healthy")
        _hold(not (one.is_healthy and one.error_code is not None), "a device with an error is called healthy")


def _auth_failure(subject: Subject) -> None:
    """A refused login is told at once, not tried again, and never opens the circuit."""
    subject.strike(Trouble.AUTH)
    bench = _Bench(subject, attempts=3, failures_to_open=1)
    for _ in range(2):
        fault = _runner_fault(bench)
        _hold(fault is Fault.AUTH, f"said {fault} to a refused login")
    _hold({one.attempts for one in bench.log.records} == {1}, "a refused login was tried again")
    state = bench.runner.state()
    _hold(state.circuit is CircuitState.CLOSED, "a refused login opened the circuit")
    _hold(state.is_degraded and state.fault is Fault.AUTH, "a refused login does not show")


def _retries(subject: Subject) -> None:
    """Passing trouble costs a second attempt, not the read."""
    connector = _HealsOnFailure(subject.connector(), subject)
    subject.strike(Trouble.UNAVAILABLE)
    bench = _Bench(subject, attempts=3, connector=connector)
    bench.runner.read()
    (record,) = bench.log.records
    _hold((record.ending, record.attempts) == (Ending.OK, 2), f"took {record.attempts} attempts")


def _error_shape(subject: Subject) -> None:
    """Every trouble comes as one of our errors, rightly named, with nothing of a vendor hanging on it."""
    for trouble in Trouble:
        subject.strike(trouble)
        error, _ = _failure(subject)
        subject.heal()
        _hold(error.fault == Fault(trouble.value), f"{trouble} came as {error.fault}")
        _hold(error.is_transient == (error.fault in TRANSIENT), f"{trouble} has the wrong transience")
        _hold(str(error).strip(), f"{trouble} says nothing")
        chain = (error.__cause__, error.__context__)
        _hold(
            all(one is None or isinstance(one, ConnectorError) for one in chain),
            f"behind {trouble} hangs a vendor's error",
        )


def _timeout(subject: Subject) -> None:
    """Silence costs no more than the deadline."""
    subject.strike(Trouble.TIMEOUT)
    error, seconds = _failure(subject)
    _hold(error.fault is Fault.TIMEOUT, f"silence came as {error.fault}")
    _hold(seconds < subject.deadline_seconds + SLACK_SECONDS, f"silence cost {seconds:.1f} s")


def _malformed_payload(subject: Subject) -> None:
    """What makes no sense is an error, not an empty house."""
    subject.strike(Trouble.BAD_RESPONSE)
    error, _ = _failure(subject)
    _hold(error.fault is Fault.BAD_RESPONSE, f"nonsense came as {error.fault}")


def _rate_limit(subject: Subject) -> None:
    """Too many requests lead to fewer: the circuit opens, and then nothing is asked."""
    subject.strike(Trouble.RATE_LIMITED)
    bench = _Bench(subject, failures_to_open=2)
    for _ in range(2):
        fault = _runner_fault(bench)
        _hold(fault is Fault.RATE_LIMITED, f"too many requests came as {fault}")
    before = subject.requests()
    _hold(_runner_fault(bench) is Fault.UNAVAILABLE, "the circuit did not open")
    _hold(bench.log.records[-1].ending is Ending.REFUSED, "a call was made through an open circuit")
    _hold(subject.requests() == before, "something was asked through an open circuit")


def _recovery(subject: Subject) -> None:
    """When trouble ends, the next probe closes the circuit and everything is as before."""
    subject.strike(Trouble.UNAVAILABLE)
    bench = _Bench(subject, failures_to_open=1)
    fault = _runner_fault(bench)
    _hold(fault is Fault.UNAVAILABLE, f"an absent other side came as {fault}")
    _hold(bench.runner.state().is_degraded, "degraded mode does not show")
    subject.heal()
    bench.clock.moved += timedelta(seconds=_OPEN_SECONDS + 1)
    _hold(bench.runner.read().devices, "nothing was read after the trouble")
    state = bench.runner.state()
    _hold(not state.is_degraded and state.last_good_read_at is not None, "degraded mode was not left")


def _read_only(subject: Subject) -> None:
    """A write is refused before a byte is sent, and a dry run sends nothing either."""
    connector = subject.connector()
    _hold(connector.is_read_only, "the connector says that it may write")
    command, seconds = Command("1", "on"), subject.deadline_seconds
    before = subject.requests()
    runner = _Bench(subject, connector=connector).runner
    for is_direct in (True, False):
        try:
            if is_direct:
                connector.execute(command, is_dry_run=False, deadline_seconds=seconds)
            else:
                runner.execute(command, is_dry_run=False)
        except ConnectorError as error:
            _hold(error.fault is Fault.READ_ONLY_VIOLATION, f"a write was refused as {error.fault}")
        else:
            raise BrokenPromiseError("a write was not refused")
    plan = connector.execute(command, is_dry_run=True, deadline_seconds=seconds)
    _hold(plan.summary and plan.call, "a dry run shows nothing")
    _hold(subject.requests() == before, "something was sent for a write that was refused")


def _no_commands(subject: Subject) -> None:
    """No call makes the other side act, and it would have noticed."""
    connector = subject.connector()
    connector.health(subject.deadline_seconds)
    connector.read(subject.deadline_seconds)
    _hold(not subject.commands(), f"reading acted: {list(subject.commands())[:3]}")
    subject.act_unguarded()
    _hold(subject.commands(), "the twin does not notice commands, so it proves nothing")


def _redaction(subject: Subject) -> None:
    """No secret is in an error, behind one, in a repr, a record, or a log line at any level."""
    with _listening() as lines:
        connector = subject.connector()
        told = [repr(connector)]
        told += [
            repr(connector.health(subject.deadline_seconds)),
            repr(connector.read(subject.deadline_seconds)),
        ]
        for trouble in Trouble if subject.is_pretend else ():
            subject.strike(trouble)
            told.append(repr(connector.health(subject.deadline_seconds)))
            told += _told_by(_failure(subject)[0])
            subject.heal()
    text = "\n".join([*told, *lines])
    leaked = sum(secret in text for secret in subject.secrets)
    _hold(not leaked, f"{leaked} of {len(subject.secrets)} secrets got out")


def _idle_cost(subject: Subject) -> None:
    """Between calls and after closing nothing is open, nothing runs, and nobody is asked."""
    subject.connector().read(subject.deadline_seconds)  # what libraries start once, they have started now
    _settled(lambda: True)
    before, threads = _open_connections(), _our_threads()
    connector = subject.connector()
    connector.read(subject.deadline_seconds)
    is_quiet = _settled(lambda: _open_connections() <= before and _our_threads() <= threads)
    _hold(is_quiet, "connections or threads stay open between calls")
    asked = subject.requests()
    threading.Event().wait(_IDLE_SECONDS)
    _hold(subject.requests() == asked, "the other side is asked between calls")
    connector.close()
    connector.close()
    _hold(subject.requests() == asked, "closing asks the other side")


class _HealsOnFailure:
    """A connector whose first failure ends the trouble."""

    def __init__(self, inner: Connector, subject: Subject) -> None:
        self._inner = inner
        self._subject = subject
        self.connector_id = inner.connector_id
        self.version = inner.version
        self.is_read_only = inner.is_read_only

    def health(self, deadline_seconds: float) -> Health:
        return self._inner.health(deadline_seconds)

    def read(self, deadline_seconds: float) -> Reading:
        try:
            return self._inner.read(deadline_seconds)
        except ConnectorError:
            self._subject.heal()
            raise

    def execute(self, command: Command, *, is_dry_run: bool, deadline_seconds: float) -> CommandPlan:
        return self._inner.execute(command, is_dry_run=is_dry_run, deadline_seconds=deadline_seconds)

    def close(self) -> None:
        self._inner.close()


def _runner_fault(bench: _Bench) -> Fault | None:
    try:
        bench.runner.read()
    except CallRefusedError as error:
        return error.fault
    except ConnectorError as error:
        return error.fault
    return None


def _told_by(error: BaseException) -> Iterator[str]:
    link: BaseException | None = error
    while link is not None:
        yield f"{link} {link!r} {vars(link)}"
        yield "".join(traceback.format_exception(link))
        link = link.__cause__ or link.__context__


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Collect every log line of this process, debug included."""
    lines: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.getMessage()} {record.args} {record.exc_text}")
            if record.exc_info:
                lines.append("".join(traceback.format_exception(record.exc_info[1])))

    root, ear = logging.getLogger(), Ear(logging.DEBUG)
    level = root.level
    root.addHandler(ear)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(ear)
        root.setLevel(level)


def _open_connections() -> int:
    found = psutil.Process().net_connections("tcp")
    return sum(one.status == psutil.CONN_ESTABLISHED for one in found)


def _our_threads() -> int:
    # A twin answers in threads of its own, in this very process; they end with their connections.
    return threading.active_count()


def _settled(is_quiet: Callable[[], bool]) -> bool:
    until = time.monotonic() + _SETTLE_SECONDS
    while not is_quiet():
        if time.monotonic() > until:
            return False
        threading.Event().wait(0.02)
    return True


PROMISES: Final = (
    Promise("health", _health, needs_twin=False),
    Promise("health_in_trouble", _health_in_trouble, needs_twin=True),
    Promise("read", _read, needs_twin=False),
    Promise("auth_failure", _auth_failure, needs_twin=True),
    Promise("retries", _retries, needs_twin=True),
    Promise("error_shape", _error_shape, needs_twin=True),
    Promise("timeout", _timeout, needs_twin=True),
    Promise("malformed_payload", _malformed_payload, needs_twin=True),
    Promise("rate_limit", _rate_limit, needs_twin=True),
    Promise("recovery", _recovery, needs_twin=True),
    Promise("read_only", _read_only, needs_twin=False),
    Promise("no_commands", _no_commands, needs_twin=True),
    Promise("redaction", _redaction, needs_twin=False),
    Promise("idle_cost", _idle_cost, needs_twin=False),
)
