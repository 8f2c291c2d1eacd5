"""Names what was done to a log at the place where its chain stops being true.

Every entry before that place is good. What is there now, what its neighbours name as the hash before them,
and where the true entry went tell the kinds of tampering apart.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from policies.audit_entries import Entry, Log
from policies.audit_tree import HASH_BYTES

_SLACK: Final = 1000  # numbers beyond the last row that a renumbered entry may have had
_PAGE: Final = 2000


class FaultKind(StrEnum):
    """What was done to the log."""

    EDIT = "edit"
    DELETION = "deletion"
    INSERTION = "insertion"
    REORDERING = "reordering"
    TRUNCATION = "truncation"
    FORK = "fork"  # the log agrees with itself, but not with a checkpoint: its history was written anew


_SENTENCES: Final = {
    FaultKind.EDIT: "Entry {seq} was changed after it was written.",
    FaultKind.DELETION: "Entry {seq} was taken out.",
    FaultKind.INSERTION: "Entry {seq} was put in: the entries around it do not know it.",
    FaultKind.REORDERING: "Entry {seq} is not the one that belongs there; that one is elsewhere in the log.",
    FaultKind.TRUNCATION: "The log ends before entry {seq}, which was written once.",
    FaultKind.FORK: "From entry {seq} on, this is not the history that was signed.",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """The first bad entry: its number and what was done. ``seq`` is the first missing one after a cut."""

    seq: int
    kind: FaultKind

    @property
    def sentence(self) -> str:
        """What staff read."""
        return _SENTENCES[self.kind].format(seq=self.seq)


@dataclass(frozen=True, slots=True)
class Break:
    """The place where a log stops being true.

    Attributes:
        log: The log.
        hashes: Hashes of the good entries before it, side by side.
        genesis: What the first entry names as the hash before it.
        signed: Entries (from the first) that a checkpoint has shown to be good.
    """

    log: Log
    hashes: bytes
    genesis: bytes
    signed: int

    @property
    def seq(self) -> int:
        """The number that the entry here must have."""
        return len(self.hashes) // HASH_BYTES + 1

    def hash_of(self, seq: int) -> bytes:
        """Return the hash of a good entry; of 0: what the first entry names."""
        return self.hashes[(seq - 1) * HASH_BYTES : seq * HASH_BYTES] if seq else self.genesis


def is_good(row: Entry, seq: int, prev_hash: bytes) -> bool:
    """Say whether a row is true at a place in the log."""
    return row.seq == seq and row.prev_hash == prev_hash and row.is_own_as(seq) and row.has_true_columns()


def name_fault(found: Break) -> Fault:
    """Return the first bad entry and what was done, for a place where the row is not good."""
    rows = found.log.entries(found.seq - 1, 2)
    row, after = rows[0], rows[1] if len(rows) > 1 else None
    if row.seq > found.seq:
        return _at_gap(found, row)
    if row.seq < found.seq:
        return Fault(max(row.seq, 1), FaultKind.INSERTION)
    if row.prev_hash == found.hash_of(found.seq - 1):
        return _linked(found, row, after)
    return _unlinked(found, row, after)


def _at_gap(found: Break, row: Entry) -> Fault:
    """The number is not there."""
    seq, before = found.seq, found.hash_of(found.seq - 1)
    if row.prev_hash == before and row.is_own_as(seq):
        return Fault(seq, FaultKind.EDIT)  # it is there, under another number
    if _is_elsewhere(found, row):
        return Fault(seq, FaultKind.REORDERING)
    if not row.is_own_as(row.seq) and len(found.log.entries(seq - 1, 2)) == 1:
        return Fault(row.seq, FaultKind.INSERTION)  # at the end, and no entry of this log
    return Fault(seq, FaultKind.DELETION)


def _linked(found: Break, row: Entry, after: Entry | None) -> Fault:
    """The row goes on from the one before it, but its own hash or columns are not true."""
    seq, before = found.seq, found.hash_of(found.seq - 1)
    if row.is_own_as(seq):
        return Fault(seq, FaultKind.EDIT)  # only columns
    if after is not None and after.prev_hash == before and after.is_own_as(seq):
        return Fault(seq, FaultKind.INSERTION)  # the true one was moved on
    wanted = {row.hash} | ({after.prev_hash} if after is not None else set())
    if row.hash_as(seq, before) in wanted:
        return Fault(seq, FaultKind.EDIT)  # only the hash
    if _is_copy(found, row):
        return Fault(seq, FaultKind.INSERTION if after is None else FaultKind.EDIT)
    if _payload_is_elsewhere(found, wanted):
        return Fault(seq, FaultKind.REORDERING)
    return Fault(seq, FaultKind.EDIT)


def _unlinked(found: Break, row: Entry, after: Entry | None) -> Fault:
    """The row does not go on from the one before it."""
    seq, before = found.seq, found.hash_of(found.seq - 1)
    true_hash = row.hash_as(seq, before)
    if true_hash == row.hash or (after is not None and after.prev_hash == true_hash):
        return Fault(seq, FaultKind.EDIT)  # only what it names as the hash before it
    forged = _forged_before(found, row)
    if forged is not None:
        return Fault(forged, FaultKind.INSERTION)
    number = _true_number(found, row)
    if _is_elsewhere(found, row):
        is_moved = number not in {None, seq} and len(found.log.hashed(row.hash)) == 1
        return Fault(seq, FaultKind.REORDERING if is_moved else FaultKind.INSERTION)
    if number == seq:
        # It goes on from something that is no longer there: the entry before it was changed and hashed anew.
        is_blameless = seq - 1 <= found.signed
        return Fault(seq if is_blameless else seq - 1, FaultKind.EDIT)
    return Fault(seq, _replaced(found, row, after, number))


def _replaced(found: Break, row: Entry, after: Entry | None, number: int | None) -> FaultKind:
    """The true entry is gone: name what brought this row to its place."""
    if _is_copy(found, row):
        return FaultKind.INSERTION if after is None else FaultKind.EDIT
    # With a number of its own it is a true entry: those behind the one that is gone were renumbered.
    return FaultKind.EDIT if number is None else FaultKind.DELETION


def _is_elsewhere(found: Break, row: Entry) -> bool:
    """Say whether the true entry for this place is in another row."""
    before = found.hash_of(found.seq - 1)
    return any(other != row and other.is_own_as(found.seq) for other in found.log.naming(before))


def _is_copy(found: Break, row: Entry) -> bool:
    return any(other != row for other in found.log.hashed(row.hash))


def _forged_before(found: Break, row: Entry) -> int | None:
    """Return the number of the first entry that was forged in before this row, which does not know it."""
    for seq in range(found.seq - 1, found.signed, -1):
        if row.prev_hash == found.hash_of(seq - 1):
            return seq if row.is_own_as(seq) and row.hash != found.hash_of(seq) else None
    return None


def _true_number(found: Break, row: Entry) -> int | None:
    """Return the number under which a row agrees with itself; null if there is none."""
    if row.is_own_as(found.seq):
        return found.seq
    most = found.log.count() + found.signed + _SLACK
    return next((seq for seq in range(1, most + 1) if row.is_own_as(seq)), None)


def _payload_is_elsewhere(found: Break, wanted: set[bytes]) -> bool:
    """Say whether a later row has the payload that belongs here."""
    seq, before, position = found.seq, found.hash_of(found.seq - 1), found.seq
    while rows := found.log.entries(position, _PAGE):
        for row in rows:
            true_hash = row.hash_as(seq, before)
            if true_hash in wanted or true_hash == row.hash:
                return True
        position += len(rows)
    return False
