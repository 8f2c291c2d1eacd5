"""What can go wrong with an order of materials before or while it is paid, on purpose.

An incident bends the order when its checkout is opened (currency, sum, metadata, mode) or bends what the
portal hears of the payment afterwards. A bent order takes no other incident and no troublesome habit, so that
its label is exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from twins.world import almanac
from twins.world.chance import Dice
from twins.world.incidents import Incident
from twins.world.studio import Studio
from twins.world.till import HOME_CURRENCY, Line, Payment, Till, tax_cents, total_cents
from twins.world.webhooks import COMPLETED, SUCCEEDED, Sale

KINDS = (
    "currency_mismatch",
    "rounding",
    "metadata_lost",
    "mode_mix",
    "duplicate_order",
    "day_edge",
    "customer_deleted",
    "abandoned_checkout",
)
ROUNDING_CENTS = 2  # of the sum before tax, more or less
_EXPLAINED_CENTS = 1  # by which tax by line and tax on the total may differ in any order
ABANDONED_AFTER = timedelta(hours=24)  # when Stripe lets the checkout expire
_FOREIGN_CURRENCIES = ("cad", "eur")


@dataclass(frozen=True, slots=True)
class Bend:
    """How an order is bent. Straight when no incident claims it.

    Attributes:
        currency: What the checkout charges in; the order says USD all the same.
        cents: Added to the sum before tax at the checkout, not in the order.
        has_metadata: Whether the checkout names its order.
        mode: What order and checkout say of the mode; the money is always of test mode.
    """

    incident: Incident | None = None
    currency: str = HOME_CURRENCY
    cents: int = 0
    has_metadata: bool = True
    mode: str = "test"

    @property
    def is_doubled(self) -> bool:
        """Return whether the portal writes a second order for the same checkout."""
        return self.incident is not None and self.incident.kind == "duplicate_order"

    def lines(self, lines: Sequence[Line]) -> list[Line]:
        """Return the lines the checkout charges.

        Where tax by line hides the cents from whoever knows but the order's total, they go the other way.
        """
        bent = _with_cents(lines, self.cents)
        is_hidden = abs(_charged(bent) - _charged(_as_one(lines))) <= _EXPLAINED_CENTS
        return _with_cents(lines, -self.cents) if self.cents and is_hidden else bent

    def metadata(self, metadata: Mapping[str, str]) -> Mapping[str, str]:
        """Return the metadata the checkout carries."""
        return metadata if self.has_metadata else {}


STRAIGHT = Bend()


def _with_cents(lines: Sequence[Line], cents: int) -> list[Line]:
    first, *others = lines
    return [Line(first.name, first.unit_cents + cents // first.quantity, first.quantity), *others]


def _as_one(lines: Sequence[Line]) -> list[Line]:
    return [Line("all", total_cents(lines))]


def _charged(lines: Sequence[Line]) -> int:
    return total_cents(lines) + tax_cents(lines)


class OrderTroubles:
    """Claims orders for incidents, and lets happen what each incident says."""

    def __init__(self, studio: Studio, till: Till) -> None:
        self._studio = studio
        self._till = till

    def claim(self, order_id: str) -> Bend:
        """Return how an order that is placed now is bent; straight when nothing claims it."""
        studio = self._studio
        for kind in KINDS:
            incident = studio.incidents.claim(kind, studio.now)
            if incident:
                return _bend(incident, studio.dice("bend", order_id))
        return STRAIGHT

    def settle(self, bend: Bend, orders: Sequence[Sale], payment: Payment, pays_at: datetime) -> None:
        """Let a bent order be paid, or not, and the portal hear of it, or not.

        Args:
            bend: Of the order; it has an incident.
            orders: The order, and its double where the portal wrote two.
            payment: The open checkout of all of them.
            pays_at: When the customer would pay.
        """
        studio, incident, order = self._studio, bend.incident, orders[0]
        if incident is None:
            raise ValueError("a straight order is settled as any other")
        dice = studio.dice("settle bent", order.path)
        if incident.kind == "abandoned_checkout":
            incident.affect(studio.now + ABANDONED_AFTER, order.path)
        elif incident.kind == "day_edge":
            late = almanac.moment(dice, almanac.day_of(pays_at), 22.5, 23.9)
            studio.at(late, self._pay_across_midnight, incident, order, payment, dice)
        elif incident.kind == "customer_deleted":
            studio.at(pays_at, self._pay_and_leave, incident, order, payment, dice)
        else:
            studio.at(pays_at, self._pay, incident, orders, payment)

    def _pay(self, incident: Incident, orders: Sequence[Sale], payment: Payment) -> None:
        """Take the money; every order hears of it, but none of a mode that the webhook refuses."""
        self._till.complete(payment)
        incident.affect(self._studio.now, *(order.path for order in orders), f"charges/{payment.charge_id}")
        if incident.kind != "mode_mix":
            for order in orders:
                self._hear(order, payment)

    def _pay_across_midnight(self, incident: Incident, order: Sale, payment: Payment, dice: Dice) -> None:
        """Take the money in the evening; the portal hears of it hours later, on the next studio day.

        By then it is the next day in UTC for long: who counts days in UTC, and who counts by the order, sees
        the money on the day after the one on which it was taken.
        """
        studio = self._studio
        self._till.complete(payment)
        incident.affect(studio.now, order.path, f"charges/{payment.charge_id}")
        studio.at(studio.now + timedelta(seconds=4), order.hear, COMPLETED, payment)
        heard_at = almanac.day_end(almanac.day_of(studio.now)) + dice.hours(1.2, 6)
        studio.at(heard_at, order.hear, SUCCEEDED, payment)

    def _pay_and_leave(self, incident: Incident, order: Sale, payment: Payment, dice: Dice) -> None:
        """Take the money; days later the member's account is deleted, and the order names nobody any more."""
        studio = self._studio
        self._till.complete(payment)
        self._hear(order, payment)

        def leave() -> None:
            studio.touch(order.path, {"uid": None, "displayName": None, "email": None})
            incident.affect(studio.now, order.path, f"charges/{payment.charge_id}")

        studio.at(almanac.next_staffed(dice, studio.now + dice.days(2, 6)), leave)

    def _hear(self, order: Sale, payment: Payment) -> None:
        for event, seconds in ((COMPLETED, 3), (SUCCEEDED, 9)):
            self._studio.at(self._studio.now + timedelta(seconds=seconds), order.hear, event, payment)


def _bend(incident: Incident, dice: Dice) -> Bend:
    kind = incident.kind
    return Bend(
        incident,
        currency=dice.pick(_FOREIGN_CURRENCIES) if kind == "currency_mismatch" else HOME_CURRENCY,
        cents=dice.pick((-ROUNDING_CENTS, ROUNDING_CENTS)) if kind == "rounding" else 0,
        has_metadata=kind != "metadata_lost",
        mode="live" if kind == "mode_mix" else "test",
    )
