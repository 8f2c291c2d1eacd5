"""A suggestion for a report: category, severity, reason code, confidence, or that a person must read it.

Every sentence is judged for itself and the gravest that is sure decides. A sentence counts, for a category or
as a doubt, only by words that are evidence; what has none changes nothing, and neither does what speaks to
the reader. Suggestions only: nothing here decides.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from studio_assets.trust_safety.addressed import is_bare_label, is_bidding, is_claiming
from studio_assets.trust_safety.asides import unlabelled
from studio_assets.trust_safety.evidence import COMPLAINTS, NUMBER, UNCLEAR_GROUP, content_of, plain
from studio_assets.trust_safety.features import features
from studio_assets.trust_safety.grammar import is_handling
from studio_assets.trust_safety.languages import has_small_words
from studio_assets.trust_safety.model import Model, shipped_model
from studio_assets.trust_safety.reading import LONGEST_READ, ONLY_INSTRUCTIONS, Reading, read_report
from studio_assets.trust_safety.reasons import (
    CATEGORIES,
    INSTRUCTION,
    LEARNT,
    REASONS,
    SEVERITIES,
    Category,
    Reason,
    Severity,
)

CODE_VERSION: Final = "triage-4"
UNSURE: Final = "unsure"
_SERIOUS_DOUBT: Final = 0.35
"""An unsure sentence that is this probably a complaint keeps the others from calling a report harmless."""
_SURELY_INSTRUCTION: Final = 0.5
"""Probability from which a sentence counts as words to its reader."""
_LEAST_KNOWN: Final = 0.4
"""Share of a sentence's words that must be known for it to be judged."""
_LEAST_KNOWN_BARE: Final = 0.6
"""The same where no small word says that it is English."""

