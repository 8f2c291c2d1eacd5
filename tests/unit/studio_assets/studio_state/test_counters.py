"""Each counter, at every threshold and for every quirk the cloud contract names.

Over 400 lines because it is a table: one line for each counter, threshold and quirk.
"""

import tracemalloc
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from studio_assets.contracts import catalog
from studio_assets.studio_state.counters import COUNTERS, REQUIRED_SOURCES, count_state, required_columns
from studio_assets.studio_state.model import MissingSourceError
from tests.unit.studio_assets.studio_state.tables import empty_studio, studio

AS_OF = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)
BEFORE, AFTER = AS_OF - TICK, AS_OF + TICK
PHOENIX = "America/Phoenix"


def count(path, as_of=AS_OF, **collections):
    return count_state(studio(**collections), as_of, PHOENIX).flat()[path]


@pytest.mark.parametrize(
    ("row", "is_closed"),
    [
        ({"state": "CLOSED_PICKED_UP"}, True),
        ({"state": "CLOSED_OTHER"}, True),
        ({"state": "closed_other"}, True),
        ({"state": "READY_FOR_PICKUP"}, False),
        ({"state": "LOADED", "is_closed": True}, True),
        ({"state": "CLOSED_PICKED_UP", "is_closed": False}, True),
        ({"state": "SHELVED", "status": "CLOSED_OTHER"}, False),
        ({"state": "SHELVED", "status": "CLOSED_OTHER", "is_closed": True}, True),
        ({"status": "CLOSED_OTHER"}, True),
        ({"state": "", "status": "Closed"}, True),
        ({"status": "In progress"}, False),
        ({"state": "CLOSED"}, False),
        ({}, False),
    ],
)
def test_a_batch_is_closed_by_flag_or_state_or_legacy_status(row, is_closed):
    """Flag wins, then state; the legacy status speaks only where no state was ever written."""
    assert count("counts.batchesClosed", batches=[row]) == int(is_closed)
    assert count("counts.batchesActive", batches=[row]) == int(not is_closed)


@pytest.mark.parametrize(
    ("row", "is_open"),
    [
        ({"status": "REQUESTED"}, True),
        ({"status": "CONFIRMED"}, True),
        ({"status": "WAITLISTED"}, True),
        ({}, True),
        ({"status": "confirmed"}, True),
        ({"status": "CANCELLED"}, False),
        ({"status": "CANCELED"}, False),
        ({"status": "LOADED"}, False),
        ({"status": "CONFIRMED", "load_status": "loaded"}, True),
        ({"status": "CONFIRMED", "load_status": "loaded", "pickup_window_status": "completed"}, False),
        ({"status": "CONFIRMED", "pickup_window_status": "missed"}, True),
        ({"pickup_window_status": "completed"}, False),
        ({"status": "CONFIRMED", "is_archived": True}, False),
        ({"status": "CONFIRMED", "is_archived": False}, True),
    ],
)
def test_a_reservation_is_open_until_cancelled_picked_up_or_archived(row, is_open):
    """A missing status means REQUESTED; nothing else ends a picked-up reservation than its pickup window."""
    assert count("counts.reservationsOpen", reservations=[row]) == int(is_open)


@pytest.mark.parametrize(
    ("row", "is_counted"),
    [
        ({"status": "scheduled", "end_at": AS_OF}, True),
        ({"status": "scheduled", "end_at": AFTER}, True),
        ({"status": "scheduled", "end_at": BEFORE}, False),
        ({"status": "in-progress", "end_at": AFTER}, True),
        ({"status": "cooling", "end_at": AFTER}, True),
        ({"status": "completed", "end_at": AFTER}, False),
        ({"status": "cancelled", "end_at": AFTER}, False),
        ({"status": "canceled", "end_at": AFTER}, False),
        ({"status": "firing", "end_at": AFTER, "unloaded_at": BEFORE}, False),
        ({"end_at": AFTER}, True),
        ({"status": "scheduled"}, False),
    ],
)
def test_a_firing_counts_while_ahead_or_under_way(row, is_counted):
    """Past rows stay scheduled at the source, so the end and the unloading decide."""
    assert count("counts.firingsScheduled", kiln_firings=[row]) == int(is_counted)


