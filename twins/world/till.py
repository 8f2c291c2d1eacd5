"""The till: everything the world asks of Stripe, with the ids Stripe will give foreseen.

Documents name Stripe objects, and documents must depend on the plan alone; so the plan foresees each id. The
Stripe twin numbers objects in order of creation, and the same numbering run here gives the same ids. The
writer compares every foreseen id with the real one and stops at the first difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twins.stripe.checkout import TAX_PER_MILLE
from twins.stripe.ledger import Entry, Ledger
from twins.world.books import Books
from twins.world.operations import StripeCall
from twins.world.studio import Studio

GOOD_CARDS = ("pm_card_visa", "pm_card_mastercard", "pm_card_amex", "pm_card_discover")
FOREIGN_CARD = "pm_card_gb"  # good too, but dearer: Stripe takes more for cards from abroad
DECLINED_CARD = "pm_card_visa_chargeDeclined"
HOME_CURRENCY = "usd"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a checkout: ``unit_cents`` before tax."""

    name: str
    unit_cents: int
    quantity: int = 1


@dataclass(slots=True, eq=False)
class Payment:
    """One purchase at Stripe, from open checkout to money.

    ``session_id`` is null for a payment made without a checkout page; ``charge_id`` until one succeeded.
    """

    amount_cents: int
    metadata: Mapping[str, str]
    session_id: str | None = None
    intent_id: str | None = None
    charge_id: str | None = None
    refunded_cents: int = 0


def tax_cents(lines: Sequence[Line]) -> int:
    """Return the sales tax that automatic tax adds, per line, in cents."""
    return sum((line.unit_cents * line.quantity * TAX_PER_MILLE + 500) // 1000 for line in lines)


def total_cents(lines: Sequence[Line]) -> int:
    """Return the sum of the lines before tax, in cents."""
    return sum(line.unit_cents * line.quantity for line in lines)


class Till:
    """Makes Stripe calls at the studio's present instant."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._numbering = Ledger()
        self.books = Books()
        """What Stripe's books say now: some things that happen by themselves depend on them."""

    def open_checkout(
        self,
        lines: Sequence[Line],
        metadata: Mapping[str, str],
        *,
        reference: str,
        email: str | None,
        is_taxed: bool,
        currency: str = HOME_CURRENCY,
    ) -> Payment:
        """Open a checkout session, as the portal's functions do; ``reference`` is the client reference id."""
        session_id = self._foresee("cs_test_")
        amount = total_cents(lines) + (tax_cents(lines) if is_taxed else 0)
        params: dict[str, object] = {
            "mode": "payment",
            "client_reference_id": reference,
            "line_items": [
                {
                    "quantity": line.quantity,
                    "price_data": {
                        "currency": currency,
                        "unit_amount": line.unit_cents,
                        "product_data": {"name": line.name},
                    },
                }
                for line in lines
            ],
            "success_url": "https://portal.invalid/paid",
            "cancel_url": "https://portal.invalid/cart",
            "automatic_tax": {"enabled": is_taxed},
        }
        if metadata:
            params["metadata"] = dict(metadata)
            params["payment_intent_data"] = {"metadata": dict(metadata)}
        if email:
            params["customer_email"] = email
        self._call("open_checkout", params, {"id": session_id})
        return Payment(amount, metadata, session_id=session_id)

    def complete(self, payment: Payment, card: str = GOOD_CARDS[0]) -> None:
        """Pay an open checkout as its customer would, with a card that is good."""
        self._attempt(payment)
        self._call(
            "complete_checkout",
            {"session": payment.session_id, "payment_method": card},
            {"payment_intent": str(payment.intent_id)},
        )

    def decline(self, payment: Payment) -> None:
        """Try to pay an open checkout with a card that is declined; a failed charge is left behind."""
        self._attempt(payment)
        payment.charge_id = None
        self._call("decline_checkout", {"session": payment.session_id, "payment_method": DECLINED_CARD})

    def intend(self, amount_cents: int, metadata: Mapping[str, str]) -> Payment:
        """Make a payment intent without a checkout page; no money moves yet."""
        payment = Payment(amount_cents, metadata, intent_id=self._foresee("pi_"))
        params = {"amount": amount_cents, "currency": "usd", "metadata": dict(metadata)}
        self._call("create_intent", params, {"id": str(payment.intent_id)})
        return payment

    def confirm(self, payment: Payment, card: str = GOOD_CARDS[0]) -> None:
        """Charge an intended payment."""
        payment.charge_id = self._foresee("ch_")
        self._call(
            "confirm_intent",
            {"intent": payment.intent_id, "payment_method": card},
            {"latest_charge": payment.charge_id},
        )

    def abandon(self, payment: Payment) -> None:
        """Cancel an intended payment that never happened."""
        self._call("cancel_intent", {"intent": payment.intent_id, "cancellation_reason": "abandoned"})

    def refund(self, payment: Payment, amount_cents: int | None = None, reason: str | None = None) -> str:
        """Give money back, all that is left when no amount is given; return the refund's id."""
        left = payment.amount_cents - payment.refunded_cents
        given = left if amount_cents is None else min(left, amount_cents)
        payment.refunded_cents += given
        refund_id = self._foresee("re_")
        params = {"charge": payment.charge_id, "amount": given, "reason": reason or "requested_by_customer"}
        self._call("refund", params, {"id": refund_id})
        return refund_id

    def dispute(self, payment: Payment, reason: str, amount_cents: int | None = None) -> str:
        """Let the payer's bank take the money back, what was not refunded when no amount is given.

        Returns:
            The dispute's id.
        """
        dispute_id = self._foresee("dp_")
        params: dict[str, object] = {"charge": payment.charge_id, "reason": reason}
        if amount_cents is not None:
            params["amount"] = amount_cents
        self._call("create_dispute", params, {"id": dispute_id})
        return dispute_id

    def close_dispute(self, dispute_id: str, *, is_won: bool) -> None:
        """End a dispute."""
        outcome = "won" if is_won else "lost"
        self._call("close_dispute", {"dispute": dispute_id, "outcome": outcome})

    def expire_checkouts(self) -> None:
        """Let the checkouts expire whose time is over, as Stripe does by itself."""
        self._call("expire_checkouts", {})

    def advance_payouts(
        self, *, fail: str | None = None, hold_back: str | None = None, is_paused: bool = False
    ) -> list[Entry]:
        """Let payouts arrive and leave, as Stripe does by itself; return those that changed.

        Args:
            fail: A payout that the bank refuses if it should arrive now.
            hold_back: A charge whose money stays, although it is available.
            is_paused: Whether nothing new is sent.
        """
        params = {"fail": fail, "hold_back": hold_back, "is_paused": "true" if is_paused else None}
        changed = self._call("advance_payouts", {name: value for name, value in params.items() if value})
        return changed if isinstance(changed, list) else []

    def _call(
        self, act: str, params: Mapping[str, object], expects: Mapping[str, str] | None = None
    ) -> Entry | list[Entry] | None:
        self._studio.call(act, params, expects)
        return self.books.carry_out(StripeCall(self._studio.now, act, params, expects or {}))

    def _attempt(self, payment: Payment) -> None:
        if payment.intent_id is None:
            payment.intent_id = self._foresee("pi_")
        payment.charge_id = self._foresee("ch_")

    def _foresee(self, prefix: str) -> str:
        return self._numbering.new_id(prefix)
