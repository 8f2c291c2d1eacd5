"""Which words of a sentence speak of the world, and of what: the words an account cannot do without.

Words of the closed classes (``texts/grammar.txt``) say nothing by themselves. What others are evidence of is
counted over the training texts and kept in the model, one bit for each group.
"""

from collections.abc import Sequence
from functools import cache
from typing import Final

from studio_assets.trust_safety.reasons import CATEGORIES, LEARNT, REASONS, UNCLEAR, Category
from studio_assets.trust_safety.word_files import word_file

NUMBER: Final = "#"
_MARKS: Final = "!'"
UNCLEAR_GROUP: Final = len(CATEGORIES)
"""The group beside the categories: texts a person has to read."""
_GROUPS: Final = {reason.code: CATEGORIES.index(reason.category) for reason in REASONS} | {
    UNCLEAR: UNCLEAR_GROUP
}
ALL: Final = (1 << len(CATEGORIES) + 1) - 1
COMPLAINTS: Final = ALL & ~(1 << CATEGORIES.index(Category.OTHER))
"""The groups of words that tell of something wrong."""


def group_of(code: int) -> int | None:
    """Return the group of evidence that what is learnt under a number belongs to; null for instructions."""
    return _GROUPS.get(LEARNT[code])


def content_of(words: Sequence[str]) -> list[str]:
    """Return the words that say something, without their marks, and numbers."""
    small = small_words()
    return [word for word in map(plain, words) if word not in small and (len(word) > 1 or word == NUMBER)]


def plain(word: str) -> str:
    """Return a word without its marks."""
    return word.lstrip(_MARKS)


@cache
def small_words() -> frozenset[str]:
    """Return the words that say nothing about the world by themselves."""
    return frozenset(word for line in word_file("grammar")["small"] for word in line.split())
