"""The ledger's connections at hand: of a pool, without the pool's own steps for every transaction.

A connection that was given back stays checked out, and the next transaction takes it. Beside other processes
on the same processor the pool's steps cost eight times what they cost alone, because none of their code is in
the processor's cache any more: with eight writers on two processors a tenth of an append.

The engine does not know of them: what is checked out keeps its pool and engine in memory, so an engine that
kept it at hand would never be collected, nor its connections closed, where nobody disposes of it.
"""

import contextlib
import os
import select
import threading
import time
import weakref
from collections import deque
from functools import cache
from typing import Any, Final

from sqlalchemy import Engine, Pool, PoolProxiedConnection, QueuePool


class Lease:
    """A connection of the pool.

    Attributes:
        connection: As the pool handed it out.
        driver: The connection itself, of psycopg2.
        info: What is known of the connection; as long as it lives.
        pool: Whose it is; an engine that is disposed of gets another one.
        until: When it is too old to begin with; seconds of the monotonic clock.
    """

    __slots__ = ("_said", "connection", "driver", "info", "pool", "until")

    def __init__(self, connection: PoolProxiedConnection, pool: Pool, until: float) -> None:
        self.connection = connection
        driver: Any = connection.driver_connection
        self.driver = driver
        self.info: dict[str, Any] = connection.info
        self.pool = pool
        self.until = until
        self._said = select.poll()
        self._said.register(driver.fileno(), select.POLLIN)

    def is_ended(self) -> bool:
        """Whether the server has ended the connection while nobody used it: it says so unasked."""
        return bool(self.driver.closed or self._said.poll(0))


class Connections:
    """What transactions take connections from, and give them back to. Threads may share it.

    Nobody waits for the pool while a connection lies at hand. A process that was forked off has nothing at
    hand: two that talk over one connection would read each other's answers.

    Args:
        engine: Of ``ledger_engine``; nobody else takes connections from it.
        size: How many connections stay open while nobody uses them.
        most: How many the pool hands out before it lets others wait.
        lease_seconds: How old a lease may be that a transaction begins with.
    """

    def __init__(self, engine: Engine, *, size: int, most: int, lease_seconds: float) -> None:
        self.engine: Final = engine
        self._size = size
        self._most = most
        self._lease_seconds = lease_seconds
        self._idle: deque[Lease] = deque()  # the last used is the next one taken: it stays warm
        self._asking = 0  # how many are asking the pool, and perhaps wait for it
        self._counting = threading.Lock()
        _LIVE.add(self)
        _watch_forks()

    def take(self) -> Lease:
        """Return a connection; waits for the pool when none is at hand. Raises what the pool raises."""
        return self._at_hand() or self._from_pool()

    def give_back(self, lease: Lease) -> None:
        """Keep a connection for whoever comes next; nothing may be going on in it."""
        idle = self._idle
        idle.append(lease)
        # Looked at only now: whoever changes it later finds this one at hand.
        if lease.pool is not self.engine.pool:
            with contextlib.suppress(ValueError):  # somebody took it, and will see the same
                idle.remove(lease)
                self.throw_away(lease)
        elif self._asking or len(idle) > self._size:
            self._spread()

    def throw_away(self, lease: Lease) -> None:
        """Close a connection for good: the server then undoes what is not committed."""
        with contextlib.suppress(Exception):  # it may be dead already; closing must not hide the cause
            lease.connection.invalidate()

    def dispose(self) -> None:
        """Close every connection that nobody uses, here and in the pool; those in use when they come back."""
        self.engine.dispose()

    def close_idle(self) -> None:
        """Close what lies at hand."""
        with contextlib.suppress(IndexError):
            while True:
                self.throw_away(self._idle.pop())

    def _at_hand(self) -> Lease | None:
        while True:
            try:
                lease = self._idle.pop()
            except IndexError:
                return None
            if lease.pool is self.engine.pool and time.monotonic() < lease.until:
                return lease
            self.throw_away(lease)

    def _from_pool(self) -> Lease:
        with self._counting:
            self._asking += 1
        try:
            # Whoever gave one back a moment ago could not know that somebody was about to ask.
            if (lease := self._at_hand()) is not None:
                return lease
            pool = self.engine.pool
            return Lease(self.engine.raw_connection(), pool, time.monotonic() + self._lease_seconds)
        finally:
            with self._counting:
                self._asking -= 1

    def _spread(self) -> None:
        """Give connections to those who wait for the pool, and close those that are too many."""
        with contextlib.suppress(IndexError):
            while self._is_waited_for():
                self._idle.pop().connection.close()
                # Whoever waits is awake now, and has it before the one who gave it back can ask again.
                time.sleep(0)
            while len(self._idle) > self._size:
                self.throw_away(self._idle.popleft())

    def _is_waited_for(self) -> bool:
        asking = self._asking  # read first: who gets a connection meanwhile counts twice rather than never
        pool = self.engine.pool
        return asking > 0 and isinstance(pool, QueuePool) and asking + pool.checkedout() > self._most

    def begin_anew(self) -> None:
        """Leave all connections to the process this one was forked off from."""
        # Kept, never closed: closing would say goodbye to the server in the other's name, and giving them to
        # the pool could wait for ever for a lock that a thread held which is not here.
        _INHERITED.append(self._idle)
        self._idle = deque()
        self._asking = 0
        self._counting = threading.Lock()
        self.engine.dispose(close=False)


_LIVE: Final[weakref.WeakSet[Connections]] = weakref.WeakSet()
_INHERITED: Final[list[deque[Lease]]] = []


@cache
def _watch_forks() -> None:
    os.register_at_fork(after_in_child=_begin_all_anew)


def _begin_all_anew() -> None:
    for connections in list(_LIVE):
        connections.begin_anew()
