"""What stands between the vendor's library and every wire: only reads pass, and what is heard is noted.

All traffic to robots passes ``LocalChannel.publish`` or ``MqttChannel.publish`` before it is encrypted; all
traffic to the cloud passes ``PreparedRequest.request``, and every hop of it the session's own middleware.
V1 calls are judged once more above that, in ``RpcChannel.send_command``: it repeats over the broker
whatever failed on the local wire, and a refusal would come out as a broken connection.

The library offers no place for this, so its classes are wrapped, once per process, before the first use.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from threading import Lock
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from roborock.devices.rpc import v1_channel
from roborock.devices.transport import local_channel, mqtt_channel
from roborock.exceptions import RoborockConnectionException, RoborockException
from roborock.mqtt.health_manager import HealthManager
from roborock.mqtt.roborock_session import RoborockMqttSession
from roborock.mqtt.session import MqttSessionUnauthorized
from roborock.protocols.v1_protocol import LocalProtocolVersion
from roborock.roborock_message import RoborockMessage, RoborockMessageProtocol
from roborock.web_api import PreparedRequest, RoborockApiClient

from resources.connector import ConnectorError, Fault
from resources.roborock.commands import V1_READS, is_cloud_login, is_cloud_read, judge

_ANSWERS: Final = frozenset({RoborockMessageProtocol.GENERAL_RESPONSE, RoborockMessageProtocol.RPC_RESPONSE})
_STATUS_FAULTS: Final = {401: Fault.AUTH, 403: Fault.AUTH, 429: Fault.RATE_LIMITED}


class WriteRefusedError(ConnectorError, RoborockException):
    """A message that might change something was about to leave; it was not sent."""

    def __init__(self, name: str) -> None:
        super().__init__(
            Fault.READ_ONLY_VIOLATION,
            f"Refused to send {name}: the Roborock connector only reads. Nothing was sent.",
        )


class CloudAnswerError(ConnectorError, RoborockException):
    """The maker's cloud answered with a status that is no answer."""


@dataclass(slots=True)
class Heard:
    """What came back during one read, by robot: what was said at all, and why a wire failed.

    The library tells of the last wire's failure only, and takes an answer it cannot read for none.

    Attributes:
        answers: How many messages or unreadable pieces came from a robot, whatever they said.
        failures: What calls and connections failed with; an unreadable answer as ``ValueError``.
        connecting: Robots whose address has not answered yet.
        dialects: What a robot's own wire spoke last; asked in that one first, the other costs a timeout.
        is_refused: Whether the broker refused the login.
        broker_seconds: How long the broker may take.
    """

    answers: Counter[str] = field(default_factory=Counter)
    failures: dict[str, list[Exception]] = field(default_factory=dict)
    connecting: set[str] = field(default_factory=set)
    dialects: dict[str, str] = field(default_factory=dict)
    is_refused: bool = False
    broker_seconds: float = 30.0

    def note(self, robot: str, error: Exception, answers_before: int | None = None) -> None:
        """Note a failure; a timeout with something said meanwhile is an answer that could not be read."""
        is_unreadable = answers_before is not None and self.answers[robot] > answers_before
        if is_unreadable and "timed out" in str(error):
            error = ValueError("unreadable")
        self.failures.setdefault(robot, []).append(error)


_HEARD: Final[ContextVar[Heard | None]] = ContextVar("roborock_heard", default=None)
_ROBOT: Final[ContextVar[str]] = ContextVar("roborock_robot", default="")
_MAY_LOG_IN: Final[ContextVar[bool]] = ContextVar("roborock_may_log_in", default=False)
_ONCE: Final = Lock()
_ORIGINALS: Final[dict[tuple[Any, str], Any]] = {}


@contextmanager
def listening() -> Iterator[Heard]:
    """Note what is heard by everything that is started inside the block."""
    heard = Heard()
    token = _HEARD.set(heard)
    try:
        yield heard
    finally:
        _HEARD.reset(token)


