"""The rules of operations: each finds its trouble at its limit, not before, nor when it is mended."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from studio_assets.calendar import StudioCalendar
from studio_assets.operations.case import Limits
from studio_assets.operations.rules import COLUMNS, RULES, find_all

AS_OF = datetime(2026, 3, 20, 7, tzinfo=UTC)
KILN = {"document_id": "kiln-1", "name": "Electric", "status": "idle", "updated_at": AS_OF}


def ago(**how_long):
    return AS_OF - timedelta(**how_long)


def batch(name="b1", *, state="SHELVED", updated_at, **more):
    row = {"document_id": name, "owner_uid": "member-1", "state": state, "updated_at": updated_at}
    return row | {"created_at": updated_at, "is_closed": False} | more


def later(count, *, since):
    """Return batches that came in after an instant and have been fired."""
    return [
        batch(f"later-{n}", state="LOADED", updated_at=AS_OF, created_at=since + timedelta(hours=n + 1))
        for n in range(count)
    ]


def reservation(name="r1", **more):
    return {"document_id": name, "status": "CONFIRMED", "created_at": ago(days=30)} | more


def firing(name, start_at, status="completed", **more):
    row = {"document_id": name, "kiln_id": "kiln-1", "start_at": start_at, "status": status}
    return row | {"end_at": start_at + timedelta(hours=9)} | more


def found(case, detector):
    return [(one.kind, one.subject_id) for one in find_all(case)[detector]]


def test_a_quiet_studio_has_no_finding(case_of):
    case = case_of(
        batches=[batch(updated_at=ago(days=2))],
        kilns=[KILN],
        kiln_firings=[firing("f1", ago(days=2), unloaded_at=ago(days=1))],
        reservations=[reservation(preferred_window_latest_date=AS_OF + timedelta(days=3))],
        agent_requests=[{"document_id": "q1", "status": "new", "created_at": ago(days=1)}],
    )
    assert {name: rows for name, rows in find_all(case).items() if rows} == {}
    assert find_all(case).keys() == RULES.keys()


def test_the_rules_look_at_every_column_that_is_loaded(case_of):
    """And at no other: the tables of these tests hold no more."""
    case = case_of(reservations=[reservation(ready_for_pickup_at=ago(days=1))])
    for name, columns in COLUMNS.items():
        for column in columns:
            tables = {**case.tables, name: case.tables[name].drop_columns([column])}
            with pytest.raises(KeyError):
                find_all(replace(case, tables=tables))


def test_work_that_was_passed_over_is_stalled(case_of):
    """A long wait alone is a full kiln; six later loads that went first are not."""
    shelved_at = ago(days=9)
    assert found(case_of(batches=[batch(updated_at=shelved_at)]), "stalled_batches") == []
    five = [batch(updated_at=shelved_at), *later(5, since=shelved_at)]
    assert found(case_of(batches=five), "stalled_batches") == []
    six = [batch(updated_at=shelved_at), *later(6, since=shelved_at)]
    assert found(case_of(batches=six), "stalled_batches") == [("stalled_batch", "b1")]
    fresh = [batch(updated_at=ago(days=6)), *later(9, since=ago(days=6))]
    assert found(case_of(batches=fresh), "stalled_batches") == []


@pytest.mark.parametrize(
    ("state", "days", "more"),
    [
        ("SUBMITTED", 5, {}),
        ("SHELVED", 23, {}),
        ("LOADED", 7, {}),
        ("LOADED", 23, {"current_kiln_id": "kiln-1"}),
        ("DRAFT", 15, {}),
    ],
)
def test_every_stage_has_its_limit(case_of, state, days, more):
    as_of = datetime(2026, 5, 20, 7, tzinfo=UTC)  # weeks without a holiday before it
    late = batch(state=state, updated_at=as_of - timedelta(days=days), **more)
    soon = batch(state=state, updated_at=as_of - timedelta(days=days - 2), **more)
    assert found(case_of(as_of, batches=[late]), "stalled_batches") == [("stalled_batch", "b1")]
    assert found(case_of(as_of, batches=[soon]), "stalled_batches") == []
    assert found(case_of(as_of, batches=[late | {"is_closed": True}]), "stalled_batches") == []


def test_closed_days_are_no_delay(case_of):
    """Submitted before the turn of the year, looked at in January: nobody was there to shelve it."""
    as_of = datetime(2026, 1, 4, 7, tzinfo=UTC)
    rows = [batch(state="SUBMITTED", updated_at=datetime(2025, 12, 23, 18, tzinfo=UTC))]
    assert found(case_of(as_of, batches=rows), "stalled_batches") == []


def test_a_batch_without_an_owner_is_no_proposal(case_of):
    """The note needs an owner; the finding stays a finding."""
    (one,) = find_all(case_of(batches=[batch(state="SUBMITTED", updated_at=ago(days=9), owner_uid=None)]))[
        "stalled_batches"
    ]
    assert one.capability_id is None
    (other,) = find_all(case_of(batches=[batch(state="SUBMITTED", updated_at=ago(days=9))]))[
        "stalled_batches"
    ]
    assert other.capability_id == "firestore.ops_note.append"


def test_work_nobody_fetched_is_found_once(case_of):
    """A reservation says since when its work waits; the batch is named, where there is one to note at."""
    ready = ago(days=15)
    rows = {"batches": [batch(state="READY_FOR_PICKUP", updated_at=ready)]}
    assert found(case_of(**rows), "overdue_pickups") == [("overdue_pickup", "b1")]
    rows["reservations"] = [reservation(linked_batch_id="b1", ready_for_pickup_at=ready)]
    (one,) = find_all(case_of(**rows))["overdue_pickups"]
    assert (one.subject_kind, one.subject_id) == ("batch", "b1")
    assert one.capability_id == "firestore.ops_note.append"
    assert [link.row for link in one.evidence] == ["b1", "r1"]
    rows["batches"][0]["owner_uid"] = None
    (one,) = find_all(case_of(**rows))["overdue_pickups"]
    assert (one.subject_kind, one.subject_id, one.capability_id) == ("reservation", "r1", None)
    rows["reservations"][0]["pickup_window_status"] = "completed"
    assert found(case_of(**rows), "overdue_pickups") == []


@pytest.mark.parametrize(
    ("status", "ends", "is_found"),
    [
        ("confirmed", AS_OF + timedelta(days=2), False),  # she comes the day after tomorrow
        ("confirmed", ago(hours=8), False),  # today's window: the visit may not be noted yet
        ("confirmed", ago(days=2, hours=8), True),
        ("missed", ago(hours=8), True),
        ("requested", AS_OF + timedelta(days=2), True),  # nobody agreed to that
        ("confirmed", None, True),
    ],
)
def test_work_with_an_agreed_pickup_is_not_overdue_until_that_passed(case_of, status, ends, is_found):
    """Neither is a fee announced on work that will be fetched before it begins."""
    row = reservation(
        ready_for_pickup_at=ago(days=17), pickup_window_status=status, pickup_window_confirmed_end=ends
    )
    case = case_of(reservations=[row])
    assert bool(found(case, "overdue_pickups")) is is_found
    if ends is None or ends < AS_OF:
        assert found(case, "storage_fees") == [("storage_fee_due", "r1")]
    elif status == "confirmed":
        assert found(case, "storage_fees") == []


def test_an_agreed_pickup_in_closed_days_waits_for_open_ones(case_of):
    """The window ended as the studio closed over the turn of the year: nobody could be let in since."""
    ends = datetime(2025, 12, 23, 20, tzinfo=UTC)
    row = reservation(
        ready_for_pickup_at=datetime(2025, 12, 8, 18, tzinfo=UTC),
        pickup_window_status="confirmed",
        pickup_window_confirmed_end=ends,
    )

    def at(day):
        return found(case_of(datetime(2026, 1, day, 7, tzinfo=UTC), reservations=[row]), "overdue_pickups")

    assert at(2) == []
    assert at(3) == [("overdue_pickup", "r1")]


def test_fees_are_announced_before_they_begin(case_of):
    def at(hours):
        return found(
            case_of(reservations=[reservation(ready_for_pickup_at=ago(hours=hours))]), "storage_fees"
        )

    assert at(462 - 73) == []
    assert at(462 - 71) == [("storage_fee_due", "r1")]
    assert at(463) == []


def test_a_reservation_is_past_its_window_two_open_days_later(case_of):
    row = reservation(preferred_window_latest_date=ago(days=4))
    assert found(case_of(reservations=[row]), "reservations_past_window") == [
        ("reservation_past_window", "r1")
    ]
    assert found(case_of(reservations=[row | {"arrived_at": ago(days=5)}]), "reservations_past_window") == []
    assert found(case_of(reservations=[row | {"status": "CANCELLED"}]), "reservations_past_window") == []
    fresh = reservation(preferred_window_latest_date=ago(days=1))
    assert found(case_of(reservations=[fresh]), "reservations_past_window") == []


def test_closed_days_of_a_window_are_given_back_after_it(case_of):
    """The last week of the window lay in the closure over the turn of the year: seven open days more."""
    row = reservation(preferred_window_latest_date=datetime(2026, 1, 1, 18, tzinfo=UTC))

    def at(day):
        case = case_of(datetime(2026, 1, day, 7, tzinfo=UTC), reservations=[row])
        return len(found(case, "reservations_past_window"))

    assert (at(5), at(11), at(12)) == (0, 0, 1)


def test_a_kiln_is_idle_when_firings_are_called_off_while_work_waits(case_of):
    waiting = [batch(f"b{n}", updated_at=ago(days=8)) for n in range(2)]
    off = [firing("f2", ago(days=4), "cancelled"), firing("f3", ago(days=2), "cancelled")]
    before = firing("f1", ago(days=6), unloaded_at=ago(days=5))
    rows = {"kilns": [KILN], "kiln_firings": [before, *off]}
    assert found(case_of(batches=waiting, **rows), "kiln_idle") == [("kiln_idle", "kiln-1")]
    assert found(case_of(batches=[], **rows), "kiln_idle") == []
    rows["kiln_firings"].append(firing("f4", ago(hours=20), "in-progress"))
    assert found(case_of(batches=waiting, **rows), "kiln_idle") == []


def test_a_kiln_in_maintenance_matters_while_work_waits(case_of):
    kiln = KILN | {"status": "maintenance"}
    raku = KILN | {"document_id": "kiln-raku-reduction", "name": "Raku", "status": "offline"}
    waiting = [batch(updated_at=ago(days=3))]
    assert found(case_of(kilns=[kiln, raku], batches=waiting), "kiln_out_of_service") == [
        ("kiln_out_of_service", "kiln-1")
    ]
    assert found(case_of(kilns=[kiln, raku]), "kiln_out_of_service") == []


def test_a_station_is_over_capacity_beyond_its_firings(case_of):
    rows = [reservation(f"r{n}", estimated_half_shelves=4.0) for n in range(10)]
    assert found(case_of(reservations=rows), "station_over_capacity") == []
    rows.append(reservation("r10", estimated_half_shelves=1.0))
    (one,) = find_all(case_of(reservations=rows))["station_over_capacity"]
    assert (one.subject_id, one.expected, one.observed) == ("studio-electric", 40.0, 41.0)


def test_a_firing_is_unloaded_by_the_end_of_the_next_open_day(case_of):
    left = firing("f1", ago(hours=35))  # ended on Wednesday night, now it is Thursday midnight
    assert found(case_of(kiln_firings=[left]), "firing_without_unload") == [("firing_without_unload", "f1")]
    for mended in ({"unloaded_at": ago(hours=9)}, {"status": "scheduled"}, {"status": "cancelled"}):
        assert found(case_of(kiln_firings=[left | mended]), "firing_without_unload") == []
    assert found(case_of(kiln_firings=[firing("f1", ago(hours=15))]), "firing_without_unload") == []


def test_requests_age(case_of):
    def one(status, days):
        row = {
            "document_id": "q1",
            "status": status,
            "created_at": ago(days=days),
            "updated_at": ago(days=days),
        }
        return found(case_of(agent_requests=[row]), "request_ageing")

    assert one("new", 3.5) == one("triaged", 9) == [("request_ageing", "q1")]
    assert one("new", 2.5) == one("triaged", 7) == one("fulfilled", 90) == []


def test_a_seat_is_unpaid_after_three_days(case_of):
    seat = {"document_id": "s1", "event_id": "e1", "status": "checked_in", "checked_in_at": ago(days=4)}
    charge = {"document_id": "c1", "signup_id": "s1"}
    assert found(case_of(event_signups=[seat], event_charges=[charge]), "unpaid_signups") == [
        ("unpaid_signup", "s1")
    ]
    paid = charge | {"paid_at": ago(days=1)}
    assert found(case_of(event_signups=[seat], event_charges=[charge, paid]), "unpaid_signups") == []
    fresh = seat | {"checked_in_at": ago(days=2)}
    assert found(case_of(event_signups=[fresh]), "unpaid_signups") == []


def test_findings_do_not_depend_on_the_order_of_rows_nor_change_from_day_to_day(case_of):
    """What is the same trouble tomorrow is the same finding, word for word: nothing is proposed twice."""
    rows = {
        "batches": [batch(f"b{n}", state="SUBMITTED", updated_at=ago(days=20 + n)) for n in range(9)],
        "reservations": [reservation(f"r{n}", ready_for_pickup_at=ago(days=30 + n)) for n in range(9)],
    }
    first = find_all(case_of(**rows))
    for shuffled in rows.values():
        random.Random(7).shuffle(shuffled)
    assert find_all(case_of(**rows)) == first
    tomorrow = find_all(case_of(AS_OF + timedelta(days=1), **rows))
    assert tomorrow == first


def test_an_id_that_is_no_plain_id_is_hidden(case_of):
    """Somebody's address may stand where an id should."""
    rows = [batch("ada@example.org", state="SUBMITTED", updated_at=ago(days=9))]
    (one,) = find_all(case_of(batches=rows))["stalled_batches"]
    assert one.subject_id.startswith("hash-")
    assert "ada" not in repr(one)


