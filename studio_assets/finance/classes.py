"""The ways in which portal and Stripe can disagree: names, what each means, and what a person does about it.

The order of :data:`CLASSES` is the precedence: where several apply to one sale, the first is told first, and
``hides`` names those that would only say the same again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from resources.findings import Severity

ADJUST: Final = "finance.reconciliation.adjust"


class Kind(StrEnum):
    """Classes of discrepancies. Names are stable: a finding's identity holds its class."""

    MODE_MIX = "mode_mix"
    CURRENCY_MISMATCH = "currency_mismatch"
    MISSING_ORDER = "missing_order"
    CHARGE_WITHOUT_ORDER = "charge_without_order"
    ORDER_WITHOUT_CHARGE = "order_without_charge"
    DUPLICATE_CHARGE = "duplicate_charge"
    DUPLICATE_ORDER = "duplicate_order"
    AMOUNT_MISMATCH = "amount_mismatch"
    DISPUTE_LOST = "dispute_lost"
    DISPUTE_OPEN = "dispute_open"
    DISPUTE_WON = "dispute_won"
    REFUND_OVER = "refund_over"
    REFUND_MISSING = "refund_missing"
    PARTIAL_REFUND = "partial_refund"
    REFUND_UNRECORDED = "refund_unrecorded"
    REGRESSED_PAYMENT = "regressed_payment"
    EXPIRED_AUTHORISATION = "expired_authorisation"
    TWO_PAYABLE_SESSIONS = "two_payable_sessions"
    PAYOUT_MISSING = "payout_missing"
    PAYOUT_SHORT = "payout_short"
    LEDGER_MISMATCH = "ledger_mismatch"
    FEE_DRIFT = "fee_drift"
    LATE_CAPTURE = "late_capture"
    METADATA_LOST = "metadata_lost"
    CUSTOMER_DELETED = "customer_deleted"
    ROUNDING = "rounding"
    DAY_EDGE = "day_edge"
    ABANDONED_CHECKOUT = "abandoned_checkout"


@dataclass(frozen=True, slots=True)
class DiscrepancyClass:
    """One way to disagree.

    Attributes:
        meaning: What it means, in a finance person's words; also the finding's likely cause.
        next_step: What to do.
        is_adjustable: Whether a correction in the portal may mend it.
        confidence: How sure the class is when its links are by name or stored id.
        hides: Classes that on the same sale would only tell the same again.
    """

    severity: Severity
    meaning: str
    next_step: str
    is_adjustable: bool = False
    confidence: float = 1.0
    hides: frozenset[Kind] = frozenset()


_LOW, _MEDIUM, _HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH

CLASSES: Final[Mapping[Kind, DiscrepancyClass]] = {
    Kind.MODE_MIX: DiscrepancyClass(
        _HIGH,
        "A sale of live mode names money of test mode, or the other way round; the money is not counted.",
        "Find out which mode was meant and correct the order; never ship against test money.",
        hides=frozenset({Kind.ORDER_WITHOUT_CHARGE, Kind.ABANDONED_CHECKOUT}),
    ),
    Kind.CURRENCY_MISMATCH: DiscrepancyClass(
        _HIGH,
        "The customer paid in another currency than the order asks for, or the order names none.",
        "Agree on the right currency with the customer; refund and charge again if needed.",
        hides=frozenset({Kind.AMOUNT_MISMATCH, Kind.ROUNDING}),
    ),
    Kind.MISSING_ORDER: DiscrepancyClass(
        _HIGH,
        "Stripe took money for an order that the portal does not have.",
        "Look the payment up at Stripe, make the order good by hand, or give the money back.",
    ),
    Kind.CHARGE_WITHOUT_ORDER: DiscrepancyClass(
        _HIGH,
        "Stripe took the money, but the order still waits for it: the portal never heard of the payment.",
        "Mark the order paid after checking the payment at Stripe, and hand the goods out.",
        is_adjustable=True,
        confidence=0.97,
        hides=frozenset({Kind.ABANDONED_CHECKOUT}),
    ),
    Kind.ORDER_WITHOUT_CHARGE: DiscrepancyClass(
        _HIGH,
        "The portal calls the order paid, but no money for it reached Stripe.",
        "Find out who marked it paid and how; collect the money or set the order back.",
        is_adjustable=True,
        confidence=0.97,
    ),
    Kind.DUPLICATE_CHARGE: DiscrepancyClass(
        _HIGH,
        "The customer paid more than once for one order or one seat.",
        "Give the later payment back at Stripe.",
    ),
    Kind.DUPLICATE_ORDER: DiscrepancyClass(
        _MEDIUM,
        "Two orders claim the same payment.",
        "Find out which order the customer meant, and cancel the other.",
        is_adjustable=True,
        confidence=0.95,
        hides=frozenset({Kind.ORDER_WITHOUT_CHARGE, Kind.ABANDONED_CHECKOUT}),
    ),
    Kind.AMOUNT_MISMATCH: DiscrepancyClass(
        _HIGH,
        "The customer was charged another sum than order and tax make.",
        "Compare the order's lines with Stripe's receipt; refund or correct the difference.",
        is_adjustable=True,
        confidence=0.97,
        hides=frozenset({Kind.ROUNDING}),
    ),
    Kind.DISPUTE_LOST: DiscrepancyClass(
        _MEDIUM,
        "The payer's bank took the money back for good.",
        "Write the sale off, and see whether the goods can be had back.",
    ),
    Kind.DISPUTE_OPEN: DiscrepancyClass(
        _HIGH,
        "The payer's bank took the money back and waits for an answer.",
        "Answer the dispute at Stripe before its deadline, with the order as evidence.",
    ),
    Kind.DISPUTE_WON: DiscrepancyClass(
        _LOW,
        "The dispute was won and the money is back, but the portal still calls the order disputed.",
        "Set the order back to paid.",
        is_adjustable=True,
    ),
    Kind.REFUND_OVER: DiscrepancyClass(
        _HIGH,
        "More was given back than the sale was worth.",
        "Find out who refunded and why; ask for the difference or write it off.",
        hides=frozenset({Kind.REFUND_UNRECORDED, Kind.PARTIAL_REFUND}),
    ),
    Kind.REFUND_MISSING: DiscrepancyClass(
        _HIGH,
        "The portal calls the order refunded, but Stripe gave nothing back.",
        "Give the money back at Stripe, or set the order back to paid.",
        is_adjustable=True,
        confidence=0.97,
    ),
    Kind.PARTIAL_REFUND: DiscrepancyClass(
        _MEDIUM,
        "Stripe gave back a part, but the portal calls all of it refunded.",
        "Record the partial refund, so that the rest of the sale counts.",
        is_adjustable=True,
    ),
    Kind.REFUND_UNRECORDED: DiscrepancyClass(
        _MEDIUM,
        "Stripe gave money back, but the portal still calls the order paid.",
        "Record the refund on the order, and do not hand the goods out.",
        is_adjustable=True,
    ),
    Kind.REGRESSED_PAYMENT: DiscrepancyClass(
        _MEDIUM,
        "The order was paid, and a late message from Stripe set it back to waiting.",
        "Set the order to paid again.",
        is_adjustable=True,
        confidence=0.95,
        hides=frozenset({Kind.CHARGE_WITHOUT_ORDER, Kind.DAY_EDGE}),
    ),
    Kind.EXPIRED_AUTHORISATION: DiscrepancyClass(
        _MEDIUM,
        "The intended payment lapsed before any money was taken, and the order still waits.",
        "Ask the customer to pay again, or cancel the order.",
        hides=frozenset({Kind.ABANDONED_CHECKOUT}),
    ),
    Kind.TWO_PAYABLE_SESSIONS: DiscrepancyClass(
        _MEDIUM,
        "One seat has two checkouts; if both are paid, the customer paid twice.",
        "Let the checkout that was not meant expire at Stripe.",
        hides=frozenset({Kind.ABANDONED_CHECKOUT}),
    ),
    Kind.PAYOUT_MISSING: DiscrepancyClass(
        _HIGH,
        "Money was ready at Stripe and did not reach the bank.",
        "Look at payouts at Stripe: a failed one names the reason, mostly the bank account.",
        confidence=0.95,
    ),
    Kind.PAYOUT_SHORT: DiscrepancyClass(
        _HIGH,
        "A payout is not the sum that its ledger entry says.",
        "Compare the payout with the bank statement, and ask Stripe about the difference.",
    ),
    Kind.LEDGER_MISMATCH: DiscrepancyClass(
        _MEDIUM,
        "A payment has no entry in Stripe's ledger.",
        "Ask Stripe; until then do not count on this money.",
        confidence=0.9,
    ),
    Kind.FEE_DRIFT: DiscrepancyClass(
        _LOW,
        "Stripe's fee is not the one agreed on.",
        "Check the card's origin and the price list; tell Stripe if the rate is wrong.",
        confidence=0.9,
    ),
    Kind.LATE_CAPTURE: DiscrepancyClass(
        _LOW,
        "The money was taken days after the order.",
        "Nothing if the customer knows; look into it when it happens often.",
    ),
    Kind.METADATA_LOST: DiscrepancyClass(
        _LOW,
        "The payment no longer names its order; it was linked by what else is known of it.",
        "Check the link, and write the order's id into the payment's metadata at Stripe.",
    ),
    Kind.CUSTOMER_DELETED: DiscrepancyClass(
        _LOW,
        "Money was taken for an order whose customer is no longer known.",
        "Keep the receipt; a refund has to go through Stripe, by payment.",
    ),
    Kind.ROUNDING: DiscrepancyClass(
        _LOW,
        "The charge differs by a few cents from what order and tax make.",
        "Nothing for one order; look at how tax is rounded when it happens often.",
        confidence=0.9,
    ),
    Kind.DAY_EDGE: DiscrepancyClass(
        _LOW,
        "The money was taken on one studio day and recorded on another, so daily sums differ.",
        "Nothing to mend: count the sale on the day the money was taken.",
    ),
    Kind.ABANDONED_CHECKOUT: DiscrepancyClass(
        _LOW,
        "A checkout was opened and never paid.",
        "Nothing to mend; the order can be cancelled.",
        confidence=0.9,
    ),
}


_COUNTED_AS_GIVEN_BACK: Final = frozenset({Kind.REFUND_MISSING, Kind.PARTIAL_REFUND, Kind.REFUND_UNRECORDED})


def correction_cents(kind: str, expected: int, observed: int) -> int:
    """Return what to add to the sum an order counts as paid, so that it is what Stripe holds for it.

    Args:
        kind: Name of the class; of a class unknown here the amounts are taken as money that came in.
        expected: Of the flag, in minor units.
        observed: Of the flag: money that came in, or for the classes of refunds, money that went back.
    """
    return expected - observed if kind in _COUNTED_AS_GIVEN_BACK else observed - expected


def hidden_by(kind: Kind) -> frozenset[Kind]:
    """Return the classes that keep a class from being told on the same sale."""
    return frozenset(other for other, told in CLASSES.items() if kind in told.hides)
