"""How every verb of the gateway runs: facts and decision in one transaction, then the change or the denial.

The verbs themselves are in ``gateway_proposals``, ``gateway_approvals``, ``gateway_execution``,
``gateway_recovery`` and ``gateway_policies``. Here is what they share and what none may do without.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Generic, NoReturn, TypeVar, cast

from policies.actors import Actor, ActorKind
from policies.audit import text_hash
from policies.checks_who import is_executor
from policies.decide import decide
from policies.decisions import Decision, Facts, Operation
from policies.delegation import DelegationFacts
from policies.errors import DeniedError, UnknownSubjectError
from policies.gateway_ids import IdSource, random_id
from policies.gateway_landed import Written, has_landed, numbered, numbered_as, reread
from policies.gateway_probes import Probe, no_probe
from policies.inputs import InvalidInputError, input_hash
from policies.ports import (
    Adapter,
    AuditDraft,
    Clock,
    DelegationSource,
    Ledger,
    LedgerRefusedError,
    LedgerTransaction,
    OutcomeUnknownError,
    Row,
    Screener,
)
from policies.proposals import Proposal
from policies.registry import Capability, Registry

T = TypeVar("T")

LEASE_SECONDS: Final = 120
"""How long an executor may be silent; more than any adapter's deadline."""

UNHASHABLE: Final = "unhashable"
"""Stands for the hash of an input that has none; no stored hash equals it."""

AGENT_OPERATIONS: Final = frozenset({Operation.PROPOSE, Operation.SUBMIT, Operation.EDIT, Operation.DRY_RUN})
"""What an agent may do at all; its delegation is looked up for these."""

LATE_VERBS: Final = frozenset({"propose", "approve", "execute", "rollback"})
"""Verbs that send what they write with the commit. Each writes a row with an id of its own, so that it can be
told after a lost answer whether it landed. A second attempt writes at once, and learns at once."""


@dataclass(frozen=True, slots=True)
class Request:
    """Who wants what: one operation, with all that comes from outside and binds the decision.

    ``verb`` is the gateway's method; probes are named by it. ``exemption_id``: the one it is about. The other
    fields are those of ``Facts``.
    """

    operation: Operation
    verb: str
    actor: Actor
    capability_id: str | None = None
    proposal_id: str | None = None
    rationale: str | None = None
    input_hash: str | None = None
    owner_id: str | None = None
    exemption_id: str | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """What the cloud said about an agent; null facts: it could not be asked."""

    facts: DelegationFacts | None


