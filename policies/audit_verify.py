"""Verifies a log: recomputes every hash, the chain, the tree, and what columns repeat; asks checkpoints.

The usual case, in which all is well, costs two hashes an entry and no other step per entry. Only when
something does not agree is the log looked at row by row, to name the first bad entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from policies.audit import GENESIS
from policies.audit_entries import Log, Stretch
from policies.audit_faults import Break, Fault, FaultKind, is_good, name_fault
from policies.audit_stretch import BLOCK, BLOCK_LEVEL, stretch_of
from policies.audit_tree import HASH_BYTES, Frontier

_GENESIS: Final = bytes.fromhex(GENESIS)


@dataclass(frozen=True, slots=True)
class Anchor:
    """A checkpoint whose signature was found good: a size and the root it had then.

    Attributes:
        size: Entries under the root.
        root: 32 bytes.
        leaves: Hashes of the last entries under it, side by side, as a witness keeps them; they are used
            only where they lead to the root. Empty when unknown.
    """

    size: int
    root: bytes
    leaves: bytes = b""


@dataclass(frozen=True, slots=True)
class Report:
    """What verification found.

    Attributes:
        entries: Entries found good, from the first one on.
        checkpoints: Sizes at which anchors agree with them.
        fault: The first bad entry; null when all is well.
        root: Root of the tree over all entries; means nothing when there is a fault.
        frontier: The tree's edge, to go on from.
    """

    entries: int
    checkpoints: int
    fault: Fault | None
    root: bytes
    frontier: Frontier

    @property
    def is_ok(self) -> bool:
        """Whether every entry is good and every anchor agrees."""
        return self.fault is None


def verify_log(log: Log, anchors: Sequence[Anchor] = (), *, known_entries: int = 0) -> Report:
    """Verify all of a log.

    Args:
        log: Its rows, as of one moment.
        anchors: Checkpoints with good signatures, in any order.
        known_entries: Entries that somebody else knows to have been written (rows that name them).
    """
    return _Verification(log, anchors).run(known_entries)


class _Verification:
    def __init__(self, log: Log, anchors: Sequence[Anchor]) -> None:
        self._log = log
        self._waiting = sorted(anchors, key=lambda anchor: anchor.size)
        self._tree = Frontier()
        self._signed_tree = Frontier()
        # Of what was taken, side by side; joined for a fault only.
        self._hashes: list[bytes | memoryview] = []
        self._size = 0
        self._head = _GENESIS
        self._agreed = 0

    def run(self, known_entries: int) -> Report:
        for part in self._log.parts():
            stretch = part if isinstance(part, Stretch) else stretch_of(part)
            fault = self._take(stretch) if self._goes_on(stretch) else self._look(stretch)
            if fault is not None:
                return self._report(fault)
        most = max([known_entries, *(anchor.size for anchor in self._waiting)])
        if most > self._size:
            fault = self._difference(self._size) or Fault(self._size + 1, FaultKind.TRUNCATION)
            return self._report(fault)
        return self._report(self._reach(self._size))

    def _report(self, fault: Fault | None) -> Report:
        good = self._size if fault is None else min(self._size, fault.seq - 1)
        return Report(good, self._agreed, fault, self._tree.root(), self._tree)

    def _goes_on(self, stretch: Stretch) -> bool:
        """Say whether a stretch is good and goes on from what was taken."""
        return stretch.is_good and stretch.first == self._size + 1 and stretch.prev_hash == self._head

    def _look(self, stretch: Stretch) -> Fault | None:
        """Look at the next rows one by one and take the good ones; return what is wrong, or null."""
        before, size, good, is_bad = self._head, self._size, bytearray(), False
        for seq, row in enumerate(self._log.entries(size, stretch.count), size + 1):
            if not is_good(row, seq, before):
                is_bad = True
                break
            before = row.hash
            good += before
        # As the rows were seen: of a batch that had to be looked at nobody has told the order.
        fault = self._take(replace(stretch, hashes=bytes(good), blocks=b""))
        if not is_bad:
            return fault
        here = self._fault_here()
        # What was signed may differ before the row that is bad, however many rows a batch has.
        return here if fault is None or here.seq <= self._waiting[0].size else fault

    def _fault_here(self) -> Fault:
        """Name the fault at the end of the good entries; an earlier difference from what was signed wins."""
        found = Break(self._log, self._known(), _GENESIS, self._signed_tree.size)
        fault = name_fault(found)
        earlier = self._difference(min(self._size, fault.seq - 1))
        return earlier or fault

    def _take(self, stretch: Stretch) -> Fault | None:
        """Add good entries; return a fault when an anchor that they reach disagrees."""
        done, start = 0, self._size
        if stretch.hashes:
            self._hashes.append(stretch.hashes)
            self._size += len(stretch.hashes) // HASH_BYTES
            self._head = bytes(stretch.hashes[-HASH_BYTES:])
        for anchor in list(self._waiting):
            if anchor.size > self._size:
                break
            upto = max(anchor.size - start, done)
            self._grow(stretch, done, upto)
            done = upto
            if (fault := self._reach(anchor.size)) is not None:
                return fault
        self._grow(stretch, done, self._size - start)
        return None

    def _grow(self, stretch: Stretch, start: int, end: int) -> None:
        """Let the tree take leaves of a stretch, from a position to another; whole blocks by their roots."""
        first, last = -(-start // BLOCK), end // BLOCK
        if not stretch.blocks or first >= last:
            self._tree.extend(stretch.hashes[start * HASH_BYTES : end * HASH_BYTES])
            return
        self._tree.extend(stretch.hashes[start * HASH_BYTES : first * BLOCK * HASH_BYTES])
        self._tree.extend(stretch.blocks[first * HASH_BYTES : last * HASH_BYTES], BLOCK_LEVEL)
        self._tree.extend(stretch.hashes[last * BLOCK * HASH_BYTES : end * HASH_BYTES])

    def _reach(self, size: int) -> Fault | None:
        """Hold the tree of this size against the anchors of this size; return a fault if one disagrees."""
        while self._waiting and self._waiting[0].size <= size:
            if self._waiting[0].root != self._tree.root():
                return self._fork(self._waiting[0])
            self._waiting.pop(0)
            self._agreed += self._signed_tree.size != size or not self._agreed
            self._signed_tree = Frontier.of(self._tree.size, self._tree.peaks)
        return None

    def _fork(self, anchor: Anchor) -> Fault:
        fault = self._difference(anchor.size) or Fault(
            min(self._signed_tree.size + 1, max(anchor.size, 1)), FaultKind.FORK
        )
        rows = self._log.entries(fault.seq, 1)
        here = self._known()[: fault.seq * HASH_BYTES]
        if rows and rows[0].prev_hash != here[-HASH_BYTES:]:
            # The entry behind it does not know it either: not a new history, but one altered entry.
            named = name_fault(Break(self._log, here, _GENESIS, self._signed_tree.size))
            if named.seq == fault.seq:
                return named
        return fault

    def _difference(self, upto: int) -> Fault | None:
        """Return the first entry, up to a number, that differs from what a witness kept; null if none."""
        for anchor in self._waiting:
            known = len(anchor.leaves) // HASH_BYTES
            start = anchor.size - known
            if not known or start != self._signed_tree.size:
                continue
            tree = Frontier.of(start, self._signed_tree.peaks)
            tree.extend(anchor.leaves)
            if tree.root() != anchor.root:
                continue
            found = self._known()
            for seq in range(start + 1, min(upto, anchor.size) + 1):
                at = (seq - 1) * HASH_BYTES
                kept = (seq - start - 1) * HASH_BYTES
                if found[at : at + HASH_BYTES] != anchor.leaves[kept : kept + HASH_BYTES]:
                    return Fault(seq, FaultKind.FORK)
        return None

    def _known(self) -> bytes:
        """Return the hashes of all good entries, one after the other."""
        return b"".join(self._hashes)
