"""What wants a word to people is found; a studio where all goes as planned has nothing of the kind."""

from dataclasses import replace
from datetime import timedelta

import pytest

from resources.findings import Finding, FindingState, Severity, StoredFinding
from studio_assets.marketing.channels import Channel
from studio_assets.marketing.drafts import draft_id, week_topic
from studio_assets.marketing.facts import fact_sheet
from studio_assets.marketing.occasions import Occasion, Said, find_occasions
from tests.unit.studio_assets.marketing.studio_rows import CANARY, NOW, basis, event, firing, tables

TITLE = "Raku night"


def booked(name, count, days_before=5.0, start=NOW, status="ticketed"):
    """Return signups of an event, all made so long before it begins."""
    at = start - timedelta(days=days_before)
    return [{"event_id": name, "status": status, "created_at": at, "uid": CANARY} for _ in range(count)]


def held(number, guests, days_before=5.0):
    """Return a past event and its signups."""
    row = event(f"past{number}", TITLE, -7 * number, ticketed_count=guests)
    return row, booked(row["document_id"], guests, days_before, row["start_at"])


def next_event(taken, in_days=3.0, **changes):
    row = event("next", TITLE, in_days, ticketed_count=taken, **changes)
    return row, booked("next", taken, in_days + 1, row["start_at"])


def occasion(*events, firings=(), kilns=None, **more):
    rows = [row for row, _ in events]
    signups = [signup for _, signups in events for signup in signups]
    found = tables(
        rows, list(firings), kilns, signups or [{"event_id": "-", "status": "-", "created_at": NOW}]
    )
    return Occasion(found, fact_sheet(found, basis()), **more)


def usual(guests=12, count=6, **how):
    return [held(number, guests, **how) for number in range(1, count + 1)]


def kinds(now):
    return [one.kind for one in find_occasions(now)]


def test_an_event_that_is_hardly_booked_is_found_with_what_is_usual():
    """The draft that invites to it is named where there is one; nobody else's words or ids are."""
    text = draft_id(Channel.EVENT_PROMOTION, "event:next")
    now = occasion(next_event(1), *usual(), drafted={text: 4})
    (found,) = find_occasions(now)
    assert (found.kind, found.subject_id) == ("undersold_event", "next")
    assert (found.expected, found.observed, found.unit) == (12, 1, "places")
    assert (found.evidence[0].asset, found.evidence[0].revision, found.evidence[0].row) == (
        *("marketing/drafts", "4", text),
    )
    assert (found.evidence[1].revision, found.evidence[1].row) == ("2026-03-04.7", "next")
    assert CANARY not in repr(found)


@pytest.mark.parametrize(
    ("event_", "before"),
    [
        (next_event(9), usual()),  # nearly what is usual
        (next_event(1), usual(count=3)),  # too few to know what is usual
        (next_event(1, in_days=9), usual()),  # time enough
        (next_event(1), usual(days_before=1.0)),  # people book late: by now, nobody had
        (next_event(0), usual(guests=2)),  # few are usual
        (next_event(1, status="draft"), usual()),
        (next_event(1, offered_count=5), usual()),  # its counts and its signups tell two stories
    ],
)
def test_what_is_usual_is_no_occasion(event_, before):
    assert kinds(occasion(event_, *before)) == []


def test_an_event_called_off_is_one_while_people_would_come():
    """One without guests, or whose time is over, is not."""
    assert kinds(occasion(next_event(4, status="cancelled"))) == ["event_called_off"]
    assert kinds(occasion(next_event(0, status="cancelled"))) == []
    assert kinds(occasion(next_event(4, -1, status="cancelled"))) == []


def test_firings_in_a_closed_kiln_are_told_with_the_schedule():
    kiln = {"document_id": "k1", "name": "L&L eQ2827-3", "status": "maintenance"}
    text = draft_id(Channel.KILN_SCHEDULE, week_topic(basis()))
    plans = [firing("f1", 1), firing("f2", 2), firing("f3", 9), firing("f4", 1, status="cancelled")]
    (found,) = find_occasions(occasion(firings=plans, kilns=[kiln], drafted={text: 1}))
    assert (found.kind, found.subject_id) == ("firing_in_closed_kiln", "k1")
    assert [link.row for link in found.evidence] == [text, "k1", "f1", "f2"]
    assert kinds(occasion(firings=plans, kilns=[kiln | {"status": "idle"}])) == []
    assert kinds(occasion(firings=plans[3:], kilns=[kiln])) == []


def approved_text(row):
    """Return an approved text about an event as it was."""
    (told,) = fact_sheet(tables([row]), basis()).events
    return Said("drf_" + "0" * 20, 2, {one.fact_id: one for one in told.facts.values()}, NOW)


@pytest.mark.parametrize(
    ("change", "is_moved"),
    [
        ({}, False),
        ({"ticketed_count": 9}, False),  # seats go with every booking
        ({"price_cents": 9000}, True),
        ({"start_at": NOW + timedelta(days=4)}, True),
        ({"status": "cancelled", "ticketed_count": 0}, True),
        ({"title": "Another night"}, True),
    ],
)
def test_an_approved_text_that_is_not_so_any_more_wants_a_correction(change, is_moved):
    row = event("next", TITLE)
    text = approved_text(row)
    now = occasion((row | change, booked("next", (row | change)["ticketed_count"])), approved=[text])
    assert kinds(now) == ["announced_facts_moved"] * is_moved


def test_what_has_begun_needs_no_correction():
    row = event("next", TITLE, 0.5)
    later = replace(basis(), as_of=NOW + timedelta(days=1))
    found = tables([row])
    assert find_occasions(Occasion(found, fact_sheet(found, later), approved=[approved_text(row)])) == []


def test_a_review_that_comes_too_late_is_said_and_nothing_can_be_asked_for():
    row = event("next", TITLE)
    old = replace(next(iter(approved_text(row).facts.values())), value=(NOW - timedelta(hours=1)).isoformat())
    (found,) = find_occasions(occasion(waiting=[Said("drf_" + "1" * 20, 1, {old.fact_id: old}, NOW)]))
    assert (found.kind, found.capability_id, found.severity) == ("review_missed", None, Severity.LOW)
    assert kinds(occasion((row, booked("next", 3)), waiting=[approved_text(row)])) == []


def overdue(number, kind="overdue_pickup"):
    found = Finding(
        department="operations",
        detector="rules",
        kind=kind,
        subject_kind="batch",
        subject_id=f"batch-{number}",
        severity=Severity.MEDIUM,
        confidence=0.9,
        likely_cause="The member forgot it.",
        next_step="Ask.",
    )
    return StoredFinding(found, found.finding_id, 1, 1, FindingState.OPEN, "a" * 64, NOW, "r", "1", NOW)


@pytest.mark.parametrize("count", [2, 3, 9])
@pytest.mark.parametrize(
    ("source", "kind"), [("overdue_pickup", "pickup_reminder"), ("unpaid_signup", "payment_reminder")]
)
def test_what_many_forgot_is_a_reason_to_remind_everybody_once(source, kind, count):
    found = [overdue(number, source) for number in range(count)] + [overdue(0, "stalled_batch")]
    assert kinds(occasion(found=found)) == [kind] * (count > 2)


def test_an_event_ahead_and_a_firing_planned_are_no_occasion():
    """A studio where all goes as planned has drafts, and nothing for anybody to decide."""
    assert kinds(occasion(next_event(11), *usual(), firings=[firing("f1", 1)])) == []
