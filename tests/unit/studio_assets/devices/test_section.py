"""The devices section: a status that never calls old data current, and counts only of what is current."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.connector import DeviceFailure, Fault
from resources.connectors.circuits import CircuitState
from studio_assets.devices.section import (
    COUNTS,
    ConnectorRead,
    Limits,
    ReadingStatus,
    count_devices,
    read_from,
    section,
)
from tests.unit.studio_assets.devices.strategies import READ_AT, device, reading, readings, robot

LIMITS = Limits()
HOUR = timedelta(hours=1)
GOOD = ConnectorRead("hubitat", True, True, READ_AT, 3, dict.fromkeys(COUNTS, 2))


def entry(read, as_of=READ_AT):
    return section([read], as_of, 60)[read.connector_id]


@pytest.mark.parametrize(
    ("changes", "as_of", "status"),
    [
        ({}, READ_AT, "current"),
        ({}, READ_AT + HOUR, "current"),
        ({}, READ_AT + HOUR + timedelta(seconds=1), "old"),
        ({"is_answered": False, "fault": Fault.TIMEOUT}, READ_AT, "old"),
        ({"read_at": None, "is_answered": False}, READ_AT, "never"),
        ({"is_configured": False}, READ_AT, "not_configured"),
        ({"is_configured": False, "read_at": None, "is_answered": False}, READ_AT, "not_configured"),
    ],
)
def test_the_status_says_how_the_reading_stands_and_only_a_current_one_is_counted(changes, as_of, status):
    told = entry(replace(GOOD, **changes), as_of)
    assert told["status"] == status
    expected = 2 if status == "current" else None
    assert [told[name] for name in COUNTS] == [expected] * len(COUNTS)


def test_an_old_reading_keeps_its_age_and_the_reason_and_nothing_without_a_reading_has_an_age():
    old = entry(replace(GOOD, is_answered=False, fault=Fault.UNAVAILABLE), READ_AT + 2 * HOUR)
    assert (old["readAt"], old["ageSeconds"], old["fault"]) == (
        "2026-11-21T18:00:00.000000Z",
        7200,
        "unavailable",
    )
    for changes in ({"read_at": None}, {"is_configured": False}):
        assert entry(replace(GOOD, **changes))["ageSeconds"] is None


def test_a_reading_after_the_instant_of_the_snapshot_is_not_from_the_future():
    assert entry(GOOD, READ_AT - timedelta(seconds=3))["ageSeconds"] == 0


def test_connectors_stand_in_order_of_name_whoever_was_faster():
    other = replace(GOOD, connector_id="roborock")
    assert list(section([other, GOOD], READ_AT, 60)) == ["hubitat", "roborock"]


def test_counting():
    found = count_devices(
        reading(
            device("1"),
            device("2", is_online=False, is_healthy=False, battery_pct=20),
            device("3", observed_at=READ_AT - 4 * HOUR, is_online=None, is_healthy=None),
            robot("4", error_code="7", error_name="stuck", is_healthy=False),
            robot("5", error_code="999", is_healthy=None),
            failures=[DeviceFailure("6", Fault.TIMEOUT, "It did not answer.")],
        ),
        LIMITS,
    )
    assert found == {
        "devices": 6,
        "online": 3,
        "offline": 1,
        "lowBattery": 1,
        "inError": 1,
        "silent": 1,
        "unknown": 3,
    }


@given(reading=readings())
def test_no_count_exceeds_the_devices_and_none_is_negative(reading):
    counts = count_devices(reading, LIMITS)
    assert tuple(counts) == COUNTS
    assert all(0 <= number <= counts["devices"] for number in counts.values())
    assert counts["devices"] == len(reading.devices) + len(reading.failures)
    assert counts["online"] + counts["offline"] + len(reading.failures) <= counts["devices"]


@given(
    read=st.builds(
        ConnectorRead,
        connector_id=st.just("hubitat"),
        is_configured=st.booleans(),
        is_answered=st.booleans(),
        read_at=st.none() | st.just(READ_AT),
        revision=st.none() | st.integers(1, 9),
        counts=st.just({}) | st.just(dict.fromkeys(COUNTS, 1)),
        fault=st.none() | st.sampled_from(Fault),
        circuit=st.sampled_from(CircuitState),
        next_retry_at=st.none() | st.just(READ_AT + HOUR),
        sentence=st.text(max_size=20),
    )
)
def test_what_a_run_learnt_survives_its_event(read):
    assert read_from("hubitat", read.as_payload()) == read


@given(minutes=st.integers(0, 10_000), is_answered=st.booleans())
def test_a_reading_never_becomes_current_by_growing_older(minutes, is_answered):
    read = replace(GOOD, is_answered=is_answered)
    now, later = (read.status(READ_AT + timedelta(minutes=at), 60) for at in (minutes, minutes + 1))
    assert (now, later) != (ReadingStatus.OLD, ReadingStatus.CURRENT)
