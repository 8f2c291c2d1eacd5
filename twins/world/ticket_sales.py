"""What webhooks write when an event was paid for: the charge and, beside it, the signup."""

from typing import Any

from twins.world.studio import Studio
from twins.world.till import Payment
from twins.world.webhooks import COMPLETED, DISPUTE_CLOSED, DISPUTED, FAILED, REFUNDED, SUCCEEDED

_WORDS = {
    COMPLETED: "checkout_pending",
    SUCCEEDED: "paid",
    FAILED: "payment_failed",
    REFUNDED: "refunded",
    DISPUTED: "disputed",
    DISPUTE_CLOSED: "disputed",
}


class TicketSale:
    """One event charge: the ``Sale`` that webhooks change. ``checkout_pending`` is also payment pending."""

    source = "events"

    def __init__(self, studio: Studio, charge_id: str, signup_path: str, uid: str, payment: Payment) -> None:
        self._studio = studio
        self._signup_path = signup_path
        self.path = f"eventCharges/{charge_id}"
        self.uid = uid
        self.payment = payment

    def hear(self, event: str, payment: Payment, dispute_status: str | None = None) -> None:
        """Write what the portal writes on hearing of an event now; ``paidAt`` survives a step back."""
        changes: dict[str, Any] = {
            "paymentStatus": _WORDS[event],
            "stripePaymentIntentId": payment.intent_id,
            "lastEventType": event,
        }
        if event == SUCCEEDED:
            changes["paidAt"] = self._studio.now
            changes["checkoutUrl"] = None
            changes["receiptUrl"] = f"https://pay.stripe.com/receipts/{payment.charge_id}"
        if dispute_status:
            changes["stripeDisputeStatus"] = dispute_status
            changes["stripeDisputeLifecycle"] = "opened" if event == DISPUTED else "closed"
        self._studio.touch(self.path, changes)
        self._studio.touch(self._signup_path, {"paymentStatus": _WORDS[event], "lastEventType": event})
