"""Rows of a studio's sales and Stripe's objects, made by hand for tests; all of them in order."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from studio_assets.contracts import catalog
from studio_assets.contracts.arrow import arrow_schema
from studio_assets.finance.reconcile import Reconciliation, reconcile
from studio_assets.finance.tables import SOURCES

TIMEZONE = "America/Phoenix"
AS_OF = datetime(2026, 3, 10, 7, tzinfo=UTC)
SOLD_AT = datetime(2026, 3, 3, 18, tzinfo=UTC)
TAX = 86
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def with_tax(cents: int) -> int:
    return cents + (cents * TAX + 500) // 1000


@dataclass
class Books:
    """Rows by contract and id; ``sell`` writes a whole purchase that is in order, tests bend it."""

    rows: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {name: {} for name in SOURCES})

    def add(self, contract: str, document_id: str, **values: Any) -> dict[str, Any]:
        self.rows[contract][document_id] = {"document_id": document_id, **values}
        return self.rows[contract][document_id]

    def sell(self, name: str, *, cents: int = 4000, at: datetime = SOLD_AT, domain: str = "m") -> None:
        paid = at + 5 * MINUTE
        common = {"uid": f"uid-{name}", "currency": "usd", "mode": "test", "created_at": at}
        common |= {"updated_at": paid, "stripe_payment_intent_id": f"pi_{name}", "payment_status": "paid"}
        if domain == "m":
            more = {"status": "paid", "total_cents": cents, "paid_at": paid}
            self.add("materials_orders", name, **common, **more, stripe_checkout_session_id=f"cs_{name}")
            named = {"metadata_order_id": name, "metadata_materials_order_id": name}
            named |= {"metadata_source": "materials"}
        elif domain == "e":
            more = {"signup_id": f"seat-{name}", "event_id": "ev", "total_cents": cents, "paid_at": paid}
            self.add("event_charges", name, **common, **more, stripe_checkout_session_id=f"cs_{name}")
            named = {"metadata_charge_id": name, "metadata_event_charge_id": name}
            named |= {"metadata_source": "events"}
        else:
            more = {"status": "paid", "amount_cents": cents, "payment_provider": "stripe"}
            self.add("agent_orders", name, **common, **more, fulfillment_status="scheduled")
            named = {"metadata_order_id": name, "metadata_agent_order_id": name, "metadata_source": "agent"}
        amount = cents if domain == "a" else with_tax(cents)
        self.pay(name, amount, at=at + 4 * MINUTE, metadata_uid=f"uid-{name}", **named)

    def pay(self, name: str, amount: int, *, at: datetime, **named: Any) -> None:
        common = {"amount_cents": amount, "currency": "usd", "created_at": at, "livemode": False, **named}
        self.add(
            *("payment_intents", f"pi_{name}"),
            **common,
            amount_received_cents=amount,
            status="succeeded",
            latest_charge=f"ch_{name}",
        )
        self.add(
            *("charges", f"ch_{name}"),
            **common,
            amount_captured_cents=amount,
            amount_refunded_cents=0,
            status="succeeded",
            paid=True,
            captured=True,
            refunded=False,
            disputed=False,
            balance_transaction=f"txn_{name}",
            payment_intent=f"pi_{name}",
        )
        self.post(
            f"txn_{name}", amount, (amount * 29 + 500) // 1000 + 30, kind="charge", source=f"ch_{name}", at=at
        )

    def post(self, entry: str, amount: int, fee: int, *, kind: str, source: str, at: datetime) -> None:
        self.add(
            *("balance_transactions", entry),
            amount_cents=amount,
            fee_cents=fee,
            net_cents=amount - fee,
            currency="usd",
            type=kind,
            reporting_category=kind,
            status="pending",
            source=source,
            available_at=AS_OF + DAY,
            created_at=at,
        )

    def refund(self, name: str, amount: int, *, at: datetime = SOLD_AT + 3 * DAY) -> None:
        number = len(self.rows["refunds"])
        self.add(
            *("refunds", f"re_{name}_{number}"),
            amount_cents=amount,
            currency=self.rows["charges"][f"ch_{name}"]["currency"],
            status="succeeded",
            charge=f"ch_{name}",
            payment_intent=f"pi_{name}",
            created_at=at,
        )

    def dispute(self, name: str, status: str) -> None:
        amount = self.rows["charges"][f"ch_{name}"]["amount_cents"]
        self.add(
            *("disputes", f"dp_{name}"),
            amount_cents=amount,
            currency=self.rows["charges"][f"ch_{name}"]["currency"],
            status=status,
            charge=f"ch_{name}",
            payment_intent=f"pi_{name}",
            created_at=SOLD_AT + 2 * DAY,
            livemode=False,
        )

    def order(self, name: str, **changes: Any) -> None:
        for contract in ("materials_orders", "event_charges", "agent_orders"):
            if name in self.rows[contract]:
                self.rows[contract][name] |= changes

    def charge(self, name: str, **changes: Any) -> None:
        self.rows["charges"][f"ch_{name}"] |= changes

    def drop_money(self, name: str) -> None:
        for contract, prefix in (
            ("charges", "ch_"),
            ("payment_intents", "pi_"),
            ("balance_transactions", "txn_"),
        ):
            self.rows[contract].pop(f"{prefix}{name}")

    def tables(self) -> dict[str, pa.Table]:
        return {name: table_of(name, list(rows.values())) for name, rows in self.rows.items()}

    def reconcile(self, **options: Any) -> Reconciliation:
        return reconcile(self.tables(), as_of=AS_OF, timezone=TIMEZONE, **options)

    def kinds(self) -> list[tuple[str, str]]:
        found = self.reconcile()
        assert found.conservation.error_cents == 0
        assert said(self.reconcile(is_thorough=True)) == said(found)
        return [(one.kind.value, one.subject) for one in found.discrepancies]


def said(found: Reconciliation) -> Any:
    parts = {(part.name, part.currency): part.cents for part in found.conservation.parts}
    return found.discrepancies, found.conservation.differences, parts


def table_of(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    schema = arrow_schema(catalog.collection(name))
    ordered = sorted(rows, key=lambda row: row["document_id"])
    return pa.Table.from_pylist(
        [{key: row.get(key) for key in schema.names} for row in ordered], schema=schema
    )
