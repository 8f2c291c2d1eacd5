"""Puts entries of the audit log together from columns side by side, and holds other columns against them.

Everything is done for a whole batch at a time: a step per row and column would cost more than the hashes.
"""

from binascii import hexlify
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from policies.audit_entries import Batch

SEPARATOR: Final = b"\x1e"
"""Between the values of a column. Canonical JSON escapes it."""
_QUOTE_CODE: Final = ord('"')
_LEAST_QUOTES: Final = 14  # of one row's values with what stands between them
_BACKSLASH: Final = b"\\"
_HASH_BYTES: Final = 32
_DATE_CHARACTERS: Final = len("2026-11-21")
_TEXT_CHARACTERS: Final = len("2026-11-21 15:00:00.000000")
_INSTANT_CHARACTERS: Final = _TEXT_CHARACTERS + 1  # with Z
_MOST_BYTES: Final = 2**30  # of a batch's payloads: places in texts have 31 bits
_EPOCH: Final = 946_684_800_000_000  # PostgreSQL's, in microseconds of Unix
# Years of four digits, in microseconds of Unix.
_EARLIEST: Final = -30_610_224_000_000_000
_LATEST: Final = 253_402_300_799_999_999

Ints = npt.NDArray[np.int64]
Part = memoryview | bytes


class Values(NamedTuple):
    """What repeats parts of payloads, put together as they have it; separators between the rows.

    Attributes:
        actors: Each id, kind and owner: ``id","kind":"kind","owner":null``, or the owner in quotation marks.
        events: Each name and state: ``name","state":null``, or the state in quotation marks.
        subjects: Each id and kind: ``id","kind":"kind``.
    """

    actors: bytes
    events: bytes
    subjects: bytes


@dataclass(frozen=True, slots=True)
class Columns:
    """Some rows, each column side by side; integers as PostgreSQL sends them.

    They are as the table has them: in order of their numbers but for a row whose place was free before.

    Attributes:
        count: How many rows they are.
        seqs: Their numbers, 8 bytes each.
        prev_hashes: Their previous hashes.
        hashes: Their stored hashes.
        odd_hashes: How many rows have a hash, or a previous one, that is not 32 bytes.
        payloads: Their payloads, one after the other.
        lengths: Bytes of each payload, 4 bytes each.
        ats: Their instants, microseconds since 2000, 8 bytes each.
        values: What repeats parts of the payloads.
        studio: Whose rows they are; an id that needs no escaping.
    """

    count: int
    seqs: Part
    prev_hashes: bytes
    hashes: bytes
    odd_hashes: int
    payloads: Part
    lengths: Part
    ats: Part
    values: Values
    studio: str


def batch_of(columns: Columns) -> Batch:
    """Return the rows in order of their numbers; where nothing fits together, without entries, all strays."""
    count = columns.count
    starts = _starts(columns)
    if starts is None:
        return Batch(0, count, [], columns.prev_hashes, columns.hashes, count)
    seqs = np.frombuffer(columns.seqs, ">i8").astype(np.int64)
    if (seqs[1:] < seqs[:-1]).any():
        ordered = _in_order(columns, seqs, starts)
        if ordered is not None:
            return batch_of(ordered)
    first = int(seqs[0])
    goes_on = bool((np.diff(seqs) == 1).all())
    return Batch(
        first=first if goes_on else 0,
        count=count,
        entries=_entries(columns, seqs, starts),
        prev_hashes=columns.prev_hashes,
        hashes=columns.hashes,
        strays=0 if _has_true_columns(columns, starts) else count,
    )


def _starts(columns: Columns) -> Ints | None:
    """Return where each payload starts, and where the last one ends; null where sizes do not fit."""
    count = columns.count
    starts = np.zeros(count + 1, np.int64)
    if len(columns.seqs) != 8 * count or len(columns.lengths) != 4 * count or columns.odd_hashes:
        return None
    np.cumsum(np.frombuffer(columns.lengths, ">i4"), out=starts[1:])
    is_whole = len(columns.prev_hashes) == len(columns.hashes) == _HASH_BYTES * count
    return starts if is_whole and starts[-1] == len(columns.payloads) <= _MOST_BYTES else None


def _in_order(columns: Columns, seqs: Ints, starts: Ints) -> Columns | None:
    """Return the rows in order of their numbers, by a step for each; null where they cannot be told apart."""
    order = np.argsort(seqs, kind="stable")
    texts = [values.split(SEPARATOR) for values in columns.values]
    if len(columns.ats) != 8 * columns.count or any(len(each) != columns.count for each in texts):
        return None

    def moved(field: Part, width: int) -> bytes:
        return np.frombuffer(field, f"V{width}")[order].tobytes()

    return replace(
        columns,
        seqs=moved(columns.seqs, 8),
        prev_hashes=moved(columns.prev_hashes, _HASH_BYTES),
        hashes=moved(columns.hashes, _HASH_BYTES),
        payloads=b"".join([columns.payloads[starts[row] : starts[row + 1]] for row in order]),
        lengths=moved(columns.lengths, 4),
        ats=moved(columns.ats, 8),
        values=Values(*(SEPARATOR.join([each[row] for row in order]) for each in texts)),
    )


