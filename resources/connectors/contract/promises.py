"""One function per promise; its docstring is the promise. Each raises ``BrokenPromiseError`` when broken."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from resources.connector import TRANSIENT, Command, ConnectorError, Fault
from resources.connectors.circuits import CircuitState
from resources.connectors.contract.bench import (
    OPEN_SECONDS,
    Bench,
    HealsOnFailure,
    failure_of_read,
    fault_of_run,
)
from resources.connectors.contract.subject import BrokenPromiseError, Subject, Trouble, hold
from resources.connectors.contract.watch import (
    is_settled,
    listening,
    open_connections,
    running_threads,
    told_by,
)
from resources.connectors.records import Ending

SLACK_SECONDS: Final = 1.0  # beyond the deadline, for a machine that is busy
_IDLE_SECONDS: Final = 0.3


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise: its name, its check, and whether it needs a twin."""

    name: str
    check: Callable[[Subject], None]
    needs_twin: bool


def _health(subject: Subject) -> None:
    """Health tells good from bad, in time, and does not raise."""
    found = subject.connector().health(subject.deadline_seconds)
    hold(found.is_healthy and found.fault is None, f"not healthy without trouble: {found.sentence}")
    hold(found.checked_at.tzinfo is not None, "the instant has no zone")


def _health_in_trouble(subject: Subject) -> None:
    """Health says no, and why, when the other side refuses us."""
    subject.strike(Trouble.AUTH)
    started = time.monotonic()
    found = subject.connector().health(subject.deadline_seconds)
    hold(not found.is_healthy and found.fault is Fault.AUTH, f"said {found.fault} to a refused login")
    hold(time.monotonic() - started < subject.deadline_seconds + SLACK_SECONDS, "health took too long")


def _read(subject: Subject) -> None:
    """A read names each device once, and claims no more health than it knows."""
    reading = subject.connector().read(subject.deadline_seconds)
    ids = [one.device_id for one in reading.devices] + [one.device_id for one in reading.failures]
    hold(ids and len(ids) == len(set(ids)), "devices are missing or named twice")
    for one in reading.devices:
        hold(one.observed_at.tzinfo is not None, "an instant has no zone")
        hold(one.observed_at <= reading.read_at + timedelta(seconds=5), "a reading comes from the future")
        hold(not (one.is_healthy and one.is_online is False), "an unreachable device is called healthy")
        hold(not (one.is_healthy and one.error_code is not None), "a device with an error is called healthy")


def _auth_failure(subject: Subject) -> None:
    """A refused login is told at once, not tried again, and never opens the circuit."""
    subject.strike(Trouble.AUTH)
    bench = Bench(subject, attempts=3, failures_to_open=1)
    for _ in range(2):
        fault = fault_of_run(bench)
        hold(fault is Fault.AUTH, f"said {fault} to a refused login")
    hold({one.attempts for one in bench.log.records} == {1}, "a refused login was tried again")
    state = bench.runner.state()
    hold(state.circuit is CircuitState.CLOSED, "a refused login opened the circuit")
    hold(state.is_degraded and state.fault is Fault.AUTH, "a refused login does not show")


def _retries(subject: Subject) -> None:
    """Passing trouble costs a second attempt, not the read."""
    connector = HealsOnFailure(subject.connector(), subject)
    subject.strike(Trouble.UNAVAILABLE)
    bench = Bench(subject, attempts=3, connector=connector)
    bench.runner.read()
    (record,) = bench.log.records
    hold((record.ending, record.attempts) == (Ending.OK, 2), f"took {record.attempts} attempts")


def _error_shape(subject: Subject) -> None:
    """Every trouble comes as one of our errors, rightly named, with nothing of a vendor hanging on it."""
    for trouble in Trouble:
        subject.strike(trouble)
        error, _ = failure_of_read(subject)
        subject.heal()
        hold(error.fault == Fault(trouble.value), f"{trouble} came as {error.fault}")
        hold(error.is_transient == (error.fault in TRANSIENT), f"{trouble} has the wrong transience")
        hold(str(error).strip(), f"{trouble} says nothing")
        chain = (error.__cause__, error.__context__)
        hold(
            all(one is None or isinstance(one, ConnectorError) for one in chain),
            f"behind {trouble} hangs a vendor's error",
        )


def _timeout(subject: Subject) -> None:
    """Silence costs no more than the deadline."""
    subject.strike(Trouble.TIMEOUT)
    error, seconds = failure_of_read(subject)
    hold(error.fault is Fault.TIMEOUT, f"silence came as {error.fault}")
    hold(seconds < subject.deadline_seconds + SLACK_SECONDS, f"silence cost {seconds:.1f} s")


