"""How one value of each kind is read: what is taken, what is tolerated with a warning, what is refused.

This is the meaning of the tolerant reader, one value at a time. ``column_reader`` does the same in bulk for
values that already have the expected form and comes here for every other one. Reasons and warnings name the
rule, never the value: a value may be personal data.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from studio_assets.contracts.model import Case, Column, Kind

TEXT_LIMIT_BYTES = 10_000
"""Longest text kept in a cell: identifiers and labels are far shorter, and a megabyte is an accident."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
EARLIEST_MICROS = (EARLIEST - EPOCH) // _MICROSECOND
LATEST_MICROS = (LATEST - EPOCH) // _MICROSECOND

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

WRONG_TYPE = "has a value of the wrong type"
MISSING = "is missing"
TOO_LONG = f"is longer than {TEXT_LIMIT_BYTES} bytes"
NOT_TEXT = "is not valid text"
NOT_WHOLE = "is not a whole number"
NOT_FINITE = "is not a finite number"
TOO_LARGE = "does not fit into 64 bits"
TOO_LOW = "is below the allowed minimum"
TOO_HIGH = "is above the allowed maximum"
NOT_AN_INSTANT = "is not a date and time"
NOT_A_DATE = "is not a date (YYYY-MM-DD)"
OUT_OF_TIME = "lies outside the years 2000 to 2100"

UNKNOWN_VALUE = "value not in the contract, kept"
WHOLE_FLOAT = "whole number given as a float"
TEXT_INSTANT = "instant given as text"
ZONELESS_INSTANT = "instant given as text without a time zone, read as UTC"
NUMBER_INSTANT = "instant given as a number"
MAP_INSTANT = "instant given as a map"

Warn = Callable[[str], None]


class CellFaultError(Exception):
    """A value violates its column. ``reason`` reads on after the field's name and never holds the value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_cell(column: Column, value: Any, warn: Warn) -> Any:
    """Return the stored form of a value: text, int, float, bool, instant as epoch microseconds, or date.

    ``None`` (missing or null) gives ``None`` unless the column is required.

    Raises:
        CellFaultError: when the value cannot stand in the column.
    """
    if value is None:
        if column.is_required:
            raise CellFaultError(MISSING)
        return None
    return _READERS[column.kind](column, value, warn)


def fold(column: Column, value: str) -> tuple[str, bool]:
    """Return an enum value in its stored spelling, and whether the contract knows it."""
    folded = value
    if column.case is not Case.KEEP:
        folded = value.upper() if column.case is Case.UPPER else value.lower()
    folded = dict(column.aliases).get(folded, folded)
    return folded, folded in column.values


def cents_of(amount: float) -> int:
    """Return dollars as integer cents, half-even on the decimal the number prints as (0.125 -> 12)."""
    exact = Decimal(repr(amount)) * 100
    return int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))


def check_range(column: Column, value: float) -> None:
    """Raise when a number lies outside the column's range; both ends are allowed."""
    if column.minimum is not None and value < column.minimum:
        raise CellFaultError(TOO_LOW)
    if column.maximum is not None and value > column.maximum:
        raise CellFaultError(TOO_HIGH)


def parse_date(value: str) -> date:
    """Return the day a ``YYYY-MM-DD`` text names, 2000 to 2099."""
    try:
        day = date.fromisoformat(value) if len(value) == len("YYYY-MM-DD") else None
    except ValueError:
        day = None
    if day is None:
        raise CellFaultError(NOT_A_DATE)
    if not EARLIEST.date() <= day < LATEST.date():
        raise CellFaultError(OUT_OF_TIME)
    return day


def _is_finite(value: float) -> bool:
    return isinstance(value, int) or math.isfinite(value)  # isfinite() itself fails on huge integers


def _read_text(column: Column, value: Any, warn: Warn) -> str:  # noqa: ARG001 - one signature for all kinds
    if not isinstance(value, str):
        raise CellFaultError(WRONG_TYPE)
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise CellFaultError(NOT_TEXT) from None
    if size > TEXT_LIMIT_BYTES:
        raise CellFaultError(TOO_LONG)
    return value


def _read_enum(column: Column, value: Any, warn: Warn) -> str:
    folded, is_known = fold(column, _read_text(column, value, warn))
    if not is_known:
        warn(UNKNOWN_VALUE)
    return folded


