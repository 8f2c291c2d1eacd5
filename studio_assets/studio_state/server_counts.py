"""The same questions, put to the source: sums of the server's own counts, used only to detect drift.

A question is a signed list of counts. Most use equalities on single fields, which Firestore merges without a
composite index; those that need one say so, and drift reports them as not comparable where it is missing.
Firestore compares case-sensitively and cannot ask for an absent field, so spellings are listed and "missing"
is "all minus those that hold text".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from resources.firestore.gateway import Where
from studio_assets.studio_state.predicates import (
    AWAITING_PAYMENT,
    HELD_BOOKING,
    KILN_UNAVAILABLE,
    LOAN_OUT,
    OPEN_REPORT,
    OPEN_RESERVATION,
    ORDER_VOID,
    REQUEST_ACTIVE,
    REQUEST_PENDING,
    WORK_OVER,
)

KNOWN_RESERVATION = (*OPEN_RESERVATION, "cancelled", "canceled", "loaded", "confirmed_arrived")
KNOWN_REPORT = (*OPEN_REPORT, "actioned", "resolved", "dismissed")
KNOWN_STATE = (
    "DRAFT",
    "SUBMITTED",
    "SHELVED",
    "LOADED",
    "FIRED",
    "READY_FOR_PICKUP",
    "CLOSED_PICKED_UP",
    "CLOSED_OTHER",
)
CLOSED_STATE = ("CLOSED_PICKED_UP", "CLOSED_OTHER")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CLOSED_LEGACY = ("CLOSED_PICKED_UP", "CLOSED_OTHER", "CLOSED")

WAS_PAID = Where("paidAt", ">=", EPOCH)
"""A range over all instants is how Firestore is asked for "is an instant at all"."""


@dataclass(frozen=True, slots=True)
class CountQuery:
    """One count of one collection (by contract name), added (``sign`` 1) or taken away (-1)."""

    collection: str
    where: tuple[Where, ...] = ()
    sign: int = 1


Question = Sequence[CountQuery]


def spellings(values: Iterable[str]) -> tuple[str, ...]:
    """Return each value in lower and in upper case: the two ways the cloud is known to write."""
    return tuple(sorted({spelling for value in values for spelling in (value.lower(), value.upper())}))


def _one_of(field_path: str, values: Iterable[str]) -> Where:
    return Where(field_path, "in", spellings(values))


def _plus(collection: str, *where: Where) -> CountQuery:
    return CountQuery(collection, where)


def _minus(collection: str, *where: Where) -> CountQuery:
    return CountQuery(collection, where, sign=-1)


def _without_status(collection: str) -> Question:
    """Ask for documents whose status is missing: all, minus those whose status is any text."""
    return (_plus(collection), _minus(collection, Where("status", ">=", "")))


def batches_closed(_: datetime) -> Question:
    """Ask for flag or state or (legacy status where no state stands), by inclusion and exclusion."""
    flag = Where("isClosed", "==", value=True)
    state = Where("state", "in", CLOSED_STATE)
    legacy = Where("status", "in", CLOSED_LEGACY)
    has_state = Where("state", "in", KNOWN_STATE)
    return (
        _plus("batches", flag),
        _plus("batches", state),
        _minus("batches", flag, state),
        _plus("batches", legacy),
        _minus("batches", legacy, has_state),
        _minus("batches", legacy, flag),
        _plus("batches", legacy, has_state, flag),
    )


def batches_active(as_of: datetime) -> Question:
    """Ask for all batches minus the closed ones."""
    closed = tuple(CountQuery(q.collection, q.where, -q.sign) for q in batches_closed(as_of))
    return (_plus("batches"), *closed)


def reservations_open(_: datetime) -> Question:
    """Ask for open or missing status, minus picked up or archived, by inclusion and exclusion."""
    name = "reservations"
    is_open = _one_of("status", OPEN_RESERVATION)
    is_known = _one_of("status", KNOWN_RESERVATION)
    done = Where("pickupWindow.status", "==", "completed")
    gone = Where("isArchived", "==", value=True)
    with_status = (
        _plus(name, is_open),
        _minus(name, is_open, done),
        _minus(name, is_open, gone),
        _plus(name, is_open, done, gone),
    )
    without_status = (
        *_without_status(name),
        _minus(name, done),
        _plus(name, done, is_known),
        _minus(name, gone),
        _plus(name, gone, is_known),
        _plus(name, done, gone),
        _minus(name, done, gone, is_known),
    )
    return (*with_status, *without_status)


def reports_open(_: datetime) -> Question:
    """Ask for open, triaged or missing status."""
    name = "community_reports"
    return (_plus(name, _one_of("status", OPEN_REPORT)), *_without_status(name))


def reports_actioned(_: datetime) -> Question:
    """Ask for status actioned."""
    return (_plus("community_reports", _one_of("status", ("actioned",))),)


def high_severity_reports(_: datetime) -> Question:
    """Ask for high severity among open, triaged or missing status."""
    name = "community_reports"
    high = _one_of("severity", ("high",))
    return (
        _plus(name, high, _one_of("status", OPEN_REPORT)),
        _plus(name, high),
        _minus(name, high, _one_of("status", KNOWN_REPORT)),
    )


def studio_bookings_upcoming(as_of: datetime) -> Question:
    """Ask for held bookings that end at or after the moment."""
    return (_plus("studio_space_reservations", _one_of("status", HELD_BOOKING), Where("endAt", ">=", as_of)),)


def loans_out(_: datetime) -> Question:
    """Ask for loans that are out."""
    return (_plus("library_loans", _one_of("status", LOAN_OUT)),)


def loans_overdue(as_of: datetime) -> Question:
    """Ask for loans marked overdue, plus the others out that are past due."""
    others = [status for status in LOAN_OUT if status != "overdue"]
    return (
        _plus("library_loans", _one_of("status", ("overdue",))),
        _plus("library_loans", _one_of("status", others), Where("dueAt", "<", as_of)),
    )


def events_upcoming(as_of: datetime) -> Question:
    """Ask for published events that begin at or after the moment."""
    return (_plus("events", _one_of("status", ("published",)), Where("startAt", ">=", as_of)),)


def support_requests_new(_: datetime) -> Question:
    """Ask for status new."""
    return (_plus("support_requests", _one_of("status", ("new",))),)


def kilns_unavailable(_: datetime) -> Question:
    """Ask for kilns under maintenance or offline."""
    return (_plus("kilns", _one_of("status", KILN_UNAVAILABLE)),)


def agent_requests_pending(_: datetime) -> Question:
    """Ask for new, triaged or missing status."""
    return (
        _plus("agent_requests", _one_of("status", REQUEST_PENDING)),
        *_without_status("agent_requests"),
    )


def agent_requests_active(_: datetime) -> Question:
    """Ask for every status that is not closed, or none."""
    return (
        _plus("agent_requests", _one_of("status", REQUEST_ACTIVE)),
        *_without_status("agent_requests"),
    )


def agent_orders_open(_: datetime) -> Question:
    """Ask for all orders, minus work over, minus void, plus both.

    One spelling of the fulfilment has to do: both would multiply out to more than Firestore answers.
    """
    over = Where("fulfillmentStatus", "in", WORK_OVER)
    void = _one_of("status", ORDER_VOID)
    return (
        _plus("agent_orders"),
        _minus("agent_orders", over),
        _minus("agent_orders", void),
        _plus("agent_orders", over, void),
    )


def pending_orders(_: datetime) -> Question:
    """Ask for unpaid status, minus those that carry a time of payment."""
    pending = _one_of("status", AWAITING_PAYMENT)
    return (_plus("materials_orders", pending), _minus("materials_orders", pending, WAS_PAID))


def orders_awaiting_pickup(_: datetime) -> Question:
    """Ask for status paid, plus unpaid status with a time of payment."""
    return (
        _plus("materials_orders", _one_of("status", ("paid",))),
        _plus("materials_orders", _one_of("status", AWAITING_PAYMENT), WAS_PAID),
    )
