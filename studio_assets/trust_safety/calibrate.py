"""How sure is sure: the temperature and the threshold, from texts of other templates than trained on.

The temperature makes probabilities as often right as they say; the threshold is the least at which
suggestions are right as often as is asked of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from studio_assets.trust_safety.corpus import examples
from studio_assets.trust_safety.features import features
from studio_assets.trust_safety.model import Model, unpacked
from studio_assets.trust_safety.reading import read_report
from studio_assets.trust_safety.reasons import REASONS, Category

SEED: Final = 17
PER_TEMPLATE: Final = 20
RIGHT_RATIO: Final = 0.95
"""How often a suggestion that is made should be right."""
LEAST_THRESHOLD: Final = 0.8
"""Whatever the calibrating texts say: they are nearer to what was trained on than members' words are."""
_TEMPERATURES: Final = tuple(step / 20 for step in range(4, 61))
_OF: Final = {reason.code: reason.category for reason in REASONS}


@dataclass(frozen=True, slots=True)
class _Case:
    found: Sequence[int]
    category: Category | None


def calibrated(data: bytes) -> dict[str, Any]:
    """Return ``temperature`` and ``threshold`` for the model of a file's bytes."""
    model, cases = unpacked(data), list(_cases())
    temperature = min(
        _TEMPERATURES, key=lambda one: round(_surprise(replace(model, temperature=one), cases), 4)
    )
    sure = replace(model, temperature=temperature)
    return {"temperature": temperature, "threshold": _threshold(sure, cases)}


def _cases() -> list[_Case]:
    found = []
    for example in examples("calibrate", PER_TEMPLATE, SEED):
        words = [word for sentence in read_report(example.text).sentences for word in sentence]
        if words:
            found.append(_Case(features(words), _OF.get(example.code)))
    return found


def category_chances(model: Model, found: Sequence[int]) -> dict[Category, float]:
    """Return the probability of every category for the features of one sentence."""
    chances: dict[Category, float] = dict.fromkeys(Category, 0.0)
    for reason, chance in zip(REASONS, model.probabilities(found), strict=False):
        chances[reason.category] += chance
    return chances


def _surprise(model: Model, cases: Sequence[_Case]) -> float:
    judged = [(category_chances(model, case.found), case.category) for case in cases]
    # Of a text that nobody can judge the probability that is left over is the right one.
    right = [1 - sum(chances.values()) if known is None else chances[known] for chances, known in judged]
    return -sum(math.log(max(chance, 1e-9)) for chance in right) / len(cases)


def _threshold(model: Model, cases: Sequence[_Case]) -> float:
    judged = []
    for case in cases:
        chances = category_chances(model, case.found)
        best = max(chances, key=lambda one: chances[one])
        judged.append((chances[best], best is case.category))
    for step in range(round(LEAST_THRESHOLD * 100), 96):
        made = [is_right for chance, is_right in judged if chance >= step / 100]
        if made and sum(made) >= RIGHT_RATIO * len(made):
            return step / 100
    return 0.95
