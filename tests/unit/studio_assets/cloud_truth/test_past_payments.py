"""Reads of past days leave out what only the present tells, and no counter misses it."""

from datetime import UTC, datetime

import pytest

from resources.stripe.gateway import ListStats
from studio_assets.cloud_truth.past_payments import PRESENT_ONLY, PastPayments
from studio_assets.contracts import catalog
from studio_assets.studio_state.counters import COUNTERS

UNTIL = datetime(2026, 11, 20, tzinfo=UTC)


class Recorded:
    def __init__(self, page):
        self.page = page
        self.asked = []

    def list_objects(self, object_type, *, created_before, created_from=None, stats):
        self.asked.append((object_type, created_before, created_from, stats))
        yield self.page


@pytest.mark.parametrize("object_type", sorted(PRESENT_ONLY))
def test_fields_of_the_present_are_left_out_and_nothing_else(object_type):
    record = {"id": "x_1", "amount": 5, **dict.fromkeys(PRESENT_ONLY[object_type], "now")}
    source, stats = Recorded([record]), ListStats()
    pages = list(PastPayments(source).list_objects(object_type, created_before=UNTIL, stats=stats))
    if object_type != "charges":
        assert pages == [[{"id": "x_1", "amount": 5}]]
    assert pages[0][0].keys() == record.keys() - PRESENT_ONLY[object_type]
    assert source.asked == [(object_type, UNTIL, None, stats)]


def test_every_field_is_an_optional_column_of_its_contract():
    """A left-out field must read as null, never quarantine the object."""
    for name, fields in PRESENT_ONLY.items():
        columns = {column.path: column for column in catalog.collection(name).columns}
        assert fields <= columns.keys()
        assert not [path for path in fields if columns[path].is_required]


def test_no_counter_looks_at_a_field_of_the_present():
    """Otherwise a rebuilt day would be counted differently from the day itself."""
    hidden = {
        f"{name}.{column.name}"
        for name, fields in PRESENT_ONLY.items()
        for column in catalog.collection(name).columns
        if column.path in fields
    }
    assert not [counter.path for counter in COUNTERS if hidden & set(counter.columns)]
