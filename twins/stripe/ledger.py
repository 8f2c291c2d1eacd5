"""The twin's memory: every object by type and time, found by id, kept as the JSON bytes it is served as.

It knows nothing of payments; ``account.py`` and the modules above it decide what an object holds and when it
changes. All access from outside the server's own thread goes through ``lock``.
"""

import hashlib
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from twins.stripe.kinds import BALANCE_TRANSACTIONS, KINDS, ObjectKind


@dataclass(slots=True, eq=False)
class Entry:
    """One stored object.

    Attributes:
        kind: Its type.
        key: ``(created, order of arrival)``; lists are served by it, newest first.
        data: What the wire shows, except what depends on the time of reading.
        aside: What the twin must remember but never shows.
        available_on: For a balance transaction, when its money can be paid out (epoch seconds).
    """

    kind: ObjectKind
    key: tuple[int, int]
    data: dict[str, Any]
    aside: dict[str, Any] = field(default_factory=dict)
    available_on: int | None = None
    raw: bytes | None = None
    raw_pending: bytes | None = None

    @property
    def id(self) -> str:
        """Return the object's id."""
        return str(self.data["id"])

    def __getitem__(self, name: str) -> Any:
        return self.data[name]


class Ledger:
    """Objects of every type, in order of creation."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._entries: dict[str, list[Entry]] = {path: [] for path in KINDS}
        self._keys: dict[str, list[tuple[int, int]]] = {path: [] for path in KINDS}
        self._by_id: dict[str, Entry] = {}
        self._made: Counter[str] = Counter()
        # Balance transactions no payout has taken along: their nets are the balance.
        self.unswept: dict[str, Entry] = {}

    def new_id(self, prefix: str) -> str:
        """Return a fresh id: the same sequence in every run, and without any order in time, as Stripe's."""
        self._made[prefix] += 1
        seed = f"{prefix}{self._made[prefix]}".encode()
        return prefix + hashlib.blake2b(seed, digest_size=12).hexdigest()

    def add(
        self,
        kind: ObjectKind,
        created: int,
        data: Mapping[str, Any],
        *,
        aside: Mapping[str, Any] | None = None,
        raw: bytes | None = None,
    ) -> Entry:
        """Store a new object; ``data`` without an ``id`` is given one. Times need not come in order."""
        identity = data.get("id") or self.new_id(kind.prefix)
        whole = {"id": identity, "object": kind.object_name, "created": created, **data}
        entry = Entry(kind, (created, len(self._by_id)), whole, dict(aside or {}), raw=raw)
        keys, entries = self._keys[kind.path], self._entries[kind.path]
        if keys and keys[-1] > entry.key:
            place = bisect_left(keys, entry.key)
            keys.insert(place, entry.key)
            entries.insert(place, entry)
        else:
            keys.append(entry.key)
            entries.append(entry)
        self._by_id[identity] = entry
        if kind is BALANCE_TRANSACTIONS:
            entry.available_on = whole["available_on"]
            self.unswept[identity] = entry
        return entry

    def change(self, entry: Entry, **changes: Any) -> None:
        """Change fields of an object; the next reader sees them."""
        entry.data.update(changes)
        entry.raw = entry.raw_pending = None

    def sweep(self, entries: Sequence[Entry], payout: Entry) -> None:
        """Remember which payout took balance transactions along; they leave the balance together with it."""
        for entry in entries:
            entry.aside["payout"] = payout.id
            self.unswept.pop(entry.id, None)

    def get(self, object_id: str) -> Entry | None:
        """Return the object with an id, of whatever type, or null."""
        return self._by_id.get(object_id)

    def find(self, kind: ObjectKind, object_id: str) -> Entry | None:
        """Return the object of a type with an id, or null."""
        entry = self._by_id.get(object_id)
        return entry if entry is not None and entry.kind is kind else None

    def count(self, kind: ObjectKind) -> int:
        """Return how many objects of a type there are."""
        return len(self._entries[kind.path])

    def entries(self, kind: ObjectKind) -> Sequence[Entry]:
        """Return the objects of a type, oldest first."""
        return self._entries[kind.path]

    def before(self, kind: ObjectKind, created: int) -> int:
        """Return how many objects of a type were created before an instant."""
        return bisect_left(self._keys[kind.path], (created,))

    def index(self, entry: Entry) -> int:
        """Return the place of an object among its type, oldest first."""
        return bisect_left(self._keys[entry.kind.path], entry.key)

    def shown(self, entry: Entry, now: int) -> dict[str, Any]:
        """Return the object as the wire shows it at ``now``."""
        data = entry.data
        if entry.available_on is not None:
            status = "available" if entry.available_on <= now else "pending"
            return {**data, "status": status}
        if "balance_transactions" in entry.aside:
            moves = [self._by_id[move] for move in entry.aside["balance_transactions"]]
            return {**data, "balance_transactions": [self.shown(move, now) for move in moves]}
        return data

    def render(self, entry: Entry, now: int) -> bytes:
        """Return the object's JSON at ``now``, from the cache where nothing changed."""
        if entry.available_on is not None and entry.available_on > now:
            if entry.raw_pending is None:
                entry.raw_pending = orjson.dumps(self.shown(entry, now))
            return entry.raw_pending
        if entry.raw is None:
            raw = orjson.dumps(self.shown(entry, now))
            if "balance_transactions" in entry.aside:
                return raw
            entry.raw = raw
        return entry.raw

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._by_id.values())
