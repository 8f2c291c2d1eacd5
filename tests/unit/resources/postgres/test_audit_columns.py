"""Columns of the audit log side by side: the same entries as row by row, and no untrue column passes."""

import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.audit_entries import RowsLog
from resources.postgres import audit_columns
from resources.postgres.audit_columns import Columns, Values, batch_of
from tests.unit.policies.ledgers import STUDIO, ledger, ledgers

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
CHANGES = {
    "name": "x:y:z",
    "at": "2026-11-21T15:00:01.000001Z",
    "actor_id": "uid-2",
    "actor_kind": "system",
    "principal_id": "somebody",
    "subject_kind": "quota",
    "subject_id": "prp_x",
    "state": None,
}


def columns_of(rows):
    """Return rows as the server would send them."""

    def or_null(value):
        return "null" if value is None else f'"{value}"'

    def texts(of):
        return "\x1e".join(map(of, rows)).encode()

    def actor(row):
        owner = or_null(None if row.principal_id == row.actor_id else row.principal_id)
        return f'{row.actor_id}","kind":"{row.actor_kind}","owner":{owner}'

    def side_by_side(form, values):
        return b"".join(struct.pack(form, value) for value in values)

    payloads = [row.payload.encode() for row in rows]
    ats = [(datetime.fromisoformat(row.at) - EPOCH) // timedelta(microseconds=1) for row in rows]
    return Columns(
        count=len(rows),
        seqs=side_by_side("!q", [row.seq for row in rows]),
        prev_hashes=b"".join(row.prev_hash for row in rows),
        hashes=b"".join(row.hash for row in rows),
        odd_hashes=sum(len(row.prev_hash) != 32 or len(row.hash) != 32 for row in rows),
        payloads=memoryview(b"".join(payloads)),
        lengths=side_by_side("!i", map(len, payloads)),
        ats=side_by_side("!q", ats),
        values=Values(
            actors=texts(actor),
            events=texts(lambda row: f'{row.name}","state":{or_null(row.state)}'),
            subjects=texts(lambda row: f'{row.subject_id}","kind":"{row.subject_kind}'),
        ),
        studio=STUDIO,
    )


@given(ledgers())
def test_the_same_entries_as_row_by_row(rows):
    """Of any true ledger the batch is the one that rows make, and nothing has to be looked at again."""
    (expected,) = RowsLog(rows).batches()
    assert batch_of(columns_of(rows)) == expected


@given(st.data())
def test_rows_in_any_order_are_one_batch(data):
    """Rows come as pages have them; a batch has them in order of their numbers, each with its own columns."""
    rows = data.draw(ledgers())
    (expected,) = RowsLog(rows).batches()
    assert batch_of(columns_of(data.draw(st.permutations(rows)))) == expected


def test_rows_out_of_order_that_cannot_be_told_apart_are_looked_at():
    """A value that holds what stands between values could be anybody's: nothing is taken for granted."""
    rows = ledger(3)
    changed = replace(rows[1], subject_id="a\x1eb")
    batch = batch_of(columns_of([rows[2], rows[0], changed]))
    assert (batch.first, batch.count, batch.strays) == (0, 3, 3)


@given(st.data())
def test_no_untrue_column_passes(data):
    """Whichever column of whichever row is changed, the batch has to be looked at."""
    rows = data.draw(ledgers())
    at, column = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.sampled_from(list(CHANGES)))
    changed = replace(rows[at], **{column: CHANGES[column]})
    is_changed = changed != rows[at]
    batch = batch_of(columns_of([*rows[:at], changed, *rows[at + 1 :]]))
    assert batch.strays == (len(rows) if is_changed else 0)


@pytest.mark.parametrize("actor_id", ['a"b', "a\\u0062", "a\\tb"])
def test_values_that_need_escaping_are_looked_at(actor_id):
    """A value that a payload writes otherwise is never taken for the same text."""
    rows = ledger(3)
    escaped = rows[1].payload.replace("uid-1", actor_id)
    changed = replace(rows[1], payload=escaped, actor_id=actor_id, principal_id=actor_id)
    assert batch_of(columns_of([rows[0], changed, rows[2]])).strays == 3


def test_more_text_than_places_can_tell(monkeypatch):
    """Where texts are too long to be told apart side by side, rows are looked at one by one."""
    rows = ledger(9)
    size = sum(len(row.payload) for row in rows)
    monkeypatch.setattr(audit_columns, "_MOST_BYTES", size)
    assert batch_of(columns_of(rows)).strays == 0
    monkeypatch.setattr(audit_columns, "_MOST_BYTES", size - 1)
    batch = batch_of(columns_of(rows))
    assert (batch.count, batch.strays, batch.entries) == (9, 9, [])


def test_numbers_that_do_not_go_on():
    """Rows with a gap, or with a number twice, have no first number that a verifier could expect."""
    rows = ledger(4)
    assert batch_of(columns_of(rows[1:])).first == 2
    assert batch_of(columns_of([rows[0], *rows[2:]])).first == 0
    assert batch_of(columns_of([*rows[:2], replace(rows[2], seq=2), rows[3]])).first == 0


def test_hashes_of_other_sizes():
    """Bytes moved from one hash into the next are seen, though all of them side by side stay the same."""
    rows = ledger(3)
    moved = [
        replace(rows[0], hash=rows[0].hash[:-1]),
        replace(rows[1], hash=rows[0].hash[-1:] + rows[1].hash),
        rows[2],
    ]
    batch = batch_of(columns_of(moved))
    assert (batch.entries, batch.strays) == ([], 3)


@pytest.mark.parametrize("field", ["seqs", "payloads", "lengths", "prev_hashes"])
def test_columns_of_which_a_row_is_missing(field):
    """A column that has less than the others, as one with a null would, gives no entries."""
    columns = columns_of(ledger(3))
    batch = batch_of(replace(columns, **{field: bytes(getattr(columns, field))[:-1]}))
    assert (batch.entries, batch.strays) == ([], 3)


@pytest.mark.parametrize("at", [2**63 - 1, -(2**63), 252_455_616_000_000_000])
def test_instants_that_no_payload_can_write(at):
    """Infinity, and years of five digits, are untrue columns and nothing worse."""
    columns = columns_of(ledger(2))
    ats = bytes(columns.ats)[:8] + struct.pack("!q", at)
    assert batch_of(replace(columns, ats=ats)).strays == 2
    assert batch_of(replace(columns, ats=ats[:8])).strays == 2


def test_payload_too_short_for_its_frame():
    """A payload shorter than what its columns say of it is untrue."""
    rows = ledger(2)
    batch = batch_of(columns_of([rows[0], replace(rows[1], payload=rows[1].payload[:40])]))
    assert (len(batch.entries), batch.strays) == (2, 2)
