"""The Roborock twin: robots, broker and cloud in one thread of its own, on loopback, until stopped."""

import asyncio
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from twins.roborock.account import Account
from twins.roborock.broker import Broker
from twins.roborock.cloud import Cloud
from twins.roborock.faults import Faults
from twins.roborock.fleet import free_address, live, studio_robots
from twins.roborock.local import LocalWire
from twins.roborock.robots import FakeRobot

_START_SECONDS: Final = 10.0
_TEND_SECONDS: Final = 0.2
_LIVE_EVERY: Final = 10
"""The robots live their days in steps of so many looks at the ports."""


class RoborockTwin:
    """The twin. Use it as a context manager, or call ``start`` and ``stop``.

    Attributes:
        account: Whose robots they are; ``account.code`` is what the mail says at login.
        faults: What shall go wrong; call ``settle`` to have ports opened or closed at once.
        robots: The robots by id.

    Args:
        robots: The robots; the studio's own, living their days, when null.
        address: Loopback address of the studio's own vacuum; a free one when null.
        errors: Tells the code one of the studio's own is stuck with at an instant; 0 for none.
        account: The account.
        cloud_port: Port of the cloud; 0 for any.
        broker_port: Port of the broker; 0 for any.
        now: Tells the instant the studio's own robots live at.

    Raises:
        OSError: from ``start``, when an address or port is taken.
    """

    def __init__(
        self,
        robots: Sequence[FakeRobot] | None = None,
        *,
        account: Account | None = None,
        cloud_port: int = 0,
        broker_port: int = 0,
        now: Callable[[], datetime] | None = None,
        address: str | None = None,
        errors: Callable[[str, datetime], int] | None = None,
    ) -> None:
        self._is_alive = robots is None
        self._errors = errors or (lambda _duid, _at: 0)
        self._looks = 0
        self._now = now or (lambda: datetime.now(UTC))
        if robots is None:
            robots = studio_robots(free_address() if address is None else address)
        self.robots = {robot.duid: robot for robot in robots}
        self.account = account or Account()
        self.faults = Faults()
        self._cloud = Cloud(self.account, self.robots, self.faults)
        self._broker = Broker(self.account, self.robots, self.faults)
        self._broker.port = broker_port
        self._tidying = asyncio.Lock()
        self._cloud_port = cloud_port
        self._wires = [LocalWire(robot, self.faults) for robot in robots if robot.ip]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="roborock-twin", daemon=True)
        self._tending: asyncio.Task[None] | None = None

    @property
    def cloud_url(self) -> str:
        """Return the address of the cloud."""
        return self._cloud.url

    @property
    def broker_url(self) -> str:
        """Return the address of the broker."""
        return f"tcp://127.0.0.1:{self._broker.port}"

    @property
    def writes(self) -> list[str]:
        """Return everything seen, by anything of the twin, that would have changed something."""
        return [name for robot in self.robots.values() for name in robot.writes] + self._cloud.writes

    @property
    def cloud_calls(self) -> list[str]:
        """Return method and path of the cloud's calls, in order."""
        return self._cloud.calls

    @property
    def broker_logins(self) -> int:
        """Return how often a login was tried at the broker."""
        return self._broker.logins

    @property
    def open_connections(self) -> int:
        """Return how many clients are connected to the broker now."""
        return len(self._broker.sessions)

    def start(self) -> Self:
        """Open every port; returns when they are open."""
        self._thread.start()
        try:
            self._call(self._start())
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Close every port; safe to repeat."""
        if self._loop.is_closed():
            return
        if self._thread.is_alive():
            self._call(self._stop())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def settle(self) -> None:
        """Open and close ports as the faults say now; by itself that takes a moment."""
        self._call(self._tend())

    def write_session(self, path: Path) -> None:
        """Write a login of this account as the ``login`` command keeps it: private, one JSON object."""
        told = {
            "email": self.account.email,
            "base_url": self.cloud_url,
            "user_data": self.account.user_data(self.cloud_url, self.broker_url),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            json.dump(told, file)

    def status(self) -> Mapping[str, Any]:
        """Return how the twin is, for the control server."""
        return {
            "cloudUrl": self.cloud_url,
            "brokerUrl": self.broker_url,
            "robots": len(self.robots),
            "questions": sum(len(robot.seen) for robot in self.robots.values()),
            "writes": len(self.writes),
            "faults": self.faults.armed(),
        }

    async def _start(self) -> None:
        await self._tend()
        self._cloud.broker_url = self.broker_url
        await self._cloud.start(self._cloud_port)
        self._tending = asyncio.create_task(self._tend_on())

    async def _stop(self) -> None:
        if self._tending:
            self._tending.cancel()
            await asyncio.wait([self._tending])
        await self._cloud.stop()
        await self._broker.stop()
        for wire in self._wires:
            await wire.stop()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=1.0)
        # A closed connection lets go of its socket in the loop's next turns.
        for _ in range(3):
            await asyncio.sleep(0)

    async def _tend_on(self) -> None:
        while True:
            await asyncio.sleep(_TEND_SECONDS)
            # A robot's port that was closed for a while may be somebody else's for a moment.
            with suppress(OSError):
                await self._tend()

    async def _tend(self) -> None:
        # Whoever asks for it and the regular look would else open the same port twice.
        async with self._tidying:
            await self._tend_alone()

    async def _tend_alone(self) -> None:
        if self._is_alive and self._looks % _LIVE_EVERY == 0:
            now = self._now()
            for robot in self.robots.values():
                live(robot, now, self._errors(robot.duid, now))
        self._looks += 1
        await self._broker.tend()
        for wire in self._wires:
            await wire.tend()

    def _call(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_START_SECONDS)
