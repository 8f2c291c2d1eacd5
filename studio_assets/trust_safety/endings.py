"""Where a sentence ends that has no full stop: at capitals, and where the way of writing changes.

People forget full stops, and who adds an order to a report rarely sets one. This reads raw text: once it is
folded nothing tells a capital from a small letter any more.
"""

import re
from dataclasses import dataclass
from typing import Final

from studio_assets.trust_safety.addressed import is_addressed
from studio_assets.trust_safety.asides import Ties, any_tie, is_aside
from studio_assets.trust_safety.evidence import small_words
from studio_assets.trust_safety.grammar import ARTICLES, CLOSING, is_beginning, the_grammar
from studio_assets.trust_safety.languages import is_foreign
from studio_assets.trust_safety.word_files import word_file

_GAP: Final = re.compile(
    r"(?<!\S)(?P<before>\S*[^\s.!?;:,])[ \t]+"
    r"(?=[\"'(\[*_]{0,3}(?:(?P<word>[A-Z\u00c0-\u017f][\w']*)|(?P<mixed>[a-z]+[A-Z][\w']*))"
    r"(?P<after>\S*)(?P<rest>[^.!?;\n]{0,200}))"
)
"""A word with a capital behind one that no sign ends."""
_CALMED: Final = re.compile(
    r"((?:(?<!\S)(?=[^\sa-z]*[A-Z])[^\sa-z.!?;:]+[ \t]+){3}(?<=[A-Z]{2}[ \t]))(?=[a-z][^\sA-Z]*[ \t]+[a-z])"
)
"""Three words in capitals, before two without any."""
_HEADED: Final = re.compile(r"\[(?:inst|sys|system|user|tool|admin|note|notice|bot)\]:?", re.IGNORECASE)
_TAGGED: Final = re.compile(r"(?<!\S)(?:[#!/\\][A-Za-z]\w+|\w+(?:-\w+){3,}|[A-Za-z]+_\w+)(?![^\s.,;!?])")
_BARRED: Final = re.compile(r"(?<!\S)(?:[-=*_~+#<>]{3,}|[$%|>]+)(?!\S)")
"""Hashtags, commands, and words tied together: none of the sentence beside them."""
_CALM: Final = re.compile(r"[a-z]{2}[^\sA-Z]*(?:\s+[^\sA-Za-z]+)?\s*$")
_QUOTES: Final = "\"'"
_GOING_ON: Final = re.compile(r"[\"'(]*(?:[a-z]|I[ '])|\s+[\"'(]*(?:[a-z]|I[ '])")
_SIGNS: Final = "\"'()[]{}<>*_`#-~|"
_LEADING_ON: Final = frozenset(word for line in word_file("grammar")["leading on"] for word in line.split())
"""Words that no sentence ends with."""
_NO_ENDS: Final = ARTICLES | _LEADING_ON
_ENDING: Final = re.compile(r"'\w+$")
_HANGING: Final = frozenset(
    ["to", "for", "in", "on", "with", "at", "about", "from", "of", "over", "under", "by", "into"]
)
"""Those of them that a question may end with."""
_LETTERS: Final = re.compile(r"[a-z]+")
_WORD: Final = re.compile(r"[a-z]+(?:'[a-z]+)?")
_PIECE: Final = re.compile(r"[,:]\s")
_STOP: Final = re.compile(r"[.!?;]+(?=\s|$)|\n")
_SHOUTED: Final = re.compile(r"(?:(?=[^\sa-z]*[A-Z])[^\sa-z]+(?:[ \t]+|$)){3,}$")
_SHOUTED_BEFORE: Final = re.compile(r"(?:(?<!\S)(?=[^\sa-z]*[A-Z])[^\sa-z]+[ \t]+){3}$")
_SHORTEST_SHOUT: Final = 4
_LOOKED_BACK: Final = 80
_LAST_LATIN: Final = 0x24F
_MOST_READ: Final = 12
"""Gaps beside which the clauses are read; so that time stays bounded."""

LOWER, TITLE, SHOUT, MIXED, NONE = "lower", "title", "shout", "mixed", "none"


