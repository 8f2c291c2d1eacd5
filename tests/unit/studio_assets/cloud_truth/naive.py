"""A second reading of the contracts, written plainly and sharing no code with the reader it checks."""

import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class BadValue(Exception):  # noqa: N818 - a signal between two functions of a test
    pass


def naive_rows(contract, documents):
    """Return ``(rows, ids set aside)`` for id -> fields; instants in microseconds.

    Nothing is folded, guessed or skipped that the contract does not say.
    """
    rows, bad = [], []
    for document_id in sorted(documents):
        try:
            values = [
                naive_value(column, pick(documents[document_id], column.path)) for column in contract.columns
            ]
        except BadValue:
            bad.append(document_id)
        else:
            rows.append([document_id, *values])
    return rows, bad


def naive_hash(contract, documents):
    """Return the content hash as its documentation describes it."""
    columns = [["document_id", "text"], *([column.name, column.kind.value] for column in contract.columns)]
    text = json.dumps([1, contract.source, contract.name, columns], separators=(",", ":"))
    for row in naive_rows(contract, documents)[0]:
        cells = [str(cell) if isinstance(cell, date | float) else cell for cell in row]
        text += "," + json.dumps(cells, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def pick(fields, path):
    for part in path.split("."):
        fields = fields.get(part) if isinstance(fields, dict) else None
    return fields


def naive_value(column, value):
    if value is None:
        if column.is_required:
            raise BadValue
        return None
    return globals()[f"_{column.kind.value}"](column, value)


def _text(_column, value):
    if not isinstance(value, str) or len(value.encode()) > 10_000:
        raise BadValue
    return value


def _enum(column, value):
    value = _text(column, value)
    value = {"upper": value.upper(), "lower": value.lower(), "keep": value}[column.case.value]
    for source, target in column.aliases:
        if value == source:
            return target
    return value


def _integer(column, value):
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise BadValue
    return in_range(column, value)


_cents = _integer


def _dollars(column, value):
    if type(value) not in {int, float} or str(value) in {"nan", "inf", "-inf"}:
        raise BadValue
    return _integer(column, int((Decimal(str(value)) * 100).to_integral_value(ROUND_HALF_EVEN)))


def _number(column, value):
    if type(value) not in {int, float} or str(value) in {"nan", "inf", "-inf"}:
        raise BadValue
    return in_range(column, 0.0 if value == 0 else float(value))


def _boolean(_column, value):
    if value is not True and value is not False:
        raise BadValue
    return value


def _instant(_column, value):
    instant = to_instant(value)
    if not FIRST <= instant < END:
        raise BadValue
    return round((instant - EPOCH) / timedelta(microseconds=1))


def to_instant(value):
    if isinstance(value, datetime) and value.tzinfo:
        return value
    if isinstance(value, str) and len(value) <= 10_000:
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            raise BadValue from None
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    if type(value) in {int, float} and str(value) not in {"nan", "inf", "-inf"}:
        return min_in_range(safe_instant(value), safe_instant(Decimal(str(value)) / 1000))
    if isinstance(value, dict) and type(value.get("seconds")) is int:
        return safe_instant(value["seconds"]) + timedelta(microseconds=value.get("nanoseconds", 0) // 1000)
    raise BadValue


def min_in_range(*instants):
    fitting = [instant for instant in instants if FIRST <= instant < END]
    if not fitting:
        raise BadValue
    return fitting[0]


def safe_instant(seconds):
    """Return the instant, or one far out of range where the calendar has none."""
    try:
        return EPOCH + timedelta(microseconds=round(Decimal(str(seconds)) * 1_000_000))
    except OverflowError:
        return datetime(1, 1, 1, tzinfo=UTC)


def _date(_column, value):
    if not isinstance(value, str) or len(value) != 10:
        raise BadValue
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise BadValue from None
    if not FIRST.date() <= day < END.date():
        raise BadValue
    return day


def in_range(column, value):
    too_low = column.minimum is not None and value < column.minimum
    if too_low or (column.maximum is not None and value > column.maximum):
        raise BadValue
    return value
