"""When the studio lives: local time, opening hours, closed days, and how busy a day is.

The studio is open by appointment 10:00-19:00 in Phoenix (UTC-7 all year), except on public holidays, over the
turn of the year and in one week of the monsoon. Members use the portal on closed days too, only less.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

from twins.world.chance import Dice

TIMEZONE = "America/Phoenix"
ZONE = ZoneInfo(TIMEZONE)
OPENS_HOUR = 10
CLOSES_HOUR = 19
CLOSED_DAY_LEVEL = 0.3  # share of an open day's portal use that is left on a closed day
YEARLY_GROWTH = 0.2
_WEEKDAY = (0.75, 0.85, 0.95, 1.0, 1.05, 1.35, 1.1)  # Monday first
_MONTH = (0.95, 1.05, 1.1, 1.05, 0.95, 0.85, 0.75, 0.8, 0.95, 1.05, 1.15, 1.1)  # January first


@lru_cache(maxsize=64)
def _public_holidays(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("US", subdiv="AZ", years=year))


def is_open(day: date) -> bool:
    """Return whether staff are in the studio on this day."""
    turn_of_the_year = (day.month, day.day) >= (12, 24) or (day.month, day.day) <= (1, 1)
    monsoon_week = day.month == 7 and 10 <= day.day <= 16
    return not (turn_of_the_year or monsoon_week or day in _public_holidays(day.year))


def level(day: date, first_day: date) -> float:
    """Return how busy a day is, by weekday, season and growth; 1.0 is an ordinary open day at the start."""
    growth = 1 + YEARLY_GROWTH * (day - first_day).days / 365
    calm = 1.0 if is_open(day) else CLOSED_DAY_LEVEL
    return _WEEKDAY[day.weekday()] * _MONTH[day.month - 1] * max(0.1, growth) * calm


def local(day: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    """Return a studio-local time of a day as an instant (aware, UTC)."""
    return datetime.combine(day, time(hour, minute, second), ZONE).astimezone(UTC)


def day_of(instant: datetime) -> date:
    """Return the studio-local day of an instant."""
    return instant.astimezone(ZONE).date()


def day_end(day: date) -> datetime:
    """Return the instant at which a studio-local day ends."""
    return local(day + timedelta(days=1), 0)


def moment(dice: Dice, day: date, from_hour: float = OPENS_HOUR, to_hour: float = CLOSES_HOUR) -> datetime:
    """Return an instant drawn between two studio-local hours of a day."""
    return local(day, 0) + dice.hours(from_hour, to_hour)


def next_open_day(day: date) -> date:
    """Return the first open day on or after ``day``."""
    while not is_open(day):
        day += timedelta(days=1)
    return day


def next_staffed(dice: Dice, instant: datetime, to_hour: float = CLOSES_HOUR) -> datetime:
    """Return the instant itself when staff are in then, else one drawn early on the next open day."""
    day = day_of(instant)
    if is_open(day) and local(day, OPENS_HOUR) <= instant < local(day, 0) + timedelta(hours=to_hour):
        return instant
    if instant >= local(day, OPENS_HOUR):
        day += timedelta(days=1)
    return moment(dice, next_open_day(day), OPENS_HOUR, OPENS_HOUR + 4)
