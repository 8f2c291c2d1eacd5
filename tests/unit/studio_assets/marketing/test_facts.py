"""Facts are certain, come from named rows, and none comes from anything but a full, fresh snapshot."""

from datetime import timedelta
from typing import Any

import pytest

from studio_assets.contracts import catalog
from studio_assets.contracts.model import PersonalData
from studio_assets.marketing.facts import COLUMNS, NotPublishableError, basis_of, fact_sheet
from tests.unit.studio_assets.marketing.studio_rows import NOW, basis, event, firing, sheet, tables


def _payload(**changes: Any) -> dict[str, Any]:
    payload = {
        "snapshotDate": "2026-03-04",
        "asOf": "2026-03-04T18:00:00.000000Z",
        "timezone": "America/Phoenix",
        "counts": {"eventsUpcoming": 2, "firingsScheduled": 1},
        "sources": {name: {"hash": "b" * 64, "completeness": "full"} for name in COLUMNS},
        "diagnostics": {"completeness": "full"},
    }
    return payload | changes


def test_every_fact_names_its_row_and_the_revision_it_was_read_at():
    found = sheet([event("e1", "Raku night")], [firing("f1")]).by_id()
    assert {(fact.asset, fact.row, fact.revision) for fact in found.values()} == {
        ("cloud_truth/events", "e1", "a" * 64),
        ("cloud_truth/kiln_firings", "f1", "a" * 64),
        ("cloud_truth/kilns", "k1", "a" * 64),
        ("studio_state/snapshot", "counts.eventsUpcoming", "2026-03-04/7"),
        ("studio_state/snapshot", "counts.firingsScheduled", "2026-03-04/7"),
    }


def test_free_seats_are_what_capacity_leaves():
    row = sheet([event("e1", "Raku night", offered_count=2)]).events[0]
    assert row.facts["free_seats"].value == 16 - 3 - 2


@pytest.mark.parametrize(
    "changes",
    [{"ticketed_count": 4}, {"ticketed_count": None}, {"capacity": 0}, {"capacity": None}],
    ids=["counts differ", "no count", "no seats", "no capacity"],
)
def test_no_seats_are_told_where_two_stories_are_told(changes):
    rows = [event("e1", "Raku night", **changes)]
    signups = [{"event_id": "e1", "status": "ticketed"}] * 3
    facts = fact_sheet(tables(rows, signups=signups), basis()).events[0].facts
    assert "free_seats" not in facts


@pytest.mark.parametrize(
    "row",
    [
        event("e1", "Raku night", status="draft"),
        event("e1", "Raku night", status="review_required"),
        event("e1", "Raku night", status="cancelled"),
        event("e1", "Raku night", in_days=-1),
        event("e1", "Raku night", start_at=None),
    ],
    ids=["draft", "in review", "cancelled", "past", "without a date"],
)
def test_only_published_events_ahead_are_told(row):
    assert sheet([row]).events == ()


@pytest.mark.parametrize(
    "row",
    [
        firing("f1", status="cancelled"),
        firing("f1", unloaded_at=NOW),
        firing("f1", cycle_type="custom"),
        firing("f1", end_at=NOW),
        firing("f1", in_days=-1),
    ],
)
def test_only_firings_that_are_surely_ahead_are_told(row):
    assert sheet([], [row]).firings == ()


def test_a_firing_in_a_kiln_that_is_out_of_order_is_not_told():
    rows = tables([], [firing("f1")], [{"document_id": "k1", "name": "Raku", "status": "maintenance"}])
    assert fact_sheet(rows, basis()).firings == ()


def test_prices_of_other_currencies_are_not_told():
    assert "price" not in sheet([event("e1", "Raku night", currency="EUR")]).events[0].facts


def test_a_full_fresh_snapshot_is_a_basis():
    made = basis_of(_payload(), 3, now=NOW + timedelta(minutes=5), stale_minutes=30)
    assert (made.revision, made.counters["counts.eventsUpcoming"]) == (3, 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"diagnostics": {"completeness": "partial"}},
        {"diagnostics": {}},
        {"sources": {name: {"hash": "b", "completeness": "partial"} for name in COLUMNS}},
        {"sources": {"events": {"hash": "b", "completeness": "full"}}},
    ],
    ids=["partial", "unknown", "one source partial", "a source missing"],
)
def test_nothing_is_taken_from_a_partial_snapshot(changes):
    with pytest.raises(NotPublishableError, match="not full"):
        basis_of(_payload(**changes), 1, now=NOW, stale_minutes=30)


def test_nothing_is_taken_from_a_stale_snapshot():
    with pytest.raises(NotPublishableError, match="minutes ago"):
        basis_of(_payload(), 1, now=NOW + timedelta(minutes=31), stale_minutes=30)


def test_no_column_that_is_read_names_a_member():
    """The contract's own classes say so, for every column of every collection."""
    contracts = {contract.name: contract for contract in catalog.ALL}
    for name, columns in COLUMNS.items():
        for column in set(columns) - {"document_id"}:
            assert contracts[name].column(column).personal_data is PersonalData.NONE
