"""However a collection changes, reading its changes ends where reading all of it ends."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.raw_store import RawStore
from resources.rows import Completeness, ReadMode
from studio_assets.cloud_truth.incremental import read_changes
from studio_assets.cloud_truth.read import read_collection
from studio_assets.contracts.catalog import collection
from tests.unit.studio_assets.cloud_truth.documents import START, InMemoryDocuments
from tests.unit.studio_assets.cloud_truth.strategies import documents

IDS = st.sampled_from(["a", "b", "ba", "c", "Ä", "日"])


@st.composite
def steps(draw, contract):
    """Return one event between two reads: a write that stamps the change time or not, or a deletion."""
    kind = draw(st.sampled_from(["write", "write", "write", "sloppy", "delete"]))
    fields = draw(documents(contract, leave_out=("updated_at",))) if kind != "delete" else None
    return kind, draw(IDS), fields, draw(st.integers(0, 4000))


@pytest.mark.parametrize("name", ["batches", "community_reports", "event_charges"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_changes_end_where_the_whole_ends(fresh_root, name, data):
    """Same rows, hash, set-aside documents, watermark; creations, deletions, bad documents included."""
    contract = collection(name)
    source, raw, base = InMemoryDocuments(), RawStore(fresh_root()), None
    for _ in range(data.draw(st.integers(2, 4))):
        for kind, document_id, fields, pause in data.draw(st.lists(steps(contract), max_size=5)):
            stamp = source.tick(seconds=pause)
            if kind == "write":
                fields["updatedAt"] = stamp
            source.put(contract.path, document_id, fields)
        request = {"studio_id": "s", "snapshot_date": START.date(), "read_at": source.tick(seconds=1)}
        whole = read_collection(source, contract, RawStore(fresh_root()), **request)
        changes = read_changes(source, contract, raw, base=base, **request)
        assert changes.completeness is whole.completeness is Completeness.FULL
        assert changes.content_hash == whole.content_hash
        assert changes.documents == whole.documents
        assert changes.expected_documents == whole.expected_documents
        assert sorted(map(repr, changes.quarantined)) == sorted(map(repr, whole.quarantined))
        assert (changes.watermark_at, changes.newest_source_at) == (
            whole.watermark_at,
            whole.newest_source_at,
        )
        if changes.mode is ReadMode.FULL:
            assert any(warning.startswith("read whole: ") for warning in changes.warnings)
        base = changes


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_well_kept_collections_are_never_read_whole_again(fresh_root, data):
    """When every writer stamps the change time and nothing is deleted, only changes are read."""
    contract = collection("agent_requests")
    source, raw = InMemoryDocuments(), RawStore(fresh_root())
    request = {"studio_id": "s", "snapshot_date": START.date()}
    for number in range(20):
        source.put(contract.path, f"old{number:02}", {"status": "new", "updatedAt": source.now})
    source.tick(hours=1)
    base = read_collection(source, contract, raw, read_at=source.tick(), **request)
    touched = set()
    for document_id in data.draw(st.lists(st.sampled_from(["old03", "old19", "new1", "new2"]), max_size=4)):
        source.put(
            contract.path, document_id, {"status": "ready", "updatedAt": source.now + timedelta(seconds=1)}
        )
        touched.add(document_id)
    changes = read_changes(source, contract, raw, base=base, read_at=source.tick(), **request)
    assert changes.mode is ReadMode.INCREMENTAL
    # The overlap reaches back to the newest of the old documents, all written within it, and no further.
    assert changes.billed_reads <= 20 + len(touched) + 3
    whole = read_collection(source, contract, raw, read_at=source.now, **request)
    assert changes.content_hash == whole.content_hash
