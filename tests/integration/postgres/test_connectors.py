"""Circuits and calls in PostgreSQL: shared by processes, walled off by studio, and never rewritten."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from resources.clock import SystemClock
from resources.connector import Command, CommandPlan, ConnectorError, Fault, Health, Reading
from resources.connectors.breaker import BreakerPolicy, CallRefusedError, guarded
from resources.connectors.circuits import Circuit, CircuitState
from resources.connectors.records import Ending, Operation
from resources.connectors.runner import CallPolicy, ConnectorRunner
from resources.postgres.breakers import PostgresBreakerStore
from resources.postgres.connector_calls import PostgresCallLog
from resources.postgres.engine import app_engine as engine_for
from tests.integration.postgres.samples import NOON, make_call, sha

pytestmark = pytest.mark.integration
STUDIO = "monsoonfire"


@pytest.fixture
def store(app_engine):
    return PostgresBreakerStore(app_engine, STUDIO)


@pytest.fixture
def log(app_engine):
    return PostgresCallLog(app_engine, STUDIO)


def test_a_circuit_lives_its_whole_life(store):
    assert store.look("hubitat") == Circuit()
    assert [store.add_failure("hubitat") for _ in range(3)] == [1, 2, 3]
    assert store.open("hubitat", Fault.TIMEOUT, 60) is True
    assert store.open("hubitat", Fault.TIMEOUT, 60) is False  # already degraded: nobody hears of it twice
    opened = store.admit("hubitat", 30)
    assert (opened.state, opened.failures, opened.fault) == (CircuitState.OPENED, 3, Fault.TIMEOUT)
    assert opened.retry_at - opened.opened_at > timedelta(seconds=59)
    store.open("hubitat", Fault.TIMEOUT, 0)
    assert store.admit("hubitat", 30).state is CircuitState.HALF_OPENED
    assert store.admit("hubitat", 30).state is CircuitState.OPENED
    assert store.recover("hubitat") is True
    assert store.recover("hubitat") is False
    assert store.look("hubitat") == Circuit()


def test_a_lasting_fault_degrades_without_opening(store):
    assert store.note("hubitat", Fault.AUTH) is True
    assert store.note("hubitat", Fault.AUTH) is False
    assert store.admit("hubitat", 30) == Circuit(fault=Fault.AUTH)
    assert store.recover("hubitat") is True


def test_one_prober_among_many_processes(postgres_url, store):
    """Of many that come when the rest is over, each over its own connection, exactly one may ask."""
    engines = [engine_for(postgres_url, STUDIO) for _ in range(8)]
    try:
        for _ in range(5):
            store.open("hubitat", Fault.TIMEOUT, 0)
            with ThreadPoolExecutor(8) as pool:
                found = list(
                    pool.map(
                        lambda engine: PostgresBreakerStore(engine, STUDIO).admit("hubitat", 30), engines
                    )
                )
            assert [one.state for one in found].count(CircuitState.HALF_OPENED) == 1
            store.recover("hubitat")
        with ThreadPoolExecutor(8) as pool:
            opened = list(
                pool.map(
                    lambda engine: PostgresBreakerStore(engine, STUDIO).open("hubitat", Fault.TIMEOUT, 60),
                    engines,
                )
            )
        assert opened.count(True) == 1  # one process tells of it
        with ThreadPoolExecutor(8) as pool:
            counts = list(
                pool.map(lambda engine: PostgresBreakerStore(engine, STUDIO).add_failure("hubitat"), engines)
            )
        assert sorted(counts) == list(range(1, 9))
    finally:
        for engine in engines:
            engine.dispose()


def test_a_prober_that_never_comes_back_is_replaced(store):
    store.open("hubitat", Fault.TIMEOUT, 0)
    assert store.admit("hubitat", 0).state is CircuitState.HALF_OPENED
    assert store.admit("hubitat", 30).state is CircuitState.HALF_OPENED


def test_failures_of_different_processes_add_up(postgres_url, store):
    """The fourth process is refused although it never failed itself."""
    policy = BreakerPolicy(failures_to_open=3, open_seconds=60)
    for _ in range(3):
        engine = engine_for(postgres_url, STUDIO)
        with (
            pytest.raises(ConnectorError, match="away"),
            guarded("hubitat", PostgresBreakerStore(engine, STUDIO), policy),
        ):
            raise ConnectorError(Fault.UNAVAILABLE, "away")
        engine.dispose()
    with pytest.raises(CallRefusedError), guarded("hubitat", store, policy):
        pytest.fail("nothing may be asked")


def test_studios_do_not_share_circuits_or_calls(store, log, postgres_url):
    store.open("hubitat", Fault.TIMEOUT, 60)
    log.append(make_call())
    engine = engine_for(postgres_url, "claycorner")
    assert PostgresBreakerStore(engine, "claycorner").look("hubitat") == Circuit()
    assert PostgresBreakerStore(engine, STUDIO).look("hubitat") == Circuit()  # a lie about who one is
    assert PostgresCallLog(engine, STUDIO).last_good_read_at("hubitat") is None
    with pytest.raises(DBAPIError, match="row-level security"):
        PostgresCallLog(engine, STUDIO).append(make_call(request_id=sha("x")[:32]))
    engine.dispose()


def test_calls_come_back_as_they_were_kept(log):
    good = make_call()
    failed = make_call(
        request_id=sha("b")[:32],
        started_at=NOON + timedelta(minutes=1),
        ending=Ending.FAILED,
        fault=Fault.TIMEOUT,
        output_hash=None,
        device_count=None,
        failed_device_count=None,
        run_id=None,
    )
    log.append(good)
    log.append(failed)
    assert log.newest("hubitat") == [failed, good]
    assert log.last_good_read_at("hubitat") == NOON
    assert log.last_good_read_at("roborock") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"is_dry_run": False},
        {"fault": Fault.TIMEOUT},
        {"output_hash": None},
        {"device_count": None},
        {"input_hash": "x"},
        {"seconds": -1.0},
        {"ending": Ending.FAILED},
        {"operation": Operation.HEALTH},
    ],
)
def test_a_call_that_contradicts_itself_is_refused(log, wrong):
    with pytest.raises(IntegrityError):
        log.append(make_call(**wrong))


def test_the_runtime_can_not_forget_a_circuit(store, app_engine):
    store.open("hubitat", Fault.TIMEOUT, 60)
    for statement in ("DELETE FROM studio.connector_breakers", "TRUNCATE studio.connector_breakers"):
        with pytest.raises(DBAPIError, match="permission denied"), app_engine.begin() as connection:
            connection.execute(text(statement))


class _Stub:
    """A connector that fails as told."""

    connector_id, version, is_read_only = "hubitat", "1", True
    error: BaseException | None = None

    def health(self, deadline_seconds):
        return Health(is_healthy=True, fault=None, sentence="fine", checked_at=NOON)

    def read(self, deadline_seconds):
        if self.error:
            raise self.error
        return Reading([], [], NOON)

    def execute(self, command, *, is_dry_run, deadline_seconds):
        return CommandPlan("does it", {"name": command.name})


def test_every_ending_of_a_call_fits_the_table(store, log):
    """What the runner records is what the table's rules allow, however a call ends."""
    stub, changes = _Stub(), []
    policy = CallPolicy(deadline_seconds=3, attempts=1, breaker=BreakerPolicy(failures_to_open=2))
    runner = ConnectorRunner(
        stub, breakers=store, calls=log, clock=SystemClock(), policy=policy, on_change=changes.append
    )
    runner.health()
    runner.read()
    runner.execute(Command("1", "on"))
    with pytest.raises(ConnectorError):
        runner.execute(Command("1", "on"), is_dry_run=False)
    stub.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        runner.read()
    stub.error = ConnectorError(Fault.BAD_RESPONSE, "no")
    for _ in range(3):
        with pytest.raises(ConnectorError):
            runner.read()
    ends = [(one.operation, one.ending, one.fault) for one in reversed(log.newest("hubitat"))]
    assert ends == [
        (Operation.HEALTH, Ending.OK, None),
        (Operation.READ, Ending.OK, None),
        (Operation.EXECUTE, Ending.OK, None),
        (Operation.EXECUTE, Ending.REFUSED, Fault.READ_ONLY_VIOLATION),
        (Operation.READ, Ending.INTERRUPTED, None),
        (Operation.READ, Ending.FAILED, Fault.BAD_RESPONSE),
        (Operation.READ, Ending.FAILED, Fault.BAD_RESPONSE),
        (Operation.READ, Ending.REFUSED, Fault.UNAVAILABLE),
    ]
    assert [(one.is_degraded, one.fault) for one in changes] == [(True, Fault.BAD_RESPONSE)]
    state = runner.state()
    assert state.is_degraded
    assert state.last_good_read_at is not None
    assert state.next_retry_at is not None
