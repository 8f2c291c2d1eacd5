"""Documents become rows, and what does not fit is told by id, path and reason."""

from datetime import UTC, datetime

import pytest

from resources.firestore.gateway import DocumentBatch
from resources.rows import QuarantinedDocument
from studio_assets.cloud_truth.cell_rules import cents_of
from studio_assets.cloud_truth.rows import RowReader
from studio_assets.contracts.catalog import collection

NOON = datetime(2026, 4, 27, 12, tzinfo=UTC)


def test_dotted_paths_and_missing_maps():
    """A field inside a map is read wherever the map is; without the map it is null."""
    reader = RowReader(collection("reservations"))
    rows = reader.read(
        ["a", "b", "c"],
        [{"pickupWindow": {"status": "Completed", "confirmedEnd": NOON}}, {}, {"pickupWindow": "gone"}],
    )
    assert rows.column("pickup_window_status").to_pylist() == ["completed", None, None]
    assert rows.column("pickup_window_confirmed_end").to_pylist() == [NOON, None, None]
    assert reader.quarantined == []


def test_a_document_is_set_aside_once_for_its_first_fault():
    """Counting documents needs one entry each, however many fields are wrong."""
    reader = RowReader(collection("batches"))
    rows = reader.read(["a", "b"], [{"ownerUid": 7, "estimatedCostCents": -1}, {"ownerUid": "u"}])
    assert rows.column("document_id").to_pylist() == ["b"]
    assert reader.quarantined == [QuarantinedDocument("a", "ownerUid", "has a value of the wrong type")]


def test_tally_adds_up_over_batches():
    """One reader serves one read of many batches."""
    reader = RowReader(collection("kilns"))
    for number in range(3):
        reader.read([f"k{number}"], [{"status": "Resting", "updatedAt": NOON.replace(minute=number)}])
        reader.read([f"x{number}"], [{"name": 1}])
    assert reader.warnings == {"status: value not in the contract, kept": 3}
    assert [one.document_id for one in reader.quarantined] == ["x0", "x1", "x2"]
    assert reader.newest_at("updated_at") == NOON.replace(minute=2)


def test_newest_looks_only_at_kept_rows():
    """A document that is set aside does not say how fresh the rows are."""
    reader = RowReader(collection("kilns"))
    reader.read(["a", "b"], [{"updatedAt": NOON}, {"updatedAt": NOON.replace(year=2027), "name": 1}])
    assert reader.newest_at("updated_at") == NOON
    with pytest.raises(KeyError):
        reader.newest_at("name")


def test_newest_of_nothing_is_nothing():
    reader = RowReader(collection("kilns"))
    assert reader.read([], []).num_rows == 0
    assert reader.newest_at("updated_at") is None


def test_epoch_seconds_are_stripes_own_form():
    """Stripe's instants are numbers by design, so they are taken in bulk and not warned about."""
    reader = RowReader(collection("refunds"))
    refund = {"amount": 500, "currency": "usd", "status": "succeeded", "created": int(NOON.timestamp())}
    rows = reader.read(["re_1", "re_2"], [refund, {**refund, "created": 0}])
    assert rows.column("created_at").to_pylist() == [NOON]
    assert rows.column("currency").to_pylist() == ["USD"]
    assert reader.warnings == {}
    assert reader.quarantined == [
        QuarantinedDocument("re_2", "created", "lies outside the years 2000 to 2100")
    ]


def test_required_columns_set_documents_aside():
    reader = RowReader(collection("refunds"))
    assert reader.read(["re_1"], [{"amount": 500, "currency": "usd"}]).num_rows == 0
    assert reader.quarantined == [QuarantinedDocument("re_1", "created", "is missing")]


def test_a_batch_without_columns_is_read_from_its_records():
    """Sources need not offer columns."""
    batch = DocumentBatch(["k"], [{"name": "Kiln A"}])
    assert RowReader(collection("kilns")).read_batch(batch).column("name").to_pylist() == ["Kiln A"]


def test_dollars_round_alike_in_bulk_and_one_by_one():
    """Halves of a cent fall where their decimal text says, however many values are read at once."""
    amounts = [mills / 1000 for mills in range(20_000)]
    rows = RowReader(collection("reservations")).read(
        [f"{number:05}" for number in range(len(amounts))], [{"estimatedCost": amount} for amount in amounts]
    )
    assert rows.column("estimated_cost_cents").to_pylist() == [cents_of(amount) for amount in amounts]


def test_reading_twice_gives_equal_rows():
    """Reading is a function of the documents; what a reader learnt before does not matter."""
    documents = (["a", "b"], [{"status": "RESTING", "isAvailable": True}, {"status": "idle"}])
    reader = RowReader(collection("kilns"))
    assert reader.read(*documents).equals(reader.read(*documents))
    assert reader.read(*documents).equals(RowReader(collection("kilns")).read(*documents))
