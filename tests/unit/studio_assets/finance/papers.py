"""The papers on a bookkeeper's desk: sales, payments, what went back, and which payment is which sale's.

Row by row, from the cloud's contract and docs/finance.md; nothing of the product is used but names of tables
and columns. Slow on purpose: everything is looked for in everything.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WINDOW, EARLY = 2 * DAY, 5 * MINUTE
KINDS = {"materials_orders": "m", "event_charges": "e", "agent_orders": "a"}
CALLED_PAID = {
    "m": {"paid", "picked_up", "fulfilled", "completed"},
    "e": set(),
    "a": {"paid"},
}
"""Kind of sale -> words of ``status`` that call it paid."""
PAID_WORDS = {"m": {"paid"}, "e": {"paid"}, "a": {"paid", "paid_prepay", "payment_succeeded"}}
"""Kind of sale -> words of ``paymentStatus`` that do."""
WON = {"won", "warning_closed", "prevented"}
NOT_TAKEN = WON | {"warning_needs_response", "warning_under_review"}


@dataclass
class Money:
    """One payment that Stripe took, and what went back of it."""

    id: str
    amount: int
    coin: str
    live: bool
    intent: str | None
    name: str | None
    kind: str | None
    uid: str | None
    source: str | None
    entry: str | None
    at: datetime
    refunds: list[dict[str, Any]] = field(default_factory=list)
    disputes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def back(self) -> int:
        return sum(each["amount_cents"] for each in self.refunds if lower(each["currency"]) == self.coin)

    @property
    def withdrawn(self) -> int:
        return sum(withdrawn(each) for each in self.disputes if lower(each["currency"]) == self.coin)

    @property
    def quarrel(self) -> str | None:
        ends = {"lost" if each["status"] == "lost" else "won" if each["status"] in WON else "open"
                for each in self.disputes}  # fmt: skip
        return next((end for end in ("open", "lost", "won") if end in ends), None)

    @property
    def is_kept(self) -> bool:
        return self.back < self.amount


@dataclass
class Sale:
    """One order of the portal, and the money that was linked to it."""

    kind: str
    id: str
    row: dict[str, Any]
    total: int
    coin: str | None
    uid: str | None
    prepaid: bool
    money: list[Money] = field(default_factory=list)
    is_guessed: bool = False

    @property
    def state(self) -> str:
        words = {self.row["payment_status"]} | ({self.row["status"]} if self.kind != "e" else set())
        if words & {"refunded", "disputed"}:
            return "refunded" if "refunded" in words else "disputed"
        if self.kind != "e" and "cancelled" in words:
            return "void"
        is_called_paid = self.row["payment_status"] in PAID_WORDS[self.kind]
        is_called_paid |= self.kind != "e" and self.row["status"] in CALLED_PAID[self.kind]
        return "paid" if is_called_paid or self.row.get("paid_at") else "pending"

    @property
    def own(self) -> list[Money]:
        """Money of its mode, the one that counts as its own first."""
        mode, stored = self.row["mode"], self.row["stripe_payment_intent_id"]
        mine = [each for each in self.money if mode is None or each.live == (mode == "live")]
        return sorted(
            mine, key=lambda each: (not each.is_kept, stored not in {None, each.intent}, each.at, each.id)
        )


def lower(word: str | None) -> str | None:
    return None if word is None else word.lower()


def withdrawn(dispute: dict[str, Any]) -> int:
    return 0 if dispute["status"] in NOT_TAKEN else dispute["amount_cents"]


def tax_of(sale: Sale) -> int:
    """Return 8.6 percent, half up; what agents do is untaxed."""
    return 0 if sale.kind == "a" else int((sale.total * 86 + 500) / 1000)


def name_of(row: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return the order that an object of Stripe names, and its kind, as the portal looks it up."""
    said = [row[f"metadata_{each}"] for each in ("order_id", "agent_order_id", "materials_order_id")]
    said += [row[f"metadata_{each}"] for each in ("charge_id", "event_charge_id")]
    kind = None
    if row["metadata_agent_order_id"] or row["metadata_source"] == "agent":
        kind = "a"
    elif row["metadata_event_charge_id"] or row["metadata_charge_id"] or row["metadata_source"] == "events":
        kind = "e"
    elif row["metadata_materials_order_id"] or row["metadata_source"] == "materials":
        kind = "m"
    return next((each for each in said if each), None), kind


