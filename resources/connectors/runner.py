"""Runs the calls of one connector: deadline, retries, circuit breaker, one at a time, one record per call.

Order: retries outside, breaker inside, so that a dead hub is asked only until its circuit opens. Commands
are never tried twice: nobody knows whether a lost answer was carried out.
"""

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

import stamina

from policies.redaction import Redactor
from resources.clock import Clock
from resources.connector import Command, CommandPlan, Connector, ConnectorError, Fault, Health, Reading
from resources.connectors.breaker import BreakerPolicy, CallRefusedError, Passage, guarded
from resources.connectors.circuits import BreakerStore, Circuit, CircuitState
from resources.connectors.deadline import call_within
from resources.connectors.records import (
    CallLog,
    CallRecord,
    Ending,
    Operation,
    content_hash,
    latency_bucket,
)
from resources.logs import correlated, logger

# What a connector may take beyond the time it was given, to let go of its sockets, before it is left behind.
GRACE_SECONDS: Final = 1.0
_SHORTEST_ATTEMPT_SECONDS: Final = 0.05

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """How patient calls are.

    Attributes:
        deadline_seconds: Longest wall time of a call, retries and waits included.
        attempt_seconds: Longest time of one attempt.
        attempts: Most attempts of a read; health and commands get one.
        first_wait_seconds: Wait before the second attempt; doubles each time.
        longest_wait_seconds: Longest wait between attempts, unless the other side asks for more.
        concurrency: Calls at the same time in this process.
        breaker: When to stop asking.
    """

    deadline_seconds: float = 30.0
    attempt_seconds: float = 10.0
    attempts: int = 3
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 5.0
    concurrency: int = 1
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)


@dataclass(frozen=True, slots=True)
class DegradedChange:
    """A connector entered degraded mode, or left it. ``fault`` is why; null when it left."""

    connector_id: str
    is_degraded: bool
    fault: Fault | None
    at: datetime
    request_id: str


class DegradedListener(Protocol):
    """Hears of every change once, whichever process caused it."""

    def __call__(self, change: DegradedChange) -> None:
        """Keep or tell the change."""


@dataclass(frozen=True, slots=True)
class ConnectorState:
    """How a connector is, without asking it.

    Attributes:
        connector_id: Which.
        version: Of its code.
        is_degraded: Whether it cannot be relied on now.
        circuit: State of its circuit.
        failures: In a row, since the last success.
        last_good_read_at: When the newest successful read began, UTC; null when there was none.
        next_retry_at: When it is asked again at the earliest, UTC; null when at once.
        fault: Why it is degraded; null when it is not.
        sentence: All of it for a person.
    """

    connector_id: str
    version: str
    is_degraded: bool
    circuit: CircuitState
    failures: int
    last_good_read_at: datetime | None
    next_retry_at: datetime | None
    fault: Fault | None
    sentence: str


@dataclass(slots=True)
class _Call:
    """One call while it runs."""

    operation: Operation
    given: Mapping[str, Any]
    is_dry_run: bool
    attempts_allowed: int
    deadline: float
    run_id: str | None
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    attempts: int = 0
    ending: Ending = Ending.INTERRUPTED
    fault: Fault | None = None
    output: Any = None
    output_hash: str | None = None

    @property
    def left(self) -> float:
        return self.deadline - time.monotonic()


