"""Every counter of StudioState, declared once: meaning, predicate, sources, and its server question.

The data dictionary, the snapshot, the drift report and the tests are all built from this list. How a
predicate is computed is in ``predicates``; how the source is asked the same is in ``server_counts``.
"""

from collections.abc import Mapping
from datetime import datetime

import pyarrow as pa

from studio_assets.cloud_truth.cell_rules import INT64_MAX, INT64_MIN
from studio_assets.studio_state import predicates, server_counts
from studio_assets.studio_state.model import (
    SECTIONS,
    Counter,
    MissingSourceError,
    StateCounts,
    TooMuchToKeepError,
)
from studio_assets.studio_state.predicates import Moment, Tables

_STRIPE_CANNOT_COUNT = "Stripe has no counting endpoint."

COUNTERS: tuple[Counter, ...] = (
    Counter(
        "counts",
        "batchesActive",
        "Work that is somewhere between check-in and pick-up.",
        "Batches that are not closed (see batchesClosed).",
        ("batches",),
        ("batches.is_closed", "batches.state", "batches.status"),
        predicates.batches_active,
        server_counts.batches_active,
    ),
    Counter(
        "counts",
        "batchesClosed",
        "Work that has been handed back or cleaned up.",
        "is_closed is true, or state starts with CLOSED_, or state is missing and status starts with CLOSED.",
        ("batches",),
        ("batches.is_closed", "batches.state", "batches.status"),
        predicates.batches_closed,
        server_counts.batches_closed,
    ),
    Counter(
        "counts",
        "reservationsOpen",
        "Kiln-capacity requests that still claim capacity.",
        "status is REQUESTED, CONFIRMED, WAITLISTED or missing, and pickup_window_status is not completed, "
        "and is_archived is not true.",
        ("reservations",),
        ("reservations.status", "reservations.pickup_window_status", "reservations.is_archived"),
        predicates.reservations_open,
        server_counts.reservations_open,
    ),
    Counter(
        "counts",
        "firingsScheduled",
        "Firings ahead or under way.",
        "status is not completed or cancelled, unloaded_at is missing, and end_at is at or after as-of.",
        ("kiln_firings",),
        ("kiln_firings.status", "kiln_firings.unloaded_at", "kiln_firings.end_at"),
        predicates.firings_scheduled,
        not_comparable="Firestore cannot count documents whose unloadedAt is absent.",
    ),
    Counter(
        "counts",
        "reportsOpen",
        "Moderation reports nobody has decided on.",
        "status is open, triaged or missing.",
        ("community_reports",),
        ("community_reports.status",),
        predicates.reports_open,
        server_counts.reports_open,
    ),
    Counter(
        "counts",
        "reportsActioned",
        "Moderation reports acted on and not yet resolved.",
        "status is actioned.",
        ("community_reports",),
        ("community_reports.status",),
        predicates.reports_actioned,
        server_counts.reports_actioned,
    ),
    Counter(
        "counts",
        "studioBookingsUpcoming",
        "Bookings of studio spaces under way or ahead.",
        "status is booked or waitlisted, and end_at is at or after as-of.",
        ("studio_space_reservations",),
        ("studio_space_reservations.status", "studio_space_reservations.end_at"),
        predicates.studio_bookings_upcoming,
        server_counts.studio_bookings_upcoming,
        index="studioSpaceReservations(status, endAt)",
    ),
    Counter(
        "counts",
        "loansOut",
        "Library items in members' hands.",
        "status is checked_out, return_requested or overdue.",
        ("library_loans",),
        ("library_loans.status",),
        predicates.loans_out,
        server_counts.loans_out,
    ),
    Counter(
        "counts",
        "loansOverdue",
        "Library items that should be back.",
        "status is overdue, or the loan is out and due_at is before as-of.",
        ("library_loans",),
        ("library_loans.status", "library_loans.due_at"),
        predicates.loans_overdue,
        server_counts.loans_overdue,
        index="libraryLoans(status, dueAt)",
    ),
    Counter(
        "counts",
        "eventsUpcoming",
        "Published events that have not begun.",
        "status is published and start_at is at or after as-of.",
        ("events",),
        ("events.status", "events.start_at"),
        predicates.events_upcoming,
        server_counts.events_upcoming,
        index="events(status, startAt)",
    ),
    Counter(
        "counts",
        "supportRequestsNew",
        "Messages to support; workshop interest clicks are among them.",
        "status is new.",
        ("support_requests",),
        ("support_requests.status",),
        predicates.support_requests_new,
        server_counts.support_requests_new,
    ),
    Counter(
        "counts",
        "kilnsUnavailable",
        "Kilns that cannot fire.",
        "status is maintenance or offline, whatever is_available says.",
        ("kilns",),
        ("kilns.status",),
        predicates.kilns_unavailable,
        server_counts.kilns_unavailable,
    ),
    Counter(
        "ops",
        "highSeverityReports",
        "Open reports of high severity.",
        "severity is high and status is open, triaged or missing.",
        ("community_reports",),
        ("community_reports.severity", "community_reports.status"),
        predicates.high_severity_reports,
        server_counts.high_severity_reports,
    ),
    Counter(
        "ops",
        "agentRequestsPending",
        "Requests nobody has accepted.",
        "status is new, triaged or missing.",
        ("agent_requests",),
        ("agent_requests.status",),
        predicates.agent_requests_pending,
        server_counts.agent_requests_pending,
    ),
    Counter(
        "ops",
        "agentRequestsActive",
        "Requests that are not closed, pending ones included.",
        "status is new, triaged, accepted, in_progress, ready or missing.",
        ("agent_requests",),
        ("agent_requests.status",),
        predicates.agent_requests_active,
        server_counts.agent_requests_active,
    ),
    Counter(
        "ops",
        "agentOrdersOpen",
        "Agent orders with work still to do.",
        "fulfillment_status is not picked_up, shipped or exception, and status is not refunded or cancelled.",
        ("agent_orders",),
        ("agent_orders.fulfillment_status", "agent_orders.status"),
        predicates.agent_orders_open,
        server_counts.agent_orders_open,
    ),
    Counter(
        "finance",
        "pendingOrders",
        "Materials orders nobody has paid.",
        "status is checkout_pending or payment_failed, and paid_at is missing.",
        ("materials_orders",),
        ("materials_orders.status", "materials_orders.paid_at"),
        predicates.pending_orders,
        server_counts.pending_orders,
        index="materialsOrders(status, paidAt)",
    ),
    Counter(
        "finance",
        "ordersAwaitingPickup",
        "Materials orders paid and not collected.",
        "status is paid, or checkout_pending or payment_failed although paid_at is set (a late webhook).",
        ("materials_orders",),
        ("materials_orders.status", "materials_orders.paid_at"),
        predicates.orders_awaiting_pickup,
        server_counts.orders_awaiting_pickup,
        index="materialsOrders(status, paidAt)",
    ),
    Counter(
        "finance",
        "staleCarts",
        "Unpaid materials orders begun more than a day ago.",
        "As pendingOrders, and created_at is more than 24 hours before as-of.",
        ("materials_orders",),
        ("materials_orders.status", "materials_orders.paid_at", "materials_orders.created_at"),
        predicates.stale_carts,
        not_comparable="Firestore would need ranges over createdAt and paidAt at once.",
    ),
    Counter(
        "finance",
        "unpaidEvents",
        "People who came to an event and have not paid.",
        "Signup status is checked_in and no event charge of that signup has paid_at.",
        ("event_signups", "event_charges"),
        ("event_signups.status", "event_charges.signup_id", "event_charges.paid_at"),
        predicates.unpaid_events,
        not_comparable="Firestore cannot join two collections.",
        unit="signups",
    ),
    Counter(
        "finance",
        "unpaidAgentOrders",
        "Agent orders for which no money came in.",
        "status is payment_required or payment_pending, payment_status is not paid, and no succeeded Stripe "
        "charge belongs to the order's payment intent or names the order.",
        ("agent_orders", "charges"),
        (
            "agent_orders.status",
            "agent_orders.payment_status",
            "agent_orders.stripe_payment_intent_id",
            "charges.status",
            "charges.payment_intent",
            "charges.metadata_agent_order_id",
            "charges.metadata_order_id",
        ),
        predicates.unpaid_agent_orders,
        not_comparable="The answer joins Firestore with Stripe.",
        unit="orders",
    ),
    Counter(
        "finance",
        "unsettledPayments",
        "Payments made whose money cannot be paid out yet.",
        "The charge succeeded and its balance transaction's available_at is after as-of.",
        ("charges", "balance_transactions"),
        ("charges.status", "charges.balance_transaction", "balance_transactions.available_at"),
        predicates.unsettled_payments,
        not_comparable=_STRIPE_CANNOT_COUNT,
        unit="charges",
    ),
    Counter(
        "finance",
        "unsettledCents",
        "Gross amount of the unsettled payments in US dollars; a warning counts those in other currencies.",
        "Sum of balance_transactions.amount_cents over unsettledPayments whose currency is USD.",
        ("charges", "balance_transactions"),
        (
            "charges.status",
            "charges.balance_transaction",
            "balance_transactions.available_at",
            "balance_transactions.amount_cents",
            "balance_transactions.currency",
        ),
        predicates.unsettled_cents,
        not_comparable=_STRIPE_CANNOT_COUNT,
        unit="cents",
    ),
    Counter(
        "finance",
        "disputesLast30Days",
        "Disputes begun on the last 30 studio-local days, today included, whatever became of them.",
        "created_at is on one of the last 30 studio-local days.",
        ("disputes",),
        ("disputes.created_at",),
        predicates.disputes_last_30_days,
        not_comparable=_STRIPE_CANNOT_COUNT,
        unit="disputes",
    ),
    Counter(
        "finance",
        "refundsLast30Days",
        "Refunds made on the last 30 studio-local days, today included, whatever became of them.",
        "created_at is on one of the last 30 studio-local days.",
        ("refunds",),
        ("refunds.created_at",),
        predicates.refunds_last_30_days,
        not_comparable=_STRIPE_CANNOT_COUNT,
        unit="refunds",
    ),
)

