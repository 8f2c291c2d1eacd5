"""Findings: what is open is what the detector last found, however often and in whatever way it was told."""

from datetime import timedelta

import pytest

from resources.findings import Applied, Finding, FindingEvidence, FindingState, Severity
from resources.postgres.findings import Findings
from tests.integration.postgres.samples import NOON

pytestmark = pytest.mark.integration
STUDIO = "monsoonfire"


def make_finding(**changes):
    values = {
        "department": "operations",
        "detector": "devices",
        "kind": "battery_low",
        "subject_kind": "device",
        "subject_id": "12",
        "severity": Severity.LOW,
        "confidence": 0.9,
        "expected": 20.0,
        "observed": 11.0,
        "unit": "percent",
        "likely_cause": "The battery is nearly empty.",
        "next_step": "Change the battery.",
        "evidence": (FindingEvidence("studio/cloud_truth/hubitat_devices", "3", "12"),),
    }
    return Finding(**(values | changes))


@pytest.fixture
def findings(app_engine):
    return Findings(app_engine, STUDIO)


@pytest.fixture
def tell(findings):
    """Return a function that applies what the detector finds, a minute later each time."""
    minutes = iter(range(1_000_000))

    def apply(*present, **more):
        at = more.pop("at", None) or NOON + timedelta(minutes=next(minutes))
        return findings.apply(
            "operations", "devices", present, at=at, run_id="run-1", code_version="1", **more
        )

    return apply


def test_a_finding_lives_its_whole_life(findings, tell):
    found = make_finding()
    assert tell(found) == Applied(opened=1)
    assert tell(found) == Applied(unchanged=1)
    assert tell(make_finding(observed=9.0)) == Applied(changed=1)
    assert tell() == Applied(resolved=1)
    assert tell() == Applied()
    assert findings.open() == []
    assert tell(found) == Applied(opened=1)
    (kept,) = findings.open("operations")
    assert (kept.finding_id, kept.revision, kept.number) == (found.finding_id, 4, 4)
    assert [one.state for one in findings.revisions(found.finding_id)] == [
        FindingState.OPEN,
        FindingState.OPEN,
        FindingState.RESOLVED,
        FindingState.OPEN,
    ]
