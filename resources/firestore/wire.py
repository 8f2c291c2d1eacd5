"""Protocol-buffer bytes of many messages, read in step: one operation per field for all of them.

Making a Python object per value costs several times what the transport costs. Here one NumPy operation finds,
say, the length of the third field of every document. Looking at scattered bytes is what takes time, so eight
are taken at once and cut up by shifting. This module knows the published encoding and nothing of Firestore;
``wire_columns`` knows Firestore's messages; neither knows the vendor's library.

It is exact or it declines: bytes of an unexpected shape raise :class:`UnexpectedShapeError`, and the caller
decodes that batch with the vendor's own parser.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

PADDING = bytes(24)  # lets eight bytes be looked at from any position inside a message
LONGEST_NAME = 30

_U = np.uint64
_STOP_BITS = _U(0x8080808080808080)
_HEAD_BYTES, _WORD_BYTES = 6, 8


class UnexpectedShapeError(Exception):
    """The bytes are not laid out as every known server lays them out; decode them another way."""


class Wire:
    """Some messages as one run of bytes, and numbers read from it at many positions at once."""

    def __init__(self, messages: Sequence[bytes]) -> None:
        self.data = b"".join([*messages, PADDING])
        # Every eight consecutive bytes as one little-endian number, without copying.
        self.words: Words = np.ndarray((len(self.data) - 7,), dtype="<u8", buffer=self.data, strides=(1,))
        lengths = np.fromiter(map(len, messages), dtype=np.int64, count=len(messages))
        self.ends: Ints = np.cumsum(lengths)
        self.starts: Ints = self.ends - lengths

    def varints(self, at: Ints) -> tuple[Ints, Ints]:
        """Return the variable-length integers at some positions, and the positions after them."""
        words = self.words[at]
        if not (words & _U(0x80)).any():
            return (words & _U(0x7F)).view(np.int64), at + 1
        numbers, sizes = short_varints(words)
        after = at + sizes
        long = np.flatnonzero((words & _STOP_BITS) == _STOP_BITS)
        if len(long):
            rest = self.words[at[long] + _WORD_BYTES]  # the ninth and, for numbers below zero, the tenth byte
            has_tenth = (rest & _U(0x80)) != 0
            high = ((rest & _U(0x7F)) << _U(56)) | np.where(has_tenth, (rest & _U(0x100)) << _U(55), _U(0))
            numbers[long] |= high.view(np.int64)
            after[long] = at[long] + 9 + has_tenth
        return numbers, after

    def contents(self, heads: Words, at: Ints) -> tuple[Ints, Ints]:
        """Return length and start of what stands behind the one-byte tags at some positions.

        ``heads`` are the words at these positions.
        """
        if not (heads & _U(0x8000)).any():
            return ((heads >> _U(8)) & _U(0x7F)).view(np.int64), at + 2
        return self.varints(at + 1)

    def fields(
        self, starts: Ints, ends: Ints, wanted: int, others: Sequence[int] = (), numbers: Sequence[int] = ()
    ) -> tuple[Ints, Ints, Ints]:
        """Walk messages field by field, and find every occurrence of one of them.

        Args:
            starts: Where each message begins.
            ends: Where each message ends.
            wanted: Tag byte of the field looked for, which has a length.
            others: Tag bytes of fields with a length to pass over.
            numbers: Tag bytes of numbers to pass over. Any further field is unexpected.

        Returns:
            For every occurrence: which message, where its content starts, where it ends. Message by message
            the occurrences come in order, though those of different messages are mixed.
        """
        messages = np.flatnonzero(starts < ends)
        at, stop = starts[messages], ends[messages]
        found: list[tuple[Ints, Ints, Ints]] = []
        while len(messages):
            heads = self.words[at]
            lengths, content = self.contents(heads, at)
            tags = heads & _U(0xFF)
            for tag in numbers:
                lengths[tags == _U(tag)] = 0  # what was read as a length was the number itself
            at = content + lengths
            if (lengths < 0).any() or (at > stop).any():
                raise UnexpectedShapeError
            is_wanted = tags == _U(wanted)
            if is_wanted.all():
                found.append((messages, content, at))
            else:
                is_known = is_wanted.copy()
                for tag in (*others, *numbers):
                    is_known |= tags == _U(tag)
                if not is_known.all():
                    raise UnexpectedShapeError
                found.append((messages[is_wanted], content[is_wanted], at[is_wanted]))
            is_open = at < stop
            if not is_open.all():
                messages, at, stop = messages[is_open], at[is_open], stop[is_open]
        if not found:
            nothing = np.empty(0, dtype=np.int64)
            return nothing, nothing, nothing
        owners, begins, finishes = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return owners, begins, finishes


def short_varints(words: Words) -> tuple[Ints, Ints]:
    """Return the numbers that begin in some words, and their sizes in bytes; right up to eight bytes."""
    stops = ~words & _STOP_BITS
    below = (stops & (~stops + _U(1))) - _U(1)  # all bits up to the byte that ends the number
    sizes = (np.bitwise_count(below) + np.uint8(1)) >> np.uint8(3)
    words = words & below & _U(0x7F7F7F7F7F7F7F7F)
    words = (words & _U(0x007F007F007F007F)) | ((words & _U(0x7F007F007F007F00)) >> _U(1))
    words = (words & _U(0x00003FFF00003FFF)) | ((words & _U(0x3FFF00003FFF0000)) >> _U(2))
    words = (words & _U(0x000000000FFFFFFF)) | ((words & _U(0x0FFFFFFF00000000)) >> _U(4))
    return words.view(np.int64), sizes.astype(np.int64)


class Names:
    """Tells which of a few known names stands at each of many positions; exact, not merely likely.

    A name is looked at through its first six bytes, its last eight where it is longer than that, and two
    words between where it is longer still. The ends choose a candidate, which has to agree in every byte.
    """

    def __init__(self, names: Sequence[str]) -> None:
        encoded = [name.encode() for name in names]
        if any(len(name) > LONGEST_NAME for name in encoded):
            raise ValueError(f"a field name is longer than {LONGEST_NAME} bytes")
        wire = Wire([PADDING, *encoded])
        starts, self._lengths = wire.starts[1:], (wire.ends - wire.starts)[1:]
        self._firsts, self._lasts = _ends(wire, starts, self._lengths, wire.words[starts])
        self._seconds, self._thirds = _middle(wire, starts, self._lengths)
        self._is_long = self._lengths > _HEAD_BYTES + _WORD_BYTES
        self._factor, self._shift = self._spread()
        self._table = np.zeros(1 << (64 - int(self._shift)), dtype=np.int64)
        self._table[self._slots(self._firsts, self._lasts)] = np.arange(len(names))

    def find(self, wire: Wire, starts: Ints, lengths: Ints, heads: Words) -> Ints:
        """Return the index of the name at each position, -1 where it is none of them.

        ``lengths`` are below 128; the low six bytes of ``heads`` are those at ``starts``, where a message has
        begun at least 16 bytes before.
        """
        firsts, lasts = _ends(wire, starts, lengths, heads)
        found = self._table[self._slots(firsts, lasts)]
        is_same = self._firsts[found] == firsts
        is_same &= self._lasts[found] == lasts
        is_same &= self._lengths[found] == lengths
        if self._is_long.any():
            long = np.flatnonzero(is_same & self._is_long[found])
            seconds, thirds = _middle(wire, starts[long], lengths[long])
            is_same[long] = (self._seconds[found[long]] == seconds) & (self._thirds[found[long]] == thirds)
        found[~is_same] = -1
        return found

    def _spread(self) -> tuple[np.uint64, np.uint64]:
        """Find a multiplier that gives every known name a slot of its own."""
        for bits in range(max(2, 2 * len(self._firsts).bit_length()), 20):
            for attempt in range(200):
                factor = _U((0x9E3779B97F4A7C15 * (2 * attempt + 1)) % 2**64)
                self._factor, self._shift = factor, _U(64 - bits)
                if len(np.unique(self._slots(self._firsts, self._lasts))) == len(self._firsts):
                    return self._factor, self._shift
        raise ValueError("the names cannot be told apart")

    def _slots(self, firsts: Words, lasts: Words) -> Ints:
        return (((firsts ^ (lasts * _U(0xBF58476D1CE4E5B9))) * self._factor) >> self._shift).view(np.int64)


_LOW_BYTES = np.array([(1 << 8 * min(length, _HEAD_BYTES)) - 1 for length in range(128)], dtype=np.uint64)
_LAST_BYTES = np.full(128, 2**64 - 1, dtype=np.uint64)
_LAST_BYTES[: _HEAD_BYTES + 1] = 0
_LAST_BYTES[_HEAD_BYTES + 1] = 2**64 - 1 - 0xFF  # eight bytes reach back to one before a name of seven


def _ends(wire: Wire, starts: Ints, lengths: Ints, heads: Words) -> tuple[Words, Words]:
    """Return the first six bytes of names, and the last eight of those that have more."""
    lasts = wire.words[starts + (lengths - _WORD_BYTES)]
    return heads & _LOW_BYTES[lengths], lasts & _LAST_BYTES[lengths]


def _middle(wire: Wire, starts: Ints, lengths: Ints) -> tuple[Words, Words]:
    """Return the two words between the ends of long names; together with the ends they hold every byte."""
    is_long = lengths > _HEAD_BYTES + _WORD_BYTES
    seconds = wire.words[starts + np.where(is_long, _HEAD_BYTES, 0)]
    thirds = wire.words[starts + np.maximum(lengths - 2 * _WORD_BYTES, 0)]
    return np.where(is_long, seconds, _U(0)), np.where(is_long, thirds, _U(0))
