"""Whatever the documents hold, the reader says what a plain, slow, separate reading says."""

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio_assets.cloud_truth.content_hash import ContentHash
from studio_assets.cloud_truth.rows import RowReader
from studio_assets.contracts.catalog import FIRESTORE
from studio_assets.contracts.model import Kind
from tests.unit.studio_assets.cloud_truth.naive import naive_hash, naive_rows
from tests.unit.studio_assets.cloud_truth.strategies import documents


def plain_rows(contract, batch):
    """Return a record batch as the naive reading writes rows."""
    columns = [batch.column(0).to_pylist()]
    for place, column in enumerate(contract.columns, start=1):
        array = batch.column(place)
        columns.append((array.cast(pa.int64()) if column.kind is Kind.INSTANT else array).to_pylist())
    return [list(row) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize("contract", FIRESTORE, ids=lambda contract: contract.name)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_reader_equals_a_naive_reading(contract, data):
    """Rows, set-aside documents and content hash agree, however the documents are cut into batches."""
    found = data.draw(
        st.dictionaries(st.text("abcé日", min_size=1, max_size=3), documents(contract), max_size=6)
    )
    cut = data.draw(st.integers(0, len(found)))
    ids = sorted(found)
    reader, content = RowReader(contract), ContentHash(contract)
    rows = []
    for part in (ids[:cut], ids[cut:]):
        batch = reader.read(part, [found[document_id] for document_id in part])
        assert batch.schema.equals(reader.schema, check_metadata=True)
        content.update(batch)
        rows += plain_rows(contract, batch)
    expected, bad = naive_rows(contract, found)
    assert rows == expected
    assert sorted(one.document_id for one in reader.quarantined) == sorted(bad)
    assert content.hexdigest() == naive_hash(contract, found)
