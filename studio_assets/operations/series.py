"""A series of numbers over time made fit to be judged: ordered, one value per instant, its rhythm known.

Nothing is filled in: what is missing stays missing, and the gap is known by the time stamps.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY
MOST_SLOTS: Final = 96
"""Times of a day told apart: quarters of an hour."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One rhythm of a series.

    Attributes:
        name: ``day of week``, ``time of day`` or ``time of week``.
        slots: Place within the rhythm per value.
        rounds: Which turn of it, per value; growing.
        is_daily: Whether it turns every day, and not every week.
    """

    name: str
    slots: Ints
    rounds: Ints
    is_daily: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """One series, oldest first.

    Attributes:
        stamps: Instants, aware, strictly increasing.
        seconds: The same since the epoch.
        values: Finite numbers, one per instant.
        step: Usual seconds between two instants; 0 for fewer than two.
        phases: Rhythms that the step is fine enough for.
        is_count: Whether every value is a whole number of zero or more.
    """

    stamps: tuple[datetime, ...]
    seconds: Floats
    values: Floats
    step: float
    phases: tuple[Phase, ...]
    is_count: bool

    def __len__(self) -> int:
        """Return how many values there are."""
        return len(self.stamps)


def series_of(points: Iterable[tuple[datetime, float]], timezone: str = "UTC") -> Series:
    """Return the series of points in any order; several values of one instant become their mean.

    Values that are not finite are left out. An instant without a zone is taken as one of ``timezone``, which
    also says when a day begins.
    """
    zone = ZoneInfo(timezone)
    by_instant: dict[datetime, list[float]] = {}
    for stamp, value in points:
        if np.isfinite(value):
            aware = stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=zone)
            by_instant.setdefault(aware.astimezone(UTC), []).append(float(value))
    stamps = tuple(sorted(by_instant))
    values = np.array([float(np.mean(by_instant[stamp])) for stamp in stamps], dtype=np.float64)
    seconds = np.array([stamp.timestamp() for stamp in stamps], dtype=np.float64)
    step = float(np.median(np.diff(seconds))) if len(stamps) > 1 else 0.0
    is_count = bool(len(values)) and bool(np.all((values >= 0) & (values == np.round(values))))
    local = [stamp.astimezone(zone) for stamp in stamps]
    return Series(stamps, seconds, values, step, _phases(local, step), is_count)


def _phases(local: list[datetime], step: float) -> tuple[Phase, ...]:
    """Return the rhythms a step allows: days of the week for days, for shorter steps times of day as well."""
    if not 0 < step <= 1.5 * DAY:
        return ()
    weekdays = np.array([stamp.weekday() for stamp in local], dtype=np.int64)
    days = np.array([stamp.toordinal() for stamp in local], dtype=np.int64)
    weeks = (days - weekdays) // 7
    if step > DAY / 2:
        return (Phase("day of week", weekdays, weeks),)
    per_day = int(min(MOST_SLOTS, max(2, round(DAY / step))))
    slots = np.array([(stamp.hour * 60 + stamp.minute) * per_day // 1440 for stamp in local], dtype=np.int64)
    return (
        Phase("time of day", slots, days, is_daily=True),
        Phase("time of week", weekdays * per_day + slots, weeks),
    )
