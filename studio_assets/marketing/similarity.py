"""Whether a text repeats another: the share of word triples they have in common."""

import re
from collections.abc import Iterable
from typing import Final

THRESHOLD: Final = 0.8
"""From here on a draft repeats a recent one."""
_WORD: Final = re.compile(r"\w+")
_WORDS_TOGETHER: Final = 3


def similarity(one: str, other: str) -> float:
    """Return how alike two texts are: 0 nothing in common, 1 the same words in the same order.

    Case, marks and line breaks do not matter. Texts shorter than three words are compared whole.
    """
    first, second = _shingles(one), _shingles(other)
    together = first | second
    return len(first & second) / len(together) if together else 1.0


def closest(text: str, recent: Iterable[str]) -> float:
    """Return the similarity to the most alike of recent texts; 0 without any."""
    return max((similarity(text, other) for other in recent), default=0.0)


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    if len(words) < _WORDS_TOGETHER:
        return frozenset({tuple(words)} if words else ())
    return frozenset(
        tuple(words[place : place + _WORDS_TOGETHER]) for place in range(len(words) - _WORDS_TOGETHER + 1)
    )
