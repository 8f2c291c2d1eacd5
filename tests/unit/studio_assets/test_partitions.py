"""Promises of the studio-local day: it begins at the studio's midnight, with its first second."""

from datetime import date, datetime, timedelta

import dagster as dg
import pytest

from resources.clock import FixedClock
from resources.settings import Settings
from studio_assets.partitions import is_today, studio_days

SETTINGS = Settings(history_start=date(2026, 10, 1))


@pytest.mark.parametrize(
    ("instant", "today"),
    [
        ("2026-11-30T06:59:59Z", "2026-11-29"),  # a Sunday
        ("2026-11-30T07:00:00Z", "2026-11-30"),  # and the Monday after it
        ("2026-12-01T06:59:59.999999Z", "2026-11-30"),
        ("2026-12-01T07:00:00Z", "2026-12-01"),
        ("2027-01-01T00:00:00Z", "2026-12-31"),
        ("2027-01-01T07:00:05Z", "2027-01-01"),
        ("2028-02-29T07:00:00Z", "2028-02-29"),
        ("2028-03-01T06:59:59Z", "2028-02-29"),
        ("2028-03-01T07:00:00Z", "2028-03-01"),
    ],
)
def test_a_day_is_a_partition_from_its_first_second_in_the_studio(instant, today):
    """Midnight is the studio's and not UTC's; month, year and February end where the calendar says."""
    now, day = datetime.fromisoformat(instant), date.fromisoformat(today)
    keys = studio_days(SETTINGS).get_partition_keys(current_time=now)
    assert (keys[0], keys[-1]) == ("2026-10-01", today)
    assert len(keys) == (day - SETTINGS.history_start).days + 1
    clock = FixedClock(now)
    assert is_today(day, clock, SETTINGS)
    assert not is_today(day - timedelta(days=1), clock, SETTINGS)
    with pytest.raises(dg.Failure, match="has not begun"):
        is_today(day + timedelta(days=1), clock, SETTINGS)