def _read_integer(column: Column, value: Any, warn: Warn) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CellFaultError(WRONG_TYPE)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise CellFaultError(NOT_FINITE)
        if not value.is_integer():
            raise CellFaultError(NOT_WHOLE)
        warn(WHOLE_FLOAT)
    number = int(value)
    if not INT64_MIN <= number <= INT64_MAX:
        raise CellFaultError(TOO_LARGE)
    check_range(column, number)
    return number


def _read_dollars(column: Column, value: Any, warn: Warn) -> int:  # noqa: ARG001 - one signature for all kinds
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CellFaultError(WRONG_TYPE)
    if not _is_finite(value):
        raise CellFaultError(NOT_FINITE)
    cents = cents_of(value)
    if not INT64_MIN <= cents <= INT64_MAX:
        raise CellFaultError(TOO_LARGE)
    check_range(column, cents)
    return cents


def _read_number(column: Column, value: Any, warn: Warn) -> float:  # noqa: ARG001 - one signature for all kinds
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CellFaultError(WRONG_TYPE)
    try:
        number = float(value) + 0.0  # makes -0.0 zero, so that equal quantities hash alike
    except OverflowError:
        raise CellFaultError(TOO_LARGE) from None
    if not math.isfinite(number):
        raise CellFaultError(NOT_FINITE)
    check_range(column, number)
    return number


def _read_boolean(column: Column, value: Any, warn: Warn) -> bool:  # noqa: ARG001 - one signature for all kinds
    if not isinstance(value, bool):
        raise CellFaultError(WRONG_TYPE)
    return value


def _read_instant(column: Column, value: Any, warn: Warn) -> int:
    if isinstance(value, datetime) and value.tzinfo is not None:
        instant = value
    elif isinstance(value, str):
        instant = _instant_of_text(column, value, warn)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        warn(NUMBER_INSTANT)
        instant = _instant_of_number(value)
    elif isinstance(value, Mapping):
        warn(MAP_INSTANT)
        instant = _instant_of_map(value)
    else:
        raise CellFaultError(WRONG_TYPE)
    if not EARLIEST <= instant < LATEST:
        raise CellFaultError(OUT_OF_TIME)
    return (instant - EPOCH) // _MICROSECOND


def _instant_of_text(column: Column, value: str, warn: Warn) -> datetime:
    _read_text(column, value, warn)
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        raise CellFaultError(NOT_AN_INSTANT) from None
    if instant.tzinfo is None:
        warn(ZONELESS_INSTANT)
        return instant.replace(tzinfo=UTC)
    warn(TEXT_INSTANT)
    return instant


def _instant_of_number(value: float) -> datetime:
    """Tell seconds from milliseconds by size: within 2000 to 2100 the two ranges lie far apart."""
    if not _is_finite(value):
        raise CellFaultError(NOT_FINITE)
    for micros_per_unit in (1_000_000, 1_000):
        if EARLIEST_MICROS <= value * micros_per_unit < LATEST_MICROS:
            return EPOCH + timedelta(microseconds=round(value * micros_per_unit))
    raise CellFaultError(OUT_OF_TIME)


def _instant_of_map(value: Mapping[str, Any]) -> datetime:
    """Read a timestamp that a client serialised field by field instead of storing it as one."""
    seconds = value.get("seconds", value.get("_seconds"))
    nanos = value.get("nanoseconds", value.get("_nanoseconds", value.get("nanos", 0)))
    if type(seconds) is not int or type(nanos) is not int or not 0 <= nanos < 10**9:
        raise CellFaultError(NOT_AN_INSTANT)
    if not EARLIEST_MICROS <= seconds * 10**6 < LATEST_MICROS:
        raise CellFaultError(OUT_OF_TIME)
    return EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)


def _read_date(column: Column, value: Any, warn: Warn) -> date:
    return parse_date(_read_text(column, value, warn))


_READERS: Mapping[Kind, Callable[[Column, Any, Warn], Any]] = {
    Kind.TEXT: _read_text,
    Kind.ENUM: _read_enum,
    Kind.INTEGER: _read_integer,
    Kind.CENTS: _read_integer,
    Kind.DOLLARS: _read_dollars,
    Kind.NUMBER: _read_number,
    Kind.BOOLEAN: _read_boolean,
    Kind.INSTANT: _read_instant,
    Kind.DATE: _read_date,
}
