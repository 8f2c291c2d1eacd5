"""What each counter asks of the tables, as vectorised predicates over contract columns.

The sentences staff read stand with the counters (``counters``); here they are computed. Every function takes
the tables by contract name and the moment the counters describe, and is pure. A missing or blank status means
the first step of a life cycle only where the source says so (reservations, reports, agent requests).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from resources.clock import day_start, local_date
from studio_assets.studio_state import masks

CLOSED_FIRING = ("completed", "cancelled", "canceled")
OPEN_RESERVATION = ("requested", "confirmed", "waitlisted")
OPEN_REPORT = ("open", "triaged")
HELD_BOOKING = ("booked", "waitlisted")
LOAN_OUT = ("checked_out", "return_requested", "overdue")
KILN_UNAVAILABLE = ("maintenance", "offline")
REQUEST_PENDING = ("new", "triaged")
REQUEST_ACTIVE = (*REQUEST_PENDING, "accepted", "in_progress", "ready")
WORK_OVER = ("picked_up", "shipped", "exception")
ORDER_VOID = ("refunded", "cancelled", "canceled")
AWAITING_PAYMENT = ("checkout_pending", "payment_failed")
AGENT_AWAITING_PAYMENT = ("payment_required", "payment_pending")
AGENT_PAID = ("paid", "paid_prepay", "payment_succeeded")

STUDIO_CURRENCY = "usd"
"""What the studio's amounts are in. Minor units of several currencies are never added up."""

_ANY_SUM = pa.decimal128(38)
"""Holds what any number of whole numbers of 64 bits add up to."""

STALE_CART_HOURS = 24
RECENT_DAYS = 30

Tables = Mapping[str, pa.Table]


@dataclass(frozen=True, slots=True)
class Moment:
    """The instant the counters describe, and the time zone that turns it into a studio-local day."""

    as_of: datetime
    timezone: str

    @property
    def day(self) -> date:
        """Return the last studio-local day covered; a midnight still belongs to the day it ends."""
        return local_date(self.as_of - timedelta(microseconds=1), self.timezone)

    def days_ago(self, days: int) -> datetime:
        """Return the start of the window of ``days`` studio-local days that ends with :attr:`day`."""
        return day_start(self.day - timedelta(days=days - 1), self.timezone)


def batches_closed(tables: Tables, _: Moment) -> int:
    """Count batches closed by flag, by state, or, where no state was ever written, by legacy status."""
    return masks.how_many(_is_closed_batch(tables["batches"]))


def batches_active(tables: Tables, _: Moment) -> int:
    """Count batches that are not closed."""
    return masks.how_many(masks.not_(_is_closed_batch(tables["batches"])))


def _is_closed_batch(batches: pa.Table) -> pa.Array:
    return masks.any_of(
        masks.is_true(batches, "is_closed"),
        masks.starts_with(batches, "state", "closed_"),
        masks.all_of(masks.is_blank(batches, "state"), masks.starts_with(batches, "status", "closed")),
    )


def reservations_open(tables: Tables, _: Moment) -> int:
    """Count kiln-capacity requests that nothing has ended: not cancelled, not picked up, not archived."""
    rows = tables["reservations"]
    return masks.how_many(
        masks.all_of(
            masks.is_one_of(rows, "status", OPEN_RESERVATION, if_missing=True),
            masks.not_(masks.is_one_of(rows, "pickup_window_status", ("completed",))),
            masks.not_(masks.is_true(rows, "is_archived")),
        )
    )


def firings_scheduled(tables: Tables, moment: Moment) -> int:
    """Count firings still ahead or under way."""
    rows = tables["kiln_firings"]
    return masks.how_many(
        masks.all_of(
            masks.not_(masks.is_one_of(rows, "status", CLOSED_FIRING)),
            masks.not_(masks.is_set(rows, "unloaded_at")),
            masks.is_at_or_after(rows, "end_at", moment.as_of),
        )
    )


def reports_open(tables: Tables, _: Moment) -> int:
    """Count reports nobody has decided on."""
    return masks.how_many(_is_open_report(tables["community_reports"]))


def reports_actioned(tables: Tables, _: Moment) -> int:
    """Count reports acted on but not resolved."""
    return masks.how_many(masks.is_one_of(tables["community_reports"], "status", ("actioned",)))


