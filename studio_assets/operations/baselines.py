"""Values out of line in a series over time: one event per stretch, with what was expected and what was seen.

How it judges: a value is compared with a forecast from those before it (``forecast``), by how far that
forecast is usually off. The usual is measured robustly, never below the unrest of small whole numbers, and
grows over gaps. A run of values that are each a little off in one direction counts as well. While values are
out of line the baseline stands still; when they stay so for long at a new level, that is how it is now, and
the event is over. With too little history nothing is said.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from math import sqrt
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from studio_assets.operations.forecast import Forecaster
from studio_assets.operations.series import DAY, Floats, Series, series_of

_NORMAL_MAD: Final = 1.4826  # of a normal spread, standard deviation over median absolute deviation
_TAILS: Final = ((0.9, 1.645), (0.975, 2.242))  # share of absolute errors within so many deviations
_PLAUSIBLE: Final = (
    2.0  # a weekly forecast off by so many times the best one's error still says what is usual
)
_REFRESH: Final = 4  # the usual error is measured anew after so many values


@dataclass(frozen=True, slots=True)
class Tuning:
    """How the detector judges.

    Attributes:
        enter: Score from which on an event begins.
        leave: Score below which a value is in line again.
        calm_points: Values in line that end an event.
        least_history: Values without which nothing is said.
        least_errors: Errors of a forecast without which it is not used.
        error_window: Errors that count; of finer than daily series at least two weeks.
        adapt_points: Values on one side after which a new level is accepted; of finer series one day.
        floor_share: Deviation never below this share of the usual size of values.
        count_floor: Deviation of whole numbers never below this, plus ``count_root`` times their root.
        count_root: See ``count_floor``.
        least_change: Smallest difference that is ever an event, in the series' own unit.
        run_lengths: Lengths of runs whose mean error is judged as well.
    """

    enter: float = 5.0
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
    run_lengths: tuple[int, ...] = (3,)


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
    tuning: Tuning | None = None,
) -> Judged:
    """Return the events of a series.

    Args:
        points: Instants and values, in any order.
        timezone: Whose days and weeks are the rhythm, and what instants without a zone are of.
        is_open: Of daily series, which days are ordinary; closed days are neither judged nor learnt from.
        tuning: How to judge.
    """
    series = series_of(points, timezone)
    return _Walk(series, timezone, is_open, tuning or Tuning()).all()


class _Walk:
    """One pass over a series, oldest first."""

    def __init__(
        self, series: Series, timezone: str, is_open: Callable[[date], bool] | None, tuning: Tuning
    ) -> None:
        self._series, self._tuning = series, tuning
        self._forecaster = Forecaster(series)
        fine = self._forecaster.per_day
        self._window = max(tuning.error_window, 14 * fine)
        self._adapt = max(tuning.adapt_points, fine)
        self._errors = np.full((len(series), len(self._forecaster.names)), np.nan)
        zone = ZoneInfo(timezone)
        self._is_ordinary = [
            is_open is None or is_open(stamp.astimezone(zone).date()) for stamp in series.stamps
        ]
        self._best: tuple[int, float, dict[int, float]] | None = None
        self._weekly: dict[int, float] = {}
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
        for at in range(count):
            value = float(self._series.values[at])
            said = self._forecaster.ask(at)
            if not self._is_ordinary[at]:
                best = self._best[0] if self._best else 0
                fallback = said[best] if np.isfinite(said[best]) else value
                self._forecaster.learn(at, float(fallback), is_usable=False)
                continue
            if at % _REFRESH == 0 or self._best is None:
                self._measure(at)
            if self._best is None or not np.isfinite(said[self._best[0]]):
                self._learn(at, value, said, value)
                continue
            forecast = float(said[self._best[0]])
            scores[at], expected[at], verdicts[at] = self._score(at, value, forecast, said), forecast, True
            self._take(at, value, forecast, float(scores[at]), said)
        if self._began is not None:
            self._end(is_open=True)
        return Judged(self._series, scores, expected, tuple(verdicts), tuple(self._events))

    def _measure(self, at: int) -> None:
        """Choose the forecast that was least off lately, and measure how far off it usually is."""
        week = self._forecaster.per_week if self._forecaster.per_day > 1 else 0
        if at < max(self._tuning.least_history, week):
            return
        errors = self._errors[max(0, at - self._window) : at]
        counts = np.isfinite(errors).sum(axis=0)
        usable = np.flatnonzero(counts >= self._tuning.least_errors)
        if not len(usable):
            self._best = None
            return
        sizes = [self._deviation(errors[:, place]) for place in usable]
        plain = min(sizes) * _PLAUSIBLE
        self._weekly = {
            int(place): size
            for place, size in zip(usable, sizes, strict=True)
            if place in self._forecaster.weekly and size <= plain
        }
        chosen = int(usable[int(np.argmin(sizes))])
        mine = errors[:, chosen]
        mine = mine[np.isfinite(mine)]
        runs = {
            length: self._deviation(np.convolve(mine, np.ones(length) / length, mode="valid"))
            for length in self._tuning.run_lengths
            if len(mine) >= 4 * length + self._tuning.least_errors
        }
        self._best = chosen, float(min(sizes)), runs

    @staticmethod
    def _deviation(errors: Floats) -> float:
        sizes = np.abs(errors[np.isfinite(errors)])
        found = [_NORMAL_MAD * float(np.median(sizes))]
        found += [float(np.quantile(sizes, share)) / of_normal for share, of_normal in _TAILS]
        return max(found)

    def _score(self, at: int, value: float, forecast: float, said: Floats) -> float:
        assert self._best is not None  # noqa: S101 - for the reader: only asked when there is a forecast
        tuning, (_, deviation, runs) = self._tuning, self._best
        off = value - forecast
        if abs(off) < tuning.least_change:
            self._recent.append(off)
            return 0.0
        floor = self._floor(at, forecast)
        late = self._gap(at)
        # What is usual for this time of the week is in line, even if another forecast errs less on the whole.
        usual = min(
            (abs(value - said[n]) / max(size, floor) for n, size in self._weekly.items()), default=9.0
        )
        if usual < tuning.leave:
            self._recent.append(0.0)
            return usual
        score = abs(off) / max(deviation * late, floor)
        self._recent.append(off)
        lately = list(self._recent)
        for length, spread in runs.items():
            if len(lately) >= length and late == 1:
                run = lately[-length:]
                if min(run) > 0 or max(run) < 0:
                    score = max(score, abs(sum(run)) / length / max(spread, floor / sqrt(length)))
        return score

    def _floor(self, at: int, forecast: float) -> float:
        tuning = self._tuning
        lately = np.abs(self._forecaster.clean[max(0, at - self._window) : at])
        floor = tuning.floor_share * max(abs(forecast), float(np.median(lately)))
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

    def _take(self, at: int, value: float, forecast: float, score: float, said: Floats) -> None:
        tuning = self._tuning
        if self._began is None:
            if score < tuning.enter:
                self._learn(at, value, said, value)
                return
            self._began, self._peak, self._off, self._calm = at, (score, forecast, value), [], 0
        if score < tuning.leave:
            self._calm += 1
            self._off = []
            self._learn(at, value, said, value)
            if self._calm >= tuning.calm_points:
                self._end(is_open=False)
            return
        self._calm, self._last_off = 0, at
        if score > self._peak[0]:
            self._peak = (score, forecast, value)
        off = value - forecast
        if self._off and (off > 0) != (self._off[-1][1] > 0):
            self._off = []
        self._off.append((at, off))
        assert self._best is not None  # noqa: S101 - as above
        edge = tuning.enter * max(self._best[1], self._floor(at, forecast))
        self._learn(at, forecast, said, forecast + float(np.clip(off, -edge, edge)))
        if len(self._off) >= self._adapt:
            self._forecaster.shift(float(np.median([each for _, each in self._off])))
            self._end(is_open=False)

    def _learn(self, at: int, counts_as: float, said: Floats, value: float) -> None:
        """Learn a value; ``value`` is what errors are measured by, so that an outlier does not widen them."""
        self._errors[at] = value - said
        self._forecaster.learn(at, counts_as)

    def _end(self, *, is_open: bool) -> None:
        assert self._began is not None  # noqa: S101 - as above
        stamps, (score, forecast, value) = self._series.stamps, self._peak
        last = max(self._last_off, self._began)
        event = Event(stamps[self._began], stamps[last], score, forecast, value, is_open)
        self._events.append(event)
        self._began, self._off, self._calm = None, [], 0
        self._recent.clear()


def days_of(event: Event) -> float:
    """Return how long an event lasted, in days."""
    return (event.end - event.start).total_seconds() / DAY
