"""How far off a forecast usually is: robustly, and however errors grow with what was forecast."""

from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np

from studio_assets.operations.series import Floats

# Share of normal errors that lie within so many deviations; the last only where there are many errors.
_TAILS: Final = ((0.5, 0.6745), (0.9, 1.645), (0.975, 2.242))
_FAR_TAIL: Final = (0.99, 2.576)
_MANY: Final = 150
GROWTHS: Final = (0.0, 0.5, 1.0)
"""Errors that are as large whatever the value, grow with its root, or in proportion to it."""

_SMALLEST_SHARE: Final = 0.02  # of a typical value: below, errors are taken to shrink no more
_BY_CHANCE: Final = 1.2  # ratio of tail to middle that normal errors reach as well
_HEAVIEST: Final = 1.4


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual just now.

    Attributes:
        best: Place of the forecast that errs least.
        deviation: How far it is usually off where it says ``typical``.
        farthest: The same by which single values are judged: more where errors are few or some are far off.
        growth: How its errors grow with what it says; see ``GROWTHS``.
        typical: A value of the middle.
        runs: Length of a run -> how far the mean error of runs is usually off.
        weekly: Places and deviations of the weekly forecasts that err hardly more.
    """

    best: int
    deviation: float
    farthest: float
    growth: float
    typical: float
    runs: dict[int, float]
    weekly: list[tuple[int, float]]

    @property
    def doubt(self) -> float:
        """Return how much further off is usual than was measured."""
        return self.farthest / self.deviation if self.deviation else 1.0

    def scale(self, forecast: float) -> float:
        """Return how much larger errors usually are at a forecast than at a typical one."""
        if not self.growth:
            return 1.0
        return float(max(forecast / self.typical, _SMALLEST_SHARE) ** self.growth)


def deviations(errors: Floats) -> Floats:
    """Return how far off each column usually is: the largest of some robust measures; nan are left out."""
    sizes = np.sort(np.where(np.isfinite(errors), np.abs(errors), np.inf), axis=0)
    counts = np.isfinite(sizes).sum(axis=0)
    tails = (*_TAILS, _FAR_TAIL) if counts.max() >= _MANY else _TAILS
    columns = np.arange(sizes.shape[1])
    found = np.zeros(sizes.shape[1])
    for share, of_normal in tails:
        place = share * np.maximum(counts - 1, 0)
        low = place.astype(np.int64)
        high = np.minimum(low + 1, np.maximum(counts - 1, 0))
        part = place - low
        between = sizes[low, columns] * (1 - part) + sizes[high, columns] * part
        found = np.maximum(found, between / of_normal)
    return found


def heaviness(errors: Floats) -> float:
    """Return how much more than of normal errors a far one is to be expected: 1 to ``_HEAVIEST``."""
    sizes = np.abs(errors)
    middle, tail = (float(np.quantile(sizes, share)) / normal for share, normal in (_TAILS[0], _TAILS[-1]))
    if middle <= 0:
        return 1.0
    return min(_HEAVIEST, max(1.0, sqrt(tail / middle / _BY_CHANCE)))


def growth_of(errors: Floats, said: Floats) -> tuple[float, float]:
    """Return how errors grow with what was said, by which fits them best, and the middle of what was said."""
    typical = float(np.median(said))
    if typical <= 0 or said.min() < typical * _SMALLEST_SHARE:
        return 0.0, 1.0
    shares = said / typical
    costs = []
    for growth in GROWTHS:
        deviation = float(deviations((errors / shares**growth)[:, None])[0])
        # Of normal errors the likelihood of this growth; equal ones are as large whatever the value.
        costs.append(len(errors) * np.log(max(deviation, 1e-300)) + growth * float(np.log(shares).sum()))
    return GROWTHS[int(np.argmin(costs))], typical


def scale_of(said: Floats, growth: float, typical: float) -> Floats:
    """Return how much larger than typical errors are at each of what was said."""
    return np.maximum(said / typical, _SMALLEST_SHARE) ** growth if growth else np.ones(len(said))
