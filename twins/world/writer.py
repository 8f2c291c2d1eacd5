"""Carries steps out: documents through google-cloud-firestore, money through the Stripe SDK.

Before anything is done the shared clock is set to the simulated instant, so commit times, read times and
Stripe's ``created`` all tell the same story. Nothing is decided here.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

import stripe
from google.cloud import firestore

from twins.world.bulk import BulkWriter
from twins.world.operations import REMOVED, DocumentWrite, Step, StripeCall, WriteKind

_TWIN = "/v1/test_helpers/twin"  # acts of customers and banks, which no real API offers
_PATHS = {
    "open_checkout": "/v1/checkout/sessions",
    "complete_checkout": f"{_TWIN}/complete_checkout",
    "decline_checkout": f"{_TWIN}/complete_checkout",
    "create_intent": "/v1/payment_intents",
    "confirm_intent": "/v1/payment_intents/{intent}/confirm",
    "cancel_intent": "/v1/payment_intents/{intent}/cancel",
    "refund": "/v1/refunds",
    "create_dispute": f"{_TWIN}/create_dispute",
    "close_dispute": f"{_TWIN}/close_dispute",
    "expire_checkouts": f"{_TWIN}/expire_checkouts",
    "advance_payouts": f"{_TWIN}/advance_payouts",
}


class SettableClock(Protocol):
    """The clock that the twins and the world share."""

    def set(self, instant: datetime) -> None:
        """Pin the time to an instant."""


class ForeseenIdError(Exception):
    """Stripe gave another id than the plan foresaw: the world was not written to a fresh twin."""


class Writer:
    """Writes one world to one Firestore and one Stripe account; steps must come in order.

    ``bulk`` carries bulk steps faster; without it they go the ordinary way.
    """

    def __init__(
        self,
        documents: firestore.Client,
        payments: stripe.StripeClient,
        clock: SettableClock,
        bulk: BulkWriter | None = None,
    ) -> None:
        self._documents = documents
        self._bulk = bulk
        self._payments = payments
        self._clock = clock

    def apply(self, step: Step) -> None:
        """Carry one step out.

        Raises:
            ForeseenIdError: when Stripe's answer does not carry the foreseen ids.
        """
        for call in step.calls:
            self._clock.set(call.at)
            self._call(call)
        if step.writes:
            self._clock.set(step.at)
            if step.is_bulk and self._bulk:
                self._bulk.commit(step.writes)
            else:
                self._commit(step.writes)

    def close(self) -> None:
        """Close the connections to Firestore."""
        self._documents.close()  # type: ignore[no-untyped-call]  # - the library leaves it untyped
        if self._bulk:
            self._bulk.close()

    def _commit(self, writes: tuple[DocumentWrite, ...]) -> None:
        batch = self._documents.batch()
        for write in writes:
            reference = self._documents.document(write.path)
            if write.kind is WriteKind.SET:
                batch.set(reference, dict(write.data))
            elif write.kind is WriteKind.UPDATE:
                batch.update(reference, _changes(write.data))
            else:
                batch.delete(reference)
        batch.commit()

    def _call(self, call: StripeCall) -> None:
        answer = self._ask(call)
        for name, foreseen in call.expects.items():
            if answer.get(name) != foreseen:
                raise ForeseenIdError(
                    f"Stripe act {call.act} at {call.at.isoformat()} gave another {name} than the plan"
                    " foresaw; start the world on fresh, empty twins."
                )

    def _ask(self, call: StripeCall) -> Mapping[str, Any]:
        """Send one request below the SDK's typed objects, which would cost more than the request."""
        path = _PATHS[call.act]
        params = dict(call.params)
        if "{" in path:
            path = path.format(intent=params.pop("intent"))
        try:
            answer = self._payments.raw_request("post", path, **params)
        except stripe.CardError:
            if call.act == "decline_checkout":
                return {}
            raise
        if call.act == "decline_checkout":
            raise ForeseenIdError("Stripe took a card that the plan declined; is this the Stripe twin?")
        return answer.data if isinstance(answer.data, Mapping) else {}


def _changes(data: Mapping[str, Any]) -> dict[str, Any]:
    return {path: firestore.DELETE_FIELD if value is REMOVED else value for path, value in data.items()}
