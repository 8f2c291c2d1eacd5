"""What is found of devices: everything that is wrong, nothing that is well, and the unknown said as such."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given

from resources.connector import DeviceFailure, Fault, Reading
from resources.findings import Severity
from studio_assets.devices.detect import (
    OUT_OF_REACH,
    FindingKind,
    detect,
    detect_silence,
    detector_of,
    devices_asset,
    scope_of,
    subject_of,
)
from studio_assets.devices.section import ConnectorRead, Limits, count_devices
from tests.unit.studio_assets.devices.strategies import READ_AT, device, reading, readings, robot

LIMITS = Limits()
HOUR = timedelta(hours=1)


def found_in(*devices, failures=(), limits=LIMITS):
    return detect("hubitat", reading(*devices, failures=failures), 3, limits)


def kinds_of(*devices):
    return {(finding.kind, finding.severity) for finding in found_in(*devices)}


@pytest.mark.parametrize(
    ("one", "kind", "severity"),
    [
        (robot(error_code="7", error_name="main_brush_jammed", is_healthy=False), "vacuum_error", "medium"),
        (robot(state="error", is_healthy=False), "vacuum_error", "medium"),
        (robot(error_code="999", is_healthy=None), "vacuum_error", "low"),
        (robot(state="code_250", is_healthy=None), "vacuum_error", "low"),
        (device(battery_pct=20), "battery_low", "low"),
        (device(battery_pct=5), "battery_low", "medium"),
        (robot(battery_pct=3), "battery_low", "low"),
        (robot(battery_pct=3, state="returning_home"), "battery_low", "medium"),
        (device(observed_at=READ_AT - 3 * HOUR - timedelta(seconds=1)), "sensor_silent", "medium"),
        (device(observed_at=READ_AT - 4 * HOUR, place=None), "sensor_silent", "low"),
        (device(is_online=False, is_healthy=False), "device_offline", "low"),
        (device(values={"temperature_celsius": 45.1}), "kiln_room_temperature", "high"),
        (device(values={"temperature_celsius": 4.9}), "kiln_room_temperature", "medium"),
    ],
)
def test_each_thing_that_is_wrong_is_one_finding(one, kind, severity):
    assert kinds_of(one) == {(kind, Severity(severity))}


@pytest.mark.parametrize(
    "one",
    [
        device(),
        robot(),
        device(battery_pct=21),
        device(battery_pct=None),
        device(observed_at=READ_AT - 3 * HOUR),
        device(kind="outlet", observed_at=READ_AT - 90 * HOUR, values={}),
        device(is_online=None, is_healthy=None),
        device(values={"temperature_celsius": 45.0}),
        device(values={"temperature_celsius": 5.0}),
        device(values={"temperature_celsius": 80.0}, place=None),
    ],
)
def test_what_is_well_gives_no_finding(one):
    """At the very limit all is still well; a device that tells no health is not accused."""
    assert found_in(one) == []


def test_what_a_silent_sensor_said_last_is_not_how_warm_it_is():
    gone = device(values={"temperature_celsius": 80.0}, observed_at=READ_AT - 9 * HOUR)
    assert kinds_of(gone) == {("sensor_silent", Severity.MEDIUM)}


def test_a_device_that_does_not_answer_is_offline_and_one_that_talks_nonsense_is_not():
    for fault in Fault:
        found = found_in(device(), failures=[DeviceFailure("99", fault, "It failed.")])
        assert [finding.subject_id for finding in found] == (["hubitat/99"] if fault in OUT_OF_REACH else [])


@given(reading=readings())
def test_a_finding_names_a_device_of_its_reading_and_is_there_once(reading):
    found = detect("hubitat", reading, 7, LIMITS)
    rows = {one.device_id for one in (*reading.devices, *reading.failures)}
    assert len({finding.finding_id for finding in found}) == len(found)
    for finding in found:
        (evidence,) = finding.evidence
        assert (evidence.asset, evidence.revision) == (devices_asset("hubitat"), "7")
        assert evidence.row in rows
        assert finding.subject_id == subject_of("hubitat", evidence.row)
        assert finding.detector == detector_of("hubitat")
        assert finding.kind in set(FindingKind)


@given(reading=readings())
def test_the_order_of_devices_does_not_matter_and_looking_again_finds_the_same(reading):
    turned = Reading(list(reversed(reading.devices)), list(reversed(reading.failures)), reading.read_at)
    first = detect("hubitat", reading, 7, LIMITS)
    assert detect("hubitat", turned, 7, LIMITS) == first == detect("hubitat", reading, 7, LIMITS)


@given(reading=readings())
def test_findings_and_counts_agree(reading):
    """StudioState and findings judge by the same rules, so that neither says more than the other."""
    counts, found = count_devices(reading, LIMITS), detect("hubitat", reading, 1, LIMITS)
    of_kind = {kind: sum(finding.kind == kind for finding in found) for kind in FindingKind}
    assert of_kind[FindingKind.BATTERY_LOW] == counts["lowBattery"]
    assert of_kind[FindingKind.SENSOR_SILENT] == counts["silent"]
    unreachable = sum(failure.fault in OUT_OF_REACH for failure in reading.failures)
    assert of_kind[FindingKind.DEVICE_OFFLINE] == counts["offline"] + unreachable


@given(reading=readings())
def test_wider_limits_find_no_more(reading):
    wide = Limits(60, 0, 10_000, -100.0, 1_000.0)
    loose = {finding.finding_id for finding in detect("hubitat", reading, 1, wide)}
    assert loose <= {finding.finding_id for finding in detect("hubitat", reading, 1, LIMITS)}


@given(reading=readings())
def test_an_unknown_code_is_never_passed_over(reading):
    """Whatever else a robot says, a code nobody knows shows: as a finding, low unless it also has a fault."""
    found = {f.subject_id: f for f in detect("roborock", reading, 1, LIMITS) if f.kind == "vacuum_error"}
    for one in reading.devices:
        if one.kind in {"vacuum", "washing_machine"} and one.error_code == "999":
            finding = found[subject_of("roborock", one.device_id)]
            assert one.is_healthy is False or finding.severity is Severity.LOW


@given(reading=readings())
def test_only_what_a_reading_speaks_of_may_be_resolved(reading):
    """A device that could not be read keeps its findings; one that is gone from the hub loses them."""
    everything = [
        replace(f, evidence=()) for f in detect("hubitat", reading, 1, Limits(60, 100, 1, 200, 300))
    ]
    (gone,) = found_in(device("5", battery_pct=1))
    scope = scope_of("hubitat", reading, [*everything, gone])
    unread = {subject_of("hubitat", failure.device_id) for failure in reading.failures}
    assert scope.isdisjoint(unread)
    assert scope >= {subject_of("hubitat", one.device_id) for one in reading.devices}
    assert "hubitat/5" in scope


def read_of(**changes):
    known = {
        "connector_id": "hubitat",
        "is_configured": True,
        "is_answered": False,
        "read_at": READ_AT,
        "revision": 4,
        "counts": {},
        "fault": Fault.UNAVAILABLE,
    }
    return ConnectorRead(**(known | changes))


def test_a_connector_is_silent_once_its_last_good_reading_is_old():
    assert detect_silence(read_of(), READ_AT + HOUR, LIMITS) == []
    (finding,) = detect_silence(read_of(), READ_AT + HOUR + timedelta(seconds=1), LIMITS)
    assert (finding.kind, finding.subject_id, finding.since) == ("connector_silent", "hubitat", READ_AT)
    assert finding.evidence[0].revision == "4"


def test_a_connector_that_never_answered_is_silent_at_once_and_one_that_is_not_configured_never():
    never = read_of(read_at=None, revision=None, fault=Fault.AUTH)
    (finding,) = detect_silence(never, READ_AT, LIMITS)
    assert (finding.observed, finding.evidence) == ("no reading yet", ())
    assert "login" in finding.likely_cause
    assert detect_silence(replace(never, is_configured=False), READ_AT, LIMITS) == []
    assert detect_silence(read_of(is_answered=True, fault=None), READ_AT, LIMITS) == []
