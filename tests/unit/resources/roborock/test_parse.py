"""From raw answers to readings: unknown is never healthy, and odd shapes are refused."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.connectors.records import content_hash
from resources.roborock import codes, parse
from resources.roborock.parse import RobotAnswers

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


def read(known=codes.V1, **said):
    return parse.reading(
        "duid", parse.VACUUM, "model", known=known, said=RobotAnswers(**said), observed_at=NOW
    )


@pytest.mark.parametrize(
    ("state", "error", "dock", "is_healthy"),
    [
        (8, 0, 0, True),
        (8, 0, None, True),
        (5, 0, 0, True),
        (12, 0, 0, False),
        (9, 0, 0, False),
        (8, 5, 0, False),
        (4711, 5, 0, False),
        (8, 9999, 0, None),
        (4711, 0, 0, None),
        (8, None, 0, None),
        (None, 0, 0, None),
        (0, 0, 0, None),
        (8, 0, 33, False),
        (8, 0, 7777, None),
    ],
)
def test_health(state, error, dock, is_healthy):
    """A known fault is a fault; anything unknown makes the verdict unknown; the rest is fine."""
    assert read(state=state, error=error, dock_error=dock).is_healthy is is_healthy


@given(
    state=st.none() | st.integers(-2000, 20_000),
    error=st.none() | st.integers(-10, 30_000),
    family=st.sampled_from([codes.V1, codes.Q7, codes.Q10, codes.ZEO, codes.DYAD]),
)
def test_unknown_is_never_healthy(state, error, family):
    """Whatever numbers come, a healthy robot's are all known."""
    if read(family, state=state, error=error).is_healthy:
        assert state in family.states
        assert error in family.notices


@pytest.mark.parametrize("huge", [10**400, -(10**400), 2**64])
def test_numbers_nobody_can_keep_are_no_numbers(huge):
    """One robot's absurd count must not cost the reading of all robots, nor the record of the call."""
    said = parse.v1_status({"state": huge, "error_code": huge, "battery": huge, "dock_error_status": huge})
    parse.v1_last_record({"clean_count": huge, "clean_time": huge, "clean_area": huge}, said)
    reading = parse.reading("duid", parse.VACUUM, "model", known=codes.V1, said=said, observed_at=NOW)
    assert (reading.state, reading.error_code, reading.battery_pct, reading.values) == (None, None, None, {})
    assert reading.is_healthy is None
    assert len(content_hash(reading)) == 64


def test_raw_codes_are_kept():
    """Unknown numbers stay as they are; a dock's error is told where the robot has none."""
    reading = read(state=4711, error=9999, battery=140)
    assert (reading.state, reading.error_code, reading.error_name) == ("code_4711", "9999", None)
    assert reading.battery_pct is None
    assert read(state=8, error=0, dock_error=33).error_code == "dock_33"


def test_every_name_of_an_error_means_something():
    """Numbers the library lists without knowing their meaning are not known."""
    names = {name for family in (codes.Q7, codes.Q10) for name in family.errors.values()}
    assert not [name for name in names if name.startswith(("fault_", "unknown"))]
    assert codes.Q7.is_healthy(4, 504) is None


@pytest.mark.parametrize("raw", [None, "unknown_method", 3, [], [[]], {}, [{"foo": 1}], [None]])
def test_a_status_of_another_shape_is_refused(raw):
    """What is no status never becomes an empty, healthy one."""
    with pytest.raises((TypeError, ValueError, LookupError)):
        parse.v1_status(raw)
    with pytest.raises((TypeError, ValueError, LookupError)):
        parse.q7_status(raw)


def test_history_in_both_forms():
    """Old robots answer with lists, new ones with objects."""
    for raw in (
        [7200, 2_000_000, 3, [30, 10]],
        {"clean_time": 7200, "clean_area": 2_000_000, "clean_count": 3, "records": [10, 30]},
    ):
        said = RobotAnswers()
        assert parse.v1_last_record(raw, said) == 30
        assert said.values == {"cleans_total": 3, "clean_hours_total": 2.0, "clean_area_total_m2": 2.0}
    begin, end = 1_790_000_000, 1_790_003_600
    for raw in (
        [[begin, end, 3600, 1_000_000]],
        [{"begin": begin, "end": end, "duration": 3600, "area": 1_000_000}],
    ):
        said = RobotAnswers()
        parse.v1_record(raw, said)
        assert said.last_clean_at == datetime.fromtimestamp(end, UTC)
        assert said.values == {"last_clean_minutes": 60.0, "last_clean_area_m2": 1.0}


def test_consumables_are_hours_and_never_negative():
    """A worn-out part has no hours left."""
    left = parse.v1_consumables(
        [{"main_brush_work_time": 9_999_999, "filter_work_time": 0, "sensor_dirty_time": "x"}]
    )
    assert left == {"main_brush": 0.0, "filter": 150.0}


@pytest.mark.parametrize("value", [None, 0, -1, 10**12, "1790000000", True, 1.5])
def test_instants_that_cannot_be(value):
    """A robot whose clock was never set has cleaned at no known time."""
    assert parse.instant(value) is None
