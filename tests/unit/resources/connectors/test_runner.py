"""The runner: every call ends in time, is retried only where that helps, and leaves exactly one record."""

import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from tenacity import nap

from resources.connector import Command, ConnectorError, Fault
from resources.connectors import runner as module
from resources.connectors.breaker import CallRefusedError
from resources.connectors.circuits import CircuitState
from resources.connectors.records import Ending, Operation, content_hash, latency_bucket
from resources.connectors.runner import GRACE_SECONDS
from tests.unit.resources.connectors.conftest import CANARY, NOON


def _failing(*faults, then=None, retry_after=None):
    """Return an act that fails in turn with each of these, the last for ever unless ``then``."""
    left = list(faults)

    def act(_):
        if not left and then == "fine":
            return
        fault = left.pop(0) if len(left) > 1 or then else left[0]
        raise ConnectorError(fault, f"no: {CANARY}", retry_after_seconds=retry_after)

    return act


def test_a_good_read_is_returned_and_recorded(runner, log):
    assert runner.read().read_at == NOON
    (record,) = log.records
    assert (record.connector_id, record.connector_version, record.operation) == (
        "puppet",
        "1",
        Operation.READ,
    )
    assert (record.ending, record.fault, record.attempts, record.run_id) == (Ending.OK, None, 1, "run-1")
    assert (record.device_count, record.failed_device_count, record.is_dry_run) == (0, 0, True)
    assert record.input_hash == content_hash({"operation": "read"})
    assert len(record.output_hash) == 64
    assert record.started_at == NOON
    assert runner.state().last_good_read_at == NOON


@pytest.mark.parametrize("fault", [Fault.TIMEOUT, Fault.UNAVAILABLE, Fault.RATE_LIMITED, Fault.BAD_RESPONSE])
def test_passing_trouble_is_tried_again(make_runner, puppet, log, fault):
    puppet.act = _failing(fault, fault, then="fine")
    make_runner(attempts=3).read()
    assert [(one.ending, one.attempts) for one in log.records] == [(Ending.OK, 3)]


@pytest.mark.parametrize("fault", [Fault.AUTH, Fault.UNSUPPORTED, Fault.READ_ONLY_VIOLATION, Fault.UNKNOWN])
def test_lasting_trouble_is_not_tried_again(make_runner, puppet, fault):
    puppet.act = _failing(fault)
    with pytest.raises(ConnectorError) as failed:
        make_runner(attempts=3).read()
    assert failed.value.fault is fault
    assert puppet.calls == ["read"]


@pytest.fixture
def naps(monkeypatch):
    """Return what is waited between attempts, in seconds; nobody really waits."""
    naps = []
    monkeypatch.setattr(nap, "time", SimpleNamespace(sleep=naps.append))
    return naps


def test_the_other_side_may_ask_for_patience(make_runner, puppet, naps):
    puppet.act = _failing(Fault.RATE_LIMITED, then="fine", retry_after=0.2)
    make_runner(attempts=2).read()
    assert naps == [0.2]


def test_patience_beyond_the_deadline_is_not_waited_for(make_runner, puppet, naps):
    puppet.act = _failing(Fault.RATE_LIMITED, then="fine", retry_after=30)
    with pytest.raises(ConnectorError) as failed:
        make_runner(attempts=2).read()
    assert failed.value.retry_after_seconds == 30
    assert naps == []
    assert puppet.calls == ["read"]


def test_health_and_commands_are_asked_once(make_runner, puppet):
    """A command whose answer was lost may have been carried out."""
    puppet.act, puppet.is_read_only = _failing(Fault.TIMEOUT), False
    runner = make_runner(attempts=3)
    assert runner.health().fault is Fault.TIMEOUT
    with pytest.raises(ConnectorError):
        runner.execute(Command("1", "on"), is_dry_run=False)
    assert puppet.calls == ["health", "execute on"]


def test_a_write_on_a_read_only_connector_is_refused_before_it_is_asked(runner, puppet, log):
    with pytest.raises(ConnectorError) as refused:
        runner.execute(Command("1", "on", {"level": 3}), is_dry_run=False)
    assert refused.value.fault is Fault.READ_ONLY_VIOLATION
    assert puppet.calls == []
    (record,) = log.records
    assert (record.ending, record.attempts, record.is_dry_run) == (Ending.REFUSED, 0, False)
    assert not runner.state().is_degraded
    assert runner.execute(Command("1", "on")).summary == "does it"  # a dry run is a read


def test_a_call_that_does_not_come_back_is_left_behind(make_runner, puppet, log):
    """Its successor waits for it, and is refused rather than run beside it."""
    release, ended = threading.Event(), threading.Event()

    def hang(_):
        release.wait(3600)
        ended.set()

    puppet.act = hang
    runner = make_runner(attempt_seconds=0.1)
    with pytest.raises(ConnectorError) as failed:
        runner.read()
    assert failed.value.fault is Fault.TIMEOUT
    assert f"within {0.1 + GRACE_SECONDS:g} s" in str(failed.value)
    assert not ended.is_set()
    with pytest.raises(CallRefusedError):
        runner.read()
    assert puppet.calls == ["read"]
    release.set()
    assert ended.wait(5)
    puppet.act = lambda _: None
    runner.read()
    assert [one.ending for one in log.records] == [Ending.FAILED, Ending.REFUSED, Ending.OK]