@dataclass(frozen=True, slots=True)
class _Gap:
    """A place between two words where a sentence may end.

    ``at`` is where the word before ends, ``to`` where the next begins.
    """

    at: int
    to: int
    is_end: bool


def stopped(text: str, ties: Ties = any_tie) -> str:
    """Return text with a full stop where only the letters say that a sentence begins.

    Only words that begin sentences and are no names do, those that another language goes on from, words of
    evidence, and those on one side of which stands what speaks to the reader; in a heading the word before
    has a capital, too. ``ties`` gives what words are evidence of.
    """
    text = _HEADED.sub(". ", text) if "[/" not in text else text
    text = _TAGGED.sub(r". \g<0>. ", text)
    text = _BARRED.sub(".", text)
    text = _CALMED.sub(r"\1. ", text)
    gaps = [one for one in (_gap_of(found, ties) for found in _GAP.finditer(text)) if one is not None]
    if not gaps:
        return text
    ends = [one.is_end for one in gaps]
    open_ones = [number for number, one in enumerate(gaps) if not one.is_end][:_MOST_READ]
    for number in reversed(open_ones):
        ends[number] = _is_no_account(text[gaps[number].to : _next_end(text, gaps, ends, number)], ties)
    for number in open_ones:
        ends[number] = ends[number] or _is_spoken(text[_last_end(text, gaps, ends, number) : gaps[number].at])
    parts, place = [], 0
    for one, is_end in zip(gaps, ends, strict=True):
        if is_end:
            parts += [text[place : one.at], " . "]
            place = one.to
    return "".join([*parts, text[place:]])


def _gap_of(found: re.Match[str], ties: Ties) -> _Gap | None:
    """Return a place where a sentence may end; null where none does."""
    way, at, to = _way(found["before"]), found.end("before"), found.end()
    if found.string[to] in _QUOTES:  # the name of something, or what somebody said
        return None
    if found["mixed"]:
        next_but_one = (found["rest"].split(maxsplit=1) or [""])[0]
        is_end = way not in {MIXED, TITLE} and _way(next_but_one) == MIXED
        return _Gap(at, to, is_end) if is_end else None
    is_end = _is_run(found) or (way != TITLE and _begins(found, way, ties))
    return _Gap(at, to, is_end) if is_end or (way != TITLE and _may_begin(found, way)) else None


def _begins(found: re.Match[str], way: str, ties: Ties) -> bool:
    """Say whether a sentence begins with a word with a capital, after one that is no name."""
    next_way = _next_way(found)
    if next_way == MIXED:
        return way != MIXED
    if way == MIXED and _way((found["rest"].split(maxsplit=1) or [""])[0]) == MIXED:
        return False
    begins = _begins_after_small if way == LOWER else _begins_after_other
    return begins(found, way, next_way) or (next_way == TITLE and _is_evidence(found, ties))


def _may_begin(found: re.Match[str], way: str) -> bool:
    """Say whether the clauses have to be read to know: the word may be a name in the middle of a sentence."""
    next_way, following = _next_way(found), found["rest"].lstrip()[:1]
    if next_way != TITLE and not (next_way == SHOUT and way == LOWER and following.islower()):
        return False
    if len(found["word"]) == 1 or way == MIXED:
        return False
    is_heading = following.isupper()
    return not is_heading and found["before"].strip(_SIGNS).lower() not in _NO_ENDS


def _next_way(found: re.Match[str]) -> str:
    return _way(found["word"] + found["after"].rstrip(_SIGNS)) if found["word"][0].isupper() else NONE


def _is_run(found: re.Match[str]) -> bool:
    """Say whether all that follows is in capitals, after something that is not."""
    if _SHOUTED.match(found["word"] + found["after"] + found["rest"]) is None:
        return False
    before = found["before"].strip(_SIGNS).lower()
    may_end = before in CLOSING or before not in small_words() or found["word"] == "I"
    return may_end and _CALM.search(found.string[: found.end("before")]) is not None


def _is_evidence(found: re.Match[str], ties: Ties) -> bool:
    """Say whether a word with a capital is evidence and no name, after one that may end a sentence."""
    before = found["before"].strip(_SIGNS).lower()
    if ties is any_tie or before in _NO_ENDS or not _GOING_ON.match(found["rest"]):
        return False
    word = found["word"].lower()
    return word not in the_grammar().proper and bool(ties([word]))


