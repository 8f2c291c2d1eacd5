"""What of the reports is worth a person's time, and what is not: by the rows alone."""

from datetime import timedelta

import pytest

from policies.intake import RulesScreener
from resources.findings import Severity
from studio_assets.studio_state.predicates import Moment
from studio_assets.trust_safety.rules import DETECTORS, REVIEW, Reports, find_reports, target_hash
from tests.unit.studio_assets.trust_safety.report_rows import NOON, reports_table, suggested

DAY = timedelta(days=1)
HERE = target_hash("video-1")


def found(*rows, **about):
    reports = Reports(reports_table(*rows), Moment(NOON, "America/Phoenix"), "2026-03-02.1", **about)
    by_detector = find_reports(reports)
    assert tuple(by_detector) == DETECTORS
    return [one for each in by_detector.values() for one in each]


def row(report_id="r1", *, days=0.0, **changes):
    return {"document_id": report_id, "created_at": NOON - days * DAY, **changes}


@pytest.mark.parametrize(
    ("severity", "days", "worth"),
    [
        ("high", 3, None),
        ("high", 3.1, Severity.HIGH),
        ("low", 7, None),
        ("medium", 7.1, Severity.LOW),
        (None, 7.1, Severity.LOW),
    ],
)
def test_a_report_nobody_looked_at_is_told_by_how_grave_it_is(severity, days, worth):
    """Only the grave ones are worth a proposal."""
    told = found(row(days=days, severity=severity))
    assert [one.severity for one in told] == ([worth] if worth else [])
    assert [one.capability_id for one in told if one.severity is Severity.HIGH] == [REVIEW] * (
        worth is Severity.HIGH
    )


def test_closed_days_do_not_count_as_waiting():
    """Over a holiday nobody forgot it: Presidents' Day 2026 is the 16th of February."""
    monday = NOON - 13 * DAY
    rows = reports_table(row(days=13 + 3.5, severity="high"))
    assert find_reports(Reports(rows, Moment(monday, "America/Phoenix"), "r.1"))["reports_unseen"] == []


@pytest.mark.parametrize("status", ["triaged", "actioned", "resolved", "dismissed"])
def test_a_look_ends_the_waiting(status):
    assert not found(row(days=30, severity="high", status=status))


def test_many_open_reports_of_one_content_are_one_matter():
    """From the fourth; graver from the sixth; closed ones do not count; identity is the content's."""
    ids = [f"r{number}" for number in range(6)]
    targets = dict.fromkeys(ids, HERE)
    assert not found(*map(row, ids[:3]), targets=targets)
    (four,) = found(*map(row, ids[:4]), targets=targets)
    (six,) = found(*map(row, ids), targets=targets)
    assert (four.severity, six.severity) == (Severity.MEDIUM, Severity.HIGH)
    assert four.finding_id == six.finding_id
    assert four.subject_id == HERE
    assert [link.row for link in four.evidence] == ids[:4]
    assert not found(*map(row, ids[:3]), row("r3", status="resolved"), targets=targets)


def test_what_the_cloud_signals_is_grave_even_where_the_content_was_not_read():
    """Those close in time are one matter; later ones another."""
    storm = [row(f"r{number}", days=0.2 - number / 100, coordination_signal=True) for number in range(3)]
    (told,) = found(*storm)
    assert (told.severity, told.subject_id) == (Severity.HIGH, "r0")
    assert len(found(*storm, row("r9", days=1, coordination_signal=True))) == 2
    (of_content,) = found(*storm, targets=dict.fromkeys(["r0", "r1", "r2"], HERE))
    assert (of_content.severity, of_content.subject_id) == (Severity.HIGH, HERE)


@pytest.mark.parametrize(
    ("stored", "suggestion", "worth"),
    [
        ("low", suggested("r1"), Severity.HIGH),
        ("medium", suggested("r1"), Severity.MEDIUM),
        ("high", suggested("r1"), None),
        ("low", suggested("r1", severity="medium"), None),
        ("low", suggested("r1", confidence=0.7), None),
        ("low", suggested("r1", is_abstained=True, severity=None, category=None, code="unsure"), None),
        ("low", suggested("another"), None),
    ],
)
def test_words_graver_than_the_reporter_says_are_told(stored, suggestion, worth):
    told = found(row(severity=stored), suggestions=[suggestion])
    assert [one.severity for one in told] == ([worth] if worth else [])
    assert [link.asset for one in told for link in one.evidence] == (
        ["cloud_truth/community_reports", "trust_safety/triage"] if worth else []
    )


def test_what_a_person_decided_is_not_told_again():
    assert not found(row(), suggestions=[suggested("r1")], decided=frozenset({"r1"}))


def test_ids_that_are_not_plain_are_never_repeated():
    """A document may be named by somebody's address."""
    told = found(row("zoe@example.com", days=30, severity="high"))
    assert "zoe" not in repr(told)


def test_what_is_said_passes_the_screening_of_proposals():
    """A finding whose words were blocked would never become a proposal."""
    told = found(
        row("r0", days=5, severity="high"),
        *(row(f"r{number}") for number in range(1, 5)),
        targets={f"r{number}": HERE for number in range(1, 5)},
        suggestions=[suggested("r1", code="threat"), suggested("r2", code="danger_to_person")],
    )
    assert len({one.kind for one in told}) == 3
    for one in told:
        words = {"a": one.likely_cause, "b": one.next_step, "c": str(one.expected), "d": str(one.observed)}
        assert not RulesScreener().screen(REVIEW, one.kind.replace("_", " "), words).is_blocked
