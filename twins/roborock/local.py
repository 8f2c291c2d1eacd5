"""One robot on its own wire: TCP port 58867, as the client has it built in, in dialect 1.0 or L01."""

import asyncio
import errno
import os
import socket
import struct
from contextlib import suppress
from typing import Final

from roborock.roborock_message import RoborockMessage
from roborock.roborock_message import RoborockMessageProtocol as Kind

from twins.roborock.faults import Fault, Faults
from twins.roborock.frames import HEADER, empty_frame, frame, opened, reply
from twins.roborock.robots import PORT, FakeRobot, answer_v1

_CLOSING: Final = ("refused", "black_hole", "off")
_SPOILING: Final = (
    "reset",
    "slow",
    "split",
    "merge",
    "bad_crc",
    "truncated",
    "garbage",
    "garbage_then_ok",
    "wrong_key",
    "not_json",
    "bad_id",
    "huge_len",
)
_LARGEST_FRAME: Final = 64 * 1024
_PIECES: Final = 40
OTHER_KEY: Final = "another-key-0000"


class LocalWire:
    """A robot's server. ``tend`` opens and closes the port as the faults say."""

    def __init__(self, robot: FakeRobot, faults: Faults) -> None:
        self.robot = robot
        self.connections = 0
        self._faults = faults
        self._server: asyncio.Server | None = None
        self._hole: list[socket.socket] = []
        self._writers: set[asyncio.StreamWriter] = set()

    async def tend(self) -> None:
        """Listen, refuse or swallow, whichever is asked for now."""
        if self._faults.has("black_hole", robot=self.robot.duid):
            await self._close()
            self._swallow()
        elif self._faults.has(*_CLOSING, robot=self.robot.duid):
            self._stop_swallowing()
            await self._close()
        else:
            self._stop_swallowing()
            if self._server is None and self.robot.ip:
                await self._listen()

    async def stop(self) -> None:
        """Close everything."""
        self._stop_swallowing()
        await self._close()

    async def _listen(self) -> None:
        try:
            self._server = await asyncio.start_server(self._serve, self.robot.ip, PORT)
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            # Not every system has all of 127.0.0.0/8; such a robot is reached through the broker only.
            self.robot.ip = ""

    async def _close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()
        self._server = None

    def _swallow(self) -> None:
        """Fill the queue of a port nobody takes from: further connections are neither made nor refused."""
        if self._hole or not self.robot.ip:
            return
        port = socket.socket()
        port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port.bind((self.robot.ip, PORT))
        port.listen(0)
        self._hole.append(port)
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex((self.robot.ip, PORT))
            self._hole.append(filler)

    def _stop_swallowing(self) -> None:
        for port in self._hole:
            port.close()
        self._hole.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        nonces: dict[str, int | None] = {"connect_nonce": None, "ack_nonce": None}
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, struct.error):
                while True:
                    (size,) = struct.unpack(">I", await reader.readexactly(4))
                    if size > _LARGEST_FRAME:
                        break
                    await self._take(await reader.readexactly(size), writer, nonces)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _take(self, raw: bytes, writer: asyncio.StreamWriter, nonces: dict[str, int | None]) -> None:
        version, sequence, random, at, protocol = HEADER.unpack_from(raw)
        if version != self.robot.dialect.encode():
            return  # a real robot ignores a dialect it does not know
        if protocol == Kind.HELLO_REQUEST:
            if self._faults.has("mute", "mute_hello", robot=self.robot.duid):
                return
            own = int.from_bytes(os.urandom(2), "big")
            nonces |= {"connect_nonce": random, "ack_nonce": own}
            writer.write(
                empty_frame(version, sequence=sequence, random=own, at=at, protocol=Kind.HELLO_RESPONSE)
            )
            if self._faults.take("drop_after_hello", robot=self.robot.duid):
                writer.transport.abort()
        elif protocol == Kind.PING_REQUEST:
            writer.write(
                empty_frame(version, sequence=sequence, random=random, at=at, protocol=Kind.PING_RESPONSE)
            )
        elif protocol == Kind.GENERAL_REQUEST:
            message = opened(raw, self.robot.local_key, **nonces)
            if message is not None and message.payload:
                payload = answer_v1(self.robot, message.payload, self._faults)
                if payload is not None:
                    await self._answer(writer, message, payload, nonces)

    async def _answer(
        self,
        writer: asyncio.StreamWriter,
        message: RoborockMessage,
        payload: bytes,
        nonces: dict[str, int | None],
    ) -> None:
        fault = self._faults.take(*_SPOILING, robot=self.robot.duid)

        def sealed(said: bytes, key: str = self.robot.local_key) -> bytes:
            return frame(reply(message, Kind.GENERAL_RESPONSE, said), key, **nonces)

        whole = sealed(payload)
        if fault is None:
            writer.write(whole)
        elif fault.kind in {"reset", "slow", "split"}:
            await _send_oddly(writer, whole, fault)
        else:
            other = {
                "wrong_key": lambda: sealed(payload, OTHER_KEY),
                "not_json": lambda: sealed(b"<html>busy</html>"),
                "bad_id": lambda: sealed(payload.replace(b'\\"id\\": ', b'\\"id\\": 9')),
            }.get(fault.kind)
            writer.write(other() if other else spoiled(whole, fault.kind))


async def _send_oddly(writer: asyncio.StreamWriter, whole: bytes, fault: Fault) -> None:
    if fault.kind == "reset":
        writer.transport.abort()
    elif fault.kind == "slow":
        await asyncio.sleep(fault.seconds)
        writer.write(whole)
    else:
        size = len(whole) // _PIECES + 1
        for start in range(0, len(whole), size):
            writer.write(whole[start : start + size])
            await asyncio.sleep(0)


def spoiled(whole: bytes, kind: str) -> bytes:
    """Return an answer's bytes as a fault leaves them."""
    garbage = os.urandom(64)
    return {
        "merge": whole + whole,
        "bad_crc": whole[:-1] + bytes([whole[-1] ^ 0xFF]),
        "truncated": whole[:-9],
        "garbage": garbage,
        "garbage_then_ok": garbage + whole,
        "huge_len": struct.pack(">I", 2**31 - 1) + whole[4:],
    }[kind]
