"""The ways of going wrong: every kind of incident, in decks to draw from, and what may come of them later."""

from dataclasses import dataclass

OPERATIONS, FINANCE, TRUST_SAFETY, MARKETING = "operations", "finance", "trust_safety", "marketing"


@dataclass(frozen=True, slots=True)
class IncidentKind:
    """A way of going wrong. ``window_days`` and ``counts`` are inclusive ranges.

    ``window_days`` says for how long it may begin to affect documents, ``counts`` how many it affects in a
    small studio. ``ends_with_window`` marks conditions that are over when the window is.
    """

    name: str
    department: str
    window_days: tuple[int, int]
    counts: tuple[int, int]
    notes: str
    ends_with_window: bool = False


KINDS = (
    IncidentKind(
        "stalled_batches", OPERATIONS, (10, 14), (4, 7), "shelved work is passed over by every firing"
    ),
    IncidentKind("overdue_pickups", OPERATIONS, (6, 9), (4, 8), "finished work is not fetched for weeks"),
    IncidentKind("request_spike", OPERATIONS, (1, 1), (16, 24), "many agent requests within hours", True),
    IncidentKind("request_ageing", OPERATIONS, (4, 6), (3, 5), "requests stay new for more than a week"),
    IncidentKind(
        "reservation_surge", OPERATIONS, (1, 1), (14, 20), "more reservations than stations hold", True
    ),
    IncidentKind("reservations_past_window", OPERATIONS, (5, 8), (3, 5), "work never comes in its window"),
    IncidentKind("kiln_idle", OPERATIONS, (5, 7), (4, 8), "firings are called off while work waits", True),
    IncidentKind("kiln_outage", OPERATIONS, (3, 5), (3, 6), "a kiln is in maintenance", True),
    IncidentKind("firing_without_unload", OPERATIONS, (8, 10), (1, 1), "a finished firing is not unloaded"),
    IncidentKind("unpaid_attendees", OPERATIONS, (12, 14), (3, 6), "people were at an event and did not pay"),
    IncidentKind("duplicate_charge", FINANCE, (6, 9), (1, 2), "one order was charged twice"),
    IncidentKind(
        "charge_without_order", FINANCE, (6, 9), (1, 2), "paid at Stripe, the order never heard of it"
    ),
    IncidentKind("missing_order", FINANCE, (6, 9), (1, 2), "paid at Stripe for an order that is not there"),
    IncidentKind("order_without_charge", FINANCE, (6, 9), (1, 2), "paid at the portal, nothing at Stripe"),
    IncidentKind("partial_refund", FINANCE, (8, 12), (1, 2), "a partial refund is recorded as a whole one"),
    IncidentKind("refund_missing", FINANCE, (8, 12), (1, 2), "refunded at the portal, no refund at Stripe"),
    IncidentKind("late_capture", FINANCE, (6, 9), (1, 2), "money taken days after the order"),
    IncidentKind(
        "expired_authorisation", FINANCE, (6, 9), (1, 1), "the intended payment lapsed, the order waits"
    ),
    IncidentKind("amount_mismatch", FINANCE, (6, 9), (1, 2), "charged another sum than ordered"),
    IncidentKind("dispute", FINANCE, (8, 12), (1, 1), "the payer's bank took the money back"),
    IncidentKind("two_payable_sessions", FINANCE, (12, 14), (1, 2), "one signup has two open checkouts"),
    IncidentKind("regressed_payment", FINANCE, (6, 9), (1, 3), "a late webhook set a paid order back"),
    IncidentKind(
        "report_brigade", TRUST_SAFETY, (1, 1), (6, 9), "many people report one thing at once", True
    ),
    IncidentKind("safety_reports", TRUST_SAFETY, (3, 5), (2, 3), "urgent reports are left open for days"),
    IncidentKind("undersold_event", MARKETING, (14, 18), (1, 1), "an event is near and hardly booked"),
)
MONEY_KINDS = (
    IncidentKind(
        "currency_mismatch", FINANCE, (6, 9), (1, 2), "charged in another currency than the order's"
    ),
    IncidentKind(
        "duplicate_order", FINANCE, (6, 9), (1, 2), "a retried function wrote two orders for one checkout"
    ),
    IncidentKind("refund_over", FINANCE, (6, 9), (1, 1), "given back, and then taken back by the bank too"),
    IncidentKind("fee_drift", FINANCE, (6, 9), (1, 3), "Stripe took more than the agreed fee"),
    IncidentKind("payout_missing", FINANCE, (4, 6), (1, 1), "a payout failed, and none is sent for days"),
    IncidentKind("payout_short", FINANCE, (4, 6), (1, 1), "payouts leave out money that is available"),
    IncidentKind("day_edge", FINANCE, (6, 9), (1, 2), "paid before midnight, recorded on the next day"),
    IncidentKind("metadata_lost", FINANCE, (6, 9), (1, 2), "the payment does not name its order"),
    IncidentKind(
        "rounding", FINANCE, (6, 9), (1, 2), "charged two cents before tax more or less than ordered"
    ),
    IncidentKind("customer_deleted", FINANCE, (6, 9), (1, 2), "the account of a paid order was deleted"),
    IncidentKind("mode_mix", FINANCE, (6, 9), (1, 2), "an order of live mode was paid in test mode"),
    IncidentKind("abandoned_checkout", FINANCE, (6, 9), (1, 2), "a checkout was opened and left for good"),
)
REPORT_KINDS = (
    IncidentKind(
        "forgotten_report", TRUST_SAFETY, (6, 7), (1, 1), "an urgent report lies unread for three weeks"
    ),
)


@dataclass(frozen=True, slots=True)
class Deck:
    """Kinds that take turns: so many are drawn a week, and none twice before each was drawn once.

    ``name`` is its own stream of chance: what other decks hold changes nothing in this one.
    """

    name: str
    kinds: tuple[IncidentKind, ...]
    per_week: int


DECKS = (
    Deck("incidents", KINDS, 4),
    Deck("money incidents", MONEY_KINDS, 2),
    Deck("reports", REPORT_KINDS, 1),
)
FOLLOW_UPS = {
    "dispute_won": (FINANCE, "the dispute is over, the money is back, and the portal says disputed"),
    "dispute_lost": (FINANCE, "the dispute is over, and the money is gone"),
    "storage_fees_near": (OPERATIONS, "unfetched work will cost storage fees within two days"),
}
"""What comes of an incident or a habit later, labelled on its own: kind -> department and notes."""

KIND_BY_NAME = {kind.name: kind for deck in DECKS for kind in deck.kinds}
QUIRK_DEPARTMENTS = {
    "abandoned_cart": FINANCE,
    "unmarkable_order": FINANCE,
    "late_webhook": FINANCE,
    "regressed_payment": FINANCE,
    "partial_refund": FINANCE,
    "unpaid_attendees": OPERATIONS,
    "overdue_pickups": OPERATIONS,
    "phantom_batch": OPERATIONS,
    "forgotten_draft": OPERATIONS,
    "reservations_past_window": OPERATIONS,
    "firing_status_forgotten": OPERATIONS,
    "stuck_offer": OPERATIONS,
    "overdue_loan": OPERATIONS,
    "legacy_row": OPERATIONS,
}
