"""A suggestion for a report: category, severity, reason code, confidence, or that a person must read it.

Every sentence is judged for itself and the gravest that is sure decides, so words that say nothing, or tell a
machine what to do, put beside the complaint change nothing. Suggestions only: nothing here decides.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Final

from studio_assets.trust_safety.features import features
from studio_assets.trust_safety.languages import has_small_words
from studio_assets.trust_safety.model import Model, shipped_model
from studio_assets.trust_safety.reading import LONGEST_READ, ONLY_INSTRUCTIONS, Reading, read_report
from studio_assets.trust_safety.reasons import (
    INSTRUCTION,
    LEARNT,
    REASONS,
    SEVERITIES,
    Category,
    Reason,
    Severity,
)

CODE_VERSION: Final = "triage-2"
UNSURE: Final = "unsure"
_SERIOUS_DOUBT: Final = 0.35
"""An unsure sentence that is this probably a complaint keeps the others from calling a report harmless."""
_SURELY_INSTRUCTION: Final = 0.5
"""Probability from which a sentence counts as words to its reader."""
_LEAST_KNOWN: Final = 0.4
"""Share of a sentence's words that must be known for it to be judged."""
_LEAST_KNOWN_BARE: Final = 0.6
"""The same where no small word says that it is English."""


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
    """One sentence's likeliest reason, the probability of its category, and of being a complaint at all."""

    reason: Reason
    probability: float
    doubt: float


class Triage:
    """Suggests for reports with one model; keeps nothing between them."""

    def __init__(self, model: Model | None = None) -> None:
        self._model = model or shipped_model()
        self.classifier = f"{CODE_VERSION}+{self._model.digest[:12]}"

    def suggest(self, text: str) -> Suggestion:
        """Return the suggestion for a text. Never raises for any text; deterministic."""
        reading = read_report(text)
        if reading.problem is not None:
            return self._told(text, reading, Category.OTHER, Severity.LOW, reading.problem, 0.0)
        found = [self._judge(words) for words in reading.sentences]
        judged = [one for one in found if one is not None]
        if len(judged) < len(found):
            reading = replace(reading, has_instructions=True)
        if not judged:
            return self._told(text, reading, Category.OTHER, Severity.LOW, ONLY_INSTRUCTIONS, 0.0)
        sure = [one for one in judged if one.probability >= self._model.threshold]
        grave = [one for one in sure if one.reason.category is not Category.OTHER]
        if grave:
            return self._sure(text, reading, max(grave, key=_gravity))
        doubts = [one for one in judged if one not in sure]
        worst = max(doubts, key=lambda one: one.doubt, default=None)
        if worst is not None and (not sure or worst.doubt >= _SERIOUS_DOUBT):
            reason = worst.reason
            return self._told(text, reading, reason.category, reason.severity, UNSURE, worst.probability)
        mild = max(sure, key=lambda one: one.probability)
        if len(text) > LONGEST_READ:  # what was not read may be a complaint
            return self._told(text, reading, mild.reason.category, mild.reason.severity, UNSURE, 0.0)
        return self._sure(text, reading, mild)

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
        # Letter groups of words nobody knows resemble something by chance; what is not known is not sure.
        known = self._model.known_ratio(words)
        is_known = known >= (_LEAST_KNOWN if has_small_words(words) else _LEAST_KNOWN_BARE)
        reason = max(mine, key=lambda pair: pair[0])[1]
        if not is_known:
            return Judged(reason, 0.0, doubt=1.0)
        doubt = 1 - by_category[Category.OTHER] - learnt[_INSTRUCTION]
        return Judged(reason, by_category[category], doubt)

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
_CODES: Final = frozenset(reason.code for reason in REASONS)


def _gravity(one: Judged) -> tuple[int, float]:
    return SEVERITIES.index(one.reason.severity), one.probability