def high_severity_reports(tables: Tables, _: Moment) -> int:
    """Count open reports of high severity."""
    rows = tables["community_reports"]
    return masks.how_many(masks.all_of(_is_open_report(rows), masks.is_one_of(rows, "severity", ("high",))))


def _is_open_report(reports: pa.Table) -> pa.Array:
    return masks.is_one_of(reports, "status", OPEN_REPORT, if_missing=True)


def studio_bookings_upcoming(tables: Tables, moment: Moment) -> int:
    """Count bookings of studio spaces that are not over."""
    rows = tables["studio_space_reservations"]
    return masks.how_many(
        masks.all_of(
            masks.is_one_of(rows, "status", HELD_BOOKING),
            masks.is_at_or_after(rows, "end_at", moment.as_of),
        )
    )


def loans_out(tables: Tables, _: Moment) -> int:
    """Count library items in members' hands."""
    return masks.how_many(masks.is_one_of(tables["library_loans"], "status", LOAN_OUT))


def loans_overdue(tables: Tables, moment: Moment) -> int:
    """Count loans out that are past due, or marked so."""
    rows = tables["library_loans"]
    return masks.how_many(
        masks.any_of(
            masks.is_one_of(rows, "status", ("overdue",)),
            masks.all_of(
                masks.is_one_of(rows, "status", LOAN_OUT), masks.is_before(rows, "due_at", moment.as_of)
            ),
        )
    )


def events_upcoming(tables: Tables, moment: Moment) -> int:
    """Count published events that have not begun."""
    rows = tables["events"]
    return masks.how_many(
        masks.all_of(
            masks.is_one_of(rows, "status", ("published",)),
            masks.is_at_or_after(rows, "start_at", moment.as_of),
        )
    )


def support_requests_new(tables: Tables, _: Moment) -> int:
    """Count support messages nobody has taken up; the source writes no other status."""
    return masks.how_many(masks.is_one_of(tables["support_requests"], "status", ("new",)))


def kilns_unavailable(tables: Tables, _: Moment) -> int:
    """Count kilns under maintenance or offline, whatever ``is_available`` says."""
    return masks.how_many(masks.is_one_of(tables["kilns"], "status", KILN_UNAVAILABLE))


def agent_requests_pending(tables: Tables, _: Moment) -> int:
    """Count requests nobody has accepted."""
    return masks.how_many(
        masks.is_one_of(tables["agent_requests"], "status", REQUEST_PENDING, if_missing=True)
    )


def agent_requests_active(tables: Tables, _: Moment) -> int:
    """Count requests that are not closed, pending ones included."""
    return masks.how_many(
        masks.is_one_of(tables["agent_requests"], "status", REQUEST_ACTIVE, if_missing=True)
    )


def agent_orders_open(tables: Tables, _: Moment) -> int:
    """Count agent orders with work still to do."""
    rows = tables["agent_orders"]
    return masks.how_many(
        masks.all_of(
            masks.not_(masks.is_one_of(rows, "fulfillment_status", WORK_OVER)),
            masks.not_(masks.is_one_of(rows, "status", ORDER_VOID)),
        )
    )


def pending_orders(tables: Tables, _: Moment) -> int:
    """Count materials orders nobody has paid."""
    return masks.how_many(_is_awaiting_payment(tables["materials_orders"]))


def stale_carts(tables: Tables, moment: Moment) -> int:
    """Count unpaid materials orders begun more than a day ago."""
    rows = tables["materials_orders"]
    limit = moment.as_of - timedelta(hours=STALE_CART_HOURS)
    return masks.how_many(
        masks.all_of(_is_awaiting_payment(rows), masks.is_before(rows, "created_at", limit))
    )


def _is_awaiting_payment(orders: pa.Table) -> pa.Array:
    """A present ``paid_at`` means paid: a late webhook can set a paid order's status back."""
    return masks.all_of(
        masks.is_one_of(orders, "status", AWAITING_PAYMENT), masks.not_(masks.is_set(orders, "paid_at"))
    )


def orders_awaiting_pickup(tables: Tables, _: Moment) -> int:
    """Count materials orders paid and not collected, late webhooks notwithstanding."""
    rows = tables["materials_orders"]
    return masks.how_many(
        masks.any_of(
            masks.is_one_of(rows, "status", ("paid",)),
            masks.all_of(masks.is_one_of(rows, "status", AWAITING_PAYMENT), masks.is_set(rows, "paid_at")),
        )
    )


