"""Features of a sentence: hashed words, pairs of words and letter groups of words.

Letter groups are why a misspelt word is still known. Marks of denied and quoted words stay part of
all of them.
"""

import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

BUCKETS: Final = 12_288
_MARKS: Final = "!'"
_SHORTEST_GROUPED: Final = 4


def features(words: Sequence[str]) -> list[int]:
    """Return the distinct features of marked words, ascending, each in ``range(BUCKETS)``."""
    found: set[int] = set()
    before = "^"
    for word in words:
        found.update(_of_word(word))
        found.add(_bucket(f"p{before} {word}"))
        before = word
    return sorted(found)


@lru_cache(maxsize=4096)
def _of_word(word: str) -> frozenset[int]:
    """Return the features a marked word has wherever it stands."""
    said = {f"w{word}"}
    plain = word.lstrip(_MARKS)
    if len(plain) >= _SHORTEST_GROUPED:
        mark = word[: len(word) - len(plain)]
        framed = f"<{plain}>"
        said.update(f"3{mark}{framed[i : i + 3]}" for i in range(len(framed) - 2))
        said.update(f"4{mark}{framed[i : i + 4]}" for i in range(len(framed) - 3))
    return frozenset(map(_bucket, said))


def _bucket(said: str) -> int:
    return zlib.crc32(said.encode()) % BUCKETS
