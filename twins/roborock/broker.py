"""The maker's broker: MQTT 5, with every pretend robot behind it.

One pair of topics per robot: the client asks on ``rr/m/i/<user>/<login>/<robot>`` and hears on
``rr/m/o/...``.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from roborock.protocol import create_mqtt_decoder, create_mqtt_encoder
from roborock.roborock_message import RoborockMessage
from roborock.roborock_message import RoborockMessageProtocol as Kind

from twins.ports import held
from twins.roborock.account import Account
from twins.roborock.faults import Faults
from twins.roborock.frames import reply
from twins.roborock.packets import (
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PONG,
    PUBLISH,
    SUBSCRIBE,
    UNSUBSCRIBE,
    packet,
    read_packet,
    take_text,
    take_varint,
)
from twins.roborock.robots import FakeRobot, answer_datapoints, answer_v1

NOT_AUTHORIZED: Final = 135
_VERSION_5: Final = 5
_BLOCK: Final = 16


class Broker:
    """The server. ``logins`` counts the logins tried, ``sessions`` holds who is in."""

    def __init__(self, account: Account, robots: Mapping[str, FakeRobot], faults: Faults) -> None:
        self._account = account
        self._robots = robots
        self._faults = faults
        self.logins = 0
        self.sessions: dict[asyncio.StreamWriter, set[str]] = {}
        self._server: asyncio.Server | None = None
        self._holder: socket.socket | None = None
        self.port = 0

    async def tend(self) -> None:
        """Listen, or do not, whichever is asked for now."""
        if self._holder is None:
            self._holder = held("127.0.0.1", self.port)
            self.port = self._holder.getsockname()[1]
        if self._faults.has("broker_down"):
            await self._close()
        elif self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self) -> None:
        """Close everything; the number of the port is remembered, and no longer held."""
        await self._close()
        if self._holder is not None:
            self._holder.close()
            self._holder = None

    async def _close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for writer in list(self.sessions):
            writer.transport.abort()
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(
                asyncio.IncompleteReadError, ConnectionError, struct.error, IndexError, UnicodeError
            ):
                while await self._take(*await read_packet(reader), writer):
                    pass
        finally:
            self.sessions.pop(writer, None)
            writer.close()

    async def _take(self, head: int, body: bytes, writer: asyncio.StreamWriter) -> bool:
        """Answer a packet and return whether the connection goes on."""
        kind = head >> 4
        if kind == CONNECT:
            return self._let_in(body, writer)
        if kind in {SUBSCRIBE, UNSUBSCRIBE}:
            (number,) = struct.unpack_from(">H", body)
            skipped, at = take_varint(body, 2)
            topic, _ = take_text(body, at + skipped)
            topics = self.sessions[writer]
            (topics.add if kind == SUBSCRIBE else topics.discard)(topic)
            writer.write(packet(0x90 if kind == SUBSCRIBE else 0xB0, struct.pack(">HBB", number, 0, 0)))
        elif kind == PUBLISH:
            topic, at = take_text(body, 0)
            if (head >> 1) & 3:
                writer.write(packet(0x40, body[at : at + 2]))
                at += 2
            skipped, at = take_varint(body, at)
            self._pass_on(topic.rpartition("/")[2], body[at + skipped :])
        elif kind == PINGREQ:
            writer.write(PONG)
        return kind != DISCONNECT

    def _let_in(self, body: bytes, writer: asyncio.StreamWriter) -> bool:
        _, at = take_text(body, 0)
        version = body[at]
        skipped, at = take_varint(body, at + 4)
        _, at = take_text(body, at + skipped)
        name, at = take_text(body, at)
        password, _ = take_text(body, at)
        self.logins += 1
        if self._faults.has("broker_hangs"):
            return True
        is_known = (name, password) == self._account.broker_login() and version == _VERSION_5
        code = 0 if is_known and not self._faults.take("broker_refuses") else NOT_AUTHORIZED
        writer.write(packet(0x20, bytes([0, code, 0])))
        if code == 0:
            self.sessions[writer] = set()
        return code == 0

    def _pass_on(self, duid: str, raw: bytes) -> None:
        robot = self._robots.get(duid)
        if robot is None or self._faults.has("broker_mute") or self._faults.has("off", robot=duid):
            return
        for message in create_mqtt_decoder(robot.local_key)(raw):
            payload = self._answer(robot, message)
            if payload is None:
                continue
            sealed = create_mqtt_encoder(robot.local_key)(reply(message, Kind.RPC_RESPONSE, payload))
            if self._faults.has("broker_garbage"):
                sealed = b"\xff" * 40
            elif self._faults.has("broker_bad_crc"):
                sealed = sealed[:-1] + bytes([sealed[-1] ^ 0xFF])
            self._tell(duid, sealed)

    def _answer(self, robot: FakeRobot, message: RoborockMessage) -> bytes | None:
        payload = message.payload or b""
        if robot.pv == "1.0":
            return answer_v1(robot, payload, self._faults)
        given: dict[str, Any] = json.loads(_unpadded(payload))["dps"]
        datapoints = answer_datapoints(robot, given, self._faults)
        if datapoints is None:
            return None
        said = json.dumps({"dps": datapoints}).encode()
        # A Q10 answers in plain JSON, its relatives in whole blocks.
        return said if robot.pv == "B01" and "10001" not in datapoints else _padded(said)

    def _tell(self, duid: str, raw: bytes) -> None:
        login, _ = self._account.broker_login()
        topic = f"rr/m/o/{self._account.user}/{login}/{duid}"
        body = struct.pack(">H", len(topic)) + topic.encode() + b"\0" + raw
        for writer, topics in self.sessions.items():
            if topic in topics:
                writer.write(packet(0x30, body))


def _padded(payload: bytes) -> bytes:
    size = _BLOCK - len(payload) % _BLOCK
    return payload + bytes([size]) * size


def _unpadded(payload: bytes) -> bytes:
    size = payload[-1] if payload else 0
    is_padded = 1 <= size <= _BLOCK and payload.endswith(bytes([size]) * size)
    return payload[:-size] if is_padded else payload
