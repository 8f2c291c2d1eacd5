"""Columns that every table of the house spells the same way."""

from typing import Any

from sqlalchemy import Column, FetchedValue, Text

from resources.postgres.values import Instant


def described(name: str, kind: Any, comment: str, *rest: Any, null: bool = False, **more: Any) -> Column[Any]:
    """Return a column that says what it means; not null unless asked."""
    return Column(name, kind, *rest, nullable=null, comment=comment, **more)


def studio_column() -> Column[Any]:
    """Return the column every key begins with."""
    return described("studio_id", Text, "The studio the row belongs to; row-level security shows no other's.")


def recorded_at_column() -> Column[Any]:
    """Return the column the database's own clock fills."""
    return described(
        "recorded_at",
        Instant,
        "When the row was written, by the database's clock, UTC.",
        server_default=FetchedValue(),
    )