@pytest.mark.parametrize(
    ("row", "opened", "actioned", "high"),
    [
        ({"status": "open", "severity": "high"}, 1, 0, 1),
        ({"status": "triaged", "severity": "high"}, 1, 0, 1),
        ({"status": "actioned", "severity": "high"}, 0, 1, 0),
        ({"status": "resolved", "severity": "high"}, 0, 0, 0),
        ({"status": "dismissed", "severity": "high"}, 0, 0, 0),
        ({"status": "open", "severity": "medium"}, 1, 0, 0),
        ({"status": "open"}, 1, 0, 0),
        ({"severity": "HIGH"}, 1, 0, 1),
    ],
)
def test_reports_are_open_until_somebody_decides(row, opened, actioned, high):
    """Actioned reports are counted apart, and high severity falls when a report is closed."""
    found = count_state(studio(community_reports=[row]), AS_OF, PHOENIX).flat()
    keys = ("counts.reportsOpen", "counts.reportsActioned", "ops.highSeverityReports")
    assert tuple(found[key] for key in keys) == (opened, actioned, high)


@pytest.mark.parametrize(
    ("row", "is_counted"),
    [
        ({"status": "booked", "end_at": AS_OF}, True),
        ({"status": "booked", "end_at": AFTER}, True),
        ({"status": "booked", "end_at": BEFORE}, False),
        ({"status": "waitlisted", "end_at": AFTER}, True),
        ({"status": "cancelled", "end_at": AFTER}, False),
        ({"status": "completed", "end_at": AFTER}, False),
        ({"end_at": AFTER}, False),
        ({"status": "booked"}, False),
    ],
)
def test_a_booking_counts_until_its_slot_ends(row, is_counted):
    """A past booking stays booked at the source."""
    assert count("counts.studioBookingsUpcoming", studio_space_reservations=[row]) == int(is_counted)


@pytest.mark.parametrize(
    ("row", "is_out", "is_overdue"),
    [
        ({"status": "checked_out", "due_at": AFTER}, 1, 0),
        ({"status": "checked_out", "due_at": AS_OF}, 1, 0),
        ({"status": "checked_out", "due_at": BEFORE}, 1, 1),
        ({"status": "return_requested", "due_at": BEFORE}, 1, 1),
        ({"status": "overdue", "due_at": AFTER}, 1, 1),
        ({"status": "overdue"}, 1, 1),
        ({"status": "lost", "due_at": BEFORE}, 0, 0),
        ({"status": "returned", "due_at": BEFORE}, 0, 0),
        ({"due_at": BEFORE}, 0, 0),
    ],
)
def test_a_loan_is_out_and_overdue(row, is_out, is_overdue):
    """Overdue by the clock counts before anybody marks it so."""
    found = count_state(studio(library_loans=[row]), AS_OF, PHOENIX).counts
    assert (found["loansOut"], found["loansOverdue"]) == (is_out, is_overdue)


@pytest.mark.parametrize(
    ("row", "is_counted"),
    [
        ({"status": "published", "start_at": AS_OF}, True),
        ({"status": "published", "start_at": AFTER}, True),
        ({"status": "published", "start_at": BEFORE}, False),
        ({"status": "review_required", "start_at": AFTER}, False),
        ({"status": "draft", "start_at": AFTER}, False),
        ({"status": "cancelled", "start_at": AFTER}, False),
        ({"start_at": AFTER}, False),
    ],
)
def test_an_event_is_upcoming_until_it_begins(row, is_counted):
    """There is no completed status: a past event stays published."""
    assert count("counts.eventsUpcoming", events=[row]) == int(is_counted)


