"""The audit log in a real PostgreSQL: what it appends verifies, and whoever changes it is found out."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.audit_verify import verify_log
from resources.postgres import audit_stream
from resources.postgres.audit_stream import batches
from tests.integration.audit.conftest import COLUMNS, START, STUDIO
from tests.unit.policies.ledgers import anchor, chained, ledger, ledgers

EDITS = {  # what is set, of entry 5 unless said
    "payload": "payload = replace(payload, '\"v\":1', '\"v\":2')",
    "hash": "hash = set_byte(hash, 3, get_byte(hash, 3) # 1)",
    "prev": "prev_hash = set_byte(prev_hash, 9, 77)",
    "name": "name = name || 'x'",
    "at": "at = at + interval '1 microsecond'",
    "actor": "actor_id = upper(actor_id)",
    "actor kind": "actor_kind = 'system'",
    "principal": "principal_id = 'other'",
    "owner": "principal_id = actor_id",
    "subject kind": "subject_kind = 'quota'",
    "subject": "subject_id = replace(subject_id, ' ', '_')",
    "state": "state = 'approved'",
    "state gone": "state = NULL",
    "separator": "payload = payload || chr(30)",
}


def verified(log, anchors=()):
    with log.view() as view:
        return verify_log(view, anchors, known_entries=view.known_entries())


def found(log, anchors=()):
    fault = verified(log, anchors).fault
    return None if fault is None else (fault.seq, fault.kind.value)


def test_what_the_database_appends_verifies(log, append):
    """The database and Python agree on every byte, for quotes, line ends and other alphabets too."""
    assert verified(log).is_ok
    append(1200)
    report = verified(log)
    assert (report.is_ok, report.entries) == (True, 1200)
    with log.view() as view:
        rows = view.entries(0, 1200)
        assert all(row.is_own_as(row.seq) and row.has_true_columns() for row in rows)
        assert view.head() == (1200, rows[-1].hash.hex())
        assert view.hashes() == b"".join(row.hash for row in rows)
        assert view.count() == 1200


def test_ordinary_entries_need_no_second_look(log, append, put, app_engine):
    """Columns whose values need no escaping are checked side by side; only others are set aside."""
    append(24)
    with log.view() as view:
        assert [(batch.count, batch.strays > 0) for batch in view.batches()] == [(24, True)]
    put(ledger(1234))
    with log.view() as view:
        assert [(batch.count, batch.strays) for batch in view.batches()] == [(1234, 0)]
    with app_engine.connect() as connection:
        small = batches(connection.connection.driver_connection, STUDIO, 500)
        assert [(batch.count, batch.strays) for batch in small] == [(500, 0), (500, 0), (234, 0)]


def test_every_entry_is_read_once_however_many_a_batch_has(app_engine, put, monkeypatch):
    """Also where a stretch of numbers asked for at once is no multiple of a batch."""
    monkeypatch.setattr(audit_stream, "_SPAN", 10)
    put(ledger(25))
    with app_engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert [batch.count for batch in batches(driver, STUDIO, 4)] == [4, 4, 4, 4, 4, 4, 1]
        assert [batch.count for batch in batches(driver, STUDIO, 20)] == [20, 5]


def test_entries_that_lie_in_the_table_in_any_order(log, put):
    """An entry may find the place of one that was never committed: verified all the same, at first sight."""
    rows = ledger(700)
    random.Random(5).shuffle(rows)
    put(rows)
    with log.view() as view:
        assert [(batch.first, batch.count, batch.strays) for batch in view.batches()] == [(1, 700, 0)]
    assert found(log) is None


def test_entries_in_any_order_whose_values_cannot_be_told_apart(log, put, tamper):
    """A value may hold what stands between values: such entries verify, and a bad one is named."""
    payloads = [row.payload for row in ledger(40)]
    payloads[7] = payloads[7].replace("uid-1", "uid\\u001e1")
    rows = chained(payloads)
    mixed = list(rows)
    random.Random(5).shuffle(mixed)
    put(mixed)
    assert found(log, [anchor(rows, 20), anchor(rows, since=0)]) is None
    tamper(
        "UPDATE studio.audit_events SET seq = seq WHERE seq = 2",  # only moves it in the table
        "UPDATE studio.audit_events SET hash = substr(hash, 1, 31) WHERE seq = 5",
    )
    assert found(log) == (5, "edit")
    assert found(log, [anchor(rows, since=0)]) == (5, "edit")


@pytest.mark.parametrize("what", EDITS)
def test_edits_in_the_table(log, append, tamper, what):
    """Whatever column is changed, it is an edit of that entry."""
    append(9)
    seq = {"owner": 4, "state gone": 6}.get(what, 5)
    tamper(f"UPDATE studio.audit_events SET {EDITS[what]} WHERE seq = {seq}")  # noqa: S608 - written above
    assert found(log) == (seq, "edit")


def test_bytes_moved_from_one_hash_into_the_next(log, put, tamper):
    """Side by side the hashes stay the same; the entry whose hash is too short is found all the same."""
    put(ledger(9))
    tamper(
        "UPDATE studio.audit_events SET hash = (SELECT substr(e.hash, 32) FROM studio.audit_events AS e"
        " WHERE e.seq = 5) || hash WHERE seq = 6",
        "UPDATE studio.audit_events SET hash = substr(hash, 1, 31) WHERE seq = 5",
    )
    assert found(log) == (5, "edit")


def test_a_value_moved_into_the_row_before(log, put, tamper):
    """Where a column was let be null, two values in one row and none in the next are an edit."""
    rows = ledger(9)
    put(rows)
    both = f'{rows[3].subject_id}","kind":"{rows[3].subject_kind}\x1e{rows[4].subject_id}'
    tamper(
        "ALTER TABLE studio.audit_events ALTER subject_id DROP NOT NULL",
        f"UPDATE studio.audit_events SET subject_id = '{both}' WHERE seq = 4",  # noqa: S608 - written above
        "UPDATE studio.audit_events SET subject_id = NULL WHERE seq = 5",
    )
    assert found(log) == (4, "edit")


@pytest.mark.parametrize("column", [*COLUMNS.split(", ")[2:5], *COLUMNS.split(", ")[6:-1]])
@pytest.mark.parametrize("seq", [1, 5, 9])
def test_a_value_taken_away(log, append, tamper, column, seq):
    """Nothing where the table lets nobody leave nothing is an edit of that entry, not an error."""
    append(9)
    tamper(
        f"ALTER TABLE studio.audit_events ALTER {column} DROP NOT NULL",
        f"UPDATE studio.audit_events SET {column} = NULL WHERE seq = {seq}",  # noqa: S608 - written above
    )
    assert found(log) == (seq, "edit")
    with log.view() as view:
        assert [entry.seq for entry in view.tail(9)] == list(range(1, 10))
        assert view.head()[0] == 9


def test_value_replaced_by_how_json_writes_it(log, put, tamper):
    """A column that holds the escaped text of its value has the payload's bytes, and is an edit still."""
    payloads = [row.payload for row in ledger(3)]
    payloads[1] = payloads[1].replace("uid-1", "uid\\t1")
    put(chained(payloads))
    assert found(log) is None
    tamper("UPDATE studio.audit_events SET actor_id = 'uid\\t1', principal_id = 'uid\\t1' WHERE seq = 2")
    assert found(log) == (2, "edit")


