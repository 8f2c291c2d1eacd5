"""What webhooks write when an agent's order was paid for: the order and, beside it, the linked request."""

from collections.abc import Callable
from typing import Any

from twins.world.studio import Studio
from twins.world.till import Payment
from twins.world.webhooks import COMPLETED, DISPUTE_CLOSED, DISPUTED, FAILED, REFUNDED, SUCCEEDED

# Event -> order status, payment status, fulfilment, status of the linked request.
_WORDS = {
    COMPLETED: ("payment_pending", "payment_pending", "queued", "accepted"),
    SUCCEEDED: ("paid", "paid", "scheduled", "in_progress"),
    FAILED: ("payment_required", "payment_failed", "queued", "accepted"),
    REFUNDED: ("refunded", "refunded", "queued", "accepted"),
    DISPUTED: ("exception", "disputed", "on_hold", "in_progress"),
    DISPUTE_CLOSED: ("exception", "disputed", "on_hold", "in_progress"),
}


class AgentSale:
    """One agent order: the ``Sale`` that webhooks change. A late event sets all of it back."""

    source = "agent"

    def __init__(
        self, studio: Studio, path: str, uid: str, request_path: str | None, *, on_paid: Callable[[], None]
    ) -> None:
        self._studio = studio
        self._request_path = request_path
        self._on_paid = on_paid
        self._payment_status = "checkout_created"
        self._was_paid = False
        self.path = path
        self.uid = uid

    def hear(self, event: str, payment: Payment, dispute_status: str | None = None) -> None:
        """Write what the portal writes on hearing of an event now, even on a fulfilled request."""
        status, self._payment_status, fulfilment, request_status = _WORDS[event]
        changes: dict[str, Any] = {
            "status": status,
            "paymentStatus": self._payment_status,
            "fulfillmentStatus": fulfilment,
            "fulfillmentUpdatedAt": self._studio.now,
            "stripePaymentIntentId": payment.intent_id,
        }
        if dispute_status:
            changes["stripeDisputeStatus"] = dispute_status
        self._studio.touch(self.path, changes)
        if self._request_path:
            self._studio.touch(
                self._request_path,
                {"status": request_status, "commissionPaymentStatus": self._payment_status},
            )
        if event == SUCCEEDED and not self._was_paid:
            self._was_paid = True
            self._on_paid()

    def advance(self, fulfilment: str) -> None:
        """Move the work one step on; refused, as by the portal, unless the order counts as paid."""
        if self._payment_status != "paid":
            return
        changes = {"fulfillmentStatus": fulfilment, "fulfillmentUpdatedAt": self._studio.now}
        self._studio.touch(self.path, changes)
        if fulfilment == "picked_up" and self._request_path:
            self._studio.touch(self._request_path, {"status": "fulfilled"})
