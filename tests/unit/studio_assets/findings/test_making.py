"""A finding names documents safely, points at its rows, and says what its department said of it."""

import pytest

from resources.findings import MOST_EVIDENCE, FindingEvidence, Severity, finding_id
from studio_assets.findings.making import is_plain_id, links_to_rows, make_finding, safe_id

REVISION = "2026-03-01.2"
ODD = ["zoe@example.com", "Zoe Miller", "a/b", "", "é", "a" * 129, "line\nbreak"]


@pytest.mark.parametrize("name", ["b-1", "a.b:c_D-9", "x" * 128])
def test_a_plain_id_is_named_as_it_is(name):
    assert is_plain_id(name)
    assert safe_id(name) == name


@pytest.mark.parametrize("name", ODD)
def test_an_odd_id_is_named_by_a_hash_that_is_always_the_same(name):
    """Somebody's address may stand in a document's id; findings go to places where it may not."""
    assert not is_plain_id(name)
    assert safe_id(name) == safe_id(name)
    assert is_plain_id(safe_id(name))
    assert safe_id(name).startswith("hash-")


def test_hashes_of_different_ids_differ():
    assert len({safe_id(name) for name in ODD}) == len(ODD)


def test_rows_are_linked_once_each_in_order_and_safely():
    links = links_to_rows(REVISION, "batches/b2", "batches/b1", "batches/b2", "events/zoe@example.com")
    assert links == (
        FindingEvidence("cloud_truth/batches", REVISION, "b2"),
        FindingEvidence("cloud_truth/batches", REVISION, "b1"),
        FindingEvidence("cloud_truth/events", REVISION, safe_id("zoe@example.com")),
    )
    assert links_to_rows(REVISION) == ()


def test_no_more_rows_are_linked_than_a_finding_holds():
    rows = [f"batches/b{number}" for number in range(MOST_EVIDENCE + 1)]
    assert [link.row for link in links_to_rows(REVISION, *rows)] == [
        f"b{number}" for number in range(MOST_EVIDENCE)
    ]


def test_a_finding_says_what_was_said_of_it_and_its_id_follows_from_what_it_is_about():
    """The id of what was found is stable: it is what history, marks and proposals know it by."""
    made = make_finding(
        *("operations", "pickups", "overdue_pickup", "batch", "zoe@example.com"),
        severity=Severity.LOW,
        confidence=0.9,
        cause="It was forgotten.",
        step="Call the member.",
        expected=3,
        observed=5,
        unit="days",
    )
    subject = safe_id("zoe@example.com")
    assert made.finding_id == finding_id("operations", "pickups", "overdue_pickup", "batch", subject)
    assert (made.likely_cause, made.next_step) == ("It was forgotten.", "Call the member.")
    assert (made.expected, made.observed, made.unit) == (3, 5, "days")
    assert (made.since, made.capability_id, made.evidence) == (None, None, ())


def test_known_findings_keep_the_ids_they_have():
    """What is kept of past years is recognised again: an id never changes with the code that makes it."""
    made = make_finding(
        *("operations", "pickups", "overdue_pickup", "batch", "b-1"),
        severity=Severity.LOW,
        confidence=0.9,
        cause="It was forgotten.",
        step="Call the member.",
    )
    assert made.finding_id == "fnd_cc2hhxf6bhqfm74cthdt021830"


def test_no_more_links_are_made_than_a_finding_holds(monkeypatch):
    """A rule names all that waits, of every kiln; links beyond the last that is kept took minutes."""
    made = []

    def noted(*of):
        made.append(of)
        return FindingEvidence(*of)

    monkeypatch.setattr("studio_assets.findings.making.FindingEvidence", noted)
    rows = [f"batches/b{n}" for n in range(3 * MOST_EVIDENCE)]
    assert links_to_rows(REVISION, *rows) == tuple(FindingEvidence(*of) for of in made)
    assert len(made) == MOST_EVIDENCE
