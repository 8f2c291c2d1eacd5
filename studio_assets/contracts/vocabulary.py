"""Words shared by several contracts: value sets, spellings, and columns that mean the same everywhere.

A value set used by one collection only stands with that collection.
"""

from studio_assets.contracts.model import Case, Column, Kind, PersonalData

CURRENCIES = ("USD",)
INTAKE_MODES = ("SHELF_PURCHASE", "WHOLE_KILN", "COMMUNITY_SHELF")
LEGACY_INTAKE_MODES = (
    ("STAFF_HANDOFF", "SHELF_PURCHASE"),
    ("SELF_SERVICE", "SHELF_PURCHASE"),
    ("KILNFIRE_PIECES", "SHELF_PURCHASE"),
    ("CLIENT_SUBMIT", "SHELF_PURCHASE"),
    ("CLIENT_DROP_OFF", "SHELF_PURCHASE"),
)
MODES = ("test", "live")
ONE_L_CANCELLED = (("canceled", "cancelled"),)


def lower_enum(
    path: str, name: str, meaning: str, values: tuple[str, ...], aliases: tuple[tuple[str, str], ...] = ()
) -> Column:
    """Return an enum column whose values are compared and stored in lower case."""
    return Column(name, path, Kind.ENUM, meaning, values=values, aliases=aliases, case=Case.LOWER)


def upper_enum(
    path: str, name: str, meaning: str, values: tuple[str, ...], aliases: tuple[tuple[str, str], ...] = ()
) -> Column:
    """Return an enum column whose values are compared and stored in upper case."""
    return Column(name, path, Kind.ENUM, meaning, values=values, aliases=aliases, case=Case.UPPER)


def text(path: str, name: str, meaning: str) -> Column:
    """Return a column of identifiers or labels; never personal data."""
    return Column(name, path, Kind.TEXT, meaning)


def member(path: str, name: str, meaning: str) -> Column:
    """Return a column holding a member's pseudonymous id."""
    return Column(name, path, Kind.TEXT, meaning, personal_data=PersonalData.PSEUDONYM)


def instant(path: str, name: str, meaning: str, *, is_required: bool = False) -> Column:
    """Return a column of aware UTC instants, microsecond precision."""
    return Column(name, path, Kind.INSTANT, meaning, is_required=is_required)


def boolean(path: str, name: str, meaning: str, *, is_required: bool = False) -> Column:
    """Return a column of true or false."""
    return Column(name, path, Kind.BOOLEAN, meaning, is_required=is_required)


def cents(
    path: str, name: str, meaning: str, *, is_required: bool = False, may_be_negative: bool = False
) -> Column:
    """Return a column of integer minor units; below zero is refused unless ``may_be_negative``."""
    minimum = None if may_be_negative else 0
    return Column(name, path, Kind.CENTS, meaning, is_required=is_required, minimum=minimum, unit="cents")


def dollars(path: str, name: str, meaning: str) -> Column:
    """Return a column the source holds in dollars as a float and we keep as integer cents."""
    return Column(name, path, Kind.DOLLARS, meaning, minimum=0, unit="cents")


def count(path: str, name: str, meaning: str, unit: str, maximum: int = 1_000_000) -> Column:
    """Return a column of whole things counted, zero or more."""
    return Column(name, path, Kind.INTEGER, meaning, minimum=0, maximum=maximum, unit=unit)


def currency(*, is_required: bool = False) -> Column:
    """Return the currency column: upper case here, whatever case the source writes."""
    return Column(
        "currency",
        "currency",
        Kind.ENUM,
        "Currency of every amount in the row, ISO 4217, upper case.",
        values=CURRENCIES,
        case=Case.UPPER,
        is_required=is_required,
    )


def mode() -> Column:
    """Return the column telling test rows from live rows."""
    return lower_enum("mode", "mode", "Whether Stripe was in test or live mode when the row was made.", MODES)


CREATED_AT = instant("createdAt", "created_at", "When the document was made.")
UPDATED_AT = instant("updatedAt", "updated_at", "When a writer last touched the document.")
