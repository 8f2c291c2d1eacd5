"""Words in a report that address a machine instead of telling what is wrong: cut out, never followed.

Nothing in this room can act on words. Cutting keeps words like "set severity to high" from counting as
evidence, in either direction. The patterns are data: ``texts/instructions.txt``.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from studio_assets.trust_safety.word_files import word_file

_END_OF_PHRASE: Final = re.compile(r"[,.;!?](?=\s|$)")
_LONGEST_SCRAP: Final = 3
_END_OF_CLAUSE: Final = re.compile(
    r"[,;.!?\n]|\s-+\s| (?:but|because|although|however|while|since|and the|and there|and it) "
)


@dataclass(frozen=True, slots=True)
class _Patterns:
    """``marks`` are cut as they are, ``addresses`` to the end of their clause."""

    marks: tuple[re.Pattern[str], ...]
    addresses: tuple[re.Pattern[str], ...]
    formats: tuple[re.Pattern[str], ...]


def cut_formats(text: str) -> tuple[str, bool]:
    """Return folded text without what is written in a format for machines, and whether there was any."""
    had = False
    for pattern in _patterns().formats:
        text, count = pattern.subn(" ", text)
        had |= count > 0
    return text, had


def parted_by_patterns(text: str) -> tuple[str, list[str]]:
    """Return folded text without the clauses that address a machine, and those.

    A clause is cut from where the address begins to where the clause ends; what stands before
    it stays, unless it is a scrap such as ``you must``. Cutting again changes nothing.
    """
    patterns = _patterns()
    marks = [found.span() for pattern in patterns.marks for found in pattern.finditer(text)]
    spans = list(marks)
    for pattern in patterns.addresses:
        for found in pattern.finditer(text):
            clause = _END_OF_CLAUSE.search(text, found.end())
            ends = [start for start, _ in marks if start >= found.end()]
            spans.append((found.start(), min([clause.start() if clause else len(text), *ends])))
    if not spans:
        return text, []
    kept, place, cuts = [], 0, []
    for start, end in sorted(spans):
        if start > place:
            kept.append(_without_scrap(text[place:start]))
        cuts.append(text[max(start, place) : end])
        place = max(place, end)
    kept.append(text[place:])
    return " . ".join(kept), cuts


def _without_scrap(before: str) -> str:
    """Return what stands before a cut without the one to three words that led up to it."""
    begin = max((found.end() for found in _END_OF_PHRASE.finditer(before)), default=0)
    return before[:begin] if len(before[begin:].split()) <= _LONGEST_SCRAP else before


@cache
def _patterns() -> _Patterns:
    found = word_file("instructions")
    lists = {f"%{name[2:]}%": "|".join(lines) for name, lines in found.items() if name.startswith("= ")}

    def compiled(heading: str) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(_filled(line, lists)) for line in found[heading])

    return _Patterns(compiled("marks"), compiled("addresses"), compiled("formats"))


def _filled(line: str, lists: dict[str, str]) -> str:
    for name, alternatives in lists.items():
        line = line.replace(name, alternatives)
    return line
