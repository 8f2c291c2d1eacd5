"""Every rule of the tolerant reader, by example: what is stored, what is warned about, what is refused."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from studio_assets.cloud_truth.cell_rules import (
    EARLIEST_MICROS,
    LATEST_MICROS,
    CellFaultError,
    cents_of,
    read_cell,
)
from studio_assets.contracts.model import Case, Column, Kind

NOON = datetime(2026, 4, 27, 12, tzinfo=UTC)
NOON_MICROS = 1_777_291_200_000_000


def column(kind, **rules):
    return Column("thing", "thing", kind, "A thing.", **rules)


def read(kind, value, **rules):
    warnings = []
    return read_cell(column(kind, **rules), value, warnings.append), warnings


STATUS = {"values": ("CANCELLED", "OPEN"), "aliases": (("CANCELED", "CANCELLED"),), "case": Case.UPPER}

TAKEN = [
    (Kind.TEXT, "Kiln A", {}, "Kiln A"),
    (Kind.TEXT, "", {}, ""),
    (Kind.TEXT, "x" * 10_000, {}, "x" * 10_000),
    (Kind.ENUM, "open", STATUS, "OPEN"),
    (Kind.ENUM, "Canceled", STATUS, "CANCELLED"),
    (Kind.INTEGER, 2**63 - 1, {}, 2**63 - 1),
    (Kind.CENTS, 0, {"minimum": 0}, 0),
    (Kind.DOLLARS, 12.5, {}, 1250),
    (Kind.DOLLARS, 15, {}, 1500),
    (Kind.NUMBER, -0.0, {}, 0.0),
    (Kind.NUMBER, 3, {}, 3.0),
    (Kind.BOOLEAN, False, {}, False),
    (Kind.INSTANT, NOON, {}, NOON_MICROS),
    (Kind.INSTANT, NOON.astimezone(timezone(timedelta(hours=-7))), {}, NOON_MICROS),
    (Kind.INSTANT, datetime(2000, 1, 1, tzinfo=UTC), {}, EARLIEST_MICROS),
    (Kind.INSTANT, datetime(2099, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), {}, LATEST_MICROS - 1),
    (Kind.DATE, "2026-04-27", {}, date(2026, 4, 27)),
    (Kind.TEXT, None, {}, None),
]

TOLERATED = [
    (Kind.ENUM, "Resting", STATUS, "RESTING", "value not in the contract, kept"),
    (Kind.INTEGER, 4.0, {}, 4, "whole number given as a float"),
    (Kind.INSTANT, "2026-04-27T12:00:00.000Z", {}, NOON_MICROS, "instant given as text"),
    (Kind.INSTANT, "2026-04-27T05:00:00-07:00", {}, NOON_MICROS, "instant given as text"),
    (
        Kind.INSTANT,
        "2026-04-27T12:00",
        {},
        NOON_MICROS,
        "instant given as text without a time zone, read as UTC",
    ),
    (Kind.INSTANT, NOON_MICROS // 10**6, {}, NOON_MICROS, "instant given as a number"),
    (Kind.INSTANT, NOON_MICROS // 10**3, {}, NOON_MICROS, "instant given as a number"),
    (Kind.INSTANT, NOON_MICROS / 10**6 + 0.5, {}, NOON_MICROS + 500_000, "instant given as a number"),
    (
        Kind.INSTANT,
        {"_seconds": NOON_MICROS // 10**6, "_nanoseconds": 7000},
        {},
        NOON_MICROS + 7,
        "instant given as a map",
    ),
]

REFUSED = [
    (Kind.TEXT, 42, {}, "has a value of the wrong type"),
    (Kind.TEXT, "x" * 10_001, {}, "is longer than 10000 bytes"),
    (Kind.TEXT, "é" * 5_001, {}, "is longer than 10000 bytes"),
    (Kind.TEXT, "\ud800", {}, "is not valid text"),
    (Kind.TEXT, None, {"is_required": True}, "is missing"),
    (Kind.ENUM, ["open"], STATUS, "has a value of the wrong type"),
    (Kind.INTEGER, True, {}, "has a value of the wrong type"),
    (Kind.INTEGER, "4", {}, "has a value of the wrong type"),
    (Kind.INTEGER, 4.5, {}, "is not a whole number"),
    (Kind.INTEGER, float("nan"), {}, "is not a finite number"),
    (Kind.INTEGER, 2**63, {}, "does not fit into 64 bits"),
    (Kind.INTEGER, 1e300, {}, "does not fit into 64 bits"),
    (Kind.CENTS, -1, {"minimum": 0}, "is below the allowed minimum"),
    (Kind.CENTS, 11, {"maximum": 10}, "is above the allowed maximum"),
    (Kind.DOLLARS, -0.01, {"minimum": 0}, "is below the allowed minimum"),
    (Kind.DOLLARS, float("inf"), {}, "is not a finite number"),
    (Kind.DOLLARS, 10**400, {}, "does not fit into 64 bits"),
    (Kind.DOLLARS, "12.50", {}, "has a value of the wrong type"),
    (Kind.NUMBER, float("nan"), {}, "is not a finite number"),
    (Kind.NUMBER, 10**400, {}, "does not fit into 64 bits"),
    (Kind.NUMBER, 1001, {"maximum": 1000}, "is above the allowed maximum"),
    (Kind.BOOLEAN, 1, {}, "has a value of the wrong type"),
    (Kind.BOOLEAN, "true", {}, "has a value of the wrong type"),
    (Kind.INSTANT, "soon", {}, "is not a date and time"),
    (Kind.INSTANT, datetime(2026, 1, 1), {}, "has a value of the wrong type"),  # noqa: DTZ001 - a naive instant
    (Kind.INSTANT, datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC), {}, "lies outside the years 2000 to 2100"),
    (Kind.INSTANT, datetime(2100, 1, 1, tzinfo=UTC), {}, "lies outside the years 2000 to 2100"),
    (Kind.INSTANT, 0, {}, "lies outside the years 2000 to 2100"),
    (Kind.INSTANT, NOON_MICROS, {}, "lies outside the years 2000 to 2100"),
    (Kind.INSTANT, 10**400, {}, "lies outside the years 2000 to 2100"),
    (Kind.INSTANT, float("nan"), {}, "is not a finite number"),
    (Kind.INSTANT, True, {}, "has a value of the wrong type"),
    (Kind.INSTANT, {}, {}, "is not a date and time"),
    (Kind.INSTANT, {"seconds": 10**30}, {}, "lies outside the years 2000 to 2100"),
    (Kind.INSTANT, "0001-01-01T00:00:00+14:00", {}, "lies outside the years 2000 to 2100"),
    (Kind.DATE, "2026-4-27", {}, "is not a date (YYYY-MM-DD)"),
    (Kind.DATE, "20260427", {}, "is not a date (YYYY-MM-DD)"),
    (Kind.DATE, "2026-02-30", {}, "is not a date (YYYY-MM-DD)"),
    (Kind.DATE, "1999-12-31", {}, "lies outside the years 2000 to 2100"),
    (Kind.DATE, NOON, {}, "has a value of the wrong type"),
]


@pytest.mark.parametrize(("kind", "value", "rules", "stored"), TAKEN)
def test_expected_forms_are_taken_silently(kind, value, rules, stored):
    """A value of the form the contract expects is stored without a word."""
    assert read(kind, value, **rules) == (stored, [])


@pytest.mark.parametrize(("kind", "value", "rules", "stored", "warning"), TOLERATED)
def test_other_forms_are_tolerated_and_counted(kind, value, rules, stored, warning):
    """A value the contract can make sense of is stored in the expected form, with a warning."""
    assert read(kind, value, **rules) == (stored, [warning])


@pytest.mark.parametrize(("kind", "value", "rules", "reason"), REFUSED)
def test_violations_are_refused_without_repeating_the_value(kind, value, rules, reason):
    """The reason names the rule; the value, which may be personal, is not in it."""
    with pytest.raises(CellFaultError) as fault:
        read(kind, value, **rules)
    assert fault.value.reason == reason
    assert str(value) not in str(fault.value) or len(str(value)) < 2


@pytest.mark.parametrize(
    ("dollars", "cents"),
    [
        (0.125, 12),
        (0.135, 14),
        (1.005, 100),
        (1.015, 102),
        (2.675, 268),
        (0.1 + 0.2, 30),
        (-0.125, -12),
        (7, 700),
    ],
)
def test_dollars_round_half_even_on_their_decimal_text(dollars, cents):
    """1.015 is a cent and a half above a dollar, although the float lies a little below it."""
    assert cents_of(dollars) == cents
