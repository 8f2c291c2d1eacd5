"""An independent recount of StudioState: plain clients, plain loops, nothing shared with the readers.

Written from the cloud contract alone. It reads whole documents with the vendors' own high-level calls and
counts with ``if``; it is slow and obvious on purpose.
"""

from datetime import datetime, timedelta

CLOSED_FIRING = {"completed", "cancelled", "canceled"}
OPEN_RESERVATION = {"REQUESTED", "CONFIRMED", "WAITLISTED"}
AWAITING_PAYMENT = {"checkout_pending", "payment_failed"}


def recount(database, stripe_client, as_of: datetime) -> dict[str, dict[str, int]]:
    """Return ``{"counts": …, "ops": …, "finance": …}`` as the cloud stood at ``as_of``."""

    def read(collection):
        return {d.id: d.to_dict() for d in database.collection(collection).stream(read_time=as_of)}

    return {
        "counts": _counts(read, as_of),
        "ops": _ops(read),
        "finance": {**_orders(read, as_of), **_money(stripe_client, as_of)},
    }


def _counts(read, as_of):
    closed = [_is_closed(batch) for batch in read("batches").values()]
    reports = [_low(report.get("status"), "open") for report in read("communityReports").values()]
    loans = list(read("libraryLoans").values())
    out = [loan for loan in loans if _low(loan.get("status")) in {"checked_out", "return_requested", "overdue"}]
    return {
        "batchesActive": closed.count(False),
        "batchesClosed": closed.count(True),
        "reservationsOpen": sum(_is_open_reservation(row) for row in read("reservations").values()),
        "firingsScheduled": sum(_is_ahead(firing, as_of) for firing in read("kilnFirings").values()),
        "reportsOpen": sum(status in {"open", "triaged"} for status in reports),
        "reportsActioned": reports.count("actioned"),
        "studioBookingsUpcoming": sum(
            _low(row.get("status")) in {"booked", "waitlisted"} and row.get("endAt") is not None and row["endAt"] >= as_of
            for row in read("studioSpaceReservations").values()
        ),
        "loansOut": len(out),
        "loansOverdue": sum(
            _low(loan.get("status")) == "overdue" or (loan.get("dueAt") is not None and loan["dueAt"] < as_of) for loan in out
        ),
        "eventsUpcoming": sum(
            _low(row.get("status")) == "published" and row.get("startAt") is not None and row["startAt"] >= as_of
            for row in read("events").values()
        ),
        "supportRequestsNew": sum(_low(row.get("status")) == "new" for row in read("supportRequests").values()),
        "kilnsUnavailable": sum(_low(row.get("status")) in {"maintenance", "offline"} for row in read("kilns").values()),
    }


def _ops(read):
    reports = read("communityReports").values()
    requests = [_low(row.get("status"), "new") for row in read("agentRequests").values()]
    return {
        "highSeverityReports": sum(
            _low(row.get("status"), "open") in {"open", "triaged"} and _low(row.get("severity")) == "high" for row in reports
        ),
        "agentRequestsPending": sum(status in {"new", "triaged"} for status in requests),
        "agentRequestsActive": sum(status in {"new", "triaged", "accepted", "in_progress", "ready"} for status in requests),
    }


def _orders(read, as_of):
    orders = list(read("materialsOrders").values())
    pending = [row for row in orders if _low(row.get("status")) in AWAITING_PAYMENT and not row.get("paidAt")]
    paid_signups = {row.get("signupId") for row in read("eventCharges").values() if row.get("paidAt")}
    signups = read("eventSignups")
    return {
        "pendingOrders": len(pending),
        "ordersAwaitingPickup": sum(_low(row.get("status")) == "paid" for row in orders),
        "staleCarts": sum(row.get("createdAt") is not None and row["createdAt"] < as_of - timedelta(hours=24) for row in pending),
        "unpaidEvents": sum(_low(row.get("status")) == "checked_in" and key not in paid_signups for key, row in signups.items()),
    }


def _money(stripe_client, as_of):
    before = {"limit": 100, "created": {"lt": int(as_of.timestamp())}}
    movements = {m["id"]: m for m in stripe_client.v1.balance_transactions.list(before).auto_paging_iter()}
    count = cents = 0
    for charge in stripe_client.v1.charges.list(before).auto_paging_iter():
        movement = movements.get(charge["balance_transaction"])
        if charge["status"] == "succeeded" and movement is not None and movement["available_on"] > as_of.timestamp():
            count += 1
            cents += movement["amount"]
    return {"unsettledPayments": count, "unsettledCents": cents}


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
