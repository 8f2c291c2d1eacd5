"""Features of a sentence: hashed words, pairs of words and letter groups of words.

Letter groups are why a misspelt word is still known. Marks of denied and quoted words stay part of
all of them.
"""

import zlib
from collections.abc import Sequence
from typing import Final

BUCKETS: Final = 12_288
_MARKS: Final = "!'"
_SHORTEST_GROUPED: Final = 4


def features(words: Sequence[str]) -> list[int]:
    """Return the distinct features of marked words, ascending, each in ``range(BUCKETS)``."""
    said: set[str] = set()
    before = "^"
    for word in words:
        said.update(("w" + word, f"p{before} {word}"))
        before = word
        plain = word.lstrip(_MARKS)
        if len(plain) >= _SHORTEST_GROUPED:
            mark = word[: len(word) - len(plain)]
            framed = f"<{plain}>"
            said.update(f"3{mark}{framed[i : i + 3]}" for i in range(len(framed) - 2))
            said.update(f"4{mark}{framed[i : i + 4]}" for i in range(len(framed) - 3))
    return sorted({zlib.crc32(one.encode()) % BUCKETS for one in said})