@pytest.mark.parametrize(("status", "expected"), [("new", 1), ("NEW", 1), ("closed", 0), (None, 0)])
def test_support_requests_count_while_new(status, expected):
    assert count("counts.supportRequestsNew", support_requests=[{"status": status}]) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"status": "offline", "is_available": True}, 1),
        ({"status": "maintenance"}, 1),
        ({"status": "idle", "is_available": False}, 0),
        ({}, 0),
    ],
)
def test_a_kiln_is_unavailable_by_status_alone(row, expected):
    """``is_available`` can be true while a kiln is offline, so it is not asked."""
    assert count("counts.kilnsUnavailable", kilns=[row]) == expected


@pytest.mark.parametrize(
    ("status", "pending", "active"),
    [
        ("new", 1, 1),
        ("triaged", 1, 1),
        (None, 1, 1),
        ("accepted", 0, 1),
        ("in_progress", 0, 1),
        ("ready", 0, 1),
        ("fulfilled", 0, 0),
        ("rejected", 0, 0),
        ("cancelled", 0, 0),
    ],
)
def test_agent_requests_by_the_words_the_source_really_writes(status, pending, active):
    """The earlier counter used words no request ever has and was always zero."""
    found = count_state(studio(agent_requests=[{"status": status}]), AS_OF, PHOENIX).ops
    assert (found["agentRequestsPending"], found["agentRequestsActive"]) == (pending, active)


@pytest.mark.parametrize(
    ("row", "is_open"),
    [
        ({"status": "paid", "fulfillment_status": "queued"}, 1),
        ({"status": "paid", "fulfillment_status": "on_hold"}, 1),
        ({"status": "paid"}, 1),
        ({"status": "paid", "fulfillment_status": "picked_up"}, 0),
        ({"status": "paid", "fulfillment_status": "shipped"}, 0),
        ({"status": "exception", "fulfillment_status": "exception"}, 0),
        ({"status": "refunded", "fulfillment_status": "queued"}, 0),
        ({"status": "cancelled", "fulfillment_status": "queued"}, 0),
    ],
)
def test_an_agent_order_is_open_while_work_remains(row, is_open):
    assert count("ops.agentOrdersOpen", agent_orders=[row]) == is_open


DAY_AGO = AS_OF - timedelta(hours=24)


@pytest.mark.parametrize(
    ("row", "pending", "pickup", "stale"),
    [
        ({"status": "checkout_pending", "created_at": AS_OF}, 1, 0, 0),
        ({"status": "checkout_pending", "created_at": DAY_AGO + TICK}, 1, 0, 0),
        ({"status": "checkout_pending", "created_at": DAY_AGO}, 1, 0, 0),
        ({"status": "checkout_pending", "created_at": DAY_AGO - TICK}, 1, 0, 1),
        ({"status": "payment_failed", "created_at": DAY_AGO - TICK}, 1, 0, 1),
        ({"status": "checkout_pending"}, 1, 0, 0),
        ({"status": "payment_failed", "paid_at": BEFORE, "created_at": DAY_AGO - TICK}, 0, 1, 0),
        ({"status": "paid", "payment_status": "payment_pending", "paid_at": BEFORE}, 0, 1, 0),
        ({"status": "paid"}, 0, 1, 0),
        ({"status": "picked_up", "paid_at": BEFORE}, 0, 0, 0),
        ({"status": "refunded", "paid_at": BEFORE}, 0, 0, 0),
        ({"status": "disputed", "paid_at": BEFORE}, 0, 0, 0),
        ({}, 0, 0, 0),
    ],
)
def test_a_materials_order_waits_for_payment_or_pickup(row, pending, pickup, stale):
    """A present ``paid_at`` means paid; a cart is stale only when *more* than 24 hours old."""
    found = count_state(studio(materials_orders=[row]), AS_OF, PHOENIX).finance
    assert (found["pendingOrders"], found["ordersAwaitingPickup"], found["staleCarts"]) == (
        pending,
        pickup,
        stale,
    )


