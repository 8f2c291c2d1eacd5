"""What judges the connectors' soak must be able to condemn: planted leaks, planted wrong circuits."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from resources.connector import ConnectorError, Fault
from resources.connectors.breaker import BreakerPolicy, CallRefusedError, guarded
from resources.connectors.circuits import MemoryBreakerStore
from tests.benchmarks.connector_model import Attempt, BreakerModel, Weight, leaks, period_errors

WARM = Weight(at=180, tasks=2, sockets=5, files=15, threads=3, memory_mb=90.0)
STEADY = [Weight(at, 2, 5, 15, 3, 90.0 + at % 3) for at in range(200, 1800, 20)]


def weight(**more):
    held = {"tasks": 2, "sockets": 5, "files": 15, "threads": 3, "memory_mb": 91.0}
    return Weight(at=1800, **{name: held[name] + more.get(name, 0) for name in held})


def test_a_steady_process_leaks_nothing():
    """The same at the end as after warming up is no leak, nor is less."""
    assert leaks(WARM, weight(), STEADY) == []
    assert leaks(WARM, weight(files=-2, sockets=-1), STEADY) == []


@pytest.mark.parametrize("kind", ["tasks", "sockets", "files", "threads"])
def test_one_planted_thing_more_is_found(kind):
    """A single task, socket, file or thread that stays is told, by its kind."""
    (found,) = leaks(WARM, weight(**{kind: 1}), STEADY)
    assert found.startswith(f"1 {kind} leaked")


def test_planted_growth_of_memory_is_found():
    """A megabyte a minute is a leak; one large answer at the very end is not."""
    growing = [Weight(at, 2, 5, 15, 3, 90.0 + at / 60) for at in range(200, 1800, 20)]
    (found,) = leaks(WARM, weight(memory_mb=29), growing)
    assert "memory grew" in found
    assert leaks(WARM, weight(memory_mb=29), STEADY) == []


class MovableClock:
    instant = datetime(2026, 11, 21, tzinfo=UTC)

    def now(self):
        return self.instant


def end_with(ending):
    if ending != "ok":
        raise ConnectorError(Fault(ending), "planted")


def attempts(*endings, at=100.0):
    return [Attempt(at, at + 0.1, ending) for ending in endings]


def model():
    return BreakerModel(failures_to_open=3, open_seconds=10)


def test_the_model_opens_rests_probes_and_closes():
    """It knows the life of a circuit: failures in a row, a rest, a probe that fails, one that does not."""
    judge = model()
    judge.called(100.0, attempts("timeout", "timeout", "unavailable"), 100.3, is_refused=False)
    judge.compare("opened", 3, "unavailable", 110.2)
    judge.called(105.0, [], 105.0, is_refused=True)
    judge.called(111.0, attempts("timeout", at=111.0), 111.1, is_refused=False)
    judge.compare("opened", 3, "timeout", 121.1)
    judge.called(122.0, attempts("ok", at=122.0), 122.1, is_refused=False)
    judge.compare("closed", 0, None, None)
    judge.compare_changes(1, 1)
    assert (judge.openings, judge.reopenings, judge.closings, judge.violations) == (1, 1, 1, [])


def test_answers_mend_a_circuit_and_keep_it_degraded():
    """Refused credentials prove that the other side answers."""
    judge = model()
    judge.called(100.0, attempts("timeout", "timeout", "auth"), 100.3, is_refused=False)
    judge.compare("closed", 0, "auth", None)
    judge.called(101.0, attempts("ok", at=101.0), 101.1, is_refused=False)
    judge.compare_changes(1, 1)
    assert judge.violations == []


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (lambda one: one.called(105.0, attempts("ok", at=105.0), 105.1, is_refused=False), "before its rest"),
        (lambda one: one.called(120.0, [], 120.0, is_refused=True), "after its rest"),
        (lambda one: one.called(105.0, [], 105.0, is_refused=False), "neither asked nor refused"),
        (lambda one: one.compare("closed", 0, None, None), "should be opened"),
        (lambda one: one.compare("opened", 3, "auth", 110.2), "says the fault"),
        (lambda one: one.compare("opened", 3, "timeout", 130.0), "another time"),
        (lambda one: one.compare_changes(0, 0), "told of"),
        (lambda one: one.compare_changes(2, 0), "told of"),
    ],
)
def test_a_planted_wrong_circuit_is_found(plant, told):
    """A breaker that asks too soon or too late, or says something else than it did, is condemned."""
    judge = model()
    judge.called(100.0, attempts("timeout", "timeout", "timeout"), 100.3, is_refused=False)
    assert judge.violations == []
    plant(judge)
    assert len(judge.violations) == 1
    assert told in judge.violations[0]


def test_a_breaker_that_never_opens_is_found():
    """One failure too many without opening, or a refusal while closed, is condemned."""
    judge = model()
    judge.called(100.0, attempts("timeout", "timeout"), 100.3, is_refused=False)
    judge.compare("closed", 1, None, None)
    judge.called(101.0, [], 101.0, is_refused=True)
    judge.called(102.0, attempts("timeout", at=102.0), 102.3, is_refused=False)
    judge.compare("closed", 3, None, None)
    assert [text.split()[0] for text in judge.violations] == ["counts", "refused", "is"]


@pytest.mark.parametrize("seed", range(20))
def test_the_product_agrees_with_the_model_over_random_endings(seed):
    """Two descriptions of one circuit, the product's and the model's, say the same after every call."""
    chance, clock = random.Random(seed), MovableClock()
    store, policy = MemoryBreakerStore(clock), BreakerPolicy(3, 10.0, 5.0)
    judge, entered, left = model(), 0, 0
    for _ in range(200):
        clock.instant += timedelta(seconds=chance.choice([0.5, 2.0, 11.0]))
        ending = chance.choice(["ok", "timeout", "timeout", "unavailable", "auth", "unknown"])
        now, is_refused, asked, passage = clock.now().timestamp(), False, [], None
        try:
            with guarded("hub", store, policy) as passage:
                asked = [Attempt(now, now, ending)]
                end_with(ending)
        except CallRefusedError:
            is_refused = True
        except ConnectorError:
            pass
        if passage is not None and passage.entered != passage.left:
            entered, left = entered + passage.entered, left + passage.left
        judge.called(now, asked, now, is_refused=is_refused)
        circuit = store.look("hub")
        retry_at = circuit.retry_at.timestamp() if circuit.retry_at else None
        judge.compare(circuit.state.value, circuit.failures, circuit.fault, retry_at)
    judge.compare_changes(entered, left)
    assert judge.violations == []
    assert judge.openings > 2
    assert judge.closings > 2


def test_lateness_of_polls_is_summed_up():
    """Median, 99th percentile and worst, in milliseconds; nothing for no polls."""
    planned = [float(n) for n in range(100)]
    began = [at + (1.0 if at == 99 else 0.002) for at in planned]
    assert period_errors(planned, began) == {"median": 2.0, "p99": 1000.0, "worst": 1000.0}
    assert period_errors([], [])["worst"] is None
