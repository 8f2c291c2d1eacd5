"""A document that could not be read is not taken for absent: nothing is told or resolved for want of it.

Over 400 lines because every rule is asked on the same small studio, with each of its documents aside in turn.
"""

import random
from dataclasses import replace
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.clock import day_end
from resources.rows import QuarantinedDocument
from studio_assets.calendar import StudioCalendar
from studio_assets.checks.findings import CONTACT
from studio_assets.findings.aside import check_of, findings_about, ids_about
from studio_assets.keys import operations_key
from studio_assets.operations.anomalies import departures, find_anomalies
from studio_assets.operations.aside import SUBJECT_OF, TELLING, _imagined, find_unusual, recommend
from studio_assets.operations.assets import _COUNTED as COUNTED
from studio_assets.operations.case import Case, Limits
from studio_assets.operations.rules import COLUMNS, LOOKED_AT, RULES, find_all
from studio_assets.studio_state.predicates import Moment
from tests.unit.studio_assets.operations.conftest import AS_OF, tables_of

STATES = ("DRAFT", "SUBMITTED", "SHELVED", "LOADED", "FIRED", "READY_FOR_PICKUP", "CLOSED_PICKED_UP")
KILNS = ("kiln-1", "kiln-2", "raku")
# Troubles have to be common, so that there is something to be told falsely.
LIMITS = Limits(overtaken_by=2, half_shelves_per_firing=1, weekly_firings=1)


def ago(**how_long):
    return AS_OF - timedelta(**how_long)


def any_studio(seed):
    """Return rows of a studio with trouble everywhere; a batch comes in with one reservation at most."""
    draw = random.Random(seed)

    def at(most=40):
        return ago(hours=draw.randrange(1, most * 24))

    batches = [
        {
            "document_id": f"b{n}",
            "owner_uid": draw.choice(("member", "member", None)),
            "state": draw.choice(STATES),
            "is_closed": False,
            "current_kiln_id": draw.choice((None, "kiln-1")),
            "created_at": at(),
            "updated_at": at(),
        }
        for n in range(draw.randrange(12))
    ]
    links = [*(row["document_id"] for row in batches), *([None] * 6)]
    draw.shuffle(links)
    reservations = [
        {
            "document_id": f"r{n}",
            "status": draw.choice(("confirmed", "confirmed", "cancelled")),
            "load_status": draw.choice((None, None, "loaded")),
            "estimated_half_shelves": draw.choice((None, 1, 4)),
            "linked_batch_id": links.pop(),
            "preferred_window_latest_date": draw.choice((None, at())),
            "assigned_station_id": draw.choice((None, "studio-electric", "reduction-raku")),
            "pickup_window_status": draw.choice((None, "confirmed")),
            "pickup_window_confirmed_end": draw.choice((None, at(3))),
            "ready_for_pickup_at": draw.choice((None, None, at(), ago(days=17))),
            "arrived_at": draw.choice((None, at())),
            "created_at": at(),
        }
        for n in range(draw.randrange(min(8, len(links))))
    ]
    kilns = [
        {"document_id": name, "name": name, "status": draw.choice(("idle", "offline")), "updated_at": at()}
        for name in KILNS
    ]
    firings = []
    for n in range(draw.randrange(10)):
        start = draw.choice((at(12), AS_OF + timedelta(days=draw.randrange(1, 6))))
        firings.append(
            {
                "document_id": f"f{n}",
                "kiln_id": draw.choice(KILNS),
                "start_at": start,
                "end_at": start + timedelta(hours=9),
                "status": draw.choice(("completed", "scheduled", "cancelled", "cancelled")),
                "unloaded_at": draw.choice((None, AS_OF)),
            }
        )
    requests = [
        {
            "document_id": f"q{n}",
            "status": draw.choice(("new", "triaged")),
            "created_at": at(),
            "updated_at": at(),
        }
        for n in range(draw.randrange(4))
    ]
    signups = [
        {"document_id": f"s{n}", "status": "checked_in", "payment_status": None, "checked_in_at": at(9)}
        for n in range(draw.randrange(4))
    ]
    charges = [
        {"document_id": f"c{n}", "signup_id": f"s{n}", "paid_at": draw.choice((None, at(5)))}
        for n in range(draw.randrange(4))
    ]
    return {
        "batches": batches,
        "reservations": reservations,
        "kilns": kilns,
        "kiln_firings": firings,
        "agent_requests": requests,
        "event_signups": signups,
        "event_charges": charges,
    }


