"""What of the studio's plans wants a word to people: pure rules, from rows and what was said before.

An occasion is something out of the ordinary. That an event is ahead is none: it is drafted like any other,
and nobody is asked. So a studio where all goes as planned has drafts and no occasion.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from statistics import median
from typing import Any, Final

import pyarrow as pa

from resources.findings import MOST_EVIDENCE, Finding, FindingEvidence, Severity, StoredFinding
from studio_assets.findings.making import links_to_rows, make_finding
from studio_assets.marketing.channels import Channel
from studio_assets.marketing.drafts import draft_id, past_instants, week_topic
from studio_assets.marketing.facts import (
    COLUMNS,
    EVENTS,
    FIRING_AHEAD,
    FIRINGS,
    SEATED,
    Basis,
    Fact,
    FactSheet,
)
from studio_assets.studio_state.predicates import KILN_UNAVAILABLE

DEPARTMENT: Final = "marketing"
DETECTOR: Final = "occasions"
ANNOUNCE: Final = "website.announcement.publish"
UNDERSOLD, CALLED_OFF, CLOSED_KILN = "undersold_event", "event_called_off", "firing_in_closed_kiln"
MOVED, MISSED = "announced_facts_moved", "review_missed"
PICKUPS, PAYMENTS = "pickup_reminder", "payment_reminder"
DRAFTS_ASSET: Final = "marketing/drafts"
_finding = partial(make_finding, DEPARTMENT, DETECTOR, capability_id=ANNOUNCE)
_FORGOTTEN: Final = {
    "overdue_pickup": (
        *(PICKUPS, "shelf", "pickups", "several pieces of work wait to be fetched"),
        "Members do not know that their work is ready, or forget it.",
        "Remind everybody of pick-up times and of storage; name nobody.",
    ),
    "unpaid_signup": (
        *(PAYMENTS, "event_payments", "unpaid", "several seats of past events are not paid"),
        "Payment is open to attendees only after check-in, and is easily forgotten.",
        "Remind everybody who was at an event where to pay; name nobody.",
    ),
}
"""Kind of finding of operations -> the reminder that many of them make: kind, subject, and words."""


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something is an occasion.

    Attributes:
        event_ahead: How long before an event few guests are of interest: time enough to tell people.
        firing_ahead: How far ahead the firings of a closed kiln are of interest.
        alike: How many of the last events with the same title tell what is usual.
        fewest_alike: Fewer are too few to say so, and nothing is said.
        chance: So unlikely has it to be that so few come by chance: once in three hundred events.
        reminder_from: So many of a kind are a reason to remind everybody; fewer are told one by one.
    """

    event_ahead: timedelta = timedelta(days=7)
    firing_ahead: timedelta = timedelta(days=7)
    alike: int = 8
    fewest_alike: int = 4
    chance: float = 1 / 300
    reminder_from: int = 3


@dataclass(frozen=True, slots=True)
class Said:
    """One revision of a draft: which, the facts it rests on, and when a review made it what it is."""

    draft_id: str
    revision: int
    facts: Mapping[str, Fact]
    at: datetime


