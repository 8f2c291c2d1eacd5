"""What words may come with a request at all. Text is data: it is measured and kept, never read otherwise.

Whether a rationale says enough is a rule (``decide``); here is only refused what cannot be stored.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from policies.errors import BadRequestError
from policies.inputs import InvalidInputError, text_problem, validate_input, words_problem
from policies.proposals import Evidence
from policies.registry import Capability

MOST_ID: Final = 200
MOST_EFFECT: Final = 500
MOST_LIST: Final = 50
ROLLBACK_REASON_UNITS: Final = (10, 500)
"""Least and most UTF-16 units of a rollback's reason: it goes to the cloud with the undoing, and the cloud
counts so. A reason it would not take must not be approved, or the rollback could never succeed."""


def require(problems: Iterable[str]) -> None:
    """Raise ``BadRequestError`` if there are any problems."""
    found = list(problems)
    if found:
        raise BadRequestError(found)


def required_input(capability: Capability, input_: Any) -> dict[str, Any]:
    """Return an input as it is kept. Raises ``BadRequestError`` with everything that is wrong with it."""
    try:
        return validate_input(capability, input_)
    except InvalidInputError as error:
        raise BadRequestError(error.problems) from error


def text_problems(**texts: Any) -> list[str]:
    """Return why texts cannot be kept or are empty, as sentences that do not repeat them."""
    problems = []
    for name, text in texts.items():
        problem = words_problem(text)
        if problem is not None:
            problems.append(f"The {_words(name)}: {problem}")
        elif not text.strip():
            problems.append(f"The {_words(name)} is empty.")
    return problems


def id_problems(**ids: Any) -> list[str]:
    """Return why ids cannot be kept or are empty; null ones are fine."""
    problems = []
    for name, text in ids.items():
        problem = None if text is None else text_problem(text, most=MOST_ID)
        if problem is not None:
            problems.append(f"The {_words(name)}: {problem}")
        elif text is not None and not text.strip():
            problems.append(f"The {_words(name)} is empty.")
    return problems


def rollback_reason_problems(reason: str) -> list[str]:
    """Return why a reason cannot go to the cloud with a rollback; it has been measured as a text before."""
    least, most = ROLLBACK_REASON_UNITS
    length = len(reason.encode("utf-16-le", "replace")) // 2
    if least <= length <= most:
        return []
    return [f"The reason has {length:,} characters; a rollback's has {least} to {most}, as the cloud counts."]


def list_problems(evidence: Sequence[Evidence], predicted_effects: Sequence[str]) -> list[str]:
    """Return what is wrong with a proposal's evidence and predicted effects."""
    problems = [
        f"There are {len(items)} {name}; at most {MOST_LIST} are kept."
        for name, items in (("evidence links", evidence), ("predicted effects", predicted_effects))
        if len(items) > MOST_LIST
    ]
    if problems:
        return problems
    for effect in predicted_effects:
        problem = words_problem(effect, most=MOST_EFFECT)
        problems += [] if problem is None else [f"A predicted effect: {problem}"]
    for link in evidence:
        problems += id_problems(asset=link.asset, revision=link.revision, finding_id=link.finding_id)
    return problems


def _words(name: str) -> str:
    return name.replace("_", " ")
