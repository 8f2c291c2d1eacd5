"""A gateway as one process has it: own connections, an own clock, and a target that other processes see, too.

The target is a folder with a file for every key. Each line is one effect, forced to the disk before the call
returns; like the real targets it answers a repeated key with what there is.
"""

import hashlib
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

from sqlalchemy import text

from policies.errors import DeniedError
from policies.gateway import Gateway
from policies.gateway_probes import no_probe
from policies.ports import AdapterError, Found, Lookup
from policies.proposals import ApprovalKind
from resources.postgres.engine import owner_engine
from resources.postgres.ledger import PostgresLedger
from resources.postgres.ledger_engine import ledger_engine
from tests.integration.gateway.model import NOTE
from tests.integration.gateway.world import Clock, FlakyLedger, Screener, actors, small_registry

START = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
WHY = "The shelf was seen cracked this morning."
INPUT = {"resourceCollection": "batches", "resourceId": "b1", "note": "Kiln shelf is cracked"}


@cache
def registry():
    """Return the registry of the tests; how old the snapshot is does not matter here."""
    return {it.capability_id: replace(it, snapshot_max_age_seconds=None) for it in small_registry().values()}


class FileTarget:
    """One file a key, one line an effect. ``mode``: ``ok``, ``certain`` refusal, or answer ``lost``."""

    deadline_seconds = 20.0

    def __init__(self, folder, mode="ok"):
        self._folder, self.mode = folder, mode

    def effects(self, key):
        """Return what was ever done under a key, in order."""
        path = self._folder / key
        return path.read_text().split() if path.exists() else []

    def dry_run(self, proposal):
        return {"summary": "Does it.", "token": "t"}

    def execute(self, proposal, idempotency_key, at):
        return self._do(idempotency_key, "done")

    def rollback(self, proposal, idempotency_key, reason, at):
        return self._do(idempotency_key, "undone")

    def look_up(self, proposal, idempotency_key):
        found = {(): Found.NOTHING, ("done",): Found.EFFECT, ("done", "undone"): Found.ROLLED_BACK}
        return Lookup(found[tuple(self.effects(idempotency_key))], {"docId": idempotency_key})

    def _do(self, key, effect):
        if self.mode == "certain":
            raise AdapterError("It refuses.", code="PRECONDITION_FAILED", is_certain=True)
        if effect not in self.effects(key):
            with (self._folder / key).open("a") as file:
                file.write(f"{effect}\n")
                file.flush()
                os.fsync(file.fileno())
        if self.mode == "lost":
            raise AdapterError("The answer was lost.", code="DEADLINE", is_certain=False)
        return {"collection": "notes", "docId": key}


class Shop:
    """One process's gateway on one studio."""

    def __init__(self, url, studio, folder, *, at=START, probe=no_probe, mode="ok", target=None, known=None):
        self.url, self.studio, self.folder = url, studio, folder
        self.clock = Clock(at)
        self.target = target or FileTarget(folder, mode)
        self.engine = ledger_engine(url, studio)
        self.ledger = FlakyLedger(PostgresLedger(self.engine, studio))
        self.actors = actors(studio)
        self.probe = probe
        self.gateway = Gateway(
            self.ledger,
            known or registry(),
            clock=self.clock,
            screener=Screener(),
            adapters={"target": self.target, "ops_note": self.target},
            is_write_enabled=True,
            probe=self._probed,
        )

    def _probed(self, name):
        self.probe(name)

    def close(self):
        self.engine.dispose()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def do(self, verb, who, *arguments, **more):
        """Call the gateway a second later."""
        self.clock.move(1)
        return getattr(self.gateway, verb)(self.actors[who], *arguments, **more)

    def pending(self, **more):
        return self.do("propose", "sam", NOTE, INPUT, WHY, owner_id="uid_owner", **more)

    def approve(self, proposal, who="amy"):
        return self.do("approve", who, proposal.proposal_id, WHY, input_hash=proposal.input_hash)

    def execute(self, proposal, executor_id="run-1"):
        return self.do("execute", "executor", proposal.proposal_id, executor_id=executor_id)

    def rollback(self, proposal, executor_id="run-1"):
        return self.do("rollback", "executor", proposal.proposal_id, executor_id=executor_id)

    def there(self, proposal):
        return next(it for it in self.ledger.proposals() if it.proposal_id == proposal.proposal_id)

    def recover_all(self):
        """Do what our own processes do without being asked: recover, then carry out what waits."""
        self.clock.instant += timedelta(minutes=10)
        self.do("recover", "executor", executor_id="run-sweep")
        for kind, verb in ((ApprovalKind.EXECUTE, "execute"), (ApprovalKind.ROLLBACK, "rollback")):
            for waiting in self.ledger.ready(kind):
                try:
                    self.do(verb, "executor", waiting, executor_id="run-again")
                except DeniedError as error:
                    if error.decision.code != "KILL_SWITCH_ON":
                        raise
        self.do("expire", "swarm")


def require_whole_log(url, studio):
    """Raise unless the studio's log has no gap and every hash is right; return its events' names."""
    engine = owner_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT seq, payload, encode(prev_hash, 'hex') AS prev, encode(hash, 'hex') AS hash, name "
                "FROM studio.audit_events WHERE studio_id = :studio ORDER BY seq"
            ),
            {"studio": studio},
        ).all()
    engine.dispose()
    before = "0" * 64
    for number, row in enumerate(rows, 1):
        entry = f"{number}\n{before}\n{row.payload}".encode()
        assert (row.seq, row.prev) == (number, before)
        assert row.hash == hashlib.sha256(b"\0" + entry).hexdigest()
        before = row.hash
    return [row.name.rpartition(":")[2] for row in rows]


def cut(url):
    """End every connection of ledgers to the database, as an administrator would."""
    engine = owner_engine(url)
    with engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = "
                "current_database() AND application_name LIKE 'studio-ledger-%'"
            )
        )
    engine.dispose()