def _begins_after_small(found: re.Match[str], _: str, way: str) -> bool:
    """Say whether a sentence begins with a capital after a word in small letters."""
    before, word = found["before"].strip(_SIGNS), found["word"].lower()
    is_led_on = before in _LEADING_ON and (before not in _HANGING or not _GOING_ON.match(found["rest"]))
    if not before or before in ARTICLES or is_led_on:
        return False
    if len(word) == 1:
        return _is_vow(found) if word == "i" else word == "a" and _GOING_ON.match(found["rest"]) is not None
    is_called = found["after"].startswith(":")
    if way == SHOUT:
        is_called = is_called and word in the_grammar().calling
        return is_called or (len(word) >= _SHORTEST_SHOUT and is_beginning(word, before, is_shouted=True))
    return (
        is_called
        or is_beginning(word, before)
        or is_foreign([word, *_LETTERS.findall(found["rest"].lower())])
    )


def _is_vow(found: re.Match[str]) -> bool:
    """Say whether I am followed by a verb with which one orders or claims."""
    next_word = _WORD.match(found["rest"].lstrip())
    return next_word is not None and next_word[0] in the_grammar().vowing


def _begins_after_other(found: re.Match[str], way: str, next_way: str) -> bool:
    """Say whether a sentence begins with a capital after what is not in small letters."""
    if next_way == SHOUT and len(found["word"]) > 1:
        is_begun = is_beginning(found["word"].lower(), "", is_shouted=True)
        return way == NONE and is_begun and _CALM.search(found.string[: found.start()]) is not None
    if way == SHOUT:
        start = max(0, found.start() - _LOOKED_BACK)
        if _SHOUTED_BEFORE.search(found.string[start : found.end()]) is not None and len(found["word"]) > 1:
            return True
    if not _GOING_ON.match(found["rest"]) and (way != SHOUT or found["rest"].strip()):
        return False
    word = found["word"].lower()
    if word in {"i", "a"} or is_beginning(word, ""):
        return True
    if way == SHOUT:
        return False
    return (
        way == MIXED
        or any(ord(letter) > _LAST_LATIN and letter.isalpha() for letter in found["before"])
        or is_foreign([word, *_LETTERS.findall(found["rest"].lower())])
    )


def _way(token: str) -> str:
    """Return how a word is written."""
    token = _ENDING.sub("", token.strip("\"'"))
    letters = [one for one in token if one.isalpha() and ord(one) <= _LAST_LATIN]
    if not letters or token[-1] in ")>]}*":
        return NONE
    capitals = sum(one.isupper() for one in letters)
    if capitals == 0:
        return LOWER
    if capitals == 1 and letters[0].isupper():
        return NONE if len(letters) == 1 and not token.isalpha() else TITLE
    return SHOUT if capitals == len(letters) else MIXED


def _is_spoken(said: str) -> bool:
    """Say whether what stands beside a gap speaks to the reader."""
    for piece in _PIECE.split(said.lower()):
        words = _WORD.findall(piece)
        if words and (is_aside(words) or is_addressed(words)):
            return True
    return False


def _is_no_account(said: str, ties: Ties) -> bool:
    """Say whether what a gap parts from the account speaks to the reader, or has nothing that is evidence."""
    if _is_spoken(said):
        return True
    words = said.split(maxsplit=2)
    return (
        len(words) > 1
        and not words[0].isupper()
        and words[1][:1].islower()
        and not ties(_WORD.findall(said.lower()))
    )


def _next_end(text: str, gaps: list[_Gap], ends: list[bool], number: int) -> int:
    stop = _STOP.search(text, gaps[number].to)
    at = stop.start() if stop else len(text)
    return min([at, *(gaps[later].at for later in range(number + 1, len(gaps)) if ends[later])])


def _last_end(text: str, gaps: list[_Gap], ends: list[bool], number: int) -> int:
    at = 0
    for stop in _STOP.finditer(text, 0, gaps[number].at):
        at = stop.end()
    return max([at, *(gaps[sooner].to for sooner in range(number) if ends[sooner])])
