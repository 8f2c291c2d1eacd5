"""A desk that writes the gateway's rows by plain SQL with the runtime's login: lawfully, or as an attacker.

Nothing here uses the gateway or the ledger: what is refused is refused by PostgreSQL itself.
"""

# ruff: noqa: S608, PLR0917 - the SQL is made of tests' own names; an event is told in one line

import json
import re
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from policies.actors import Actor, ActorKind, system_actor
from policies.audit import payload_of
from policies.ports import AuditDraft
from policies.proposals import ProposalState
from resources.postgres.tables_governance import GOVERNANCE_TABLES

STUDIO = "monsoonfire"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOTE = "firestore.ops_note.append"
CLOSE = "firestore.batch.close"
ANN = Actor(ActorKind.STAFF, "ann", STUDIO)
BEN = Actor(ActorKind.STAFF, "ben", STUDIO)
CLEO = Actor(ActorKind.STAFF, "cleo", STUDIO)
BOT = Actor(ActorKind.AGENT, "bot", STUDIO, owner_id="ben")
EXECUTOR = system_actor("executor", STUDIO)
HASH = "a" * 64
OTHER_HASH = "b" * 64


STATES = [state.value for state in ProposalState]


def proposal_id(number):
    """Return the id of a test's n-th proposal."""
    return f"prp_{number:026d}"


