"""What a report may be about: reason codes, each of one category and severity.

Categories and severities are those of the cloud's own reports, so that both can be compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Category(StrEnum):
    """The cloud's categories of reports."""

    BROKEN_LINK = "broken_link"
    INCORRECT_INFO = "incorrect_info"
    SPAM = "spam"
    SAFETY = "safety"
    HARASSMENT_HATE = "harassment_hate"
    COPYRIGHT = "copyright"
    OTHER = "other"


class Severity(StrEnum):
    """The cloud's severities of reports, mildest first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason code and what follows from it."""

    code: str
    category: Category
    severity: Severity
    meaning: str


REASONS: Final = (
    Reason("link_dead", Category.BROKEN_LINK, Severity.LOW, "A link or video does not open or play."),
    Reason("link_wrong", Category.BROKEN_LINK, Severity.LOW, "A link leads to something else."),
    Reason("fact_wrong", Category.INCORRECT_INFO, Severity.LOW, "Something that is said is not so."),
    Reason(
        "detail_outdated", Category.INCORRECT_INFO, Severity.LOW, "A date, price or place is out of date."
    ),
    Reason("advertising", Category.SPAM, Severity.LOW, "It sells or promotes something unrelated."),
    Reason("scam", Category.SPAM, Severity.MEDIUM, "It tries to get money, passwords or card numbers."),
    Reason(
        "hazard_material",
        Category.SAFETY,
        Severity.HIGH,
        "Toxic, dusty or unfit-for-food material or advice.",
    ),
    Reason(
        "hazard_equipment",
        Category.SAFETY,
        Severity.HIGH,
        "Heat, fire, gas, electricity or machines that hurt.",
    ),
    Reason("danger_to_person", Category.SAFETY, Severity.HIGH, "Self-harm, violence, or harm to a child."),
    Reason("insult", Category.HARASSMENT_HATE, Severity.MEDIUM, "It insults, mocks or bullies a person."),
    Reason("hate", Category.HARASSMENT_HATE, Severity.HIGH, "It attacks people for what they are."),
    Reason("threat", Category.HARASSMENT_HATE, Severity.HIGH, "It threatens or stalks a person."),
    Reason(
        "privacy_sexual",
        Category.HARASSMENT_HATE,
        Severity.HIGH,
        "Private details, or unwanted sexual words.",
    ),
    Reason("copied_work", Category.COPYRIGHT, Severity.MEDIUM, "Somebody's work is used without permission."),
    Reason("credit_missing", Category.COPYRIGHT, Severity.LOW, "The author is not named."),
    Reason("no_complaint", Category.OTHER, Severity.LOW, "Praise, a question, or nothing that is wrong."),
    Reason("other_matter", Category.OTHER, Severity.LOW, "A matter that is not about the content."),
)
ABSTENTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "unsure": "What is said is too unlike anything known, or could be about several things.",
        "other_language": "It is not in English, and nothing else is judged.",
        "not_readable": "It holds no words.",
        "too_short": "It says too little.",
        "only_instructions": "It only tells a machine what to do.",
    }
)
"""Why nothing is suggested, by the reason code of an abstention."""
CODES: Final = tuple(reason.code for reason in REASONS)
UNCLEAR: Final = "abstain"
"""What the model knows besides: texts that a person has to read, whose weight no reason code then gets."""
INSTRUCTION: Final = "instructions"
"""And words that tell whoever reads a report what to do about it; a sentence of such words is left out."""
LEARNT: Final = (*CODES, UNCLEAR, INSTRUCTION)
"""What the model's columns stand for."""
SEVERITIES: Final = tuple(Severity)
CATEGORIES: Final = tuple(Category)
