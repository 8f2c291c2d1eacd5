"""Events: planned, published, booked, held, and paid for afterwards.

Payment comes only after check-in. A past event stays published; cancelling one leaves its signups as they
were; while others wait no ticket can be cancelled and no offer expires, because the portal's transaction is
refused. Seat counters change without touching ``updatedAt``.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from twins.world import almanac
from twins.world.chance import Dice
from twins.world.kilns import Kilns
from twins.world.people import People, Person
from twins.world.purchases import Purchases
from twins.world.studio import Studio
from twins.world.ticket_sales import TicketSale
from twins.world.till import Line, Till, total_cents

PLANNED_AHEAD_DAYS = 21
OFFER_HOURS = 12
CANCEL_CUTOFF_HOURS = 3
CANCELLED_SHARE = 0.06
SHOWN_UP_SHARE = 0.88
PAID_LATE_SHARE, NEVER_PAID_SHARE = 0.12, 0.06
_SOCIAL_WEEKDAY, _RAKU_WEEKDAY = 4, 5  # Friday, Saturday


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of event the studio holds."""

    title: str
    starts: tuple[int, int]
    ends: tuple[int, int]
    capacity: int
    price_cents: int
    add_on_cents: tuple[int, ...]
    mean_signups: float
    has_firing: bool


SOCIAL = Format("Clay social", (17, 30), (19, 30), 30, 3500, (800,), 13.0, has_firing=False)
RAKU_NIGHT = Format("Raku night", (18, 0), (21, 0), 16, 8500, (1500, 1200), 17.0, has_firing=True)


@dataclass(slots=True, eq=False)
class Gathering:
    """One event as the studio knows it."""

    id: str
    format: Format
    start_at: datetime
    capacity: int
    seats: Counter[str] = field(default_factory=Counter)
    waiting: list["Signup"] = field(default_factory=list)
    booked: list["Signup"] = field(default_factory=list)
    is_cancelled: bool = False

    @property
    def path(self) -> str:
        """Return the document's path."""
        return f"events/{self.id}"

    @property
    def is_full(self) -> bool:
        """Return whether every seat is taken or offered."""
        return self.seats["ticketed"] + self.seats["offered"] + self.seats["checked_in"] >= self.capacity


@dataclass(slots=True, eq=False)
class Signup:
    """One person's place at an event."""

    id: str
    person: Person
    status: str

    @property
    def path(self) -> str:
        """Return the document's path."""
        return f"eventSignups/{self.id}"


