"""Stretches: what a batch tells alone is enough for the verifier, and no more than the batch told."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from policies.audit_entries import RowsLog, entry_of
from policies.audit_stretch import BLOCK, stretch_of, summed
from policies.audit_tree import Tree
from policies.audit_verify import Anchor, verify_log
from tests.unit.policies.ledgers import anchor, ledger, ledgers

LONG = ledger(3 * BLOCK + 40)
WHOLE = Tree(b"".join(row.hash for row in LONG))


class Looked(RowsLog):
    """A log at whose batches somebody looked already."""

    def parts(self):
        """Yield stretches instead of batches."""
        for batch in self.batches():
            yield summed(stretch_of(batch))


def reports(rows, anchors, batch_size):
    """Return the reports with and without somebody who looked before; the tree's edge by what it says."""
    return [
        (report.entries, report.checkpoints, report.fault, report.root, report.frontier.peaks)
        for report in (verify_log(kind(rows, batch_size), anchors) for kind in (RowsLog, Looked))
    ]


@given(st.data())
def test_blocks_lead_to_the_same_tree(data):
    """With checkpoints of any size, a false one among them perhaps, blocks and leaves give one report."""
    sizes = st.one_of(st.integers(0, len(LONG)), st.sampled_from([BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK]))
    anchors = [Anchor(size, WHOLE.root(size)) for size in data.draw(st.lists(sizes, max_size=5))]
    if anchors and data.draw(st.booleans()):
        anchors[-1] = replace(anchors[-1], root=b"\x07" * 32)
    size = data.draw(st.sampled_from([100, BLOCK, 2 * BLOCK, 2 * BLOCK + 13, 5 * BLOCK]))
    leaves, blocks = reports(LONG, anchors, size)
    assert blocks == leaves


@given(st.data())
def test_a_stretch_hides_nothing(data):
    """A change anywhere in a row, or a row that is gone, gives the same report from stretches."""
    rows = data.draw(ledgers(least=2))
    at = data.draw(st.integers(0, len(rows) - 1))
    field = data.draw(st.sampled_from(["payload", "hash", "prev_hash", "name", "subject_id", "seq", "gone"]))
    value = None if field == "gone" else getattr(rows[at], field)
    if isinstance(value, bytes):
        value = bytes([value[0] ^ 1]) + value[1:]
    else:
        value = value + 100 if isinstance(value, int) else f"{value} "
    changed = [] if field == "gone" else [replace(rows[at], **{field: value})]
    leaves, blocks = reports(
        [*rows[:at], *changed, *rows[at + 1 :]], [anchor(rows)], data.draw(st.integers(1, 9))
    )
    assert blocks == leaves
    assert blocks[2] is not None


def test_what_is_handed_over():
    """A good stretch has the roots of its blocks; one that begins inside a block, or is bad, has none."""
    first, second = [summed(stretch_of(batch)) for batch in RowsLog(LONG, 2 * BLOCK).batches()]
    assert (first.is_good, first.first, first.count, len(first.blocks)) == (True, 1, 2 * BLOCK, 64)
    assert (second.count, second.blocks) == (BLOCK + 40, Tree(second.hashes[: BLOCK * 32]).root())
    (odd,) = [summed(stretch_of(batch)) for batch in RowsLog(LONG[1:], 4 * BLOCK).batches()]
    assert (odd.is_good, odd.blocks) == (True, b"")
    (bad,) = RowsLog(LONG[:BLOCK], BLOCK).batches()
    assert summed(stretch_of(replace(bad, strays=1))).blocks == b""
    assert not stretch_of(replace(bad, strays=1)).is_good


def test_a_jump_in_the_numbers_is_not_good():
    """Also where the hashes of the rows go on from each other: nobody may count on from the first number."""
    before, row = LONG[0], LONG[1]
    (batch,) = RowsLog([before, entry_of(3, before.hash, row.payload)]).batches()
    assert not stretch_of(batch).is_good
    assert verify_log(Looked([before, entry_of(3, before.hash, row.payload)])).fault.seq == 2
