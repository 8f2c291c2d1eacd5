"""The Stripe twin: a pretend Stripe on a loopback port, for the official SDK.

Usage::

    with StripeTwin() as twin:
        client = stripe.StripeClient(WORLD_KEY, base_addresses={"api": twin.base_url})

Everything lives in memory and ends with the process. Imitated: the objects in ``kinds.py`` and the acts in
``service.py``; a parameter the twin does not know is refused, never ignored.
"""

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from twins.stripe.account import Account
from twins.stripe.faults import Faults
from twins.stripe.ledger import Ledger
from twins.stripe.service import Service, ServiceStats
from twins.stripe.wire import Connection

START_SECONDS = 10.0
BACKLOG = 256


def _system_time() -> datetime:
    return datetime.now(UTC)


class StripeTwin:
    """A server on 127.0.0.1; use it as a context manager, or call :meth:`start` and :meth:`stop`.

    Attributes:
        ledger: Every object; hold ``ledger.lock`` to touch it while the twin serves.
        account: Acts and clock on top of the ledger.
        faults: What shall go wrong.
        stats: What was asked.
    """

    def __init__(self, port: int = 0, *, now: Callable[[], datetime] | None = None) -> None:
        self.ledger = Ledger()
        self.account = Account(self.ledger, now or _system_time)
        self.faults = Faults()
        self._service = Service(self.account, self.faults)
        self._wanted_port = port
        self._port: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._started = threading.Event()
        self._failure: OSError | None = None
        self._connections: set[Connection] = set()

    @property
    def stats(self) -> ServiceStats:
        """Return what the twin was asked so far."""
        return self._service.stats

    @property
    def port(self) -> int:
        """Return the port the twin listens on; raise when it is not running."""
        if self._port is None:
            raise RuntimeError("The Stripe twin is not running; start it first.")
        return self._port

    @property
    def base_url(self) -> str:
        """Return the address to give the SDK as its API base."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Listen, in a thread of its own; return once the port is open.

        Raises:
            OSError: when the port is taken.
        """
        self._started.clear()
        self._failure = None
        self._thread = threading.Thread(target=self._run, name="stripe-twin", daemon=True)
        self._thread.start()
        if not self._started.wait(START_SECONDS):
            raise RuntimeError("The Stripe twin did not start in time.")
        self._raise_failure()
        return self

    def stop(self) -> None:
        """Close every connection and the port; return when the thread has ended. Harmless when stopped."""
        loop, thread, stopping = self._loop, self._thread, self._stopping
        if loop is not None and stopping is not None:
            loop.call_soon_threadsafe(stopping.set)
        if thread is not None:
            thread.join()
        self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            self.stop()
            raise self._failure

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        try:
            server = await self._loop.create_server(
                self._connection, "127.0.0.1", self._wanted_port, backlog=BACKLOG
            )
        except OSError as error:
            self._failure = error
            self._loop = None
            self._started.set()
            return
        self._port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stopping.wait()
        server.close()
        for connection in list(self._connections):
            if connection.transport is not None:
                connection.transport.abort()
        await server.wait_closed()
        # One turn of the loop lets aborted transports close their sockets.
        await asyncio.sleep(0)
        self._port = None
        self._loop = None

    def _connection(self) -> Connection:
        return Connection(self._service, self.faults, self._connections)
