"""Stripe's books kept in this process: the world's calls carried out on the twin's own account, without HTTP.

For whoever wants a year of money in seconds. The acts are the ones that answer on the wire, so ids, fees,
payouts and disputes come out the same; a test holds the two against each other.
"""

import heapq
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from twins.stripe.account import Account
from twins.stripe.checkout import complete_checkout, create_session, expire_checkouts
from twins.stripe.disputes import close_dispute, create_dispute
from twins.stripe.errors import ApiError
from twins.stripe.kinds import ObjectKind
from twins.stripe.ledger import Entry, Ledger
from twins.stripe.params import Params
from twins.stripe.payments import cancel_intent, confirm_intent, create_intent
from twins.stripe.payouts import advance_payouts
from twins.stripe.refunds import create_refund
from twins.world.operations import StripeCall

_ACTS: Mapping[str, Callable[..., Entry | list[Entry]]] = {
    "open_checkout": create_session,
    "complete_checkout": complete_checkout,
    "decline_checkout": complete_checkout,
    "create_intent": create_intent,
    "confirm_intent": confirm_intent,
    "cancel_intent": cancel_intent,
    "refund": create_refund,
    "create_dispute": create_dispute,
    "close_dispute": close_dispute,
    "expire_checkouts": expire_checkouts,
    "advance_payouts": advance_payouts,
}
_NAMED_IN_PATH = "intent"  # on the wire this parameter stands in the path


class ForeignBooksError(Exception):
    """An act gave another id than the plan foresaw: the first calls, or some between, were left out."""


class _WatchedLedger(Ledger):
    """A ledger that remembers which objects are new or changed since it was last asked."""

    def __init__(self) -> None:
        super().__init__()
        self.touched: dict[str, dict[str, Entry]] = {}
        self._ripening: list[tuple[int, str]] = []

    def add(
        self,
        kind: ObjectKind,
        created: int,
        data: Mapping[str, Any],
        *,
        aside: Mapping[str, Any] | None = None,
        raw: bytes | None = None,
    ) -> Entry:
        """Store a new object."""
        entry = super().add(kind, created, data, aside=aside, raw=raw)
        self._touch(entry)
        if entry.available_on is not None:
            heapq.heappush(self._ripening, (entry.available_on, entry.id))
        return entry

    def change(self, entry: Entry, **changes: Any) -> None:
        """Change fields of an object."""
        super().change(entry, **changes)
        self._touch(entry)

    def ripen(self, now: int) -> None:
        """Take note of the ledger entries whose money has become available by ``now`` (epoch seconds)."""
        while self._ripening and self._ripening[0][0] <= now:
            entry = self.get(heapq.heappop(self._ripening)[1])
            if entry is not None:
                self._touch(entry)

    def _touch(self, entry: Entry) -> None:
        self.touched.setdefault(entry.kind.path, {})[entry.id] = entry


class Books:
    """One Stripe account, brought forward call by call, in order from the world's first call on."""

    def __init__(self) -> None:
        self._ledger = _WatchedLedger()
        self._at: datetime | None = None
        self._account = Account(self._ledger, self._now, is_silent=True)

    @property
    def ledger(self) -> Ledger:
        """Return every object as it stands; read only."""
        return self._ledger

    def carry_out(self, call: StripeCall) -> Entry | list[Entry] | None:
        """Do what the call asks, at its own instant; return what it made or changed, null for a decline.

        Raises:
            ForeignBooksError: when the ids are not the foreseen ones.
        """
        self._at = call.at
        values = dict(call.params)
        named = [values.pop(_NAMED_IN_PATH)] if call.act in {"confirm_intent", "cancel_intent"} else []
        try:
            entry = _ACTS[call.act](self._account, Params(_as_form(values)), *named)
        except ApiError:
            if call.act == "decline_checkout":  # a declined card is what was asked for
                return None
            raise
        for name, foreseen in call.expects.items():
            if isinstance(entry, list) or entry[name] != foreseen:
                raise ForeignBooksError(
                    f"The act {call.act} at {call.at.isoformat()} gave another {name} than the plan foresaw."
                )
        return entry

    def changed(self, as_of: datetime) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Return what is new or looks different since the last call, as the wire shows it at an instant.

        Returns:
            Object type (``payment_intents``) -> id -> its JSON as plain Python, which stays as it is.
        """
        now = int(as_of.timestamp())
        self._ledger.ripen(now)
        touched, self._ledger.touched = self._ledger.touched, {}
        return {
            path: {object_id: dict(self._ledger.shown(entry, now)) for object_id, entry in entries.items()}
            for path, entries in touched.items()
        }

    def _now(self) -> datetime:
        if self._at is None:
            raise RuntimeError("the books have no time before their first call")
        return self._at


def _as_form(value: Any) -> Any:
    """Return parameters as the form decoding of the wire gives them: texts all the way down."""
    if isinstance(value, Mapping):
        return {name: _as_form(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_as_form(inner) for inner in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
