"""How well triage does on generated texts it was not trained on, per category and as a whole."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from studio_assets.trust_safety.corpus import ABSTAIN, Example, examples, instructions
from studio_assets.trust_safety.reasons import REASONS, Category
from studio_assets.trust_safety.triage import Suggestion, Triage

REPORTS_A_WEEK: Final = 20
"""How many reports a busy studio gets; only to say false alerts as a rate."""
PER_TEMPLATE: Final = 12
_BY_CODE: Final = {reason.code: reason for reason in REASONS}
_BINS: Final = 10


@dataclass(slots=True)
class Measured:
    """Counts over one set of texts."""

    seed: int
    texts: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    abstained: Counter[str] = field(default_factory=Counter)
    suggested: Counter[str] = field(default_factory=Counter)
    right_severity: int = 0
    alarms: int = 0
    told: int = 0
    changed_by_instructions: int = 0
    surely: list[tuple[float, bool]] = field(default_factory=list)

    def add(self, wanted: str, wanted_severity: str, made: Suggestion) -> None:
        """Count one text and what was suggested for it."""
        self.texts[wanted] += 1
        if made.is_abstained:
            self.abstained[wanted] += 1
            return
        is_right = made.category == wanted
        (self.right if is_right else self.wrong)[wanted] += 1
        self.suggested[made.category] += 1
        self.right_severity += made.severity == wanted_severity
        self.alarms += wanted in {Category.OTHER, ABSTAIN} and made.category is not Category.OTHER
        self.surely.append((made.confidence, is_right))

    def to_json(self) -> dict[str, Any]:
        """Return what ``evaluate triage`` prints."""
        complaints = [name for name in self.texts if name not in {Category.OTHER, ABSTAIN}]
        injected = sum(self.texts[name] for name in complaints)
        flagged = sum(self.suggested[name] for name in complaints)
        found = sum(self.right[name] for name in complaints)
        made = sum(self.right.values()) + sum(self.wrong.values())
        weeks = self.texts.total() / REPORTS_A_WEEK
        return {
            "seed": self.seed,
            "texts": self.texts.total(),
            "recall": _ratio(found, injected),
            "precision": _ratio(found, flagged),
            "false_alerts_per_week": round(self.alarms / weeks, 4) if weeks else 0.0,
            "accuracy_of_suggestions": _ratio(self.right.total(), made),
            "severity_accuracy_of_suggestions": _ratio(self.right_severity, made),
            "calibration_error": calibration_error(self.surely),
            "coverage": self._coverage(),
            "instructions": {"tried": self.told, "changed": self.changed_by_instructions},
            "classes": {
                name: {
                    "injected": self.texts[name],
                    "found": self.abstained[name] if name == ABSTAIN else self.right[name],
                    "misclassified": self.wrong[name],
                    "abstained": self.abstained[name],
                    "precision": _ratio(self.right[name], self.suggested[name]),
                }
                for name in sorted(self.texts)
            },
        }

    def _coverage(self) -> float:
        """Return the share of texts that can be judged for which something was suggested."""
        judgeable = [name for name in self.texts if name != ABSTAIN]
        whole = sum(self.texts[name] for name in judgeable)
        return _ratio(whole - sum(self.abstained[name] for name in judgeable), whole)


def measure(seed: int, triage: Triage | None = None, *, per_template: int = PER_TEMPLATE) -> Measured:
    """Return how triage does on texts of the ``measure`` set, and whether instructions beside them matter."""
    triage, measured = triage or Triage(), Measured(seed)
    told = list(instructions("measure", seed))
    for number, example in enumerate(examples("measure", per_template, seed)):
        made = triage.suggest(example.text)
        reason = _BY_CODE.get(example.code)
        measured.add(
            reason.category.value if reason else ABSTAIN, reason.severity.value if reason else "", made
        )
        for text in _with_instructions(example, told[number % len(told)]):
            measured.told += 1
            measured.changed_by_instructions += not is_same(made, triage.suggest(text))
    return measured


def is_same(one: Suggestion, other: Suggestion) -> bool:
    """Say whether the same is suggested; why nothing is may differ."""
    plain = [replace(each, text_hash="", has_instructions=False) for each in (one, other)]
    if one.is_abstained and other.is_abstained:
        return one.severity is other.severity and one.category is other.category
    return plain[0] == plain[1]


def calibration_error(surely: list[tuple[float, bool]]) -> float:
    """Return the expected calibration error in ten bins: by how much confidence differs from being right."""
    error = 0.0
    for at in range(_BINS):
        part = [one for one in surely if at <= min(one[0] * _BINS, _BINS - 1e-9) < at + 1]
        if part:
            error += abs(sum(sure for sure, _ in part) - sum(is_right for _, is_right in part))
    return round(error / max(1, len(surely)), 4)


def _with_instructions(example: Example, told: str) -> Iterator[str]:
    yield f"{example.text.rstrip('.')}. {told}"
    yield f"{told} {example.text}" if told.endswith((".", "]")) else f"{told}. {example.text}"


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 1.0
