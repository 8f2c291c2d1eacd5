"""The ledger's connections stay at hand, and nobody waits in vain for one of them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event

from resources.postgres.ledger_connections import Connections
from resources.postgres.ledger_engine import ledger_engine
from tests.contract.ledger.steps import STUDIO

pytestmark = pytest.mark.integration


@pytest.fixture
def engine(postgres_url):
    made = ledger_engine(postgres_url, STUDIO)
    yield made
    made.dispose()


def pid(lease):
    return lease.driver.info.backend_pid


def connected(engine):
    """Return how often the pool was asked for a connection."""
    asked = []
    event.listen(engine, "checkout", lambda *_: asked.append(1))
    return asked


def test_the_connection_given_back_last_is_taken_next_without_the_pool(engine):
    connections = Connections(engine, size=2, lease_seconds=60)
    asked = connected(engine)
    first, second = connections.take(), connections.take()
    connections.give_back(first)
    connections.give_back(second)
    assert connections.take() is second
    assert connections.take() is first
    assert len(asked) == 2


def test_what_is_old_goes_back_to_the_pool_which_renews_it(engine):
    connections = Connections(engine, size=2, lease_seconds=0)
    asked = connected(engine)
    lease = connections.take()
    connections.give_back(lease)
    assert engine.pool.checkedout() == 0
    connections.take()
    assert len(asked) == 2


def test_who_waits_for_the_pool_gets_what_is_given_back(engine):
    """With one place at hand and more wanted, a connection goes to those who wait, not to the side."""
    connections = Connections(engine, size=1, lease_seconds=60)
    leases = [connections.take() for _ in range(20)]  # all that the pool has
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
    for lease in leases:
        connections.give_back(lease)
    assert engine.pool.checkedout() == 1


def test_a_pool_that_is_disposed_of_leaves_no_connection_at_hand(engine):
    connections = Connections(engine, size=8, lease_seconds=60)
    idle, used = connections.take(), connections.take()
    connections.give_back(idle)
    engine.dispose()
    assert idle.driver.closed
    assert not used.driver.closed, "somebody is still at it"
    again = connections.take()
    assert pid(again) != pid(used)


def test_a_connection_that_cannot_be_had_is_not_counted(engine, monkeypatch):
    """Else failures would add up until nothing was kept at hand any more."""
    connections = Connections(engine, size=1, lease_seconds=60)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "raw_connection", lambda: 1 / 0)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                connections.take()
    lease = connections.take()
    connections.throw_away(lease)
    lease = connections.take()
    connections.give_back(lease)
    assert connections.take() is lease


def test_threads_never_share_a_connection(engine):
    connections = Connections(engine, size=3, lease_seconds=60)
    used, lock = set(), threading.Lock()

    def work(_):
        for _ in range(50):
            lease = connections.take()
            with lock:
                assert pid(lease) not in used
                used.add(pid(lease))
            lease.cursor.execute("SELECT 1")
            assert lease.cursor.fetchone() == (1,)
            with lock:
                used.remove(pid(lease))
            connections.give_back(lease)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
