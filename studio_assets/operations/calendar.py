"""Which days the studio is open: work that waits over a closed week has not been forgotten.

Public holidays come from a library, yearly closures from here. They are what staff edit when the studio's
habits change; docs/operations.md lists them.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

import holidays

from resources.clock import day_start, local_date

LONGEST_CLOSURE_DAYS = 60


@dataclass(frozen=True, slots=True)
class Closure:
    """Days of every year on which nobody is in; may run over the turn of the year. Both ends included."""

    first: tuple[int, int]
    last: tuple[int, int]

    def holds(self, day: date) -> bool:
        """Return whether a day lies in it."""
        place = (day.month, day.day)
        if self.first <= self.last:
            return self.first <= place <= self.last
        return place >= self.first or place <= self.last


@dataclass(frozen=True, slots=True)
class StudioCalendar:
    """Open and closed days of one studio.

    Attributes:
        timezone: What turns an instant into a studio-local day.
        country: Whose public holidays the studio keeps; empty for none.
        subdivision: State or province within it.
        closures: What it is closed for besides.
    """

    timezone: str = "America/Phoenix"
    country: str = "US"
    subdivision: str = "AZ"
    closures: tuple[Closure, ...] = (Closure((12, 24), (1, 1)), Closure((7, 10), (7, 16)))

    def is_open(self, day: date) -> bool:
        """Return whether somebody is in the studio on a day."""
        if any(closure.holds(day) for closure in self.closures):
            return False
        return not self.country or day not in _public_holidays(self.country, self.subdivision, day.year)

    def next_open(self, day: date) -> date:
        """Return the first open day on or after a day."""
        for ahead in range(LONGEST_CLOSURE_DAYS):
            if self.is_open(day + timedelta(days=ahead)):
                return day + timedelta(days=ahead)
        return day

    def open_days(self, since: datetime, until: datetime) -> float:
        """Return how many days lie between two instants, closed days left out; parts of a day count."""
        total, at = 0.0, since
        while at < until:
            day = local_date(at, self.timezone)
            ends = min(until, day_start(day + timedelta(days=1), self.timezone))
            if self.is_open(day):
                total += (ends - at) / timedelta(days=1)
            at = ends
        return total

    def after_open_days(self, since: datetime, days: int) -> datetime:
        """Return the end of the ``days``-th open day after the day of an instant."""
        day = local_date(since, self.timezone)
        for _ in range(days):
            day = self.next_open(day + timedelta(days=1))
        return day_start(day + timedelta(days=1), self.timezone)


@lru_cache(maxsize=64)
def _public_holidays(country: str, subdivision: str, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, subdiv=subdivision or None, years=year))
