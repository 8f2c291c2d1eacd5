"""What a finished text claims: every number, date, weekday, time, price and promise in it, found again.

The reading is independent of how texts are made, so that what it finds can be held against the facts. What
cannot be read as one of the known forms, but looks like a number or a promise, is a claim nobody can trace.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LONGEST_QUOTE: Final = 80
_NUMBER_WORDS: Final = (
    "zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    "seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|"
    "million|billion|dozens?|half|halves|quarter|third|double|triple|twice|once|pair|couple|several|first|"
    "second|single|few|fewer|many|most|none|no|both|hundreds|thousands"
)
_WHEN: Final = (
    "today|tonight|tomorrow|yesterday|noon|midnight|weekends?|this week|next week|this month|next month|"
    "this year|next year|daily|weekly|monthly|now|soon|hours?|minutes?|o'clock|a\\.m\\.|p\\.m\\."
)
_PROMISES: Final = (
    "free|sold out|fully booked|full|waitlist|waiting list|discount|discounted|sale|cheap|cheapest|refunds?|"
    "refundable|guarantee|guaranteed|guarantees|best|only|last|final|always|never|every|all|award|winning|"
    "certified|safe|cancelled|canceled|postponed|dollars?|bucks|cents?|percent|euros?|members only|winner"
)
_FORMS: Final = re.compile(
    rf"(?P<date>(?:(?P<weekday>{'|'.join(WEEKDAYS)}), )?(?P<month>{'|'.join(MONTHS)}) (?P<day>\d{{1,2}})"
    r"(?:, (?P<year>\d{4}))?(?![\w.,:/-]*\d))"
    r"|(?P<time>(?<![\w.,:/$-])(?P<hour>\d{1,2}):(?P<minute>\d{2}) (?P<half>am|pm)\b)"
    r"|(?P<money>(?<![\w.,:/$-])\$(?P<dollars>\d{1,3}(?:,\d{3})*|\d+)(?:\.(?P<cents>\d{2}))?(?![\w%]|[.,:/-]\d))"
    r"|(?P<gratis>\bfree of charge\b)"
    r"|(?P<count>(?<![\w.,:/$#+-])(?P<number>\d{1,3}(?:,\d{3})*|\d+)(?![\w%]|[.,:/+-]\d))",
    re.ASCII,
)
_WORDS: Final = re.compile(
    rf"\b(?:{_NUMBER_WORDS}|{_WHEN}|{_PROMISES})\b"
    rf"|\b(?:{'|'.join(WEEKDAYS)})s?\b",
    re.IGNORECASE,
)
_CAPITALS: Final = re.compile(
    rf"\b(?:{'|'.join(MONTHS)})\b|\b(?:Mon|Tue|Tues|Wed|Thu|Thur|Thurs|Fri|Sat|Sun)\b"
    r"|\b(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)\b|\b(?:AM|PM|USD|EUR|GBP|CAD|MXN)\b"
)
_CONTACT: Final = re.compile(
    r"@|://|\bwww\.|\b[\w-]+\.(?:com|net|org|io|co|app|studio|art|shop|info)\b", re.IGNORECASE
)
_QUOTE: Final = re.compile(r"[^\W\d_](?:[^\W_]|[ '’&,:()+\-–]){0,78}[!?]?")  # noqa: RUF001 - as people write
_ODD: Final = re.compile(r"[^A-Za-z\s]")
_ODD_ASCII: Final = re.compile(r"[0-9$%]")
_CODE: Final = re.compile(r"\b[A-Za-z]+\d[A-Za-z0-9]*(?:-\d+)?\b")


@dataclass(frozen=True, slots=True)
class Claim:
    """Something a text says that can be true or false.

    Attributes:
        form: ``date``, ``time``, ``money``, ``count``, or ``untraceable``.
        value: ``(weekday or null, month, day, year or null)``, ``(hour, minute)``, cents, a number, or the
            words.
        start: Where it begins in the text.
        end: Where it ends.
    """

    form: str
    value: Any
    start: int
    end: int


def claims_in(text: str) -> list[Claim]:
    """Return every claim of a text in order; what cannot be read as a known form is ``untraceable``."""
    return list(_claims(text))


@lru_cache(maxsize=4096)  # a text is read when it is drafted, when it is checked, and when it is shown
def _claims(text: str) -> tuple[Claim, ...]:
    found = [_claim(match) for match in _FORMS.finditer(text)]
    rest = list(text)
    for claim in found:
        rest[claim.start : claim.end] = " " * (claim.end - claim.start)
    found += [Claim("untraceable", what, start, end) for what, start, end in _untraceable("".join(rest))]
    return tuple(sorted(found, key=lambda claim: (claim.start, claim.end)))


def unseen(text: str) -> bool:
    """Say whether a text holds characters nobody sees, or that reorder others; line ends are fine."""
    shown = text.replace("\n", "")
    if shown.isascii():
        return not shown.isprintable()
    return any(unicodedata.category(letter)[0] == "C" for letter in shown)


def is_quotable(text: object, *, has_codes: bool = False) -> bool:
    """Say whether a title or a name may stand in a draft as it is.

    One short line of letters and plain marks that claims nothing itself and names no address. With
    ``has_codes``, letters with digits behind them (a kiln's model) are fine.
    """
    if not isinstance(text, str) or not 2 <= len(text) <= LONGEST_QUOTE or text != text.strip():
        return False
    if unicodedata.normalize("NFKC", text) != text or unseen(text) or "  " in text:
        return False
    plain = _CODE.sub("Code", text) if has_codes else text
    return _QUOTE.fullmatch(plain) is not None and not claims_in(plain) and _CONTACT.search(text) is None


def contacts_in(text: str) -> list[str]:
    """Return what looks like an address, a link or a handle."""
    return [match[0] for match in _CONTACT.finditer(text)]


def _claim(match: re.Match[str]) -> Claim:
    start, end = match.span()
    if match["date"]:
        year = int(match["year"]) if match["year"] else None
        value: Any = (match["weekday"], MONTHS.index(match["month"]) + 1, int(match["day"]), year)
        return Claim("date", value, start, end)
    if match["time"]:
        hour = int(match["hour"])
        if not 1 <= hour <= 12 or int(match["minute"]) > 59:
            return Claim("untraceable", match[0], start, end)
        return Claim("time", (hour % 12 + 12 * (match["half"] == "pm"), int(match["minute"])), start, end)
    if match["money"]:
        dollars = int(match["dollars"].replace(",", ""))
        return Claim("money", dollars * 100 + int(match["cents"] or 0), start, end)
    if match["gratis"]:
        return Claim("money", 0, start, end)
    return Claim("count", int(match["number"].replace(",", "")), start, end)


def _untraceable(text: str) -> Iterator[tuple[str, int, int]]:
    for match in (_ODD_ASCII if text.isascii() else _ODD).finditer(text):
        letter = match[0]
        if letter.isalpha():
            continue
        # Digits of any script, fractions, Roman numerals, signs of money and shares.
        if unicodedata.category(letter) in {"Nd", "Nl", "No", "Sc"} or letter in "%‰":
            yield letter, *match.span()
    for pattern in (_WORDS, _CAPITALS):
        for match in pattern.finditer(text):
            yield match[0], *match.span()
