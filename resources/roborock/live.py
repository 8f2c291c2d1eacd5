"""The Roborock connector: one account's robots, read only, whatever the robots and the cloud do.

Every read has its own manager, broker login and event loop, and lets go of all of them: one bad frame jams
the library's local wire for as long as it lives. Robots on the same network are reached directly; the
broker and the cloud may be down meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp
from roborock.data import UserData
from roborock.devices.device import RoborockDevice
from roborock.devices.device_manager import DeviceManager, UserParams, create_device_manager
from roborock.mqtt.roborock_session import create_mqtt_session
from roborock.mqtt.session import MqttSession
from roborock.protocol import create_mqtt_params
from roborock.web_api import RoborockApiClient, UserWebApiClient

from resources.clock import Clock, SystemClock
from resources.connector import (
    Command,
    CommandPlan,
    ConnectorError,
    DeviceFailure,
    DeviceReading,
    Fault,
    Health,
    Reading,
)
from resources.roborock.cache import CacheBusyError, Memory, ReadCache, RoborockCache, home_data, kept_home
from resources.roborock.families import read_robot
from resources.roborock.faults import Failure, failure_of
from resources.roborock.gateway import CONNECTOR_ID, VERSION
from resources.roborock.guard import Heard, cloud_middleware, install_guard, listening
from resources.roborock.limits import Limits
from resources.roborock.loop import run_alone
from resources.roborock.session import LOGIN, RoborockSession, load_session

T = TypeVar("T")
_NOWHERE: Final = "tcp://127.0.0.1:1"
"""Where the broker is looked for while it must be left alone: nobody is there, which is known at once."""


class LiveRoborock:
    """The robots of one account. Implements ``resources.connector.Connector``; sync, not for concurrent use.

    Args:
        session_path: The secret file with the login, as ``login`` writes it.
        cache_path: A private file of this connector's own; made when absent.
        clock: Tells the time.
    """

    connector_id = CONNECTOR_ID
    version = VERSION
    is_read_only = True

    def __init__(self, session_path: Path, cache_path: Path, clock: Clock | None = None) -> None:
        self._session_path = session_path
        self._cache_path = cache_path
        self._clock = clock or SystemClock()

    def health(self, deadline_seconds: float) -> Health:
        """Return whether the login is accepted: asks the broker only, so no robot is woken."""
        limits = Limits.of(deadline_seconds)
        try:
            failure = self._alone(lambda session: self._check(session, limits))
        except ConnectorError as error:
            failure = failure_of(error)
        now = self._clock.now()
        if failure is None:
            return Health(
                is_healthy=True, fault=None, sentence="Roborock's broker accepts the login.", checked_at=now
            )
        return Health(is_healthy=False, fault=failure.fault, sentence=failure.sentence, checked_at=now)

    def read(self, deadline_seconds: float) -> Reading:
        """Return what all robots say.

        Raises:
            ConnectorError: when nothing can be said about any robot: there is no login, or the home is not
                known and the cloud does not tell it, or no robot answered.
        """
        limits = Limits.of(deadline_seconds)
        return self._alone(lambda session: self._read(session, limits))

    def execute(self, command: Command, *, is_dry_run: bool, deadline_seconds: float) -> CommandPlan:  # noqa: ARG002 - the interface names it
        """Return what a command would be; anything but a dry run is refused before a byte is sent.

        Raises:
            ConnectorError: with ``read_only_violation`` unless it is a dry run.
        """
        if not is_dry_run:
            raise ConnectorError(
                Fault.READ_ONLY_VIOLATION,
                f"Refused {command.name}: the Roborock connector only reads. Nothing was sent.",
            )
        return CommandPlan(
            f"Would send {command.name} to {command.device_id}; this connector only reads and never does.",
            {"device": command.device_id, "command": command.name, **command.arguments},
        )

    def close(self) -> None:
        """Let go of everything: nothing is held between calls."""

    def _alone(self, make: Callable[[RoborockSession], Coroutine[Any, Any, T]]) -> T:
        install_guard()
        session = load_session(self._session_path)
        failure = None
        try:
            return run_alone(lambda: make(session))
        except ConnectorError as error:
            failure = failure_of(error)
        except Exception as error:  # noqa: BLE001 - the library's own texts must not get out
            failure = failure_of(error)
        # Raised outside the handler, so that the library's exception does not hang on to it.
        raise failure.error()

    async def _check(self, session: RoborockSession, limits: Limits) -> Failure | None:
        cache = RoborockCache(self._cache_path, session)
        memory = cache.load()
        if refusal := self._known_refusal(memory):
            return refusal
        params = create_mqtt_params(UserData.from_dict(session.user_data).rriot)
        with listening() as heard:
            heard.broker_seconds = limits.broker
            failure = None
            try:
                async with asyncio.timeout(limits.deadline - limits.close):
                    broker = await create_mqtt_session(params)
                await _close(broker, limits.close)
            except Exception as error:  # noqa: BLE001 - whatever happened is the answer
                failure = failure_of(error)
        self._remember(cache, memory, heard)
        return failure or (Failure.of(Fault.AUTH) if memory.is_dead else None)

    async def _read(self, session: RoborockSession, limits: Limits) -> Reading:
        ends_at = asyncio.get_running_loop().time() + limits.deadline - limits.close
        limits.tell_library()
        cache = RoborockCache(self._cache_path, session)
        memory = cache.load()
        worked_around = await self._refresh_home(cache, memory, session, limits)
        refusal = self._known_refusal(memory)
        kept = ReadCache(memory)
        results: dict[str, DeviceReading | Failure] = {}
        with listening() as heard:
            heard.broker_seconds = limits.broker
            heard.dialects = memory.dialects()
            async with _manager(session, kept, limits, is_broker_left_alone=refusal is not None) as starting:
                await self._read_robots(starting, heard, limits, ends_at, results)
        memory.robots = kept.learned(heard.dialects) or memory.robots
        memory.is_doubted = any(
            isinstance(result, Failure) and result.fault is Fault.TIMEOUT for result in results.values()
        )
        self._remember(cache, memory, heard)
        refusal = refusal or self._known_refusal(memory)
        if refusal or memory.is_dead:
            worked_around.append(Fault.AUTH)
        return self._reading(memory, results, refusal, worked_around)

    async def _refresh_home(
        self, cache: RoborockCache, memory: Memory, session: RoborockSession, limits: Limits
    ) -> list[Fault]:
        """Ask the cloud for the home when it is due and may be asked; meanwhile an old one serves."""
        now = self._clock.now()
        if not memory.is_home_due(now.timestamp()):
            return []
        try:
            wait = cache.claim_home_read(memory, now)
        except CacheBusyError:
            if memory.home is None:
                raise
            return []
        if wait:
            if memory.home is not None:
                return []
            failure = replace(Failure.of(Fault.RATE_LIMITED), retry_after_seconds=wait)
        else:
            try:
                async with asyncio.timeout(limits.cloud):
                    memory.home = kept_home(await _fetch_home(session))
            except Exception as error:  # noqa: BLE001 - an old home serves, whatever the cloud did
                failure = _cloud_failure(error)
                memory.is_dead = failure.fault is Fault.AUTH
            else:
                memory.home_at, memory.is_doubted, memory.is_dead = now.timestamp(), False, False
                _keep(cache, memory)
                return []
        _keep(cache, memory)
        if memory.home is None:
            raise failure.error()
        return [failure.fault]

    async def _read_robots(
        self,
        starting: "_Starting",
        heard: Heard,
        limits: Limits,
        ends_at: float,
        results: dict[str, DeviceReading | Failure],
    ) -> None:
        """Ask every robot as soon as it is connected, and those that are not when connecting is over."""
        tasks: dict[str, asyncio.Task[DeviceReading | Failure]] = {}

        def begin(robot: RoborockDevice) -> None:
            if robot.duid not in tasks:
                tasks[robot.duid] = asyncio.create_task(read_robot(robot, limits, heard, self._clock))

        manager = await starting.run(begin)
        for robot in await manager.get_devices():
            begin(robot)
        if tasks:
            left = max(0.0, ends_at - asyncio.get_running_loop().time())
            await asyncio.wait(tasks.values(), timeout=left)
        for duid, task in tasks.items():
            results[duid] = task.result() if task.done() else Failure.of(Fault.TIMEOUT)

    def _remember(self, cache: RoborockCache, memory: Memory, heard: Heard) -> None:
        now = self._clock.now().timestamp()
        if heard.is_refused:
            memory.note_refusal(now)
        elif memory.broker_not_before <= now:
            memory.refusals, memory.broker_not_before = 0, 0.0
        _keep(cache, memory)

    def _known_refusal(self, memory: Memory) -> Failure | None:
        """Return why the broker must not be asked now; null when it may be."""
        wait = memory.broker_not_before - self._clock.now().timestamp()
        if memory.refusals and wait > 0:
            sentence = f"Roborock's broker refused the login; it is left alone for a while. {LOGIN}"
            return Failure(Fault.AUTH, sentence, wait)
        return None

    def _reading(
        self,
        memory: Memory,
        results: dict[str, DeviceReading | Failure],
        refusal: Failure | None,
        worked_around: list[Fault],
    ) -> Reading:
        known = [device.duid for device in home_data(memory.home).get_all_devices()]
        outcomes = {duid: results.get(duid, Failure.of(Fault.UNSUPPORTED)) for duid in known}
        devices = [outcome for outcome in outcomes.values() if isinstance(outcome, DeviceReading)]
        failures = {duid: outcome for duid, outcome in outcomes.items() if isinstance(outcome, Failure)}
        if refusal:
            # Where the broker must not be asked, a robot that only it reaches cannot be.
            failures = {
                duid: refusal if failure.fault is Fault.UNAVAILABLE else failure
                for duid, failure in failures.items()
            }
        if failures and not devices:
            # Of several reasons the one a person can do something about.
            worst = min(failures.values(), key=lambda failure: failure.fault is not Fault.AUTH)
            raise worst.error()
        return Reading(
            devices=devices,
            failures=[DeviceFailure(duid, f.fault, f.sentence) for duid, f in failures.items()],
            read_at=self._clock.now(),
            worked_around=tuple(dict.fromkeys(worked_around)),
        )


class _Starting:
    """The library's manager on its way: connecting takes as long as the slowest robot."""

    def __init__(self, user: UserParams, kept: ReadCache) -> None:
        self._user = user
        self._kept = kept
        self.manager: DeviceManager | None = None

    async def run(self, begin: Callable[[RoborockDevice], None]) -> DeviceManager:
        self.manager = await create_device_manager(self._user, cache=self._kept, ready_callback=begin)
        return self.manager


