"""Worlds that many tests look at; each is simulated once per test process."""

from datetime import date, timedelta

import pytest

from twins.world import almanac
from twins.world.settings import WorldSettings
from twins.world.truth import Truth

FIRST_DAY = date(2026, 9, 22)
DAYS = 60


def last_instant(settings):
    """Return the end of the sixtieth day of a world."""
    return almanac.day_end(settings.first_day + timedelta(days=DAYS - 1))


@pytest.fixture(scope="session")
def settings():
    """Return the settings of the world most tests look at."""
    return WorldSettings(seed=1, first_day=FIRST_DAY)


@pytest.fixture(scope="session")
def truth(settings):
    """Return sixty days of a small world, incidents and quirks included."""
    return Truth(settings, last_instant(settings))


@pytest.fixture(scope="session")
def calm_truth():
    """Return sixty days of a world in which nothing goes wrong."""
    settings = WorldSettings(seed=1, first_day=FIRST_DAY, has_incidents=False)
    return Truth(settings, last_instant(settings))


@pytest.fixture(scope="session")
def busy_truth():
    """Return half a year of another world, long enough for rare habits to show."""
    settings = WorldSettings(seed=7, first_day=FIRST_DAY)
    return Truth(settings, almanac.day_end(FIRST_DAY + timedelta(days=180)))
