"""Verification: a clean ledger never alarms; every way to tamper is detected, located and named."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from policies.audit_entries import Batch, RowsLog, columns_of, entry_of
from policies.audit_faults import FaultKind
from policies.audit_tree import Frontier, Tree
from policies.audit_verify import Anchor, verify_log
from tests.unit.policies.ledgers import GENESIS_BYTES, anchor, chained, ledger, ledgers

SIZES = st.sampled_from([1, 2, 3, 7, 1000])
FIELDS = ("payload", "hash", "prev_hash")
COLUMNS = ("name", "at", "actor_id", "actor_kind", "principal_id", "subject_kind", "subject_id", "state")


def found(rows, anchors=(), batch_size=3, known=0):
    """Return the fault of a ledger as (seq, kind)."""
    fault = verify_log(RowsLog(rows, batch_size), anchors, known_entries=known).fault
    return None if fault is None else (fault.seq, fault.kind.value)


def flip(data, value):
    """Return the value with one byte (or character) of it changed."""
    if isinstance(value, bytes):
        at = data.draw(st.integers(0, len(value) - 1))
        return value[:at] + bytes([value[at] ^ data.draw(st.integers(1, 255))]) + value[at + 1 :]
    at = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.characters(min_codepoint=32, max_codepoint=126).filter(lambda c: c != value[at]))
    return value[:at] + other + value[at + 1 :]


@given(st.data())
def test_clean_ledgers_never_alarm(data):
    """Any true ledger, with any checkpoints of it, in any batches, is good to the last entry."""
    rows = data.draw(ledgers(least=0))
    sizes = data.draw(st.lists(st.integers(0, len(rows)), max_size=4))
    anchors = [anchor(rows, size, since=data.draw(st.integers(0, size))) for size in sizes]
    report = verify_log(RowsLog(rows, data.draw(SIZES)), anchors, known_entries=len(rows))
    assert report.is_ok
    assert (report.entries, report.checkpoints) == (len(rows), len(set(sizes)))
    assert report.root == Tree(b"".join(row.hash for row in rows)).root()


@given(st.data())
def test_one_byte_changed_anywhere(data):
    """One byte of a payload, a hash, a link or a repeated column changed is an edit of that entry."""
    rows = data.draw(ledgers())
    at = data.draw(st.integers(0, len(rows) - 1))
    field = data.draw(st.sampled_from(FIELDS + COLUMNS))
    value = getattr(rows[at], field)
    changed = "executed" if value is None else flip(data, value)
    tampered = [*rows[:at], replace(rows[at], **{field: changed}), *rows[at + 1 :]]
    assert found(tampered, batch_size=data.draw(SIZES)) == (at + 1, "edit")


@given(st.data())
def test_edit_with_its_own_hash_made_anew(data):
    """A changed payload with its columns and its own hash set to match is an edit: the next entry tells."""
    rows = data.draw(ledgers(least=2))
    at = data.draw(st.integers(0, len(rows) - 2))
    forged = entry_of(at + 1, rows[at].prev_hash, rows[at].payload.replace('"v":1', '"v":2'))
    tampered = [*rows[:at], forged, *rows[at + 1 :]]
    assert found(tampered, batch_size=data.draw(SIZES)) == (at + 1, "edit")
    anchors = [anchor(rows, since=0), anchor(rows, at + 1)]
    assert found(tampered, anchors, batch_size=data.draw(SIZES)) == (at + 1, "edit")


@given(st.data())
def test_edit_with_all_hashes_after_it_made_anew(data):
    """A history written anew agrees with itself; the checkpoint says fork, and the witness where."""
    rows = data.draw(ledgers())
    at = data.draw(st.integers(0, len(rows) - 1))
    payloads = [row.payload for row in rows]
    payloads[at] = payloads[at].replace('"v":1', '"v":2')
    tampered = chained(payloads)
    assert found(tampered) is None  # why checkpoints lie outside the database
    size = data.draw(st.integers(at + 1, len(rows)))
    before = data.draw(st.integers(0, at))
    batch = data.draw(SIZES)
    assert found(tampered, [anchor(rows, before), anchor(rows, size)], batch) == (before + 1, "fork")
    assert found(tampered, [anchor(rows, before), anchor(rows, size, since=before)], batch) == (
        at + 1,
        "fork",
    )


@given(st.data())
def test_entries_taken_out(data):
    """Missing entries are a deletion at the first of them, whether or not the others were renumbered."""
    rows = data.draw(ledgers(least=2))
    first = data.draw(st.integers(0, len(rows) - 2))
    count = data.draw(st.integers(1, len(rows) - 1 - first))
    kept = [*rows[:first], *rows[first + count :]]
    assert found(kept, batch_size=data.draw(SIZES)) == (first + 1, "deletion")
    renumbered = [replace(row, seq=seq) for seq, row in enumerate(kept, 1)]
    assert found(renumbered, batch_size=data.draw(SIZES)) == (first + 1, "deletion")


@given(st.data())
def test_entries_put_in(data):
    """A forged entry among true ones is an insertion at its place, however well it was forged."""
    rows = data.draw(ledgers())
    at = data.draw(st.integers(0, len(rows) - 1))
    payload = rows[at].payload.replace('"v":1', '"v":2')
    how = data.draw(st.sampled_from(["chained", "unlinked", "wrong hash", "copy"]))
    if how == "chained":
        forged = entry_of(at + 1, rows[at].prev_hash, payload)
    elif how == "unlinked":
        forged = entry_of(at + 1, b"\x05" * 32, payload)
    elif how == "wrong hash":
        forged = replace(entry_of(at + 1, rows[at].prev_hash, payload), hash=b"\x06" * 32)
    else:
        forged = replace(
            rows[data.draw(st.integers(0, len(rows) - 1).filter(lambda n: n != at or at == 0))], seq=at + 1
        )
        assume(forged != rows[at])
    moved = [replace(row, seq=row.seq + 1) for row in rows[at:]]
    assert found([*rows[:at], forged, *moved], batch_size=data.draw(SIZES)) == (at + 1, "insertion")


@given(st.data())
def test_entries_put_at_the_end(data):
    """A copy at the end, or an entry with a number far away, is an insertion there."""
    rows = data.draw(ledgers())
    copy = replace(rows[data.draw(st.integers(0, len(rows) - 1))], seq=len(rows) + 1)
    assert found([*rows, copy]) == (len(rows) + 1, "insertion")
    far = replace(copy, seq=len(rows) + 50)
    assert found([*rows, far]) == (len(rows) + 50, "insertion")


@given(st.data())
def test_entries_in_another_order(data):
    """Two entries that changed places, with or without their links, are a reordering at the first."""
    rows = data.draw(ledgers(least=2))
    first = data.draw(st.integers(0, len(rows) - 2))
    second = data.draw(st.integers(first + 1, len(rows) - 1))
    how = data.draw(st.sampled_from([("seq",), ("payload", *COLUMNS), ("payload", "hash", *COLUMNS)]))
    tampered = list(rows)
    a, b = rows[first], rows[second]
    tampered[first] = replace(a, **{field: getattr(b, field) for field in how})
    tampered[second] = replace(b, **{field: getattr(a, field) for field in how})
    assert found(tampered, batch_size=data.draw(SIZES)) == (first + 1, "reordering")


@given(st.data())
def test_cut_off(data):
    """A log that ends early is truncated: a checkpoint knows it, and so does any row that names an entry."""
    rows = data.draw(ledgers())
    left = data.draw(st.integers(0, len(rows) - 1))
    batch = data.draw(SIZES)
    assert found(rows[:left], [anchor(rows)], batch) == (left + 1, "truncation")
    assert found(rows[:left], [anchor(rows, since=0)], batch) == (left + 1, "truncation")
    assert found(rows[:left], (), batch, known=len(rows)) == (left + 1, "truncation")


@given(st.data())
def test_cut_off_and_written_on(data):
    """A log that was cut and then went on with other entries is a fork where it was cut."""
    rows = data.draw(ledgers())
    left = data.draw(st.integers(0, len(rows) - 1))
    other = chained(
        [row.payload for row in rows[:left]] + [row.payload for row in ledger(len(rows), "x")[left:]]
    )
    assert found(other, [anchor(rows, since=0)], data.draw(SIZES)) == (left + 1, "fork")
    shorter = other[: data.draw(st.integers(left, len(rows)))]
    expected = "fork" if len(shorter) > left else "truncation"
    assert found(shorter, [anchor(rows, since=0)], data.draw(SIZES)) == (left + 1, expected)


@given(st.integers(1, 30), st.integers(1, 40))
def test_whole_log_replaced(count, others):
    """Another log in place of this one is a fork, or a cut one, from the first entry."""
    rows, replaced = ledger(count), ledger(others, "other")
    kind = "fork" if others >= count else "truncation"
    assert found(replaced, [anchor(rows)]) == (1 if kind == "fork" else others + 1, kind)
    assert found(replaced, [anchor(rows, since=0)]) == (1, "fork")


@given(st.data())
def test_forged_history_before_a_break(data):
    """Of two faults the first is named, also when only the witness can see it."""
    rows = data.draw(ledgers(least=4))
    at = data.draw(st.integers(0, len(rows) - 4))
    payloads = [row.payload for row in rows]
    payloads[at] = payloads[at].replace('"v":1', '"v":2')
    tampered = chained(payloads)
    tampered[-1] = replace(tampered[-1], hash=b"\x01" * 32)
    assert found(tampered, [anchor(rows, since=0)], data.draw(SIZES)) == (at + 1, "fork")


@pytest.mark.parametrize("batch_size", [1, 3, 4, 5, 20])
def test_another_history_before_an_edit(batch_size):
    """What was signed comes first: the history that differs is named, however many rows a batch has."""
    rows, other = ledger(9), ledger(9, "other")
    other[7] = replace(other[7], name="edited")
    report = verify_log(RowsLog(other, batch_size), [anchor(rows, 4)])
    assert (report.fault.seq, report.fault.kind, report.entries) == (1, FaultKind.FORK, 0)
    anew = chained([row.payload for row in other[4:]], 5, rows[3].hash)
    anew[3] = replace(anew[3], name="edited")
    report = verify_log(RowsLog([*rows[:4], *anew], batch_size), [anchor(rows, 4), anchor(rows, 6)])
    assert (report.fault.seq, report.fault.kind, report.entries) == (5, FaultKind.FORK, 4)


def test_two_checkpoints_that_differ():
    """Two signed roots of one size cannot both be true: a fork."""
    rows = ledger(5)
    assert found(rows, [anchor(rows), Anchor(5, b"\x09" * 32)]) == (5, "fork")


def test_a_witness_that_lies_is_not_believed():
    """Leaves that do not lead to the signed root locate nothing; the checkpoint still tells."""
    rows, forged = ledger(6), ledger(6, "x")
    lying = Anchor(6, anchor(rows).root, b"".join(row.hash for row in forged))
    assert found(rows, [lying]) is None
    assert found(forged, [lying]) == (1, "fork")


def test_columns_that_only_look_odd():
    """Rows that a quick look sets aside are good if a close look finds them so."""

    class Doubtful(RowsLog):
        def batches(self):
            for batch in super().batches():
                yield replace(batch, strays=1)

    assert verify_log(Doubtful(ledger(7), 2), [anchor(ledger(7), 5)]).is_ok


def test_same_log_in_two_halves():
    """The frontier of a verified prefix is enough to tell the root of all: nothing else must be kept."""
    rows = ledger(50)
    frontier = verify_log(RowsLog(rows[:20])).frontier
    later = Frontier.of(frontier.size, frontier.peaks)
    later.extend(b"".join(row.hash for row in rows[20:]))
    assert later.root() == anchor(rows).root


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"actor":1}', "not json"])
def test_payloads_that_are_no_events(text):
    """A payload that is no event has no columns, so no row of it is true."""
    assert columns_of(text) is None
    forged = replace(
        ledger(1)[0], payload=text, hash=sha256(b"\0" + f"1\n{'0' * 64}\n{text}".encode()).digest()
    )
    assert found([forged]) == (1, "edit")
    assert forged.prev_hash == GENESIS_BYTES


def test_sentences_name_the_entry():
    """Every kind of fault has a sentence that names the entry."""
    rows = ledger(3)
    fault = verify_log(RowsLog(rows[:2]), [anchor(rows)]).fault
    assert "3" in fault.sentence
    assert len(FaultKind) == 6


def test_archived_entries_leave_everything_verifiable():
    """Without the old entries: their frontier leads to the signed root, and on to all later ones."""
    rows = ledger(300)
    archived = RowsLog(rows[:200])
    signed = [anchor(rows, 200), anchor(rows, 300)]
    report = verify_log(archived, signed[:1])
    assert report.is_ok  # the archive alone
    kept = Frontier.of(200, report.frontier.peaks)
    assert (kept.root(), len(kept.peaks)) == (signed[0].root, 3)
    prev = rows[199].hash
    assert chained([row.payload for row in rows[200:]], 201, prev) == rows[200:]  # the rest alone
    kept.extend(b"".join(row.hash for row in rows[200:]))
    assert kept.root() == signed[1].root


@given(st.data())
def test_any_mixture_is_found_where_it_begins(data):
    """Whatever mixture of changes was made, the first entry that is not what was signed is named."""
    rows = data.draw(ledgers(least=3, most=12))
    tampered = list(rows)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(len(tampered) - 1, 0)))
        how = data.draw(st.sampled_from(["edit", "delete", "swap", "copy", "anew"]))
        if not tampered:
            break
        if how == "edit":
            field = data.draw(st.sampled_from(FIELDS + COLUMNS[:-1]))
            tampered[at] = replace(tampered[at], **{field: flip(data, getattr(tampered[at], field))})
        elif how == "delete":
            del tampered[at]
        elif how == "swap":
            other = data.draw(st.integers(0, len(tampered) - 1))
            tampered[at], tampered[other] = tampered[other], tampered[at]
        elif how == "copy":
            tampered.insert(at, tampered[data.draw(st.integers(0, len(tampered) - 1))])
        else:
            events = [row.payload for row in tampered if columns_of(row.payload) is not None]
            tampered = chained(events)
        tampered = [replace(row, seq=seq) for seq, row in enumerate(tampered, 1)]
    same = next((at for at, pair in enumerate(zip(rows, tampered, strict=False)) if pair[0] != pair[1]), None)
    first = min(len(rows), len(tampered)) if same is None else same
    assume(tampered[: len(rows)] != rows)
    report = verify_log(RowsLog(tampered, data.draw(SIZES)), [anchor(rows, since=0)])
    assert report.fault is not None
    assert report.fault.seq == first + 1
    assert report.entries == first


class UnsortedLog(RowsLog):
    """A log whose batches have hashes in the order of its pages, because rows could not be told apart."""

    def batches(self):
        """Yield all rows as one batch that has to be looked at, its first two rows exchanged."""
        rows = [*self._rows[1::-1], *self._rows[2:]]
        prev_hashes, hashes = b"".join(row.prev_hash for row in rows), b"".join(row.hash for row in rows)
        yield Batch(0, len(rows), [], prev_hashes, hashes, len(rows))


def test_rows_that_have_to_be_looked_at_count_as_they_were_seen():
    """What a batch holds in no order that anybody told is neither taken for the chain nor for the tree."""
    rows = ledger(6)
    report = verify_log(UnsortedLog(rows), [anchor(rows, 4), anchor(rows, since=0)])
    assert (report.is_ok, report.entries, report.checkpoints) == (True, 6, 2)
    assert report.root == Tree(b"".join(row.hash for row in rows)).root()
    edited = [*rows[:4], replace(rows[4], hash=b"\x05" * 31), rows[5]]
    for anchors in ([], [anchor(rows, since=0)]):
        fault = verify_log(UnsortedLog(edited), anchors).fault
        assert (fault.seq, fault.kind.value) == (5, "edit")