def case_of(rows, limits=LIMITS):
    return Case(tables_of(rows), Moment(AS_OF, "America/Phoenix"), "2026-03-19.1", limits)


def parted(case, hidden):
    """Return the moment without some documents, and what was set aside: names of ``contract/document``."""
    tables = dict(case.tables)
    for contract in COLUMNS:
        ids = [name.partition("/")[2] for name in hidden if name.startswith(f"{contract}/")]
        is_hidden = pc.is_in(tables[contract]["document_id"], value_set=pa.array(ids, pa.string()))
        tables[contract] = tables[contract].filter(pc.invert(is_hidden))
    aside = [(*name.split("/"),) for name in sorted(hidden)]
    return replace(case, tables=tables), [
        (contract, QuarantinedDocument(name, "status", "is of a wrong type")) for contract, name in aside
    ]


def told(case, hidden, known=()):
    seen, aside = parted(case, hidden)
    return recommend(seen, aside, lambda: list(known))


def all_of(found):
    return [one for ones in found.values() for one in ones]


def named(told_of):
    return sorted((one.kind, one.subject_id) for each in told_of.values() for one in each.present)


@st.composite
def studios_with_something_aside(draw):
    rows = any_studio(draw(st.integers(0, 2**32)))
    names = [f"{contract}/{row['document_id']}" for contract, some in rows.items() for row in some]
    return rows, draw(st.sets(st.sampled_from(names), min_size=1, max_size=3))


@settings(max_examples=30, deadline=None)
@given(studios_with_something_aside())
def test_nothing_is_told_or_resolved_that_reading_all_would_not_tell_or_resolve(studio):
    """Whatever stands in the documents set aside: what is told is so, and what is so and open stays open."""
    rows, hidden = studio
    case = case_of(rows)
    truth = {one.finding_id: one for one in all_of(find_all(case))}
    found = told(case, hidden, truth.values())
    assert found.keys() == RULES.keys()
    present = {one.finding_id: one for each in found.values() for one in each.present}
    stays = {name for each in found.values() for name in each.stays}
    for name, one in present.items():
        assert replace(one, evidence=()) == replace(truth[name], evidence=())
    assert present.keys().isdisjoint(stays)
    assert truth.keys() == present.keys() | stays


class Noting(dict):
    """Tables that note which of them were asked for."""

    def __init__(self, tables):
        super().__init__(tables)
        self.asked = set()

    def __getitem__(self, name):
        self.asked.add(name)
        return super().__getitem__(name)


def test_every_rule_looks_at_the_contracts_said_of_it_and_at_no_other():
    """Of those alone documents are imagined for it: what is not said here would be taken for absent."""
    asked = {name: set() for name in RULES}
    for seed in range(30):
        case = case_of(any_studio(seed))
        for name, rule in RULES.items():
            noting = Noting(case.tables)
            list(rule(replace(case, tables=noting)))
            asked[name] |= noting.asked
    assert asked == LOOKED_AT


def test_a_rule_looks_again_only_at_ways_it_can_tell_apart(monkeypatch):
    """One document aside in each of five contracts once meant 95 looks of every rule."""
    looks = dict.fromkeys(RULES, 0)

    def counted(name, rule):
        def look(case):
            looks[name] += 1
            return rule(case)

        return look

    rules = {name: counted(name, rule) for name, rule in RULES.items()}
    monkeypatch.setattr("studio_assets.operations.aside.RULES", rules)
    told(case_of(any_studio(3)), {f"{contract}/x" for contract in COLUMNS})
    assert (looks["request_ageing"], looks["unpaid_signups"], looks["firing_without_unload"]) == (0, 1, 2)
    assert max(looks.values()) == looks["kiln_idle"] == 2 * 4 * 3 * 2 - 1


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_where_nothing_was_set_aside_all_is_told_as_it_was(seed):
    case = case_of(any_studio(seed))
    found = recommend(case, [], pytest.fail)
    assert {name: each.present for name, each in found.items()} == find_all(case)
    assert {(len(each.stays), each.held_back) for each in found.values()} == {(0, 0)}


