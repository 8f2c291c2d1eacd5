"""What must hold of readings and findings: each rule can fail, and a good day breaks none."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given

from resources.connector import DeviceFailure, Fault
from resources.findings import FindingState, StoredFinding
from studio_assets.checks.device_rules import implausible, personal, unresolved, unstable
from studio_assets.devices.detect import detect, devices_asset
from studio_assets.devices.section import Limits
from tests.unit.studio_assets.devices.strategies import READ_AT, device, reading, readings, robot


def stored(finding, **changes):
    known = {
        "finding": finding,
        "finding_id": finding.finding_id,
        "revision": 1,
        "number": 1,
        "state": FindingState.OPEN,
        "content_hash": "ab" * 32,
        "observed_at": READ_AT,
        "run_id": "run",
        "code_version": "1",
        "recorded_at": READ_AT,
    }
    return StoredFinding(**(known | changes))


def low_battery(revision=3):
    (finding,) = detect("hubitat", reading(device(battery_pct=3)), revision, Limits())
    return finding


def test_a_good_reading_breaks_nothing():
    assert implausible(reading(device("1"), robot("2", error_code="407", error_name="cleaning"))) == []


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        (reading(device("1"), device("1")), "1 is there 2 times"),
        (reading(device("1"), failures=[DeviceFailure("1", Fault.TIMEOUT, "x")]), "1 is there 2 times"),
        (reading(device("1", battery_pct=101)), "1 has a battery of 101 percent"),
        (reading(device("1", observed_at=READ_AT + timedelta(minutes=6))), "1 spoke after it was read"),
        (reading(robot("1", error_code="999")), "1 is called healthy with the unknown code 999"),
    ],
)
def test_each_impossible_thing_is_said(spoiled, said):
    assert implausible(spoiled) == [said]


def test_an_identity_must_follow_from_what_it_is_about_and_be_there_once():
    good = stored(low_battery())
    assert unstable([good]) == []
    assert unstable([replace(good, finding_id="fnd_" + "0" * 26)])
    assert unstable([good, good])


@pytest.mark.parametrize(
    ("revision", "newest", "holds"), [(3, 3, True), (3, 9, True), (4, 3, False), (3, 0, False)]
)
def test_evidence_must_be_there(revision, newest, holds):
    found = unresolved([stored(low_battery(revision))], {devices_asset("hubitat"): newest})
    assert (found == []) is holds


@pytest.mark.parametrize(
    "changes",
    [
        {"subject_id": "hubitat/Maya's lamp"},
        {"next_step": "Call 6025550143."},
        {"observed": "went to 192.168.1.20"},
    ],
)
def test_a_person_or_an_address_in_a_finding_is_noticed(changes):
    finding = low_battery()
    for name, value in changes.items():
        object.__setattr__(finding, name, value)  # past the guard that refuses such words when it is made
    assert personal([stored(finding)])


@given(reading=readings())
def test_what_the_detectors_say_holds_ids_and_our_own_words_only(reading):
    found = [stored(finding) for finding in detect("hubitat", reading, 1, Limits())]
    assert personal(found) == unstable(found) == unresolved(found, {devices_asset("hubitat"): 1}) == []
