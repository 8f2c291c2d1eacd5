"""The ledger's connections stay at hand, nobody waits in vain for one, and none is left behind."""

import gc
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import event, text

from resources.postgres.engine import owner_engine
from resources.postgres.ledger import PostgresLedger
from resources.postgres.ledger_connections import Connections
from resources.postgres.ledger_engine import POOL_SIZE, connections_of, ledger_engine
from resources.postgres.ledger_wire import Wire
from tests.contract.ledger.steps import ASKER, NOTE, STUDIO, Steps

pytestmark = pytest.mark.integration
MOST = 20  # what the pool of an engine hands out


@pytest.fixture
def engine(postgres_url):
    made = ledger_engine(postgres_url, STUDIO)
    yield made
    made.dispose()


@pytest.fixture
def connections(engine):
    return connections_of(engine, STUDIO)


def pid(lease):
    return lease.driver.info.backend_pid


def said(lease):
    cursor = lease.driver.cursor()
    cursor.execute("SELECT 1")
    return cursor.fetchone()


def connected(engine):
    """Return how often the pool was asked for a connection."""
    asked = []
    event.listen(engine, "checkout", lambda *_: asked.append(1))
    return asked


def end_all(url):
    """End the ledger's connections as an administrator would."""
    with owner_engine(url).connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name LIKE 'studio-ledger-%'"
            )
        )


def test_the_connection_given_back_last_is_taken_next_without_the_pool(engine, connections):
    asked = connected(engine)
    first, second = connections.take(), connections.take()
    connections.give_back(first)
    connections.give_back(second)
    assert connections.take() is second
    assert connections.take() is first
    assert len(asked) == 2


def test_ledgers_of_an_engine_share_its_connections(engine, connections):
    """Else one could wait for the pool while connections lie idle at the other's hand."""
    lease = connections.take()
    connections.give_back(lease)
    assert PostgresLedger(engine, STUDIO)._connections.take() is lease


def test_what_is_old_is_not_taken_any_more(engine):
    """However long it lay idle: whatever is between may have forgotten it without saying so."""
    connections = Connections(engine, size=2, most=MOST, lease_seconds=0)
    lease = connections.take()
    connections.give_back(lease)
    another = connections.take()
    assert another is not lease
    assert lease.driver.closed
    assert said(another) == (1,)


def test_who_waits_for_the_pool_gets_what_is_given_back(engine, connections):
    """When the pool has no more, a connection goes to those who wait, not to the side."""
    leases = [connections.take() for _ in range(MOST)]
    is_waiting = threading.Event()
    wait = engine.pool._pool.get

    def waited(*arguments):
        is_waiting.set()
        return wait(*arguments)

    engine.pool._pool.get = waited
    with ThreadPoolExecutor(1) as others:
        other = others.submit(connections.take)
        assert is_waiting.wait(20)
        connections.give_back(leases.pop())
        leases.append(other.result(timeout=20))
    assert len({pid(lease) for lease in leases}) == MOST


def test_nobody_waits_for_the_pool_when_a_connection_came_back_meanwhile(connections):
    """Whoever gave it back could not see yet that another was about to ask."""
    leases = [connections.take() for _ in range(MOST)]

    class Slow:
        """Lets another thread give back what it has before anything is counted."""

        def __enter__(self):
            if len(leases) == MOST:
                connections.give_back(leases.pop())

        def __exit__(self, *_):
            pass

    connections._counting = Slow()
    with ThreadPoolExecutor(1) as others:
        assert said(others.submit(connections.take).result(timeout=20)) == (1,)


def test_forty_threads_are_served(connections):
    """Twice as many as the pool hands out, and at one moment all it hands out is in use."""
    everybody = threading.Barrier(MOST)

    def work(number):
        for turn in range(20):
            lease = connections.take()
            assert said(lease) == (1,)
            if turn == 0 and number < MOST:
                everybody.wait(20)
            connections.give_back(lease)

    with ThreadPoolExecutor(2 * MOST) as threads:
        list(threads.map(work, range(2 * MOST), timeout=60))
    assert len(connections._idle) <= POOL_SIZE


def test_who_waits_is_not_passed_over_for_ever(connections):
    """By those who give back and ask again at once, as long as there are more than the pool serves."""
    turns = [0] * (MOST + 4)

    def work(number):
        while min(turns) < 5 and max(turns) < 3000:
            lease = connections.take()
            assert said(lease) == (1,)
            connections.give_back(lease)
            turns[number] += 1

    with ThreadPoolExecutor(len(turns)) as threads:
        list(threads.map(work, range(len(turns))))
    assert min(turns) >= 5


def test_a_crowd_leaves_as_many_connections_as_a_quiet_day(connections):
    leases = [connections.take() for _ in range(MOST)]
    for lease in leases:
        connections.give_back(lease)
    assert sum(not lease.driver.closed for lease in leases) == POOL_SIZE


