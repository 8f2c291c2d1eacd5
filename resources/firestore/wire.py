"""Protocol-buffer bytes of many messages, read in step: one operation per field for all of them.

Making a Python object per value costs several times what the transport costs. Here one NumPy operation finds,
say, the length of the third field of every document. This module knows the published encoding and nothing of
Firestore; ``wire_columns`` knows Firestore's messages; neither knows the vendor's library.

It is exact or it declines: bytes of an unexpected shape raise :class:`UnexpectedShapeError`, and the caller
decodes that batch with the vendor's own parser.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

PADDING = bytes(24)  # lets eight bytes be looked at from any position inside a message
LONGEST_NAME = 32

_U = np.uint64
_STOP_BITS = _U(0x8080808080808080)
_ONE = _U(1)
_LOW_BYTES = np.array([(1 << 8 * n) - 1 for n in range(8)] + [2**64 - 1] * 120, dtype=np.uint64)
_LENGTH_DELIMITED = 2


class UnexpectedShapeError(Exception):
    """The bytes are not laid out as every known server lays them out; decode them another way."""


class Wire:
    """Some messages as one run of bytes, and numbers read from it at many positions at once."""

    def __init__(self, messages: Sequence[bytes]) -> None:
        self.data = b"".join([*messages, PADDING])
        self.bytes: Bytes = np.frombuffer(self.data, dtype=np.uint8)
        # Every eight consecutive bytes as one little-endian number, without copying.
        self.words = np.ndarray((len(self.data) - 7,), dtype="<u8", buffer=self.data, strides=(1,))
        lengths = np.fromiter(map(len, messages), dtype=np.int64, count=len(messages))
        self.ends: Ints = np.cumsum(lengths)
        self.starts: Ints = self.ends - lengths

    def varints(self, at: Ints) -> tuple[Ints, Ints]:
        """Return the variable-length integers at some positions, and the positions after them."""
        first = self.bytes[at]
        if not (first & 0x80).any():
            return first.astype(np.int64), at + 1
        words = self.words[at]
        stops = ~words & _STOP_BITS
        below = (stops & (~stops + _ONE)) - _ONE  # all bits up to the byte that ends the number
        after = at + ((np.bitwise_count(below).astype(np.int64) + 1) >> 3)
        words &= below & _U(0x7F7F7F7F7F7F7F7F)
        words = (words & _U(0x007F007F007F007F)) | ((words & _U(0x7F007F007F007F00)) >> _U(1))
        words = (words & _U(0x00003FFF00003FFF)) | ((words & _U(0x3FFF00003FFF0000)) >> _U(2))
        words = (words & _U(0x000000000FFFFFFF)) | ((words & _U(0x0FFFFFFF00000000)) >> _U(4))
        long = np.flatnonzero(stops == 0)
        if len(long):
            ninth, tenth = (self.bytes[at[long] + step].astype(np.uint64) for step in (8, 9))
            has_tenth = ninth >= _U(0x80)
            words[long] |= (ninth & _U(0x7F)) << _U(56)
            words[long] |= np.where(has_tenth, tenth & _ONE, _U(0)) << _U(63)
            after[long] = at[long] + 9 + has_tenth
        return words.view(np.int64), after

    def fields(self, starts: Ints, ends: Ints, wanted: int) -> tuple[Ints, Ints, Ints]:
        """Walk messages made of length-delimited fields only, and find every occurrence of one of them.

        Args:
            starts: Where each message begins.
            ends: Where each message ends.
            wanted: Tag byte of the field looked for.

        Returns:
            For every occurrence: which message, where its content starts, where it ends. Message by message
            the occurrences come in order, though those of different messages are mixed.
        """
        messages = np.flatnonzero(starts < ends)
        at, stop = starts[messages], ends[messages]
        owners, begins, finishes = [], [], []
        while len(messages):
            tags = self.bytes[at]
            lengths, content = self.varints(at + 1)
            at = content + lengths
            if (tags & 0x87 != _LENGTH_DELIMITED).any() or (lengths < 0).any() or (at > stop).any():
                raise UnexpectedShapeError
            is_wanted = tags == wanted
            if is_wanted.all():
                owners.append(messages)
                begins.append(content)
                finishes.append(at)
            elif is_wanted.any():
                owners.append(messages[is_wanted])
                begins.append(content[is_wanted])
                finishes.append(at[is_wanted])
            is_open = at < stop
            if not is_open.all():
                messages, at, stop = messages[is_open], at[is_open], stop[is_open]
        if not owners:
            nothing = np.empty(0, dtype=np.int64)
            return nothing, nothing, nothing
        return np.concatenate(owners), np.concatenate(begins), np.concatenate(finishes)


class Names:
    """Tells which of a few known names stands at each of many positions."""

    def __init__(self, names: Sequence[str]) -> None:
        encoded = [name.encode() for name in names]
        longest = max(map(len, encoded), default=0)
        if longest > LONGEST_NAME:
            raise ValueError(f"a field name is longer than {LONGEST_NAME} bytes")
        wire = Wire(encoded)
        self._parts = 1 + (longest > 8) + 2 * (longest > 16)
        self._known = self._look(wire, wire.starts, wire.ends - wire.starts)
        self._factor, self._shift = self._spread(_mix(self._known))
        self._table = np.zeros(1 << (64 - int(self._shift)), dtype=np.int64)
        self._table[self._slots(_mix(self._known))] = np.arange(len(names))

    def find(self, wire: Wire, starts: Ints, lengths: Ints) -> Ints:
        """Return the index of the name at each position, -1 where it is none of them."""
        if not len(starts):
            return np.empty(0, dtype=np.int64)
        seen = self._look(wire, starts, lengths)
        found = self._table[self._slots(_mix(seen))]
        is_same = lengths <= LONGEST_NAME
        for known, part in zip(self._known, seen, strict=True):
            is_same &= known[found] == part
        return np.where(is_same, found, -1)

    def _look(self, wire: Wire, starts: Ints, lengths: Ints) -> list[npt.NDArray[np.uint64]]:
        """Return numbers that together hold every byte of each name, and its length."""
        short = np.minimum(lengths, 127)
        parts = [wire.words[starts] & _LOW_BYTES[short], lengths.astype(np.uint64)]
        if self._parts > 1:
            last = wire.words[np.maximum(starts + lengths - 8, 0)]
            parts.append(np.where(lengths > 8, last, _U(0)))
        if self._parts > 2:
            second = wire.words[starts + np.minimum(lengths, 8)]
            third = wire.words[np.maximum(starts + lengths - 16, 0)]
            is_long = lengths > 16
            parts += [np.where(is_long, second, _U(0)), np.where(is_long, third, _U(0))]
        return parts

    def _spread(self, mixed: npt.NDArray[np.uint64]) -> tuple[np.uint64, np.uint64]:
        """Find a multiplier that gives every known name a slot of its own."""
        for bits in range(max(2, 2 * len(mixed).bit_length()), 20):
            for attempt in range(200):
                self._factor, self._shift = (
                    _U((0x9E3779B97F4A7C15 * (2 * attempt + 1)) % 2**64),
                    _U(64 - bits),
                )
                if len(np.unique(self._slots(mixed))) == len(mixed):
                    return self._factor, self._shift
        raise ValueError("the names cannot be told apart")

    def _slots(self, mixed: npt.NDArray[np.uint64]) -> Ints:
        return ((mixed * self._factor) >> self._shift).astype(np.int64)


def _mix(parts: Sequence[npt.NDArray[np.uint64]]) -> npt.NDArray[np.uint64]:
    """Fold the parts of a name into one number; equal names give equal numbers."""
    mixed = parts[0].copy()
    for part in parts[1:]:
        mixed = (mixed ^ (mixed >> _U(29))) * _U(0xBF58476D1CE4E5B9) + part
    return mixed
