"""Screening of a proposal's words before anything is done about it, by rules.

Words are read as data: nothing in them is followed, whatever it says. They are folded first (``intake_text``:
Unicode compatibility, look-alike letters, digits used as letters, letters spelt apart, slips of the finger),
so that a simple disguise does not help. What cannot be read, is in another language or is denied is not
clear: it waits for a person. ``CLASSIFIER`` names this version.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from policies.intake_text import Misspellings, apart, is_denied, is_foreign, is_readable, spellings
from policies.ports import Screening

CLASSIFIER: Final = "intake-rules/3"

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


def _first_word(term: str) -> str:
    """Return what the first word of a term is like: the part before its first space outside of brackets."""
    depth = 0
    for place, sign in enumerate(term):
        depth += (sign in "([") - (sign in ")]")
        if sign == " " and depth == 0:
            return term[:place]
    return term


def _alternatives(terms: Iterable[str]) -> Iterator[str]:
    """Give the parts of terms between bars outside of brackets."""
    for term in terms:
        begun = depth = 0
        for place, sign in enumerate(f"{term}|"):
            depth += (sign in "([") - (sign in ")]")
            if sign == "|" and depth == 0:
                yield term[begun:place]
                begun = place + 1


_BEGINNING: Final = re.compile(
    "|".join(_first_word(term) for terms in _TERMS.values() for term in _alternatives(terms))
)
"""What every term begins with: a text of whose words none begins so has none of them, which most have not."""
_EXPLAINED: Final = frozenset({"gun", "guns", "bullet", "bullets"})
"""Words that what stands beside them may make ordinary."""
_MISSPELT: Final[Mapping[str, tuple[str, ...]]] = {
    ILLEGAL_CONTENT: (
        *("cocaine", "heroin", "fentanyl", "methamphetamine", "ketamine", "contraband", "bestiality"),
        *("trafficking", "swastika", "swastikas", "smuggling", "smuggled"),
    ),
    WEAPONISATION: (
        *("weapon", "weapons", "weaponise", "weaponize", "firearm", "firearms", "handgun", "handguns"),
        *("shotgun", "shotguns", "pistols", "revolver", "ammunition", "gunpowder", "silencers", "grenade"),
        *("grenades", "explosive", "explosives", "detonator", "detonators", "molotov", "shrapnel"),
        *("landmine", "landmines", "knuckleduster"),
    ),
    FRAUD_RISK: (
        *("fraudulent", "embezzle", "embezzlement", "phishing", "laundering", "scammer", "scammers"),
        *("bribery", "kickback", "kickbacks"),
    ),
    IP_INFRINGEMENT: (
        "counterfeit",
        "counterfeits",
        "bootleg",
        "pirated",
        "knockoff",
        "knockoffs",
        "pikachu",
    ),
}
# Words of their own that are one letter from the above.
_ORDINARY: Final = (
    *("heroine", "heroic", "snuggling", "snuggled", "pistons", "pistils", "pirates", "pirate"),
    *("silences", "silencer", "revolve", "revolved", "revolves", "scammed", "landline", "landlines"),
    "bootlegs",
)
_SLIPS: Final = Misspellings((word for known in _MISSPELT.values() for word in known), _ORDINARY)
_MEANT: Final = {word: category for category, known in _MISSPELT.items() for word in known}


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

    What is found only where it is denied ("no weapons") is unknown: a person looks, as at what is in another
    language. ``rationale`` is the part of a text that must be readable, so that readable ids beside it do not
    make it so; null for all of it.
    """
    meant = spellings(text)
    category, is_denied_somewhere = _found(meant)
    found = {category}
    if is_denied_somewhere or not _EXPLAINED.isdisjoint(" ".join(meant).split(" ")):
        found.add(_found(spellings(apart(text)))[0])
    for each in CATEGORIES:
        if each in found:
            return each
    read = text if rationale is None else rationale
    return UNKNOWN if is_denied_somewhere or is_foreign(text) or not is_readable(read) else CLEAR


def _found(meant: Sequence[str]) -> tuple[str | None, bool]:
    """Return the gravest category in a text's spellings, if any, and whether one of no less was denied."""
    said = " ".join(meant)
    slips = {_MEANT[known] for known in _SLIPS.meant(said)}
    is_denied_somewhere = False
    if not slips and not any(map(_BEGINNING.match, set(said.split(" ")))):
        return None, False
    for category, pattern in _PATTERNS.items():
        found = [(spelling, hit) for spelling in meant for hit in pattern.finditer(spelling)]
        if category in slips or any(not is_denied(spelling[: hit.start()]) for spelling, hit in found):
            return category, is_denied_somewhere
        is_denied_somewhere |= bool(found)
    return None, is_denied_somewhere


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
