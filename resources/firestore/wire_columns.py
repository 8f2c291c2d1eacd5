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
from resources.firestore.wire import Bytes, Ints, Names, UnexpectedShapeError, Wire

DecodeValue = Callable[[bytes], Any]

# Tag bytes: field number << 3 | wire type.
_RESPONSE_DOCUMENT = 0x0A
_DOCUMENT_NAME, _DOCUMENT_FIELD, _MAP_FIELD = 0x0A, 0x12, 0x0A
_ENTRY_KEY, _ENTRY_VALUE = 0x0A, 0x12
_SECONDS, _NANOS = 0x08, 0x10
_TEXT_TAG_SECOND_BYTE = 0x01  # string_value is field 17, so its tag takes two bytes

_MAP_TAG = 0x32
_MAP = 8  # a map; its fields may be columns, itself it is OTHER
_TYPES = {
    0x08: CellType.BOOLEAN,
    0x10: CellType.INTEGER,
    0x19: CellType.DOUBLE,
    _MAP_TAG: _MAP,
    0x52: CellType.INSTANT,
    0x58: CellType.NULL,
    0x8A: CellType.TEXT,
}
_TYPE_OF_TAG = np.array([_TYPES.get(tag, CellType.OTHER) for tag in range(256)], dtype=np.uint8)

_NANOS_LIMIT = 10**9
_SECONDS_LIMIT = 10**12  # beyond this, microseconds do not fit into 64 bits


class WireCells:
    """Cells of one field path over serialised documents."""

    def __init__(
        self, wire: Wire, types: Bytes, numbers: Ints, spans: tuple[Ints, Ints], decode_value: DecodeValue
    ) -> None:
        self.types = types
        self.numbers = numbers
        self._wire = wire
        self._starts, self._ends = spans
        self._decode_value = decode_value

    @property
    def texts(self) -> pa.Array:
        """See :class:`resources.firestore.cells.Cells`."""
        is_text = self.types == CellType.TEXT
        # For a TEXT cell ``numbers`` says where its text starts; it ends where the value ends.
        return _texts(self._wire, self.numbers, self._ends, is_text)

    def value(self, index: int) -> Any:
        """See :class:`resources.firestore.cells.Cells`."""
        if self.types[index] == CellType.ABSENT:
            return None
        return self._decode_value(self._wire.data[self._starts[index] : self._ends[index]])


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

    def read(self, messages: Sequence[bytes]) -> tuple[list[str], Mapping[str, Cells]]:
        """Return the ids and the columns of the documents in some responses, in order.

        Every response must hold exactly one document.

        Raises:
            UnexpectedShapeError: when the bytes are not laid out as every known server lays them out.
        """
        wire = Wire(messages)
        _, starts, ends = _once(wire, wire.starts, wire.ends, _RESPONSE_DOCUMENT, len(messages))
        _, name_starts, name_ends = _once(wire, starts, ends, _DOCUMENT_NAME, len(messages))
        ids = _texts(wire, name_starts + self._prefix, name_ends, np.ones(len(starts), dtype=np.bool_))
        table = _Table(len(self._paths), len(starts))
        self._tree.read(wire, wire.fields(starts, ends, _DOCUMENT_FIELD), table)
        columns = {
            path: WireCells(
                wire, table.types[i], table.numbers[i], (table.starts[i], table.ends[i]), self._decode_value
            )
            for i, path in enumerate(self._paths)
        }
        return ids.to_numpy(zero_copy_only=False).tolist(), columns


class _Table:
    """Where every value was found: one row per field path, one column per document."""

    def __init__(self, paths: int, documents: int) -> None:
        self.types = np.zeros((paths, documents), dtype=np.uint8)
        self.numbers = np.zeros((paths, documents), dtype=np.int64)
        self.starts = np.zeros((paths, documents), dtype=np.int64)
        self.ends = np.zeros((paths, documents), dtype=np.int64)


class _Branch:
    """The requested fields of one level: names that are columns, and names that lead to deeper ones."""

    def __init__(self, paths: Sequence[tuple[Sequence[str], int]]) -> None:
        heads = list(dict.fromkeys(path[0] for path, _ in paths))
        self._names = Names(heads)
        self._columns = np.full(len(heads), -1, dtype=np.int64)
        self._deeper: dict[int, _Branch] = {}
        for place, head in enumerate(heads):
            below = [(path[1:], column) for path, column in paths if path[0] == head and len(path) > 1]
            if below:
                self._deeper[place] = _Branch(below)
        for path, column in paths:
            if len(path) == 1:
                self._columns[heads.index(path[0])] = column

    def read(self, wire: Wire, entries: tuple[Ints, Ints, Ints], table: _Table) -> None:
        """Put the values of map entries (owner, start, end) into the table."""
        owners, keys, ends = entries
        if not len(owners):
            return
        if (wire.bytes[keys] != _ENTRY_KEY).any() or (wire.bytes[keys + 1] & 0x80).any():
            raise UnexpectedShapeError
        lengths = wire.bytes[keys + 1].astype(np.int64)
        names = self._names.find(wire, keys + 2, lengths)
        values = keys + 2 + lengths
        if (wire.bytes[values] != _ENTRY_VALUE).any():
            raise UnexpectedShapeError
        sizes, starts = wire.varints(values + 1)
        if (starts + sizes != ends).any():
            raise UnexpectedShapeError
        columns = self._columns[names]
        columns[names < 0] = -1
        chosen = np.flatnonzero(columns >= 0)
        if len(chosen):
            _put(wire, table, (columns[chosen], owners[chosen]), starts[chosen], ends[chosen])
        for place, branch in self._deeper.items():
            inner = np.flatnonzero((names == place) & (wire.bytes[starts] == _MAP_TAG) & (ends > starts))
            if len(inner):
                _, content = wire.varints(starts[inner] + 1)
                which, begins, finishes = wire.fields(content, ends[inner], _MAP_FIELD)
                branch.read(wire, (owners[inner][which], begins, finishes), table)


