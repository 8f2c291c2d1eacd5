"""One client of the gateway benchmark, in a process of its own: our cycles, and raw transactions beside them.

``python -m tests.benchmarks.gateway_client URL NUMBER COMMIT`` answers every line it is sent with one line of
JSON: ``plan`` (what one cycle sends, as counted on the wire), ``ours SECONDS`` (how many cycles were
completed), ``raw SECONDS PLAN`` and ``batched SECONDS PLAN`` (how many cycles of that plan). COMMIT is
``early`` (as the product) or ``plain`` (the log's head stays locked until the disk has answered).
"""

import random
import re
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg2
import psycopg2.extensions

from policies.actors import Actor, ActorKind, system_actor
from policies.gateway import Gateway
from policies.intake import RulesScreener
from policies.ports import Lookup
from resources.clock import SystemClock
from resources.postgres import ledger_wire
from resources.postgres.ledger import PostgresLedger
from resources.postgres.ledger_engine import FLUSH, ledger_engine
from resources.postgres.urls import psql_url
from tests.benchmarks.gateway_world import ACCOUNTS, CAPABILITY, STUDIO, wide_registry

_WRITE = re.compile(r"append_audit_v1|INSERT INTO|UPDATE studio")
WARM_CYCLES = 40
COUNTED_CYCLES = 5


class NoTarget:
    """An adapter whose target is at hand and does everything at once."""

    deadline_seconds = 1.0

    def dry_run(self, *_: Any) -> Mapping[str, Any]:
        """Return nothing to see."""
        return {"summary": "Nothing.", "writes": [], "before": None}

    def execute(self, _: Any, idempotency_key: str, *__: Any) -> Mapping[str, Any]:
        """Do nothing."""
        return {"collection": "studioOpsNotes", "documentId": idempotency_key}

    def look_up(self, *_: Any) -> Lookup:
        """Refuse: nothing is lost here."""
        raise NotImplementedError

    def rollback(self, *_: Any) -> Mapping[str, Any]:
        """Refuse: nothing is undone here."""
        raise NotImplementedError


class Client:
    """Both kinds of cycles over connections of this process."""

    def __init__(self, url: str, number: int) -> None:
        self._messages: list[str] = []
        self._engine = ledger_engine(url, STUDIO)
        self._asker = Actor(ActorKind.STAFF, f"uid_asker_{number}", STUDIO, frozenset({"staff"}))
        self._approver = Actor(
            ActorKind.STAFF, f"uid_approver_{number}", STUDIO, frozenset({"staff", "approver"})
        )
        self._executor = system_actor("executor", STUDIO)
        self._gateway = self._gateway_on(self._engine)
        self._random = random.Random(number)
        self._raw = psycopg2.connect(psql_url(url))
        self._raw_batched = psycopg2.connect(psql_url(url))
        self._raw_batched.autocommit = True
        self._url = url
        for _ in range(WARM_CYCLES):
            self.cycle(self._gateway)

    def _gateway_on(self, engine: Any) -> Gateway:
        return Gateway(
            PostgresLedger(engine, STUDIO),
            wide_registry(),
            clock=SystemClock(),
            screener=RulesScreener(),
            adapters={"ops_note": NoTarget()},
            is_write_enabled=True,
        )

    def cycle(self, gateway: Gateway) -> None:
        """Propose, approve, execute."""
        proposal = gateway.propose(
            self._asker,
            CAPABILITY,
            {"resourceCollection": "batches", "resourceId": "batch-0001", "note": "The shelf is cracked."},
            "The shelf was seen cracked this morning, before the glaze firing was loaded.",
            owner_id=f"uid_owner_{self._random.randrange(8)}",
            dedupe_key=f"shelf:{uuid.uuid4().hex}",
            predicted_effects=("A staff note appears at the batch.",),
        )
        gateway.approve(
            self._approver, proposal.proposal_id, "I saw it, too.", input_hash=proposal.input_hash
        )
        done = gateway.execute(self._executor, proposal.proposal_id, executor_id="run-bench")
        if done.state.value != "succeeded":
            raise RuntimeError(f"an execution ended as {done.state}: {done.failure_code}")

    def ours(self, seconds: float) -> int:
        """Return how many cycles were completed in so many seconds."""
        return _repeated(seconds, lambda: self.cycle(self._gateway))

    def plan(self) -> list[list[list[str]]]:
        """Return what a cycle sends: transactions of messages of statements, each a read or a write.

        A statement that records an event and rows is one command per event and row, written together; they
        are counted in the text that was sent when it was prepared. Begin and commit are part of every
        transaction and left out; so are settings and the flush, which a plain transaction does not need.
        """
        messages: list[str] = []
        writes: dict[str, int] = {}

        class Counting(psycopg2.extensions.cursor):
            def execute(self, query: Any, arguments: Any = None) -> None:
                messages.append(query)
                prepared = re.search(r"(?:^|;)PREPARE (ledger_record\w*) ", query)
                if prepared:
                    writes[prepared[1]] = len(_WRITE.findall(query))
                super().execute(query, arguments)

        def count(connection: Any) -> None:
            connection.cursor_factory = Counting

        engine = ledger_engine(self._url, STUDIO, on_connect=count)
        gateway = self._gateway_on(engine)
        self.cycle(gateway)  # prepares its statements
        messages.clear()
        for _ in range(COUNTED_CYCLES):
            self.cycle(gateway)
        engine.dispose()
        return _transactions(messages, writes)

    def raw(self, seconds: float, plan: list[list[list[str]]]) -> int:
        """Return how many times plain transactions of the same shape fit, one statement a message."""
        connection, cursor = self._raw, self._raw.cursor()

        def cycle() -> None:
            for transaction in plan:
                for message in transaction:
                    for kind in message:
                        cursor.execute(*self._statement(kind))  # the first sends BEGIN before it
                connection.commit()

        return _repeated(seconds, cycle)

    def batched(self, seconds: float, plan: list[list[list[str]]]) -> int:
        """Return the same with as many messages as ours: begin, statements and commit travel together."""
        cursor = self._raw_batched.cursor()

        def cycle() -> None:
            for transaction in plan:
                begin = "BEGIN;"
                for message in transaction:
                    parts = [cursor.mogrify(*self._statement(kind)).decode() for kind in message]
                    end = ";COMMIT" if message is transaction[-1] else ""
                    cursor.execute(begin + ";".join(parts) + end)
                    begin = ""

        return _repeated(seconds, cycle)

    def _statement(self, kind: str) -> tuple[str, tuple[Any, ...]]:
        account = self._random.randrange(ACCOUNTS)
        if kind == "read":
            return "SELECT balance FROM bench_accounts WHERE account = %s", (account,)
        if account % 2:
            return "UPDATE bench_accounts SET balance = balance + %s WHERE account = %s", (1, account)
        at = datetime.now(UTC)
        return "INSERT INTO bench_history (account, delta, at) VALUES (%s, %s, %s)", (account, 1, at)


