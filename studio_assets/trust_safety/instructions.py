"""Words in a report that address a machine instead of telling what is wrong: cut out, never followed.

Nothing in this room can act on words. Cutting keeps words like "set severity to high" from counting as
evidence, in either direction. The patterns are data: ``texts/instructions.txt``.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from studio_assets.trust_safety.word_files import word_file

_SIGNS_OF_CODE: Final = re.compile(r"[{(;?&]|<!|'{3}|\b\w\W{1,3}\w\W{1,3}\w\b")
"""Without any of these nothing of ``unwritten`` is in a text."""
_WORD: Final = re.compile(r"[a-z']+")
_FIRST_WORDS: Final = re.compile(r"\\b\(\?:([a-z' |]+)\)(?![?*])")
_SIGNS_OF_FORMATS: Final = re.compile(r"[<=\d]")
"""The same for ``formats``."""
_END_OF_PHRASE: Final = re.compile(r"[,.;!?](?=\s|$)")
_LONGEST_SCRAP: Final = 3
_END_OF_CLAUSE: Final = re.compile(
    r"[,;.!?\n]|\s-+\s| (?:but|because|although|however|while|since|and the|and there|and it) "
)


@dataclass(frozen=True, slots=True)
class _Patterns:
    """``marks`` are cut as they are, ``addresses`` to the end of their clause.

    Beside each of the latter stand the words without which it is in no text; none if that is not known.
    """

    marks: tuple[re.Pattern[str], ...]
    addresses: tuple[tuple[frozenset[str], re.Pattern[str]], ...]
    formats: tuple[re.Pattern[str], ...]
    unwritten: tuple[re.Pattern[str], ...]


def cut_unwritten(text: str) -> tuple[str, bool]:
    """Return raw text without what nobody says or writes to a person, and whether there was any."""
    if _SIGNS_OF_CODE.search(text) is None:
        return text, False
    return _cut(text, _patterns().unwritten)


def cut_formats(text: str) -> tuple[str, bool]:
    """Return folded text without what is written in a format for machines, and whether there was any."""
    text, had = cut_unwritten(text)
    if _SIGNS_OF_FORMATS.search(text) is None:
        return text, had
    text, had_more = _cut(text, _patterns().formats)
    return text, had or had_more


def _cut(text: str, patterns: tuple[re.Pattern[str], ...]) -> tuple[str, bool]:
    had = False
    for pattern in patterns:
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
    said = set(_WORD.findall(text))
    for needed, pattern in patterns.addresses:
        if needed and needed.isdisjoint(said):
            continue
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

    def compiled(heading: str, flags: int = 0) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(_filled(line, lists), flags) for line in found[heading])

    addresses = tuple(
        (_needed(line, lists), pattern)
        for line, pattern in zip(found["addresses"], compiled("addresses"), strict=True)
    )
    return _Patterns(
        compiled("marks"), addresses, compiled("formats"), compiled("unwritten", re.IGNORECASE | re.DOTALL)
    )


def _filled(line: str, lists: dict[str, str]) -> str:
    for name, alternatives in lists.items():
        line = line.replace(name, alternatives)
    return line


def _needed(line: str, lists: dict[str, str]) -> frozenset[str]:
    """Return the words with which alone what a pattern finds can begin; none when it does not tell."""
    begun = _FIRST_WORDS.match(_filled(line, lists))
    return frozenset(one.split(" ")[0] for one in begun[1].split("|")) if begun else frozenset()
