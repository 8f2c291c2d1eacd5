"""Two processes verify what one does, whatever numbers entries have, and tell each the hashes of its own."""

import errno
import os

import pytest

from policies.audit_entries import entry_of
from resources.postgres import audit_pair
from tests.integration.audit.test_verify_by_two import same, told
from tests.unit.policies.ledgers import anchor, ledger, numbered

ROWS = 8
MOST = 2**63 - 1


@pytest.fixture
def in_shares(monkeypatch):
    """Let two processes verify, in batches that may have a gap inside and are made of pieces; the patch."""
    monkeypatch.setattr(audit_pair, "is_worth_two", lambda *_: True)
    monkeypatch.setattr(audit_pair, "SHARE", 2 * ROWS)
    monkeypatch.setattr(audit_pair, "ROWS", ROWS)
    return monkeypatch


@pytest.mark.parametrize(
    ("numbers", "fault"),
    [
        ((1, 18, 1), (20, "deletion")),
        ((1, 18, 1000), (20, "deletion")),
        ((7, 18, 1), (1, "deletion")),
        ((-5, 18, 0), (1, "insertion")),
        ((0, 18, 1), (1, "insertion")),
        ((MOST - 39, 18, 0), (1, "deletion")),
        ((-MOST - 1, 18, 0), (1, "insertion")),
    ],
)
def test_entries_hashed_anew_under_other_numbers(log, put, in_shares, numbers, fault):
    """Where hashes go on from each other and numbers do not, both say the same, and where.

    Also of the least and of the largest numbers that the table may have.
    """
    put(numbered(ledger(40), *numbers))
    assert same(log, in_shares)[0] == fault


@pytest.mark.parametrize(("number", "fault"), [(MOST, (40, "deletion")), (-MOST - 1, (1, "insertion"))])
def test_a_number_far_away(log, put, number, fault):
    """One entry with the least or the largest number there may be is found, and nothing overflows."""
    *rows, last = ledger(40)
    put([*rows, entry_of(number, last.prev_hash, last.payload)])
    with log.view() as view:
        assert told(view)[0] == fault


def test_no_memory_for_all_numbers(log, put, in_shares):
    """A few rows may have numbers far from each other: one process verifies them in memory for rows only."""

    def refuse(*_):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    in_shares.setattr(audit_pair.mmap, "mmap", refuse)
    rows = ledger(40)
    put(rows)
    assert same(log, in_shares, [anchor(rows)])[:3] == (None, 40, 1)


def test_hashes_in_one_memory_are_those_of_the_rows(log, put, in_shares):
    """Whoever looked, every stretch has the hashes of its own rows, in order, and there is no other."""
    rows = ledger(100)
    put(rows)
    with log.view() as view:
        parts = list(view.parts())
    assert [part.first for part in parts] == list(range(1, 101, ROWS))
    assert b"".join(bytes(part.hashes) for part in parts) == b"".join(row.hash for row in rows)
