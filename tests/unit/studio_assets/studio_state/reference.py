"""The counters once more, as slow plain loops over plain rows; shares nothing with the code it checks."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


def low(value):
    return (value or "").strip().lower()


def count_naively(studio, as_of, timezone):
    """Return ``{path: number}`` for every counter, from ``{collection: [row, ...]}``."""
    found = {}

    def tally(path, rows, holds):
        found[path] = len([row for row in rows if holds(row)])

    def closed(row):
        if row["is_closed"]:
            return True
        if low(row["state"]):
            return low(row["state"]).startswith("closed_")
        return low(row["status"]).startswith("closed")

    tally("counts.batchesActive", studio["batches"], lambda r: not closed(r))
    tally("counts.batchesClosed", studio["batches"], closed)
    tally(
        "counts.reservationsOpen",
        studio["reservations"],
        lambda r: (
            low(r["status"]) in {"", "requested", "confirmed", "waitlisted"}
            and low(r["pickup_window_status"]) != "completed"
            and r["is_archived"] is not True
        ),
    )
    tally(
        "counts.firingsScheduled",
        studio["kiln_firings"],
        lambda r: (
            low(r["status"]) not in {"completed", "cancelled", "canceled"}
            and r["unloaded_at"] is None
            and r["end_at"] is not None
            and not r["end_at"] < as_of
        ),
    )
    reports = studio["community_reports"]
    undecided = [r for r in reports if low(r["status"]) in {"", "open", "triaged"}]
    found["counts.reportsOpen"] = len(undecided)
    tally("counts.reportsActioned", reports, lambda r: low(r["status"]) == "actioned")
    tally("ops.highSeverityReports", undecided, lambda r: low(r["severity"]) == "high")
    tally(
        "counts.studioBookingsUpcoming",
        studio["studio_space_reservations"],
        lambda r: low(r["status"]) in {"booked", "waitlisted"} and r["end_at"] and r["end_at"] >= as_of,
    )
    out = [
        r
        for r in studio["library_loans"]
        if low(r["status"]) in {"checked_out", "return_requested", "overdue"}
    ]
    found["counts.loansOut"] = len(out)
    tally(
        "counts.loansOverdue", out, lambda r: low(r["status"]) == "overdue" or (r["due_at"] or as_of) < as_of
    )
    tally(
        "counts.eventsUpcoming",
        studio["events"],
        lambda r: low(r["status"]) == "published" and r["start_at"] and r["start_at"] >= as_of,
    )
    tally("counts.supportRequestsNew", studio["support_requests"], lambda r: low(r["status"]) == "new")
    tally(
        "counts.kilnsUnavailable", studio["kilns"], lambda r: low(r["status"]) in {"maintenance", "offline"}
    )
    steps = [low(r["status"]) or "new" for r in studio["agent_requests"]]
    found["ops.agentRequestsPending"] = steps.count("new") + steps.count("triaged")
    found["ops.agentRequestsActive"] = found["ops.agentRequestsPending"] + sum(
        map(steps.count, ("accepted", "in_progress", "ready"))
    )
    tally(
        "ops.agentOrdersOpen",
        studio["agent_orders"],
        lambda r: (
            low(r["fulfillment_status"]) not in {"picked_up", "shipped", "exception"}
            and low(r["status"]) not in {"refunded", "cancelled", "canceled"}
        ),
    )
    _count_money(studio, as_of, timezone, found, tally)
    return found


def _count_money(studio, as_of, timezone, found, tally):
    orders = studio["materials_orders"]
    waiting = [r for r in orders if low(r["status"]) in {"checkout_pending", "payment_failed"}]
    unpaid = [r for r in waiting if r["paid_at"] is None]
    found["finance.pendingOrders"] = len(unpaid)
    found["finance.ordersAwaitingPickup"] = (
        len(waiting) - len(unpaid) + sum(low(r["status"]) == "paid" for r in orders)
    )
    tally(
        "finance.staleCarts",
        unpaid,
        lambda r: r["created_at"] and as_of - r["created_at"] > timedelta(days=1),
    )
    tally(
        "finance.unpaidEvents",
        studio["event_signups"],
        lambda s: (
            low(s["status"]) == "checked_in"
            and not any(
                c["signup_id"] == s["document_id"] and c["paid_at"] is not None
                for c in studio["event_charges"]
            )
        ),
    )
    succeeded = [c for c in studio["charges"] if low(c["status"]) == "succeeded"]

    def money_came(order):
        for charge in succeeded:
            if (
                charge["payment_intent"] is not None
                and charge["payment_intent"] == order["stripe_payment_intent_id"]
            ):
                return True
            if order["document_id"] in (charge["metadata_agent_order_id"], charge["metadata_order_id"]):
                return True
        return False

    tally(
        "finance.unpaidAgentOrders",
        studio["agent_orders"],
        lambda r: (
            low(r["status"]) in {"payment_required", "payment_pending"}
            and low(r["payment_status"]) not in {"paid", "paid_prepay", "payment_succeeded"}
            and not money_came(r)
        ),
    )
    payments = cents = 0
    for entry in studio["balance_transactions"]:
        if entry["available_at"] > as_of and any(
            c["balance_transaction"] == entry["document_id"] for c in succeeded
        ):
            payments += 1
            cents += entry["amount_cents"] if low(entry["currency"]) == "usd" else 0
    found["finance.unsettledPayments"], found["finance.unsettledCents"] = payments, cents
    zone = ZoneInfo(timezone)
    last_day = (as_of - timedelta(microseconds=1)).astimezone(zone).date()
    first = datetime.combine(last_day - timedelta(days=29), time(), zone).astimezone(UTC)
    tally("finance.disputesLast30Days", studio["disputes"], lambda r: r["created_at"] >= first)
    tally("finance.refundsLast30Days", studio["refunds"], lambda r: r["created_at"] >= first)
