"""Puts entries of the audit log together from columns side by side, and holds other columns against them.

Everything is done for a whole batch at a time: a step per row and column would cost more than the hashes.
"""

from binascii import hexlify
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from policies.audit_entries import Batch

SEPARATOR: Final = b"\x1e"
"""Between the values of a column. Canonical JSON escapes it."""
_QUOTE_CODE: Final = ord('"')
_BACKSLASH: Final = b"\\"
_HASH_BYTES: Final = 32
_DATE_CHARACTERS: Final = len("2026-11-21")
_TEXT_CHARACTERS: Final = len("2026-11-21 15:00:00.000000")
_INSTANT_CHARACTERS: Final = _TEXT_CHARACTERS + 1  # with Z
_EPOCH: Final = 946_684_800_000_000  # PostgreSQL's, in microseconds of Unix
# Years of four digits, in microseconds of Unix.
_EARLIEST: Final = -30_610_224_000_000_000
_LATEST: Final = 253_402_300_799_999_999

_AS_JSON: Final = [2, 4]  # of the values
_KNOWN_PARTS: Final = [0, 1, 2, 3, 5, 6, 7, 8]  # of the nine of a payload

Ints = npt.NDArray[np.int64]
Part = memoryview | bytes


class Values(NamedTuple):
    """Columns that repeat parts of payloads, each with separators between its values, as payloads order them.

    ``owners`` and ``states`` are as JSON writes them if nothing needs escaping: null, or in quotation marks.
    An owner is null where the principal is the actor.
    """

    actor_ids: bytes
    actor_kinds: bytes
    owners: bytes
    names: bytes
    states: bytes
    subject_ids: bytes
    subject_kinds: bytes


@dataclass(frozen=True, slots=True)
class Columns:
    """Some rows in order of their numbers, each column side by side; integers as PostgreSQL sends them.

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
    """Return the rows as a batch; where nothing can be put together, without entries and all strays."""
    count = columns.count
    starts = _starts(columns)
    if starts is None:
        return Batch(0, count, [], columns.prev_hashes, columns.hashes, count)
    seqs = np.frombuffer(columns.seqs, ">i8").astype(np.int64)
    first = int(seqs[0])
    goes_on = bool((seqs == np.arange(first, first + count)).all())
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
    return starts if is_whole and starts[-1] == len(columns.payloads) else None


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
    # A payload is nine parts: three values and the instant, what only it knows, four values. Each value
    # brings what stands around it.
    cuts = np.empty((9, count), np.int64)
    cuts[0] = starts[:-1]
    for value in (0, 1, 2):
        cuts[value + 1] = cuts[value] + (widths[value] + around[value])
    cuts[4] = cuts[3] + _INSTANT_CHARACTERS
    end = starts[1:]
    for value in (6, 5, 4, 3):
        end = cuts[value + 2] = end - (widths[value] + around[value])
    if (cuts[5] < cuts[4]).any():
        return False
    bounds = np.empty(9 * count + 1, np.int32)
    bounds[:-1].reshape(count, 9)[:] = cuts.T
    bounds[-1] = starts[-1]
    numbers = np.arange(9 * count, dtype=np.int32).reshape(count, 9).T[_KNOWN_PARTS]
    wanted = [
        before + values.replace(SEPARATOR, after + before) + after
        for values, (before, after) in zip(columns.values, frames, strict=True)
    ]
    wanted.insert(3, instants.tobytes())
    return _is(_texts(bounds, columns.payloads), numbers, b"".join(wanted))


def _frames(studio: str) -> list[tuple[bytes, bytes]]:
    """Return what payloads have before and after each value, in the order of ``Values``."""
    return [
        (b'{"actor":{"id":"', b'","kind":"'),
        (b"", b'","owner":'),
        (b"", b'},"at":"'),
        (b'},"name":"', b'","state":'),
        (b"", f',"studio":"{studio}","subject":{{"id":"'.encode()),
        (b"", b'","kind":"'),
        (b"", b'"},"v":1}'),
    ]


def _widths(values: Values, count: int) -> Ints | None:
    """Return the bytes of each value, a row for each column; null where one needs escaping or is missing."""
    joined = SEPARATOR.join([*values, b""])
    codes = np.frombuffer(joined, np.uint8)
    ends = np.flatnonzero(codes == SEPARATOR[0])
    lasts = np.cumsum([len(column) + 1 for column in values]) - 1
    if len(ends) != len(values) * count or (ends[count - 1 :: count] != lasts).any() or _BACKSLASH in joined:
        return None
    begins = np.empty_like(ends)
    begins[0], begins[1:] = 0, ends[:-1] + 1
    # Only a value as JSON writes it has quotation marks: none if it is null, otherwise one at either end.
    is_quotation = codes == _QUOTE_CODE
    as_json = is_quotation[begins].reshape(-1, count)[_AS_JSON]
    if np.count_nonzero(is_quotation) != 2 * np.count_nonzero(as_json):
        return None
    widths: Ints = (ends - begins).reshape(-1, count)
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
