"""The texts the model is trained, calibrated and measured on: made here from templates the project wrote.

Nobody's words are in them. The three sets share no template; ``measure`` and ``calibrate`` also use their own
words for what is said around a complaint. A file has ``[reason_code]`` headings, one template per line;
``{a|b}`` is a choice, ``{name}`` a choice from the file's ``[= name]`` list, ``#`` a comment.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeVar

from studio_assets.trust_safety.reasons import CODES
from studio_assets.trust_safety.word_files import word_file

SETS: Final = ("train", "calibrate", "measure")
ABSTAIN: Final = "abstain"
"""Heading of texts nothing must be suggested for: other languages and what cannot be read."""
INSTRUCTIONS: Final = "instructions"
"""Heading of sentences that address a machine."""

_Item = TypeVar("_Item")
_CHOICE: Final = re.compile(r"\{([^{}]*)\}")
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_SHORTEST_MISSPELT: Final = 5


class Dice:
    """Chance from a seed: the same on every machine and with every version of Python."""

    def __init__(self, *seed: object) -> None:
        self._seed = repr(seed).encode()
        self._count = 0

    def below(self, limit: int) -> int:
        """Return a whole number from 0 to ``limit - 1``."""
        self._count += 1
        said = hashlib.blake2b(self._seed + self._count.to_bytes(8, "big"), digest_size=8).digest()
        return int.from_bytes(said, "big") % limit

    def chance(self, percent: int) -> bool:
        """Return true in that many of a hundred cases."""
        return self.below(100) < percent

    def pick(self, items: Sequence[_Item]) -> _Item:
        """Return one of the items."""
        return items[self.below(len(items))]


@dataclass(frozen=True, slots=True)
class Example:
    """A text and what is right to say of it: a reason code, or ``abstain``."""

    text: str
    code: str
    template: str


@dataclass(frozen=True, slots=True)
class Templates:
    """One set's templates by heading, and its word lists."""

    by_code: Mapping[str, tuple[str, ...]]
    lists: Mapping[str, tuple[str, ...]]

    def expand(self, template: str, dice: Dice) -> str:
        """Return a template with every choice made."""
        while found := _CHOICE.search(template):
            inner = found[1]
            choices = self.lists[inner] if inner in self.lists else inner.split("|")
            template = template[: found.start()] + dice.pick(choices) + template[found.end() :]
        return re.sub(r" {2,}", " ", template).strip()


@cache
def templates(name: str) -> Templates:
    """Return a set's templates; raise ``KeyError`` for a heading that is no reason code."""
    found = word_file("words") | word_file(name)
    lists = {heading[2:]: lines for heading, lines in found.items() if heading.startswith("= ")}
    codes = {heading: lines for heading, lines in found.items() if not heading.startswith("= ")}
    unknown = codes.keys() - {*CODES, ABSTAIN, INSTRUCTIONS}
    if unknown:
        raise KeyError(f"{name}.txt has headings that are no reason codes: {sorted(unknown)}")
    return Templates(codes, lists)


def examples(name: str, per_template: int, seed: int, *, typos_pct: int = 25) -> Iterator[Example]:
    """Yield texts of a set, every template ``per_template`` times, the same for the same seed.

    ``typos_pct`` of them have a misspelt word, some are led in or out by words that say nothing.
    """
    mine = templates(name)
    for code, lines in mine.by_code.items():
        if code == INSTRUCTIONS:
            continue
        for number, line in enumerate(lines):
            for turn in range(per_template):
                dice = Dice(name, seed, code, number, turn)
                text = mine.expand(line, dice)
                if code != ABSTAIN:
                    text = _dressed(text, mine, dice)
                    text = misspelt(text, dice) if dice.chance(typos_pct) else text
                yield Example(text, code, f"{code}:{number}")


def instructions(name: str, seed: int) -> Iterator[str]:
    """Yield a set's sentences that address a machine."""
    mine = templates(name)
    for number, line in enumerate(mine.by_code.get(INSTRUCTIONS, ())):
        yield mine.expand(line, Dice(name, seed, INSTRUCTIONS, number))


def misspelt(text: str, dice: Dice) -> str:
    """Return a text with one slip of the finger in one of its longer words, if it has any."""
    places = [m for m in re.finditer(r"[A-Za-z]+", text) if len(m[0]) >= _SHORTEST_MISSPELT]
    if not places:
        return text
    found = dice.pick(places)
    word, at = found[0], 1 + dice.below(len(found[0]) - 2)
    kind = dice.below(4)
    if kind == 0:
        word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    elif kind == 1:
        word = word[:at] + word[at + 1 :]
    elif kind == 2:
        word = word[:at] + word[at] + word[at:]
    else:
        word = word[:at] + dice.pick(_LETTERS) + word[at + 1 :]
    return text[: found.start()] + word + text[found.end() :]


def _dressed(text: str, mine: Templates, dice: Dice) -> str:
    if dice.chance(25):
        lead = mine.expand(dice.pick(mine.lists["lead"]), dice)
        text = f"{lead} {text}"
    if dice.chance(15):
        text = f"{text.rstrip('.')}. {mine.expand(dice.pick(mine.lists['close']), dice)}"
    if dice.chance(10):
        text = text.upper()
    return text
