"""Findings of devices are held to the rules of all findings; links lead to revisions of a reading."""

import re
from dataclasses import replace

import pytest
from hypothesis import given

from resources.connector import Fault
from resources.findings import FindingState, StoredFinding, restored_finding
from studio_assets.checks.findings import (
    CONTACT,
    finding_facts,
    judge_findings,
    unresolved,
)
from studio_assets.devices.detect import detect, detect_silence, devices_asset, is_of_no_reading
from studio_assets.devices.reading import Answer, read_now
from studio_assets.devices.section import Limits
from tests.unit.studio_assets.devices.strategies import READ_AT, device, reading, readings

HUBITAT = devices_asset("hubitat")


def stored(finding, **changes):
    """Return a finding as it was kept, changed past the guard that refuses such words when it is made."""
    values = {name: getattr(finding, name) for name in finding.__dataclass_fields__} | changes
    return StoredFinding(
        *(restored_finding(**values), finding.finding_id, 1, 1, FindingState.OPEN, "ab" * 32),
        *(READ_AT, "run", "1", READ_AT),
    )


def low_battery(revision=3):
    (finding,) = detect("hubitat", reading(device(battery_pct=3)), revision, Limits())
    return finding


def judged(kept, newest=3):
    """Return the checks that break, as the checks of a studio's devices judge them."""
    missing = unresolved(kept, None, {HUBITAT: newest})
    rowless = {one.finding_id for one in kept if is_of_no_reading(one.finding)}
    return [check for check, found in judge_findings(kept, missing, rowless).items() if found]


def test_a_good_finding_breaks_nothing():
    assert judged([stored(low_battery())]) == []


def test_an_identity_must_follow_from_what_it_is_about_and_be_there_once():
    good = stored(low_battery())
    assert judged([replace(good, finding_id="fnd_" + "0" * 26)]) == ["identities_are_stable"]
    assert judged([good, good]) == ["identities_are_stable"]


@pytest.mark.parametrize(
    ("revision", "newest", "holds"), [(3, 3, True), (3, 9, True), (4, 3, False), (3, 0, False)]
)
def test_evidence_must_be_there(revision, newest, holds):
    assert (judged([stored(low_battery(revision))], newest) == []) is holds


def test_only_a_finding_of_no_reading_may_have_no_evidence():
    """Where a connector never told anything there is no row to point at; everything else rests on one."""
    (silent,) = detect_silence(
        read_now("hubitat", Answer(None, Fault.TIMEOUT), None, None, Limits()), READ_AT, Limits()
    )
    assert not silent.evidence
    assert judged([stored(silent)]) == []
    assert judged([stored(silent, observed="only an old reading")]) == ["evidence_resolves"]
    assert judged([stored(low_battery(), evidence=())]) == ["evidence_resolves"]


@pytest.mark.parametrize(
    "changes",
    [
        {"subject_id": "hubitat/Maya's lamp"},
        {"subject_id": "hubitat/Maya lamp"},
        {"next_step": "Call 6025550143."},
        {"observed": "went to 192.168.1.20"},
    ],
)
def test_a_person_or_an_address_in_a_finding_is_noticed(changes):
    assert "holds_no_personal_data" in judged([stored(low_battery(), **changes)])


def test_confidence_and_severity_are_those_there_are():
    assert judged([stored(low_battery(), confidence=1.01)]) == ["confidence_is_in_range"]
    assert judged([stored(low_battery(), severity="dreadful")]) == ["confidence_is_in_range"]


@given(reading=readings())
def test_what_the_detectors_say_holds_ids_and_our_own_words_only(reading):
    """The facts that the rules judge are good ones, whatever a connector told."""
    kept = [stored(finding) for finding in detect("hubitat", reading, 1, Limits())]
    for facts in finding_facts(kept, unresolved(kept, None, {HUBITAT: 1})).to_pylist():
        assert facts["follows_from_subject"]
        assert facts["shows_what_it_rests_on"]
        assert facts["unresolved_links"] == facts["odd_ids"] == 0
        assert not re.search(CONTACT, facts["words"])
    assert len({one.finding_id for one in kept}) == len(kept)
