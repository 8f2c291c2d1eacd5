"""Firestore's query responses as columns: ids, and for every requested field path its cells.

Follows ``google/firestore/v1`` (``RunQueryResponse``, ``Document``, ``Value``, ``MapValue``). A value without
a column form (a list, a place, bytes) stays serialised until somebody asks for it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from resources.firestore.cells import Cells, CellType
from resources.firestore.wire import Bytes, Ints, Names, UnexpectedShapeError, Wire, Words, short_varints

DecodeValue = Callable[[bytes], Any]

# Tag bytes: field number << 3 | wire type.
_RESPONSE_DOCUMENT, _TRANSACTION, _READ_TIME, _SKIPPED, _DONE = 0x0A, 0x12, 0x1A, 0x20, 0x30
_DOCUMENT_NAME, _DOCUMENT_FIELD, _DOCUMENT_TIMES = 0x0A, 0x12, (0x1A, 0x22)
_MAP_FIELD = 0x0A
_U = np.uint64
_ENTRY_KEY, _ENTRY_VALUE = _U(0x0A), _U(0x12)
_SECONDS, _NANOS = _U(0x08), _U(0x10)
_TEXT_TAG_SECOND_BYTE = _U(0x0100)  # string_value is field 17, so its tag takes two bytes

_MAP_TAG = 0x32
_TYPES = {
    0x08: CellType.BOOLEAN,
    0x10: CellType.INTEGER,
    0x19: CellType.DOUBLE,
    0x52: CellType.INSTANT,
    0x58: CellType.NULL,
    0x8A: CellType.TEXT,
}
_TYPE_OF_TAG = np.array([_TYPES.get(tag, CellType.OTHER) for tag in range(256)], dtype=np.uint8)

_NANOS_LIMIT = 10**9
_SECONDS_LIMIT = 10**12  # beyond this, microseconds do not fit into 64 bits


class WireCells:
    """Cells of one field path over serialised documents."""

    def __init__(self, values: "_Values", entries: Ints, decode_value: DecodeValue) -> None:
        """Make cells; ``entries`` says for every document which of ``values`` is its own."""
        self.types: Bytes = values.types[entries]
        self._values = values
        self._entries = entries
        self._decode_value = decode_value

    @property
    def numbers(self) -> Ints:
        """See :class:`resources.firestore.cells.Cells`."""
        return self._values.numbers[self._entries]

    @property
    def texts(self) -> pa.Array:
        """See :class:`resources.firestore.cells.Cells`."""
        spans = self.numbers
        return _texts(self._values.wire, spans >> 32, spans & 0xFFFF_FFFF, self.types == CellType.TEXT)

    def value(self, index: int) -> Any:
        """See :class:`resources.firestore.cells.Cells`."""
        if self.types[index] == CellType.ABSENT:
            return None
        entry = self._entries[index]
        start, end = self._values.starts[entry], self._values.ends[entry]
        return self._decode_value(self._values.wire.data[start:end])


class WireColumns:
    """Reads batches of serialised responses for one set of field paths."""

    def __init__(self, field_paths: Sequence[str], name_prefix: str, decode_value: DecodeValue) -> None:
        """Make a reader.

        Args:
            field_paths: The requested paths (``pickupWindow.status``); one column each.
            name_prefix: What every document name begins with, up to and including the last slash.
            decode_value: Decodes one serialised ``Value``; used for values without a column form.
        """
        self._paths = tuple(field_paths)
        self._prefix = len(name_prefix.encode())
        self._decode_value = decode_value
        self._tree = _Branch([(path.split("."), index) for index, path in enumerate(self._paths)])

    def read(self, messages: Sequence[bytes]) -> tuple[Wire, list[str], Mapping[str, Cells]]:
        """Return the bytes, the ids and the columns of the documents in some responses, in order.

        Every response must hold exactly one document.

        Raises:
            UnexpectedShapeError: when the bytes are not laid out as every known server lays them out.
        """
        wire = Wire(messages)
        starts, ends = _first(wire, wire.starts, wire.ends, _RESPONSE_DOCUMENT)
        # Behind the document may stand what the response says about itself, and nothing else.
        wire.fields(ends, wire.ends, _READ_TIME, (_TRANSACTION,), (_SKIPPED, _DONE))
        name_starts, name_ends = _first(wire, starts, ends, _DOCUMENT_NAME)
        ids = _texts(wire, name_starts + self._prefix, name_ends, np.ones(len(starts), dtype=np.bool_))
        columns: list[Cells | None] = [None] * len(self._paths)
        entries = wire.fields(name_ends, ends, _DOCUMENT_FIELD, _DOCUMENT_TIMES)
        self._tree.read(wire, entries, len(messages), self._decode_value, columns)
        by_path = {path: cells for path, cells in zip(self._paths, columns, strict=True) if cells}
        return wire, ids.to_pylist(), by_path


class _Branch:
    """The requested fields of one level: names that are columns, and names that lead to deeper ones."""

    def __init__(self, paths: Sequence[tuple[Sequence[str], int]]) -> None:
        heads = list(dict.fromkeys(path[0] for path, _ in paths))
        self._names = Names(heads)
        self._columns = {heads.index(path[0]): column for path, column in paths if len(path) == 1}
        self._deeper: dict[int, _Branch] = {}
        for place, head in enumerate(heads):
            below = [(path[1:], column) for path, column in paths if path[0] == head and len(path) > 1]
            if below:
                self._deeper[place] = _Branch(below)
        self._width = len(heads)

    def read(
        self,
        wire: Wire,
        entries: tuple[Ints, Ints, Ints],
        documents: int,
        decode_value: DecodeValue,
        columns: list[Cells | None],
    ) -> None:
        """Find the values of map entries (owner, start, end) and hang them into their columns."""
        owners, keys, ends = entries
        heads = wire.words[keys]
        lengths = ((heads >> _U(8)) & _U(0x7F)).view(np.int64)
        at = keys + (lengths + 2)
        if ((heads & _U(0x80FF)) != _ENTRY_KEY).any() or (at > ends).any():  # a key's length takes one byte
            raise UnexpectedShapeError
        names = self._names.find(wire, keys + 2, lengths, heads >> _U(16))
        heads = wire.words[at]
        if ((heads & _U(0xFF)) != _ENTRY_VALUE).any():
            raise UnexpectedShapeError
        sizes, starts = wire.contents(heads, at)
        if (starts + sizes != ends).any():
            raise UnexpectedShapeError
        # Behind a tag and a length of one byte each, the word looked at holds six bytes of the value already.
        is_short = not (heads & _U(0x8000)).any()
        values = _Values(wire, starts, ends, heads >> _U(16) if is_short else wire.words[starts])
        # Where each document's value of each name is found; the entry after the last one means: nowhere.
        table = np.full((self._width + 1, documents), len(owners), dtype=np.int64)
        table.reshape(-1)[names * documents + owners] = np.arange(len(owners))  # unknown names: the spare row
        for place, column in self._columns.items():
            columns[column] = WireCells(values, table[place], decode_value)
        for place, branch in self._deeper.items():
            found = table[place]
            found = found[values.tags[found] == _MAP_TAG]
            _, content = wire.contents(wire.words[starts[found]], starts[found])
            which, begins, finishes = wire.fields(content, ends[found], _MAP_FIELD)
            branch.read(wire, (owners[found][which], begins, finishes), documents, decode_value, columns)


class _Values:
    """Type and number of many serialised values, and after the last of them one that is absent.

    The number of a TEXT value says where its text lies: start in the upper half, end in the lower.
    """

    def __init__(self, wire: Wire, starts: Ints, ends: Ints, heads: Words) -> None:
        """Look at values; the low six bytes of ``heads`` are those at ``starts``."""
        self.wire = wire
        self.starts, self.ends = starts, ends
        self.tags = np.append(heads.astype(np.uint8), np.uint8(0))  # the lowest byte
        self.types = _TYPE_OF_TAG[self.tags]
        self.types[:-1][starts == ends] = CellType.OTHER
        self.types[-1] = CellType.ABSENT
        self.numbers = np.zeros(len(starts) + 1, dtype=np.int64)
        for cell_type, read in _READERS:
            where = np.flatnonzero(self.types == cell_type)
            if len(where):
                found, after = read(wire, heads[where], starts[where])
                self.numbers[where] = found
                is_odd = after != ends[where]
                if is_odd.any():
                    self.types[where[is_odd]] = CellType.OTHER


def _booleans(_: Wire, heads: Words, starts: Ints) -> tuple[Ints, Ints]:
    numbers, sizes = short_varints(heads >> _U(8))
    return (numbers != 0).astype(np.int64), starts + 1 + sizes


def _integers(wire: Wire, _: Words, starts: Ints) -> tuple[Ints, Ints]:
    return wire.varints(starts + 1)


def _doubles(wire: Wire, _: Words, starts: Ints) -> tuple[Ints, Ints]:
    return wire.words[starts + 1].view(np.int64), starts + 9


def _instants(wire: Wire, heads: Words, starts: Ints) -> tuple[Ints, Ints]:
    """Return epoch microseconds; finer digits are dropped, as the source itself keeps microseconds."""
    has_seconds = ((heads >> _U(16)) & _U(0xFF)) == _SECONDS
    size = (heads >> _U(8)) & _U(0xFF)
    numbers, sizes = short_varints(wire.words[starts + 3])
    seconds = np.where(has_seconds & (size > 0), numbers, 0)
    at = starts + 2 + np.where(has_seconds & (size > 0), sizes + 1, 0)
    ends = starts + 2 + size.view(np.int64)
    heads = wire.words[at]
    has_nanos = ((heads & _U(0xFF)) == _NANOS) & (at < ends)
    numbers, sizes = short_varints(heads >> _U(8))
    nanos = np.where(has_nanos, numbers, 0)
    at = np.where(has_nanos, at + 1 + sizes, at)
    is_usual = (at == ends) & (seconds < _SECONDS_LIMIT) & (nanos < _NANOS_LIMIT)
    return np.where(is_usual, seconds, 0) * 1_000_000 + nanos // 1000, np.where(is_usual, at, -1)


def _text_spans(wire: Wire, heads: Words, starts: Ints) -> tuple[Ints, Ints]:
    lengths, content = wire.contents(heads >> _U(8), starts + 1)
    ends = content + lengths
    return (content << 32) | ends, np.where((heads & _U(0xFF00)) == _TEXT_TAG_SECOND_BYTE, ends, -1)


_READERS = (
    (CellType.BOOLEAN, _booleans),
    (CellType.INTEGER, _integers),
    (CellType.DOUBLE, _doubles),
    (CellType.INSTANT, _instants),
    (CellType.TEXT, _text_spans),
)


def _first(wire: Wire, starts: Ints, ends: Ints, tag: int) -> tuple[Ints, Ints]:
    """Return where the content of the first field of every message lies; it must be the one named."""
    heads = wire.words[starts]
    lengths, content = wire.contents(heads, starts)
    if ((heads & _U(0xFF)) != _U(tag)).any() or (lengths < 0).any() or (content + lengths > ends).any():
        raise UnexpectedShapeError
    return content, content + lengths


def _texts(wire: Wire, starts: Ints, ends: Ints, is_text: npt.NDArray[np.bool_]) -> pa.Array:
    """Return pieces of the bytes as strings, null where there is none.

    The pieces and the gaps between them are laid over the bytes as one array, of which every second element
    is taken: Arrow copies the pieces, not Python. Pieces come in rising order, as the documents do.
    """
    count = len(starts)
    if not is_text.all():
        # A cell without text is an empty piece at the end of the last text before it, which keeps the order.
        ends = np.maximum.accumulate(np.where(is_text, ends, 0))
        starts = np.where(is_text, starts, ends)
    edges = np.empty(2 * count + 1, dtype=np.int32)
    edges[0 : 2 * count : 2] = starts
    edges[1 : 2 * count : 2] = ends
    edges[2 * count] = ends[-1] if count else 0
    if (edges[1:] < edges[:-1]).any():
        raise UnexpectedShapeError
    pieces = pa.Array.from_buffers(
        pa.binary(), 2 * count, [None, pa.py_buffer(edges), pa.py_buffer(wire.data)]
    )
    wanted = pa.array(np.arange(0, 2 * count, 2, dtype=np.int64), mask=~is_text)
    return pieces.take(wanted).cast(pa.string())
