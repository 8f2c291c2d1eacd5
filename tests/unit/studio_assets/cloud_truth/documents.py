"""A document database in memory: keeps every version, answers like the real door, can be told to fail.

It earns trust in tests/integration/reads, where it passes the same suite as the live door over the wire.
"""

import operator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from resources.errors import SourceUnreadableError
from resources.firestore.gateway import DocumentBatch

START = datetime(2026, 4, 1, 12, tzinfo=UTC)

_COMPARE = {"==": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def unreadable(reason="unavailable"):
    return SourceUnreadableError("Firestore cannot be reached (test).", reason=reason, is_transient=True)


@dataclass
class InMemoryDocuments:
    """State in the constructor and plain attributes; every fault is asked for by the test."""

    now: datetime = START
    batch_size: int = 3
    fail_after: int | None = None  # documents yielded before a scan breaks for good
    hide: set = field(default_factory=set)  # ids that scans leave out although counts see them
    repeat: bool = False  # every batch comes twice
    versions: dict = field(default_factory=dict)  # collection -> id -> [(committed at, fields or None)]
    scans: list = field(default_factory=list)

    def tick(self, **delta):
        self.now += timedelta(**(delta or {"seconds": 1}))
        return self.now

    def put(self, collection, document_id, fields):
        """Write a whole document at a new instant."""
        self.versions.setdefault(collection, {}).setdefault(document_id, []).append((self.tick(), fields))

    def delete(self, collection, document_id):
        self.put(collection, document_id, None)

    def read_time(self):
        return self.now

    def count(self, collection, *, read_time, where=()):
        return len(self._matching(collection, read_time, where))

    def scan(self, query, *, read_time, stats):
        self.scans.append(query)
        found = [
            pair
            for pair in self._matching(query.collection, read_time, query.where)
            if pair[0] not in self.hide
        ]
        for start in range(0, len(found), self.batch_size):
            chunk = found[start : start + self.batch_size]
            if self.fail_after is not None and start + len(chunk) > self.fail_after:
                raise unreadable()
            for _ in range(2 if self.repeat else 1):
                stats.documents += len(chunk)
                stats.billed_reads += len(chunk)
                yield DocumentBatch(
                    [document_id for document_id, _ in chunk],
                    [project(fields, query.field_paths) for _, fields in chunk],
                )

    def at(self, collection, read_time):
        """Return id -> fields of the documents that existed at an instant."""
        state = {}
        for document_id, versions in self.versions.get(collection, {}).items():
            seen = [fields for committed, fields in versions if committed <= read_time]
            if seen and seen[-1] is not None:
                state[document_id] = seen[-1]
        return state

    def _matching(self, collection, read_time, where):
        pairs = [
            pair for pair in self.at(collection, read_time).items() if all(holds(pair, one) for one in where)
        ]
        ranged = [one.field_path for one in where if one.operator != "=="]
        return sorted(pairs, key=lambda pair: (*(pick(pair[1], path) for path in ranged), pair[0]))


def pick(fields, path):
    for part in path.split("."):
        fields = fields.get(part) if isinstance(fields, dict) else None
    return fields


def holds(pair, where):
    """A range condition holds only for values of the same type, as at the source."""
    value = pick(pair[1], where.field_path)
    return type(value) is type(where.value) and _COMPARE[where.operator](value, where.value)


def project(fields, paths):
    """Return only the requested paths, as the server's projection does."""
    kept = {}
    for path in paths:
        *parents, leaf = path.split(".")
        source, target = fields, kept
        for part in parents:
            source = source.get(part) if isinstance(source, dict) else None
            if not isinstance(source, dict):
                break
            target = target.setdefault(part, {})
        else:
            if leaf in source:
                target[leaf] = source[leaf]
    return kept
