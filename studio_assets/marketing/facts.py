"""Facts a draft may rest on, read from a full, fresh snapshot and the rows it was made of.

A fact is one value with its unit and the row it comes from. Only the columns named here are looked at: none
names a member, and of free text only the studio's own titles and kiln names, where they can be quoted.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa

from studio_assets.marketing.claims import is_quotable
from studio_assets.studio_state.predicates import KILN_UNAVAILABLE

EVENTS: Final = "cloud_truth/events"
FIRINGS: Final = "cloud_truth/kiln_firings"
KILNS: Final = "cloud_truth/kilns"
SNAPSHOT: Final = "studio_state/snapshot"
PUBLIC_COUNTERS: Final = {
    "counts.eventsUpcoming": "upcoming event",
    "counts.firingsScheduled": "planned firing",
}
"""Counters anybody may know, with their unit. Orders, reports and money are nobody's business."""
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "events": (
        *("document_id", "title", "status", "start_at", "end_at", "capacity", "price_cents", "currency"),
        *("ticketed_count", "offered_count", "checked_in_count"),
    ),
    "event_signups": ("event_id", "status", "created_at"),
    "kiln_firings": ("document_id", "kiln_id", "cycle_type", "status", "start_at", "end_at", "unloaded_at"),
    "kilns": ("document_id", "name", "status"),
}
"""All that is ever read, by collection."""
AHEAD: Final = timedelta(days=21)
SEATED: Final = frozenset({"ticketed", "offered", "checked_in"})
"""Statuses of signups that have a place."""
FIRING_AHEAD: Final = frozenset({"scheduled", "queued", "loading", "loaded"})
"""Statuses of firings that have not begun."""
_CYCLES: Final = {
    "bisque": "bisque firing",
    "glaze": "glaze firing",
    "reduction": "reduction firing",
    "raku": "raku firing",
}
_LARGEST_CENTS: Final = 10_000_000


class Kind(StrEnum):
    """What a value is."""

    TEXT = "text"
    COUNT = "count"
    MONEY = "money"
    INSTANT = "instant"


class NotPublishableError(Exception):
    """The snapshot is partial or stale, so nothing may be said of it."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is so.

    Attributes:
        fact_id: Follows from asset, row and name alone; the value may change under it.
        name: What it tells (``free_seats``).
        kind: What the value is.
        value: Text, a whole number (cents for money), or an instant in UTC as ISO 8601.
        unit: Noun of a count in the singular, currency of money; null otherwise.
        asset: Asset key without the studio (``cloud_truth/events``).
        revision: Content hash of the read, or ``day/revision`` of the snapshot.
        row: Document id, or the path of a counter.
    """

    fact_id: str
    name: str
    kind: Kind
    value: str | int
    unit: str | None
    asset: str
    revision: str
    row: str


@dataclass(frozen=True, slots=True)
class Basis:
    """What facts are taken from: one full snapshot and the rows behind it.

    Attributes:
        snapshot_date: The studio-local day.
        revision: Of the snapshot.
        as_of: The instant it describes, aware.
        timezone: Of the studio.
        counters: ``section.name`` -> number.
        source_hashes: Collection -> content hash of its read.
    """

    snapshot_date: date
    revision: int
    as_of: datetime
    timezone: str
    counters: Mapping[str, int]
    source_hashes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """The facts of one event or firing by name, and the instant it begins."""

    row_id: str
    starts_at: datetime
    facts: Mapping[str, Fact]


@dataclass(frozen=True, slots=True)
class FactSheet:
    """Everything that may be said of a studio now: events and firings in order of time, and counters."""

    basis: Basis
    events: tuple[Row, ...]
    firings: tuple[Row, ...]
    counters: Mapping[str, Fact]

    def by_id(self) -> dict[str, Fact]:
        """Return every fact by its id."""
        rows = [fact for row in (*self.events, *self.firings) for fact in row.facts.values()]
        return {fact.fact_id: fact for fact in (*rows, *self.counters.values())}


def basis_of(payload: Mapping[str, Any], revision: int, *, now: datetime, stale_minutes: int) -> Basis:
    """Return what a snapshot document lets us say.

    Raises:
        NotPublishableError: when it is not full, or older than ``stale_minutes``.
    """
    completeness = payload.get("diagnostics", {}).get("completeness")
    sources = payload.get("sources", {})
    partial = sorted(name for name, read in sources.items() if read.get("completeness") != "full")
    missing = sorted(set(COLUMNS) - set(sources))
    if completeness != "full" or partial or missing:
        raise NotPublishableError(
            "Nothing was drafted: the snapshot is not full. It lacks "
            f"{', '.join(partial + missing) or 'its completeness'}. The next full snapshot is drafted from."
        )
    as_of = datetime.fromisoformat(payload["asOf"])
    if as_of < now - timedelta(minutes=stale_minutes):
        raise NotPublishableError(
            f"Nothing was drafted: the snapshot describes {payload['asOf']}, more than {stale_minutes} "
            "minutes ago. Make a new one; drafts follow from it."
        )
    return Basis(
        snapshot_date=date.fromisoformat(payload["snapshotDate"]),
        revision=revision,
        as_of=as_of,
        timezone=payload["timezone"],
        counters={path: payload[path.partition(".")[0]][path.partition(".")[2]] for path in PUBLIC_COUNTERS},
        source_hashes={name: str(sources[name]["hash"]) for name in COLUMNS},
    )


