"""Values out of line in a series over time: one event per stretch, with what was expected and what was seen.

How it judges: a value is compared with a forecast from those before it (``forecast``), by how far that
forecast is usually off. The usual is measured robustly, never below the unrest of small whole numbers, and
grows over gaps. A run of values that are each a little off in one direction counts as well. While values are
out of line the baseline stands still; when they stay so for long at a new level, that is how it is now, and
the event is over. With too little history nothing is said.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import isfinite, sqrt
from statistics import median
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from studio_assets.operations.forecast import LEAST_ROUNDS, Forecaster
from studio_assets.operations.habits import Habits
from studio_assets.operations.series import DAY, WEEK, Floats, Series, series_of
from studio_assets.operations.usual import Usual, deviations, growth_of, heaviness, scale_of

_PLAUSIBLE: Final = 1.25
"""A weekly forecast that errs so much more than the best one still says what is usual."""

_MOST_OF_A_DAY: Final = 288
"""Values; of series that are finer still so many count as a day."""

_DOUBT: Final = 3.0
"""Errors of which one is worth nothing: what was measured on few of them is too small."""

_BEFORE_A_WEEK: Final = 1.5
_FIRST_WEEKEND: Final = 4.0
"""How much further off a series finer than daily may be while nobody knows its week, or how weekends are."""

_SATURDAY: Final = 5
_DAYS_OF_A_LEVEL: Final = 3
"""Of finer than daily series: a holiday and a weekend pass, and are no new level."""

_UNSETTLED: Final = 1.5
"""How much further off a value has to be on a day that is not ordinary."""

_COUNTS_AS: Final = 3.0
"""How far off, in usual errors, an outlier counts when the usual error is measured: far, but no farther."""

_TOGETHER: Final = 3
_OF_MIDDLE: Final = 0.67
"""Values whose middle tells whether an event goes on, and how far that is off where one is off by 1."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """How the detector judges.

    Attributes:
        enter: Score from which on an event begins.
        leave: Score below which a value is in line again.
        calm_points: Values in line that end an event; of finer than hourly series at least an hour.
        least_history: Values without which nothing is said.
        least_errors: Errors of a forecast without which it is not used.
        error_window: Errors that count; of finer than daily series at least two weeks.
        adapt_points: Values on one side after which a new level is accepted; of finer series three days.
        floor_share: Deviation never below this share of the usual size of values.
        count_floor: Deviation of whole numbers never below this, plus ``count_root`` times their root.
        count_root: See ``count_floor``.
        least_change: Smallest difference that is ever an event, in the series' own unit.
        run_lengths: Lengths of runs whose mean error is judged as well.
    """

    enter: float = 4.0
    leave: float = 2.5
    calm_points: int = 2
    least_history: int = 14
    least_errors: int = 8
    error_window: int = 84
    adapt_points: int = 7
    floor_share: float = 0.005
    count_floor: float = 0.6
    count_root: float = 0.3
    least_change: float = 0.0
    run_lengths: tuple[int, ...] = (3, 6)


@dataclass(frozen=True, slots=True)
class Event:
    """One stretch out of line.

    Attributes:
        start: Instant of the first value of it.
        end: Instant of the last value out of line.
        score: Highest, in usual deviations.
        expected: What was expected where the score was highest.
        observed: What was there instead.
        is_open: Whether it still goes on at the end of the series.
    """

    start: datetime
    end: datetime
    score: float
    expected: float
    observed: float
    is_open: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """Every value with its score, and the events. ``scores`` are 0 where nothing could be said."""

    series: Series
    scores: Floats
    expected: Floats
    has_verdict: tuple[bool, ...]
    events: tuple[Event, ...]


def judge(
    points: Iterable[tuple[datetime, float]],
    *,
    timezone: str = "UTC",
    is_open: Callable[[date], bool] | None = None,
    is_settled: Callable[[date], bool] | None = None,
    tuning: Tuning | None = None,
) -> Judged:
    """Return the events of a series.

    Args:
        points: Instants and values, in any order.
        timezone: Whose days and weeks are the rhythm, and what instants without a zone are of.
        is_open: Of daily series, which days count; closed days are neither judged nor learnt from.
        is_settled: Of these, which are ordinary; on others only what is much further off is told or learnt.
        tuning: How to judge.
    """
    series = series_of(points, timezone)
    zone = ZoneInfo(timezone)
    days = [stamp.astimezone(zone).date() for stamp in series.stamps]
    opened = [is_open is None or is_open(day) for day in days]
    settled = [is_settled is None or is_settled(day) for day in days]
    return _Walk(series, days, opened, settled, tuning or Tuning()).all()


class _Walk:
    """One pass over a series, oldest first."""

    def __init__(
        self, series: Series, days: list[date], opened: list[bool], settled: list[bool], tuning: Tuning
    ) -> None:
        self._series, self._tuning = series, tuning
        self._values: list[float] = series.values.tolist()
        self._forecaster, self._habits = Forecaster(series), Habits(series)
        has_days = len(series) > 0 and series.seconds[-1] - series.seconds[0] >= 2 * DAY
        fine = min(self._forecaster.per_day, _MOST_OF_A_DAY) if has_days else 1
        self._a_day = fine if fine > 1 else 0
        self._window = max(tuning.error_window, 14 * fine)
        self._refresh = max(4, self._window // 42)
        self._adapt = max(tuning.adapt_points, _DAYS_OF_A_LEVEL * self._a_day)
        self._calm_points = max(tuning.calm_points, fine // 24)
        width = len(self._forecaster.names)
        self._said = np.full((len(series), width), np.nan)
        self._errors = np.full((len(series), width), np.nan)
        self._days, self._is_ordinary, self._is_settled = days, opened, settled
        self._usual: Usual | None = None
        self._recent: deque[float] = deque(maxlen=max(tuning.run_lengths, default=1))
        self._off: list[tuple[int, float]] = []
        self._calm = 0
        self._began: int | None = None
        self._peak = (0.0, 0.0, 0.0)
        self._last_off = 0
        self._events: list[Event] = []

    def all(self) -> Judged:
        """Judge every value in turn."""
        count = len(self._series)
        scores, expected = np.zeros(count), np.full(count, np.nan)
        verdicts = [False] * count
        for at, value in enumerate(self._values):
            said = self._forecaster.ask(at)
            self._said[at] = said
            is_passed = not self._is_settled[at] and not self._is_far(at, value, said)
            if not self._is_ordinary[at] or is_passed:
                fallback = said[self._usual.best if self._usual else 0]
                self._forecaster.learn(at, fallback if isfinite(fallback) else value, is_usable=False)
                continue
            if at % self._refresh == 0 or self._usual is None:
                self._usual = self._measure(at)
            usual = self._usual
            if usual is None or not isfinite(said[usual.best]):
                self._learn(at, value, value)
                continue
            forecast = said[usual.best]
            if self._is_habit(at, value, forecast, usual):
                expected[at], verdicts[at] = forecast, True
                self._recent.append(0.0)
                self._learn(at, forecast, forecast)
                continue
            score = self._score(at, value, said, usual)
            scores[at], expected[at], verdicts[at] = score, forecast, True
            self._take(at, value, forecast, score, usual)
        if self._began is not None:
            self._end(is_open=True)
        return Judged(self._series, scores, expected, tuple(verdicts), tuple(self._events))

    def _is_far(self, at: int, value: float, said: Sequence[float]) -> bool:
        """Return whether a value is so far off that even a day that is not ordinary does not explain it."""
        usual = self._usual
        if usual is None or not isfinite(said[usual.best]):
            return False
        forecast = said[usual.best]
        least = max(usual.farthest * usual.scale(forecast) * self._gap(at), self._floor(at, forecast, 0.0))
        return abs(value - forecast) >= _UNSETTLED * self._tuning.enter * least

    def _is_habit(self, at: int, value: float, forecast: float, usual: Usual) -> bool:
        """Return whether a value would begin an event, had it not been there every day at this time."""
        least = max(usual.farthest * usual.scale(forecast), self._floor(at, forecast, usual.deviation))
        is_far = abs(value - forecast) >= self._tuning.enter * least
        self._habits.note(at, value - forecast, is_far=is_far)
        return is_far and self._began is None and self._habits.explain(at)

    def _unknown_weekend(self, at: int) -> float:
        """Return how much further off a value may be on the first weekend of a series finer than daily.

        On the second as well where the series began with one: nothing could be said of that yet.
        """
        if not self._a_day or self._series.seconds[at] - self._series.seconds[0] >= WEEK + DAY:
            return 1.0
        return _FIRST_WEEKEND if self._days[at].weekday() >= _SATURDAY else 1.0

    def _measure(self, at: int) -> Usual | None:
        """Choose the forecast that was least off lately, and measure how far off it usually is."""
        a_day = self._a_day
        if at < max(self._tuning.least_history, min(LEAST_ROUNDS * a_day, _MOST_OF_A_DAY)):
            return None
        lately = slice(max(0, at - self._window), at)
        errors = self._errors[lately]
        usable = np.flatnonzero(np.isfinite(errors).sum(axis=0) >= max(self._tuning.least_errors, a_day // 2))
        if not len(usable):
            return None
        sizes = deviations(errors[:, usable])
        best = int(usable[int(np.argmin(sizes))])
        is_known = np.isfinite(errors[:, best])
        mine, said = errors[is_known, best], self._said[lately][is_known, best]
        growth, typical = growth_of(mine, said)
        scaled = mine / scale_of(said, growth, typical)
        runs = {
            length: float(deviations(np.convolve(scaled, np.ones(length) / length, mode="valid")[:, None])[0])
            for length in self._tuning.run_lengths
            if len(scaled) >= 4 * length + self._tuning.least_errors
        }
        limit = float(sizes.min()) * _PLAUSIBLE
        weekly = [
            (int(place), float(size))
            for place, size in zip(usable, sizes, strict=True)
            if int(place) in self._forecaster.weekly and size <= limit
        ]
        doubt = 1 + _DOUBT / len(mine)
        if a_day and self._series.seconds[at] - self._series.seconds[0] < WEEK + DAY:
            doubt *= _BEFORE_A_WEEK
        deviation = float(deviations(scaled[:, None])[0])
        return Usual(best, deviation, deviation * doubt * heaviness(scaled), growth, typical, runs, weekly)

    def _score(self, at: int, value: float, said: Sequence[float], usual: Usual) -> float:
        tuning, forecast = self._tuning, said[usual.best]
        off = value - forecast
        scale = usual.scale(forecast)
        if abs(off) < tuning.least_change:
            self._recent.append(off / scale)
            return 0.0
        floor = self._floor(at, forecast, usual.deviation)
        late = self._gap(at) * self._unknown_weekend(at)
        # What is usual for this time of the week is in line, even if another forecast errs less on the whole.
        in_line = min(
            (abs(value - said[n]) / max(size * scale, floor) for n, size in usual.weekly), default=9.0
        )
        if in_line < tuning.leave:
            self._recent.append(0.0)
            return in_line
        score = abs(off) / max(usual.farthest * scale * late, floor)
        self._recent.append(off / scale)
        lately = list(self._recent)
        for length, spread in usual.runs.items():
            if len(lately) >= length and late == 1:
                run = lately[-length:]
                if min(run) > 0 or max(run) < 0:
                    least = max(spread * usual.doubt, floor / scale / sqrt(length))
                    score = max(score, abs(sum(run)) / length / least)
        return score

    def _floor(self, at: int, forecast: float, deviation: float) -> float:
        tuning = self._tuning
        floor = 0.0
        if deviation == 0:  # never off so far: how small a change matters can only be told by size
            floor = tuning.floor_share * max(abs(forecast), abs(self._forecaster.clean[at - 1]))
        if self._series.is_count:
            floor = max(floor, tuning.count_floor + tuning.count_root * sqrt(abs(forecast)))
        return max(floor, 1e-9)

    def _gap(self, at: int) -> float:
        """Return how much less a forecast is worth after a gap."""
        if at == 0 or not self._series.step:
            return 1.0
        back = at - 1
        while back > 0 and not self._is_ordinary[back]:
            back -= 1
        steps = (self._series.seconds[at] - self._series.seconds[back]) / self._series.step
        return sqrt(steps) if steps > 1.9 else 1.0

    def _take(self, at: int, value: float, forecast: float, score: float, usual: Usual) -> None:
        tuning = self._tuning
        if self._began is None:
            if score < tuning.enter:
                self._learn(at, value, value)
                return
            self._began, self._peak, self._off, self._calm = at, (score, forecast, value), [], 0
        if score < tuning.leave and not self._is_still_off(usual):
            self._calm += 1
            self._off = []
            self._learn(at, value, value)
            if self._calm >= self._calm_points:
                self._end(is_open=False)
            return
        self._calm, self._last_off = 0, at
        if score > self._peak[0]:
            self._peak = (score, forecast, value)
        off = value - forecast
        if self._off and (off > 0) != (self._off[-1][1] > 0):
            self._off = []
        self._off.append((at, off))
        edge = _COUNTS_AS * max(
            usual.deviation * usual.scale(forecast), self._floor(at, forecast, usual.deviation)
        )
        self._learn(at, forecast, forecast + min(edge, max(-edge, off)))
        if len(self._off) >= self._adapt:
            self._forecaster.shift(median(each for _, each in self._off))
            self._end(is_open=False)

    def _is_still_off(self, usual: Usual) -> bool:
        """Return whether the last values together are out of line, though this one alone is not."""
        lately = list(self._recent)[-_TOGETHER:]
        if len(lately) < _TOGETHER or self._calm:
            return False
        return abs(median(lately)) > max(self._tuning.leave * usual.deviation * _OF_MIDDLE, 1e-9)

    def _learn(self, at: int, counts_as: float, value: float) -> None:
        """Learn a value; ``value`` is what errors are measured by, so that an outlier does not widen them."""
        self._errors[at] = value - self._said[at]
        self._forecaster.learn(at, counts_as)

    def _end(self, *, is_open: bool) -> None:
        assert self._began is not None  # noqa: S101 - as above
        stamps, (score, forecast, value) = self._series.stamps, self._peak
        last = max(self._last_off, self._began)
        event = Event(stamps[self._began], stamps[last], score, forecast, value, is_open)
        self._events.append(event)
        self._began, self._off, self._calm = None, [], 0
        self._recent.clear()
