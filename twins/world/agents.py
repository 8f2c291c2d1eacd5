"""Agents: their identities, and what is ordered through them.

An order goes from quote to reservation to checkout. After payment staff carry it out step by step, but only
while the portal believes it paid: prepaid orders and orders set back by a late webhook stay where they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from twins.world import almanac
from twins.world.agent_sales import AgentSale
from twins.world.chance import Dice, draw_id
from twins.world.operations import Document
from twins.world.people import MARK, People
from twins.world.purchases import Purchases
from twins.world.studio import Studio
from twins.world.till import Line, Till

ORDERS_A_DAY = 0.35
DELEGATIONS_A_DAY = 0.4
OPENING_CLIENTS = 3
PREPAID_SHARE, UNPAID_SHARE = 0.12, 0.08
QUOTE_MINUTES, HOLD_MINUTES = 15, 60
_STEPS = (("loaded", 20, 60), ("firing", 4, 20), ("cooling", 9, 12), ("ready", 12, 30), ("picked_up", 10, 90))


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the agent catalogue."""

    id: str
    name: str
    unit_cents: int
    most: int
    needs_review: bool


@dataclass(frozen=True, slots=True)
class Quote:
    """What an agent was quoted, and for whom."""

    path: str
    service: Service
    quantity: int
    uid: str
    client_id: str


CATALOGUE = (
    Service("bisque-half-shelf", "Bisque half-shelf", 4500, 4, needs_review=False),
    Service("glaze-consult", "Glaze consultation", 8000, 2, needs_review=False),
    Service("x1c-print-batch", "3-D print batch", 6500, 10, needs_review=True),
)
COMMISSION = Service("commission", "Commission", 12000, 1, needs_review=True)


