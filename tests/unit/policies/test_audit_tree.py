"""The Merkle tree: equal to RFC 6962's own recursive definition, and its proofs prove nothing else."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.audit_tree import EMPTY_ROOT, Frontier, Tree, verify_consistency, verify_inclusion

# The test vectors that implementations of RFC 6962 share: these eight inputs, and the root over all of them.
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
SHARED_ROOT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def naive_root(hashes):
    """MTH of RFC 6962 section 2.1, as it is written there."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return sha256(b"\x01" + naive_root(hashes[:k]) + naive_root(hashes[k:])).digest()


def naive_path(m, hashes):
    """PATH of RFC 6962 section 2.1.1."""
    if len(hashes) == 1:
        return []
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    if m < k:
        return [*naive_path(m, hashes[:k]), naive_root(hashes[k:])]
    return [*naive_path(m - k, hashes[k:]), naive_root(hashes[:k])]


def naive_proof(m, hashes, *, is_whole=True):
    """SUBPROOF of RFC 6962 section 2.1.2."""
    if m == len(hashes):
        return [] if is_whole else [naive_root(hashes)]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    if m <= k:
        return [*naive_proof(m, hashes[:k], is_whole=is_whole), naive_root(hashes[k:])]
    return [*naive_proof(m - k, hashes[k:], is_whole=False), naive_root(hashes[:k])]


def leaves(count, salt=0):
    return [sha256(f"{salt}:{number}".encode()).digest() for number in range(count)]


def test_shared_vector():
    """Eight inputs known from RFC 6962 implementations have the root that all of them publish."""
    hashes = [sha256(b"\x00" + each).digest() for each in INPUTS]
    assert Tree(b"".join(hashes)).root().hex() == SHARED_ROOT
    assert naive_root(hashes).hex() == SHARED_ROOT


def test_every_size_up_to_40():
    """Root, inclusion and consistency proofs equal the RFC's recursion, and verify, for every small tree."""
    hashes = leaves(40)
    tree = Tree(b"".join(hashes))
    for size in range(41):
        assert tree.root(size) == naive_root(hashes[:size])
        assert tree.frontier(size).root() == tree.root(size)
        for index in range(size):
            proof = tree.inclusion_proof(index, size)
            assert proof == naive_path(index, hashes[:size])
            assert verify_inclusion(index, size, hashes[index], proof, tree.root(size))
        for first in range(size + 1):
            proof = tree.consistency_proof(first, size)
            assert proof == ([] if first == 0 else naive_proof(first, hashes[:size]))
            assert verify_consistency(first, size, tree.root(first), tree.root(size), proof)


@given(st.lists(st.integers(0, 70), max_size=8))
def test_frontier_grows_in_any_portions(portions):
    """The frontier tells the same root however the leaves arrive, and can be kept and taken up again."""
    hashes = leaves(sum(portions))
    frontier, done = Frontier(), 0
    for portion in portions:
        frontier.extend(b"".join(hashes[done : done + portion]))
        frontier = Frontier.of(frontier.size, frontier.peaks)
        done += portion
        assert frontier.root() == naive_root(hashes[:done])
    assert frontier.size == done


@given(st.data())
def test_frontier_grows_by_whole_subtrees(data):
    """Roots of complete subtrees stand for their leaves, where such a subtree may begin and nowhere else."""
    level = data.draw(st.integers(0, 4))
    before = data.draw(st.integers(0, 5)) << level
    count = data.draw(st.integers(0, 5))
    width = 1 << level
    hashes = leaves(before + count * width + 3)
    frontier = Frontier()
    frontier.extend(b"".join(hashes[:before]))
    starts = range(before, before + count * width, width)
    frontier.extend(b"".join(naive_root(hashes[start : start + width]) for start in starts), level)
    assert frontier.size == before + count * width
    assert frontier.root() == naive_root(hashes[: frontier.size])
    frontier.extend(b"".join(hashes[frontier.size :]))
    assert frontier.root() == naive_root(hashes)
    with pytest.raises(ValueError, match="cannot begin here"):
        Frontier.of(3, hashes[:2]).extend(hashes[0], level + 1)


@given(st.data())
def test_proofs_prove_nothing_else(data):
    """A proof with anything changed (a hash, its length, the number, the size, the root) is refused."""
    size = data.draw(st.integers(2, 200))
    hashes = leaves(size)
    tree = Tree(b"".join(hashes))
    index = data.draw(st.integers(0, size - 1))
    proof = tree.inclusion_proof(index)
    other = data.draw(st.integers(0, size - 1).filter(lambda number: number != index))
    assert not verify_inclusion(other, size, hashes[index], proof, tree.root())
    assert not verify_inclusion(index, size, hashes[other], proof, tree.root())
    assert not verify_inclusion(index, size, hashes[index], proof[:-1], tree.root())
    assert not verify_inclusion(index, size, hashes[index], [*proof, hashes[0]], tree.root())
    assert not verify_inclusion(index, size, hashes[index], proof, hashes[0])
    at = data.draw(st.integers(0, len(proof) - 1))
    assert not verify_inclusion(
        index, size, hashes[index], [*proof[:at], b"x" * 32, *proof[at + 1 :]], tree.root()
    )


@given(st.data())
def test_consistency_refuses_another_history(data):
    """A tree in which any earlier leaf differs is consistent with no checkpoint of the true one."""
    size = data.draw(st.integers(2, 200))
    first = data.draw(st.integers(1, size - 1))
    hashes = leaves(size)
    changed = list(hashes)
    changed[data.draw(st.integers(0, first - 1))] = b"\x07" * 32
    true, forged = Tree(b"".join(hashes)), Tree(b"".join(changed))
    proof = forged.consistency_proof(first)
    assert verify_consistency(first, size, forged.root(first), forged.root(), proof)
    assert not verify_consistency(first, size, true.root(first), forged.root(), proof)
    assert not verify_consistency(first, size, true.root(first), forged.root(), true.consistency_proof(first))
    assert not verify_consistency(first, size, true.root(first), true.root(), [])


def test_odd_questions():
    """The empty tree has the RFC's root; questions about leaves that are not there are refused."""
    assert Tree(b"").root() == EMPTY_ROOT == Frontier().root()
    assert verify_consistency(0, 3, EMPTY_ROOT, b"any" * 4, [])
    assert not verify_consistency(3, 2, b"a", b"b", [])
    assert not verify_inclusion(0, 0, b"a", [], EMPTY_ROOT)
    tree = Tree(b"".join(leaves(3)))
    for question in (
        lambda: tree.inclusion_proof(3),
        lambda: tree.root(4),
        lambda: tree.consistency_proof(3, 2),
        lambda: Frontier.of(3, [b"x" * 32]),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            question()
