"""The ledger's connections at hand: of a pool, without the pool's own steps for every transaction.

A connection that was given back stays checked out, and the next transaction takes it. Beside other processes
on the same processor the pool's steps cost eight times what they cost alone, because none of their code is in
the processor's cache any more: with eight writers on two processors a tenth of an append.
"""

import contextlib
import select
import threading
import time
from collections import deque
from typing import Any, Final

from sqlalchemy import Engine, PoolProxiedConnection, event


class Lease:
    """A connection of the pool, with the one cursor of the ledger on it.

    Attributes:
        connection: As the pool handed it out.
        driver: The connection itself, of psycopg2.
        cursor: Used by one transaction after the other.
        info: What is known of the connection; as long as it lives.
        until: When it goes back to the pool, which renews what is old; seconds of the monotonic clock.
    """

    __slots__ = ("_said", "connection", "cursor", "driver", "info", "until")

    def __init__(self, connection: PoolProxiedConnection, until: float) -> None:
        self.connection = connection
        driver: Any = connection.driver_connection
        self.driver = driver
        self.cursor: Any = connection.cursor()
        self.info: dict[str, Any] = connection.info
        self.until = until
        self._said = select.poll()
        self._said.register(driver.fileno(), select.POLLIN)

    def is_ended(self) -> bool:
        """Whether the server has ended the connection while nobody used it: it says so unasked."""
        return bool(self.driver.closed or self._said.poll(0))


class Connections:
    """What transactions take connections from, and give them back to. Threads may share it.

    Args:
        size: How many connections may stay checked out while nobody uses them. When more are wanted at once,
            all that come back go to the pool: only there does somebody wait for them.
        lease_seconds: How long one may stay so.
    """

    def __init__(self, engine: Engine, *, size: int, lease_seconds: float) -> None:
        self.engine: Final = engine
        self._size = size
        self._lease_seconds = lease_seconds
        self._idle: deque[Lease] = deque()  # the last used is the next one taken: it stays warm
        self._wanted = 0  # leases that exist or are waited for
        self._counting = threading.Lock()
        event.listen(engine, "engine_disposed", lambda _: self._dispose())

    def take(self) -> Lease:
        """Return a connection; waits for the pool when none is at hand. Raises what the pool raises."""
        try:
            return self._idle.pop()
        except IndexError:
            self._want(1)
        try:
            return Lease(self.engine.raw_connection(), time.monotonic() + self._lease_seconds)
        except BaseException:
            self._want(-1)
            raise

    def give_back(self, lease: Lease) -> None:
        """Keep a connection for whoever comes next; nothing may be going on in it."""
        if self._wanted <= self._size and time.monotonic() < lease.until:
            self._idle.append(lease)
            return
        self._want(-1)
        lease.cursor.close()
        lease.connection.close()

    def throw_away(self, lease: Lease) -> None:
        """Close a connection for good: the server then undoes what is not committed."""
        self._want(-1)
        with contextlib.suppress(Exception):  # it may be dead already; closing must not hide the cause
            lease.connection.invalidate()

    def dispose(self) -> None:
        """Close every connection that nobody uses, here and in the pool."""
        self.engine.dispose()

    def _dispose(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self.throw_away(self._idle.pop())

    def _want(self, more: int) -> None:
        with self._counting:
            self._wanted += more