@pytest.mark.parametrize(
    ("signup", "charges", "expected"),
    [
        ("checked_in", [], 1),
        ("checked_in", [{"signup_id": "s1"}], 1),
        ("checked_in", [{"signup_id": "s1", "paid_at": BEFORE}], 0),
        ("checked_in", [{"signup_id": "s1"}, {"signup_id": "s1", "paid_at": BEFORE}], 0),
        ("checked_in", [{"signup_id": "s2", "paid_at": BEFORE}], 1),
        ("checked_in", [{"signup_id": None, "paid_at": BEFORE}], 1),
        ("checked_in", [{"signup_id": "s1", "paid_at": BEFORE, "payment_status": "checkout_pending"}], 0),
        ("ticketed", [], 0),
        ("cancelled", [], 0),
    ],
)
def test_an_event_is_unpaid_when_no_charge_of_the_signup_was_paid(signup, charges, expected):
    """Two charges may stand for one signup, and a late webhook can set a paid charge's status back."""
    rows = [{"document_id": "s1", "status": signup}]
    assert count("finance.unpaidEvents", event_signups=rows, event_charges=charges) == expected


@pytest.mark.parametrize(
    ("order", "charges", "expected"),
    [
        ({"status": "payment_required"}, [], 1),
        ({"status": "payment_pending"}, [], 1),
        ({"status": "payment_pending", "payment_status": "paid_prepay"}, [], 0),
        ({"status": "paid"}, [], 0),
        ({"status": "exception"}, [], 0),
        (
            {"status": "payment_pending", "stripe_payment_intent_id": "pi_1"},
            [{"status": "succeeded", "payment_intent": "pi_1"}],
            0,
        ),
        (
            {"status": "payment_pending", "stripe_payment_intent_id": "pi_1"},
            [{"status": "failed", "payment_intent": "pi_1"}],
            1,
        ),
        ({"status": "payment_pending"}, [{"status": "succeeded", "metadata_agent_order_id": "o1"}], 0),
        ({"status": "payment_pending"}, [{"status": "succeeded", "payment_intent": None}], 1),
    ],
)
def test_an_agent_order_is_unpaid_until_money_came_in(order, charges, expected):
    """Stripe's charge wins over the order, which a late webhook can set back to payment_pending."""
    orders = [{"document_id": "o1", **order}]
    assert count("finance.unpaidAgentOrders", agent_orders=orders, charges=charges) == expected


@pytest.mark.parametrize(
    ("charge", "available_at", "payments", "amount"),
    [
        ({"status": "succeeded", "balance_transaction": "t1"}, AFTER, 1, 8500),
        ({"status": "succeeded", "balance_transaction": "t1"}, AS_OF, 0, 0),
        ({"status": "succeeded", "balance_transaction": "t1"}, BEFORE, 0, 0),
        ({"status": "failed", "balance_transaction": "t1"}, AFTER, 0, 0),
        ({"status": "succeeded", "balance_transaction": None}, AFTER, 0, 0),
        ({"status": "succeeded", "balance_transaction": "t2"}, AFTER, 0, 0),
    ],
)
def test_money_is_unsettled_until_it_is_available(charge, available_at, payments, amount):
    """The ledger's date decides, not its status, so that past days can be counted."""
    ledger = [
        {"document_id": "t1", "amount_cents": 8500, "status": "available", "available_at": available_at},
        {"document_id": "t9", "amount_cents": 77, "status": "pending", "available_at": AFTER},
    ]
    ledger = [{"currency": "USD", **movement} for movement in ledger]
    found = count_state(studio(charges=[charge], balance_transactions=ledger), AS_OF, PHOENIX).finance
    assert (found["unsettledPayments"], found["unsettledCents"]) == (payments, amount)


def test_amounts_of_other_currencies_are_left_out_and_counted():
    """Yen are not cents: only the studio's currency is added up, and a warning says what was left out."""
    charges = [{"status": "succeeded", "balance_transaction": f"t{n}"} for n in range(4)]
    ledger = [
        {"document_id": f"t{n}", "amount_cents": 10**n, "currency": currency, "available_at": AFTER}
        for n, currency in enumerate(["USD", "JPY", None, "usd"])
    ]
    state = count_state(studio(charges=charges, balance_transactions=ledger), AS_OF, PHOENIX)
    assert (state.finance["unsettledPayments"], state.finance["unsettledCents"]) == (4, 1001)
    assert state.warnings == ("finance.unsettledCents is in USD and leaves out 2 in other currencies.",)