def _malformed_payload(subject: Subject) -> None:
    """What makes no sense is an error, not an empty house."""
    subject.strike(Trouble.BAD_RESPONSE)
    error, _ = failure_of_read(subject)
    hold(error.fault is Fault.BAD_RESPONSE, f"nonsense came as {error.fault}")


def _rate_limit(subject: Subject) -> None:
    """Too many requests lead to fewer: the circuit opens, and then nothing is asked."""
    subject.strike(Trouble.RATE_LIMITED)
    bench = Bench(subject, failures_to_open=2)
    for _ in range(2):
        fault = fault_of_run(bench)
        hold(fault is Fault.RATE_LIMITED, f"too many requests came as {fault}")
    before = subject.requests()
    hold(fault_of_run(bench) is Fault.UNAVAILABLE, "the circuit did not open")
    hold(bench.log.records[-1].ending is Ending.REFUSED, "a call was made through an open circuit")
    hold(subject.requests() == before, "something was asked through an open circuit")


def _recovery(subject: Subject) -> None:
    """When trouble ends, the next probe closes the circuit and everything is as before."""
    subject.strike(Trouble.UNAVAILABLE)
    bench = Bench(subject, failures_to_open=1)
    fault = fault_of_run(bench)
    hold(fault is Fault.UNAVAILABLE, f"an absent other side came as {fault}")
    hold(bench.runner.state().is_degraded, "degraded mode does not show")
    subject.heal()
    bench.clock.moved += timedelta(seconds=OPEN_SECONDS + 1)
    hold(bench.runner.read().devices, "nothing was read after the trouble")
    state = bench.runner.state()
    hold(not state.is_degraded and state.last_good_read_at is not None, "degraded mode was not left")


def _read_only(subject: Subject) -> None:
    """A write is refused before a byte is sent, and a dry run sends nothing either."""
    connector = subject.connector()
    hold(connector.is_read_only, "the connector says that it may write")
    command, seconds = Command("1", "on"), subject.deadline_seconds
    before = subject.requests()
    runner = Bench(subject, connector=connector).runner
    for is_direct in (True, False):
        try:
            if is_direct:
                connector.execute(command, is_dry_run=False, deadline_seconds=seconds)
            else:
                runner.execute(command, is_dry_run=False)
        except ConnectorError as error:
            hold(error.fault is Fault.READ_ONLY_VIOLATION, f"a write was refused as {error.fault}")
        else:
            raise BrokenPromiseError("a write was not refused")
    plan = connector.execute(command, is_dry_run=True, deadline_seconds=seconds)
    hold(plan.summary and plan.call, "a dry run shows nothing")
    hold(subject.requests() == before, "something was sent for a write that was refused")


def _no_commands(subject: Subject) -> None:
    """No call makes the other side act, and it would have noticed."""
    connector = subject.connector()
    connector.health(subject.deadline_seconds)
    connector.read(subject.deadline_seconds)
    hold(not subject.commands(), f"reading acted: {list(subject.commands())[:3]}")
    subject.act_unguarded()
    hold(subject.commands(), "the twin does not notice commands, so it proves nothing")


def _redaction(subject: Subject) -> None:
    """No secret is in an error, behind one, in a repr, a record, or a log line at any level."""
    with listening() as lines:
        connector = subject.connector()
        told = [repr(connector)]
        told += [
            repr(connector.health(subject.deadline_seconds)),
            repr(connector.read(subject.deadline_seconds)),
        ]
        for trouble in Trouble if subject.is_pretend else ():
            subject.strike(trouble)
            told.append(repr(connector.health(subject.deadline_seconds)))
            told += told_by(failure_of_read(subject)[0])
            subject.heal()
    text = "\n".join([*told, *lines])
    leaked = sum(secret in text for secret in subject.secrets)
    hold(not leaked, f"{leaked} of {len(subject.secrets)} secrets got out")


def _idle_cost(subject: Subject) -> None:
    """Between calls and after closing nothing is open, nothing runs, and nobody is asked."""
    subject.connector().read(subject.deadline_seconds)  # what libraries start once, they have started now
    is_settled(lambda: True)
    before, threads = open_connections(), running_threads()
    connector = subject.connector()
    connector.read(subject.deadline_seconds)
    is_quiet = is_settled(lambda: open_connections() <= before and running_threads() <= threads)
    hold(is_quiet, "connections or threads stay open between calls")
    asked = subject.requests()
    threading.Event().wait(_IDLE_SECONDS)
    hold(subject.requests() == asked, "the other side is asked between calls")
    connector.close()
    connector.close()
    hold(subject.requests() == asked, "closing asks the other side")


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