def _put(wire: Wire, table: _Table, places: tuple[Ints, Ints], starts: Ints, ends: Ints) -> None:
    """Tell the type and the number of every value, and put them where they belong."""
    types = _TYPE_OF_TAG[wire.bytes[starts]]
    types[(types == _MAP) | (starts == ends)] = CellType.OTHER
    numbers = np.zeros(len(starts), dtype=np.int64)
    for cell_type, read in _READERS:
        where = np.flatnonzero(types == cell_type)
        if len(where):
            found, is_exact = read(wire, starts[where], ends[where])
            numbers[where] = found
            types[where[~is_exact]] = CellType.OTHER
    table.types[places] = types
    table.numbers[places] = numbers
    table.starts[places] = starts
    table.ends[places] = ends


def _booleans(wire: Wire, starts: Ints, ends: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    numbers, after = wire.varints(starts + 1)
    return (numbers != 0).astype(np.int64), after == ends


def _integers(wire: Wire, starts: Ints, ends: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    numbers, after = wire.varints(starts + 1)
    return numbers, after == ends


def _doubles(wire: Wire, starts: Ints, ends: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    return wire.words[starts + 1].view(np.int64), starts + 9 == ends


def _instants(wire: Wire, starts: Ints, ends: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Return epoch microseconds; finer digits are dropped, as the source itself keeps microseconds."""
    at = starts + 2
    has_seconds = (at < ends) & (wire.bytes[at] == _SECONDS)
    seconds, after = wire.varints(at + 1)
    seconds = np.where(has_seconds, seconds, 0)
    at = np.where(has_seconds, after, at)
    has_nanos = (at < ends) & (wire.bytes[np.minimum(at, ends)] == _NANOS)
    nanos, after = wire.varints(np.minimum(at, ends) + 1)
    nanos = np.where(has_nanos, nanos, 0)
    at = np.where(has_nanos, after, at)
    is_exact = (at == ends) & (np.abs(seconds) < _SECONDS_LIMIT) & (nanos >= 0) & (nanos < _NANOS_LIMIT)
    return np.where(is_exact, seconds, 0) * 1_000_000 + nanos // 1000, is_exact


def _text_starts(wire: Wire, starts: Ints, ends: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    lengths, content = wire.varints(starts + 2)
    return content, (wire.bytes[starts + 1] == _TEXT_TAG_SECOND_BYTE) & (content + lengths == ends)


_READERS = (
    (CellType.BOOLEAN, _booleans),
    (CellType.INTEGER, _integers),
    (CellType.DOUBLE, _doubles),
    (CellType.INSTANT, _instants),
    (CellType.TEXT, _text_starts),
)


def _once(wire: Wire, starts: Ints, ends: Ints, wanted: int, count: int) -> tuple[Ints, Ints, Ints]:
    """Find a field that stands exactly once in every message, and return it in message order."""
    owners, begins, finishes = wire.fields(starts, ends, wanted)
    if len(owners) != count:
        raise UnexpectedShapeError
    order = np.argsort(owners, kind="stable")
    if (owners[order] != np.arange(count)).any():
        raise UnexpectedShapeError
    return owners[order], begins[order], finishes[order]


def _texts(wire: Wire, starts: Ints, ends: Ints, is_text: npt.NDArray[np.bool_]) -> pa.Array:
    """Return pieces of the bytes as strings, null where there is none.

    The pieces and the gaps between them are laid over the bytes as one array, of which every second element
    is taken: Arrow copies the pieces, not Python. Pieces come in rising order, as the documents do.
    """
    count = len(starts)
    edges = np.empty(2 * count + 1, dtype=np.int32)
    # A cell without text is an empty piece at the end of the last text before it, which keeps the order.
    reached = np.maximum.accumulate(np.where(is_text, ends, 0)) if count else ends
    edges[0 : 2 * count : 2] = np.where(is_text, starts, reached)
    edges[1 : 2 * count : 2] = reached
    edges[2 * count] = reached[-1] if count else 0
    if (np.diff(edges) < 0).any():
        raise UnexpectedShapeError
    pieces = pa.Array.from_buffers(
        pa.binary(), 2 * count, [None, pa.py_buffer(edges), pa.py_buffer(wire.data)]
    )
    wanted = pa.array(np.arange(0, 2 * count, 2, dtype=np.int64), mask=~is_text)
    return pieces.take(wanted).cast(pa.string())