def unpaid_events(tables: Tables, _: Moment) -> int:
    """Count people checked in to an event for whom no charge was ever paid."""
    signups, charges = tables["event_signups"], tables["event_charges"]
    paid = charges.filter(masks.is_set(charges, "paid_at"))
    return masks.how_many(
        masks.all_of(
            masks.is_one_of(signups, "status", ("checked_in",)),
            masks.not_(masks.is_found_in(signups, "document_id", masks.combined(paid, "signup_id"))),
        )
    )


def unpaid_agent_orders(tables: Tables, _: Moment) -> int:
    """Count agent orders awaiting payment for which no money came in.

    A late ``checkout.session.completed`` sets a paid order back to ``payment_pending``, so a succeeded charge
    of its payment intent, or one that names the order, counts as paid whatever the order says.
    """
    orders, charges = tables["agent_orders"], tables["charges"]
    paid = charges.filter(masks.is_one_of(charges, "status", ("succeeded",)))
    was_charged = masks.any_of(
        masks.is_found_in(orders, "stripe_payment_intent_id", masks.combined(paid, "payment_intent")),
        masks.is_found_in(orders, "document_id", masks.combined(paid, "metadata_agent_order_id")),
        masks.is_found_in(orders, "document_id", masks.combined(paid, "metadata_order_id")),
    )
    return masks.how_many(
        masks.all_of(
            masks.is_one_of(orders, "status", AGENT_AWAITING_PAYMENT),
            masks.not_(masks.is_one_of(orders, "payment_status", AGENT_PAID)),
            masks.not_(was_charged),
        )
    )


def unsettled_payments(tables: Tables, moment: Moment) -> int:
    """Count succeeded charges whose money cannot be paid out yet."""
    return int(unsettled_movements(tables, moment).num_rows)


def unsettled_cents(tables: Tables, moment: Moment) -> int:
    """Sum the gross amount of :func:`unsettled_payments` in the studio's currency, in minor units; exact."""
    unsettled = unsettled_movements(tables, moment)
    ours = unsettled.filter(masks.is_one_of(unsettled, "currency", (STUDIO_CURRENCY,)))
    # As whole numbers of 64 bits they would pass their end without a word.
    return int(pc.sum(ours.column("amount_cents").cast(_ANY_SUM)).as_py() or 0)


def unsettled_in_other_currencies(tables: Tables, moment: Moment) -> int:
    """Count the :func:`unsettled_payments` whose amount :func:`unsettled_cents` leaves out."""
    unsettled = unsettled_movements(tables, moment)
    return masks.how_many(masks.not_(masks.is_one_of(unsettled, "currency", (STUDIO_CURRENCY,))))


def unsettled_movements(tables: Tables, moment: Moment) -> pa.Table:
    """Return the ledger entries of succeeded charges that become available after the moment.

    The ledger's own status is that of the read, not of the moment; ``available_at`` never changes, so a past
    day can be counted without a history of states. Authorised but uncaptured charges have no entry.
    """
    charges, ledger = tables["charges"], tables["balance_transactions"]
    succeeded = charges.filter(masks.is_one_of(charges, "status", ("succeeded",)))
    is_unsettled = masks.all_of(
        masks.is_found_in(ledger, "document_id", masks.combined(succeeded, "balance_transaction")),
        masks.is_after(ledger, "available_at", moment.as_of),
    )
    return ledger.filter(is_unsettled)


def disputes_last_30_days(tables: Tables, moment: Moment) -> int:
    """Count disputes begun on the last 30 studio-local days."""
    return _made_recently(tables["disputes"], moment)


def refunds_last_30_days(tables: Tables, moment: Moment) -> int:
    """Count refunds made on the last 30 studio-local days."""
    return _made_recently(tables["refunds"], moment)


def _made_recently(rows: pa.Table, moment: Moment) -> int:
    """Count by time of making alone: Stripe keeps no past states, so a status could not be rebuilt."""
    return masks.how_many(masks.is_at_or_after(rows, "created_at", moment.days_ago(RECENT_DAYS)))