class RefusedInsideError(Exception):
    """A no that a change comes to after the decision; the transaction is left without a trace of it."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.sentence)
        self.decision = decision


class Writing:
    """A ledger transaction that calls the probe around every write and remembers what was written."""

    def __init__(
        self, transaction: LedgerTransaction, verb: str, probe: Probe, *, is_late: bool = False
    ) -> None:
        self.ledger = transaction
        self.is_late = is_late
        self.rows: list[Written] = []
        self.has_written = False
        self._verb = verb
        self._probe = probe

    def record(self, event: AuditDraft, *rows: Row) -> int:
        """Append the event and write its rows; return the event's number, perhaps a provisional one.

        Raises ``LedgerRefusedError``; where ``is_late``, leaving the transaction may raise it.
        """
        point = f"{self._verb}:{event.name.rpartition(':')[2]}"
        self._probe(f"{point}:before")
        record = self.ledger.record_late if self.is_late else self.ledger.record
        seq = record(event, *rows)
        self.has_written = True
        self.rows.extend((row, seq) for row in rows)
        self._probe(f"{point}:after")
        return seq

    def keep(self, event: AuditDraft, proposal: Proposal, *rows: Row) -> Proposal:
        """Record a proposal as it shall be, after the rows it rests on; return it, not numbered yet."""
        self.record(event, *rows, proposal)
        return proposal


@dataclass(slots=True)
class _Attempt(Generic[T]):
    """One pass through facts and decision, filled as it goes, so that it outlives a lost answer."""

    rows: list[Written] = field(default_factory=list)
    results: list[T] = field(default_factory=list)  # none or one
    capability: Capability | None = None
    denial: Decision | None = None
    agent_id: str | None = None


Make = Callable[[Writing, Capability, Facts, Decision], T]
"""Writes a change that was decided, and returns its result."""


class GatewayBase:
    """What all verbs share. Every argument is an interface, so the same gateway runs on twins and for real.

    Args:
        ledger: Proposals and audit log of one studio.
        registry: What may be done at all.
        clock: Tells the time of every decision.
        screener: Screens the words of proposals.
        delegations: Looks agents up; null where no cloud can be asked, and then no agent may act.
        adapters: Carry capabilities out, by the registry's adapter names.
        is_write_enabled: False is anchor mode: nothing is carried out.
        lease_seconds: How long an executor may be silent; must exceed every adapter's deadline.
        ids: Gives new ids.
        probe: Called at every point of ``PROBES``.
    """

    def __init__(
        self,
        ledger: Ledger,
        registry: Registry,
        *,
        clock: Clock,
        screener: Screener,
        delegations: DelegationSource | None = None,
        adapters: Mapping[str, Adapter] | None = None,
        is_write_enabled: bool = False,
        lease_seconds: int = LEASE_SECONDS,
        ids: IdSource = random_id,
        probe: Probe = no_probe,
    ) -> None:
        self._ledger = ledger
        self._registry = registry
        self._clock = clock
        self._screener = screener
        self._delegations = delegations
        self._adapters = dict(adapters or {})
        self._is_write_enabled = is_write_enabled
        self._lease_seconds = lease_seconds
        self._new_id = ids
        self._probe = probe
        slow = sorted(name for name, it in self._adapters.items() if it.deadline_seconds >= lease_seconds)
        if slow:
            raise ValueError(f"The lease must outlast every call; these adapters take longer: {slow}.")

    def _change(self, request: Request, make: Make[T]) -> T:
        """Decide and, if it is yes, let ``make`` write; all in one transaction that is durable on return.

        When the database refuses (mostly because somebody else was quicker), or the answer to the commit was
        lost, everything is read and decided again, once.

        Raises:
            DeniedError: The rules say no; the denial is in the audit.
            UnknownSubjectError: There is no such proposal.
            LedgerRefusedError: The database refuses twice what the rules allow.
            OutcomeUnknownError: The answer to the commit was lost twice.
        """
        return self._change_surely(request, make)[0]

    def _change_surely(self, request: Request, make: Make[T]) -> tuple[T, bool]:
        """As ``_change``; also return whether the commit was acknowledged (false: it was found later)."""
        is_agents = request.actor.kind is ActorKind.AGENT and request.operation in AGENT_OPERATIONS
        looked = self._look_up_agent(request.actor.actor_id) if is_agents else None
        is_second = False
        while True:
            attempt: _Attempt[T] = _Attempt()
            try:
                is_late = request.verb in LATE_VERBS and not is_second
                self._try(attempt, request, make, looked, is_late=is_late)
            except OutcomeUnknownError:
                if attempt.results and has_landed(self._ledger, numbered(attempt.rows)):
                    return reread(self._ledger, numbered_as(attempt.results[0], attempt.rows)), False
                if is_second:
                    raise
                is_second = True
                continue
            except LedgerRefusedError as error:
                # Perhaps somebody else was quicker: deciding again then says it better than the database.
                if is_second:
                    self._deny_if_changed(request, error)
                    raise
                is_second = True
                continue
            except RefusedInsideError as error:
                attempt.denial = error.decision
            if attempt.denial is not None:
                self._deny(request, attempt.denial, attempt.capability)
            if attempt.results:
                return attempt.results[0], True
            # The cloud is never asked while locks are held, so everything is read once more after it.
            looked = self._look_up_agent(str(attempt.agent_id))

    def _try(
        self,
        attempt: _Attempt[T],
        request: Request,
        make: Make[T],
        looked: Looked | None,
        *,
        is_late: bool,
    ) -> None:
        with self._transaction(request.verb, attempt.rows, is_late=is_late) as writing:
            facts = self._facts(writing.ledger, request, looked, lock=True)
            attempt.capability = self._capability_of(request, facts)
            if looked is None:
                attempt.agent_id = _agent_behind(request, facts)
                if attempt.agent_id is not None:
                    return
            decision = decide(request.operation, request.actor, attempt.capability, facts)
            if not decision.is_allowed:
                attempt.denial = decision
            else:
                # Null only for the kill switch, whose changes do not look at it.
                capability = cast("Capability", attempt.capability)
                attempt.results.append(make(writing, capability, facts, decision))
        attempt.results = [numbered_as(it, attempt.rows, writing.ledger.numbers) for it in attempt.results]

    def _check(self, request: Request) -> tuple[Facts, Decision]:
        """Return facts and decision without locking or recording anything. Raises ``UnknownSubjectError``."""
        is_agents = request.actor.kind is ActorKind.AGENT and request.operation in AGENT_OPERATIONS
        looked = self._look_up_agent(request.actor.actor_id) if is_agents else None
        while True:
            with self._ledger.transaction() as transaction:
                facts = self._facts(transaction, request, looked, lock=False)
            agent_id = _agent_behind(request, facts) if looked is None else None
            if agent_id is None:
                capability = self._capability_of(request, facts)
                return facts, decide(request.operation, request.actor, capability, facts)
            looked = self._look_up_agent(agent_id)

    def _deny_if_changed(self, request: Request, error: LedgerRefusedError) -> None:
        """Raise ``DeniedError`` if what changed since the decision (such as the switch) makes it a no."""
        if error.code == "STATE_CHANGED":
            facts, decision = self._check(request)
            if not decision.is_allowed:
                self._deny(request, decision, self._capability_of(request, facts))

    @contextmanager
    def _transaction(
        self, verb: str, rows: list[Written] | None = None, *, is_late: bool = False
    ) -> Iterator[Writing]:
        """Give one transaction with probes; what it writes is also put into ``rows``."""
        with self._ledger.transaction() as transaction:
            writing = Writing(transaction, verb, self._probe, is_late=is_late)
            if rows is not None:
                writing.rows = rows
            yield writing
            if writing.has_written:
                self._probe(f"{verb}:commit:before")
        if writing.has_written:
            self._probe(f"{verb}:commit:after")

    def _facts(
        self, transaction: LedgerTransaction, request: Request, looked: Looked | None, *, lock: bool
    ) -> Facts:
        """Return everything the decision rests on. Raises ``UnknownSubjectError``."""
        facts = transaction.facts(
            now=self._clock.now(),
            capability_id=request.capability_id,
            proposal_id=request.proposal_id,
            lock=lock,
            is_for_deed=request.operation is Operation.EXECUTE,
        )
        if request.proposal_id is not None and facts.proposal is None:
            raise UnknownSubjectError(("There is no such proposal in this studio.",))
        return replace(
            facts,
            # Asked again: waiting for the lock may have taken a while.
            now=self._clock.now(),
            is_write_enabled=self._is_write_enabled,
            delegation=None if looked is None else looked.facts,
            is_delegation_readable=looked is None or looked.facts is not None,
            rationale=request.rationale,
            input_hash=_bound_hash(request, facts),
            owner_id=request.owner_id if facts.proposal is None else facts.proposal.owner_id,
            exemptions=facts.exemptions
            if request.exemption_id is None
            else tuple(it for it in facts.exemptions if it.exemption_id == request.exemption_id),
        )

    def _capability_of(self, request: Request, facts: Facts) -> Capability | None:
        capability_id = request.capability_id if facts.proposal is None else facts.proposal.capability_id
        return None if capability_id is None else self._registry.get(capability_id)

    def _adapter_of(self, proposal: Proposal) -> Adapter | None:
        capability = self._registry.get(proposal.capability_id)
        name = None if capability is None else capability.adapter
        return None if name is None else self._adapters.get(name)

    def _look_up_agent(self, client_id: str) -> Looked:
        """Ask the cloud about an agent; whatever goes wrong there means that nobody may act on it."""
        if self._delegations is None:
            return Looked(None)
        try:
            return Looked(self._delegations.look_up(client_id))
        except Exception:  # noqa: BLE001 - fails closed, whatever the cloud's client raises
            return Looked(None)

    def _deny(self, request: Request, decision: Decision, capability: Capability | None) -> NoReturn:
        """Record a no in a transaction of its own, and raise it."""
        about = request.verb if capability is None else capability.capability_id
        subject = ("policy", about) if request.proposal_id is None else ("proposal", request.proposal_id)
        details: dict[str, Any] = {
            "code": decision.code,
            "operation": request.verb,
            "rule": decision.rule,
        }
        if request.capability_id is not None and capability is None:
            details["capability_hash"] = text_hash(request.capability_id)
        if request.input_hash is not None:
            details["input_hash"] = text_hash(request.input_hash)
        if request.rationale is not None:
            details["reason_hash"] = text_hash(request.rationale)
        if decision.details:
            details["facts"] = dict(decision.details)
        event = AuditDraft(
            f"policy:{about}:denied", self._clock.now(), request.actor, *subject, None, details
        )
        for is_last in (False, True):
            try:
                with self._transaction("deny", is_late=not is_last) as writing:
                    writing.record(event)
                break
            except OutcomeUnknownError:
                # Written twice is better than not at all.
                if is_last:
                    raise
        raise DeniedError(decision)


def proposal_event(proposal: Proposal, action: str, at: datetime, actor: Actor, **details: Any) -> AuditDraft:
    """Return the event of one step of a proposal, which is already as it shall be from now on."""
    return AuditDraft(
        f"proposal:{proposal.capability_id}:{action}",
        at,
        actor,
        "proposal",
        proposal.proposal_id,
        proposal.state.value,
        {"input_hash": proposal.input_hash, "version": proposal.version, **details},
    )


def _bound_hash(request: Request, facts: Facts) -> str | None:
    """Return the hash the actor decides on: of what it saw, or, for the executor, of what it would send.

    The executor names no hash. It is held to the input itself, so that an input that is not what its stored
    hash says, however that came about, is not carried out.
    """
    proposal = facts.proposal
    is_deed = request.operation in {Operation.EXECUTE, Operation.ROLLBACK} and is_executor(request.actor)
    if proposal is None or not is_deed:
        return request.input_hash
    try:
        return input_hash(proposal.capability_id, proposal.input)
    except InvalidInputError:
        return UNHASHABLE


def _agent_behind(request: Request, facts: Facts) -> str | None:
    """Return the agent whose proposal is to be carried out; null if no agent asked for it."""
    proposal = facts.proposal
    if proposal is None or request.operation is not Operation.EXECUTE:
        return None
    return proposal.requester_id if proposal.requester_kind == ActorKind.AGENT else None