TROUBLES = {
    "batches": [
        {"document_id": "b1", "owner_uid": "m", "state": "SUBMITTED", "updated_at": ago(days=9)},
        {"document_id": "b2", "owner_uid": "m", "state": "READY_FOR_PICKUP", "updated_at": ago(days=30)},
    ],
    "reservations": [
        {"document_id": "r1", "status": "confirmed", "preferred_window_latest_date": ago(days=12)}
    ],
    "agent_requests": [{"document_id": "q1", "status": "new", "created_at": ago(days=9)}],
    "event_signups": [{"document_id": "s1", "status": "checked_in", "checked_in_at": ago(days=9)}],
    "kiln_firings": [
        {
            "document_id": "f1",
            "kiln_id": "k",
            "start_at": ago(days=4),
            "end_at": ago(days=4),
            "status": "done",
        }
    ],
}
TOLD = [
    ("firing_without_unload", "f1"),
    ("overdue_pickup", "b2"),
    ("request_ageing", "q1"),
    ("reservation_past_window", "r1"),
    ("stalled_batch", "b1"),
    ("unpaid_signup", "s1"),
]


@pytest.mark.parametrize(
    ("hidden", "silent"),
    [
        ("batches/b1", {"b1"}),
        ("batches/elsewhere", set()),
        ("reservations/r1", {"r1", "b2"}),
        ("agent_requests/q1", {"q1"}),
        ("event_signups/s1", {"s1"}),
        ("event_charges/c1", {"s1"}),
        ("kiln_firings/f1", {"f1"}),
        ("kilns/kiln-1", set()),
    ],
)
def test_what_may_depend_on_a_document_waits_and_everything_else_goes_on(hidden, silent):
    """Neither opened nor resolved: a reservation may be of finished work, a charge may have paid a seat."""
    case = case_of(TROUBLES, Limits())
    assert named(told(case, ())) == TOLD
    assert named(told(case, {hidden})) == [one for one in TOLD if one[1] not in silent]
    known = all_of(find_all(case))
    again = told(case, {hidden}, known)
    stays = {name for each in again.values() for name in each.stays}
    assert stays == {one.finding_id for one in known if one.subject_id in silent}
    assert sum(each.held_back for each in again.values()) == 0


def test_what_is_mended_is_resolved_though_another_document_is_set_aside():
    """A seat that was paid, work that was fetched, a kiln that is back: nothing unread can undo that."""
    kiln = {"document_id": "kiln-1", "name": "Electric", "status": "offline", "updated_at": ago(days=3)}
    load = {"document_id": "b3", "owner_uid": "m", "state": "SHELVED", "updated_at": ago(days=3)}
    rows = TROUBLES | {"kilns": [kiln], "batches": [*TROUBLES["batches"], load]}
    known = all_of(find_all(case_of(rows, Limits())))
    assert ("kiln_out_of_service", "kiln-1") in {(one.kind, one.subject_id) for one in known}
    mended = {
        "batches": [row | {"state": "CLOSED_PICKED_UP"} for row in rows["batches"]],
        "kilns": [kiln | {"status": "idle"}],
        "event_signups": [TROUBLES["event_signups"][0] | {"payment_status": "paid"}],
        "kiln_firings": [TROUBLES["kiln_firings"][0] | {"unloaded_at": AS_OF}],
    }
    hidden = {"batches/x", "reservations/x", "event_charges/x", "kilns/x", "agent_requests/x"}
    found = told(case_of(mended, Limits()), hidden, known)
    assert {(len(each.present), len(each.stays)) for each in found.values()} == {(0, 0)}


def test_no_kiln_is_called_idle_while_a_firing_is_set_aside():
    """It may be what the kiln did; what was told of it stays."""
    loads = [
        {"document_id": name, "owner_uid": "m", "state": "SHELVED", "updated_at": ago(days=6)}
        for name in ("b1", "b2")
    ]
    firings = [
        {"document_id": f"f{n}", "kiln_id": "kiln-1", "start_at": ago(days=n), "status": "cancelled"}
        for n in (1, 2)
    ]
    kilns = [{"document_id": "kiln-1", "name": "Electric", "status": "idle"}]
    case = case_of({"batches": loads, "kilns": kilns, "kiln_firings": firings}, Limits())
    (idle,) = all_of(find_all(case))
    assert (idle.kind, idle.subject_id) == ("kiln_idle", "kiln-1")
    assert told(case, {"kiln_firings/x"})["kiln_idle"].held_back == 1
    assert told(case, {"kiln_firings/x"}, [idle])["kiln_idle"].stays == {idle.finding_id}


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_a_firing_set_aside_may_have_begun_after_all_others(status):
    """Others that were called off within the hour, or took place, say nothing of what the kiln did last."""
    loads = [
        {"document_id": name, "owner_uid": "m", "state": "SHELVED", "updated_at": ago(days=6)}
        for name in ("b1", "b2")
    ]
    firings = [
        {"document_id": f"f{n}", "kiln_id": "kiln-1", "start_at": ago(minutes=10 * n), "status": status}
        for n in (2, 3)
    ]
    kilns = [{"document_id": "kiln-1", "name": "Electric", "status": "idle"}]
    last = [
        {"document_id": f"x{n}", "kiln_id": "kiln-1", "start_at": ago(minutes=n)}
        | {"status": "cancelled" if status == "completed" else "completed"}
        for n in (1, 2)
    ]
    rows = {"batches": loads, "kilns": kilns, "kiln_firings": [*firings, *last]}
    truth = find_all(case_of(rows, Limits()))["kiln_idle"]
    found = told(case_of(rows, Limits()), {"kiln_firings/x1", "kiln_firings/x2"}, truth)["kiln_idle"]
    assert (list(found.present), set(found.stays)) == ([], {one.finding_id for one in truth})
    assert len(truth) == (status == "completed")


