"""The reconciliation as a bookkeeper would do it: row by row, from the cloud's contract and docs/finance.md.

Nothing of the product is used, so that a rule that it has wrong in both of its ways is wrong here only if it
was read wrongly twice.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from tests.unit.studio_assets.finance.papers import DAY, HOUR, MINUTE, Money, Papers, Sale, tax_of, withdrawn

GRACE, NEWS, CART, LATE, AUTHORISATION = HOUR, 35 * DAY, DAY, 36 * HOUR, 7 * DAY + 12 * HOUR
SET_BACK = {"payment_pending", "checkout_pending", "checkout_created", "payment_failed"}
WAITING = {
    *("requires_payment_method", "requires_confirmation", "requires_action", "processing"),
    "requires_capture",
}
HIDDEN = {
    "order_without_charge": {"mode_mix", "duplicate_order"},
    "amount_mismatch": {"currency_mismatch"},
    "rounding": {"currency_mismatch", "amount_mismatch"},
    "charge_without_order": {"regressed_payment"},
    "day_edge": {"regressed_payment"},
    "refund_unrecorded": {"refund_over"},
    "partial_refund": {"refund_over"},
    "abandoned_checkout": {
        *("mode_mix", "charge_without_order", "duplicate_order", "expired_authorisation"),
        "two_payable_sessions",
    },
}
"""Class -> those in front of it that say the same already, from the table of classes."""

Told = dict[tuple[str, str], tuple[int, int] | None]
"""Class and subject -> expected and observed cents, where the documents say what they are."""


class Desk(Papers):
    """All papers on one desk, judged."""

    def is_past(self, at: datetime | None, span: timedelta = GRACE) -> bool:
        return at is not None and self.as_of - at > span

    def is_news(self, at: datetime | None) -> bool:
        return at is not None and self.as_of - at < NEWS

    def local(self, at: datetime) -> Any:
        return at.astimezone(self.zone).date()

    def told(self) -> Told:
        """Return every discrepancy of sales and of payments without one."""
        found: Told = {}
        for sale in self.sales:
            mine = self._of(sale)
            for kind, cents in mine.items():
                if not HIDDEN.get(kind, set()) & set(mine):
                    found[kind, sale.id] = cents
        for one in self.loose:
            found |= {(kind, one.id): cents for kind, cents in self._of_loose(one).items()}
        for entry in self.rows["balance_transactions"].values():
            amount, agreed = entry["amount_cents"], (entry["amount_cents"] * 29 + 500) // 1000 + 30
            if entry["type"] in {"charge", "payment"} and amount > 0 and abs(entry["fee_cents"] - agreed) > 1:
                found["fee_drift", entry["document_id"]] = agreed, entry["fee_cents"]
        return found

    def _of_loose(self, one: Money) -> dict[str, tuple[int, int] | None]:
        is_portals = one.name is None and one.source == "portal"
        if not is_portals and one.is_kept and self.is_past(one.at):
            return {"missing_order": (0, one.amount - one.back - one.withdrawn)}
        if is_portals and one.quarrel in {"open", "lost"}:
            return {f"dispute_{one.quarrel}": (one.amount, one.amount - one.withdrawn)}
        return {}

    def _of(self, sale: Sale) -> dict[str, tuple[int, int] | None]:
        found = self._of_none(sale)
        if len(sale.own) < len(sale.money):
            found["mode_mix"] = sale.total, 0
        if sale.is_guessed:
            found["metadata_lost"] = None
        if sale.uid is None and (sale.own or (sale.state == "paid" and not sale.prepaid)):
            found["customer_deleted"] = None
        if sale.kind != "a" and sale.row["paid_at"] and sale.row["payment_status"] in SET_BACK:
            found["regressed_payment"] = None
        if sale.own:
            found |= self._of_money(sale, sale.own[0]) | self._of_returns(sale, sale.own[0])
        return found

    def _of_none(self, sale: Sale) -> dict[str, tuple[int, int] | None]:
        """Return what is told of a sale whether it has money or not: carts, seats, and paid without money."""
        found: dict[str, tuple[int, int] | None] = {}
        row, made = sale.row, sale.row["created_at"]
        seat = row.get("signup_id")
        checkouts = [each for each in self.sales if seat and each.row.get("signup_id") == seat]
        is_seated = len(checkouts) > 1
        is_payable = is_seated and any(each.state == "pending" for each in checkouts)
        if is_payable and sale.id == max(each.id for each in checkouts) and self.is_news(made):
            found["two_payable_sessions"] = None
        if sale.own:
            return found
        if not sale.prepaid and self._claimed_by_another(sale):
            found["duplicate_order"] = sale.total, 0
        said = row.get("paid_at") or row["updated_at"] or made
        if sale.state == "paid" and not sale.prepaid and self.is_past(said):
            found["order_without_charge"] = sale.total, 0
        if sale.state != "pending":
            return found
        intent = self.rows["payment_intents"].get(row["stripe_payment_intent_id"], {}).get("status")
        if intent == "canceled":
            found["expired_authorisation"] = None
        waits = intent in WAITING and row["payment_status"] != "payment_failed"
        waits = waits and not self.is_past(made, AUTHORISATION - timedelta(microseconds=1))
        if not (sale.prepaid or is_seated or waits) and self.is_past(made, CART) and self.is_news(made):
            found["abandoned_checkout"] = None
        return found

    def _claimed_by_another(self, sale: Sale) -> bool:
        def claims(each: Sale) -> set[tuple[str, str]]:
            columns = ["stripe_payment_intent_id"] + ["stripe_checkout_session_id"] * (each.kind != "a")
            return {(column, each.row[column]) for column in columns if each.row[column]}

        others = [each for each in self.sales if each.kind == sale.kind and each.id != sale.id]
        return any(claims(each) & claims(sale) for each in others)

    def _of_money(self, sale: Sale, one: Money) -> dict[str, tuple[int, int] | None]:
        """Return what is wrong with the sale's own money: sum, number, entry in the ledger, times."""
        found = self._of_price(sale, one)
        row, made, is_settled = sale.row, sale.row["created_at"], self.is_past(one.at)
        if sum(each.is_kept for each in sale.own) > 1 or (sale.prepaid and one.is_kept):
            found["duplicate_charge"] = None
        has_quarrel = any(each.quarrel for each in sale.own)
        if sale.state in {"pending", "void"} and one.is_kept and not has_quarrel and is_settled:
            found["charge_without_order"] = 0, one.amount - one.back
        is_pending = sale.state == "pending" and row["payment_status"] == "payment_pending"
        if sale.kind == "a" and is_pending and row["stripe_payment_intent_id"] and row["updated_at"]:
            found |= {"regressed_payment": None} if row["updated_at"] - one.at > 10 * MINUTE else {}
        if one.entry is None and is_settled:
            found["ledger_mismatch"] = one.amount, 0
        if made and one.at - made > LATE and self.is_news(one.at):
            found["late_capture"] = None
        paid_at = row.get("paid_at") or one.at
        is_other_day = self.local(paid_at) != self.local(one.at)
        if sale.state == "paid" and paid_at - one.at > GRACE and self.is_news(one.at) and is_other_day:
            found["day_edge"] = None
        return found

    def _of_price(self, sale: Sale, one: Money) -> dict[str, tuple[int, int] | None]:
        """Hold what was taken against what was ordered: with its tax, or without where that is nearer."""
        taxed = sale.total + tax_of(sale)
        if one.coin != sale.coin:
            return {"currency_mismatch": (0, one.amount)}
        if not sale.total or sale.prepaid or (sale.kind != "a" and abs(one.amount - taxed) <= 1):
            return {}
        right = min((sale.total, taxed), key=lambda cents: abs(one.amount - cents))
        kind = "amount_mismatch" if abs(one.amount - right) > 9 else "rounding"
        return {kind: (right, one.amount)} if one.amount != right else {}

    def _of_returns(self, sale: Sale, one: Money) -> dict[str, tuple[int, int] | None]:
        """Return what is wrong with refunds and disputes of the sale's money."""
        found: dict[str, tuple[int, int] | None] = {}
        quarrels = {each.quarrel for each in sale.own} - {None}
        back = sum(each.back for each in sale.own)
        worst = next((end for end in ("open", "lost", "won") if end in quarrels), None)
        if worst in {"open", "lost"} or (worst == "won" and sale.state == "disputed"):
            found[f"dispute_{worst}"] = None
        if any(each.back and each.back + each.withdrawn > each.amount for each in sale.own):
            found["refund_over"] = None
        if sale.state == "refunded" and not quarrels:
            if not back and self.is_past(sale.row["updated_at"]):
                found["refund_missing"] = None
            if back and one.is_kept:
                found["partial_refund"] = one.amount, one.back
        newest = max((row["created_at"] for each in sale.own for row in each.refunds), default=None)
        if sale.state == "paid" and one.back and self.is_past(newest):
            found["refund_unrecorded"] = 0, one.back
        return found

    def differences(self) -> dict[str, int]:
        """Return currency -> what Stripe holds less what the portal calls paid, without any link."""
        total: Counter[str] = Counter()
        for one in self.money:
            total[one.coin] += one.amount
        for row in self.refunds:
            total[row["currency"].lower()] -= row["amount_cents"]
        for row in self.rows["disputes"].values():
            total[row["currency"].lower()] -= withdrawn(row)
        for sale in self.sales:
            if sale.state == "paid" and not sale.prepaid:
                total[sale.coin or "unknown"] -= sale.total
        return {coin: cents for coin, cents in total.items() if cents}