def _entries(columns: Columns, seqs: Ints, starts: Ints) -> list[bytes]:
    step = 2 * _HASH_BYTES
    links = _texts(np.arange(0, step * columns.count + 1, step), hexlify(columns.prev_hashes))
    numbers = pa.array(seqs).cast(pa.string())
    joined = pc.binary_join_element_wise(numbers, links, _texts(starts, columns.payloads), "\n")
    entries: list[bytes] = joined.cast(pa.binary()).to_pylist()
    return entries


def _has_true_columns(columns: Columns, starts: Ints) -> bool:
    """Say whether every payload begins and ends as its columns say. A no may be wrong; a yes is not.

    Values are not escaped where they are put together, so one with a quotation mark or a backslash is a no.
    """
    count, instants = columns.count, _instants(columns.ats)
    if instants is None or len(instants) != count:
        return False
    widths = _widths(columns.values, count)
    if widths is None:
        return False
    frames = _frames(columns.studio)
    around = [len(before) + len(after) for before, after in frames]
    # A payload is five parts: actor, instant, what only it knows, event, subject; with what is around each.
    cuts = np.empty((count, 5), np.int32)
    cuts[:, 0] = starts[:-1]
    cuts[:, 1] = cuts[:, 0] + (widths[0] + around[0])
    cuts[:, 2] = cuts[:, 1] + _INSTANT_CHARACTERS
    cuts[:, 4] = starts[1:] - (widths[2] + around[2])
    cuts[:, 3] = cuts[:, 4] - (widths[1] + around[1])
    if (cuts[:, 3] < cuts[:, 2]).any():
        return False
    actors, events, subjects = (
        before + values.replace(SEPARATOR, after + before) + after
        for values, (before, after) in zip(columns.values, frames, strict=True)
    )
    parts = _texts(np.append(cuts, starts[-1]), columns.payloads)
    numbers = np.arange(5 * count).reshape(count, 5).T[[0, 1, 3, 4]]
    return _is(parts, numbers, b"".join([actors, instants.tobytes(), events, subjects]))


def _frames(studio: str) -> list[tuple[bytes, bytes]]:
    """Return what payloads have before and after each of ``Values``."""
    return [
        (b'{"actor":{"id":"', b'},"at":"'),
        (b'},"name":"', f',"studio":"{studio}","subject":{{"id":"'.encode()),
        (b"", b'"},"v":1}'),
    ]


def _widths(values: Values, count: int) -> Ints | None:
    """Return the bytes of each text, a row for each of ``Values``; null where one is odd or missing."""
    joined = SEPARATOR.join([*values, b""])
    codes = np.frombuffer(joined, np.uint8)
    ends = np.flatnonzero(codes == SEPARATOR[0])
    lasts = np.cumsum([len(texts) + 1 for texts in values]) - 1
    if len(ends) != len(values) * count or (ends[count - 1 :: count] != lasts).any() or _BACKSLASH in joined:
        return None
    # An owner or a state is null, or has a quotation mark at either end; no other value has any.
    is_quotation = codes == _QUOTE_CODE
    quoted = np.count_nonzero(is_quotation[ends - 1])
    if np.count_nonzero(is_quotation) != _LEAST_QUOTES * count + 2 * quoted:
        return None
    widths: Ints = np.diff(ends, prepend=-1).reshape(-1, count) - 1
    return widths


def _instants(ats: Part) -> npt.NDArray[np.uint8] | None:
    """Return instants as payloads write them, a row each; null if one has no such form."""
    at = np.frombuffer(ats, ">i8").astype(np.int64)
    if not len(at) or at.min() < _EARLIEST - _EPOCH or at.max() > _LATEST - _EPOCH:
        return None
    texts = pa.array(at + _EPOCH).view(pa.timestamp("us")).cast(pa.string())
    found = np.empty((len(at), _INSTANT_CHARACTERS), np.uint8)
    plain = np.frombuffer(texts.buffers()[2], np.uint8, len(at) * _TEXT_CHARACTERS)
    found[:, :_TEXT_CHARACTERS] = plain.reshape(-1, _TEXT_CHARACTERS)
    found[:, _DATE_CHARACTERS] = ord("T")
    found[:, _TEXT_CHARACTERS] = ord("Z")
    return found


def _texts(offsets: npt.NDArray[Any], data: Part) -> Any:
    """Return an array of the pieces of ``data`` between offsets, without copying it."""
    buffers = pa.py_buffer(offsets.astype(np.int32, copy=False)), pa.py_buffer(data)
    return pa.StringArray.from_buffers(len(offsets) - 1, *buffers)


def _is(parts: Any, numbers: npt.NDArray[Any], wanted: Any) -> bool:
    """Say whether the parts of these numbers, one after the other, are these bytes."""
    return bool(parts.take(pa.array(numbers.reshape(-1))).buffers()[2].equals(pa.py_buffer(wanted)))
