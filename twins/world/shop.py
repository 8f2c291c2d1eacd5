"""The materials shop: products, carts, orders, and what staff tidy up by hand.

No code of the portal writes ``picked_up`` or ends an abandoned cart. Staff mark orders as fetched in the
console, once a week and not always; nobody tidies carts.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from twins.world import almanac
from twins.world.chance import Dice
from twins.world.incidents import Incident
from twins.world.order_troubles import STRAIGHT, OrderTroubles
from twins.world.people import People, Person, remark
from twins.world.purchases import Purchases
from twins.world.studio import Studio
from twins.world.till import Line, Payment, Till
from twins.world.webhooks import COMPLETED, DISPUTE_CLOSED, DISPUTED, FAILED, REFUNDED, SUCCEEDED

ORDERS_A_DAY = 1.9
ABANDONED_SHARE = 0.14
UNMARKABLE_SHARE = 0.02
FETCHED_SHARE = 0.85
_TIDY_WEEKDAY = 6  # Sunday
_RESTOCK_BELOW, _RESTOCK_PIECES = 6, 24


@dataclass(frozen=True, slots=True)
class Product:
    """One product; stock is counted only where ``is_tracked``."""

    slug: str
    name: str
    category: str
    price_cents: int
    is_tracked: bool
    weight: float


PRODUCTS = (
    Product("day-pass", "Day pass", "Passes", 4000, False, 5.0),
    Product("clay-stoneware-25lb", "Stoneware clay 25 lb", "Clay", 4000, True, 4.0),
    Product("clay-porcelain-25lb", "Porcelain clay 25 lb", "Clay", 4500, True, 2.0),
    Product("clay-stoneware-50lb", "Stoneware clay 50 lb", "Clay", 8000, True, 2.0),
    Product("clay-porcelain-50lb", "Porcelain clay 50 lb", "Clay", 9000, True, 1.0),
    Product("clay-recycled-lb", "Recycled clay per lb", "Clay", 100, False, 2.0),
    Product("wax-resist-pint", "Wax resist, pint", "Glaze", 800, True, 2.0),
    Product("wax-resist-gallon", "Wax resist, gallon", "Glaze", 7000, True, 0.5),
    Product("locker-month", "Locker for a month", "Storage", 500, False, 2.0),
    Product("glaze-take-home-4oz", "Take-home glaze 4 oz", "Glaze", 400, True, 1.5),
    Product("glaze-take-home-16oz", "Take-home glaze 16 oz", "Glaze", 1600, True, 1.5),
    Product("glaze-take-home-32oz", "Take-home glaze 32 oz", "Glaze", 2800, True, 1.0),
    Product("glaze-take-home-64oz", "Take-home glaze 64 oz", "Glaze", 5600, True, 0.5),
    Product("tool-kit", "Tool kit", "Tools", 2200, True, 1.5),
)
_BY_SLUG = {product.slug: product for product in PRODUCTS}


class Order:
    """One order of materials: the ``Sale`` that webhooks change."""

    source = "materials"

    def __init__(self, shop: "Shop", order_id: str, buyer: Person, cart: list[tuple[Product, int]]) -> None:
        self._shop = shop
        self.id = order_id
        self.path = f"materialsOrders/{order_id}"
        self.uid = buyer.uid
        self.cart = cart
        self.status = "checkout_pending"
        self.is_written = True

    @property
    def is_unmarkable(self) -> bool:
        """Return whether the portal can never mark it paid: two or more lines with counted stock."""
        return sum(product.is_tracked for product, _ in self.cart) >= 2

    def hear(self, event: str, payment: Payment, dispute_status: str | None = None) -> None:
        """Write what the portal writes on hearing of an event now."""
        if self.is_written and not (event == SUCCEEDED and self.is_unmarkable):
            self._shop.record(self, event, payment, dispute_status)


class Shop:
    """The counter."""

    def __init__(self, studio: Studio, people: People, till: Till, purchases: Purchases) -> None:
        self._studio = studio
        self._people = people
        self._till = till
        self._purchases = purchases
        self._troubles = OrderTroubles(studio, till)
        self._stock = {product.slug: 24 + 4 * (index % 5) for index, product in enumerate(PRODUCTS)}
        self._waiting: list[Order] = []
        for product in PRODUCTS:
            self._write_product(product)

    def open_day(self, day: date) -> None:
        """Take today's orders; once a week, tidy up and restock."""
        studio = self._studio
        level = almanac.level(day, studio.settings.first_day)
        for number in range(studio.arrivals("orders", day, ORDERS_A_DAY * level)):
            dice = studio.dice("order", day, number)
            studio.at(almanac.moment(dice, day, 8, 21), self._order, dice)
        if day.weekday() == _TIDY_WEEKDAY:
            dice = studio.dice("tidy", day)
            studio.at(almanac.moment(dice, day, 18, 18.8), self._tidy, dice)

    # An order

    def _order(self, dice: Dice) -> None:
        at = self._studio.now
        studio = self._studio
        buyer = self._people.member(dice)
        order = Order(self, studio.new_id("materialsOrders"), buyer, self._fill_cart(dice))
        lines = [Line(product.name, product.price_cents, quantity) for product, quantity in order.cart]
        mismatch = None if order.is_unmarkable else studio.incidents.claim("amount_mismatch", at)
        if mismatch:
            first = lines[0]
            lines[0] = Line(first.name, first.unit_cents + dice.pick((100, 250, 500)), first.quantity)
        may_miss = not mismatch and not order.is_unmarkable
        missing = studio.incidents.claim("missing_order", at) if may_miss else None
        order.is_written = missing is None
        bend = self._troubles.claim(order.id) if may_miss and not missing else STRAIGHT
        payment = self._till.open_checkout(
            bend.lines(lines),
            bend.metadata(
                {
                    "orderId": order.id,
                    "materialsOrderId": order.id,
                    "uid": order.uid,
                    "source": order.source,
                    "fulfillment": "pickup",
                    "mode": bend.mode,
                }
            ),
            reference=order.id,
            email=buyer.email,
            is_taxed=True,
            currency=bend.currency,
        )
        if order.is_written:
            self._write_order(order, buyer, payment, dice, bend.mode)
        orders = [order]
        if bend.is_doubled:
            double = Order(self, studio.new_id("doubledOrders"), buyer, order.cart)
            self._write_order(double, buyer, payment, studio.dice("double", double.id))
            orders.append(double)
        is_abandoned = studio.incidents.trouble(dice, ABANDONED_SHARE)
        pays_at = at + dice.minutes(1.5, 25)
        bent_by = mismatch or missing
        if bent_by:
            studio.at(pays_at, self._settle_bent, order, payment, bent_by)
        elif bend.incident:
            self._troubles.settle(bend, orders, payment, pays_at)
        elif order.is_unmarkable:
            studio.at(pays_at, self._settle_unmarkable, order, payment)
        elif is_abandoned:
            studio.incidents.quirk(
                "abandoned_cart", at + timedelta(hours=24), order.path, notes="a cart left at the checkout"
            )
        else:
            studio.at(pays_at, self._purchases.settle, order, payment, dice)

    def _settle_bent(self, order: Order, payment: Payment, incident: Incident) -> None:
        """Pay a checkout that an incident has bent already; nothing else may happen to it."""
        self._take_money(order, payment)
        incident.affect(self._studio.now, order.path, f"charges/{payment.charge_id}")

    def _settle_unmarkable(self, order: Order, payment: Payment) -> None:
        self._take_money(order, payment)
        self._studio.incidents.quirk(
            "unmarkable_order",
            self._studio.now,
            order.path,
            f"charges/{payment.charge_id}",
            notes="two lines with counted stock: the portal fails to mark it paid on every retry",
        )

    def _take_money(self, order: Order, payment: Payment) -> None:
        self._till.complete(payment)
        for event, seconds in ((COMPLETED, 3), (SUCCEEDED, 9)):
            self._studio.at(self._studio.now + timedelta(seconds=seconds), order.hear, event, payment)

    def _fill_cart(self, dice: Dice) -> list[tuple[Product, int]]:
        weights = [(product, product.weight) for product in PRODUCTS]
        cart = {product.slug: dice.whole(1, 2) for product in [dice.weighted(weights)]}
        if self._studio.incidents.trouble(dice, UNMARKABLE_SHARE):
            cart = {"clay-stoneware-25lb": dice.whole(1, 2), "tool-kit": 1}
        elif dice.chance(0.3):
            cart[dice.pick(("clay-recycled-lb", "locker-month"))] = dice.whole(1, 6)
        return [(_BY_SLUG[slug], quantity) for slug, quantity in cart.items()]

    def _write_order(
        self, order: Order, buyer: Person, payment: Payment, dice: Dice, mode: str = "test"
    ) -> None:
        studio = self._studio
        document: dict[str, Any] = {
            "uid": buyer.uid,
            "displayName": buyer.display_name,
            "email": buyer.email,
            "items": [
                {
                    "productId": product.slug,
                    "name": product.name,
                    "sku": product.slug.upper(),
                    "quantity": quantity,
                    "unitPrice": product.price_cents,
                    "currency": "USD",
                    "trackInventory": product.is_tracked,
                }
                for product, quantity in order.cart
            ],
            "totalCents": sum(product.price_cents * quantity for product, quantity in order.cart),
            "currency": "USD",
            "status": "checkout_pending",
            "paymentStatus": "checkout_created",
            "stripeSessionId": payment.session_id,
            "stripeCheckoutSessionId": payment.session_id,
            "stripePaymentIntentId": None,
            "checkoutUrl": f"https://checkout.stripe.com/c/pay/{payment.session_id}",
            "receiptUrl": None,
            "pickupNotes": remark(dice) if dice.chance(0.3) else None,
            "mode": mode,
            "createdAt": studio.now,
            "updatedAt": studio.now,
        }
        if dice.chance(0.5):
            document["idempotencyKey"] = f"cart-{order.id[:12]}"
        studio.set(order.path, document)

    def record(self, order: Order, event: str, payment: Payment, dispute_status: str | None) -> None:
        """Change an order as the portal's webhook handler does; ``status`` keeps its value on completed."""
        studio = self._studio
        changes: dict[str, Any] = {"lastEventType": event, "stripePaymentIntentId": payment.intent_id}
        if event == COMPLETED:
            changes["paymentStatus"] = "payment_pending"
        elif event == SUCCEEDED:
            changes |= {
                "paymentStatus": "paid",
                "paidAt": studio.now,
                "checkoutUrl": None,
                "receiptUrl": f"https://pay.stripe.com/receipts/{payment.charge_id}",
            }
            self._take_from_stock(order)
        else:
            words = {
                FAILED: "payment_failed",
                REFUNDED: "refunded",
                DISPUTED: "disputed",
                DISPUTE_CLOSED: "disputed",
            }
            changes["paymentStatus"] = words[event]
            order.status = words[event]
            if dispute_status:
                changes["stripeDisputeStatus"] = dispute_status
                changes["stripeDisputeLifecycle"] = "opened" if event == DISPUTED else "closed"
        if event == SUCCEEDED and order.status != "picked_up":
            order.status = "paid"
            self._waiting.append(order)
        if event != COMPLETED:
            changes["status"] = order.status
        studio.touch(order.path, changes)

    # Stock and staff

    def _take_from_stock(self, order: Order) -> None:
        for product, quantity in order.cart:
            if product.is_tracked:
                self._stock[product.slug] -= quantity
                self._write_stock(product)

    def _write_stock(self, product: Product) -> None:
        self._studio.touch(
            f"materialsProducts/{product.slug}", {"inventoryOnHand": self._stock[product.slug]}
        )

    def _tidy(self, dice: Dice) -> None:
        """Mark most fetched orders in the console, and restock what runs out."""
        left = []
        for order in self._waiting:
            if order.status == "paid" and dice.chance(FETCHED_SHARE):
                order.status = "picked_up"
                self._studio.touch(order.path, {"status": "picked_up"})
            elif order.status == "paid":
                left.append(order)
        self._waiting = left
        for product in PRODUCTS:
            if product.is_tracked and self._stock[product.slug] < _RESTOCK_BELOW * max(1, self._studio.scale):
                self._stock[product.slug] += round(_RESTOCK_PIECES * max(1, self._studio.scale))
                self._write_stock(product)

    def _write_product(self, product: Product) -> None:
        studio = self._studio
        studio.set(
            f"materialsProducts/{product.slug}",
            {
                "name": product.name,
                "description": f"{product.name}, picked up at the studio",
                "category": product.category,
                "sku": product.slug.upper(),
                "priceCents": product.price_cents,
                "currency": "USD",
                "stripePriceId": None,
                "imageUrl": None,
                "trackInventory": product.is_tracked,
                "inventoryOnHand": self._stock[product.slug] if product.is_tracked else None,
                "inventoryReserved": 0 if product.is_tracked else None,
                "active": True,
                "createdAt": studio.now,
                "updatedAt": studio.now,
            },
        )
