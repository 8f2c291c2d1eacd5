"""Tables of contract columns from plain rows, for tests of everything that counts."""

import pyarrow as pa

from studio_assets.contracts import catalog
from studio_assets.contracts.arrow import arrow_schema
from studio_assets.studio_state.counters import REQUIRED_SOURCES


def table(name, rows):
    """Return the contract's table of ``rows``; absent columns are null, ids are numbered where absent."""
    schema = arrow_schema(catalog.collection(name))
    full = [{"document_id": f"{name}-{number:03}", **row} for number, row in enumerate(rows)]
    assert all(set(row) <= set(schema.names) for row in full), "a test row names a column the contract lacks"
    columns = {field.name: pa.array([row.get(field.name) for row in full], field.type) for field in schema}
    return pa.table(columns, schema=schema)


def empty_studio():
    """Return every table counters need, without rows."""
    return {name: table(name, []) for name in REQUIRED_SOURCES}


def studio(**collections):
    """Return every table counters need, with the given rows."""
    return {**empty_studio(), **{name: table(name, rows) for name, rows in collections.items()}}
