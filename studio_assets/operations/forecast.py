"""What a value should have been, from those before it: several plain forecasts, and the one that errs least.

Each forecast is right for another kind of series: the last value for one that wanders, a middle of recent
ones for one that stays, the same time of week for one with a rhythm, rhythm and level together for one with a
rhythm that grows. Which one counts is decided anew by how far each was off lately. Nothing later than the
value is ever looked at, so the verdict about a day never changes when more days come.

Windows are short and values come one by one: plain lists are many times faster here than arrays.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from itertools import islice
from math import isfinite, nan
from typing import Final

from studio_assets.operations.series import DAY, WEEK, Phase, Series

LEAST_ROUNDS: Final = 3
MOST_ROUNDS: Final = 8
LEVEL_POINTS: Final = 7
LONG_LEVEL_POINTS: Final = 28
_PLAIN: Final = ("last", "level", "long level", "slope")
_OF_RHYTHM: Final = ("same", "rhythm", "rhythm at level", "rhythm at last")
_NOTHING: Final = (nan,) * len(_OF_RHYTHM)


class Forecaster:
    """Walks one series. Say what each value counts as (``learn``) before asking for the next (``ask``)."""

    def __init__(self, series: Series) -> None:
        self._seconds: list[float] = series.seconds.tolist()
        self._step = series.step
        self.clean: list[float] = []
        self._recent: deque[tuple[float, float]] = deque(maxlen=LONG_LEVEL_POINTS)
        self.per_week = max(1, round(WEEK / series.step)) if series.step else 7
        self.per_day = max(1, round(DAY / series.step)) if series.step else 1
        self._rhythms = [
            _Rhythm(phase, self.per_day if phase.is_daily else self.per_week) for phase in series.phases
        ]
        self._has_weeks = bool(series.phases)
        names = [*_PLAIN]
        names += [f"{kind} {phase.name}" for phase in series.phases for kind in _OF_RHYTHM]
        self.names = (*names, "week ago")
        weekly = {
            f"{kind} {phase.name}" for phase in series.phases if not phase.is_daily for kind in _OF_RHYTHM
        }
        self.weekly = tuple(n for n, name in enumerate(self.names) if name in weekly | {"week ago"})
        """Places of the forecasts that know what day of the week it is."""

    def learn(self, at: int, value: float, *, is_usable: bool = True) -> None:
        """Keep what a value counts as from now on: itself, or what was expected where it was out of line."""
        self.clean.append(value)
        if is_usable:
            self._recent.append((self._seconds[at], value))
            for rhythm in self._rhythms:
                rhythm.learn(at, value)

    def shift(self, by: float) -> None:
        """Move all that is known to a new level: what was out of line has become how it is."""
        first = max(0, len(self.clean) - 2 * self.per_week)
        self.clean[first:] = [value + by for value in islice(self.clean, first, None)]
        self._recent = deque(((at, value + by) for at, value in self._recent), maxlen=LONG_LEVEL_POINTS)
        for rhythm in self._rhythms:
            rhythm.shift(by)

    def ask(self, at: int) -> list[float]:
        """Return what each forecast says of a value, in the order of ``names``; nan where it cannot say."""
        if not self._recent:
            return [nan] * len(self.names)
        values = [value for _, value in self._recent]
        found = [values[-1], _median(values[-LEVEL_POINTS:]), _median(values), self._along_slope(at)]
        for rhythm in self._rhythms:
            found.extend(rhythm.ask(at))
        found.append(self._week_ago(at))
        return found

    def _week_ago(self, at: int) -> float:
        """Return what was there a week before; of finer than daily series with the values next to it."""
        if not self._has_weeks:
            return nan
        then = self._seconds[at] - WEEK
        reach = self._step * (1.1 if self.per_day > 1 else 0.4)
        first = bisect_left(self._seconds, then - reach, 0, at)
        last = bisect_left(self._seconds, then + reach, first, at)
        return _median(self.clean[first:last]) if last > first else nan

    def _along_slope(self, at: int) -> float:
        points = self._recent
        half = len(points) // 2
        if len(points) < 2 * LEVEL_POINTS:
            return nan
        late = list(islice(points, len(points) - half, None))
        pairs = zip(points, late, strict=False)
        slope = _median([(new - old) / (then - before) for (before, old), (then, new) in pairs])
        now = self._seconds[at]
        return _median([value - slope * (then - now) for then, value in points])


class _Slot:
    """One place of a rhythm: what was there in earlier rounds, and how far that lay from the level then."""

    __slots__ = ("count", "offsets", "round", "values")

    def __init__(self) -> None:
        self.round, self.count = -1, 0
        self.values: deque[float] = deque(maxlen=MOST_ROUNDS + 1)
        self.offsets: deque[float] = deque(maxlen=MOST_ROUNDS + 1)

    def add(self, number: int, value: float, offset: float) -> None:
        """Add a value of a round; several of one round become their mean."""
        if number != self.round:
            self.round, self.count = number, 1
            self.values.append(value)
            self.offsets.append(offset)
            return
        self.count += 1
        self.values[-1] += (value - self.values[-1]) / self.count
        self.offsets[-1] += (offset - self.offsets[-1]) / self.count

    def before(self, number: int) -> tuple[Sequence[float], Sequence[float]]:
        """Return values and offsets of rounds before one."""
        if number != self.round:
            return list(self.values)[-MOST_ROUNDS:], list(self.offsets)[-MOST_ROUNDS:]
        return list(self.values)[:-1], list(self.offsets)[:-1]


class _Rhythm:
    """One rhythm: the middle of the same place in earlier rounds, and that brought to today's level.

    The level is what is left of values without their rhythm, over one round: a gap that leaves some places of
    a round out does not bend it. Until that is known it is the mean of a round.
    """

    def __init__(self, phase: Phase, period: int) -> None:
        self._slots_of: list[int] = phase.slots.tolist()
        self._rounds_of: list[int] = phase.rounds.tolist()
        self._slots: dict[int, _Slot] = {}
        self._round = _Mean(period)
        self._left = _Mean(period)
        self._asked: tuple[int, float] = (-1, nan)

    def ask(self, at: int) -> Sequence[float]:
        """Return the forecasts of a value, in the order of ``_OF_RHYTHM``."""
        slot = self._slots.get(self._slots_of[at])
        if slot is None:
            return _NOTHING
        values, offsets = slot.before(self._rounds_of[at])
        if len(values) < LEAST_ROUNDS:
            return _NOTHING
        known = [offset for offset in offsets if isfinite(offset)]
        if len(known) < LEAST_ROUNDS:
            return (_median(values), nan, nan, nan)
        offset = _median(known)
        self._asked = at, offset
        left = self._left.values
        lately = [left[-place] for place in range(1, min(LEVEL_POINTS, len(left)) + 1)]
        return (
            _median(values),
            self._level() + offset,
            _median(lately) + offset if len(lately) == LEVEL_POINTS else nan,
            lately[0] + offset if lately else nan,
        )

    def learn(self, at: int, value: float) -> None:
        """Take a value in."""
        offset = value - self._level()
        if self._asked[0] == at:
            self._left.add(value - self._asked[1])
        self._round.add(value)
        self._slots.setdefault(self._slots_of[at], _Slot()).add(self._rounds_of[at], value, offset)

    def shift(self, by: float) -> None:
        """Move all that is known to a new level; how far a place lies from its level stays."""
        self._round.shift(by)
        self._left.shift(by)
        for slot in self._slots.values():
            slot.values = deque((value + by for value in slot.values), maxlen=MOST_ROUNDS + 1)

    def _level(self) -> float:
        if self._left.is_whole:
            return self._left.mean
        return self._round.mean if self._round.is_whole else nan


class _Mean:
    """The mean of the last so many values."""

    __slots__ = ("_total", "values")

    def __init__(self, size: int) -> None:
        self.values: deque[float] = deque(maxlen=size)
        self._total = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether there are as many as there can be."""
        return len(self.values) == self.values.maxlen

    @property
    def mean(self) -> float:
        """The mean of what there is; there must be something."""
        return self._total / len(self.values)

    def add(self, value: float) -> None:
        """Add a value; the oldest goes."""
        if self.is_whole:
            self._total -= self.values[0]
        self.values.append(value)
        self._total += value

    def shift(self, by: float) -> None:
        """Add to all."""
        self.values = deque((value + by for value in self.values), maxlen=self.values.maxlen)
        self._total = sum(self.values)


def _median(values: Sequence[float]) -> float:
    found = sorted(values)
    middle = len(found) // 2
    return found[middle] if len(found) % 2 else (found[middle - 1] + found[middle]) / 2
