"""A small studio in rows: what marketing reads, and canaries in every column that it must not."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from studio_assets.marketing.facts import COLUMNS, Basis, FactSheet, fact_sheet

NOW = datetime(2026, 3, 4, 18, tzinfo=UTC)
TIMEZONE = "America/Phoenix"
CANARY = "memberCanaryQx"


def event(name: str, title: Any, in_days: float = 3, **changes: Any) -> dict[str, Any]:
    start = NOW + timedelta(days=in_days)
    row = {
        "document_id": name,
        "title": title,
        "status": "published",
        "start_at": start,
        "end_at": start + timedelta(hours=3),
        "capacity": 16,
        "price_cents": 8550,
        "currency": "USD",
        "ticketed_count": 3,
        "offered_count": 0,
        "checked_in_count": 0,
        "summary": CANARY,
        "host": CANARY,
    }
    return row | changes


def firing(name: str, in_days: float = 1, **changes: Any) -> dict[str, Any]:
    start = NOW + timedelta(days=in_days)
    row = {
        "document_id": name,
        "kiln_id": "k1",
        "cycle_type": "bisque",
        "status": "scheduled",
        "start_at": start,
        "end_at": start + timedelta(hours=9),
        "unloaded_at": None,
        "notes": CANARY,
    }
    return row | changes


_INSTANTS = {"start_at", "end_at", "unloaded_at", "created_at"}
_NUMBERS = {"capacity", "price_cents", "ticketed_count", "offered_count", "checked_in_count"}


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    names = list(dict.fromkeys([*COLUMNS[name], *(column for row in rows for column in row)]))

    def kind(column: str) -> pa.DataType:
        if column in _INSTANTS:
            return pa.timestamp("us", "UTC")
        return pa.int64() if column in _NUMBERS else pa.string()

    return pa.Table.from_pylist(rows, schema=pa.schema([(column, kind(column)) for column in names]))


def tables(
    events: list[dict[str, Any]],
    firings: list[dict[str, Any]] | None = None,
    kilns: list[dict[str, Any]] | None = None,
    signups: list[dict[str, Any]] | None = None,
) -> dict[str, pa.Table]:
    """Return tables in which signups agree with the events' own counts unless given."""
    if signups is None:
        signups = [
            {"event_id": row["document_id"], "status": status, "uid": CANARY, "displayName": CANARY}
            for row in events
            for column, status in (("ticketed_count", "ticketed"), ("offered_count", "offered"))
            for _ in range(row[column] or 0)
        ]
    kilns = kilns or [{"document_id": "k1", "name": "L&L eQ2827-3", "status": "idle"}]
    return {
        "events": _table("events", events),
        "event_signups": _table("event_signups", signups),
        "kiln_firings": _table("kiln_firings", firings or []),
        "kilns": _table("kilns", kilns),
    }


def basis(counters: Mapping[str, int] | None = None, as_of: datetime = NOW) -> Basis:
    counters = counters or {"counts.eventsUpcoming": 4, "counts.firingsScheduled": 2}
    return Basis(date(2026, 3, 4), 7, as_of, TIMEZONE, counters, dict.fromkeys(COLUMNS, "a" * 64))


def sheet(
    events: list[dict[str, Any]], firings: list[dict[str, Any]] | None = None, as_of: datetime = NOW
) -> FactSheet:
    return fact_sheet(tables(events, firings), basis(as_of=as_of))


def busy() -> FactSheet:
    """Return a studio with events, firings, a title that cannot be quoted, and a full event."""
    return sheet(
        [
            event("e1", "Raku night", 2),
            event("e2", "Friday potluck", 4, price_cents=0),
            event("e3", "Glaze social", 6, ticketed_count=16),
            event("e4", "Wheel workshop", 9, price_cents=123450, ticketed_count=15),
        ],
        [firing("f1", 1), firing("f2", 3, cycle_type="glaze")],
    )
