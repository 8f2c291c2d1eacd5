"""How a fact is said, and how it is held against what was read: one form per kind, in studio time."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from studio_assets.marketing.claims import MONTHS, WEEKDAYS, Claim
from studio_assets.marketing.facts import Fact, Kind


class Form(StrEnum):
    """How a fact stands in a text."""

    TEXT = "text"
    COUNT = "count"
    MONEY = "money"
    DATE = "date"
    TIME = "time"


FORMS: Final = {
    Kind.TEXT: frozenset({Form.TEXT}),
    Kind.COUNT: frozenset({Form.COUNT}),
    Kind.MONEY: frozenset({Form.MONEY}),
    Kind.INSTANT: frozenset({Form.DATE, Form.TIME}),
}


def said(fact: Fact, form: Form, timezone: str) -> str:
    """Return a fact in words: ``12 places``, ``$85.50``, ``Saturday, March 7``, ``6:00 pm``.

    Raises:
        ValueError: when the fact cannot be said in that form.
    """
    if form not in FORMS[fact.kind]:
        raise ValueError(f"{fact.name} is {fact.kind}; it cannot be said as {form}.")
    if form is Form.TEXT:
        return str(fact.value)
    if form is Form.COUNT:
        number = int(fact.value)
        noun = f" {fact.unit}{'' if number == 1 else 's'}" if fact.unit else ""
        return f"{number:,}{noun}"
    if form is Form.MONEY:
        return _money(int(fact.value), fact.unit)
    there = datetime.fromisoformat(str(fact.value)).astimezone(ZoneInfo(timezone))
    if form is Form.DATE:
        return f"{WEEKDAYS[there.weekday()]}, {MONTHS[there.month - 1]} {there.day}"
    return f"{there.hour % 12 or 12}:{there.minute:02} {'pm' if there.hour >= 12 else 'am'}"


def is_what_it_says(claim: Claim, fact: Fact, form: Form, timezone: str) -> bool:
    """Say whether a claim that was read from a text is what the fact says, by value and not by wording."""
    if claim.form != form or form not in FORMS[fact.kind]:
        return False
    return bool(_agrees(claim.value, fact, form, timezone))


def _agrees(value: Any, fact: Fact, form: Form, timezone: str) -> bool:
    if form in {Form.COUNT, Form.MONEY}:
        return bool(value == fact.value)
    there = datetime.fromisoformat(str(fact.value)).astimezone(ZoneInfo(timezone))
    if form is Form.TIME:
        return bool(value == (there.hour, there.minute))
    weekday, month, day, year = value
    if (month, day) != (there.month, there.day) or year not in {None, there.year}:
        return False
    # The weekday is counted from the date in the text, not taken from where the text was made.
    return weekday is None or weekday == WEEKDAYS[date(there.year, month, day).weekday()]


def _money(cents: int, currency: str | None) -> str:
    if currency != "USD":
        raise ValueError("Prices are said in US dollars; amounts of other currencies are not said at all.")
    if cents == 0:
        return "free of charge"
    return f"${cents // 100:,}" + (f".{cents % 100:02}" if cents % 100 else "")
