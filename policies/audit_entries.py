"""Audit entries as they lie in a table, and what a verifier asks of a log, wherever it lies.

A log hands out its entries twice: in batches that can be checked without a step per column, and one by one
for the moment in which something is wrong.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

import orjson

from policies.audit import LEAF_PREFIX, canonical, entry_bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the log: what is hashed, and the columns that repeat parts of the payload for queries.

    ``at`` is text as in the payload. Nothing here is trusted.
    """

    seq: int
    prev_hash: bytes
    hash: bytes
    payload: str
    name: str
    at: str
    actor_id: str
    actor_kind: str
    principal_id: str
    subject_kind: str
    subject_id: str
    state: str | None

    def hash_as(self, seq: int, prev_hash: bytes) -> bytes:
        """Return the hash that this payload would have at a place in the log."""
        return leaf_hash(seq, prev_hash, self.payload)

    def is_own_as(self, seq: int) -> bool:
        """Say whether the row agrees with itself if its number is ``seq``."""
        return self.hash_as(seq, self.prev_hash) == self.hash

    def has_true_columns(self) -> bool:
        """Say whether every column that repeats a part of the payload does so."""
        return self.columns == columns_of(self.payload)

    @property
    def columns(self) -> tuple[Any, ...]:
        """The repeated parts, in the order of :func:`columns_of`."""
        return (
            self.name,
            self.at,
            self.actor_id,
            self.actor_kind,
            self.principal_id,
            self.subject_kind,
            self.subject_id,
            self.state,
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Some entries in a row, side by side.

    Attributes:
        first: Number of the first row; 0 if the numbers of the others do not go on from it one by one.
        count: How many rows they are.
        entries: The bytes of each entry, from its own number, previous hash and payload.
        prev_hashes: All previous hashes, one after the other.
        hashes: All stored hashes, one after the other.
        strays: How many rows have a column that may not repeat its payload.
    """

    first: int
    count: int
    entries: Sequence[bytes]
    prev_hashes: bytes
    hashes: bytes
    strays: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a look at a batch alone told, without its entries.

    Attributes:
        is_good: Whether the rows agree with themselves and go on from each other; if not, somebody must look
            at them one by one. Whether the first goes on from what is before it is not told.
        first: Number of the first row.
        count: How many rows they are.
        prev_hash: What the first names as the hash before it.
        hashes: All stored hashes, one after the other; means nothing where the rows are not good.
        blocks: Roots of the complete subtrees of ``audit_stretch.BLOCK`` leaves that these rows are, one
            after the other; empty when nobody computed them.
    """

    is_good: bool
    first: int
    count: int
    prev_hash: bytes
    hashes: bytes | memoryview
    blocks: bytes = b""


class Log(Protocol):
    """A log as a verifier reads it: rows in order of their numbers, all as of one moment."""

    def count(self) -> int:
        """Return how many rows there are."""

    def parts(self) -> Iterator[Batch | Stretch]:
        """Yield all rows in order, thousands at a time; as stretches where somebody looked already."""

    def entries(self, position: int, limit: int) -> Sequence[Entry]:
        """Return at most ``limit`` rows, skipping the first ``position``."""

    def naming(self, prev_hash: bytes) -> Sequence[Entry]:
        """Return the rows whose previous hash is this, in order; usually one."""

    def hashed(self, hash_: bytes) -> Sequence[Entry]:
        """Return the rows whose hash is this, in order; usually one."""


class RowsLog:
    """A log of rows in memory: a bundle, or a test."""

    def __init__(self, rows: Sequence[Entry], batch_size: int = 2000) -> None:
        self._rows = sorted(rows, key=lambda row: row.seq)
        self._batch_size = batch_size

    def count(self) -> int:
        """Return how many rows there are."""
        return len(self._rows)

    def parts(self) -> Iterator[Batch]:
        """Yield all rows in order; nobody has looked at them."""
        return self.batches()

    def batches(self) -> Iterator[Batch]:
        """Yield all rows in order."""
        for start in range(0, len(self._rows), self._batch_size):
            rows = self._rows[start : start + self._batch_size]
            yield Batch(
                rows[0].seq if all(row.seq == seq for seq, row in enumerate(rows, rows[0].seq)) else 0,
                len(rows),
                [entry_bytes(row.seq, row.prev_hash.hex(), row.payload) for row in rows],
                b"".join(row.prev_hash for row in rows),
                b"".join(row.hash for row in rows),
                sum(not row.has_true_columns() for row in rows),
            )

    def entries(self, position: int, limit: int) -> Sequence[Entry]:
        """Return at most ``limit`` rows, skipping the first ``position``."""
        return self._rows[position : position + limit]

    def naming(self, prev_hash: bytes) -> Sequence[Entry]:
        """Return the rows whose previous hash is this."""
        return [row for row in self._rows if row.prev_hash == prev_hash]

    def hashed(self, hash_: bytes) -> Sequence[Entry]:
        """Return the rows whose hash is this."""
        return [row for row in self._rows if row.hash == hash_]


def leaf_hash(seq: int, prev_hash: bytes, payload: str) -> bytes:
    """Return an entry's hash as bytes."""
    return sha256(LEAF_PREFIX + entry_bytes(seq, prev_hash.hex(), payload)).digest()


def entry_of(seq: int, prev_hash: bytes, payload: str) -> Entry:
    """Return the true row of a payload at a place in the log. Raises ``ValueError`` if it is no event."""
    columns = columns_of(payload)
    if columns is None:
        raise ValueError("the payload is not an event")
    return Entry(seq, prev_hash, leaf_hash(seq, prev_hash, payload), payload, *columns)


def columns_of(payload: str) -> tuple[Any, ...] | None:
    """Return the parts of a payload that columns repeat; null when it is not an event."""
    try:
        event = orjson.loads(payload)
        actor, subject = event["actor"], event["subject"]
        return (
            event["name"],
            event["at"],
            actor["id"],
            actor["kind"],
            actor["owner"] or actor["id"],
            subject["kind"],
            subject["id"],
            event["state"],
        )
    except (ValueError, KeyError, TypeError):
        return None


def is_canonical(payload: str) -> bool:
    """Say whether a payload is the one canonical text of its value."""
    try:
        return canonical(orjson.loads(payload)) == payload
    except ValueError:
        return False