REQUIRED_SOURCES: tuple[str, ...] = tuple(sorted({name for counter in COUNTERS for name in counter.sources}))
"""Contract names without which no snapshot can be made."""


def required_columns() -> dict[str, list[str]]:
    """Return contract name -> the columns counters look at; the rest of a file need not be loaded."""
    found: dict[str, set[str]] = {name: {"document_id"} for name in REQUIRED_SOURCES}
    for counter in COUNTERS:
        for path in counter.columns:
            collection, _, column = path.partition(".")
            found[collection].add(column)
    return {name: sorted(columns) for name, columns in found.items()}


def count_state(tables: Mapping[str, pa.Table], as_of: datetime, timezone: str) -> StateCounts:
    """Compute every counter from the tables of one moment.

    Args:
        tables: Contract name -> rows with at least the columns of :func:`required_columns`. A table without
            rows is an empty collection and counts zero; a missing table is a source that was not read.
        as_of: The instant the counters describe, aware UTC.
        timezone: The studio's time zone, for windows of studio-local days.

    Raises:
        MissingSourceError: when a source that a counter needs was not handed in.
        TooMuchToKeepError: when a counter does not fit into the whole numbers of 64 bits that are kept.
    """
    missing = [name for name in REQUIRED_SOURCES if name not in tables]
    if missing:
        raise MissingSourceError(f"No rows were handed in for {', '.join(missing)}; nothing can be counted.")
    moment = Moment(as_of, timezone)
    sections: dict[str, dict[str, int]] = {section: {} for section in SECTIONS}
    for counter in COUNTERS:
        sections[counter.section][counter.name] = counter.count(tables, moment)
    _refuse_too_much(sections)
    return StateCounts(as_of, **sections, warnings=_warnings(tables, moment))


def _refuse_too_much(sections: Mapping[str, Mapping[str, int]]) -> None:
    problems = []
    for counter in COUNTERS:
        value = sections[counter.section][counter.name]
        if not INT64_MIN <= value <= INT64_MAX:
            where = ", ".join(column for column in counter.columns if column.endswith("_cents"))
            problems.append(
                f"{counter.path} is {value:,} {counter.unit}, more than can be kept. Look in {where} for "
                "amounts that cannot be."
            )
    if problems:
        raise TooMuchToKeepError(problems)


def _warnings(tables: Tables, moment: Moment) -> tuple[str, ...]:
    left_out = predicates.unsettled_in_other_currencies(tables, moment)
    if not left_out:
        return ()
    currency = predicates.STUDIO_CURRENCY.upper()
    return (f"finance.unsettledCents is in {currency} and leaves out {left_out} in other currencies.",)