def test_as_many_firings_as_kilns_set_aside_are_imagined_in_no_more_rows_than_there_are_of_both():
    """Both may be thousands: a row of every firing for every kiln would be millions."""
    case = case_of({"batches": TROUBLES["batches"]}, Limits())
    ids = [f"x{n}" for n in range(50)]
    worlds = list(_imagined(case, {"kilns": ids, "kiln_firings": ids}))
    assert max(world.tables["kiln_firings"].num_rows for world in worlds) <= 4 * len(ids)


def test_a_queue_stays_too_long_while_a_kiln_is_set_aside_that_shares_the_firings():
    queue = [
        {
            "document_id": f"r{n}",
            "status": "confirmed",
            "estimated_half_shelves": 5,
            "created_at": ago(days=1),
        }
        for n in range(8)
    ]
    firings = [
        {"document_id": f"f{n}", "kiln_id": "kiln-1", "start_at": AS_OF + timedelta(days=1)} for n in range(8)
    ]
    kilns = [{"document_id": f"kiln-{n}", "name": "Electric", "status": "idle"} for n in (1, 2)]
    limits = Limits(weekly_firings=1, half_shelves_per_firing=5)
    case = case_of({"reservations": queue, "kilns": kilns, "kiln_firings": firings}, limits)
    (over,) = all_of(find_all(case))
    assert over.kind == "station_over_capacity"
    assert told(case, {"kilns/kiln-2"}, [over])["station_over_capacity"].stays == {over.finding_id}


def test_work_stays_overdue_while_its_reservation_is_set_aside_also_where_fees_begin_before():
    batch = {"document_id": "b1", "owner_uid": "m", "state": "LOADED", "updated_at": AS_OF}
    ready = {"document_id": "r1", "status": "confirmed", "linked_batch_id": "b1"}
    ready |= {"ready_for_pickup_at": ago(days=40)}
    case = case_of({"batches": [batch], "reservations": [ready]}, Limits(pickup_days=20))
    (overdue,) = all_of(find_all(case))
    assert (overdue.kind, overdue.subject_id) == ("overdue_pickup", "b1")
    assert told(case, {"reservations/r1"}, [overdue])["overdue_pickups"].stays == {overdue.finding_id}


@pytest.mark.parametrize(
    "over", [{"status": "cancelled"}, {"is_archived": True}, {"pickup_window_status": "completed"}]
)
def test_work_whose_first_reservation_is_over_may_have_come_in_with_the_one_set_aside(over):
    batch = {"document_id": "b1", "owner_uid": "m", "state": "LOADED", "updated_at": AS_OF}
    first = {"document_id": "r0", "status": "confirmed", "linked_batch_id": "b1"} | over
    ready = {"document_id": "r1", "status": "confirmed", "linked_batch_id": "b1"}
    ready |= {"ready_for_pickup_at": ago(days=40)}
    case = case_of({"batches": [batch], "reservations": [first, ready]}, Limits())
    (overdue,) = all_of(find_all(case))
    assert (overdue.kind, overdue.subject_id) == ("overdue_pickup", "b1")
    assert told(case, {"reservations/r1"}, [overdue])["overdue_pickups"].stays == {overdue.finding_id}


def test_a_held_back_finding_is_counted():
    found = told(case_of(TROUBLES, Limits()), {"event_charges/c1"})
    assert found["unpaid_signups"].held_back == 1
    assert sum(each.held_back for each in found.values()) == 1


