"""Puts entries of the audit log together from columns side by side, and holds other columns against them.

Everything is done for a whole batch at a time: a step per row and column would cost more than the hashes.
"""

from binascii import hexlify
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from policies.audit_entries import Batch

SEPARATOR: Final = b"\x1e"
"""Between beginnings and endings of payloads. Canonical JSON escapes it."""
_QUOTE_CODE: Final = ord('"')
_LEAST_QUOTES: Final = 37  # in the beginning and the ending of one payload
_HASH_BYTES: Final = 32
_DATE_CHARACTERS: Final = len("2026-11-21")
_TEXT_CHARACTERS: Final = len("2026-11-21 15:00:00.000000")
_INSTANT_CHARACTERS: Final = _TEXT_CHARACTERS + 1  # with Z
_EPOCH: Final = 946_684_800_000_000  # PostgreSQL's, in microseconds of Unix
# Years of four digits, in microseconds of Unix.
_EARLIEST: Final = -30_610_224_000_000_000
_LATEST: Final = 253_402_300_799_999_999

Ints = npt.NDArray[np.int64]
Part = memoryview | bytes


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
        frames: How each payload must begin up to its instant, and how it must end from its name on, if its
            columns are true and need no escaping; separators between all of them.
        quoted: How many values, of all rows, stand in quotation marks that may be null instead.
    """

    count: int
    seqs: Part
    prev_hashes: bytes
    hashes: bytes
    odd_hashes: int
    payloads: Part
    lengths: Part
    ats: Part
    frames: bytes
    quoted: int


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
    count, frames = columns.count, np.frombuffer(columns.frames, np.uint8)
    quotes = np.count_nonzero(frames == _QUOTE_CODE)
    if quotes != count * _LEAST_QUOTES + 2 * columns.quoted or b"\\" in columns.frames:
        return False
    ends = np.append(np.flatnonzero(frames == SEPARATOR[0]), len(frames))
    instants = _instants(columns.ats)
    if instants is None or len(instants) != count or len(ends) != 2 * count:
        return False
    lengths = np.diff(ends, prepend=-1) - 1
    # A payload is four parts: beginning, instant, what only it knows, ending.
    cuts = np.empty((count, 4), np.int64)
    cuts[:, 0] = starts[:-1]
    cuts[:, 1] = cuts[:, 0] + lengths[::2]
    cuts[:, 2] = cuts[:, 1] + _INSTANT_CHARACTERS
    cuts[:, 3] = starts[1:] - lengths[1::2]
    if (cuts[:, 3] < cuts[:, 2]).any():
        return False
    parts = _texts(np.append(cuts, starts[-1]), columns.payloads)
    numbers = np.arange(4 * count).reshape(-1, 4)
    return _is(parts, numbers[:, ::3], columns.frames.replace(SEPARATOR, b"")) and _is(
        parts, numbers[:, 1], instants.reshape(-1)
    )


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


def _texts(offsets: Ints, data: Part) -> Any:
    """Return an array of the pieces of ``data`` between offsets, without copying it."""
    buffers = pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)
    return pa.StringArray.from_buffers(len(offsets) - 1, *buffers)


def _is(parts: Any, numbers: Ints, wanted: Any) -> bool:
    """Say whether the parts of these numbers, one after the other, are these bytes."""
    return bool(parts.take(pa.array(numbers.reshape(-1))).buffers()[2].equals(pa.py_buffer(wanted)))