class Agents:
    """The desk for orders that agents make."""

    def __init__(self, studio: Studio, people: People, till: Till, purchases: Purchases) -> None:
        self._studio = studio
        self._people = people
        self._till = till
        self._purchases = purchases
        self._clients = [
            self._register(number) for number in range(max(1, round(OPENING_CLIENTS * studio.scale)))
        ]

    def open_day(self, day: date) -> None:
        """Take today's orders and delegations."""
        studio = self._studio
        level = almanac.level(day, studio.settings.first_day)
        for number in range(studio.arrivals("agent orders", day, ORDERS_A_DAY * level)):
            dice = studio.dice("agent order", day, number)
            when = almanac.moment(dice, day, 0.5, 23.5)  # agents do not sleep
            studio.at(when, self._quote, dice)
        for number in range(studio.arrivals("delegations", day, DELEGATIONS_A_DAY)):
            dice = studio.dice("delegate", day, number)
            studio.at(almanac.moment(dice, day, 7, 23), self._delegate, dice)

    def take_commission(self, request_id: str, uid: str, dice: Dice) -> None:
        """Open the order that pays for an accepted commission."""
        self._order(COMMISSION, 1, uid, dice, client_id=None, request_id=request_id)

    # From quote to checkout

    def _quote(self, dice: Dice) -> None:
        studio = self._studio
        service = dice.pick(CATALOGUE)
        quantity = dice.whole(1, service.most)
        uid = self._people.member(dice).uid
        client_id = dice.pick(self._clients)
        quote_path = f"agentQuotes/{studio.new_id('agentQuotes')}"
        studio.set(
            quote_path,
            {
                "status": "quoted",
                "serviceId": service.id,
                "uid": uid,
                "quantity": quantity,
                "unitPriceCents": service.unit_cents,
                "subtotalCents": service.unit_cents * quantity,
                "currency": "USD",
                "riskLevel": "medium" if service.needs_review else "low",
                "requiresManualReview": service.needs_review,
                "expiresAt": studio.now + timedelta(minutes=QUOTE_MINUTES),
                "mode": "test",
                "createdAt": studio.now,
                "updatedAt": studio.now,
            },
        )
        if dice.chance(0.2):
            return  # shopping around: the quote expires
        quote = Quote(quote_path, service, quantity, uid, client_id)
        studio.at(studio.now + dice.minutes(1, 12), self._reserve, quote, dice)

    def _reserve(self, quote: Quote, dice: Dice) -> None:
        studio, needs_review = self._studio, quote.service.needs_review
        path = f"agentReservations/{studio.new_id('agentReservations')}"
        studio.set(
            path,
            {
                "status": "pending_review" if needs_review else "payment_required",
                "quoteId": quote.path.partition("/")[2],
                "orderId": None,
                "uid": quote.uid,
                "holdExpiresAt": studio.now + timedelta(minutes=HOLD_MINUTES),
                "createdAt": studio.now,
                "updatedAt": studio.now,
            },
        )
        studio.touch(quote.path, {"status": "reserved"})
        when = almanac.next_staffed(dice, studio.now + dice.hours(1, 8)) if needs_review else studio.now
        studio.at(when + dice.minutes(1, 6), self._order_quoted, quote, path, dice)

    def _order_quoted(self, quote: Quote, reservation_path: str, dice: Dice) -> None:
        order_id = self._order(
            quote.service,
            quote.quantity,
            quote.uid,
            dice,
            client_id=quote.client_id,
            request_id=None,
            links={
                "reservationId": reservation_path.partition("/")[2],
                "agentReservationId": reservation_path.partition("/")[2],
                "agentQuoteId": quote.path.partition("/")[2],
            },
        )
        self._studio.touch(reservation_path, {"status": "payment_required", "orderId": order_id})

    def _order(
        self,
        service: Service,
        quantity: int,
        uid: str,
        dice: Dice,
        *,
        client_id: str | None,
        request_id: str | None,
        links: Mapping[str, str] | None = None,
    ) -> str:
        studio = self._studio
        order_id = studio.new_id("agentOrders")
        amount = service.unit_cents * quantity
        is_prepaid = request_id is None and studio.incidents.trouble(dice, PREPAID_SHARE)
        document: Document = {
            "orderId": order_id,
            "uid": uid,
            "agentClientId": client_id,
            "agentRequestId": request_id,
            "status": "paid" if is_prepaid else "payment_required",
            "paymentStatus": "paid_prepay" if is_prepaid else "checkout_created",
            "fulfillmentStatus": "queued",
            "amountCents": 0 if request_id else amount,  # a placeholder: commissions are priced in Stripe
            "currency": "USD",
            "quantity": quantity,
            "priceId": None,
            "stripeCheckoutSessionId": None,
            "stripePaymentIntentId": None,
            "paymentProvider": "internal_prepay" if is_prepaid else "stripe",
            "mode": "test",
            "createdAt": studio.now,
            "updatedAt": studio.now,
            "fulfillmentUpdatedAt": studio.now,
        }
        path = f"agentOrders/{order_id}"
        if is_prepaid:
            studio.set(path, document)
            return order_id
        metadata = {
            "orderId": order_id,
            "agentOrderId": order_id,
            "uid": uid,
            "source": "agent",
            "mode": "test",
            **(links or {}),
        }
        payment = self._till.open_checkout(
            [Line(service.name, service.unit_cents, quantity)],
            metadata,
            reference=uid,
            email=None,
            is_taxed=False,
        )
        studio.set(path, {**document, "stripeCheckoutSessionId": payment.session_id})
        request_path = f"agentRequests/{request_id}" if request_id else None
        sale = AgentSale(studio, path, uid, request_path, on_paid=lambda: self._fulfil(sale, dice))
        if request_path:
            studio.touch(
                request_path,
                {
                    "status": "accepted",
                    "commissionOrderId": order_id,
                    "commissionPaymentStatus": "checkout_created",
                },
            )
        if studio.incidents.trouble(dice, UNPAID_SHARE):
            due_at = studio.now + timedelta(hours=24)
            studio.incidents.quirk("abandoned_cart", due_at, path, notes="an agent's checkout nobody paid")
        else:
            pays_at = studio.now + dice.minutes(1, 50)
            studio.at(pays_at, self._purchases.settle, sale, payment, dice)
        return order_id

    def _fulfil(self, sale: AgentSale, dice: Dice) -> None:
        when = self._studio.now
        for status, low, high in _STEPS:
            when = almanac.next_staffed(dice, when + dice.hours(low, high))
            self._studio.at(when, sale.advance, status)

    # Identities

    def _register(self, number: int) -> str:
        studio = self._studio
        client_id = studio.new_id("agentClients", length=16)
        dice = studio.dice("client", number)
        owner = self._people.member(dice)
        studio.set(
            f"agentClients/{client_id}",
            {
                "ownerUid": owner.uid,
                "name": f"agent {number + 1} ({MARK})",
                "status": "active",
                "trustTier": dice.pick(("low", "medium", "high")),
                "scopes": ["quote:write", "reserve:write", "pay:write", "status:read"],
                "rateLimits": {"perMinute": 60, "perHour": 600},
                "spendingLimits": {"orderMaxCents": 75_000, "maxOrdersPerHour": 30},
                "keyHash": draw_id("key hash", client_id, length=43),
                "keyPrefix": "mf_agent_v1",
                "keyLast4": draw_id("key end", client_id, length=4),
                "keyVersion": 1,
                "createdAt": studio.now,
                "updatedAt": studio.now,
                "createdByUid": owner.uid,
                "updatedByUid": owner.uid,
            },
        )
        return client_id

    def _delegate(self, dice: Dice) -> None:
        """Write a delegation that lives for minutes; its status stays active after it has expired."""
        at = self._studio.now
        studio = self._studio
        owner = self._people.member(dice)
        studio.set(
            f"delegations/{studio.new_id('delegations')}",
            {
                "ownerUid": owner.uid,
                "agentClientId": dice.pick(self._clients),
                "scopes": ["status:read"],
                "resources": [f"owner:{owner.uid}"],
                "status": "active",
                "note": None,
                "createdBy": owner.uid,
                "createdAt": at,
                "updatedAt": at,
                "expiresAt": at + timedelta(seconds=dice.whole(30, 600)),
                "revokedAt": None,
            },
        )