class Papers:
    """All papers on one desk: rows by contract and id."""

    def __init__(self, tables: dict[str, Any], as_of: datetime, timezone: str) -> None:
        self.as_of, self.zone = as_of, ZoneInfo(timezone)
        self.rows = {
            name: {row["document_id"]: row for row in table.to_pylist()} for name, table in tables.items()
        }
        self.sales = [
            self._sale(kind, row) for name, kind in KINDS.items() for row in self.rows[name].values()
        ]
        self.money = [
            self._money(row)
            for row in self.rows["charges"].values()
            if row["status"] == "succeeded" and row["captured"] is not False
        ]
        self.refunds = [
            row for row in self.rows["refunds"].values() if row["status"] not in {"failed", "canceled"}
        ]
        for row in self.refunds:
            if one := self._taken(row):
                one.refunds.append(row)
        for row in self.rows["disputes"].values():
            if one := self._taken(row):
                one.disputes.append(row)
        self._link()

    def _sale(self, kind: str, row: dict[str, Any]) -> Sale:
        prepaid = kind == "a" and (
            row["payment_provider"] == "internal_prepay" or row["payment_status"] == "paid_prepay"
        )
        total = row["amount_cents" if kind == "a" else "total_cents"] or 0
        return Sale(
            kind,
            row["document_id"],
            row,
            total,
            lower(row["currency"]),
            (row["uid"] or "").strip() or None,
            prepaid,
        )

    def _money(self, row: dict[str, Any]) -> Money:
        captured, (name, kind) = row["amount_captured_cents"], name_of(row)
        return Money(
            id=row["document_id"],
            amount=row["amount_cents"] if captured is None else captured,
            coin=row["currency"].lower(),
            live=row["livemode"],
            intent=row["payment_intent"],
            name=name,
            kind=kind,
            uid=row["metadata_uid"],
            source=row["metadata_source"],
            entry=row["balance_transaction"],
            at=row["created_at"],
        )

    def _taken(self, row: dict[str, Any]) -> Money | None:
        """Return the payment that a refund or dispute is about: by its charge, else by its intent."""
        if row["charge"] is not None:
            return next((each for each in self.money if each.id == row["charge"]), None)
        mine = [each for each in self.money if row["payment_intent"] and each.intent == row["payment_intent"]]
        return min(mine, key=lambda each: each.id, default=None)

    # Links, in the order of the documents

    def _link(self) -> None:
        loose = [each for each in self.money if not self._give(each, self._named(each.name, each.kind))]
        known = {sale.id for sale in self.sales}
        loose = [
            each
            for each in loose
            if (each.name in known)
            or not (
                self._give(each, self._named_by_intent(each), is_guessed=True)
                or self._give(each, self._storing(each), is_guessed=True)
            )
        ]
        nameless = [each for each in loose if each.name is None and each.source != "portal"]
        bare = [sale for sale in self.sales if not sale.money]
        fits = {
            (one.id, sale.kind, sale.id): (one, sale)
            for one in nameless
            for sale in bare
            if self._fits(one, sale)
        }
        of_money = Counter(one for one, *_ in fits)
        of_sale = Counter(tuple(sale) for _, *sale in fits)
        for (one, *sale), pair in fits.items():
            if of_money[one] == of_sale[tuple(sale)] == 1:
                self._give(pair[0], [pair[1]], is_guessed=True)
        linked = {each.id for sale in self.sales for each in sale.money}
        self.loose = [each for each in self.money if each.id not in linked]

    def _give(self, one: Money, sales: list[Sale], *, is_guessed: bool = False) -> bool:
        if len(sales) != 1:
            return False
        sales[0].money.append(one)
        sales[0].is_guessed |= is_guessed
        return True

    def _named(self, name: str | None, kind: str | None) -> list[Sale]:
        return [sale for sale in self.sales if name == sale.id and kind in {None, sale.kind}]

    def _named_by_intent(self, one: Money) -> list[Sale]:
        intent = self.rows["payment_intents"].get(one.intent or "")
        return self._named(*name_of(intent)) if intent else []

    def _storing(self, one: Money) -> list[Sale]:
        return [s for s in self.sales if one.intent and s.row["stripe_payment_intent_id"] == one.intent]

    def _fits(self, one: Money, sale: Sale) -> bool:
        row, tax = sale.row, tax_of(sale)
        made = row["created_at"]
        if sale.total <= 0 or sale.state != "paid" or sale.prepaid or made is None:
            return False
        sums = {sale.total} | (
            {sale.total + tax + cent for cent in (-1, 0, 1)} if sale.kind != "a" else set()
        )
        return (
            one.amount in sums
            and one.coin == sale.coin
            and one.uid in {None, sale.uid}
            and one.kind in {None, sale.kind}
            and (row["mode"] is None or one.live == (row["mode"] == "live"))
            and abs(one.at - (row.get("paid_at") or made)) <= WINDOW
            and one.at >= made - EARLY
        )
