"""Protobuf's wire format, as far as documents need it: written by hand where building messages would be slow.

The store keeps a document as the bytes it is sent as, so most reads only cut and join. See
https://protobuf.dev/programming-guides/encoding/ and ``google/firestore/v1/document.proto``.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.cloud.firestore_v1 import GeoPoint
from google.cloud.firestore_v1.vector import Vector

from twins.firestore.clock import to_micros

# One byte (or two) before each field of a message: its number, and how it is written.
DOCUMENT_NAME, DOCUMENT_FIELD, DOCUMENT_CREATED, DOCUMENT_UPDATED = b"\x0a", b"\x12", b"\x1a", b"\x22"
ENTRY_KEY, ENTRY_VALUE = b"\x0a", b"\x12"
ARRAY_ITEM, MAP_ENTRY = b"\x0a", b"\x0a"
BOOLEAN, INTEGER, DOUBLE, REFERENCE, MAP, GEO_POINT = b"\x08", b"\x10", b"\x19", b"\x2a", b"\x32", b"\x42"
ARRAY, TIMESTAMP, NULL, STRING, BYTES = b"\x4a", b"\x52", b"\x58", b"\x8a\x01", b"\x92\x01"

_DOUBLE = struct.Struct("<d")
_SMALL = tuple(bytes([number]) for number in range(128))
_WORD = 2**64 - 1
_INTEGERS = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference value: the full name of the document it points to."""

    name: str


def varint(number: int) -> bytes:
    """Return an integer as a varint; negative ones as 64-bit two's complement."""
    if 0 <= number < 128:
        return _SMALL[number]
    number &= _WORD
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return (the varint that begins at ``at``, where it ends)."""
    number = shift = 0
    while data[at] & 128:
        number |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
    return number | data[at] << shift, at + 1


def delimited(tag: bytes, payload: bytes) -> bytes:
    """Return one length-delimited field."""
    return tag + varint(len(payload)) + payload


def timestamp(tag: bytes, micros: int) -> bytes:
    """Return one ``Timestamp`` field for microseconds since 1970."""
    seconds, rest = divmod(micros, 1_000_000)
    payload = (b"\x08" + varint(seconds) if seconds else b"") + (
        b"\x10" + varint(rest * 1000) if rest else b""
    )
    return delimited(tag, payload)


def entry_prefix(name: str) -> bytes:
    """Return what stands in a map entry between its length and the length of its value."""
    return delimited(ENTRY_KEY, name.encode()) + ENTRY_VALUE


def encode_value(value: Any) -> bytes:  # noqa: C901, PLR0911, PLR0912 - one branch for each of Firestore's types
    """Return a Python value as the bytes of a ``Value`` message.

    Takes None, bool, int, float, str, bytes, aware datetime, ``Reference``, ``GeoPoint``, ``Vector``, lists
    or tuples, and mappings with text keys. Deterministic: keys of a map are written in order.

    Raises:
        TypeError: for any other type.
        ValueError: for an integer beyond 64 bits, or a naive datetime.
    """
    if isinstance(value, str):
        return delimited(STRING, value.encode())
    if value is None:
        return NULL + b"\x00"
    if isinstance(value, bool):
        return BOOLEAN + (b"\x01" if value else b"\x00")
    if isinstance(value, int):
        if value not in _INTEGERS:
            raise ValueError("Firestore's integers have 64 bits")
        return INTEGER + varint(value)
    if isinstance(value, float):
        return DOUBLE + _DOUBLE.pack(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("instants must be aware datetimes")
        return timestamp(TIMESTAMP, to_micros(value))
    if isinstance(value, Vector):
        return encode_value({"__type__": "__vector__", "value": [float(item) for item in value]})
    if isinstance(value, Mapping):
        payload = b"".join(
            delimited(MAP_ENTRY, delimited(entry_prefix(name), encode_value(value[name])))
            for name in sorted(value)
        )
        return delimited(MAP, payload)
    if isinstance(value, list | tuple):
        return delimited(ARRAY, b"".join(delimited(ARRAY_ITEM, encode_value(item)) for item in value))
    if isinstance(value, bytes):
        return delimited(BYTES, value)
    if isinstance(value, Reference):
        return delimited(REFERENCE, value.name.encode())
    if isinstance(value, GeoPoint):
        return delimited(
            GEO_POINT, _coordinate(b"\x09", value.latitude) + _coordinate(b"\x11", value.longitude)
        )
    raise TypeError(f"Firestore has no type for {type(value).__name__}")


def _coordinate(tag: bytes, degrees: float) -> bytes:
    # A zero is left out on the wire, except that minus zero is not zero to protobuf.
    return tag + _DOUBLE.pack(degrees) if degrees or math.copysign(1, degrees) < 0 else b""
