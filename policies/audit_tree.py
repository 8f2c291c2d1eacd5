"""The Merkle tree over audit entries: RFC 6962 (and 9162) roots, inclusion and consistency proofs.

Leaves are entry hashes as ``audit`` defines them. A root commits to every entry before it; an inclusion
proof shows that one entry is under a root; a consistency proof shows that a later root keeps all entries of
an earlier one, in order. Hashes are 32 bytes; many of them side by side are one bytes value.
"""

from collections.abc import Sequence
from hashlib import sha256
from struct import Struct
from typing import Final

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
_PAIR: Final = Struct(f"{2 * HASH_BYTES}s")
_NODE: Final = sha256(b"\x01")  # copied for each node: quicker than hashing the prefix every time


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node over its two children."""
    node = _NODE.copy()
    node.update(left + right)
    return node.digest()


def level_above(nodes: bytes) -> bytes:
    """Return the parents of an even number of nodes side by side."""
    digests = []
    for (pair,) in _PAIR.iter_unpack(nodes):
        node = _NODE.copy()
        node.update(pair)
        digests.append(node.digest())
    return b"".join(digests)


class Frontier:
    """The right edge of a growing tree: enough to go on and to tell the root, in a few hundred bytes.

    Attributes:
        size: Leaves so far.
    """

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[bytes] = []  # per level: the complete subtree that waits for its sibling, or empty

    @classmethod
    def of(cls, size: int, peaks: Sequence[bytes]) -> "Frontier":
        """Return the frontier of a tree whose complete subtrees, largest first, have these roots.

        Raises:
            ValueError: The number of peaks does not fit the size.
        """
        if size < 0 or len(peaks) != size.bit_count() or any(len(peak) != HASH_BYTES for peak in peaks):
            raise ValueError("the peaks do not fit the size of the tree")
        frontier, waiting = cls(), list(peaks)
        frontier.size = size
        frontier._edge = [waiting.pop() if size >> level & 1 else b"" for level in range(size.bit_length())]
        return frontier

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees, largest first."""
        return tuple(node for node in reversed(self._edge) if node)

    def extend(self, nodes: bytes | memoryview, level: int = 0) -> None:
        """Add leaf hashes, side by side. Costs about one hash a leaf, without a step per leaf and level.

        Args:
            nodes: Leaf hashes, or roots of complete subtrees of as many levels as ``level`` says.
            level: 0 for leaves.

        Raises:
            ValueError: A subtree cannot begin where this tree ends.
        """
        if self.size % (1 << level):
            raise ValueError("a subtree of that size cannot begin here")
        self.size += len(nodes) // HASH_BYTES << level
        self._edge.extend([b""] * (level - len(self._edge)))
        while nodes:
            if level == len(self._edge):
                self._edge.append(b"")
            nodes, self._edge[level] = self._edge[level] + nodes, b""
            if len(nodes) // HASH_BYTES % 2:
                nodes, self._edge[level] = nodes[:-HASH_BYTES], nodes[-HASH_BYTES:]
            nodes = level_above(nodes)
            level += 1

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        root = b""
        for node in self._edge:
            if node:
                root = node_hash(node, root) if root else node
        return root or EMPTY_ROOT


class Tree:
    """A whole tree over leaf hashes side by side, from which proofs are made. Takes 64 bytes a leaf."""

    def __init__(self, leaves: bytes) -> None:
        self.size = len(leaves) // HASH_BYTES
        self._levels = [leaves]
        while len(self._levels[-1]) >= 2 * HASH_BYTES:
            nodes = self._levels[-1]
            pairs = len(nodes) // (2 * HASH_BYTES)
            self._levels.append(level_above(nodes[: pairs * 2 * HASH_BYTES]))

    def leaf(self, index: int) -> bytes:
        """Return a leaf's hash; ``index`` counts from 0."""
        return self._levels[0][index * HASH_BYTES : (index + 1) * HASH_BYTES]

    def root(self, size: int | None = None) -> bytes:
        """Return the root over the first ``size`` leaves; over all by default."""
        return self._span(0, self._checked(size))

    def frontier(self, size: int | None = None) -> Frontier:
        """Return the frontier after the first ``size`` leaves."""
        size = self._checked(size)
        peaks, start = [], 0
        for level in reversed(range(size.bit_length())):
            if size >> level & 1:
                peaks.append(self._span(start, start + (1 << level)))
                start += 1 << level
        return Frontier.of(size, peaks)

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """Return the proof that the leaf ``index`` (from 0) is under the root over ``size`` leaves.

        Raises:
            ValueError: There is no such leaf.
        """
        size = self._checked(size)
        if not 0 <= index < size:
            raise ValueError("there is no such leaf in the tree")
        proof, start, end = [], 0, size
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                proof.append(self._span(middle, end))
                end = middle
            else:
                proof.append(self._span(start, middle))
                start = middle
        return proof[::-1]

    def consistency_proof(self, first: int, second: int | None = None) -> list[bytes]:
        """Return the proof that the tree over ``second`` leaves goes on from the one over ``first``.

        Empty when both are the same or the first is empty.

        Raises:
            ValueError: ``first`` is larger than ``second``, or ``second`` than the tree.
        """
        second = self._checked(second)
        if not 0 <= first <= second:
            raise ValueError("the first tree is larger than the second")
        if first in {0, second}:
            return []
        proof, start, end, is_whole = [], 0, second, True
        while end != first:
            middle = start + _split(end - start)
            if first <= middle:
                proof.append(self._span(middle, end))
                end = middle
            else:
                proof.append(self._span(start, middle))
                start, is_whole = middle, False
        if not is_whole:  # else the verifier has it: it is the first root itself
            proof.append(self._span(start, end))
        return proof[::-1]

    def _checked(self, size: int | None) -> int:
        if size is None:
            return self.size
        if not 0 <= size <= self.size:
            raise ValueError("the tree does not have that many leaves")
        return size

    def _span(self, start: int, end: int) -> bytes:
        """Return the root over leaves ``start`` to ``end``; the span is one that RFC 6962 asks for."""
        width = end - start
        if width == 0:
            return EMPTY_ROOT
        if width & (width - 1) == 0 and start % width == 0:
            level = width.bit_length() - 1
            at = (start >> level) * HASH_BYTES
            return self._levels[level][at : at + HASH_BYTES]
        middle = start + _split(width)
        return node_hash(self._span(start, middle), self._span(middle, end))


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Say whether ``proof`` shows that ``leaf`` is number ``index`` (from 0) of ``size`` under ``root``."""
    if not 0 <= index < size:
        return False
    position, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            found = node_hash(sibling, found)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(
    first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Say whether ``proof`` shows that the second tree begins with exactly the leaves of the first."""
    if not 0 <= first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    if first == 0:
        return not proof and first_root == EMPTY_ROOT
    steps = list(proof)
    if first & (first - 1) == 0:
        steps.insert(0, first_root)
    if not steps:
        return False
    position, last = first - 1, second - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = steps[0]
    for sibling in steps[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _split(width: int) -> int:
    """Return the largest power of two smaller than a width above 1: where RFC 6962 splits."""
    return 1 << ((width - 1).bit_length() - 1)