def test_a_pool_that_is_disposed_of_leaves_no_connection(engine, connections):
    idle, used = connections.take(), connections.take()
    connections.give_back(idle)
    engine.dispose()
    assert idle.driver.closed
    assert not used.driver.closed, "somebody is still at it"
    connections.give_back(used)
    assert used.driver.closed
    assert said(connections.take()) == (1,)


def test_what_was_in_use_when_others_were_found_dead_is_not_taken_again(engine, postgres_url, monkeypatch):
    """A dead connection is replaced once, and what replaces it must not be another dead one."""
    ledger = PostgresLedger(engine, STUDIO)
    connections = ledger._connections
    idle, used = connections.take(), connections.take()
    connections.give_back(idle)
    end_all(postgres_url)
    dispose = connections.dispose

    def dispose_and_end():
        dispose()
        connections.give_back(used)  # its holder had just ended its transaction

    monkeypatch.setattr(connections, "dispose", dispose_and_end)
    assert ledger.in_flight() == 0


def test_a_connection_that_cannot_be_had_is_not_counted(engine, connections, monkeypatch):
    """Else failures would add up until nothing was kept at hand any more."""
    with monkeypatch.context() as patch:
        patch.setattr(engine, "raw_connection", lambda: 1 / 0)
        for _ in range(2 * MOST):
            with pytest.raises(ZeroDivisionError):
                connections.take()
    lease = connections.take()
    connections.throw_away(lease)
    lease = connections.take()
    connections.give_back(lease)
    assert connections.take() is lease


def test_connections_that_are_lost_are_not_counted(engine, connections):
    """They are back in the pool, as after an interrupt just when one was taken."""
    for _ in range(2 * MOST):
        connections.take()
    lease = connections.take()
    connections.give_back(lease)
    assert connections.take() is lease


def test_a_transaction_that_nobody_ends_ends_with_its_connection(engine):
    """As when an interrupt comes while it is being undone: the next one must not commit its words."""
    ledger = PostgresLedger(engine, STUDIO)
    steps = Steps(ledger)
    steps.open()
    proposal = steps.new()
    lost = ledger.transaction()
    transaction = lost.__enter__()
    transaction.record(steps.event("created", proposal, ASKER, at=proposal.updated_at), proposal)
    del lost, transaction
    kept = steps.draft()
    assert ledger.proposals() == [kept]


@pytest.mark.parametrize("is_there", [True, False])
def test_an_interrupt_while_a_statement_is_prepared_spoils_no_session(engine, monkeypatch, is_there):
    """Whether the server had got it or not."""
    ledger = PostgresLedger(engine, STUDIO)
    send = Wire._send

    def interrupted(wire, words, *arguments, **more):
        if is_there:
            send(wire, words, *arguments, **more)
        assert "PREPARE" in words
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Wire, "_send", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ledger.in_flight()
    assert ledger.in_flight() == 0


def test_an_engine_nobody_disposes_of_takes_its_connections_along(postgres_url):
    engine = ledger_engine(postgres_url, STUDIO)
    ledger = PostgresLedger(engine, STUDIO)
    assert ledger.in_flight() == 0
    lease = ledger._connections.take()
    left = weakref.ref(engine), weakref.ref(lease.driver)
    ledger._connections.give_back(lease)
    del ledger, engine, lease
    gc.collect()
    assert [part() for part in left] == [None, None]


def test_what_was_asked_is_let_go_with_the_transaction(engine):
    """What a cursor was last asked, and the rows it got, stay in memory as long as it does."""
    with PostgresLedger(engine, STUDIO).transaction() as transaction:
        transaction.live_duplicate(NOTE, "canary-7f")
        cursor = weakref.ref(transaction._wire._cursor)
        assert b"canary-7f" in cursor().query
    del transaction
    assert cursor() is None


def test_threads_never_share_a_connection(engine):
    connections = Connections(engine, size=3, most=MOST, lease_seconds=60)
    used, lock = set(), threading.Lock()

    def work(_):
        for _ in range(50):
            lease = connections.take()
            with lock:
                assert pid(lease) not in used
                used.add(pid(lease))
            assert said(lease) == (1,)
            with lock:
                used.remove(pid(lease))
            connections.give_back(lease)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))


@contextmanager
def forked(act):
    """Run ``act`` in a process forked off here, and give what it returned, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, str(act()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        yield answer.read()
    os.waitpid(child, 0)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_has_connections_of_its_own(engine, connections):
    """Two that talk over one connection would read each other's answers."""
    first, second = connections.take(), connections.take()
    connections.give_back(first)
    second.connection.close()  # to the pool
    with forked(lambda: [pid(connections.take()), pid(connections.take())]) as others:
        assert str(pid(first)) not in others
        assert others.count(",") == 1
    with forked(lambda: engine.dispose(close=False)) as nothing:
        assert nothing == "None"
    assert connections.take() is first
    assert not first.is_ended(), "the other process left it alone"
    assert said(first) == (1,)
