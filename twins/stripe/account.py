"""One pretend Stripe account: the ledger, its clock, its events, and every movement of money.

INVARIANT: money moves only through :meth:`Account.post`, which writes one balance transaction with
``net = amount - fee``; so the nets of all balance transactions always add up to the balance.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import orjson

from twins.stripe import objects
from twins.stripe.errors import no_such
from twins.stripe.kinds import BALANCE_TRANSACTIONS, EVENTS, ObjectKind
from twins.stripe.ledger import Entry, Ledger

API_VERSION = "2026-10-28.endive"
DAY_SECONDS = 86_400
SETTLING_SECONDS = 2 * DAY_SECONDS
"""Money of a charge can be paid out two days later, as in most accounts in the United States."""

HOME_CURRENCY = "usd"
FEE_PER_MILLE = 29
FEE_FIXED_CENTS = 30
FOREIGN_FEE_PER_MILLE = 15
DISPUTE_FEE_CENTS = 1500


def processing_fee(amount_cents: int, *, is_foreign: bool = False) -> int:
    """Return Stripe's fee for a card payment: 2.9 % rounded half up to a cent, plus 30 cents.

    A card from abroad costs 1.5 % more.
    """
    per_mille = FEE_PER_MILLE + FOREIGN_FEE_PER_MILLE if is_foreign else FEE_PER_MILLE
    return (amount_cents * per_mille + 500) // 1000 + FEE_FIXED_CENTS


class Account:
    """What the account owns and what it can do with the passing of time."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime], *, is_silent: bool = False) -> None:
        self.ledger = ledger
        self._now = now
        self._is_silent = is_silent
        self.request_id: str | None = None
        self.idempotency_key: str | None = None

    def now(self) -> int:
        """Return the account's clock in whole epoch seconds, the resolution of every time at Stripe."""
        return int(self._now().timestamp())

    def record(
        self, kind: ObjectKind, data: Mapping[str, Any], *, aside: Mapping[str, Any] | None = None
    ) -> Entry:
        """Store a new object, created now."""
        return self.ledger.add(kind, self.now(), data, aside=aside)

    def require(self, kind: ObjectKind, object_id: str, param: str, *, is_path: bool = False) -> Entry:
        """Return an object; raise Stripe's "No such ..." when there is none of that type."""
        entry = self.ledger.find(kind, object_id)
        if entry is None:
            raise no_such(kind.object_name, object_id, param, status=404 if is_path else 400)
        return entry

    def announce(self, event_type: str, entry: Entry, before: Mapping[str, Any] | None = None) -> None:
        """Emit an event holding the object as it is now; ``before`` holds the old values of what changed."""
        if self._is_silent:
            return
        now = self.now()
        event_id = self.ledger.new_id(EVENTS.prefix)
        data: dict[str, Any] = {"object": orjson.Fragment(self.ledger.render(entry, now))}
        if before:
            data["previous_attributes"] = dict(before)
        event = {
            "id": event_id,
            "object": "event",
            "api_version": API_VERSION,
            "created": now,
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": {"id": self.request_id, "idempotency_key": self.idempotency_key},
            "type": event_type,
        }
        # The event is kept as bytes: it must go on showing the object as it was.
        self.ledger.add(EVENTS, now, {"id": event_id, "type": event_type}, raw=orjson.dumps(event))

    def change(self, entry: Entry, event_type: str | None = None, **changes: Any) -> None:
        """Change an object and, where a type is given, emit the event with what it held before."""
        before = {name: entry.data[name] for name in changes}
        self.ledger.change(entry, **changes)
        if event_type:
            self.announce(event_type, entry, before)

    def post(
        self,
        *,
        amount: int,
        fee: int,
        currency: str,
        kind: str,
        category: str,
        source: str,
        available_on: int,
        description: str | None,
        fee_description: str = "Stripe processing fees",
    ) -> Entry:
        """Move money: write one balance transaction. Amounts are signed minor units."""
        return self.record(
            BALANCE_TRANSACTIONS,
            objects.balance_transaction(
                amount=amount,
                fee=fee,
                fee_description=fee_description,
                currency=currency,
                kind=kind,
                category=category,
                source=source,
                available_on=available_on,
                description=description,
            ),
        )

    def balance(self) -> tuple[Counter[str], Counter[str]]:
        """Return minor units per currency: what can be paid out now, and what cannot yet."""
        available = Counter({HOME_CURRENCY: 0})
        pending = Counter({HOME_CURRENCY: 0})
        now = self.now()
        for entry in self.ledger.unswept.values():
            side = available if entry["available_on"] <= now else pending
            side[entry["currency"]] += entry["net"]
        return available, pending
