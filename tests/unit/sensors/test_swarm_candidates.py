"""What a swarm makes of one finding, and when it keeps quiet: pure, by the finding alone."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from policies.inputs import validate_input
from policies.registry import default_registry
from resources.findings import Finding, FindingEvidence, FindingState, Severity, StoredFinding
from sensors.swarms.candidates import ProposalCandidate, Why, candidate_of
from sensors.swarms.spec import SWARMS, QuietHours

NOON = datetime(2026, 3, 1, 19, tzinfo=UTC)
OCCASIONS = ("event_called_off", "firing_in_closed_kiln", "announced_facts_moved", "payment_reminder")
BY_NAME = {spec.department: spec for spec in SWARMS}
OPERATIONS, FINANCE, MARKETING = (BY_NAME[name] for name in ("operations", "finance", "marketing"))
TRUST_SAFETY = BY_NAME["trust_safety"]
REPORT_KINDS = ("report_unseen", "reports_gathered", "severity_disagreed")


def stored(state=FindingState.OPEN, **changes):
    values = {
        "department": "operations",
        "detector": "stalled_batches",
        "kind": "stalled_batch",
        "subject_kind": "batch",
        "subject_id": "batch-1",
        "severity": Severity.MEDIUM,
        "confidence": 0.9,
        "since": NOON,
        "likely_cause": "It was overlooked. " + "So it seems. " * 35,
        "next_step": "Look at the shelf.",
        "capability_id": "firestore.ops_note.append",
    }
    finding = Finding(**(values | changes))
    return StoredFinding(finding, finding.finding_id, 3, 7, state, "a" * 64, NOON, "run-1", "1", NOON)


def money(**changes):
    values = {
        "department": "finance",
        "subject_kind": "order",
        "expected_cents": 500,
        "observed_cents": 700,
        "currency": "usd",
        "capability_id": "finance.reconciliation.adjust",
    }
    return stored(**(values | changes))


def occasion(kind="undersold_event", **changes):
    values = {
        "department": "marketing",
        "detector": "occasions",
        "kind": kind,
        "subject_kind": "event",
        "capability_id": "website.announcement.publish",
        "evidence": (
            FindingEvidence("marketing/drafts", "2", "drf_" + "0a" * 10),
            FindingEvidence("cloud_truth/events", "2026-03-01.2", "event-1"),
        ),
    }
    return stored(**(values | changes))


def report(kind="report_unseen", **changes):
    values = {
        "department": "trust_safety",
        "detector": "reports_unseen",
        "kind": kind,
        "subject_kind": "report",
        "severity": Severity.HIGH,
        "capability_id": "moderation.report.review",
        "evidence": (
            FindingEvidence("cloud_truth/community_reports", "2026-03-01.2", "report-1"),
            FindingEvidence("trust_safety/triage", "2", "report-1"),
        ),
    }
    return stored(**(values | changes))


@pytest.mark.parametrize(
    ("spec", "finding"),
    [(OPERATIONS, stored()), (FINANCE, money()), (MARKETING, occasion())]
    + [(MARKETING, occasion(kind, evidence=())) for kind in OCCASIONS]
    + [(TRUST_SAFETY, report(kind)) for kind in REPORT_KINDS],
)
def test_every_input_is_one_the_capability_takes(spec, finding):
    """However long the detector's words are; the key is the finding's id whatever the revision."""
    made = candidate_of(spec, finding)
    assert isinstance(made, ProposalCandidate)
    assert validate_input(default_registry()[made.capability_id], made.input) == dict(made.input)
    assert made.dedupe_key == candidate_of(spec, replace(finding, revision=9)).dedupe_key
    assert made.evidence[0].revision == "3"


@pytest.mark.parametrize(
    ("spec", "finding", "why"),
    [
        (OPERATIONS, stored(FindingState.RESOLVED), Why.RESOLVED),
        (OPERATIONS, stored(capability_id=None), Why.NO_CAPABILITY),
        (OPERATIONS, stored(capability_id="firestore.batch.close"), Why.NOT_OF_SWARM),
        (OPERATIONS, stored(severity=Severity.LOW), Why.TOO_MILD),
        (OPERATIONS, stored(confidence=0.5), Why.TOO_UNSURE),
        (OPERATIONS, stored(subject_kind="kiln"), Why.DOES_NOT_FIT),
        (TRUST_SAFETY, report(evidence=()), Why.DOES_NOT_FIT),
        (TRUST_SAFETY, report("another_kind"), Why.DOES_NOT_FIT),
        (TRUST_SAFETY, report(capability_id=None), Why.NO_CAPABILITY),
        (FINANCE, money(observed_cents=500), Why.DOES_NOT_FIT),
        (FINANCE, money(observed_cents=None), Why.DOES_NOT_FIT),
        (FINANCE, money(currency="eur"), Why.DOES_NOT_FIT),
        (MARKETING, occasion("review_missed", capability_id=None), Why.NO_CAPABILITY),
        (MARKETING, occasion("unheard_of"), Why.DOES_NOT_FIT),
        (FINANCE, money(observed_cents=1_000_501), Why.DOES_NOT_FIT),
    ],
)
def test_what_is_not_proposed_says_why(spec, finding, why):
    assert candidate_of(spec, finding) is why


def test_a_correction_makes_the_order_agree_with_stripe():
    """More money came in than the order says: it rises. More went back than it says: it falls."""
    assert candidate_of(FINANCE, money()).input["adjustmentCents"] == 200
    refund = money(kind="refund_unrecorded", expected_cents=0, observed_cents=500)
    assert candidate_of(FINANCE, refund).input["adjustmentCents"] == -500


def test_no_swarm_may_ask_for_what_is_too_dangerous_for_it():
    """Every capability of a swarm is one the system may propose, and none that closes a batch."""
    for spec in SWARMS:
        for capability_id in spec.makers:
            capability = default_registry()[capability_id]
            assert "system" in capability.requester_kinds
            assert capability.approvals_required >= 1
            assert capability_id != "firestore.batch.close"
        assert spec.is_draft_only


@pytest.mark.parametrize(
    ("hours", "local", "is_quiet"),
    [
        ((22, 5), 23, True),
        ((22, 5), 4, True),
        ((22, 5), 5, False),
        ((22, 5), 12, False),
        ((0, 5), 0, True),
        ((0, 5), 5, False),
        ((0, 0), 0, False),
    ],
)
def test_quiet_hours_are_by_the_studios_clock(hours, local, is_quiet):
    quiet = QuietHours(time(hours[0]), time(hours[1]))
    at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=local + 7)  # Phoenix is seven hours behind
    assert quiet.holds(at, "America/Phoenix") is is_quiet
