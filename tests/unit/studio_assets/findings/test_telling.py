"""An asset of findings tells how many are open, what a run changed, and has a version of what they say."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

from resources.findings import Applied, FindingState, Severity, StoredFinding
from studio_assets.findings.making import make_finding
from studio_assets.findings.telling import findings_version, told_of_changes, told_of_findings

NOON = datetime(2026, 3, 1, 19, tzinfo=UTC)
FOUND = make_finding(
    *("operations", "pickups", "overdue_pickup", "batch", "b-1"),
    severity=Severity.LOW,
    confidence=0.9,
    since=NOON,
    observed="on the shelf",
    cause="It was forgotten.",
    step="Call the member.",
)
KEPT = StoredFinding(FOUND, FOUND.finding_id, 1, 1, FindingState.OPEN, "a" * 64, NOON, "run", "1", NOON)


def test_the_version_is_that_of_what_findings_say():
    """The very same as ever: another version would tell everything downstream that something is new."""
    said = hashlib.sha256(repr([(KEPT.finding_id, "a" * 64)]).encode()).hexdigest()
    assert findings_version([KEPT]).value == said
    assert findings_version([replace(KEPT, run_id="another", recorded_at=NOON, number=2)]).value == said
    assert findings_version([replace(KEPT, content_hash="b" * 64)]).value != said
    assert findings_version([]).value != said


def test_changes_of_all_detectors_are_added_up():
    applied = [Applied(opened=1, changed=2), Applied(opened=3, resolved=4)]
    counts = {"dagster/row_count": 1, "opened": 4, "changed": 2, "resolved": 4}
    assert told_of_changes([KEPT], applied) == counts
    told = told_of_findings([KEPT], iter(applied))
    (row,) = told.pop("findings").records
    assert told == counts
    assert row.data["subject"] == "b-1"
    assert row.data["since"] == "2026-03-01T19:00:00.000000Z"


def test_without_findings_there_is_no_table():
    assert told_of_findings([], []) == {"dagster/row_count": 0, "opened": 0, "changed": 0, "resolved": 0}
