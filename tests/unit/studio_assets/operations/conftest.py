"""Tables of a made-up moment, row by row."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from studio_assets.contracts import catalog
from studio_assets.contracts.arrow import arrow_schema
from studio_assets.operations.case import Case
from studio_assets.operations.rules import COLUMNS
from studio_assets.studio_state.predicates import Moment

AS_OF = datetime(2026, 3, 20, 7, tzinfo=UTC)


def tables_of(rows):
    """Return every table with the columns the rules look at, and no others; those nobody names are null."""
    found = {}
    for name in COLUMNS:
        schema = arrow_schema(catalog.collection(name))
        whole = [{field.name: row.get(field.name) for field in schema} for row in rows.get(name, ())]
        nullable = pa.schema([field.with_nullable(True) for field in schema])
        table = pa.Table.from_pylist(whole, schema=nullable)
        found[name] = table.select(["document_id", *COLUMNS[name]])
    return found


@pytest.fixture
def case_of():
    """Return a case of rows by contract name, at a quiet Friday night of March."""

    def make(as_of=AS_OF, **rows):
        return Case(tables_of(rows), Moment(as_of, "America/Phoenix"), "2026-03-19.1")

    return make
