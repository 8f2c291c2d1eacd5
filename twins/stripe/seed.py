"""Many payments at once, straight into a ledger: for benchmarks and tests of volume, without HTTP or events.

The money is made by the same acts as over the wire, so it adds up the same way.
"""

import random
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from twins.stripe import objects
from twins.stripe.account import Account
from twins.stripe.errors import ApiError
from twins.stripe.kinds import CUSTOMERS
from twins.stripe.ledger import Ledger
from twins.stripe.params import Params
from twins.stripe.payments import confirm, new_intent
from twins.stripe.payouts import advance_payouts
from twins.stripe.refunds import create_refund

SEED_START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Shares:
    """How many payments end otherwise, each 0 to 1; half of the refunds are partial."""

    refunded: float = 0.05
    disputed: float = 0.002
    declined: float = 0.02


class _MovingClock:
    """Tells the time of the payment being made."""

    def __init__(self, start: datetime) -> None:
        self.instant = start

    def __call__(self) -> datetime:
        return self.instant


def seed_payments(
    ledger: Ledger,
    payments: int,
    *,
    seed: int = 1,
    start: datetime = SEED_START,
    spacing_seconds: int = 20,
    shares: Shares | None = None,
) -> datetime:
    """Add card payments, evenly spaced in time, with refunds, disputes, declines and daily payouts.

    Each payment is one payment intent, one charge and (unless declined) one balance transaction; a tenth as
    many customers. The same arguments give the same objects.

    Returns:
        The instant after the last payment.
    """
    clock = _MovingClock(start)
    wanted = shares or Shares()
    account = Account(ledger, clock, is_silent=True)
    dice = random.Random(seed)
    with ledger.lock:
        customers = [
            account.record(
                CUSTOMERS,
                objects.customer(
                    email=f"member{number}@example.com", name=None, phone=None, description=None, metadata={}
                ),
            ).id
            for number in range(max(1, payments // 10))
        ]
        last_day = clock.instant.date()
        for number in range(payments):
            clock.instant = start + timedelta(seconds=number * spacing_seconds)
            if clock.instant.date() != last_day:
                last_day = clock.instant.date()
                advance_payouts(account, Params({}))
            _pay(account, dice, f"order{number:08d}", dice.choice(customers), wanted)
    return clock.instant + timedelta(seconds=spacing_seconds)


def _pay(account: Account, dice: random.Random, order: str, customer: str, shares: Shares) -> None:
    intent = new_intent(
        account,
        amount=dice.randrange(200, 90_000),
        currency="usd",
        customer_id=customer,
        description=None,
        receipt_email=None,
        metadata={"orderId": order, "materialsOrderId": order, "source": "materials", "uid": customer},
    )
    fate = dice.random()
    if fate < shares.declined:
        with suppress(ApiError):
            confirm(account, intent, "pm_card_chargeDeclined")
        return
    is_disputed = fate < shares.declined + shares.disputed
    confirm(account, intent, "pm_card_createDispute" if is_disputed else "pm_card_visa")
    if not is_disputed and dice.random() < shares.refunded:
        part = {"amount": str(intent["amount"] // 2)} if dice.random() < 0.5 else {}
        create_refund(account, Params({"payment_intent": intent.id, **part}))
