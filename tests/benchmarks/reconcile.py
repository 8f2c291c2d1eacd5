"""``studio bench reconcile``: what the reconciliation costs beside a bare hash join of the same tables.

Ours is the pure step of the asset without making findings: load, match, classify, fees and payouts,
conservation. Raw joins the same orders, charges and ledger entries on their ids with the same engine, and
counts. Every measurement is a process of its own, which reads the tables first. Memory is the peak of the
process above what it held with the tables read; seconds are of the wall, ``cpu`` those of all threads, which
a busy machine blurs less.

Four sizes are in order, one in eight parts, a quarter, a half and the whole; in ``mixed`` one order in
``odd`` has one of ten troubles in turn. Exactly those must be told, by their class and without losing a cent.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import feather

from studio_assets.contracts import catalog
from studio_assets.contracts.arrow import arrow_schema
from studio_assets.finance.classes import Kind
from studio_assets.finance.reconcile import reconcile
from studio_assets.finance.tables import open_engine

CHECKOUT = Path(__file__).resolve().parents[2]
AS_OF = datetime(2026, 6, 1, 7, tzinfo=UTC)
START = datetime(2026, 4, 1, tzinfo=UTC)
SECONDS = 900
_SECOND, _MINUTE = 1_000_000, 60_000_000
_BARE = """
select count(*), sum(c.amount_cents), sum(b.net_cents) from materials_orders o
join charges c on c.metadata_materials_order_id = o.document_id
join balance_transactions b on b.document_id = c.balance_transaction
"""
TROUBLES = (
    Kind.ORDER_WITHOUT_CHARGE,
    Kind.AMOUNT_MISMATCH,
    Kind.DUPLICATE_CHARGE,
    Kind.CHARGE_WITHOUT_ORDER,
    Kind.MISSING_ORDER,
    Kind.REFUND_UNRECORDED,
    Kind.DISPUTE_OPEN,
    Kind.METADATA_LOST,
    Kind.CUSTOMER_DELETED,
    Kind.CURRENCY_MISMATCH,
)
"""What the orders in trouble have, in turn."""


def run(rows: int = 1_000_000, odd: int = 100, turns: int = 2) -> dict[str, Any]:
    """Return seconds and peak memory of ours and of the bare join, best of some turns, and their ratios."""
    cases = [(f"{part} orders", part, 0) for part in (rows // 8, rows // 4, rows // 2, rows)]
    results = [
        _case(*case, turns) for case in [*cases, (f"{rows} orders, mixed: 1 in {odd} in trouble", rows, odd)]
    ]
    whole = results[len(cases) - 1]
    return {
        "ratio": whole["ratio"],
        "unit": "seconds",
        "results": results,
        "timesBareJoin": whole["times"],
        "timesBareJoinMemory": whole["timesMemory"],
        "violations": sum(case["violations"] for case in results),
    }


def _case(name: str, rows: int, odd: int, turns: int) -> dict[str, Any]:
    best: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as place:
        tables, planted = books(rows, odd)
        for contract, table in tables.items():
            feather.write_feather(table, str(Path(place) / contract), compression="uncompressed")
        del tables
        for _ in range(turns):
            for what in ("bare", "ours"):
                said = _measured(what, place)
                kept = best.setdefault(what, said)
                kept |= {each: min(kept[each], said[each]) for each in ("seconds", "cpu", "own_mb")}
    ours, raw = best["ours"], best["bare"]
    return {
        "case": name,
        "ratio": round(raw["seconds"] / ours["seconds"], 3),
        "ours": round(ours["seconds"], 3),
        "raw": round(raw["seconds"], 3),
        "times": round(ours["seconds"] / raw["seconds"], 2),
        "timesCpu": round(ours["cpu"] / raw["cpu"], 2),
        "cpu": {"ours": round(ours["cpu"], 3), "raw": round(raw["cpu"], 3)},
        "timesMemory": round(ours["own_mb"] / raw["own_mb"], 2) if raw["own_mb"] else None,
        "ownMb": {"ours": ours["own_mb"], "raw": raw["own_mb"], "tables": raw["tables_mb"]},
        "flags": sum(ours["flags"].values()),
        "planted": sum(planted.values()),
        "conservation_error_cents": ours["error_cents"],
        "violations": int(ours["flags"] != planted) + int(ours["error_cents"] != 0),
    }


def _measured(what: str, place: str) -> dict[str, Any]:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"from tests.benchmarks.reconcile import measure; measure({what!r}, {place!r})",
        ],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(what: str, place: str) -> None:
    """Measure one way in this process, and write the result as JSON to standard output."""
    tables = {path.name: feather.read_table(path, memory_map=False) for path in Path(place).iterdir()}
    # Reading Parquet, as the asset does, makes Arrow import pandas; so both ways find it imported.
    pa.array([0])
    before = _forget_peak()
    start, used = time.perf_counter(), time.process_time()
    said: dict[str, Any] = {}
    if what == "ours":
        found = reconcile(tables, as_of=AS_OF, timezone="America/Phoenix")
        kinds = Counter(one.kind.value for one in found.discrepancies)
        said = {"flags": kinds, "error_cents": found.conservation.error_cents}
    else:
        with open_engine() as engine:
            for name in ("materials_orders", "charges", "balance_transactions"):
                engine.register(name, tables[name])
            engine.execute(_BARE).fetchall()
    said |= {"seconds": time.perf_counter() - start, "cpu": time.process_time() - used}
    said |= {"own_mb": round((_memory("VmHWM") - before) / 1024, 1), "tables_mb": before // 1024}
    sys.stdout.write(json.dumps(said) + "\n")


def _forget_peak() -> int:
    """Let the peak begin anew (Linux); return what is held now, in KB."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(name: str) -> int:
    """Return a line of this process's memory, in KB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def books(rows: int, odd: int) -> tuple[dict[str, pa.Table], dict[str, int]]:
    """Return tables of so many orders of materials, and how many of each class are planted; none if 0."""
    numbers = np.arange(rows)
    trouble = np.full(rows, -1)
    if odd:
        trouble[odd - 1 :: odd] = np.arange(len(trouble[odd - 1 :: odd])) % len(TROUBLES)
    planted = {
        kind.value: int(count) for place, kind in enumerate(TROUBLES) if (count := (trouble == place).sum())
    }

    def has(kind: Kind) -> np.ndarray[Any, Any]:
        return np.asarray(trouble == TROUBLES.index(kind))

    cents, at = 1000 + numbers % 977 * 7, numbers % 5_000_000 * _SECOND + int(START.timestamp()) * _SECOND
    order, intent = _ids("o", numbers, 19), _ids("pi_", numbers, 24)
    uid = _ids("member", numbers % 5000, 6)
    is_unheard, is_orderly = has(Kind.CHARGE_WITHOUT_ORDER), ~has(Kind.MISSING_ORDER)
    heard = at + 5 * _MINUTE
    orders = _table(
        "materials_orders",
        rows,
        document_id=order,
        uid=_unless(has(Kind.CUSTOMER_DELETED), uid),
        status=pc.if_else(is_unheard, "checkout_pending", "paid"),
        payment_status=pc.if_else(is_unheard, "checkout_created", "paid"),
        total_cents=cents,
        currency=_all("usd", rows),
        mode=_all("test", rows),
        paid_at=_unless(is_unheard, heard),
        created_at=at,
        updated_at=heard,
        stripe_payment_intent_id=_unless(is_unheard, intent),
    ).filter(pa.array(is_orderly))
    paid = numbers[~has(Kind.ORDER_WITHOUT_CHARGE)]
    twice = numbers[has(Kind.DUPLICATE_CHARGE)]
    # The second charge of an order has a number of its own, after all others.
    of, number = np.concatenate([paid, twice]), np.concatenate([paid, rows + np.arange(len(twice))])
    taken = cents + (cents * 86 + 500) // 1000 + np.where(has(Kind.AMOUNT_MISMATCH), 300, 0)
    taken, many = taken[of], len(of)
    charge, entry, later = _ids("ch_", number, 24), _ids("txn_", number, 24), at[of] + 4 * _MINUTE
    named = _unless(has(Kind.METADATA_LOST)[of], order.take(pa.array(of)))
    currency = pc.if_else(has(Kind.CURRENCY_MISMATCH)[of], "eur", "usd")
    charges = _table(
        "charges",
        many,
        document_id=charge,
        amount_cents=taken,
        amount_captured_cents=taken,
        currency=currency,
        status=_all("succeeded", many),
        captured=np.ones(many, dtype=bool),
        livemode=np.zeros(many, dtype=bool),
        created_at=later,
        balance_transaction=entry,
        payment_intent=_ids("pi_", number, 24),
        metadata_order_id=named,
        metadata_materials_order_id=named,
        metadata_source=_all("materials", many),
        metadata_uid=uid.take(pa.array(of)),
    )
    fees = (taken * 29 + 500) // 1000 + 30
    ledger = _table(
        "balance_transactions",
        many,
        document_id=entry,
        amount_cents=taken,
        fee_cents=fees,
        net_cents=taken - fees,
        currency=currency,
        type=_all("charge", many),
        reporting_category=_all("charge", many),
        source=charge,
        status=_all("pending", many),
        available_at=np.full(many, int((AS_OF + timedelta(days=1)).timestamp()) * _SECOND),
        created_at=later,
    )
    made = {"materials_orders": orders, "charges": charges, "balance_transactions": ledger}
    for contract, kind, prefix, status in (
        ("refunds", Kind.REFUND_UNRECORDED, "re_", "succeeded"),
        ("disputes", Kind.DISPUTE_OPEN, "dp_", "needs_response"),
    ):
        which = numbers[has(kind)]
        made[contract] = _table(
            contract,
            len(which),
            document_id=_ids(prefix, which, 24),
            amount_cents=cents[which] + (cents[which] * 86 + 500) // 1000,
            currency=_all("usd", len(which)),
            status=_all(status, len(which)),
            charge=_ids("ch_", which, 24),
            payment_intent=_ids("pi_", which, 24),
            created_at=at[which] + 60 * _MINUTE,
        )
    return made, planted


def _ids(prefix: str, numbers: Any, width: int) -> pa.Array:
    digits = pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, "0")
    return pc.binary_join_element_wise(prefix, digits, "")


def _all(word: str, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(word), rows)


def _unless(is_absent: Any, values: Any) -> pa.Array:
    values = pa.array(values) if isinstance(values, np.ndarray) else values
    return pc.if_else(pa.array(is_absent), pa.nulls(len(values), values.type), values)


def _table(name: str, rows: int, **columns: Any) -> pa.Table:
    schema = arrow_schema(catalog.collection(name))
    arrays = [
        pa.array(columns[field.name]).cast(field.type)
        if field.name in columns
        else pa.nulls(rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