class Gatherings:
    """The events desk."""

    def __init__(
        self, studio: Studio, people: People, kilns: Kilns, till: Till, purchases: Purchases
    ) -> None:
        self._studio = studio
        self._people = people
        self._kilns = kilns
        self._till = till
        self._purchases = purchases

    def open_day(self, day: date) -> None:
        """Plan the events of three weeks from now."""
        ahead = day + timedelta(days=PLANNED_AHEAD_DAYS)
        if not almanac.is_open(ahead):
            return
        formats = []
        if ahead.weekday() == _SOCIAL_WEEKDAY:
            formats.append(SOCIAL)
        if ahead.weekday() == _RAKU_WEEKDAY and ahead.isocalendar().week % 2 == 0:
            formats.append(RAKU_NIGHT)
        for shape in formats:
            for number in range(max(1, round(self._studio.scale))):
                dice = self._studio.dice("event", shape.title, ahead, number)
                when = almanac.moment(dice, day, 10, 17)
                if dice.chance(self._studio.scale):  # a studio smaller than small skips some
                    self._studio.at(when, self._plan, shape, ahead, dice)

    # Before the event

    def _plan(self, shape: Format, day: date, dice: Dice) -> None:
        studio = self._studio
        start_at, end_at = almanac.local(day, *shape.starts), almanac.local(day, *shape.ends)
        event = Gathering(studio.new_id("events"), shape, start_at, shape.capacity)
        studio.set(
            event.path,
            {
                "templateId": None,
                "title": shape.title,
                "summary": f"{shape.title} at the studio",
                "description": "Bring an apron; everything else is here.",
                "location": "Studio",
                "timezone": almanac.TIMEZONE,
                "startAt": start_at,
                "endAt": end_at,
                "capacity": shape.capacity,
                "priceCents": shape.price_cents,
                "currency": "USD",
                "includesFiring": shape.has_firing,
                "firingDetails": None,
                "policyCopy": "Cancel up to three hours before the start.",
                "addOns": [
                    {
                        "id": f"addon-{number}",
                        "title": f"Extra {number}",
                        "priceCents": cents,
                        "isActive": True,
                    }
                    for number, cents in enumerate(shape.add_on_cents, 1)
                ],
                "waitlistEnabled": True,
                "offerClaimWindowHours": OFFER_HOURS,
                "cancelCutoffHours": CANCEL_CUTOFF_HOURS,
                "status": "draft",
                "ticketedCount": 0,
                "offeredCount": 0,
                "checkedInCount": 0,
                "waitlistCount": 0,
                "createdAt": studio.now,
                "updatedAt": studio.now,
                "publishedAt": None,
                "cancelledAt": None,
            },
        )
        published_at = almanac.next_staffed(dice, studio.now + dice.days(0.5, 3))
        studio.at(published_at, self._publish, event, dice)

    def _publish(self, event: Gathering, dice: Dice) -> None:
        at = self._studio.now
        studio = self._studio
        studio.touch(event.path, {"status": "published", "publishedAt": at, "lastStatusChangedAt": at})
        undersold = studio.incidents.claim("undersold_event", at)
        mean = 1.5 if undersold else event.format.mean_signups
        if undersold:
            undersold.affect(event.start_at - timedelta(days=4), event.path)
            undersold.end(event.start_at)
        days_left = (event.start_at - at) / timedelta(days=1)
        for number in range(dice.poisson(mean)):
            own = studio.dice("signup", event.id, number)
            when = at + own.days(0.05, max(0.1, days_left - 0.2))
            studio.at(when, self._sign_up, event, own)
        if not undersold and studio.incidents.trouble(dice, 0.03):
            studio.at(event.start_at - dice.days(2, 5), self._call_off, event)
        studio.at(event.start_at - dice.hours(60, 80), self._add_seats, event, dice)
        if event.format.has_firing:
            self._kilns.plan_raku(almanac.day_of(event.start_at))
        studio.at(event.start_at - timedelta(minutes=10), self._hold, event)

    def _sign_up(self, event: Gathering, dice: Dice) -> None:
        at = self._studio.now
        if event.is_cancelled:
            return
        studio = self._studio
        person = self._people.member(dice)
        signup = Signup(
            studio.new_id("eventSignups"),
            person,
            "waitlisted" if event.is_full or event.waiting else "ticketed",
        )
        studio.set(
            signup.path,
            {
                "eventId": event.id,
                "uid": person.uid,
                "status": signup.status,
                "paymentStatus": "unpaid",
                "offeredAt": None,
                "offerExpiresAt": None,
                "checkedInAt": None,
                "checkedInByUid": None,
                "checkInMethod": None,
                "displayName": person.display_name,
                "email": person.email,
                "createdAt": at,
                "updatedAt": at,
            },
        )
        (event.waiting if signup.status == "waitlisted" else event.booked).append(signup)
        self._count(event, signup.status, 1)
        latest = event.start_at - timedelta(hours=CANCEL_CUTOFF_HOURS)
        cancels_at = at + dice.days(0.1, 8)
        if dice.chance(CANCELLED_SHARE) and cancels_at < latest:
            studio.at(cancels_at, self._cancel, event, signup)

    def _cancel(self, event: Gathering, signup: Signup) -> None:
        if signup.status == "ticketed" and event.waiting:
            return  # the portal's transaction reads after it writes and is refused: the ticket stays
        if signup.status not in ("ticketed", "waitlisted"):
            return
        if signup in event.waiting:
            event.waiting.remove(signup)
        self._change(event, signup, "cancelled")

    def _add_seats(self, event: Gathering, dice: Dice) -> None:
        """Make room for some who wait, by offering them seats for twelve hours."""
        at = self._studio.now
        if event.is_cancelled or not event.waiting:
            return
        offered = event.waiting[:2]
        event.capacity += len(offered)
        self._studio.touch(event.path, {"capacity": event.capacity})
        for signup in offered:
            event.waiting.remove(signup)
            expires_at = at + timedelta(hours=OFFER_HOURS)
            self._change(event, signup, "offered", offeredAt=at, offerExpiresAt=expires_at)
            is_ignored = self._studio.incidents.trouble(dice, 0.3)
            if not is_ignored:
                self._studio.at(at + dice.hours(0.5, 11), self._claim, event, signup)
            elif event.waiting:
                self._studio.incidents.quirk(
                    "stuck_offer",
                    expires_at,
                    signup.path,
                    notes="past its end, but others wait: it cannot expire",
                )
            else:
                swept_at = expires_at + dice.minutes(2, 30)
                self._studio.at(swept_at, self._change, event, signup, "expired")

    def _claim(self, event: Gathering, signup: Signup) -> None:
        event.booked.append(signup)
        self._change(event, signup, "ticketed")

    def _call_off(self, event: Gathering) -> None:
        at = self._studio.now
        event.is_cancelled = True
        self._studio.touch(
            event.path, {"status": "cancelled", "cancelledAt": at, "lastStatusReason": "too few people"}
        )

    # At the event and after

    def _hold(self, event: Gathering) -> None:
        if event.is_cancelled:
            return
        for signup in event.booked:
            dice = self._studio.dice("attend", signup.id)
            if signup.status == "ticketed" and dice.chance(SHOWN_UP_SHARE):
                arrives_at = event.start_at + dice.minutes(-9, 30)
                self._studio.at(arrives_at, self._check_in, event, signup, dice)

    def _check_in(self, event: Gathering, signup: Signup, dice: Dice) -> None:
        at = self._studio.now
        method = dice.weighted((("staff", 3.0), ("self", 1.0)))
        staff = self._people.someone_on_staff(dice)
        self._change(
            event,
            signup,
            "checked_in",
            checkedInAt=at,
            checkedInByUid=staff.uid if method == "staff" else signup.person.uid,
            checkInMethod=method,
        )
        incidents = self._studio.incidents
        pays_late, never = dice.chance(PAID_LATE_SHARE), incidents.trouble(dice, NEVER_PAID_SHARE)
        unpaid = incidents.claim("unpaid_attendees", at)
        pays_at = at + (dice.days(0.6, 2.5) if pays_late else dice.minutes(100, 220))
        if unpaid:
            unpaid.affect(at + timedelta(days=3), signup.path)
            pays_at = at + dice.days(10, 16)
            unpaid.end(pays_at)
        elif never:
            incidents.quirk(
                "unpaid_attendees", at + timedelta(days=3), signup.path, notes="was there and never pays"
            )
            return
        self._studio.at(pays_at, self._open_charge, event, signup, dice)

    def _open_charge(self, event: Gathering, signup: Signup, dice: Dice) -> None:
        """Open the checkout of a person who was there, and let them pay."""
        add_on = dice.chance(0.25)
        sale = self._write_charge(event, signup, dice, has_add_on=add_on)
        doubled = self._studio.incidents.claim("two_payable_sessions", self._studio.now)
        if doubled:
            other = self._write_charge(event, signup, dice, has_add_on=not add_on)
            doubled.affect(self._studio.now, sale.path, other.path)
        pays_at = self._studio.now + dice.minutes(1, 8)
        self._studio.at(pays_at, self._purchases.settle, sale, sale.payment, dice)

    def _write_charge(self, event: Gathering, signup: Signup, dice: Dice, *, has_add_on: bool) -> TicketSale:
        studio = self._studio
        charge_id = studio.new_id("eventCharges")
        lines = [Line(event.format.title, event.format.price_cents)]
        items: list[dict[str, Any]] = [
            {
                "id": "ticket",
                "title": event.format.title,
                "priceCents": event.format.price_cents,
                "quantity": 1,
            }
        ]
        if has_add_on:
            cents = dice.pick(event.format.add_on_cents)
            lines.append(Line("Extra", cents))
            items.append({"id": "addon-1", "title": "Extra", "priceCents": cents, "quantity": 1})
        metadata = {
            "chargeId": charge_id,
            "eventChargeId": charge_id,
            "signupId": signup.id,
            "eventSignupId": signup.id,
            "eventId": event.id,
            "uid": signup.person.uid,
            "source": "events",
            "mode": "test",
        }
        payment = self._till.open_checkout(
            lines, metadata, reference=charge_id, email=signup.person.email, is_taxed=True
        )
        sale = TicketSale(studio, charge_id, signup.path, signup.person.uid, payment)
        studio.set(
            sale.path,
            {
                "eventId": event.id,
                "signupId": signup.id,
                "uid": signup.person.uid,
                "lineItems": items,
                "totalCents": total_cents(lines),
                "currency": "USD",
                "paymentStatus": "checkout_pending",
                "stripeCheckoutSessionId": payment.session_id,
                "stripePaymentIntentId": None,
                "checkoutUrl": f"https://checkout.stripe.com/c/pay/{payment.session_id}",
                "receiptUrl": None,
                "mode": "test",
                "idempotencyKey": f"event-{charge_id[:12]}",
                "createdAt": studio.now,
                "updatedAt": studio.now,
            },
        )
        studio.touch(signup.path, {"paymentStatus": "checkout_pending"})
        return sale

    # Seats

    def _change(self, event: Gathering, signup: Signup, status: str, **changes: Any) -> None:
        self._count(event, signup.status, -1)
        signup.status = status
        self._count(event, status, 1)
        self._studio.touch(signup.path, {"status": status, **changes})

    def _count(self, event: Gathering, status: str, change: int) -> None:
        event.seats[status] += change
        names = {
            "ticketed": "ticketedCount",
            "offered": "offeredCount",
            "checked_in": "checkedInCount",
            "waitlisted": "waitlistCount",
        }
        if status in names:
            self._studio.update(event.path, {names[status]: event.seats[status]})