def test_other_tampering_in_the_table(log, append, tamper):
    """Deletion, insertion, reordering, truncation and fork are told apart in the real table."""
    append(9)
    with log.view() as view:
        rows = list(view.entries(0, 9))
    signed = [anchor(rows, since=0)]
    assert found(log, signed) is None
    tamper("DELETE FROM studio.audit_events WHERE seq = 9")
    assert found(log, signed) == (9, "truncation")
    tamper("DELETE FROM studio.audit_events WHERE seq IN (3, 4)")
    assert found(log, signed) == (3, "deletion")
    tamper("DELETE FROM studio.audit_events")
    assert found(log, signed) == (1, "truncation")


def test_changed_places_and_entries_put_in(log, append, tamper):
    """Numbers exchanged are a reordering; a copy put in is an insertion."""
    append(9)
    tamper(
        "UPDATE studio.audit_events SET seq = 100 WHERE seq = 3",
        "UPDATE studio.audit_events SET seq = 3 WHERE seq = 7",
        "UPDATE studio.audit_events SET seq = 7 WHERE seq = 100",
    )
    assert found(log) == (3, "reordering")
    tamper(
        "UPDATE studio.audit_events SET seq = 100 WHERE seq = 3",
        "UPDATE studio.audit_events SET seq = 3 WHERE seq = 7",
        "UPDATE studio.audit_events SET seq = 7 WHERE seq = 100",
    )
    assert found(log) is None
    columns = (
        "payload, prev_hash, hash, transaction_id, name, at, actor_id, actor_kind, principal_id, "
        "subject_kind, subject_id, state"
    )
    copy = f"INSERT INTO studio.audit_events (studio_id, seq, {columns}) SELECT studio_id, %s, {columns} "
    copy += "FROM studio.audit_events WHERE seq = 2"
    tamper(copy.replace("%s", "10"))
    assert found(log) == (10, "insertion")
    tamper("DELETE FROM studio.audit_events WHERE seq = 10", copy.replace("%s", str(10**15)))
    assert found(log) == (10**15, "insertion")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_drawn_ledgers_in_the_table(log, put, data):
    """The table tells the same as memory: clean ledgers verify, histories written anew are forks."""
    rows = data.draw(ledgers(least=2, most=12))
    put(rows)
    assert found(log, [anchor(rows)]) is None
    at = data.draw(st.integers(0, len(rows) - 1))
    put([*rows[:at], replace(rows[at], payload=rows[at].payload.replace('"v":1', '"v":3')), *rows[at + 1 :]])
    assert found(log) == (at + 1, "edit")