def _transactions(messages: list[str], writes: Mapping[str, int]) -> list[list[list[str]]]:
    transactions: list[list[list[str]]] = []
    for message in messages:
        statements = [part.strip() for part in message.split(";")]
        if statements[0] == "BEGIN":
            transactions.append([])
        transactions[-1].append([kind for statement in statements for kind in _kinds(statement, writes)])
    per_cycle, rest = divmod(len(transactions), COUNTED_CYCLES)
    if rest or transactions[:per_cycle] * COUNTED_CYCLES != transactions:
        raise RuntimeError("cycles differ in what they send")
    return [[message for message in transaction if message] for transaction in transactions[:per_cycle]]


def _kinds(statement: str, writes: Mapping[str, int]) -> list[str]:
    """Return a read, or a write and what else its statement writes; nothing for what frames a transaction."""
    words = statement.split(maxsplit=2)
    if words[0] != "EXECUTE" or words[1].startswith(FLUSH):
        return []
    if words[1] in writes:
        return ["write", *["also"] * (writes[words[1]] - 1)]
    return ["write" if words[1].startswith("ledger_use_quotas") else "read"]


def _repeated(seconds: float, act: Callable[[], None]) -> int:
    done, until = 0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        act()
        done += 1
    return done


def main() -> None:
    """Answer lines until there are no more."""
    url, number, commit = sys.argv[1:]
    if commit == "plain":
        ledger_wire.flush_statement = lambda _: None
    client = Client(url, int(number))
    print("ready", flush=True)  # noqa: T201 - the protocol of this process
    for line in sys.stdin:
        what, *arguments = line.split(maxsplit=2)
        answers: dict[str, Callable[[], Any]] = {
            "plan": client.plan,
            "ours": lambda given=arguments: client.ours(float(given[0])),
            "raw": lambda given=arguments: client.raw(float(given[0]), orjson.loads(given[1])),
            "batched": lambda given=arguments: client.batched(float(given[0]), orjson.loads(given[1])),
        }
        print(orjson.dumps(answers[what]()).decode(), flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    main()
