"""The parts of MQTT 5 that the maker's client uses: packets read from and written to bytes."""

import asyncio
import struct
from typing import Final

CONNECT, PUBLISH, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT = 1, 3, 8, 10, 12, 14
LARGEST_PACKET: Final = 1024 * 1024
PONG: Final = b"\xd0\0"


async def read_packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return a packet's first byte and body.

    Raises:
        ConnectionError: when it is larger than any that is meant.
    """
    head = (await reader.readexactly(1))[0]
    size = shift = 0
    while True:
        number = (await reader.readexactly(1))[0]
        size |= (number & 127) << shift
        shift += 7
        if not number & 128:
            break
    if size > LARGEST_PACKET:
        raise ConnectionError
    return head, await reader.readexactly(size)


def packet(head: int, body: bytes) -> bytes:
    """Return a packet's bytes."""
    return bytes([head]) + _varint(len(body)) + body


def take_text(body: bytes, at: int) -> tuple[str, int]:
    """Return a text and where it ends."""
    (size,) = struct.unpack_from(">H", body, at)
    return body[at + 2 : at + 2 + size].decode(), at + 2 + size


def take_varint(body: bytes, at: int) -> tuple[int, int]:
    """Return a number of variable length and where it ends."""
    number = shift = 0
    while True:
        number |= (body[at] & 127) << shift
        shift += 7
        at += 1
        if not body[at - 1] & 128:
            return number, at


def _varint(number: int) -> bytes:
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)
