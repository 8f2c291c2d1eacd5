import threading

import pytest
from grpc import StatusCode

from twins.firestore.errors import RefusedError
from twins.firestore.faults import Fault, FaultKind, Faults


class Caller:
    """The side of an RPC that may give up."""

    def __init__(self, *, is_gone=False):
        self.is_gone = is_gone
        self.callbacks = []

    def add_callback(self, callback):
        self.callbacks.append(callback)
        return not self.is_gone


def strike(faults, sent=0, method="RunQuery", collections=("c",), caller=None):
    """Return the status a call is refused with, or None."""
    try:
        faults.call(method, lambda: collections, caller or Caller()).strike(sent)
    except RefusedError as refused:
        return refused.code
    return None


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("unavailable", StatusCode.UNAVAILABLE),
        ("cut", StatusCode.UNAVAILABLE),
        ("deadline_exceeded", StatusCode.DEADLINE_EXCEEDED),
        ("permission_denied", StatusCode.PERMISSION_DENIED),
        (FaultKind.RESOURCE_EXHAUSTED, StatusCode.RESOURCE_EXHAUSTED),
    ],
)
def test_a_fault_strikes_once(kind, status):
    faults = Faults()
    faults.add(Fault(kind))
    assert faults.is_armed
    assert [strike(faults), strike(faults)] == [status, None]
    assert not faults.is_armed
    assert faults.struck == 1


def test_a_fault_strikes_as_often_as_it_says():
    faults = Faults()
    faults.add(Fault("cut", count=2))
    assert [strike(faults) is None for _ in range(3)] == [False, False, True]
    faults.add(Fault("cut", count=None))
    assert all(strike(faults) for _ in range(5))
    faults.clear()
    assert strike(faults) is None


def test_a_fault_is_aimed():
    faults = Faults()
    faults.add(Fault("cut", method="RunQuery", collection="batches", after_documents=3))
    assert strike(faults, 3, method="Commit", collections={"batches"}) is None
    assert strike(faults, 3, collections={"kilns"}) is None
    assert strike(faults, 2, collections={"batches"}) is None
    assert strike(faults, 3, collections={"batches", "kilns"}) is StatusCode.UNAVAILABLE


def test_one_call_feels_a_lasting_fault_once():
    """Latency with ``count=None`` delays each call once, not each document."""
    faults = Faults()
    faults.add(Fault("latency", seconds=0.0, count=None))
    call = faults.call("RunQuery", lambda: {"c"}, Caller())
    for sent in range(10):
        call.strike(sent)
    assert faults.struck == 1
    faults.call("RunQuery", lambda: {"c"}, Caller()).strike(0)
    assert faults.struck == 2


def test_a_call_with_one_answer_can_fail_after_its_work():
    faults = Faults()
    faults.add(Fault("unavailable", after_documents=1))
    call = faults.call("Commit", lambda: {"c"}, Caller())
    call.strike(0)
    with pytest.raises(RefusedError):
        call.strike_after()


def test_a_hang_ends_when_the_caller_gives_up_or_time_is_up_or_faults_are_cleared():
    faults = Faults()
    faults.add(Fault("hang", count=None))
    assert strike(faults, caller=Caller(is_gone=True)) is None
    caller = Caller()
    waiting = threading.Thread(target=strike, args=(faults,), kwargs={"caller": caller})
    waiting.start()
    while not caller.callbacks:
        threading.Event().wait(0.001)
    caller.callbacks[0]()
    waiting.join(10)
    assert not waiting.is_alive()
    waiting = threading.Thread(target=strike, args=(faults,))
    waiting.start()
    while faults.struck < 3:
        threading.Event().wait(0.001)
    while waiting.is_alive():
        faults.clear()
        waiting.join(0.01)
    faults.add(Fault("hang", seconds=0.01))
    assert strike(faults) is StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    "fault",
    [
        Fault("explode"),
        Fault("latency"),
        Fault("latency", seconds=-1),
        Fault("cut", count=0),
        Fault("cut", after_documents=-1),
    ],
)
def test_a_fault_that_makes_no_sense_is_not_armed(fault):
    faults = Faults()
    with pytest.raises(ValueError):  # noqa: PT011 - the enum and our own checks word it differently
        faults.add(fault)
    assert not faults.is_armed


def test_concurrent_calls_share_one_strike():
    """A fault with one strike left hits exactly one of many calls."""
    faults = Faults()
    faults.add(Fault("cut", count=5))
    results = []
    threads = [threading.Thread(target=lambda: results.append(strike(faults))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(StatusCode.UNAVAILABLE) == 5