class ConnectorRunner:
    """The only way to call a connector. Safe for threads.

    Args:
        connector: Who is called.
        breakers: Where circuits are kept; shared by all processes of a house.
        calls: Where records go.
        clock: Tells when calls began.
        policy: How patient to be.
        redactor: Knows the secrets of this process.
        on_change: Hears of degraded mode; log lines tell of it anyway.
        run_id: The Dagster run on whose behalf; null outside runs.
    """

    def __init__(
        self,
        connector: Connector,
        *,
        breakers: BreakerStore,
        calls: CallLog,
        clock: Clock,
        policy: CallPolicy | None = None,
        redactor: Redactor | None = None,
        on_change: DegradedListener | None = None,
        run_id: str | None = None,
    ) -> None:
        self._connector = connector
        self._breakers = breakers
        self._calls = calls
        self._clock = clock
        self._policy = policy or CallPolicy()
        self._redactor = redactor or Redactor()
        self._on_change = on_change
        self._run_id = run_id
        self._slots = threading.BoundedSemaphore(self._policy.concurrency)
        self._log = logger("connectors")

    def health(self) -> Health:
        """Return whether the other side answers; never raises for what it does."""

        def act(seconds: float) -> Health:
            found = self._connector.health(seconds)
            if not found.is_healthy:
                raise ConnectorError(found.fault or Fault.UNKNOWN, found.sentence)
            return found

        try:
            found = self._call(Operation.HEALTH, {}, act, attempts=1)
        except ConnectorError as error:
            return Health(
                is_healthy=False, fault=error.fault, sentence=str(error), checked_at=self._clock.now()
            )
        return replace(found, sentence=self._redactor.text(found.sentence))

    def read(self, *, run_id: str | None = None) -> Reading:
        """Return all devices; raise ``ConnectorError`` when nothing can be said about any.

        ``run_id`` is the run on whose behalf, where it is not the runner's.
        """
        attempts = self._policy.attempts
        return self._call(Operation.READ, {}, self._connector.read, attempts=attempts, run_id=run_id)

    def execute(self, command: Command, *, is_dry_run: bool = True) -> CommandPlan:
        """Return the plan of a command, and carry it out once unless it is a dry run.

        Raises:
            ConnectorError: ``read_only_violation`` on a read-only connector, before the connector is asked.
        """

        def act(seconds: float) -> CommandPlan:
            return self._connector.execute(command, is_dry_run=is_dry_run, deadline_seconds=seconds)

        given = {"device_id": command.device_id, "name": command.name, "arguments": dict(command.arguments)}
        return self._call(Operation.EXECUTE, given, act, attempts=1, is_dry_run=is_dry_run)

    def state(self) -> ConnectorState:
        """Return how the connector is, from what is on record; asks nobody outside."""
        connector = self._connector
        return state_of(connector.connector_id, connector.version, self._breakers, self._calls)

    def close(self) -> None:
        """Let go of the connector's sockets."""
        self._connector.close()

    def _call(
        self,
        operation: Operation,
        given: Mapping[str, Any],
        act: Callable[[float], Answer],
        *,
        attempts: int,
        is_dry_run: bool = True,
        run_id: str | None = None,
    ) -> Answer:
        started_at, started = self._clock.now(), time.monotonic()
        until = started + self._policy.deadline_seconds
        call = _Call(operation, given, is_dry_run, attempts, until, run_id or self._run_id)
        with correlated(request_id=call.request_id):
            try:
                self._refuse_writes(call)
                answer = self._retried(call, act)
                call.output_hash = _hashed(answer)
            except ConnectorError as error:
                is_refusal = call.attempts == 0 or error.fault is Fault.READ_ONLY_VIOLATION
                call.ending, call.fault = Ending.REFUSED if is_refusal else Ending.FAILED, error.fault
                raise self._cleaned(error) from None
            else:
                call.ending, call.output = Ending.OK, answer
                return answer
            finally:
                self._calls.append(self._record(call, started_at, time.monotonic() - started))

    def _refuse_writes(self, call: _Call) -> None:
        if self._connector.is_read_only and call.operation is Operation.EXECUTE and not call.is_dry_run:
            name = self._connector.connector_id
            raise ConnectorError(
                Fault.READ_ONLY_VIOLATION,
                f"The connector {name} only reads: the command was not sent, and nothing was changed.",
            )

    def _retried(self, call: _Call, act: Callable[[float], Answer]) -> Answer:
        def wait(error: Exception) -> bool | float:
            """Return how long to wait before the next attempt; False for none."""
            if not isinstance(error, ConnectorError) or isinstance(error, CallRefusedError):
                return False
            if self._breakers.look(self._connector.connector_id).state is not CircuitState.CLOSED:
                return False  # what made it open is the better answer than that it is open
            doubled = self._policy.first_wait_seconds * 2 ** max(0, call.attempts - 1)
            seconds = error.retry_after_seconds or min(doubled, self._policy.longest_wait_seconds)
            return seconds if error.is_transient and seconds + GRACE_SECONDS < call.left else False

        for attempt in stamina.retry_context(
            on=wait, attempts=call.attempts_allowed, timeout=self._policy.deadline_seconds
        ):
            with attempt:
                return self._once(call, act)
        raise AssertionError("retry_context returns or raises")  # pragma: no cover - for the type checker

    def _once(self, call: _Call, act: Callable[[float], Answer]) -> Answer:
        if not self._slots.acquire(timeout=max(0.0, min(self._policy.attempt_seconds, call.left))):
            raise CallRefusedError(
                Fault.TIMEOUT, "An earlier call of the connector still runs; nothing was asked."
            )
        passage, is_started = Passage(), False
        try:
            with guarded(self._connector.connector_id, self._breakers, self._policy.breaker) as passage:
                # Room to let go is taken from the deadline, not added to it.
                seconds = min(self._policy.attempt_seconds, call.left - GRACE_SECONDS)
                seconds = max(seconds, _SHORTEST_ATTEMPT_SECONDS)
                call.attempts += 1
                is_started = True
                answer = call_within(
                    seconds + GRACE_SECONDS, lambda: _spoken_for(act, seconds), on_end=self._slots.release
                )
        except ConnectorError as error:
            self._tell(passage, call, error.fault)
            raise
        finally:
            if not is_started:
                self._slots.release()
        self._tell(passage, call, None)
        return answer

    def _tell(self, passage: Passage, call: _Call, fault: Fault | None) -> None:
        if passage.entered == passage.left:  # nothing changed, or out and in again
            return
        change = DegradedChange(
            self._connector.connector_id, passage.entered, fault, self._clock.now(), call.request_id
        )
        event = "connectors:degraded:entered" if change.is_degraded else "connectors:degraded:left"
        self._log.warning(event, connector=change.connector_id, fault=fault)
        if self._on_change is not None:
            self._on_change(change)

    def _cleaned(self, error: ConnectorError) -> ConnectorError:
        sentence = self._redactor.text(str(error))
        kind = CallRefusedError if isinstance(error, CallRefusedError) else ConnectorError
        return kind(error.fault, sentence, retry_after_seconds=error.retry_after_seconds)

    def _record(self, call: _Call, started_at: datetime, seconds: float) -> CallRecord:
        reading = call.output if isinstance(call.output, Reading) else None
        return CallRecord(
            request_id=call.request_id,
            connector_id=self._connector.connector_id,
            connector_version=self._connector.version,
            operation=call.operation,
            is_dry_run=call.is_dry_run,
            started_at=started_at,
            seconds=seconds,
            latency_bucket=latency_bucket(seconds),
            attempts=call.attempts,
            ending=call.ending,
            fault=call.fault,
            input_hash=content_hash({"operation": call.operation, **call.given}),
            output_hash=call.output_hash,
            device_count=None if reading is None else len(reading.devices),
            failed_device_count=None if reading is None else len(reading.failures),
            run_id=call.run_id,
        )