def test_a_call_never_costs_more_than_its_deadline(make_runner, puppet, naps, monkeypatch):
    """Every attempt takes all it was given and all its grace, by a clock of the test's own."""
    begun, now = 100.0, [100.0]

    def late(seconds):
        now[0] += seconds + GRACE_SECONDS
        raise ConnectorError(Fault.TIMEOUT, "late")

    puppet.act = late
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0] + sum(naps)))
    runner = make_runner(attempts=10, deadline_seconds=2.8, attempt_seconds=0.5)
    with pytest.raises(ConnectorError):
        runner.read()
    assert now[0] + sum(naps) - begun == pytest.approx(2.8)  # ten attempts would take fifteen
    assert len(puppet.calls) == 2


def test_a_vendors_own_error_becomes_unknown_and_says_nothing(runner, puppet, log):
    def act(_):
        raise RuntimeError(f"http://hub?access_token={CANARY}")

    puppet.act = act
    with pytest.raises(ConnectorError) as failed:
        runner.read()
    assert failed.value.fault is Fault.UNKNOWN
    assert "RuntimeError" in str(failed.value)
    link = failed.value
    while link is not None:  # nor does it hang behind ours
        assert CANARY not in str(link)
        link = link.__cause__ or link.__context__
    assert log.records[0].fault is Fault.UNKNOWN


def test_known_secrets_are_cut_from_every_sentence(runner, puppet):
    assert CANARY not in runner.health().sentence
    puppet.act = _failing(Fault.TIMEOUT)
    with pytest.raises(ConnectorError) as failed:
        runner.read()
    assert "[redacted]" in str(failed.value)
    assert CANARY not in str(failed.value) + runner.health().sentence + runner.state().sentence


def test_an_interrupt_passes_is_recorded_and_counts_for_nothing(runner, puppet, log, store):
    def act(_):
        raise KeyboardInterrupt

    puppet.act = act
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            runner.read()
    assert {one.ending for one in log.records} == {Ending.INTERRUPTED}
    assert (store.look("puppet").failures, store.look("puppet").state) == (0, CircuitState.CLOSED)


def test_calls_of_one_connector_do_not_overlap(make_runner, puppet):
    inside, most = [], []
    lock = threading.Lock()

    def act(_):
        with lock:
            inside.append(1)
            most.append(len(inside))
        time.sleep(0.02)
        with lock:
            inside.pop()

    puppet.act = act
    runner = make_runner()
    threads = [threading.Thread(target=runner.read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) == 6


def test_degraded_mode_is_entered_and_left_once(make_runner, puppet, clock, changes):
    runner = make_runner()
    puppet.act = _failing(Fault.UNAVAILABLE)
    for _ in range(5):
        with pytest.raises(ConnectorError):
            runner.read()
    assert puppet.calls == ["read"] * 3  # the fourth and fifth were not asked
    state = runner.state()
    assert (state.is_degraded, state.circuit, state.fault) == (True, CircuitState.OPENED, Fault.UNAVAILABLE)
    assert state.next_retry_at is not None
    assert "degraded" in state.sentence
    clock.pass_by(61)
    puppet.act = lambda _: None
    runner.read()
    assert not runner.state().is_degraded
    assert [(one.is_degraded, one.fault) for one in changes] == [(True, Fault.UNAVAILABLE), (False, None)]


def test_a_wrong_token_degrades_at_once_but_never_opens_the_circuit(make_runner, puppet, changes):
    runner = make_runner()
    puppet.act = _failing(Fault.AUTH)
    for _ in range(10):
        with pytest.raises(ConnectorError):
            runner.read()
    assert len(puppet.calls) == 10
    assert (runner.state().circuit, runner.state().fault) == (CircuitState.CLOSED, Fault.AUTH)
    puppet.act = lambda _: None
    runner.read()
    assert [one.is_degraded for one in changes] == [True, False]


def test_an_open_circuit_is_not_retried_and_what_opened_it_is_told(make_runner, puppet, log):
    runner = make_runner(attempts=5)
    puppet.act = _failing(Fault.TIMEOUT)
    for _ in range(2):
        with pytest.raises(ConnectorError):
            runner.read()
    assert len(puppet.calls) == 3
    assert [(one.ending, one.fault, one.attempts) for one in log.records] == [
        (Ending.FAILED, Fault.TIMEOUT, 3),
        (Ending.REFUSED, Fault.UNAVAILABLE, 0),
    ]


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0, "50"), (0.05, "50"), (0.0501, "100"), (60, "60000"), (60.1, "over")]
)
def test_latency_buckets(seconds, bucket):
    assert latency_bucket(seconds) == bucket


def test_equal_content_has_equal_hashes():
    assert content_hash({"b": 1, "a": (1, 2)}) == content_hash({"a": [1, 2], "b": 1})
    assert content_hash({"a": 1}) != content_hash({"a": 2})


def test_closing_closes_the_connector(runner, puppet):
    runner.close()
    assert puppet.calls == ["close"]


@pytest.mark.parametrize("mode", ["\ud800", 2**64])
def test_an_answer_that_cannot_be_hashed_is_a_fault_and_is_recorded(runner, puppet, log, mode):
    """Every call leaves its record, whatever a device says."""
    puppet.reading = replace(puppet.reading, mode=mode)
    with pytest.raises(ConnectorError) as failed:
        runner.read()
    assert failed.value.fault is Fault.BAD_RESPONSE
    (record,) = log.records
    assert (record.ending, record.fault, record.output_hash) == (Ending.FAILED, Fault.BAD_RESPONSE, None)