class Desk:
    """Writes rows through one engine; its clock goes on by a minute with every event."""

    def __init__(self, engine, superuser, studio=STUDIO):
        self.engine = engine
        self.studio = studio
        self.superuser = superuser
        self.now = NOON
        self.number = 0

    def event(self, connection, name, subject, state, actor=ANN, changes=None):
        """Append an event and return its number; ``changes`` replace fields of the draft."""
        self.now += timedelta(minutes=1)
        kind, _, which = subject.partition("/")
        draft = AuditDraft(name, self.now, actor, kind, which, state, {})
        payload = payload_of(replace(draft, **changes or {}), self.studio)
        return connection.scalar(text("SELECT studio.append_audit_v1(:payload)"), {"payload": payload})

    def of_proposal(self, connection, which, action, state, actor=ANN, capability=NOTE, changes=None):
        """Append an event about a proposal."""
        name = f"proposal:{capability}:{action}"
        return self.event(connection, name, f"proposal/{which}", state, actor, changes)

    def insert(self, connection, table, **values):
        """Insert one row; mappings and lists become JSON."""
        values = {"studio_id": self.studio, **values}
        columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        plain = {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in values.items()}
        statement = f"INSERT INTO studio.{table} ({columns}) VALUES ({marks})"
        connection.execute(text(statement), plain)

    def update(self, connection, table, key, **values):
        """Change one row by its id."""
        name = {"proposals": "proposal_id", "executions": "execution_id"}[table]
        changes = ", ".join(f"{column} = :{column}" for column in values)
        plain = {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in values.items()}
        statement = f"UPDATE studio.{table} SET {changes} WHERE {name} = :key"
        assert connection.execute(text(statement), plain | {"key": key}).rowcount == 1

    def step(self, connection, which, state, *, actor=ANN, capability=NOTE, action="step", **values):
        """Move a proposal to a state, with the event that says so."""
        seq = self.of_proposal(connection, which, action, state, actor, capability)
        self.update(connection, "proposals", which, state=state, updated_at=self.now, audit_seq=seq, **values)

    # Lawful acts

    def open(self):
        """Open the studio: the switch is off."""
        with self.engine.begin() as connection:
            self.switch(connection, "opened")

    def switch(self, connection, kind, actor=ANN, **changes):
        """Change the kill switch."""
        state = "off" if kind in {"opened", "resumed"} else "on"
        seq = self.event(connection, f"kill_switch:{STUDIO}:{kind}", f"kill_switch/{STUDIO}", state, actor)
        row = {"kind": kind, "actor_id": actor.actor_id, "reason": "because", "at": self.now}
        self.insert(connection, "kill_switch_changes", **row | {"audit_seq": seq} | changes)

    def new_proposal(self, connection, which, *, actor=ANN, capability=NOTE, seq=None, **changes):
        """Insert a proposal that awaits approval."""
        state = changes.get("state", "pending_approval")
        if seq is None:
            seq = self.of_proposal(connection, which, "created", state, actor, capability)
        row = {
            "proposal_id": which,
            "capability_id": capability,
            "state": state,
            "version": 1,
            "rationale": "because it is needed",
            "predicted_effects": [],
            "evidence": [],
            "input": {"note": "hello"},
            "input_hash": HASH,
            "requester_id": actor.actor_id,
            "requester_kind": actor.kind.value,
            "requester_principal_id": actor.principal_id,
            "created_at": self.now,
            "updated_at": self.now,
            "expires_at": self.now + timedelta(days=7),
            "intake": "clear",
            "is_intake_blocked": False,
            "intake_classifier": "rules-1",
            "audit_seq": seq,
        }
        self.insert(connection, "proposals", **row | changes)

    def propose(self, **options):
        """Keep a proposal and return its id."""
        self.number += 1
        which = proposal_id(self.number)
        with self.engine.begin() as connection:
            self.new_proposal(connection, which, **options)
        return which

    def new_approval(
        self, connection, which, *, actor=CLEO, kind="execute", seq=None, capability=NOTE, **changes
    ):
        """Insert an approval."""
        state = "pending_approval" if kind == "execute" else "executed"
        if seq is None:
            seq = self.of_proposal(connection, which, "approval_given", state, actor, capability)
        row = {
            "approval_id": f"apr_{which[-6:]}_{seq}",
            "proposal_id": which,
            "version": 1,
            "kind": kind,
            "input_hash": HASH,
            "approver_id": actor.actor_id,
            "role": "approver",
            "reason": "looks right",
            "at": self.now,
            "expires_at": self.now + timedelta(hours=1),
            "audit_seq": seq,
        }
        self.insert(connection, "approvals", **row | changes)

    def approve(self, which, actors=(CLEO,), capability=NOTE):
        """Approve a proposal with as many people as it takes."""
        with self.engine.begin() as connection:
            for actor in actors:
                self.new_approval(connection, which, actor=actor, capability=capability)
            self.step(connection, which, "approved", actor=actors[-1], capability=capability)

    def new_execution(self, connection, which, *, seq=None, kind="execute", actor=EXECUTOR, **changes):
        """Insert the intent of an attempt, without the proposal's own step."""
        if seq is None:
            state = "executing" if kind == "execute" else "executed"
            seq = self.of_proposal(connection, which, "executing", state, actor)
        row = {
            "execution_id": f"exe_{which[-6:]}_{seq}",
            "proposal_id": which,
            "version": 1,
            "kind": kind,
            "state": "intent",
            "input_hash": HASH,
            "idempotency_key": which,
            "executor_id": "run-1",
            "fence": 1,
            "lease_until": self.now + timedelta(minutes=2),
            "started_at": self.now,
            "audit_seq": seq,
        }
        self.insert(connection, "executions", **row | changes)
        return (row | changes)["execution_id"], seq

    def start(self, which, connection=None, **changes):
        """Begin an attempt lawfully and return its id; in a transaction of its own unless one is given."""
        if connection is None:
            with self.engine.begin() as own:
                return self.start(which, own, **changes)
        execution, seq = self.new_execution(connection, which, **changes)
        self.update(connection, "proposals", which, state="executing", updated_at=self.now, audit_seq=seq)
        return execution

    def finish(self, which, execution, result="succeeded", proposal_state="executed"):
        """Record the result of an attempt, and the proposal's step with it."""
        with self.engine.begin() as connection:
            seq = self.of_proposal(connection, which, "result", proposal_state, EXECUTOR)
            values = {"state": result, "finished_at": self.now, "audit_seq": seq}
            self.update(connection, "executions", execution, **values)
            step = {"state": proposal_state, "updated_at": self.now, "audit_seq": seq}
            self.update(connection, "proposals", which, **step)

    def in_state(self, state):
        """Return a proposal that was led to a state lawfully."""
        if state in {"draft", "pending_approval"}:
            return self.propose(state=state)
        which = self.propose()
        if state in {"rejected", "expired"}:
            with self.engine.begin() as connection:
                self.step(connection, which, state, state_reason="no")
            return which
        self.approve(which)
        if state == "approved":
            return which
        execution = self.start(which)
        if state == "failed":
            self.finish(which, execution, "failed", "failed")
        elif state != "executing":
            self.finish(which, execution)
        if state == "rolled_back":
            self.undo(which)
        return which

    def undo(self, which):
        """Roll an executed proposal back."""
        with self.engine.begin() as connection:
            self.new_approval(connection, which, kind="rollback")
            execution, _ = self.new_execution(
                connection, which, kind="rollback", idempotency_key=f"{which}_rollback"
            )
        self.finish(which, execution, "succeeded", "rolled_back")

    # Attacks

    @contextmanager
    def refused(self, rule, engine=None):
        """Give a transaction that must be refused for ``rule``, its id or a pattern, and leave no trace."""
        before = self.picture()
        with pytest.raises(DBAPIError) as refused, (engine or self.engine).begin() as connection:
            yield connection
        found = refused.value.orig
        assert rule == found.diag.constraint_name or re.search(rule, str(found)), str(found)
        assert self.picture() == before

    def picture(self):
        """Return what is in every table, seen by the superuser."""
        query = "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {} AS t"
        with self.superuser.connect() as connection:
            return {
                table.name: connection.scalar(text(query.format(table.fullname)))
                for table in GOVERNANCE_TABLES
            }
