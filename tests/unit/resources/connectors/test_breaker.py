"""The breaker: what counts, what does not, and who may probe."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from resources.connector import ConnectorError, Fault
from resources.connectors.breaker import BreakerPolicy, CallRefusedError, guarded
from resources.connectors.circuits import Circuit, CircuitState

POLICY = BreakerPolicy(failures_to_open=3, open_seconds=60, probe_seconds=30)


def _call(store, error=None):
    with guarded("hub", store, POLICY) as passage:
        if error is not None:
            raise error
    return passage


def _fail(store, error, times=1):
    for _ in range(times):
        with pytest.raises(type(error)):
            _call(store, error)


def _opened(store):
    _fail(store, ConnectorError(Fault.TIMEOUT, "late"), 3)


@pytest.mark.parametrize(
    "fault", [Fault.TIMEOUT, Fault.UNAVAILABLE, Fault.RATE_LIMITED, Fault.BAD_RESPONSE, Fault.UNKNOWN]
)
def test_trouble_of_the_other_side_opens_it(store, fault):
    _fail(store, ConnectorError(fault, "no"), 3)
    assert (store.look("hub").state, store.look("hub").fault) == (CircuitState.OPENED, fault)
    with pytest.raises(CallRefusedError):
        _call(store)


@pytest.mark.parametrize(
    "error",
    [
        ConnectorError(Fault.AUTH, "no"),
        ConnectorError(Fault.UNSUPPORTED, "no"),
        ConnectorError(Fault.READ_ONLY_VIOLATION, "no"),
        KeyboardInterrupt(),
        SystemExit(),
    ],
)
def test_what_says_nothing_of_the_other_sides_health_never_opens_it(store, error):
    _fail(store, error, 10)
    assert store.look("hub").state is CircuitState.CLOSED
    assert store.look("hub").failures == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ConnectorError(Fault.READ_ONLY_VIOLATION, "no")])
def test_what_says_nothing_forgets_nothing(store, error):
    _fail(store, ConnectorError(Fault.TIMEOUT, "late"), 2)
    _fail(store, error)
    assert store.look("hub").failures == 2


def test_a_success_forgets_failures(store):
    _fail(store, ConnectorError(Fault.TIMEOUT, "late"), 2)
    assert not _call(store).left  # it was never degraded
    assert store.look("hub") == Circuit()


def test_it_opens_half_opens_and_closes(store, clock):
    _opened(store)
    clock.pass_by(59)
    with pytest.raises(CallRefusedError, match="rests until"):
        _call(store)
    clock.pass_by(1)
    assert _call(store).left
    assert store.look("hub") == Circuit()


def test_a_failed_probe_opens_it_again_for_the_whole_time(store, clock):
    _opened(store)
    clock.pass_by(60)
    _fail(store, ConnectorError(Fault.UNAVAILABLE, "away"))
    clock.pass_by(59)
    with pytest.raises(CallRefusedError):
        _call(store)
    assert store.look("hub").fault is Fault.UNAVAILABLE


def test_one_probe_at_a_time(store, clock):
    _opened(store)
    clock.pass_by(60)
    with guarded("hub", store, POLICY):
        for _ in range(3):
            with pytest.raises(CallRefusedError):
                _call(store)
    _call(store)


def test_a_lost_probe_is_replaced_when_its_time_is_over(store, clock):
    _opened(store)
    clock.pass_by(60)
    assert store.admit("hub", 30).state is CircuitState.HALF_OPENED  # a process that dies now
    with pytest.raises(CallRefusedError):
        _call(store)
    clock.pass_by(30)
    assert _call(store).left


def test_an_interrupted_probe_neither_closes_nor_opens(store, clock):
    """The next caller may probe at once: the interrupt told nothing."""
    _opened(store)
    clock.pass_by(60)
    _fail(store, KeyboardInterrupt())
    assert store.look("hub").state is CircuitState.OPENED
    assert _call(store).left


def test_a_probe_that_is_refused_for_its_token_closes_it_but_stays_degraded(store, clock):
    _opened(store)
    clock.pass_by(60)
    _fail(store, ConnectorError(Fault.AUTH, "no"))
    assert store.look("hub") == Circuit(fault=Fault.AUTH)


def test_failures_of_many_at_once_are_all_counted(store):
    def fail(_):
        try:
            _call(store, ConnectorError(Fault.TIMEOUT, "late"))
        except CallRefusedError:
            return "refused"
        except ConnectorError:
            return "failed"

    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(fail, range(40)))
    assert ends.count("failed") >= 3
    assert store.look("hub").state is CircuitState.OPENED


def test_failures_of_calls_that_overlap_add_up(store):
    """Each began when there were none, so none of them alone is one too many."""

    def fail(others):
        with suppress(ConnectorError), guarded("hub", store, POLICY):
            if others:
                fail(others - 1)
            raise ConnectorError(Fault.TIMEOUT, "late")

    fail(2)
    assert (store.look("hub").failures, store.look("hub").state) == (3, CircuitState.OPENED)


def test_circuits_do_not_know_each_other(store):
    _opened(store)
    with guarded("other", store, POLICY):
        pass
