"""Transactions: optimistic. What one read must still be so when it commits, or the commit is aborted.

The service locks what it reads; a client cannot tell the two apart except by who has to try again. A query is
checked by asking it again, so a document that newly matches (a phantom) aborts the commit too.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from grpc import StatusCode

from twins.firestore.errors import RefusedError, invalid
from twins.firestore.messages import to_micros
from twins.firestore.store import Store

Fingerprint: TypeAlias = tuple[tuple[str, int], ...]  # (document name, commit time in microseconds) in order
LIFETIME_SECONDS = 270  # the service ends a transaction then, by real time whatever the twin's clock says
_COUNTER_BYTES = 8


@dataclass(slots=True)
class Transaction:
    """One transaction: the instant it reads at and what it has read.

    Attributes:
        at: Read time, in microseconds since 1970.
        is_read_only: Whether it may only read.
        documents: Names read one by one, found or not.
        began_at: When it began, on the machine's monotonic clock in seconds.
        queries: (what to ask again at an instant, what it answered).
    """

    at: int
    is_read_only: bool
    began_at: float
    documents: set[str] = field(default_factory=set)
    queries: list[tuple[Callable[[int], Fingerprint], Fingerprint]] = field(default_factory=list)


class Transactions:
    """The open transactions. Every method is called with the store's lock held."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: dict[bytes, Transaction] = {}
        self._mark = os.urandom(_COUNTER_BYTES)  # tells ids of this server from any other's
        self._issued = 0

    def begin(self, options: Any) -> bytes:
        """Open a transaction with the given ``TransactionOptions`` and return its id."""
        clock = self._store.clock
        is_read_only = options.WhichOneof("mode") == "read_only"
        if is_read_only and options.read_only.HasField("read_time"):
            at = clock.read_past(to_micros(options.read_only.read_time))
        else:
            at = clock.read()
        self._forget_abandoned()
        self._issued += 1
        identity = self._mark + self._issued.to_bytes(_COUNTER_BYTES)
        self._open[identity] = Transaction(at, is_read_only, time.monotonic())
        return identity

    def get(self, identity: bytes) -> Transaction:
        """Return an open transaction.

        Raises:
            RefusedError: INVALID_ARGUMENT when it is not open.
        """
        transaction = self._open.get(identity)
        if transaction is None:
            raise invalid("The referenced transaction has expired or is no longer valid.")
        return transaction

    def end_for_commit(self, identity: bytes, *, has_writes: bool) -> None:
        """Close a transaction that is about to commit.

        Raises:
            RefusedError: ABORTED when something it read has changed; INVALID_ARGUMENT when it may not write.
        """
        transaction = self.get(identity)
        del self._open[identity]
        if transaction.is_read_only:
            if has_writes:
                raise invalid("Cannot modify entities in a read-only transaction.")
            return
        now = self._store.clock.read()
        is_stale = any(
            (self._store.last_change(name) or 0) > transaction.at for name in transaction.documents
        ) or any(ask(now) != answer for ask, answer in transaction.queries)
        if is_stale:
            raise RefusedError(
                StatusCode.ABORTED, "Aborted due to cross-transaction contention: what was read has changed."
            )

    def rollback(self, identity: bytes) -> None:
        """Close a transaction; closing one that has already ended is no error.

        Raises:
            RefusedError: INVALID_ARGUMENT for an id this server never gave out.
        """
        number = int.from_bytes(identity[_COUNTER_BYTES:])
        if identity[:_COUNTER_BYTES] != self._mark or not 0 < number <= self._issued:
            raise invalid("Invalid transaction.")
        self._open.pop(identity, None)

    def _forget_abandoned(self) -> None:
        oldest = time.monotonic() - LIFETIME_SECONDS
        for identity in [each for each, transaction in self._open.items() if transaction.began_at < oldest]:
            del self._open[identity]