@contextmanager
def _speaking_with(robot: str) -> Iterator[None]:
    token = _ROBOT.set(robot)
    try:
        yield
    finally:
        _ROBOT.reset(token)


@contextmanager
def logging_in() -> Iterator[None]:
    """Let the calls of a login pass inside the block; everything else stays refused."""
    token = _MAY_LOG_IN.set(True)
    try:
        yield
    finally:
        _MAY_LOG_IN.reset(token)


def install_guard() -> None:
    """Wrap the library; safe to repeat, from any thread."""
    with _ONCE:
        if _ORIGINALS:
            return
        _silence()
        for channel in (local_channel.LocalChannel, mqtt_channel.MqttChannel):
            _wrap(channel, "publish", _guarded_publish)
        _wrap(v1_channel.RpcChannel, "send_command", _guarded_command)
        _wrap(v1_channel.RpcChannel, "_send_rpc", lambda original: staticmethod(_noted_call(original)))
        _wrap(PreparedRequest, "request", _guarded_request)
        # It cuts every robot off when a few are silent in a row; a read is over before that could help.
        _wrap(HealthManager, "on_timeout", lambda _: _never_restart)
        # Its limit counts per process, so it protects nobody; ours is kept in the cache and is stricter.
        _wrap(RoborockApiClient, "_home_data_limiter", lambda _: _CountedElsewhere())
        _wrap(RoborockMqttSession, "start", _asked_once)
        _wrap(local_channel.LocalChannel, "__init__", _remembering_robot)
        _wrap(local_channel.LocalChannel, "connect", _noted_connection)
        _wrap(local_channel.LocalChannel, "_update_encoder_decoder", _within_robot)
        _wrap(mqtt_channel.MqttChannel, "subscribe", _subscribe_within_robot)
        for module in (local_channel, mqtt_channel):
            _wrap(module, "decoder_callback", _noted_decoder)


