"""What the reconciliation takes for granted: rates, patience, and how long news stays news."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """The studio's terms. Money in minor units, rates per thousand.

    Attributes:
        tax_per_mille: Sales tax that Stripe adds to materials and events. Agent services are untaxed.
        tax_rounding_cents: By how much tax rounded line by line may differ from tax on the total.
        rounding_cents: The largest difference that is called rounding and not another amount.
        fee_per_mille: Stripe's share of a card payment.
        fee_fixed_cents: What Stripe adds to that share per payment.
        fee_tolerance_cents: By how much a fee may differ before it is drift.
        grace: How long one side may not yet know what the other did.
        cart_age: From when on an unpaid checkout is abandoned; Stripe's sessions end then.
        late_capture: From when on money taken after the order is late.
        authorisation: How long an authorised payment may wait to be taken.
        guess_window: How far apart order and money may lie when nothing but amount and customer link them.
        payout_patience: How long money may be ready without being sent, and a payout be late.
        news: How long something that cannot be mended (a late capture, an abandoned cart) is told.
    """

    tax_per_mille: int = 86
    tax_rounding_cents: int = 1
    rounding_cents: int = 9
    fee_per_mille: int = 29
    fee_fixed_cents: int = 30
    fee_tolerance_cents: int = 1
    grace: timedelta = timedelta(hours=1)
    cart_age: timedelta = timedelta(hours=24)
    late_capture: timedelta = timedelta(hours=36)
    authorisation: timedelta = timedelta(days=7, hours=12)
    guess_window: timedelta = timedelta(days=2)
    payout_patience: timedelta = timedelta(days=4)
    news: timedelta = timedelta(days=35)


def micros(span: timedelta) -> int:
    """Return a span in microseconds, exactly."""
    return span // timedelta(microseconds=1)