@asynccontextmanager
async def _manager(
    session: RoborockSession, kept: ReadCache, limits: Limits, *, is_broker_left_alone: bool
) -> AsyncIterator[_Starting]:
    """Give a manager to start; it is let go of in bounded time, and cut off if it does not."""
    told: dict[str, Any] = deepcopy(session.user_data)
    if is_broker_left_alone:
        told["rriot"]["r"]["m"] = _NOWHERE
    starting = _Starting(UserParams(session.email, UserData.from_dict(told), session.base_url), kept)
    try:
        yield starting
    finally:
        if starting.manager:
            await _close(starting.manager, limits.close)


def _keep(cache: RoborockCache, memory: Memory) -> None:
    """Keep what was learned; where another process holds the file, the next read learns it again.

    What the robots said is not given away for it: on a busy machine a process may hold the file for seconds.
    """
    with suppress(CacheBusyError):
        cache.save(memory)


async def _close(thing: DeviceManager | MqttSession, seconds: float) -> None:
    # On Python 3.11 it may wait for ever for a task that lost its cancellation; the loop's end cuts that off.
    with suppress(Exception):
        async with asyncio.timeout(seconds):
            await thing.close()


async def _fetch_home(session: RoborockSession) -> Any:
    async with aiohttp.ClientSession(
        middlewares=(cloud_middleware,), cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    ) as http:
        client = RoborockApiClient(session.email, base_url=session.base_url, session=http)
        return await UserWebApiClient(client, UserData.from_dict(session.user_data)).get_home_data()


def _cloud_failure(error: Exception) -> Failure:
    failure = failure_of(error)
    return failure if failure.fault is not Fault.UNKNOWN else Failure.of(Fault.BAD_RESPONSE)