async def cloud_middleware(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Judge every hop of a call to the cloud, and refuse answers that are none: aiohttp's own hook."""
    _judge_call(request.method, request.url.raw_path)
    response = await handler(request)
    if response.status == 200:
        return response
    status = response.status
    response.close()
    fault = _STATUS_FAULTS.get(status, Fault.UNAVAILABLE if status >= 500 else Fault.BAD_RESPONSE)
    raise CloudAnswerError(
        fault,
        f"The Roborock cloud answered with status {status}.",
        retry_after_seconds=_seconds(response.headers.get("Retry-After")),
    )


def _seconds(value: str | None) -> float | None:
    return float(value) if value and value.isascii() and value.isdigit() else None


def _silence() -> None:
    """Keep the library from logging: its lines hold addresses, names of homes and whole answers."""
    logger = logging.getLogger("roborock")
    logger.setLevel(logging.CRITICAL + 1)
    logger.propagate = False
    logger.addHandler(logging.NullHandler())


def _wrap(owner: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
    # Taken from the owner's own dictionary, so that a static method is given back as one.
    _ORIGINALS[owner, name] = vars(owner)[name]
    setattr(owner, name, wrapper(getattr(owner, name)))


def _guarded_publish(original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @wraps(original)
    async def publish(self: Any, message: RoborockMessage, *args: Any, **kwargs: Any) -> None:
        verdict = judge(message.version, int(message.protocol), message.payload)
        if not verdict.is_read:
            raise WriteRefusedError(verdict.name)
        await original(self, message, *args, **kwargs)

    return publish


def _guarded_command(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(original)
    async def send_command(self: Any, method: Any, **kwargs: Any) -> Any:
        name = str(getattr(method, "value", method))
        if name not in V1_READS:
            raise WriteRefusedError(name)
        return await original(self, method, **kwargs)

    return send_command


def _noted_call(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(original)
    async def send_rpc(strategy: Any, *args: Any) -> Any:
        heard, robot = _HEARD.get() or Heard(), _robot_of(strategy.channel)
        before = heard.answers[robot]
        try:
            return await original(strategy, *args)
        except Exception as error:
            heard.note(robot, error, before)
            raise

    return send_rpc


def _noted_connection(original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @wraps(original)
    async def connect(self: Any) -> None:
        heard, robot = _HEARD.get() or Heard(), _robot_of(self)
        heard.connecting.add(robot)
        if heard.dialects.get(robot) in set(LocalProtocolVersion):
            vars(self)["_local_protocol_version"] = LocalProtocolVersion(heard.dialects[robot])
        try:
            await original(self)
            heard.dialects[robot] = str(self.protocol_version)
        except RoborockConnectionException as error:
            heard.connecting.discard(robot)
            heard.note(robot, error)
            raise
        except RoborockException:
            # It took the connection and never greeted; the library says that it speaks no known dialect.
            heard.connecting.discard(robot)
            heard.note(robot, TimeoutError())
            raise
        except asyncio.CancelledError:
            # The end of the read cut off the greeting, and the library leaves such a connection open.
            if transport := vars(self).get("_transport"):
                transport.abort()
            raise
        heard.connecting.discard(robot)

    return connect


def _asked_once(original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @wraps(original)
    async def start(self: Any) -> None:
        heard = _HEARD.get() or Heard()
        if heard.is_refused:
            raise MqttSessionUnauthorized("refused before")
        vars(self)["_params"].timeout = heard.broker_seconds
        try:
            await original(self)
        except MqttSessionUnauthorized:
            heard.is_refused = True
            raise

    return start


def _robot_of(channel: Any) -> str:
    kept = vars(channel)
    return str(kept.get("robot") or kept.get("_duid") or "")


def _guarded_request(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(original)
    async def request(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        _judge_call(method, urlsplit(url).path)
        return await original(self, method, url, *args, **kwargs)

    return request


def _judge_call(method: str, path: str) -> None:
    if not is_cloud_read(method, path) and not (_MAY_LOG_IN.get() and is_cloud_login(method, path)):
        raise WriteRefusedError(f"{method.upper()} to the cloud")


class _CountedElsewhere:
    """Stands where the library counts how often it asked for a home."""

    def try_acquire(self, _name: str, **_options: Any) -> bool:
        """Let it ask."""
        return True


async def _never_restart(_self: HealthManager) -> None:
    """Take a timeout as it is."""


def _remembering_robot(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def init(self: Any, host: str, local_key: str, device_uid: str) -> None:
        with _speaking_with(device_uid):
            original(self, host, local_key, device_uid)
        self.robot = device_uid

    return init


def _within_robot(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def update(self: Any, params: Any) -> None:
        with _speaking_with(getattr(self, "robot", _ROBOT.get())):
            original(self, params)

    return update


def _subscribe_within_robot(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(original)
    async def subscribe(self: Any, callback: Any) -> Any:
        with _speaking_with(str(vars(self)["_duid"])):
            return await original(self, callback)

    return subscribe


def _noted_decoder(
    original: Callable[..., Callable[[bytes], None]],
) -> Callable[..., Callable[[bytes], None]]:
    @wraps(original)
    def decoder_callback(
        decoder: Callable[[bytes], list[RoborockMessage]], callback: Any, logger: Any = None
    ) -> Callable[[bytes], None]:
        heard, robot = _HEARD.get(), _ROBOT.get()

        def decode(data: bytes) -> list[RoborockMessage]:
            try:
                messages = decoder(data)
            except Exception:
                _count(1)
                raise
            _count(sum(message.protocol in _ANSWERS for message in messages) if messages else 1)
            return messages

        def _count(pieces: int) -> None:
            if heard is not None:
                heard.answers[robot] += pieces

        return original(decode, callback, logger)

    return decoder_callback
