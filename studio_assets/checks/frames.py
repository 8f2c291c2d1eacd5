"""The frames that rules look at: the rows of a collection, and one row per read of what it says of itself.

Large tables are reduced to *witnesses*: an even sample, plus every row that could break a range rule. What
must hold for all rows (uniqueness, columns) is computed exactly by Arrow and enters as a fact.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from resources.rows import SourceRead
from studio_assets.checks.rules import Reference, references_of, resolves
from studio_assets.contracts import catalog
from studio_assets.contracts.arrow import arrow_schema
from studio_assets.contracts.model import Collection

WITNESSES_AT_MOST = 50_000
"""Rows handed to Great Expectations per collection: every row of a studio, a sample of a chain of them."""

CONTENT_HASH = re.compile(r"[0-9a-f]{64}")

Ids = Callable[[str], pa.Array]


def facts(read: SourceRead, schema: pa.Schema, rows: pa.Table) -> dict[str, Any]:
    """Return one row of facts about a read.

    Args:
        read: What the read says.
        schema: The schema of its file.
        rows: All rows of its file, with at least ``document_id`` where the file has one.
    """
    seen = read.documents + len(read.quarantined)
    has_ids = "document_id" in rows.column_names
    distinct = pc.count_distinct(rows.column("document_id"), mode="all").as_py() if has_ids else 0
    return {
        "name": read.name,
        "has_agreed_columns": has_agreed_columns(catalog.collection(read.name), schema),
        "duplicate_ids": rows.num_rows - distinct,
        "quarantined_ratio": len(read.quarantined) / seen if seen else 0.0,
        "has_hash": bool(CONTENT_HASH.fullmatch(read.content_hash or "")),
        "missing_rows": read.documents - rows.num_rows,
    }


def has_agreed_columns(contract: Collection, schema: pa.Schema) -> bool:
    """Say whether a file has exactly the contract's columns, in order and of the agreed types."""
    agreed = arrow_schema(contract)
    return schema.names == agreed.names and all(
        schema.field(name).type == agreed.field(name).type for name in agreed.names
    )


def witnesses(collection: str, rows: pa.Table, ids_of: Ids, *, at_most: int = WITNESSES_AT_MOST) -> pa.Table:
    """Return the rows that rules look at, with one ``… resolves`` column per reference (null where empty).

    Args:
        collection: Contract name.
        rows: The needed columns of all rows.
        ids_of: Gives the document ids of another collection.
        at_most: Rows returned; smaller tables come back whole.
    """
    contract = catalog.collection(collection)
    chosen = rows if rows.num_rows <= at_most else rows.take(_sample(contract, rows, at_most))
    for reference in references_of(collection):
        chosen = chosen.append_column(resolves(reference), _resolved(reference, chosen, ids_of))
    return chosen


def _resolved(reference: Reference, rows: pa.Table, ids_of: Ids) -> pa.Array:
    values = rows.column(reference.column)
    found = pc.is_in(values, value_set=ids_of(reference.target))
    return pc.if_else(pc.is_valid(values), found, pa.scalar(None, pa.bool_()))


def _sample(contract: Collection, rows: pa.Table, at_most: int) -> pa.Array:
    """Return row numbers: an even sample, and the extreme rows of every column with a range."""
    step = -(-rows.num_rows // (at_most // 2))
    chosen: set[int] = set(range(0, rows.num_rows, step))
    for column in contract.columns:
        if column.name in rows.column_names and (column.minimum is not None or column.maximum is not None):
            extremes = pc.min_max(rows.column(column.name)).as_py()
            for value in extremes.values():
                if value is not None:
                    chosen.add(pc.index(rows.column(column.name), value).as_py())
    return pa.array(sorted(chosen), pa.int64())


def fact_table(found: Mapping[str, Mapping[str, Any]]) -> pa.Table:
    """Return the facts of several reads as a table, one row per collection."""
    return pa.Table.from_pylist([dict(row) for row in found.values()])