_LEAST_GUESS: Final = 0.5
_LEAST_SAID: Final = 2
"""Words that say something, from which a sentence is more than a request beside a report."""
_LEAST_TIED: Final = 2
"""Words of evidence without which a sentence nobody is sure of raises no doubt."""
_SURE_WITHOUT_TIES: Final = 0.95
"""Probability from which a sentence of known words needs no word that is of its category alone."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What is suggested for one report.

    Attributes:
        category: One of the cloud's categories; when abstained only the best guess.
        severity: One of the cloud's severities; when abstained only the best guess.
        reason_code: A code of ``reasons``; when abstained why: ``unsure``, ``other_language``, ...
        confidence: Probability that the category is right, 0 to 1; 0 when nothing could be judged.
        is_abstained: Whether a person must read the report without a suggestion.
        has_instructions: Whether words that address a machine were left out.
        classifier: Version of the code and of the model.
        text_hash: SHA-256 of the text, by which a changed text is known; the text itself is never kept.
    """

    category: Category
    severity: Severity
    reason_code: str
    confidence: float
    is_abstained: bool
    has_instructions: bool
    classifier: str
    text_hash: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What one sentence is about.

    Attributes:
        reason: The likeliest.
        probability: Of its category.
        doubt: Probability of being a complaint at all.
        is_borne: Whether its words bear the category out; else it says nothing.
        is_suspect: Whether its words tell of something wrong, whatever that is; else it raises no doubt.
        is_telling: Whether they are mostly evidence of the category, so that it is more than a guess.
    """

    reason: Reason
    probability: float
    doubt: float
    is_borne: bool
    is_suspect: bool
    is_telling: bool = False


class Triage:
    """Suggests for reports with one model; keeps nothing between them."""

    def __init__(self, model: Model | None = None) -> None:
        self._model = model or shipped_model()
        self.classifier = f"{CODE_VERSION}+{self._model.digest[:12]}"

    def suggest(self, text: str) -> Suggestion:
        """Return the suggestion for a text. Never raises for any text; deterministic."""
        reading = read_report(text, self._ties)
        beside = [one for one in map(self._told_aside, reading.asides) if one is not None]
        if reading.problem is not None and not beside:
            return self._told(text, reading, Category.OTHER, Severity.LOW, reading.problem, 0.0)
        found = [self._judge(words) for words in _without_bare_labels(reading)]
        judged = [one for one in found if one is not None]
        if len(judged) < len(found):
            reading = replace(reading, has_instructions=True)
        judged += beside
        if not judged:
            return self._told(text, reading, Category.OTHER, Severity.LOW, ONLY_INSTRUCTIONS, 0.0)
        return self._decided(text, reading, judged)

    def _decided(self, text: str, reading: Reading, judged: Sequence[Judged]) -> Suggestion:
        """Return the suggestion that sentences make together."""
        sure = [one for one in judged if one.is_borne and one.probability >= self._model.threshold]
        grave = [one for one in sure if one.reason.category is not Category.OTHER]
        if grave:
            return self._sure(text, reading, max(grave, key=_gravity))
        doubts = [one for one in judged if one not in sure and one.is_suspect]
        worst = max(doubts, key=lambda one: one.doubt, default=None)
        if worst is not None and (not sure or worst.doubt >= _SERIOUS_DOUBT):
            if not worst.is_telling or worst.probability < _LEAST_GUESS:
                return self._told(text, reading, Category.OTHER, Severity.LOW, UNSURE, 0.0)
            reason = worst.reason
            return self._told(text, reading, reason.category, reason.severity, UNSURE, worst.probability)
        if not sure:
            return self._told(text, reading, Category.OTHER, Severity.LOW, UNSURE, 0.0)
        mild = max(sure, key=lambda one: one.probability)
        if len(text) > LONGEST_READ:  # what was not read may be a complaint
            return self._told(text, reading, mild.reason.category, mild.reason.severity, UNSURE, 0.0)
        return self._sure(text, reading, mild)

    def _ties(self, words: Sequence[str]) -> int:
        """Return the groups of evidence that plain words are tied to, one bit for each."""
        found = 0
        for ties in self._evidence(words):
            found |= ties
        return found

    def _evidence(self, words: Sequence[str]) -> list[int]:
        """Return the ties of each word that says something, but not of words of handling."""
        return [
            self._model.ties_of(word)
            for word in content_of(words)
            if word != NUMBER and not is_handling(word)
        ]

    def _told_aside(self, words: tuple[str, ...]) -> Judged | None:
        """Return what a clause to the reader tells of when that is surely wrong; else null.

        Nobody's account is lost because it stands beside a request; the name of a category is no account.
        """
        said = unlabelled(words)
        one = self._judge(said) if said else None
        if one is None or one.reason.category is Category.OTHER or one.probability < self._model.threshold:
            return None
        group = _group(one.reason.category)
        tied = {word for word in content_of(said) if word != NUMBER and self._model.ties_of(word) & group}
        return one if len(tied) >= _LEAST_TIED else None

    def _judge(self, words: tuple[str, ...]) -> Judged | None:
        """Return what a sentence is about; null for words that only tell the reader what to do."""
        learnt = self._model.probabilities(features(words))
        if learnt[_INSTRUCTION] >= _SURELY_INSTRUCTION:
            return None
        chances = learnt[: len(REASONS)]  # the others are of what gets no suggestion
        by_category: dict[Category, float] = {}
        for reason, chance in zip(REASONS, chances, strict=True):
            by_category[reason.category] = by_category.get(reason.category, 0.0) + chance
        category = max(by_category, key=lambda one: by_category[one])
        mine = [(chance, r) for r, chance in zip(REASONS, chances, strict=True) if r.category is category]
        reason = max(mine, key=lambda pair: pair[0])[1]
        evidence = self._evidence(words)
        against = max((sum(bool(ties & one) for ties in evidence) for one in _COMPLAINTS), default=0)
        somehow = sum(bool(ties & COMPLAINTS) for ties in evidence)
        is_suspect = (against >= _LEAST_TIED or somehow > _LEAST_TIED) and somehow * 2 >= len(evidence)
        is_telling = sum(bool(ties & _group(category)) for ties in evidence) * 2 >= max(1, len(evidence))
        # Letter groups of words nobody knows resemble something by chance; what is not known is not sure.
        known = self._model.known_ratio(words)
        if known < (_LEAST_KNOWN if has_small_words(words) else _LEAST_KNOWN_BARE):
            return Judged(
                reason, 0.0, doubt=1.0, is_borne=False, is_suspect=is_suspect, is_telling=is_telling
            )
        probability, content = by_category[category], content_of(words)
        is_borne = any(ties & _group(category) for ties in evidence) or (
            probability >= _SURE_WITHOUT_TIES and bool(content) and self._model.known_ratio(content) == 1
        )
        if is_borne or is_suspect:
            is_dense = self._is_dense(words, category)
            is_borne, is_suspect = is_borne and is_dense, is_suspect and is_dense
        doubt = 1 - by_category[Category.OTHER] - learnt[_INSTRUCTION]
        return Judged(reason, probability, doubt, is_borne, is_suspect, is_telling)

    def _is_dense(self, words: Sequence[str], category: Category) -> bool:
        """Say whether a sentence, if it may speak to its reader, is mostly evidence and no mere label."""
        plainly = [plain(word) for word in words]
        is_claim = is_claiming(plainly)
        if not is_claim and not is_bidding(plainly):
            return True
        content = [word for word in content_of(words) if word != NUMBER]
        said = [
            word for word in content_of(unlabelled(words)) if self._model.ties_of(word) & _group(category)
        ]
        return len(said) >= (_LEAST_TIED if is_claim else 1) and len(said) * 2 >= len(content)

    def _sure(self, text: str, reading: Reading, one: Judged) -> Suggestion:
        reason = one.reason
        return self._told(text, reading, reason.category, reason.severity, reason.code, one.probability)

    def _told(  # noqa: PLR0917 - the parts of one suggestion
        self,
        text: str,
        reading: Reading,
        category: Category,
        severity: Severity,
        reason_code: str,
        confidence: float,
    ) -> Suggestion:
        return Suggestion(
            category=category,
            severity=severity,
            reason_code=reason_code,
            confidence=round(confidence, 4),
            is_abstained=reason_code not in _CODES,
            has_instructions=reading.has_instructions,
            classifier=self.classifier,
            text_hash=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        )


_INSTRUCTION: Final = LEARNT.index(INSTRUCTION)
_COMPLAINTS: Final = tuple(1 << at for at in range(UNCLEAR_GROUP + 1) if COMPLAINTS >> at & 1)
_CODES: Final = frozenset(reason.code for reason in REASONS)


def _group(category: Category) -> int:
    return 1 << CATEGORIES.index(category)


def _gravity(one: Judged) -> tuple[int, float]:
    return SEVERITIES.index(one.reason.severity), one.probability


def _without_bare_labels(reading: Reading) -> list[tuple[str, ...]]:
    """Return the sentences without those that only name what may be wrong, unless nothing else is said.

    "Spam" is a report where it is all there is; beside something else it may as well be what somebody orders.
    """
    contents = [[word for word in content_of(words) if word != NUMBER] for words in reading.sentences]
    named = [
        is_bare_label([plain(word) for word in words], content)
        for words, content in zip(reading.sentences, contents, strict=True)
    ]
    others = [content for content, is_named in zip(contents, named, strict=True) if not is_named]
    is_alone = not reading.has_foreign and not reading.asides
    if is_alone and all(len(content) < _LEAST_SAID for content in others):
        return list(reading.sentences)
    return [words for words, is_named in zip(reading.sentences, named, strict=True) if not is_named]
