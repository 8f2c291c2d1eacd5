"""Chance that repeats: random draws named by what they decide, and document ids drawn the same way.

Every decision of the world draws from a ``Dice`` keyed by the seed and by what is decided, never from a
shared stream, so that one more order on Tuesday does not change who comes on Wednesday. Only
``random.random`` is used underneath: its sequence is promised to stay the same in every Python.
"""

import math
import random
from collections.abc import Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
AUTO_ID_LENGTH = 20  # what the Firestore clients make
_LARGEST_COUNTED_MEAN = 60.0  # above it, counting single arrivals costs more than the normal shape is off


class Dice:
    """Draws for one decision; the same key always gives the same draws."""

    __slots__ = ("_random",)

    def __init__(self, *key: object) -> None:
        digest = blake2b(repr(key).encode(), digest_size=16).digest()
        self._random = random.Random(int.from_bytes(digest, "big")).random

    def chance(self, probability: float) -> bool:
        """Return whether something of this probability (0-1) happens."""
        return self._random() < probability

    def between(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self._random()

    def whole(self, low: int, high: int) -> int:
        """Return a whole number in [low, high], both ends included."""
        return low + int(self._random() * (high - low + 1))

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of the choices, each as likely as the others."""
        return choices[int(self._random() * len(choices))]

    def weighted(self, choices: Sequence[tuple[T, float]]) -> T:
        """Return one of the choices by its weight (any positive scale)."""
        left = self._random() * sum(weight for _, weight in choices)
        for choice, weight in choices:
            left -= weight
            if left < 0:
                return choice
        return choices[-1][0]

    def some(self, choices: Sequence[T], count: int) -> list[T]:
        """Return up to ``count`` different choices, in drawn order."""
        pool = list(choices)
        return [pool.pop(int(self._random() * len(pool))) for _ in range(min(count, len(pool)))]

    def poisson(self, mean: float) -> int:
        """Return how many arrive where ``mean`` are expected, independently; 0 for a mean of 0 or less."""
        if mean <= 0:
            return 0
        if mean > _LARGEST_COUNTED_MEAN:
            spread = math.sqrt(-2 * math.log(1 - self._random())) * math.cos(2 * math.pi * self._random())
            return max(0, round(mean + spread * math.sqrt(mean)))
        count, product, floor = 0, self._random(), math.exp(-mean)
        while product > floor:
            count, product = count + 1, product * self._random()
        return count

    def minutes(self, low: float, high: float) -> timedelta:
        """Return a duration between two numbers of minutes, in whole milliseconds."""
        return timedelta(milliseconds=int(self.between(low, high) * 60_000))

    def hours(self, low: float, high: float) -> timedelta:
        """Return a duration between two numbers of hours, in whole milliseconds."""
        return self.minutes(low * 60, high * 60)

    def days(self, low: float, high: float) -> timedelta:
        """Return a duration between two numbers of days, in whole milliseconds."""
        return self.hours(low * 24, high * 24)


def draw_id(*key: object, length: int = AUTO_ID_LENGTH) -> str:
    """Return an id of letters and digits, the same for the same key."""
    number = int.from_bytes(blake2b(repr(key).encode(), digest_size=32).digest(), "big")
    letters = []
    for _ in range(length):
        number, index = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[index])
    return "".join(letters)
