"""Reading a report: folded words in sentences, each word marked when it is denied or quoted.

Words are data. Nothing here or after it follows what they say; what speaks to the reader is set aside.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from policies.intake_text import fold
from studio_assets.trust_safety.asides import Ties, any_tie, is_aside, parted
from studio_assets.trust_safety.endings import stopped
from studio_assets.trust_safety.grammar import is_common
from studio_assets.trust_safety.instructions import cut_formats, cut_unwritten, parted_by_patterns
from studio_assets.trust_safety.languages import is_foreign

NOT_TEXT: Final = "not_readable"
TOO_SHORT: Final = "too_short"
OTHER_LANGUAGE: Final = "other_language"
ONLY_INSTRUCTIONS: Final = "only_instructions"

LONGEST_READ: Final = 20_000
"""Letters looked at; a report has at most 1200. More is cut off, so that time stays bounded."""
_STRANGE: Final = "strangescript"
_DENIED: Final = "!"
_QUOTED: Final = "'"
_DENIED_WORDS: Final = 5
_LEAST_WORDS: Final = 2

_WORD: Final = re.compile(r"\S+")
_URL: Final = re.compile(
    r"(?:https?://|www\.)\S+|\b[a-z0-9-]+\.(?:com|net|org|io|shop|xyz|ru|cn|info|biz)\b\S*"
)
_MAIL: Final = re.compile(r"\S+@\S+\.\w+")
_MONEY: Final = re.compile(r"[$€£]\s?\d[\d.,]*|\b\d[\d.,]*\s?(?:dollars|usd|eur|bucks)\b")
_SENTENCE_END: Final = re.compile(r"[.!?;:\n]+(?=\s|$)|\s[•|]\s")
_STOP: Final = re.compile(r"[.!?;\n]+(?=\s|$)|\s[•|]\s")
_NESTED: Final = re.compile(
    r"\[(?:inst|sys|system|user|tool)\](.{0,600}?)\[/(?:inst|sys|system|user|tool)\]"
    r"|<<sys>>(.{0,600}?)<</sys>>"
    r"|<(?P<name>[a-z][a-z0-9_]*)(?:\s[^<>]{0,200})?>(.{0,600}?)</(?P=name)>"
    r"|\s?\(([^()]{0,600})\)"
    r"|\s?\[(?!/?(?:inst|sys|system|user|tool)\])([^][]{0,600})\]"
    r"|\s[-\u2013\u2014]\s(.{1,400}?)\s[-\u2013\u2014](?=\s)",
    re.IGNORECASE,
)
"""What stands inside a sentence and is none of it: between elements, in brackets, between dashes."""
_NAME: Final = _NESTED.groupindex["name"]
_FRAME: Final = "\x01\x02"
_QUOTE: Final = re.compile("\"([^\"]{1,400})\"|(?<![a-zA-Z0-9])'([^']{2,400})'(?![a-zA-Z0-9])")
_TOKEN: Final = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+|[,:\x01\x02-]")
_STOPS: Final = dict.fromkeys((0x3002, 0xFF61, 0x0964), ". ") | {0x061F: "? "}
_BACKSLASHED: Final = re.compile(r"\\[nrt]")
_QUOTE_MARKS: Final = (
    _STOPS
    | {0x60: "'", 0xB4: "'", 0xAB: '"', 0xBB: '"'}
    | {code: "'" if code < 0x201C else '"' for code in range(0x2018, 0x2020)}
)
_LETTERS: Final = re.compile(r"[a-z]+(?:'[a-z]+)?")
_SIGNATURE: Final = re.compile(
    r"(?:^|(?<=[.!?\n|])|(?<=--))\s*"
    r"(?:sent from my [a-z]+(?: phone)?|get outlook for [a-z]+)\s*(?=$|[.!?\n|,])",
    re.IGNORECASE,
)
"""What mail programs write below a text: nobody's words, and "sent" and "phone" are evidence elsewhere."""
_DISGUISED: Final = re.compile(
    r"(?<![\w.@$])(?=[a-zA-Z@$]*[0134578@$])(?=[\d@$]*[a-zA-Z])[a-zA-Z\d@$]{3,20}(?![\w@$])"
)
_STAND_INS: Final = str.maketrans("0134578@$", "oieastbas")
_REPEATED: Final = re.compile(r"([a-z])\1{2,}")
_DENIERS: Final = frozenset(
    [
        "no",
        "not",
        "never",
        "none",
        "nobody",
        "nothing",
        "neither",
        "nor",
        "without",
        "hardly",
        "cannot",
        "cant",
        "dont",
        "doesnt",
        "didnt",
        "isnt",
        "arent",
        "wasnt",
        "werent",
        "wont",
        "wouldnt",
        "shouldnt",
        "couldnt",
        "hasnt",
        "havent",
        "hadnt",
        "aint",
        "lacks",
    ]
)
_ENDS_DENIAL: Final = frozenset(
    ["but", "because", "although", "though", "however", "yet", "and", ",", ":", "-"]
)
_GREETINGS: Final = frozenset(
    [
        "hi",
        "hello",
        "hey",
        "dear",
        "thanks",
        "thank",
        "you",
        "please",
        "cheers",
        "regards",
        "sincerely",
        "best",
        "ok",
        "okay",
        "sorry",
        "everyone",
        "all",
        "there",
        "team",
        "moderators",
        "moderator",
        "staff",
        "bye",
    ]
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A report as it was read.

    Attributes:
        sentences: Words of each English sentence that says something; denied and quoted words are marked.
        problem: Why it cannot be judged; null when it can.
        has_instructions: Whether anything was set aside.
        has_foreign: Whether a sentence of another language stands beside.
        asides: Words of what was set aside; they are evidence only of what is surely wrong.
    """

    sentences: tuple[tuple[str, ...], ...]
    problem: str | None = None
    has_instructions: bool = False
    asides: tuple[tuple[str, ...], ...] = ()
    has_foreign: bool = False


def read_report(text: str, ties: Ties = any_tie) -> Reading:
    """Read a report's text. Never raises for any text; deterministic; blind to case.

    ``ties`` gives what words are evidence of; without it every word may be.
    """
    text = text[:LONGEST_READ].translate(_QUOTE_MARKS)
    if not any(one.isalpha() for one in text):
        return Reading((), TOO_SHORT if not text.strip() else NOT_TEXT)
    text, has_formats = cut_unwritten(_unescaped(text))
    said, asides, has_more = _parted(_breaks_kept(text), ties)
    has_instructions = has_formats or has_more or any(map(str.strip, asides))
    sentences, has_foreign = [], False
    for words, plain in _sentences_of(said):
        if is_foreign(plain) or plain.count(_STRANGE) * 2 >= len(plain):
            has_foreign = True
            continue
        sentences.append(tuple(words))
    told = tuple(tuple(words) for words, plain in _sentences_of(" . ".join(asides)) if not is_foreign(plain))
    if has_foreign and not sentences:
        return Reading((), OTHER_LANGUAGE, has_instructions, told)
    if sum(map(len, sentences)) < _LEAST_WORDS:
        return Reading((), ONLY_INSTRUCTIONS if has_instructions else TOO_SHORT, has_instructions, told)
    return Reading(tuple(sentences), None, has_instructions, told, has_foreign)


def _sentences_of(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """Give the words of each sentence that says something, marked and plain."""
    for sentence in _SENTENCE_END.split(_placeholders(text)):
        words = words_of(sentence)
        plain = [word.lstrip(_DENIED + _QUOTED) for word in words]
        if set(plain) - _GREETINGS - {"#"}:
            yield words, plain


def words_of(sentence: str) -> list[str]:
    """Return the words of a folded sentence, marked ``!`` when denied and ``'`` when quoted."""
    quoted = _QUOTE.sub(lambda found: f" {_FRAME[0]} {found[1] or found[2]} {_FRAME[1]} ", sentence)
    words: list[str] = []
    denied, is_quoted = 0, False
    for piece in _TOKEN.findall(quoted):
        if piece in _FRAME:
            is_quoted, denied = piece == _FRAME[0], 0
        elif piece in _ENDS_DENIAL:
            denied = 0
            if piece.isalpha():
                words.append(piece)
        elif piece.isalpha() or "'" in piece:
            word = _REPEATED.sub(r"\1\1", piece)
            mark = (_DENIED if denied > 0 else "") + (_QUOTED if is_quoted else "")
            words.append(mark + word)
            denied -= 1
            if word in _DENIERS or word.endswith("n't"):
                denied = _DENIED_WORDS
        else:
            words.append("#")
    return words


def _parted(text: str, ties: Ties) -> tuple[str, list[str], bool]:
    """Return a text folded and without what addresses its reader, that, and whether there were formats."""
    kept, asides, had = [], [], False
    for part in _unnested(text):
        plain, has_formats = cut_formats(_folded(stopped(_meant(part, ties), ties)))
        had |= has_formats
        for sentence in _STOP.split(plain):
            rest, set_aside = parted(sentence, ties)
            asides += set_aside
            kept.append(rest)
    said, cuts = parted_by_patterns(" . ".join(kept))
    return said, asides + cuts, had


def _unnested(text: str) -> Iterator[str]:
    """Give a text without what stands in brackets or between dashes, then that: sentences of their own.

    An order in quotation marks is no part of the sentence, either.
    """
    inner = []

    def out(found: re.Match[str]) -> str:
        parts = [part for number, part in enumerate(found.groups(), 1) if number != _NAME]
        inner.append(next(part for part in parts if part is not None))
        return " "

    def quoted(found: re.Match[str]) -> str:
        said = found[1] or found[2]
        if not is_aside(_LETTERS.findall(said.lower())):
            return found[0]
        inner.append(said)
        return " "

    yield _QUOTE.sub(quoted, _NESTED.sub(out, text))
    yield from inner


def _meant(text: str, ties: Ties) -> str:
    """Return text with the words meant by those in which digits and signs stand for letters."""
    if ties is any_tie:
        return text

    def word(found: re.Match[str]) -> str:
        said = found[0].translate(_STAND_INS)
        plain = said.lower()
        return said if plain.isalpha() and (is_common(plain) or ties([plain])) else found[0]

    return _DISGUISED.sub(word, text)


def _unescaped(text: str) -> str:
    """Return text with the signs meant by those that stand for them, and without what mail programs add."""
    if "\\" in text:
        text = _BACKSLASHED.sub("\n", text)
    text = _SIGNATURE.sub("", text)
    return html.unescape(text) if "&" in text else text


def _breaks_kept(text: str) -> str:
    return text.replace("\r", "\n").replace("\n", " . ")


def _placeholders(text: str) -> str:
    return _MONEY.sub(" moneyplace ", _MAIL.sub(" mailplace ", _URL.sub(" urlplace ", text)))


def _folded(text: str) -> str:
    """Return text folded to plain letters; what cannot be is of another script: one mark each."""
    if text.isascii():
        return fold(text)
    return _WORD.sub(lambda found: _plain(found[0]), text)


def _plain(word: str) -> str:
    folded = fold(word)
    letters = [one for one in folded if one.isalpha()]
    if all(one.isascii() for one in letters):
        return folded
    # Words of another script are no part of the sentence beside them; one letter may be a unit.
    return f" . {_STRANGE} . " if len(letters) > 1 else f" {_STRANGE} "