FIRST = date(2026, 3, 1)
PENDING = "ops.agentRequestsPending"
CALM = [3, 2, 4, 3, 2] * 10


def judged(values, lacking, known=()):
    days = [FIRST + timedelta(days=n) for n in range(len(values))]
    moment = Moment(day_end(days[-1], "America/Phoenix"), "America/Phoenix")

    def find(numbers):
        return find_anomalies(departures(numbers, StudioCalendar()), moment, {}, "2026-04-20.1")

    unsure = {PENDING: {days[at]: count for at, count in lacking.items()}}
    return find_unusual(
        find, {PENDING: list(zip(days, values, strict=True))}, unsure, days[-1], lambda: known
    )


def test_a_number_is_unusual_only_when_it_is_so_whatever_was_set_aside():
    """A surge is told in spite of one unread request; one that days of unread ones may explain is not."""
    (surge,) = judged([*CALM, 22], {}).present
    assert judged([*CALM, 22], {50: 1}).present == [surge]
    assert judged([*CALM, 22], dict.fromkeys(range(51), 1)).present == [surge]
    # Many could not be read for ten days, and then were: the number came back, and nothing has surged.
    back = [*[22, 23, 21, 22, 20] * 9, *[3, 2] * 5, 22]
    lacking = dict.fromkeys(range(45, 55), 19)
    assert len(judged(back, {}).present) == 1
    doubtful = judged(back, lacking)
    assert (list(doubtful.present), doubtful.held_back) == ([], 1)


def test_an_unusual_number_stays_while_what_was_set_aside_may_make_it_so():
    """It is not resolved because those that make it unusual cannot be read any more."""
    (surge,) = judged([*CALM, 22], {}).present
    gone = judged([*CALM, 22, *CALM[:5]], {})
    assert (gone.present, gone.stays) == ([], ())
    stays = judged([*CALM, 22, 21, 22, 2, 2, 2], dict.fromkeys((53, 54, 55), 20), [surge])
    assert (list(stays.present), stays.stays) == ([], {surge.finding_id})
    assert judged([*CALM, 2], {50: 1}, [surge]).stays == set()


def test_each_document_is_told_with_field_and_next_step_and_no_value():
    """One finding each, of every contract of work; what is no plain id is told as a hash of it."""
    aside = [
        (contract, QuarantinedDocument(name, "updatedAt", "is of a wrong type"))
        for contract in sorted(SUBJECT_OF)
        for name in ("d1", "someone@example.com")
    ]
    found = findings_about(TELLING, aside, {"batches": "2026-03-19.1"})
    assert [(one.subject_kind, one.subject_id[:5]) for one in found] == [
        (SUBJECT_OF[contract], name) for contract in sorted(SUBJECT_OF) for name in ("d1", "hash-")
    ]
    assert {one.finding_id for one in found} == ids_about(TELLING, aside)
    for one in found:
        assert (one.department, one.kind, one.capability_id) == ("operations", "row_set_aside", None)
        assert one.likely_cause.startswith("updatedAt is of a wrong type. Nothing is counted")
        assert one.next_step.startswith("Correct updatedAt")
        words = pa.array([one.likely_cause + one.next_step])
        assert pc.match_substring_regex(words, CONTACT)[0].as_py() is False
        assert "someone" not in repr(one)


@pytest.mark.parametrize("contract", sorted({*COLUMNS, *SUBJECT_OF, *COUNTED}))
def test_the_check_names_a_document_of_any_contract_that_is_looked_at(contract):
    """Numbers are counted of Stripe's objects too: one of them aside once stopped the judging of all."""
    one = (contract, QuarantinedDocument("d1", "createdAt", "is of a wrong type"))
    result = check_of(TELLING, operations_key("teststudio", "anomalies"), [one], 0)
    (record,) = result.metadata["documents"].records
    assert "createdAt" in record.data["next step"]


def test_the_check_passes_only_where_nothing_was_set_aside():
    key = operations_key("teststudio", "recommendations")
    assert check_of(TELLING, key, [], 0).passed
    result = check_of(TELLING, key, [("kilns", QuarantinedDocument("k", "status", "is of a wrong type"))], 3)
    assert (result.passed, result.severity.value) == (False, "WARN")
    assert "1 documents were set aside; 3 findings" in result.description
    assert [record.data["document"] for record in result.metadata["documents"].records] == ["k"]