def test_whole_table_replaced(log, put):
    """Another consistent history in place of this one is a fork, located by the witness's hashes."""
    rows, other = ledger(700), ledger(700, "other")
    put([*rows[:650], *ledger(650)[650:], *rows[650:]])
    assert found(log, [anchor(rows, 600), anchor(rows, 700, since=600)]) is None
    put(other)
    assert found(log, [anchor(rows)]) == (1, "fork")


def test_known_entries_show_a_cut(log, append, tamper, app_engine):
    """Rows of other tables that name an entry are witnesses of it."""
    append(5)
    with log.view() as view:
        assert view.known_entries() == 0
        assert verify_log(view, known_entries=7).fault.kind == "truncation"


def test_search(log, append):
    """Entries are found by name, actor (or whom an agent acted for), subject and time."""
    append(12)
    with log.view() as view:
        assert [row.seq for row in view.search(actor_id="own")] == [12, 8, 4]
        assert [row.seq for row in view.search(subject_id="prp 6 plain")] == [6]
        assert len(view.search(name="proposal:*")) == 12
        assert view.search(name="proposal:") == []
        later = START.replace(second=10, microsecond=0)
        assert [row.seq for row in view.search(since=later)] == [12, 11, 10]
        assert [row.seq for row in view.search(since=later, until=later + timedelta(seconds=1))] == [10]
        assert [row.seq for row in view.tail(2)] == [11, 12]
        assert view.entry(3).seq == 3
        assert view.entry(99) is None


def test_a_view_is_one_moment(log, append):
    """What is appended while a view is open is not in it, neither in rows nor in batches."""
    append(3)
    with log.view() as view:
        assert view.count() == 3
        append(3)
        assert sum(batch.count for batch in view.batches()) == 3
    assert verified(log).entries == 6