def fact_sheet(tables: Mapping[str, pa.Table], basis: Basis) -> FactSheet:
    """Return every fact that may be said, from the rows behind a snapshot.

    Args:
        tables: Rows by collection, with at least ``COLUMNS``; other columns are not looked at.
        basis: The snapshot they belong to.

    What is not certain is left out: seats where the event's own counts and its signups differ, a firing in a
    kiln that is out of order, a window that ends before it begins.
    """
    rows = {name: tables[name].select(list(columns)).to_pylist() for name, columns in COLUMNS.items()}
    seated = Counter(row["event_id"] for row in rows["event_signups"] if row["status"] in SEATED)
    kilns = {row["document_id"]: row for row in rows["kilns"]}
    events = [one for row in rows["events"] if (one := _event(row, seated, basis)) is not None]
    firings = [one for row in rows["kiln_firings"] if (one := _firing(row, kilns, basis)) is not None]
    revision = f"{basis.snapshot_date}/{basis.revision}"
    counters = {
        path: _fact("counter", Kind.COUNT, basis.counters[path], unit, SNAPSHOT, revision, path)
        for path, unit in PUBLIC_COUNTERS.items()
        if path in basis.counters
    }
    return FactSheet(basis, _ordered(events), _ordered(firings), counters)


def fact_id(asset: str, row: str, name: str) -> str:
    """Return the id of a fact: ``fct_`` and 20 hex digits."""
    return "fct_" + hashlib.sha256(f"{asset}\x00{row}\x00{name}".encode()).hexdigest()[:20]


def _ordered(rows: list[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: (row.starts_at, row.row_id)))


def _fact(  # noqa: PLR0917 - one place that fills them all, in the order of the fields
    name: str, kind: Kind, value: str | int, unit: str | None, asset: str, revision: str, row: str
) -> Fact:
    return Fact(fact_id(asset, row, name), name, kind, value, unit, asset, revision, row)


def _event(row: Mapping[str, Any], seated: Mapping[str, int], basis: Basis) -> Row | None:
    start, end, event = row["start_at"], row["end_at"], row["document_id"]
    if row["status"] != "published" or start is None or not basis.as_of < start <= basis.as_of + AHEAD:
        return None

    def fact(name: str, kind: Kind, value: str | int, unit: str | None = None) -> Fact:
        return _fact(name, kind, value, unit, EVENTS, basis.source_hashes["events"], event)

    facts = [fact("start", Kind.INSTANT, _instant(start))]
    if is_quotable(row["title"]):
        facts.append(fact("title", Kind.TEXT, row["title"]))
    if end is not None and start < end <= start + timedelta(hours=16):
        facts.append(fact("end", Kind.INSTANT, _instant(end)))
    price, currency = row["price_cents"], (row["currency"] or "").upper()
    if currency == "USD" and price is not None and 0 <= price <= _LARGEST_CENTS:
        facts.append(fact("price", Kind.MONEY, int(price), currency))
    free = _free_seats(row, seated[event])
    if free is not None:
        facts.append(fact("capacity", Kind.COUNT, int(row["capacity"]), "place"))
        facts.append(fact("free_seats", Kind.COUNT, free, "place"))
    return Row(event, start, {one.name: one for one in facts})


def _free_seats(row: Mapping[str, Any], signed_up: int) -> int | None:
    """Return the free seats; null where the event's own counts and its signups tell two stories."""
    counts = [row[name] for name in ("ticketed_count", "offered_count", "checked_in_count")]
    capacity = row["capacity"]
    if capacity is None or None in counts or sum(counts) != signed_up or not 0 < capacity >= signed_up:
        return None
    return int(capacity - signed_up)


def _firing(row: Mapping[str, Any], kilns: Mapping[str, Mapping[str, Any]], basis: Basis) -> Row | None:
    start, end, firing = row["start_at"], row["end_at"], row["document_id"]
    cycle, kiln = _CYCLES.get(row["cycle_type"] or ""), kilns.get(row["kiln_id"] or "")
    if row["status"] not in FIRING_AHEAD or row["unloaded_at"] is not None or cycle is None:
        return None
    if (
        start is None
        or end is None
        or end <= start
        or (kiln is not None and kiln["status"] in KILN_UNAVAILABLE)
    ):
        return None
    if not basis.as_of < start <= basis.as_of + AHEAD:
        return None

    def fact(name: str, kind: Kind, value: str) -> Fact:
        return _fact(name, kind, value, None, FIRINGS, basis.source_hashes["kiln_firings"], firing)

    facts = {
        "start": fact("start", Kind.INSTANT, _instant(start)),
        "cycle": fact("cycle", Kind.TEXT, cycle),
    }
    if kiln is not None and is_quotable(kiln["name"], has_codes=True):
        revision = basis.source_hashes["kilns"]
        facts["kiln"] = _fact("name", Kind.TEXT, kiln["name"], None, KILNS, revision, kiln["document_id"])
    return Row(firing, start, facts)


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()
