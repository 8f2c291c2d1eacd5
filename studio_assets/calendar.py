"""Which days the studio is open: work that waits over a closed week has not been forgotten.

Public holidays come from a library, yearly closures from here. They are what staff edit when the studio's
habits change; docs/operations.md lists them.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

import holidays

from resources.clock import day_end, day_start, local_date

LONGEST_CLOSURE_DAYS = 60
DAY = timedelta(days=1)


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
        return _is_open(self.country, self.subdivision, self.closures, day)

    def next_open(self, day: date) -> date:
        """Return the first open day on or after a day."""
        for ahead in range(LONGEST_CLOSURE_DAYS):
            if self.is_open(day + timedelta(days=ahead)):
                return day + timedelta(days=ahead)
        return day

    def open_days(self, since: datetime, until: datetime) -> float:
        """Return how many days lie between two instants, closed days left out; parts of a day count."""
        if since >= until:
            return 0.0
        first, last = local_date(since, self.timezone), local_date(until, self.timezone)
        if first == last:
            return (until - since) / DAY if self.is_open(first) else 0.0
        between = (first + timedelta(days=ahead) for ahead in range(1, (last - first).days))
        total = float(sum(map(self.is_open, between)))
        if self.is_open(first):
            total += (day_end(first, self.timezone) - since) / DAY
        if self.is_open(last):
            total += (until - day_start(last, self.timezone)) / DAY
        return total

    def closed_days(self, until: datetime, days: int) -> int:
        """Return how many of so many days were closed, the day of an instant and those before it."""
        last = local_date(until, self.timezone)
        return sum(not self.is_open(last - timedelta(days=back)) for back in range(days))

    def after_open_days(self, since: datetime, days: int) -> datetime:
        """Return the end of the ``days``-th open day after the day of an instant."""
        day = local_date(since, self.timezone)
        for _ in range(days):
            day = self.next_open(day + timedelta(days=1))
        return day_start(day + timedelta(days=1), self.timezone)


@lru_cache(maxsize=4096)
def _is_open(country: str, subdivision: str, closures: tuple[Closure, ...], day: date) -> bool:
    if any(closure.holds(day) for closure in closures):
        return False
    return not country or day not in _public_holidays(country, subdivision, day.year)


@lru_cache(maxsize=64)
def _public_holidays(country: str, subdivision: str, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, subdiv=subdivision or None, years=year))
