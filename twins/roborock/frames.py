"""The robots' frames: length, header, sealed payload, checksum. The vendor's own code seals them."""

import struct
import zlib
from typing import Any, Final

from roborock.protocol import MessageParser
from roborock.roborock_message import RoborockMessage, RoborockMessageProtocol

HEADER: Final = struct.Struct(">3sIIIH")
"""Version, sequence, random, time, protocol: all there is of a frame without a payload."""


def empty_frame(version: bytes, *, sequence: int, random: int, at: int, protocol: int) -> bytes:
    """Return a greeting or a ping, with its length: the vendor's code can neither build nor read these."""
    body = HEADER.pack(version, sequence, random, at, protocol) + b"\0\0"
    body += struct.pack(">I", zlib.crc32(body))
    return struct.pack(">I", len(body)) + body


def frame(message: RoborockMessage, local_key: str, **nonces: Any) -> bytes:
    """Return a sealed frame with its length."""
    return bytes(MessageParser.build(message, local_key=local_key, **nonces))


def opened(raw: bytes, local_key: str, **nonces: Any) -> RoborockMessage | None:
    """Return the message in a frame without its length; null when this key does not open it."""
    try:
        messages, _ = MessageParser.parse(raw, local_key=local_key, **nonces)
    except Exception:  # noqa: BLE001 - whatever the vendor's code trips over, it is no message to this robot
        return None
    return messages[0] if messages and messages[0].payload else None


def reply(message: RoborockMessage, protocol: RoborockMessageProtocol, payload: bytes) -> RoborockMessage:
    """Return the answer to a message."""
    return RoborockMessage(protocol=protocol, payload=payload, seq=message.seq, version=message.version)
