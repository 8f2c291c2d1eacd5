"""Books of a studio in which anything may be wrong, by chance: for holding two ways of reading them together.

Most sales are in order or have one plain trouble, as in life; of the others every field may hold whatever its
contract allows, ids may point to what is another's or to nothing, and rows may come in any order and twice.
"""

from datetime import timedelta
from random import Random
from typing import Any, Final

import pyarrow as pa

from tests.unit.studio_assets.finance.ledgers import (
    AS_OF,
    DAY,
    HOUR,
    MINUTE,
    SOLD_AT,
    Books,
    table_of,
    with_tax,
)

_SPANS: Final = (MINUTE, 20 * MINUTE, 2 * HOUR, 14 * HOUR, 2 * DAY, 5 * DAY, 9 * DAY, 40 * DAY)
_MODES: Final = ("test", "live", None)
_CURRENCIES: Final = ("usd", "USD", "eur")
_PAYMENT: Final = (
    *("paid", "refunded", "disputed", "cancelled", "payment_pending", "checkout_pending", "checkout_created"),
    *("payment_failed", "paid_prepay", "payment_succeeded", None),
)
_STATUS: Final = (
    *("paid", "picked_up", "fulfilled", "completed", "refunded", "disputed", "cancelled"),
    *("checkout_pending", "payment_pending", None),
)
_NAMES: Final = (
    *("metadata_order_id", "metadata_materials_order_id", "metadata_agent_order_id"),
    *("metadata_charge_id", "metadata_event_charge_id"),
)
_REFUNDED: Final = ("succeeded", "pending", "failed", "canceled", None)
_DISPUTED: Final = (
    *("needs_response", "under_review", "lost", "won", "warning_closed", "warning_needs_response"),
    *("warning_under_review", "prevented", None),
)
_INTENDED: Final = (
    *("succeeded", "canceled", "processing", "requires_payment_method", "requires_capture", None),
)
_SENT: Final = ("paid", "pending", "in_transit", "failed", "canceled")
_TYPES: Final = ("charge", "payment", "refund", "adjustment", "payout_failure", "payout_cancel", None)


