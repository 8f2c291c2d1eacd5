"""Small vectorised questions about a table's rows, each answered with one boolean per row.

Answers are never null: a missing value is decided here, explicitly, and not by Arrow's three-valued logic.
What the questions mean for the studio is in ``predicates``.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

INSTANT = pa.timestamp("us", tz="UTC")


def combined(table: pa.Table, column: str) -> pa.Array:
    """Return one column as a single array; chunks of a Parquet file mean nothing to a predicate."""
    return table.column(column).combine_chunks()


def folded(table: pa.Table, column: str) -> pa.Array:
    """Return a text column in lower case, without surrounding blanks; null stays null.

    Contracts fold case when they read, but a counter must not depend on which way they fold.
    """
    values = pc.cast(combined(table, column), pa.string())
    return pc.utf8_lower(pc.utf8_trim_whitespace(values))


def is_one_of(table: pa.Table, column: str, values: Iterable[str], *, if_missing: bool = False) -> pa.Array:
    """Say per row whether a text is one of ``values`` (lower case); a blank counts as ``if_missing``."""
    text = folded(table, column)
    found = pc.is_in(text, value_set=pa.array(sorted(values), pa.string()))
    return pc.or_(found, _is_blank(text)) if if_missing else found


def starts_with(table: pa.Table, column: str, prefix: str) -> pa.Array:
    """Say per row whether a text value starts with ``prefix`` (lower case); null does not."""
    return pc.fill_null(pc.starts_with(folded(table, column), prefix), fill_value=False)


def is_set(table: pa.Table, column: str) -> pa.Array:
    """Say per row whether there is a value at all."""
    return pc.is_valid(combined(table, column))


def is_blank(table: pa.Table, column: str) -> pa.Array:
    """Say per row whether a text value is missing or empty."""
    return _is_blank(folded(table, column))


def is_true(table: pa.Table, column: str) -> pa.Array:
    """Say per row whether a boolean is true; null is not."""
    return pc.fill_null(combined(table, column), fill_value=False)


def is_at_or_after(table: pa.Table, column: str, instant: datetime) -> pa.Array:
    """Say per row whether an instant is ``instant`` or later; null is not."""
    return pc.fill_null(pc.greater_equal(combined(table, column), _scalar(instant)), fill_value=False)


def is_after(table: pa.Table, column: str, instant: datetime) -> pa.Array:
    """Say per row whether an instant is later than ``instant``; null is not."""
    return pc.fill_null(pc.greater(combined(table, column), _scalar(instant)), fill_value=False)


def is_before(table: pa.Table, column: str, instant: datetime) -> pa.Array:
    """Say per row whether an instant is earlier than ``instant``; null is not."""
    return pc.fill_null(pc.less(combined(table, column), _scalar(instant)), fill_value=False)


def is_found_in(table: pa.Table, column: str, known: pa.Array) -> pa.Array:
    """Say per row whether a value occurs in ``known``; null never does, even when ``known`` holds null."""
    values = combined(table, column)
    return pc.and_(pc.is_valid(values), pc.is_in(values, value_set=known, skip_nulls=True))


def all_of(first: pa.Array, *others: pa.Array) -> pa.Array:
    """Return the conjunction."""
    for other in others:
        first = pc.and_(first, other)
    return first


def any_of(first: pa.Array, *others: pa.Array) -> pa.Array:
    """Return the disjunction."""
    for other in others:
        first = pc.or_(first, other)
    return first


def not_(mask: pa.Array) -> pa.Array:
    """Return the negation."""
    return pc.invert(mask)


def rows_of(table: pa.Table, mask: pa.Array, *columns: str) -> list[dict[str, Any]]:
    """Return the rows a mask keeps as dictionaries of ``document_id`` and the columns asked for."""
    found: list[dict[str, Any]] = table.select(["document_id", *columns]).filter(mask).to_pylist()
    return found


def how_many(mask: pa.Array) -> int:
    """Return the number of true rows; zero for a table without rows."""
    return int(pc.sum(mask).as_py() or 0)


def _is_blank(text: pa.Array) -> pa.Array:
    return pc.fill_null(pc.equal(text, ""), fill_value=True)


def _scalar(instant: datetime) -> pa.Scalar:
    return pa.scalar(instant, INSTANT)