@dataclass(frozen=True, slots=True)
class Occasion:
    """All that the rules look at.

    Attributes:
        tables: Rows by collection, with at least ``facts.COLUMNS``.
        sheet: What may be said now, of the same rows.
        approved: Newest approved revision of each draft: what may be out there.
        waiting: Drafts that wait for a review.
        drafted: Draft id -> newest revision, of all that stand.
        found: Open findings of operations.
    """

    tables: Mapping[str, pa.Table]
    sheet: FactSheet
    approved: Sequence[Said] = ()
    waiting: Sequence[Said] = ()
    drafted: Mapping[str, int] = field(default_factory=dict)
    found: Sequence[StoredFinding] = ()
    limits: Limits = field(default_factory=Limits)

    @property
    def basis(self) -> Basis:
        """Return the snapshot it is all of."""
        return self.sheet.basis

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a collection with the columns marketing may read."""
        found: list[dict[str, Any]] = self.tables[name].select(list(COLUMNS[name])).to_pylist()
        return found

    def evidence(self, *rows: str, drafts: Iterable[str] = ()) -> tuple[FindingEvidence, ...]:
        """Return links to rows (``contract/document``) of the snapshot, and to drafts as far as there are."""
        revision = f"{self.basis.snapshot_date}.{self.basis.revision}"
        texts = [
            FindingEvidence(DRAFTS_ASSET, str(self.drafted[one]), one)
            for one in drafts
            if one in self.drafted
        ]
        return (*texts, *links_to_rows(revision, *rows))[:MOST_EVIDENCE]


def find_occasions(now: Occasion) -> list[Finding]:
    """Return every occasion there is, in order of identity."""
    found = [finding for rule in _RULES for finding in rule(now)]
    return sorted(found, key=lambda one: one.finding_id)


def undersold_events(now: Occasion) -> Iterator[Finding]:
    """Find events that are near and hardly booked, by what was usual for the last ones of that title."""
    as_of, limits = now.basis.as_of, now.limits
    booked: dict[str, list[datetime]] = defaultdict(list)
    for row in now.rows("event_signups"):
        if row["status"] in SEATED and row["created_at"] is not None:
            booked[row["event_id"]].append(row["created_at"])
    events = {row["document_id"]: row for row in now.rows("events") if row["status"] == "published"}
    held = [row for row in events.values() if row["start_at"] is not None and row["start_at"] <= as_of]
    held.sort(key=lambda row: (row["start_at"], row["document_id"]))
    for one in now.sheet.events:
        seats, event = one.facts.get("free_seats"), events.get(one.row_id)
        if seats is None or event is None or one.starts_at > as_of + limits.event_ahead:
            continue
        alike = [row for row in held if row["title"] == event["title"]][-limits.alike :]
        if len(alike) < limits.fewest_alike:
            continue
        left = one.starts_at - as_of
        by_now = [sum(at <= row["start_at"] - left for at in booked[row["document_id"]]) for row in alike]
        in_the_end = [len(booked[row["document_id"]]) for row in alike]
        taken = int(one.facts["capacity"].value) - int(seats.value)
        if _at_most(taken, median(by_now)) >= limits.chance:
            continue
        yield _finding(
            *(UNDERSOLD, "event", one.row_id),
            severity=Severity.MEDIUM,
            confidence=0.85,
            expected=int(median(in_the_end)),
            observed=taken,
            unit="places",
            cause="It was told of too late or to too few, or the date does not suit.",
            step="Review the draft that invites to it and publish it, or think about calling it off in time.",
            evidence=now.evidence(
                *(f"events/{row['document_id']}" for row in (event, *reversed(alike))),
                drafts=[draft_id(Channel.EVENT_PROMOTION, f"event:{one.row_id}")],
            ),
        )


def events_called_off(now: Occasion) -> Iterator[Finding]:
    """Find events that were cancelled while people had a place, as long as they would still come."""
    as_of = now.basis.as_of
    seated = Counter(row["event_id"] for row in now.rows("event_signups") if row["status"] in SEATED)
    for row in now.rows("events"):
        start, guests = row["start_at"], seated[row["document_id"]]
        if row["status"] != "cancelled" or start is None or start <= as_of or not guests:
            continue
        yield _finding(
            *(CALLED_OFF, "event", row["document_id"]),
            severity=Severity.HIGH,
            confidence=0.95,
            expected=0,
            observed=guests,
            unit="places",
            cause="The event was cancelled, and its signups stayed as they were: the portal told nobody.",
            step="Tell everybody who has a place that it does not take place.",
            evidence=now.evidence(f"events/{row['document_id']}"),
        )


def firings_in_closed_kilns(now: Occasion) -> Iterator[Finding]:
    """Find kilns that are out of service and have firings on the calendar of the next days."""
    as_of = now.basis.as_of
    planned: dict[str, list[str]] = defaultdict(list)
    for row in now.rows("kiln_firings"):
        start = row["start_at"]
        is_ahead = start is not None and as_of < start <= as_of + now.limits.firing_ahead
        if is_ahead and row["status"] in FIRING_AHEAD and row["unloaded_at"] is None:
            planned[row["kiln_id"] or ""].append(row["document_id"])
    for row in now.rows("kilns"):
        kiln, status = row["document_id"], (row["status"] or "").lower()
        if status not in KILN_UNAVAILABLE or not planned[kiln]:
            continue
        yield _finding(
            *(CLOSED_KILN, "kiln", kiln),
            severity=Severity.MEDIUM,
            confidence=0.9,
            expected="firings as the calendar says",
            observed=f"the kiln is {status}",
            cause="The kiln was taken out of service, and its firings stayed on the calendar.",
            step="Move or cancel them, and tell members with the kiln schedule.",
            evidence=now.evidence(
                f"kilns/{kiln}",
                *(f"kiln_firings/{firing}" for firing in planned[kiln]),
                drafts=_schedule(now),
            ),
        )


def announced_facts_moved(now: Occasion) -> Iterator[Finding]:
    """Find approved texts that tell of a date, price or firing ahead which is not so any more.

    Seats and counters move with every booking and are no reason to correct anything.
    """
    current, as_of = now.sheet.by_id(), now.basis.as_of
    for text in now.approved:
        begins = {
            (fact.asset, fact.row): datetime.fromisoformat(str(fact.value))
            for fact in text.facts.values()
            if fact.name == "start"
        }
        moved = []
        for fact in text.facts.values():
            start, is_now = begins.get((fact.asset, fact.row)), current.get(fact.fact_id)
            if fact.name in {"free_seats", "capacity"} or start is None or start <= as_of:
                continue
            if is_now is None or (is_now.value, is_now.unit) != (fact.value, fact.unit):
                moved.append(fact)
        if not moved:
            continue
        rows = [
            f"{fact.asset.rpartition('/')[2]}/{fact.row}" for fact in moved if fact.asset in {EVENTS, FIRINGS}
        ]
        yield _finding(
            *(MOVED, "draft", text.draft_id),
            severity=Severity.HIGH,
            confidence=0.9,
            expected="what was approved is still so",
            observed=f"{len(set(rows))} of the things it tells of changed",
            cause="An event or a firing was changed or called off after the text was approved.",
            step="If it was published, correct it: the text is drafted anew with what is so now.",
            evidence=now.evidence(*rows, drafts=[text.draft_id]),
        )


def reviews_missed(now: Occasion) -> Iterator[Finding]:
    """Find texts somebody asked a review for, and what they tell of has begun meanwhile."""
    for text in now.waiting:
        if past_instants(text.facts.values(), now.basis.as_of):
            yield _finding(
                *(MISSED, "draft", text.draft_id),
                severity=Severity.LOW,
                confidence=0.95,
                expected="reviewed before it begins",
                observed="nobody reviewed it in time",
                cause="The text waited for a review, and what it announces has begun.",
                step="Reject it; and say who reviews when there is little time.",
                evidence=now.evidence(drafts=[text.draft_id]),
                capability_id=None,
            )


def reminders(now: Occasion) -> Iterator[Finding]:
    """Find that so many members forgot the same thing that everybody should be reminded, once and of all."""
    for source, (kind, about, what, observed, cause, step) in _FORGOTTEN.items():
        found = [one for one in now.found if one.finding.kind == source]
        if len(found) < now.limits.reminder_from:
            continue
        rows = [
            f"{link.asset.rpartition('/')[2]}/{link.row}"
            for one in found
            for link in one.finding.evidence
            if link.row is not None
        ]
        yield _finding(
            *(kind, about, what),
            severity=Severity.MEDIUM,
            confidence=0.9,
            expected=f"fewer than {now.limits.reminder_from}",
            observed=observed,
            cause=cause,
            step=step,
            evidence=now.evidence(*rows),
        )


_RULES: Final = (
    undersold_events,
    events_called_off,
    firings_in_closed_kilns,
    announced_facts_moved,
    reviews_missed,
    reminders,
)


def _schedule(now: Occasion) -> list[str]:
    """Return the draft of this week's kiln schedule."""
    return [draft_id(Channel.KILN_SCHEDULE, week_topic(now.basis))]


def _at_most(seen: int, expected: float) -> float:
    """Return how likely so few, or fewer, are by chance where ``expected`` are usual (Poisson)."""
    share = whole = math.exp(-expected)
    for count in range(1, seen + 1):
        share *= expected / count
        whole += share
    return whole
