"""What the world's documents say of events, firings and seats, recounted without any reader or writer."""

from collections import defaultdict
from datetime import datetime
from typing import Any, Final

from studio_assets.marketing.facts import Fact
from twins.world.operations import Document
from twins.world.truth import Truth

_SEATED: Final = frozenset({"ticketed", "offered", "checked_in"})
_CLOSED: Final = frozenset({"completed", "cancelled", "canceled"})
_COLLECTIONS: Final = {"events": "events", "kiln_firings": "kilnFirings", "kilns": "kilns"}


class World:
    """The documents of a world, at any instant up to an end."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._signups: dict[str, list[str]] = defaultdict(list)
        self._events: list[str] = []
        self._firings: list[str] = []
        for path, document in truth.documents(truth.until).items():
            collection, _, name = path.partition("/")
            if "/" in name:
                continue
            if collection == "eventSignups":
                self._signups[str(document.get("eventId"))].append(path)
            elif collection == "events":
                self._events.append(path)
            elif collection == "kilnFirings":
                self._firings.append(path)

    def value(self, fact: Fact, at: datetime) -> Any:
        """Return what a fact should say at an instant: a text, a number, or an aware instant; else null."""
        if fact.name == "counter":
            return self._counter(fact.row, at)
        document = self._document(f"{_COLLECTIONS[fact.asset.rpartition('/')[2]]}/{fact.row}", at)
        if document is None:
            return None
        fields = {"title": "title", "start": "startAt", "end": "endAt", "price": "priceCents"}
        fields |= {"capacity": "capacity", "name": "name", "cycle": "cycleType"}
        if fact.name == "free_seats":
            return int(document["capacity"]) - self._seated(fact.row, at)
        value = document.get(fields[fact.name])
        return f"{value} firing" if fact.name == "cycle" else value

    def _document(self, path: str, at: datetime) -> Document | None:
        return self._truth.document(path, at)

    def _seated(self, event: str, at: datetime) -> int:
        found = (self._document(path, at) for path in self._signups[event])
        return sum(one is not None and one.get("status") in _SEATED for one in found)

    def _counter(self, path: str, at: datetime) -> int:
        if path == "counts.eventsUpcoming":
            events = (self._document(one, at) for one in self._events)
            return sum(e is not None and e["status"] == "published" and e["startAt"] >= at for e in events)
        firings = (self._document(one, at) for one in self._firings)
        return sum(
            f is not None and f["status"] not in _CLOSED and f.get("unloadedAt") is None and f["endAt"] >= at
            for f in firings
        )

    def called_off(self, at: datetime) -> frozenset[str]:
        """Return the ids of events that were cancelled, are still ahead, and have guests."""
        found = ((path, self._document(path, at)) for path in self._events)
        names = (
            path.partition("/")[2]
            for path, event in found
            if event is not None and event["status"] == "cancelled" and event["startAt"] > at
        )
        return frozenset(name for name in names if self._seated(name, at))
