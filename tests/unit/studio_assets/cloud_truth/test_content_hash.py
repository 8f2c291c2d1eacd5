"""The content hash: the same for the same rows, another for anything else."""

from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from studio_assets.cloud_truth.content_hash import ContentHash
from studio_assets.cloud_truth.rows import RowReader
from studio_assets.contracts.catalog import collection

NOON = datetime(2026, 4, 27, 12, tzinfo=UTC)
SPACES = collection("studio_space_reservations")
BOOKING = {
    "spaceId": "wheel",
    "slotDateKey": "2026-04-27",
    "startAt": NOON,
    "quantity": 2,
    "status": "booked",
}


def rows(contract, *documents):
    return RowReader(contract).read([f"d{number:04}" for number in range(len(documents))], documents)


def digest(contract, *batches):
    content = ContentHash(contract)
    for batch in batches:
        content.update(batch)
    return content.hexdigest()


def test_it_is_pinned():
    """Stored hashes stay comparable: another canonical form needs another SCHEMA_VERSION, and this line."""
    assert digest(SPACES, rows(SPACES, BOOKING, {})) == (
        "a31d3764598fdaad7460febc102e762be33c9bd53eacebe406a4a2abd2867702"
    )


def test_batches_do_not_matter():
    """The rows count, not how they were cut."""
    many = rows(SPACES, *[{**BOOKING, "quantity": number % 40} for number in range(5000)])
    parts = [many.slice(0, 1), many.slice(1, 2999), many.slice(3000), many.slice(0, 0)]
    assert digest(SPACES, many) == digest(SPACES, *parts)


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": 3},
        {"quantity": None},
        {"startAt": NOON.replace(microsecond=1)},
        {"slotDateKey": "2026-04-28"},
        {"spaceId": "wheel "},
        {"status": "cancelled"},
    ],
    ids=str,
)
def test_every_value_counts(change):
    assert digest(SPACES, rows(SPACES, BOOKING)) != digest(SPACES, rows(SPACES, {**BOOKING, **change}))


def test_order_and_repetition_count():
    both = rows(SPACES, BOOKING, {})
    assert digest(SPACES, both) != digest(SPACES, both.take(pa.array([1, 0])))
    assert digest(SPACES, both) != digest(SPACES, both, both)


def test_contracts_have_different_hashes_of_nothing():
    """An empty collection of one kind is not an empty collection of another."""
    kilns, reports = collection("kilns"), collection("community_reports")
    assert digest(kilns) != digest(reports)
    assert digest(kilns) != digest(replace(kilns, columns=kilns.columns[:-1]))


def test_quantities_hash_by_value():
    """2 and 2.0 and -0.0 and 0 are the same quantities; 0.1 + 0.2 is not 0.3."""
    contract = collection("reservations")
    one, same, other, another = (
        digest(contract, rows(contract, {"estimatedHalfShelves": first}, {"estimatedHalfShelves": second}))
        for first, second in ((2, -0.0), (2.0, 0), (2, 0.30000000000000004), (2, 0.3))
    )
    assert one == same
    assert len({one, other, another}) == 3
    zero = rows(contract, {"estimatedHalfShelves": 0})
    place = zero.schema.names.index("estimated_half_shelves")
    negative_zero = zero.set_column(place, zero.schema.field(place), pa.array([-0.0]))
    assert digest(contract, zero) == digest(contract, negative_zero)
