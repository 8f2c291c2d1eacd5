"""Screening of a proposal's words before anything is done about it: a first version by rules.

Words are read as data: nothing in them is followed, whatever it says. They are folded first (Unicode
compatibility, look-alike letters, digits used as letters, letters spelt apart), so that a simple disguise
does not help. What cannot be read is not clear: it waits for a person. ``CLASSIFIER`` names this version.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from policies.ports import Screening

CLASSIFIER: Final = "intake-rules/1"

CLEAR: Final = "clear"
ILLEGAL_CONTENT: Final = "illegal_content"
WEAPONISATION: Final = "weaponisation"
FRAUD_RISK: Final = "fraud_risk"
IP_INFRINGEMENT: Final = "ip_infringement"
UNKNOWN: Final = "unknown"
CATEGORIES: Final = (ILLEGAL_CONTENT, WEAPONISATION, FRAUD_RISK, IP_INFRINGEMENT, UNKNOWN, CLEAR)
"""All categories, gravest first: of several the first is reported."""

OVERRIDE_REASONS: Final = frozenset({"false_positive", "lawful_use", "licensed_use", "context_verified"})
"""Reason codes with which a person may let a blocked proposal go on."""

LONGEST_SCREENED: Final = 100_000
_LEAST_READABLE: Final = 0.5

# Letters of other scripts that look like Latin ones, and signs and digits that stand in for letters.
_LOOK_ALIKES: Final = str.maketrans("аеіјорсухвнкмтгѕԁԛԝαβεικνορτυχω", "aeijopcyxbhkmtrsdqwabeiknoptuxw")
_STAND_INS: Final = str.maketrans("013457@$!|", "oieastasil")
_INVISIBLE: Final = frozenset({"Cf", "Mn", "Me", "Cc"})
_ASCII_VISIBLE: Final = {code: " " if chr(code) in "\n\r\t" else "" for code in (*range(32), 127)}
_TOOLS: Final = "spray", "heat", "glue", "air", "caulking", "caulk", "massage", "nail", "staple", "hvlp"

_TERMS: Final[Mapping[str, tuple[str, ...]]] = {
    ILLEGAL_CONTENT: (
        r"cocaine|heroin|fentanyl|meth|methamphetamines?|mdma|lsd|ketamine",
        r"drugs? (?:deal\w*|traffick\w*|smuggl\w*)|(?:sell|selling|deal|dealing) drugs?",
        r"child porn\w*|csam|child sexual abuse\w*|bestiality",
        r"human traffick\w*|sex traffick\w*|slave labou?r",
        r"stolen (?:goods|property|items|work|pieces|pots)",
        r"smuggl(?:e|es|ed|ing)|contraband|ivory",
        r"(?:fake|forged) (?:ids?|passports?|licen[cs]es?)|hate symbols?|swastikas?",
    ),
    WEAPONISATION: (
        r"weapons?|weaponi[sz]\w*|firearms?|handguns?|shotguns?|pistols?|rifles?|revolvers?|ghost guns?",
        "".join(rf"(?<!{tool} )" for tool in _TOOLS) + r"guns?(?! metal| glaze)",
        r"ammo|ammunition|gun ?powder|bullets?(?! kilns?| points?)|silencers?",
        r"bombs?|pipe ?bombs?|grenades?|explosives?|detonat\w*|molotov\w*|shrapnel|land ?mines?",
        r"brass knuckles|knuckle ?dusters?|shivs?",
        r"ceramic (?:blades?|knives|knife) (?:that|to) (?:pass|evade|avoid)\w*",
        r"nerve agents?|ricin|sarin|anthrax",
        r"(?:poison|kill|hurt|injure) (?:him|her|them|people|someone|somebody)",
    ),
    FRAUD_RISK: (
        r"money launder\w*|launder(?:ing)? money|wash money",
        r"(?:fake|forged?|falsif\w+|phony|bogus) (?:invoices?|receipts?|orders?|refunds?)",
        r"(?:fake|forged?|falsif\w+|phony|bogus) (?:reviews?|signatures?|records?)",
        r"stolen (?:cards?|credit cards?|identit\w+|accounts?)|identity theft|carding|card testing",
        r"phish\w*|ponzi|pyramid scheme|scams?|scamm\w+|advance fee",
        r"fraud|frauds|fraudulent\w*|embezzl\w*|kickbacks?|brib(?:e|es|ed|ery|ing)|tax evasion",
        r"(?:off|under) the (?:books|table)|skim (?:the )?(?:till|cash)",
        r"bypass (?:the )?(?:payment|approval)\w*",
    ),
    IP_INFRINGEMENT: (
        r"counterfeit\w*|knock ?offs?|bootleg\w*|pirated|rip ?offs?",
        r"(?:infring|violat)\w+ (?:of )?(?:the |a |their )?(?:copyright|trademark|patent)\w*",
        r"without (?:a |the |their )?(?:licen[cs]e|permission) (?:of|from) (?:the )?(?:brand|artist)",
        r"(?:fake|replica|copy|copies|clone|imitation)s? (?:of )?(?:designer|branded|brand name|trademarked)",
        r"disney|mickey mouse|pokemon|pikachu|nintendo|hello kitty|star wars|baby yoda|hogwarts",
        r"nike|adidas|gucci|louis vuitton|chanel|hermes|rolex|prada|lego",
    ),
}
_PATTERNS: Final = {category: re.compile(rf"\b(?:{'|'.join(terms)})\b") for category, terms in _TERMS.items()}
_SPELT_APART: Final = re.compile(r"\b(?:[^\W\d_][\W_]+){2,}[^\W\d_]\b")
_REPEATED: Final = re.compile(r"(.)\1{2,}")
_BETWEEN_WORDS: Final = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class RulesScreener:
    """Screens by fixed word rules. Deterministic; knows no state, and takes no longer for hostile text."""

    def screen(self, capability_id: str, rationale: str, input_: Mapping[str, Any]) -> Screening:
        """Return the screening of all text of a proposal. Never raises for any text."""
        del capability_id  # the same words are as grave whatever they are for
        text = " \n ".join([rationale, *_texts(input_, 0)])
        if len(text) > LONGEST_SCREENED:
            return Screening(UNKNOWN, True, CLASSIFIER)
        category = category_of(text, rationale)
        return Screening(category, category != CLEAR, CLASSIFIER)


def category_of(text: str, rationale: str | None = None) -> str:
    """Return the gravest category found in a text.

    ``rationale`` is the part of it that must be readable, so that readable ids beside it do not make it so;
    null for all of it.
    """
    spellings = set(_spellings(text))  # often the same
    for category, pattern in _PATTERNS.items():
        if any(pattern.search(spelling) for spelling in spellings):
            return category
    return CLEAR if _is_readable(text if rationale is None else rationale) else UNKNOWN


def fold(text: str) -> str:
    """Return text in plain lower-case Latin letters, digits and single spaces, as far as it can be."""
    if text.isascii():  # the same, shorter: nothing to decompose, only control characters are invisible
        return text.lower().translate(_ASCII_VISIBLE)
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    visible = "".join(
        " " if letter in "\n\r\t" else letter
        for letter in decomposed
        if letter in "\n\r\t" or unicodedata.category(letter) not in _INVISIBLE
    )
    return visible.translate(_LOOK_ALIKES)


def _spellings(text: str) -> Iterator[str]:
    """Give the ways a text may be meant to be read, each as words with single spaces."""
    folded = fold(text)
    yield _words(folded)
    meant = _REPEATED.sub(r"\1", folded.translate(_STAND_INS))
    yield _words(meant)
    yield _words(_SPELT_APART.sub(lambda found: _joined(found[0]), meant))


def _joined(letters: str) -> str:
    """Return letters spelt apart as a word; also without the first or last, which may be its own word."""
    word = _BETWEEN_WORDS.sub("", letters)
    return f"{word} {word[1:]} {word[:-1]}"


def _words(text: str) -> str:
    return _BETWEEN_WORDS.sub(" ", text).strip()


def _is_readable(text: str) -> bool:
    if text.isascii():
        return any(letter.isalpha() for letter in text)
    # Not of the folded text, in which look-alikes have become Latin.
    letters = [letter for letter in unicodedata.normalize("NFKC", text) if letter.isalpha()]
    latin = sum(unicodedata.name(letter, "").startswith("LATIN") for letter in letters)
    return bool(letters) and latin >= _LEAST_READABLE * len(letters)


def _texts(value: Any, depth: int) -> Iterator[str]:
    """Give every text in an input, also the names of its fields."""
    if isinstance(value, str):
        yield value
    elif depth < 10 and isinstance(value, Mapping):
        for name, item in value.items():
            yield str(name)
            yield from _texts(item, depth + 1)
    elif depth < 10 and isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, depth + 1)
