"""Whether words are of a language that is not judged here. Small words tell: every sentence has some."""

from collections.abc import Sequence
from functools import cache
from typing import Final

from studio_assets.trust_safety.word_files import word_file

_LEAST_SHARE: Final = 8
"""One small foreign word in so many is enough, where there are fewer English ones."""


def is_foreign(words: Sequence[str]) -> bool:
    """Say whether plain words in lower-case Latin letters are of another language than English."""
    english, others = _telling()
    here = sum(word in english or "n't" in word for word in words)
    there = sum(word in others for word in words)
    return there >= 1 and there > here and there * _LEAST_SHARE >= len(words)


def has_small_words(words: Sequence[str]) -> bool:
    """Say whether a small word that only English has is among marked words."""
    english, _ = _telling()
    return any(word.lstrip("!'") in english and len(word) > 1 for word in words)


@cache
def small_words() -> frozenset[str]:
    """Return the small words of English."""
    return _words("english")


@cache
def _telling() -> tuple[frozenset[str], frozenset[str]]:
    """Return the small words that only English has, and those it has not."""
    foreign = _words("foreign")
    return small_words() - foreign, foreign - small_words() - _words("shared")


def _words(heading: str) -> frozenset[str]:
    return frozenset(word for line in word_file("languages")[heading] for word in line.split())
