"""Promises of the studio's calendar."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twins.world import almanac
from twins.world.chance import Dice

DAYS = st.dates(date(2020, 1, 1), date(2035, 12, 31))


@pytest.mark.parametrize(
    ("day", "is_open"),
    [
        (date(2026, 11, 26), False),  # Thanksgiving
        (date(2026, 11, 27), True),
        (date(2026, 12, 23), True),
        (date(2026, 12, 24), False),
        (date(2027, 1, 1), False),
        (date(2027, 1, 2), True),
        (date(2026, 7, 9), True),
        (date(2026, 7, 10), False),  # the week of the monsoon
        (date(2026, 7, 16), False),
        (date(2026, 7, 17), True),
    ],
)
def test_the_studio_closes_on_holidays_and_in_its_breaks(day, is_open):
    """Each closed stretch is closed on its edges and open just outside."""
    assert almanac.is_open(day) is is_open


def test_local_time_is_phoenix_all_year():
    """Phoenix is seven hours behind UTC, in summer too."""
    for day in (date(2026, 1, 5), date(2026, 7, 6)):
        assert almanac.local(day, 10) == datetime(day.year, day.month, day.day, 17, tzinfo=UTC)
        assert almanac.day_of(almanac.local(day, 23, 59)) == day
        assert almanac.day_end(day) == almanac.local(day, 0) + timedelta(days=1)


def test_weekends_are_busier_and_closed_days_quiet():
    """The level of a day follows the weekday, the season and the closed days, and grows over the years."""
    saturday, monday = date(2026, 9, 26), date(2026, 9, 28)
    assert almanac.level(saturday, saturday) > 1.5 * almanac.level(monday, saturday)
    thanksgiving = date(2026, 11, 26)
    assert almanac.level(thanksgiving, saturday) < 0.5 * almanac.level(thanksgiving + timedelta(1), saturday)
    assert almanac.level(date(2027, 9, 25), saturday) > almanac.level(saturday, saturday)


@given(DAYS, st.integers(0, 24 * 60 - 1), st.integers())
def test_staff_work_only_when_the_studio_is_open(day, minute, seed):
    """The next staffed instant is not earlier, and lies in opening hours of an open day."""
    instant = almanac.local(day, 0) + timedelta(minutes=minute)
    staffed = almanac.next_staffed(Dice(seed), instant)
    assert staffed >= instant
    assert almanac.is_open(almanac.day_of(staffed))
    hour = staffed.astimezone(almanac.ZONE).hour
    assert almanac.OPENS_HOUR <= hour < almanac.CLOSES_HOUR
