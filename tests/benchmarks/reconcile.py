"""``studio bench reconcile``: what the reconciliation costs beside a bare hash join of the same tables.

Ours is the pure step of the asset without making findings: load, match, classify, fees and payouts,
conservation. Raw joins the same orders, charges and ledger entries on their ids with the same engine, and
counts. Every measurement is a process of its own. Peak memory is the whole process, and making the tables
(plain lists first) takes most of it, so it is no measure yet of what either join needs. One
order in ``odd`` has no money, one in ``odd`` was charged another sum; all of them must be found.
"""

import json
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from studio_assets.contracts import catalog
from studio_assets.contracts.arrow import arrow_schema
from studio_assets.finance.reconcile import reconcile
from studio_assets.finance.tables import open_engine

CHECKOUT = Path(__file__).resolve().parents[2]
AS_OF = datetime(2026, 6, 1, 7, tzinfo=UTC)
START = datetime(2026, 4, 1, tzinfo=UTC)
SECONDS = 900
_BARE = """
select count(*), sum(c.amount_cents), sum(b.net_cents) from materials_orders o
join charges c on c.metadata_materials_order_id = o.document_id
join balance_transactions b on b.document_id = c.balance_transaction
"""


def run(rows: int = 1_000_000, odd: int = 100, turns: int = 2) -> dict[str, Any]:
    """Return seconds and peak memory of ours and of the bare join, best of some turns, and their ratio."""
    best: dict[str, dict[str, Any]] = {}
    for _ in range(turns):
        for what in ("bare", "ours"):
            found = _measured(what, rows, odd)
            if what not in best or found["seconds"] < best[what]["seconds"]:
                best[what] = found
    ours, raw = best["ours"], best["bare"]
    wrong = int(odd > 0 and ours["flags"] != ours["planted"]) + int(ours["error_cents"] != 0)
    case = {
        "case": f"{rows} orders",
        "ratio": round(raw["seconds"] / ours["seconds"], 3),
        "ours": round(ours["seconds"], 3),
        "raw": round(raw["seconds"], 3),
    }
    return {
        "ratio": case["ratio"],
        "unit": "seconds",
        "results": [case],
        "timesBareJoin": round(ours["seconds"] / raw["seconds"], 2),
        "peakMb": {"ours": ours["peak_mb"], "raw": raw["peak_mb"], "tables": ours["tables_mb"]},
        "flags": ours["flags"],
        "planted": ours["planted"],
        "conservation_error_cents": ours["error_cents"],
        "violations": wrong,
    }


def _measured(what: str, rows: int, odd: int) -> dict[str, Any]:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"from tests.benchmarks.reconcile import measure; measure({what!r}, {rows}, {odd})",
        ],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(what: str, rows: int, odd: int) -> None:
    """Measure one way in this process, and write the result as JSON to standard output."""
    tables, planted = books(rows, odd)
    before = _peak_mb()
    start = time.perf_counter()
    said: dict[str, Any] = {}
    if what == "ours":
        found = reconcile(tables, as_of=AS_OF, timezone="America/Phoenix")
        said = {"flags": len(found.discrepancies), "error_cents": found.conservation.error_cents}
    else:
        with open_engine() as engine:
            for name in ("materials_orders", "charges", "balance_transactions"):
                engine.register(name, tables[name])
            engine.execute(_BARE).fetchall()
    seconds = time.perf_counter() - start
    said |= {"seconds": seconds, "peak_mb": _peak_mb(), "tables_mb": before, "planted": planted}
    sys.stdout.write(json.dumps(said) + "\n")


def books(rows: int, odd: int) -> tuple[dict[str, pa.Table], int]:
    """Return tables of so many orders of materials, and how many are at odds; none if ``odd`` is 0."""
    numbers = range(rows)
    lost = {n for n in numbers if odd and n % odd == 7}
    dear = {n for n in numbers if odd and n % odd == 11}
    paid = [n for n in numbers if n not in lost]
    cents = [1000 + n % 977 * 7 for n in numbers]
    taken = [cents[n] + (cents[n] * 86 + 500) // 1000 + (300 if n in dear else 0) for n in paid]
    fees = [(amount * 29 + 500) // 1000 + 30 for amount in taken]
    at = [START + timedelta(seconds=n % 5_000_000) for n in numbers]
    later = [at[n] + timedelta(minutes=4) for n in paid]
    heard = [one + timedelta(minutes=5) for one in at]
    order, intent = [f"o{n:019d}" for n in numbers], [f"pi_{n:024d}" for n in numbers]
    uid = [f"member{n % 5000:06d}" for n in numbers]
    orders = _table(
        "materials_orders",
        rows,
        document_id=order,
        uid=uid,
        status=["paid"] * rows,
        payment_status=["paid"] * rows,
        total_cents=cents,
        currency=["usd"] * rows,
        mode=["test"] * rows,
        paid_at=heard,
        created_at=at,
        updated_at=heard,
        stripe_payment_intent_id=intent,
    )
    many = len(paid)
    charge, entry = [f"ch_{n:024d}" for n in paid], [f"txn_{n:024d}" for n in paid]
    charges = _table(
        "charges",
        many,
        document_id=charge,
        amount_cents=taken,
        amount_captured_cents=taken,
        currency=["usd"] * many,
        status=["succeeded"] * many,
        captured=[True] * many,
        livemode=[False] * many,
        created_at=later,
        balance_transaction=entry,
        payment_intent=[intent[n] for n in paid],
        metadata_order_id=[order[n] for n in paid],
        metadata_materials_order_id=[order[n] for n in paid],
        metadata_source=["materials"] * many,
        metadata_uid=[uid[n] for n in paid],
    )
    ledger = _table(
        "balance_transactions",
        many,
        document_id=entry,
        amount_cents=taken,
        fee_cents=fees,
        currency=["usd"] * many,
        type=["charge"] * many,
        reporting_category=["charge"] * many,
        source=charge,
        status=["pending"] * many,
        available_at=[AS_OF + timedelta(days=1)] * many,
        net_cents=[amount - fee for amount, fee in zip(taken, fees, strict=True)],
        created_at=later,
    )
    return {"materials_orders": orders, "charges": charges, "balance_transactions": ledger}, len(lost) + len(
        dear
    )


def _table(name: str, rows: int, **columns: list[Any]) -> pa.Table:
    schema = arrow_schema(catalog.collection(name))
    arrays = [
        pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, names=schema.names)


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
