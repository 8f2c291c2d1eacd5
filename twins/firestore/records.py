"""Stored documents: one version as the bytes it is sent as, with a table of where each field ends.

A version is never parsed to be sent. A projection copies the ranges it wants; a filter parses the one field
it asks about. Documents with the same field names share one ``Shape``, which keeps memory near the size of
the data itself.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import Any, Final

from twins.firestore.messages import Document, DocumentMessage, Value, ValueMessage
from twins.firestore.paths import NAME, FieldPath
from twins.firestore.values import get_field, set_field
from twins.firestore.wire import (
    DOCUMENT_CREATED,
    DOCUMENT_FIELD,
    DOCUMENT_NAME,
    DOCUMENT_UPDATED,
    delimited,
    encode_value,
    entry_prefix,
    read_varint,
    timestamp,
    varint,
)

_NARROW_LIMIT: Final = 0xFFFF  # offsets take two bytes up to here and four above


class Shape:
    """The field names of a document in the order they are stored, and how its table of ends is written."""

    __slots__ = ("index", "names", "narrow", "prefixes", "wide")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.index = {name: number for number, name in enumerate(names)}
        self.prefixes = tuple(entry_prefix(name) for name in names)
        self.narrow = struct.Struct(f"<{len(names)}H")
        self.wide = struct.Struct(f"<{len(names)}I")


_NO_FIELDS: Final = Shape(())


class Shapes:
    """Every shape seen so far, each kept once."""

    def __init__(self) -> None:
        self._shapes: dict[tuple[str, ...], Shape] = {}

    def of(self, names: tuple[str, ...]) -> Shape:
        """Return the one shape with these names in this order."""
        return self._shapes.get(names) or self._shapes.setdefault(names, Shape(names))


class Version:
    """One version of a document. Without a body it says that the document was deleted.

    Attributes:
        committed: When it was written, in microseconds since 1970.
        created: When the document was created, in microseconds since 1970.
        body: Table of field ends, then the fields, then both times, as they are sent.
    """

    __slots__ = ("body", "committed", "created", "shape")

    def __init__(self, committed: int, created: int, shape: Shape, body: bytes) -> None:
        self.committed = committed
        self.created = created
        self.shape = shape
        self.body = body

    def ends(self) -> tuple[tuple[int, ...], int]:
        """Return where each field ends in the body, and where the first begins."""
        table = self.shape.narrow if len(self.body) <= _NARROW_LIMIT else self.shape.wide
        return table.unpack_from(self.body), table.size

    def field(self, path: FieldPath) -> ValueMessage | None:
        """Return the value at a path, or None where there is none. Parses that one field only."""
        number = self.shape.index.get(path[0])
        if number is None:
            return None
        value = Value.FromString(self._value_bytes(number))
        if len(path) == 1:
            return value
        return get_field(value.map_value.fields, path[1:])

    def _value_bytes(self, number: int) -> bytes:
        ends, start = self.ends()
        body, at = self.body, (ends[number - 1] if number else start) + 1
        while body[at] & 128:  # the length of the entry
            at += 1
        at += 1 + len(self.shape.prefixes[number])
        while body[at] & 128:  # the length of the value
            at += 1
        return body[at + 1 : ends[number]]


def deleted(committed: int) -> Version:
    """Return the version that says the document is gone."""
    return Version(committed, committed, _NO_FIELDS, b"")


def pack(shapes: Shapes, values: Mapping[str, bytes], *, committed: int, created: int) -> Version:
    """Return a version from field name -> bytes of its ``Value``."""
    names = tuple(sorted(values))
    shape = shapes.of(names)
    entries, ends, size = [], [], 0
    for name, prefix in zip(names, shape.prefixes, strict=True):
        value = values[name]
        inner = prefix + varint(len(value)) + value
        entry = DOCUMENT_FIELD + varint(len(inner)) + inner
        size += len(entry)
        ends.append(size)
        entries.append(entry)
    return _assemble(shape, b"".join(entries), ends, committed, created)


def pack_message(shapes: Shapes, document: DocumentMessage, *, committed: int, created: int) -> Version:
    """Return a version from the fields of a ``Document`` message, which loses its name and times."""
    for other in ("name", "create_time", "update_time"):
        document.ClearField(other)
    # Serialized alone and deterministically, the fields are already what is stored; only their names and ends
    # are missing. Protobuf has an order of its own for them, so the names are read where they stand.
    entries = document.SerializeToString(deterministic=True)
    names, ends, at = [], [], 0
    while at < len(entries):
        length, at = read_varint(entries, at + 1)
        name_length, name_at = read_varint(entries, at + 1)
        names.append(entries[name_at : name_at + name_length].decode())
        at += length
        ends.append(at)
    return _assemble(shapes.of(tuple(names)), entries, ends, committed, created)


def _assemble(shape: Shape, entries: bytes, ends: list[int], committed: int, created: int) -> Version:
    times = timestamp(DOCUMENT_CREATED, created) + timestamp(DOCUMENT_UPDATED, committed)
    table = shape.narrow if shape.narrow.size + len(entries) + len(times) <= _NARROW_LIMIT else shape.wide
    header = table.pack(*[table.size + end for end in ends])
    return Version(committed, created, shape, header + entries + times)


def pack_values(shapes: Shapes, values: Mapping[str, Any], *, committed: int, created: int) -> Version:
    """Return a version from plain Python values."""
    encoded = {name: encode_value(value) for name, value in values.items()}
    return pack(shapes, encoded, committed=committed, created=created)


class Projection:
    """The fields a client asked for; cheap to apply to many documents of the same shape."""

    def __init__(self, paths: Iterable[FieldPath]) -> None:
        whole: set[str] = set()
        parts: dict[str, list[FieldPath]] = {}
        for path in paths:
            if path == NAME:
                continue
            if len(path) == 1:
                whole.add(path[0])
            else:
                parts.setdefault(path[0], []).append(path[1:])
        self._whole = whole
        self._parts = {name: paths for name, paths in parts.items() if name not in whole}
        self._runs: dict[Shape, tuple[list[tuple[int, int]], list[int]]] = {}

    def cut(self, version: Version) -> bytes:
        """Return the wanted fields of a version as they are sent."""
        shape = version.shape
        runs, nested = self._runs.get(shape) or self._plan(shape)
        ends, start = version.ends()
        body = version.body
        pieces = [body[ends[first - 1] if first else start : ends[last]] for first, last in runs]
        pieces.extend(self._cut_nested(version, number) for number in nested)
        return b"".join(pieces)

    def _plan(self, shape: Shape) -> tuple[list[tuple[int, int]], list[int]]:
        """Return runs of neighbouring whole fields (first, last), and the fields wanted in part."""
        runs: list[tuple[int, int]] = []
        for number, name in enumerate(shape.names):
            if name not in self._whole:
                continue
            if runs and runs[-1][1] == number - 1:
                runs[-1] = (runs[-1][0], number)
            else:
                runs.append((number, number))
        nested = [shape.index[name] for name in self._parts if name in shape.index]
        self._runs[shape] = runs, nested
        return runs, nested

    def _cut_nested(self, version: Version, number: int) -> bytes:
        name = version.shape.names[number]
        value = version.field((name,))
        out = Value()
        for path in self._parts[name]:
            found = get_field(value.map_value.fields, path) if value is not None else None
            if found is not None:
                set_field(out.map_value.fields, path, found)
        if not out.HasField("map_value"):
            return b""
        inner = delimited(entry_prefix(name), out.SerializeToString(deterministic=True))
        return delimited(DOCUMENT_FIELD, inner)


def encode_document(name: str, version: Version, projection: Projection | None = None) -> bytes:
    """Return a whole ``Document`` message as bytes, with all fields or with those of the projection."""
    encoded = name.encode()
    head = DOCUMENT_NAME + varint(len(encoded)) + encoded
    ends, start = version.ends()
    if projection is None:
        return head + version.body[start:]
    times = version.body[ends[-1] if ends else start :]
    return head + projection.cut(version) + times


def to_message(name: str, version: Version, projection: Projection | None = None) -> DocumentMessage:
    """Return a whole ``Document`` message."""
    return Document.FromString(encode_document(name, version, projection))
