"""An independent recount of StudioState: plain clients, plain loops, nothing shared with the readers.

Written from the cloud contract alone. It reads whole documents with the vendors' own high-level calls and
counts with ``if``; it is slow and obvious on purpose.
"""

from datetime import datetime, timedelta

CLOSED_FIRING = {"completed", "cancelled", "canceled"}
OPEN_RESERVATION = {"REQUESTED", "CONFIRMED", "WAITLISTED"}
AWAITING_PAYMENT = {"checkout_pending", "payment_failed"}


def recount(documents, ledger, as_of: datetime) -> dict[str, dict[str, int]]:
    """Return ``{"counts": …, "ops": …, "finance": …}`` as the cloud stood at ``as_of``.

    ``documents`` is path -> document at that instant; ``ledger`` is what ``whole_ledger`` gave. Stripe keeps
    no past states, so its past is what was created by then.
    """

    def read(collection):
        start = f"{collection}/"
        return {
            path[len(start) :]: row
            for path, row in documents.items()
            if path.startswith(start) and path.count("/") == 1
        }

    charges, movements, refunds, disputes = (
        [thing for thing in things if thing["created"] < as_of.timestamp()] for things in ledger
    )
    return {
        "counts": _counts(read, as_of),
        "ops": _ops(read),
        "finance": {**_orders(read, charges, as_of), **_money(charges, movements, refunds, disputes, as_of)},
    }


def whole_ledger(stripe_client):
    """Return charges, balance transactions, refunds and disputes, by the vendor's own client."""
    return [
        [thing.to_dict() for thing in endpoint.list({"limit": 100}).auto_paging_iter()]
        for endpoint in (
            stripe_client.v1.charges,
            stripe_client.v1.balance_transactions,
            stripe_client.v1.refunds,
            stripe_client.v1.disputes,
        )
    ]


def _counts(read, as_of):
    closed = [_is_closed(batch) for batch in read("batches").values()]
    reports = [_low(report.get("status"), "open") for report in read("communityReports").values()]
    loans = list(read("libraryLoans").values())
    out = [
        loan for loan in loans if _low(loan.get("status")) in {"checked_out", "return_requested", "overdue"}
    ]
    return {
        "batchesActive": closed.count(False),
        "batchesClosed": closed.count(True),
        "reservationsOpen": sum(_is_open_reservation(row) for row in read("reservations").values()),
        "firingsScheduled": sum(_is_ahead(firing, as_of) for firing in read("kilnFirings").values()),
        "reportsOpen": sum(status in {"open", "triaged"} for status in reports),
        "reportsActioned": reports.count("actioned"),
        "studioBookingsUpcoming": sum(
            _low(row.get("status")) in {"booked", "waitlisted"}
            and row.get("endAt") is not None
            and row["endAt"] >= as_of
            for row in read("studioSpaceReservations").values()
        ),
        "loansOut": len(out),
        "loansOverdue": sum(
            _low(loan.get("status")) == "overdue" or (loan.get("dueAt") is not None and loan["dueAt"] < as_of)
            for loan in out
        ),
        "eventsUpcoming": sum(
            _low(row.get("status")) == "published"
            and row.get("startAt") is not None
            and row["startAt"] >= as_of
            for row in read("events").values()
        ),
        "supportRequestsNew": sum(
            _low(row.get("status")) == "new" for row in read("supportRequests").values()
        ),
        "kilnsUnavailable": sum(
            _low(row.get("status")) in {"maintenance", "offline"} for row in read("kilns").values()
        ),
    }


def _ops(read):
    reports = read("communityReports").values()
    requests = [_low(row.get("status"), "new") for row in read("agentRequests").values()]
    return {
        "highSeverityReports": sum(
            _low(row.get("status"), "open") in {"open", "triaged"} and _low(row.get("severity")) == "high"
            for row in reports
        ),
        "agentRequestsPending": sum(status in {"new", "triaged"} for status in requests),
        "agentRequestsActive": sum(
            status in {"new", "triaged", "accepted", "in_progress", "ready"} for status in requests
        ),
        "agentOrdersOpen": sum(
            _low(row.get("fulfillmentStatus")) not in {"picked_up", "shipped", "exception"}
            and _low(row.get("status")) not in {"refunded", "cancelled"}
            for row in read("agentOrders").values()
        ),
    }


def _orders(read, charges, as_of):
    orders = list(read("materialsOrders").values())
    pending = [row for row in orders if _low(row.get("status")) in AWAITING_PAYMENT and not row.get("paidAt")]
    paid_signups = {row.get("signupId") for row in read("eventCharges").values() if row.get("paidAt")}
    signups = read("eventSignups")
    return {
        "pendingOrders": len(pending),
        "ordersAwaitingPickup": sum(
            _low(row.get("status")) == "paid"
            or (_low(row.get("status")) in AWAITING_PAYMENT and bool(row.get("paidAt")))
            for row in orders
        ),
        "staleCarts": sum(
            row.get("createdAt") is not None and row["createdAt"] < as_of - timedelta(hours=24)
            for row in pending
        ),
        "unpaidEvents": sum(
            _low(row.get("status")) == "checked_in" and key not in paid_signups
            for key, row in signups.items()
        ),
        "unpaidAgentOrders": sum(_is_unpaid(key, row, charges) for key, row in read("agentOrders").items()),
    }


def _is_unpaid(key, order, charges):
    if _low(order.get("status")) not in {"payment_required", "payment_pending"}:
        return False
    if _low(order.get("paymentStatus")) in {"paid", "paid_prepay", "payment_succeeded"}:
        return False
    for charge in charges:
        names = charge.get("metadata") or {}
        is_its_own = charge.get("payment_intent") and charge["payment_intent"] == order.get(
            "stripePaymentIntentId"
        )
        if charge["status"] == "succeeded" and (
            is_its_own or key in {names.get("agentOrderId"), names.get("orderId")}
        ):
            return False
    return True


def _money(charges, movements, refunds, disputes, as_of):
    by_id = {movement["id"]: movement for movement in movements}
    unsettled = [
        by_id[charge["balance_transaction"]]
        for charge in charges
        if charge["status"] == "succeeded"
        and charge["balance_transaction"] in by_id
        and by_id[charge["balance_transaction"]]["available_on"] > as_of.timestamp()
    ]
    # Thirty studio-local days, the one that just ended included; the studio knows no daylight saving.
    window = as_of.timestamp() - 30 * 86_400
    return {
        "unsettledPayments": len(unsettled),
        "unsettledCents": sum(row["amount"] for row in unsettled if row["currency"] == "usd"),
        # By time of making alone: Stripe keeps no past states, so a status could not be rebuilt.
        "disputesLast30Days": sum(row["created"] >= window for row in disputes),
        "refundsLast30Days": sum(row["created"] >= window for row in refunds),
    }


def _low(value, default=""):
    return str(value or default).lower()


def _is_closed(batch):
    if batch.get("isClosed") is True:
        return True
    state = batch.get("state")
    if state:
        return state.upper().startswith("CLOSED_")
    return str(batch.get("status") or "").upper().startswith("CLOSED")


def _is_open_reservation(row):
    status = str(row.get("status") or "REQUESTED").upper()
    picked_up = _low((row.get("pickupWindow") or {}).get("status")) == "completed"
    return status in OPEN_RESERVATION and not picked_up and row.get("isArchived") is not True


def _is_ahead(firing, as_of):
    if _low(firing.get("status")) in CLOSED_FIRING or firing.get("unloadedAt"):
        return False
    return firing.get("endAt") is not None and firing["endAt"] >= as_of
