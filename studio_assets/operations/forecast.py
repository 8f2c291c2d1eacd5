"""What a value should have been, from those before it: several plain forecasts, and the one that errs least.

Each forecast is right for another kind of series: the last value for one that wanders, a middle of recent
ones for one that stays, the same time of week for one with a rhythm, rhythm and slope together for one that
grows. Which one counts is decided anew for every value by how far each was off lately. Nothing later than
the value is ever looked at, so the verdict about a day never changes when more days come.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from studio_assets.operations.series import DAY, WEEK, Floats, Ints, Series

LEAST_SEEN_OF_A_PHASE: Final = 3
SEEN_OF_A_PHASE: Final = 8
LEVEL_POINTS: Final = 7
LONG_LEVEL_POINTS: Final = 28
SLOPE_POINTS: Final = 28


class Forecaster:
    """Walks one series. Say what each value counts as (``learn``) before asking for the next (``ask``)."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self.clean: Floats = np.zeros(len(series))
        self._known = 0
        self._of_phase: dict[str, dict[int, list[int]]] = {name: {} for name in series.phases}
        self._usable = np.zeros(len(series), dtype=np.bool_)
        self.per_week = max(1, round(WEEK / series.step)) if series.step else 7
        self.per_day = max(1, round(DAY / series.step)) if series.step else 1
        rhythms = (f"{kind} {name}" for name in series.phases for kind in ("same", "rhythm"))
        self.names = ("last", "level", "long level", "slope", *rhythms, "week ago")
        weekly = {"same day of week", "rhythm day of week", "same time of week", "rhythm time of week"}
        self.weekly = tuple(n for n, name in enumerate(self.names) if name in weekly | {"week ago"})
        """Places of the forecasts that know what day of the week it is."""

    def learn(self, at: int, value: float, *, is_usable: bool = True) -> None:
        """Keep what a value counts as from now on: itself, or what was expected where it was out of line."""
        self.clean[at] = value
        self._known = at + 1
        self._usable[at] = is_usable
        if is_usable:
            for name, places in self._series.phases.items():
                self._of_phase[name].setdefault(int(places[at]), []).append(at)

    def shift(self, by: float) -> None:
        """Move all that is known to a new level: what was out of line has become how it is."""
        self.clean[: self._known] += by

    def ask(self, at: int) -> Floats:
        """Return what each forecast says of a value, in the order of ``names``; nan where it cannot say."""
        places = np.flatnonzero(self._usable[max(0, at - max(LONG_LEVEL_POINTS, self.per_week) * 2) : at])
        found = np.full(len(self.names), np.nan)
        if not len(places):
            return found
        places += max(0, at - max(LONG_LEVEL_POINTS, self.per_week) * 2)
        recent = self.clean[places]
        found[0] = recent[-1]
        found[1] = float(np.median(recent[-LEVEL_POINTS:]))
        found[2] = float(np.median(recent[-LONG_LEVEL_POINTS:]))
        found[3] = self._along_slope(at, places[-SLOPE_POINTS:])
        for number, (name, phases) in enumerate(self._series.phases.items()):
            period = self.per_day if name == "time of day" else self.per_week
            found[4 + 2 * number], found[5 + 2 * number] = self._by_phase(at, name, phases, period)
        found[-1] = self._week_ago(at)
        return found

    def _week_ago(self, at: int) -> float:
        """Return what was there a week before; of finer than daily series with the values next to it."""
        if not self._series.phases:
            return float("nan")
        seconds = self._series.seconds
        reach = self._series.step * (1.1 if self.per_day > 1 else 0.4)
        then = seconds[at] - WEEK
        first, last = np.searchsorted(seconds[:at], (then - reach, then + reach))
        return float(np.median(self.clean[first:last])) if last > first else float("nan")

    def _along_slope(self, at: int, places: Ints) -> float:
        if len(places) < 2 * LEVEL_POINTS:
            return float("nan")
        seconds, values = self._series.seconds, self.clean
        half = len(places) // 2
        early, late = places[:-half], places[half:]
        runs = seconds[late] - seconds[early]
        slope = float(np.median((values[late] - values[early]) / runs))
        level = values[places] - slope * (seconds[places] - seconds[at])
        return float(np.median(level))

    def _by_phase(self, at: int, name: str, phases: Ints, period: int) -> tuple[float, float]:
        """Return the middle of the same places of earlier rounds, and that brought to today's level."""
        seen: Sequence[int] = self._of_phase[name].get(int(phases[at]), [])[-SEEN_OF_A_PHASE:]
        if len(seen) < LEAST_SEEN_OF_A_PHASE:
            return float("nan"), float("nan")
        own = self.clean[list(seen)]
        same = float(np.median(own))
        # How far each place lay from the middle of the round before it; the last round's middle is today's.
        if seen[0] < period:
            return same, float("nan")
        middles = np.array([float(np.mean(self.clean[place - period : place])) for place in seen])
        now = float(np.mean(self.clean[at - period : at]))
        return same, now + float(np.median(own - middles))