def test_a_source_that_was_not_read_is_not_empty(case_of):
    case = case_of()
    del case.tables["batches"]
    with pytest.raises(KeyError, match="batches"):
        find_all(case)


def test_limits_are_those_of_the_contract():
    assert Limits().grace_hours == 462
    assert set(COLUMNS) >= {"batches", "reservations", "kilns", "kiln_firings"}


def test_the_calendar_knows_holidays_and_closures():
    calendar = StudioCalendar()
    assert not calendar.is_open(date(2026, 12, 28))
    assert not calendar.is_open(date(2026, 7, 4))
    assert calendar.next_open(date(2025, 12, 24)) == date(2026, 1, 2)
    assert calendar.open_days(datetime(2026, 7, 10, 7, tzinfo=UTC), datetime(2026, 7, 18, 7, tzinfo=UTC)) == 1


def test_what_is_about_a_batch_of_a_member_may_become_a_note_and_nothing_else(case_of):
    """Of everything the rules find at once: a note needs a batch to stand at, and an owner."""
    ready, reserved = ago(days=18), {"preferred_window_latest_date": ago(days=9)}
    case = case_of(
        batches=[
            batch(state="SUBMITTED", updated_at=ago(days=9)),
            batch("b2", state="READY_FOR_PICKUP", updated_at=ready),
            batch("b3", state="READY_FOR_PICKUP", updated_at=ready),
            batch("b4", state="SUBMITTED", updated_at=ago(days=9), owner_uid=None),
            batch("b5", updated_at=ago(days=5)),
        ],
        reservations=[
            reservation(linked_batch_id="b2", ready_for_pickup_at=ready),
            reservation("r2", ready_for_pickup_at=ready),
            reservation("r3", **reserved),
            *(reservation(f"q{n}", estimated_half_shelves=4.0, arrived_at=ago(days=5)) for n in range(12)),
        ],
        kilns=[KILN | {"status": "maintenance"}],
        kiln_firings=[
            firing("f1", ago(days=5)),
            *(firing(f"f{n}", ago(days=n), status="cancelled", end_at=None) for n in (2, 3)),
        ],
        agent_requests=[{"document_id": "a1", "status": "new", "created_at": ago(days=9)}],
        event_signups=[
            {"document_id": "s1", "event_id": "e1", "status": "checked_in", "checked_in_at": ago(days=9)}
        ],
    )
    every = find_all(case)
    assert {name for name, findings in every.items() if findings} == RULES.keys()
    noted = {one.subject_id for findings in every.values() for one in findings if one.capability_id}
    assert noted == {"b1", "b2", "b3"}
    assert all(
        one.subject_kind == "batch" and one.capability_id in {"firestore.ops_note.append", None}
        for findings in every.values()
        for one in findings
        if one.subject_id in noted
    )
