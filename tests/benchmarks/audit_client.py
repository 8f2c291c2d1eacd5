"""One client of the audit benchmark, in a process of its own: our appends, and raw inserts beside them.

``python -m tests.benchmarks.audit_client URL NUMBER`` answers ``ours SECONDS``, ``raw SECONDS`` and
``batched SECONDS`` with how many durable transactions were completed.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg2

from policies.actors import Actor, ActorKind
from policies.ports import AuditDraft
from resources.postgres.ledger import PostgresLedger
from resources.postgres.ledger_engine import ledger_engine
from resources.postgres.urls import psql_url
from tests.benchmarks.gateway_world import STUDIO

WARM = 50
_INSERT = "INSERT INTO bench_history (account, delta, at) VALUES (%s, %s, %s)"


class Client:
    """Both kinds of transactions over connections of this process."""

    def __init__(self, url: str, number: int) -> None:
        self._ledger = PostgresLedger(ledger_engine(url, STUDIO), STUDIO)
        self._actor = Actor(ActorKind.STAFF, f"uid_asker_{number}", STUDIO, frozenset({"staff"}))
        self._raw = psycopg2.connect(psql_url(url))
        self._cursor = self._raw.cursor()
        lone = psycopg2.connect(psql_url(url))
        lone.autocommit = True
        self._lone = lone.cursor()
        for _ in range(WARM):
            self.append()
            self.insert()

    def append(self) -> None:
        """Record one event, durably."""
        draft = AuditDraft(
            "policy:firestore.ops_note.append:denied",
            datetime.now(UTC),
            self._actor,
            "policy",
            "firestore.ops_note.append",
            None,
            {
                "code": "ROLE_MISSING",
                "rule": "approver-role",
                "operation": "approve",
                "input_hash": "ab" * 32,
            },
        )
        with self._ledger.transaction() as transaction:
            transaction.record_late(draft)

    def insert(self) -> None:
        """Insert one row, durably."""
        self._cursor.execute(_INSERT, (1, 1, datetime.now(UTC)))
        self._raw.commit()

    def insert_in_one(self) -> None:
        """Insert one row, durably, by one message: begin and commit travel with it, as with ours."""
        self._lone.execute(_INSERT, (1, 1, datetime.now(UTC)))


def _repeated(seconds: float, act: Callable[[], None]) -> int:
    done, until = 0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        act()
        done += 1
    return done


def main() -> None:
    """Answer lines until there are no more."""
    url, number = sys.argv[1:]
    client = Client(url, int(number))
    print("ready", flush=True)  # noqa: T201 - the protocol of this process
    for line in sys.stdin:
        side, seconds = line.split()
        act = {"ours": client.append, "raw": client.insert, "batched": client.insert_in_one}[side]
        print(_repeated(float(seconds), act), flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    main()
