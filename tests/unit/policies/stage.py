"""The gateway on a ledger in memory, with a target, a cloud and a clock that tests hold in their hands."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from policies.actors import Actor, ActorKind, system_actor
from policies.delegation import AgentClient, Delegation, DelegationFacts, scope_of
from policies.errors import DeniedError
from policies.gateway import Gateway
from policies.gateway_probes import PROBES
from policies.intake import RulesScreener
from policies.memory_ledger import MemoryLedger
from policies.ports import Found, Ledger, Lookup
from policies.proposals import Proposal
from policies.registry import Registry, default_registry

STUDIO = "monsoonfire"
NOTE = "firestore.ops_note.append"
CLOSE = "firestore.batch.close"
READ = "hubitat.devices.read"
ADJUST = "finance.reconciliation.adjust"
OWNER = "uid_owner"
START = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
WHY = "The shelf was seen cracked this morning."
REASON = "Looked at it, and it is right."
INPUT = {"resourceCollection": "batches", "resourceId": "b1", "note": "Kiln shelf is cracked"}


def staff(name: str, *roles: str, studio: str = STUDIO) -> Actor:
    """Return a staff member with more roles."""
    return Actor(ActorKind.STAFF, f"uid_{name}", studio, frozenset({"staff", *roles}))


ASKER = staff("asker")
APPROVER = staff("approver", "approver")
SECOND = staff("second", "approver")
ADMIN = staff("admin", "admin")
MEMBER = Actor(ActorKind.HUMAN, "uid_member", STUDIO)
STRANGER = staff("stranger", "approver", "admin", studio="elsewhere")
AGENT = Actor(ActorKind.AGENT, "agent_1", STUDIO, frozenset({"agent"}), OWNER)
EXECUTOR = system_actor("executor", STUDIO)
SWEEPER = system_actor("expiry", STUDIO)


@dataclass
class Clock:
    """Stands still until it is moved."""

    instant: datetime = START

    def now(self) -> datetime:
        return self.instant

    def move(self, **more: int) -> None:
        self.instant += timedelta(**more)


@dataclass
class Target:
    """An adapter and its target in one: does each key's effect once, and raises what it is told to.

    ``error_after``: raised once the effect is there; ``error_before``: instead of it.
    """

    deadline_seconds: float = 20
    effects: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    error_before: Exception | None = None
    error_after: Exception | None = None
    reasons: list[str] = field(default_factory=list)
    answer: Mapping[str, Any] = field(default_factory=lambda: {"summary": "Adds a note.", "token": "t1"})

    def dry_run(self, proposal: Proposal) -> Mapping[str, Any]:
        self._do("dry_run")
        return self.answer

    def execute(self, proposal: Proposal, idempotency_key: str, at: datetime) -> Mapping[str, Any]:
        self._do("execute", idempotency_key, "done")
        return {"collection": "notes", "docId": idempotency_key}

    def look_up(self, proposal: Proposal, idempotency_key: str) -> Lookup:
        self._do("look_up")
        found = {None: Found.NOTHING, "done": Found.EFFECT, "undone": Found.ROLLED_BACK}
        state = self.effects.get(idempotency_key)
        return Lookup(found[state], {"docId": idempotency_key} if state else None)

    def rollback(
        self, proposal: Proposal, idempotency_key: str, reason: str, at: datetime
    ) -> Mapping[str, Any]:
        self.reasons.append(reason)
        self._do("rollback", idempotency_key, "undone")
        return {"docId": idempotency_key}

    def _do(self, call: str, key: str | None = None, effect: str = "") -> None:
        self.calls.append(call)
        if self.error_before is not None:
            raise self.error_before
        if key is not None:
            self.effects[key] = effect
        if self.error_after is not None:
            raise self.error_after


@dataclass
class Cloud:
    """What the cloud says of agents; ``facts`` null: it cannot be asked."""

    facts: DelegationFacts | None = None
    asked: list[str] = field(default_factory=list)

    def look_up(self, agent_client_id: str) -> DelegationFacts:
        self.asked.append(agent_client_id)
        if self.facts is None:
            raise LookupError("The cloud does not answer.")
        return self.facts

    def delegate(self, *capability_ids: str, **fields: Any) -> None:
        """Let the agent act for its owner."""
        scopes = frozenset(scope_of(capability_id) for capability_id in capability_ids)
        given = {
            "delegation_id": "d1",
            "owner_id": OWNER,
            "agent_client_id": AGENT.actor_id,
            "status": "active",
            "scopes": scopes,
            "resources": frozenset(),
            "expires_at": START + timedelta(hours=1),
        }
        client = AgentClient(AGENT.actor_id, OWNER, "active", scopes)
        self.facts = DelegationFacts(client, (Delegation(**given | fields),), START)


class Crash(BaseException):
    """The process dies here."""


class Stage:
    """A studio that is open: the gateway and everything around it.

    ``ledger``: another than one in memory. ``crash_at`` names the probe at which the process dies, once.
    ``at_probe`` holds what else happens at a probe, once. ``seen`` are the probes that were passed.
    """

    def __init__(
        self, *, ledger: Ledger | None = None, registry: Registry | None = None, **fields: Any
    ) -> None:
        self.clock = Clock()
        self.target = Target()
        self.cloud = Cloud()
        self.registry = registry or default_registry()
        self.ledger = ledger or MemoryLedger(STUDIO, self.registry, snapshot_read_at=START)
        self.crash_at: str | None = None
        self.at_probe: dict[str, Any] = {}
        self.seen: list[str] = []
        self._numbers = itertools.count(1)
        self.gateway = self.new_gateway(**fields)
        self.gateway.open_studio()

    def new_gateway(self, **fields: Any) -> Gateway:
        """Return another gateway on the same ledger and target, as another process would have."""
        given = {
            "clock": self.clock,
            "screener": RulesScreener(),
            "delegations": self.cloud,
            "adapters": {"ops_note": self.target, "batch_close": self.target},
            "is_write_enabled": True,
            "ids": self._id,
            "probe": self._probe,
        }
        return Gateway(self.ledger, self.registry, **given | fields)

    def propose(self, actor: Actor = ASKER, **fields: Any) -> Proposal:
        """Propose a note."""
        given = {
            "capability_id": NOTE,
            "input_": INPUT,
            "rationale": WHY,
            "owner_id": OWNER,
        }
        return self.gateway.propose(actor, **given | fields)

    def approved(self, **fields: Any) -> Proposal:
        """Return a note that is approved."""
        proposal = self.propose(**fields)
        return self.gateway.approve(APPROVER, proposal.proposal_id, REASON, input_hash=proposal.input_hash)

    def executed(self, **fields: Any) -> Proposal:
        """Return a note that is carried out."""
        proposal = self.approved(**fields)
        self.execute(proposal)
        return self.read(proposal)

    def execute(self, proposal: Proposal, executor_id: str = "run-1"):
        """Carry a proposal out."""
        return self.gateway.execute(EXECUTOR, proposal.proposal_id, executor_id=executor_id)

    def read(self, proposal: Proposal) -> Proposal:
        """Return a proposal as it stands."""
        (found,) = [it for it in self.ledger.proposals() if it.proposal_id == proposal.proposal_id]
        return found

    def names(self) -> list[str]:
        """Return the last part of every event's name, oldest first."""
        return [event.draft.name.rpartition(":")[2] for event in self.ledger.events]

    def refused(self, code: str, verb: str, *arguments: Any, **fields: Any) -> None:
        """Call a verb, and require a denial with this code that left one denial entry and nothing else."""
        tables, events = self.ledger._tables, self.ledger.events
        with pytest.raises(DeniedError) as raised:
            getattr(self.gateway, verb)(*arguments, **fields)
        assert raised.value.decision.code == code
        assert raised.value.decision.sentence
        (denial,) = self.ledger.events[len(events) :]
        assert denial.draft.name.endswith(":denied")
        assert denial.draft.details["code"] == code
        assert denial.draft.details["rule"] == raised.value.decision.rule
        assert self.ledger._tables == tables

    def changes_nothing(self, error: type[Exception], verb: str, *arguments: Any, **fields: Any) -> Any:
        """Call a verb, and require an error that left no trace at all; return it."""
        tables, events = self.ledger._tables, self.ledger.events
        with pytest.raises(error) as raised:
            getattr(self.gateway, verb)(*arguments, **fields)
        assert self.ledger.events == events
        assert self.ledger._tables == tables
        return raised.value

    def _id(self, prefix: str, at: datetime) -> str:
        return f"{prefix}_{next(self._numbers):026d}"

    def _probe(self, name: str) -> None:
        assert name in PROBES
        self.seen.append(name)
        if name in self.at_probe:
            self.at_probe.pop(name)()
        if name == self.crash_at:
            self.crash_at = None
            raise Crash(name)
