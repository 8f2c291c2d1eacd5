"""What a detector finds, and how one finding is recognised again: the shape that detectors and storage share.

A finding says what was expected, what was observed instead, and what to do next. Its words are ours, never
a person's: they are measured and refused here. Evidence points at rows by id and revision and repeats none.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import orjson

from policies.inputs import text_problem
from policies.redaction import Redactor

LONGEST_ID: Final = 200
LONGEST_WORDS: Final = 500
MOST_EVIDENCE: Final = 50
_LONGEST_NAME: Final = 63
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # as the gateway's ids: can be read out loud
_DIGITS: Final = 26
_NAMES: Final = ("department", "detector", "kind", "subject_kind")
_CONTENT: Final = (
    *(*_NAMES, "subject_id", "severity", "confidence", "expected", "observed", "unit"),
    *("likely_cause", "next_step", "capability_id"),
)
_MONEY: Final = ("expected_cents", "observed_cents", "currency")
_MOST_CENTS: Final = 2**63 - 1
_REDACTOR: Final = Redactor()


class Severity(StrEnum):
    """How bad it is for the studio when nobody does anything."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class FindingState(StrEnum):
    """Whether a finding is still so."""

    OPEN = "open"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class FindingEvidence:
    """A row that shows it: asset key, the revision of it, and the row's id where it is one of many.

    Ids, revisions and hashes only; no spaces, no addresses.
    """

    asset: str
    revision: str
    row: str | None = None

    def __post_init__(self) -> None:
        for name in ("asset", "revision", "row"):
            value = getattr(self, name)
            if value is not None or name != "row":
                _require(f"evidence's {name}", _id_problem(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        department: Whose business it is, snake_case (``operations``).
        detector: What found it, snake_case; it alone resolves it.
        kind: What is wrong, snake_case (``battery_low``).
        subject_kind: What it is about (``device``, ``connector``).
        subject_id: Which one; a pseudonym where it is a person.
        severity: How bad.
        confidence: 0 to 1, how sure the detector is.
        since: When it began, as the source says; null when it does not: then from when it was first found.
        expected: What should be: a number in ``unit`` or a few words; null where nothing can be said.
        observed: What is instead, likewise.
        unit: Of both numbers, such as ``percent``; null without numbers.
        expected_cents: Money that should be, in whole cents; null unless it is about money. Then
            ``expected`` and ``observed`` hold words at most, never an amount.
        observed_cents: Money that is instead, likewise.
        currency: Of the cents, three lower-case letters; there when either amount is.
        likely_cause: One sentence.
        next_step: One sentence: what a person does about it.
        capability_id: What could be proposed about it; null for nothing.
        evidence: The rows it rests on.

    Raises:
        ValueError: when a text is empty, too long, holds what cannot be seen, or looks like a secret or an
            address; when a number is none; when an instant has no zone. The text is not repeated.
    """

    department: str
    detector: str
    kind: str
    subject_kind: str
    subject_id: str
    severity: Severity
    confidence: float
    likely_cause: str
    next_step: str
    since: datetime | None = None
    expected: float | str | None = None
    observed: float | str | None = None
    unit: str | None = None
    expected_cents: int | None = None
    observed_cents: int | None = None
    currency: str | None = None
    capability_id: str | None = None
    evidence: Sequence[FindingEvidence] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "severity", Severity(self.severity))
        object.__setattr__(self, "evidence", tuple(self.evidence))
        for problem in self._problems():
            raise ValueError(f"The finding of {self.detector[:_LONGEST_NAME]!r} cannot be kept: {problem}")

    @property
    def finding_id(self) -> str:
        """The id under which it is recognised."""
        return finding_id(self.department, self.detector, self.kind, self.subject_kind, self.subject_id)

    def _problems(self) -> Iterator[str]:
        for name in _NAMES:
            if not _is_name(getattr(self, name)):
                yield f"{name} is not a name in snake_case."
        yield from _named("subject_id", _id_problem(self.subject_id))
        if not 0 <= self.confidence <= 1:
            yield "confidence is not between 0 and 1."
        if self.since is not None and self.since.tzinfo is None:
            yield "since has no time zone."
        for name in ("likely_cause", "next_step"):
            yield from _named(name, _words_problem(getattr(self, name)))
        for name in ("expected", "observed"):
            yield from _named(name, _value_problem(getattr(self, name)))
        for name in ("unit", "capability_id"):
            value = getattr(self, name)
            yield from _named(name, None if value is None else _id_problem(value))
        yield from self._money_problems()
        if len(self.evidence) > MOST_EVIDENCE:
            yield f"it has {len(self.evidence)} links to evidence; at most {MOST_EVIDENCE} are kept."

    def _money_problems(self) -> Iterator[str]:
        amounts = [cents for cents in (self.expected_cents, self.observed_cents) if cents is not None]
        if any(type(cents) is not int or abs(cents) > _MOST_CENTS for cents in amounts):
            yield "an amount of money is a whole number of cents."
        if (self.currency is not None) != bool(amounts):
            yield "an amount of money has a currency, and a currency an amount."
        elif self.currency is not None and not _is_currency(self.currency):
            yield "currency is not three lower-case letters."
        if amounts and any(isinstance(it, int | float) for it in (self.expected, self.observed)):
            yield "money stands in expected_cents and observed_cents alone, not among measured numbers."


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """One revision of a finding as it was kept.

    Attributes:
        finding: What was found; ``since`` is always known here.
        revision: Counts from 1 per finding.
        number: Grows with every revision of any finding of the studio, in the order of commits.
        state: Whether it is still so.
        content_hash: SHA-256 of what the revision says; the evidence it rests on is not part of that.
        observed_at: When this was found to be so (or no longer so), UTC.
        run_id: Dagster run that found it.
        code_version: Of the code that found it.
        recorded_at: When the row was written, UTC.
    """

    finding: Finding
    finding_id: str
    revision: int
    number: int
    state: FindingState
    content_hash: str
    observed_at: datetime
    run_id: str
    code_version: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Applied:
    """What one run of a detector changed, as counts.

    ``opened`` includes what was open before, resolved, and is there again. ``late`` is what was left alone
    because something newer is known of it already.
    """

    opened: int = 0
    changed: int = 0
    resolved: int = 0
    unchanged: int = 0
    late: int = 0


def finding_id(department: str, detector: str, kind: str, subject_kind: str, subject_id: str) -> str:
    """Return ``fnd_`` and 26 letters and digits that follow from the five parts alone."""
    parts = orjson.dumps([department, detector, kind, subject_kind, subject_id])
    number = int.from_bytes(hashlib.sha256(parts).digest(), "big")
    return "fnd_" + "".join(_ALPHABET[number >> (5 * place) & 31] for place in range(_DIGITS))


def finding_hash(finding: Finding, state: FindingState, since: datetime) -> str:
    """Return the SHA-256 of what a finding says, without its evidence: newer proof of the same is no news."""
    said = {name: _plain(getattr(finding, name)) for name in _CONTENT}
    # Only where there is money: what was kept before findings had any says the same as it did.
    said |= {name: value for name in _MONEY if (value := getattr(finding, name)) is not None}
    said |= {"state": state, "since": _plain(since)}
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


def restored_finding(**values: Any) -> Finding:
    """Return a finding as it was kept, by field; what was good once is not judged by today's rules."""
    finding = object.__new__(Finding)
    for name in Finding.__dataclass_fields__:
        object.__setattr__(finding, name, values[name])
    return finding


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return float(value) if isinstance(value, int | float) else value


def _require(name: str, problem: str | None) -> None:
    if problem is not None:
        raise ValueError(f"The {name} cannot be kept: {problem}")


def _named(name: str, problem: str | None) -> Iterator[str]:
    if problem is not None:
        yield f"{name}: {problem}"


def _is_name(value: object) -> bool:
    # The database's rule for names.
    return (
        isinstance(value, str)
        and 0 < len(value) <= _LONGEST_NAME
        and value.isascii()
        and value[0].islower()
        and all(letter.islower() or letter.isdigit() or letter == "_" for letter in value)
    )


def _is_currency(value: object) -> bool:
    return (
        isinstance(value, str) and value.isascii() and value.isalpha() and value.islower() and len(value) == 3
    )


def _id_problem(value: object) -> str | None:
    problem = text_problem(value, most=LONGEST_ID)
    if problem is not None:
        return problem
    text = str(value)
    if not text or "@" in text or any(letter.isspace() for letter in text):
        return "An id has at least one character, no spaces and no @."
    return None


def _words_problem(value: object) -> str | None:
    problem = text_problem(value, most=LONGEST_WORDS)
    if problem is not None:
        return problem
    text = str(value)
    if not text.strip():
        return "The text is empty."
    if not text.isprintable():
        return "It is one line of characters that can be seen."
    return None if _REDACTOR.text(text) == text else "The text looks like a secret or an address."


def _value_problem(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _words_problem(value)
    return None if math.isfinite(value) else "The number is not finite."
