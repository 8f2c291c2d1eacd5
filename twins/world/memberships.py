"""Membership fees, paid through the portal's own checkout: money at Stripe that has no order document."""

from datetime import date, timedelta

from twins.world import almanac
from twins.world.chance import Dice
from twins.world.people import People, Person
from twins.world.studio import Studio
from twins.world.till import GOOD_CARDS, Line, Payment, Till
from twins.world.webhooks import COMPLETED, SUCCEEDED, Webhooks

FEES_A_DAY = 0.15
_TIERS = (("apprentice", 6500), ("journeyman", 11000), ("studio", 16500))


class Fee:
    """One membership fee: a ``Sale`` without documents of its own."""

    source = "portal"

    def __init__(self, payer: Person) -> None:
        self.uid = payer.uid
        self.path = f"users/{payer.uid}"

    def hear(self, event: str, payment: Payment, dispute_status: str | None = None) -> None:
        """Write nothing: the portal keeps a fee only among its payments."""


class Memberships:
    """The desk for fees."""

    def __init__(self, studio: Studio, people: People, till: Till, webhooks: Webhooks) -> None:
        self._studio = studio
        self._people = people
        self._till = till
        self._webhooks = webhooks

    def open_day(self, day: date) -> None:
        """Take today's fees."""
        for number in range(self._studio.arrivals("fees", day, FEES_A_DAY)):
            dice = self._studio.dice("fee", day, number)
            self._studio.at(almanac.moment(dice, day, 8, 22), self._open, dice)

    def _open(self, dice: Dice) -> None:
        payer = self._people.member(dice)
        tier, cents = dice.pick(_TIERS)
        metadata = {"uid": payer.uid, "source": "portal", "priceKey": f"membership_{tier}", "mode": "test"}
        payment = self._till.open_checkout(
            [Line(f"Membership, {tier}", cents)],
            metadata,
            reference=payer.uid,
            email=payer.email,
            is_taxed=False,
        )
        self._studio.at(self._studio.now + dice.minutes(1, 9), self._pay, payment, Fee(payer))

    def _pay(self, payment: Payment, fee: Fee) -> None:
        self._till.complete(payment, GOOD_CARDS[0])
        for event, seconds in ((COMPLETED, 3), (SUCCEEDED, 8)):
            self._webhooks.deliver(event, payment, fee, timedelta(seconds=seconds))