class _Muddle:
    """One studio's books, bent sale by sale."""

    def __init__(self, dice: Random, sales: int) -> None:
        self.dice, self.books, self.names = dice, Books(), [f"s{number:03d}" for number in range(sales)]
        for name in self.names:
            at = (
                AS_OF
                - dice.choice((HOUR, *(span + DAY for span in _SPANS[3:])))
                - dice.randrange(99) * MINUTE
            )
            # Few prices, so that amounts fit more than one sale now and then.
            self.books.sell(
                name, cents=dice.choice((1000, 1000, 1010, 2599, 4000)), at=at, domain=dice.choice("mmea")
            )
            if dice.random() < 0.2:
                self.books.charge(name, metadata_uid=dice.choice((None, "uid-s001")))

    def any_of(self, *values: Any) -> Any:
        return self.dice.choice(values)

    def moment(self) -> Any:
        return self.any_of(None, AS_OF - self.dice.choice(_SPANS), SOLD_AT)

    def orders(self, name: str) -> dict[str, Any]:
        rows = self.books.rows
        return next(
            rows[of][name] for of in ("materials_orders", "event_charges", "agent_orders") if name in rows[of]
        )

    def bend(self, name: str) -> None:
        """Bend one sale in one way."""
        ways = (
            *(self._state, self._state, self._customer, self._order_money, self._order_times, self._mode),
            *(self._ids, self._seat, self._charge_money, self._charge_times, self._charge_state, self._names),
            *(self._names, self._forget, self._forget, self._lose, self._twice, self._refund, self._refund),
            *(self._dispute, self._intent, self._lapse, self._entry, self._claim, self._lose_all_names),
            self._return_twice,
        )
        self.dice.choice(ways)(name)

    def _state(self, name: str) -> None:
        order = self.orders(name)
        order["payment_status"] = self.dice.choice(_PAYMENT)
        if "status" in order:
            order["status"] = self.dice.choice(_STATUS)
        if "paid_at" in order:
            order["paid_at"] = self.any_of(order["paid_at"], None)
        if "payment_provider" in order:
            order["payment_provider"] = self.any_of("stripe", "internal_prepay", None)

    def _customer(self, name: str) -> None:
        self.orders(name)["uid"] = self.any_of(None, "", "  ", "uid-s000")

    def _order_money(self, name: str) -> None:
        order = self.orders(name)
        cents = "amount_cents" if "amount_cents" in order else "total_cents"
        order[cents] = self.any_of(
            None, 0, -5, 1000, (order[cents] or 0) + self.any_of(-300, -1, 1, 3, 9, 10)
        )
        order["currency"] = self.any_of("usd", "usd", *_CURRENCIES, None)

    def _order_times(self, name: str) -> None:
        order = self.orders(name)
        which = self.any_of("created_at", "updated_at", *(("paid_at",) if "paid_at" in order else ()))
        order[which] = self.moment()

    def _mode(self, name: str) -> None:
        self.orders(name)["mode"] = self.dice.choice(_MODES)
        if f"ch_{name}" in self.books.rows["charges"]:
            self.books.charge(name, livemode=self.any_of(True, False))

    def _ids(self, name: str) -> None:
        order, other = self.orders(name), self.dice.choice(self.names)
        which = self.any_of("stripe_payment_intent_id", "stripe_checkout_session_id")
        if which in order:
            order[which] = self.any_of(None, self.orders(other).get(which), "pi_nobody")

    def _seat(self, name: str) -> None:
        """Let a seat have been booked more than once; its other booking may still wait."""
        if "signup_id" in self.orders(name):
            self.orders(name)["signup_id"] = self.any_of("seat-1", "seat-2", None)
            if self.any_of(True, False):
                self._claim(name)

    def _charge_money(self, name: str) -> None:
        more = self.any_of(-500, -2, -1, 1, 2, 8, 9, 10, 400)
        if row := self.books.rows["charges"].get(f"ch_{name}"):
            row["amount_captured_cents"] = self.any_of(None, 0, row["amount_cents"] + more)
            row["currency"] = self.any_of("usd", "usd", *_CURRENCIES)

    def _charge_times(self, name: str) -> None:
        if row := self.books.rows["charges"].get(f"ch_{name}"):
            row["created_at"] = self.moment() or AS_OF

    def _charge_state(self, name: str) -> None:
        if row := self.books.rows["charges"].get(f"ch_{name}"):
            row["status"] = self.any_of("succeeded", "succeeded", "pending", "failed", None)
            row["captured"] = self.any_of(True, False, None)
            row["balance_transaction"] = self.any_of(None, row["balance_transaction"])

    def _names(self, name: str) -> None:
        """Let a payment name another order, of whatever kind, or none that there is."""
        row = self.books.rows[self.any_of("charges", "payment_intents")]
        for known in (row.get(f"ch_{name}"), row.get(f"pi_{name}")):
            if known:
                for field in self.dice.sample(_NAMES, 2):
                    known[field] = self.any_of(None, self.dice.choice(self.names), "nobody", name)
                known["metadata_source"] = self.any_of(None, "portal", "materials", "events", "agent", "else")

    def _forget(self, name: str) -> None:
        """Let money lose its name; maybe its intent's name, its customer and the order's own note as well."""
        nameless = dict.fromkeys((*_NAMES, "metadata_source"))
        if self.any_of(True, False):
            nameless["metadata_uid"] = None
        for contract, prefix in (("charges", "ch_"), ("payment_intents", "pi_")):
            if (row := self.books.rows[contract].get(f"{prefix}{name}")) and (
                contract == "charges" or self.any_of(True, False)
            ):
                row |= nameless
        if self.any_of(True, False):
            self.orders(name)["stripe_payment_intent_id"] = None

    def _lose_all_names(self, name: str) -> None:
        """Let nothing but amount, customer and time be left; or say that no order was meant, or no money."""
        nameless = dict.fromkeys((*_NAMES, "metadata_source"))
        for contract, prefix in (("charges", "ch_"), ("payment_intents", "pi_")):
            if row := self.books.rows[contract].get(f"{prefix}{name}"):
                row |= nameless
        order = self.orders(name)
        order["stripe_payment_intent_id"] = None
        if row := self.books.rows["charges"].get(f"ch_{name}"):
            row["created_at"] += self.any_of(timedelta(0), timedelta(0), -20 * MINUTE, 40 * HOUR, 3 * DAY)
            row["metadata_source"] = self.any_of(None, None, "portal", "events", "materials")
        if "payment_provider" in order:
            order["payment_provider"] = self.any_of("stripe", "internal_prepay")

    def _return_twice(self, name: str) -> None:
        """Give money back and have the bank take it as well, once or twice, with whatever ends."""
        if row := self.books.rows["charges"].get(f"ch_{name}"):
            if self.any_of(True, True, False):
                amount = self.any_of(row["amount_cents"], 500)
                self.books.refund(name, amount, at=AS_OF - self.any_of(*_SPANS))
            self.books.dispute(name, self.any_of("lost", "won", "needs_response"))
            case = self.books.rows["disputes"][f"dp_{name}"]
            if self.any_of(True, False):
                again = {"document_id": f"dp_{name}b", "status": self.any_of("lost", "won", "under_review")}
                self.books.rows["disputes"][f"dp_{name}b"] = case | again
            self.orders(name)["payment_status"] = self.any_of("disputed", "refunded", "paid")

    def _lose(self, name: str) -> None:
        which = self.any_of("charges", "order", "balance_transactions", "payment_intents")
        if which == "order" and len(self.names) > 2:
            for contract in ("materials_orders", "event_charges", "agent_orders"):
                self.books.rows[contract].pop(name, None)
            self.names.remove(name)
        else:
            prefix = {"charges": "ch_", "balance_transactions": "txn_"}.get(which, "pi_")
            self.books.rows.get(which, {}).pop(f"{prefix}{name}", None)

    def _twice(self, name: str) -> None:
        """Take money again, under the same name, or under that of an order of any kind."""
        if row := self.books.rows["charges"].get(f"ch_{name}"):
            said = {field: value for field, value in row.items() if field.startswith("metadata_")}
            said = self.any_of(said, {"metadata_order_id": name})
            at = row["created_at"] + self.any_of(-HOUR, timedelta(0), HOUR)
            self.books.pay(
                f"{name}x{self.dice.randrange(99)}", self.any_of(row["amount_cents"], 700), at=at, **said
            )

    def _refund(self, name: str) -> None:
        if row := self.books.rows["charges"].get(f"ch_{name}"):
            amount = self.any_of(row["amount_cents"], 500, row["amount_cents"] // 2, with_tax(4000))
            self.books.refund(name, amount, at=AS_OF - self.any_of(*_SPANS))
            back = list(self.books.rows["refunds"].values())[-1]
            back["status"] = self.any_of("succeeded", *_REFUNDED)
            back["charge"] = self.any_of(back["charge"], back["charge"], None, "ch_nobody")
            back["currency"] = self.any_of(back["currency"], back["currency"], *_CURRENCIES)
            if self.any_of(True, False):
                self.orders(name)["payment_status"] = "refunded"
            if back["charge"] is None and self.any_of(True, False):
                back["payment_intent"] = self.any_of(None, "pi_nobody")

    def _dispute(self, name: str) -> None:
        if f"ch_{name}" in self.books.rows["charges"]:
            self.books.dispute(name, "won")
            case = self.books.rows["disputes"][f"dp_{name}"]
            case["status"] = self.dice.choice(_DISPUTED)
            case["amount_cents"] = self.any_of(case["amount_cents"], 300)
            case["charge"] = self.any_of(case["charge"], case["charge"], None)
            case["currency"] = self.any_of(case["currency"], case["currency"], *_CURRENCIES)
            if self.any_of(True, False):
                self.orders(name)["payment_status"] = self.any_of("disputed", "paid", "refunded")

    def _intent(self, name: str) -> None:
        if row := self.books.rows["payment_intents"].get(f"pi_{name}"):
            row["status"] = self.dice.choice(_INTENDED)
        self.orders(name)["payment_status"] = self.dice.choice(_PAYMENT)

    def _lapse(self, name: str) -> None:
        """Let no money come of an order that waits, whatever became of its intent."""
        self.books.rows["charges"].pop(f"ch_{name}", None)
        if row := self.books.rows["payment_intents"].get(f"pi_{name}"):
            row["status"] = self.any_of("canceled", *_INTENDED)
        order = self.orders(name)
        order["payment_status"] = self.any_of("checkout_pending", "payment_pending")
        order |= {field: "pending" for field in ("status",) if field in order}
        order |= {field: None for field in ("paid_at",) if field in order}

    def _entry(self, name: str) -> None:
        if row := self.books.rows["balance_transactions"].get(f"txn_{name}"):
            row["fee_cents"] += self.any_of(-200, -2, -1, 1, 2)
            row["amount_cents"] = self.any_of(row["amount_cents"], 0, -300)
            row["type"] = self.dice.choice(_TYPES)
            row["source"] = self.any_of(row["source"], None)
            row["currency"] = self.any_of("usd", *_CURRENCIES)
            row["available_at"] = AS_OF + self.any_of(HOUR, -DAY, -5 * DAY, -6 * DAY)

    def _claim(self, name: str) -> None:
        """Write the order down once more."""
        rows = self.books.rows
        for contract in ("materials_orders", "event_charges", "agent_orders"):
            if name in rows[contract]:
                again = rows[contract][name] | {"document_id": f"{name}z"}
                again["payment_status"] = self.any_of(again["payment_status"], "checkout_pending")
                rows[contract][f"{name}z"] = again

    def pay_out(self, number: int) -> None:
        """Send a payout, or fail to."""
        at, amount = AS_OF - self.any_of(*_SPANS), self.any_of(500, 4000)
        booked, currency = (
            self.any_of(f"txn_po{number}", None, "txn_nobody"),
            self.any_of("usd", "usd", *_CURRENCIES),
        )
        self.books.add(
            *("payouts", f"po_{number}"), amount_cents=self.any_of(amount, amount - 7), currency=currency,
            status=self.dice.choice(_SENT), arrival_date=self.any_of(None, at, at + DAY), created_at=at,
            livemode=False, balance_transaction=booked,
        )  # fmt: skip
        self.books.post(f"txn_po{number}", -amount, 0, kind="payout", source=f"po_{number}", at=at)
        if self.any_of(True, False, False):
            kind = self.any_of("payout_failure", "payout_cancel")
            self.books.post(f"txn_pof{number}", amount, 0, kind=kind, source=f"po_{number}", at=at + HOUR)
        self.books.rows["balance_transactions"][f"txn_po{number}"] |= {
            "currency": currency,
            "available_at": at,
        }


def muddle(seed: int, sales: int = 12, odd: float = 0.6) -> dict[str, pa.Table]:
    """Return the tables of a studio's books; of its sales so large a share is bent, once to three times."""
    dice = Random(seed)
    made = _Muddle(dice, sales)
    for name in list(made.names):
        if dice.random() < odd:
            for _ in range(dice.choice((1, 1, 1, 2, 3))):
                if name in made.names:
                    made.bend(name)
    for number in range(dice.choice((0, 0, 1, 3))):
        made.pay_out(number)
    tables = {}
    for contract, rows in made.books.rows.items():
        table = table_of(contract, list(rows.values()))
        if dice.random() < 0.3 and table.num_rows:  # in any order, and some of them twice
            places = [*range(table.num_rows), *dice.choices(range(table.num_rows), k=3)]
            dice.shuffle(places)
            table = table.take(pa.array(places))
        tables[contract] = table
    return tables