WINDOW_START = datetime(2026, 10, 22, 7, 0, tzinfo=UTC)  # local midnight, 29 days before 20 November


@pytest.mark.parametrize(
    ("created_at", "expected"), [(WINDOW_START, 1), (WINDOW_START - TICK, 0), (WINDOW_START + TICK, 1)]
)
@pytest.mark.parametrize("status", ["succeeded", "failed", None])
def test_refunds_and_disputes_count_for_thirty_local_days(created_at, status, expected):
    """By time of making alone: what became of them cannot be rebuilt for a past day."""
    rows = [{"created_at": created_at, "status": status}]
    assert count("finance.refundsLast30Days", refunds=rows) == expected
    assert count("finance.disputesLast30Days", disputes=rows) == expected


def test_the_window_of_a_rebuilt_day_ends_with_that_day():
    """As of the midnight that ends 20 November, the last day is the 20th, not the 21st."""
    midnight = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
    rows = [{"created_at": WINDOW_START, "status": "succeeded"}]
    assert count("finance.refundsLast30Days", as_of=midnight, refunds=rows) == 1


def test_an_empty_studio_counts_zero_everywhere():
    assert set(count_state(empty_studio(), AS_OF, PHOENIX).flat().values()) == {0}


@pytest.mark.parametrize("name", REQUIRED_SOURCES)
def test_a_source_that_was_not_read_is_not_an_empty_source(name):
    """Counting without one of its sources raises and names it."""
    tables = empty_studio()
    del tables[name]
    with pytest.raises(MissingSourceError, match=name):
        count_state(tables, AS_OF, PHOENIX)


def test_every_counter_is_declared_whole_and_once():
    """Paths are unique, columns stand in the contracts, and "not comparable" always has a reason."""
    assert len({counter.path for counter in COUNTERS}) == len(COUNTERS)
    for counter in COUNTERS:
        assert counter.meaning.endswith(".")
        assert counter.predicate.endswith(".")
        assert (counter.question is None) == bool(counter.not_comparable)
        assert {path.partition(".")[0] for path in counter.columns} == set(counter.sources)
        for path in counter.columns:
            collection, _, column = path.partition(".")
            assert column == "document_id" or catalog.collection(collection).column(column)


def test_counters_look_at_the_declared_columns_and_no_others():
    """Loading only the declared columns is enough to count."""
    wanted = required_columns()
    narrow = {name: rows.select(wanted[name]) for name, rows in empty_studio().items()}
    assert count_state(narrow, AS_OF, PHOENIX).flat() == count_state(empty_studio(), AS_OF, PHOENIX).flat()


def test_counting_makes_no_python_object_per_row():
    """Counting is columnar: ten times the rows, and Python's own memory stays where it was."""
    counted, peaks = {}, {}
    for rows in (10_000, 100_000):
        states = ["LOADED", "CLOSED_OTHER", None, "READY_FOR_PICKUP"] * (rows // 4)
        batches = pa.table(
            {
                "document_id": pa.array(map(str, range(rows))),
                "state": pa.array(states),
                "status": pa.array([None, "CLOSED_OTHER"] * (rows // 2)),
                "is_closed": pa.array([None, True, False, False] * (rows // 4)),
            }
        )
        tables = {**empty_studio(), "batches": batches}
        count_state(tables, AS_OF, PHOENIX)
        tracemalloc.start()
        try:
            counted[rows] = count_state(tables, AS_OF, PHOENIX).counts
            peaks[rows] = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert counted[rows]["batchesClosed"] + counted[rows]["batchesActive"] == rows
    assert peaks[100_000] < peaks[10_000] + 100_000
