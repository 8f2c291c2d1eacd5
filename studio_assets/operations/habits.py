"""What happens every day at the same time and is too short for the rhythm to know, such as a nightly job.

The rhythm knows quarters of an hour; in series that are finer, one value of a quarter is lost in it.
"""

from bisect import bisect_left
from typing import Final

from studio_assets.operations.series import DAY, MOST_SLOTS, Series

_DAYS: Final = 4
_LEAST_DAYS: Final = 3
_AS_FAR: Final = 0.5
_REACH: Final = 3.1
"""Usual steps by which it may come sooner or later, at most a quarter of an hour."""

_LONGEST: Final = 3600.0
"""Seconds; what lasts longer is no habit, but a level that the forecasts have to learn."""


class Habits:
    """Says whether a value out of line is one that was out of line on most of the last days, too."""

    def __init__(self, series: Series) -> None:
        self._seconds: list[float] = series.seconds.tolist()
        self._offs = [0.0] * len(series)
        self._reach = min(_REACH * series.step, DAY / MOST_SLOTS)
        self._is_fine = 0 < series.step * MOST_SLOTS < DAY
        self._run = 0
        self._most = _LONGEST / series.step if self._is_fine else 0.0

    def note(self, at: int, off: float, *, is_far: bool) -> None:
        """Take note of how far a value lies from its forecast, and whether that is out of line."""
        self._offs[at] = off
        self._run = self._run + 1 if is_far else 0

    def explain(self, at: int) -> bool:
        """Say whether three of the last four days were as far off at this time; after ``note``."""
        if not self._is_fine or not 0 < self._run <= self._most:
            return False
        off = abs(self._offs[at])
        before = sorted((self._off_then(at, day) for day in range(1, _DAYS + 1)), reverse=True)
        return before[_LEAST_DAYS - 1] >= _AS_FAR * off and off <= before[0] / _AS_FAR

    def _off_then(self, at: int, day: int) -> float:
        """Return how far off in the same direction a value of that time so many days ago was, at most."""
        then = self._seconds[at] - day * DAY
        first = bisect_left(self._seconds, then - self._reach, 0, at)
        last = bisect_left(self._seconds, then + self._reach, first, at)
        sign = 1 if self._offs[at] > 0 else -1
        return max((sign * off for off in self._offs[first:last]), default=0.0)
