"""Stripe's webhooks as the portal lives them: late, out of order, and sometimes never.

Delivery is simulated, not imitated: the plan decides when the portal hears of an event and lets the sale
write what the portal's handler would. Only the ``payments`` documents are protected from going backwards;
orders are not, which is why a late ``checkout.session.completed`` sets a paid order back.
"""

from datetime import timedelta
from typing import Any, Protocol

from twins.world.chance import Dice
from twins.world.studio import Studio
from twins.world.till import Payment

COMPLETED, SUCCEEDED = "checkout.session.completed", "payment_intent.succeeded"
FAILED, REFUNDED = "payment_intent.payment_failed", "charge.refunded"
DISPUTED, DISPUTE_CLOSED = "charge.dispute.created", "charge.dispute.closed"
OUT_OF_ORDER_SHARE = 0.04
LATE_SHARE = 0.02
_PAYMENT_STATUS = {
    COMPLETED: "checkout_completed",
    SUCCEEDED: "payment_succeeded",
    FAILED: "payment_failed",
    REFUNDED: "charge_refunded",
    DISPUTED: "charge_disputed",
    DISPUTE_CLOSED: "charge_disputed",
}
_RANKS = {  # a payment document never falls back in rank, however late an event comes
    "payment_failed": 20,
    "checkout_completed": 40,
    "payment_succeeded": 50,
    "charge_disputed": 70,
    "charge_refunded": 80,
}


class Sale(Protocol):
    """What was sold: the documents that the portal's webhook handler changes."""

    path: str
    uid: str
    source: str

    def hear(self, event: str, payment: Payment, dispute_status: str | None = None) -> None:
        """Write what the portal writes on hearing of an event now."""


class Webhooks:
    """Delivers events to sales, and keeps the portal's ``payments`` documents."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._shown: dict[str, str] = {}

    def deliver(
        self, event: str, payment: Payment, sale: Sale, delay: timedelta, dispute_status: str | None = None
    ) -> None:
        """Let the portal hear of an event after a delay."""
        self._studio.at(self._studio.now + delay, self._arrive, event, payment, sale, dispute_status)

    def _arrive(self, event: str, payment: Payment, sale: Sale, dispute_status: str | None) -> None:
        self._write_payment(event, payment, sale)
        sale.hear(event, payment, dispute_status)

    def deliver_success(self, payment: Payment, sale: Sale, dice: Dice) -> bool:
        """Let the portal hear that a checkout was paid: two events, usually in order and within seconds.

        Returns:
            Whether nothing went wrong with it.
        """
        quickly, soon = timedelta(seconds=dice.between(1, 5)), timedelta(seconds=dice.between(6, 20))
        studio = self._studio
        incident = studio.incidents.claim("regressed_payment", studio.now)
        is_out_of_order = studio.incidents.trouble(dice, OUT_OF_ORDER_SHARE)
        is_late = studio.incidents.trouble(dice, LATE_SHARE)
        if incident or is_out_of_order:
            late = dice.hours(0.4, 9)
            self.deliver(SUCCEEDED, payment, sale, quickly)
            self.deliver(COMPLETED, payment, sale, late)
            if incident:
                incident.affect(studio.now + late, sale.path)
            else:
                studio.incidents.quirk(
                    "regressed_payment",
                    studio.now + late,
                    sale.path,
                    notes="completed arrived after succeeded",
                )
            return False
        if is_late:
            late = dice.hours(3, 26)
            self.deliver(COMPLETED, payment, sale, quickly)
            self.deliver(SUCCEEDED, payment, sale, late)
            studio.incidents.quirk(
                "late_webhook", studio.now, sale.path, notes="the portal heard of the money hours later"
            ).end(studio.now + late)
            return False
        self.deliver(COMPLETED, payment, sale, quickly)
        self.deliver(SUCCEEDED, payment, sale, soon)
        return True

    def _write_payment(self, event: str, payment: Payment, sale: Sale) -> None:
        """Write the ``payments`` document of an event; its id is the Stripe object of the event."""
        by_charge = {REFUNDED, DISPUTED, DISPUTE_CLOSED}
        object_id = payment.session_id if event == COMPLETED else payment.intent_id
        path = f"payments/{payment.charge_id if event in by_charge else object_id}"
        status = _PAYMENT_STATUS[event]
        if path in self._shown:
            if _RANKS[status] >= _RANKS[self._shown[path]]:
                self._shown[path] = status
                self._studio.touch(path, {"status": status, "lastEventType": event})
            return
        self._shown[path] = status
        document: dict[str, Any] = {
            "uid": sale.uid,
            "mode": "test",
            "status": status,
            "source": "stripe_webhook",
            "paymentDomain": sale.source,
            "checkoutSessionId": payment.session_id,
            "stripePaymentIntentId": payment.intent_id,
            "amountTotal": payment.refunded_cents if event == REFUNDED else payment.amount_cents,
            "currency": "usd",
            "lastEventType": event,
            "createdAt": self._studio.now,
            "updatedAt": self._studio.now,
        }
        self._studio.set(path, document)
