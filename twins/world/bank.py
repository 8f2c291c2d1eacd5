"""What Stripe does by itself once a day: checkouts expire, payouts leave and arrive, and sometimes do not.

Payouts name no order, so nothing else in the world knows of them. Two incidents live here.

``payout_missing``: the bank refuses a payout on the day it should arrive, the money goes back to the balance,
and Stripe sends nothing more until the studio has mended its bank details, days later.

``payout_short``: Stripe holds the money of one charge back although it is available, so every payout until it
lets go is short of it.
"""

from dataclasses import dataclass
from datetime import datetime

from twins.stripe.kinds import PAYOUTS
from twins.stripe.ledger import Entry
from twins.world.incidents import Incident
from twins.world.studio import Studio
from twins.world.till import HOME_CURRENCY, Till

PAUSED_DAYS = (5, 8)
HELD_DAYS = (5, 9)


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What is wrong with payouts now. ``held_charge`` is null while none are sent at all."""

    incident: Incident
    until: datetime
    held_charge: str | None = None


class Bank:
    """Ends each day at Stripe."""

    def __init__(self, studio: Studio, till: Till) -> None:
        self._studio = studio
        self._till = till
        self._trouble: _Trouble | None = None
        self._mending: list[str] = []  # payouts that ended a trouble: no other one may begin with them

    def end_day(self) -> None:
        """Let checkouts expire, and payouts arrive and leave, as today's luck will have it."""
        self._till.expire_checkouts()
        is_mended = self._trouble is not None and self._trouble.until <= self._studio.now
        if self._trouble is None:
            self._send_ordinarily()
        elif not is_mended:
            self._send_in_trouble(self._trouble)
        elif sent := self._sent(self._till.advance_payouts()):
            self._trouble.incident.end(self._studio.now)
            self._trouble = None
            self._mending = sent

    def _send_ordinarily(self) -> None:
        studio = self._studio
        now = int(studio.now.timestamp())
        dice = studio.dice("payouts", studio.now.date())
        failing, held = self._arriving(now), self._to_hold(now)
        if failing and (incident := studio.incidents.claim("payout_missing", studio.now)):
            self._trouble = _Trouble(incident, studio.now + dice.days(*PAUSED_DAYS))
            incident.affect(studio.now, f"payouts/{failing}")
            self._till.advance_payouts(fail=failing, is_paused=True)
        elif held and (incident := studio.incidents.claim("payout_short", studio.now)):
            self._trouble = _Trouble(incident, studio.now + dice.days(*HELD_DAYS), held)
            self._send_in_trouble(self._trouble)
        else:
            self._till.advance_payouts()

    def _send_in_trouble(self, trouble: _Trouble) -> None:
        if trouble.held_charge is None:
            self._till.advance_payouts(is_paused=True)
            return
        sent = self._sent(self._till.advance_payouts(hold_back=trouble.held_charge))
        paths = [f"payouts/{payout}" for payout in sent]
        trouble.incident.affect(self._studio.now, f"charges/{trouble.held_charge}", *paths)

    def _arriving(self, now: int) -> str | None:
        """Return a payout that should arrive today and carries nobody else's trouble, or null."""
        payouts = self._till.books.ledger.entries(PAYOUTS)
        due = [p for p in payouts[-5:] if p["status"] == "pending" and p["arrival_date"] <= now]
        is_ours = due and due[-1]["currency"] == HOME_CURRENCY and due[-1].id not in self._mending
        return due[-1].id if is_ours else None

    def _to_hold(self, now: int) -> str | None:
        """Return a charge with available money and without which a payout is sent all the same, or null."""
        moves = self._till.books.ledger.unswept.values()
        ripe = [m for m in moves if m["available_on"] <= now and m["currency"] == HOME_CURRENCY]
        charges = [m for m in ripe if m["type"] == "charge"]
        if len(charges) < 2 or sum(m["net"] for m in ripe) <= charges[-1]["net"]:
            return None
        return str(charges[-1]["source"])

    def _sent(self, changed: list[Entry]) -> list[str]:
        """Return the payouts in the studio's own currency that left just now."""
        return [p.id for p in changed if p["status"] == "pending" and p["currency"] == HOME_CURRENCY]