def state_of(connector_id: str, version: str, breakers: BreakerStore, calls: CallLog) -> ConnectorState:
    """Return how a connector is, from what is on record; needs no connector and asks nobody outside."""
    circuit, last = breakers.look(connector_id), calls.last_good_read_at(connector_id)
    return ConnectorState(
        connector_id=connector_id,
        version=version,
        is_degraded=circuit.is_degraded,
        circuit=circuit.state,
        failures=circuit.failures,
        last_good_read_at=last,
        next_retry_at=circuit.retry_at,
        fault=circuit.fault,
        sentence=_describe(connector_id, circuit, last),
    )


def _spoken_for(act: Callable[[float], Answer], seconds: float) -> Answer:
    try:
        return act(seconds)
    except ConnectorError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a vendor's library raises is a fault like any other
        kind = type(error).__name__
    # A foreign exception's words may hold an address or a token; its type does not. Raised out here, so that
    # the exception itself does not hang on to ours.
    raise ConnectorError(Fault.UNKNOWN, f"The connector failed in a way it should not: {kind}.")


def _hashed(answer: object) -> str:
    try:
        return content_hash(answer)
    except (TypeError, ValueError, RecursionError):
        pass
    # Not left to the record: what cannot be hashed would take the record of the call with it.
    raise ConnectorError(Fault.BAD_RESPONSE, "The answer holds something that cannot be kept.")


def _describe(name: str, circuit: Circuit, last: datetime | None) -> str:
    read = f"last good read {last:%Y-%m-%d %H:%M:%S} UTC" if last else "no good read so far"
    if not circuit.is_degraded:
        return f"{name} is in order; {read}."
    again = f"; asked again from {circuit.retry_at:%Y-%m-%d %H:%M:%S} UTC" if circuit.retry_at else ""
    return f"{name} is degraded ({circuit.fault}); {read}{again}."
