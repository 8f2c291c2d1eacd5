"""The two verbs that act: execute and rollback. Only the execution run calls them.

Each is two transactions. The first decides everything again, counts quotas and commits the intent; nothing
outside has happened then. The second holds the attempt and the kill switch still, calls the target, and
commits the result. Whatever breaks off in between leaves an intent, and ``recover`` asks the target.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from policies import gateway_ids
from policies.actors import Actor
from policies.approvals import ROLLBACK_QUORUM
from policies.audit import NotCanonicalError, canonical_hash, instant
from policies.checks_who import is_executor
from policies.decide import decide
from policies.decisions import Decision, Facts, Operation, Switch, SwitchState
from policies.gateway_approvals import ApprovalVerbs
from policies.gateway_base import RefusedInsideError, Request, Writing, proposal_event
from policies.gateway_proposals import proposal_of
from policies.gateway_text import id_problems, require
from policies.ports import Adapter, AdapterError, AuditDraft, OutcomeUnknownError
from policies.proposals import ApprovalKind, Execution, ExecutionState, Proposal, ProposalState, stepped
from policies.quotas import applicable, uses_of
from policies.registry import Capability
from policies.rules import deny

MOST_FAILURE: Final = 500
UNEXPECTED: Final = "UNEXPECTED"
NOT_CALLED_IN_TIME: Final = "NOT_CALLED_IN_TIME"
SWITCHED_OFF: Final = "KILL_SWITCH_ON"
"""Failure codes of our own; the others are the adapters'."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What the events and states of one kind of attempt are called.

    Attributes:
        verb: Of the gateway; probes are named by it.
        begun: Name of the event that commits the intent.
        underway: State of the proposal while its target may be called.
        released: State it goes back to when the target was certainly not called.
        done, done_state: Event and state after the effect.
        failed, failed_state: Event and state after a certain refusal.
    """

    kind: ApprovalKind
    operation: Operation
    verb: str
    begun: str
    underway: ProposalState
    released: ProposalState
    done: str
    done_state: ProposalState
    failed: str
    failed_state: ProposalState


FORWARD: Final = Steps(
    ApprovalKind.EXECUTE,
    Operation.EXECUTE,
    "execute",
    "executing",
    ProposalState.EXECUTING,
    ProposalState.APPROVED,
    "executed",
    ProposalState.EXECUTED,
    "failed",
    ProposalState.FAILED,
)
BACKWARD: Final = Steps(
    ApprovalKind.ROLLBACK,
    Operation.ROLLBACK,
    "rollback",
    "rolling_back",
    ProposalState.EXECUTED,
    ProposalState.EXECUTED,
    "rolled_back",
    ProposalState.ROLLED_BACK,
    "rollback_failed",
    ProposalState.EXECUTED,
)
STEPS: Final = {ApprovalKind.EXECUTE: FORWARD, ApprovalKind.ROLLBACK: BACKWARD}


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt to be made: what kind, by whom, at which proposal, and who holds the lease."""

    steps: Steps
    actor: Actor
    proposal_id: str
    executor_id: str

    @property
    def request(self) -> Request:
        """The question the rules are asked."""
        return Request(self.steps.operation, self.steps.verb, self.actor, proposal_id=self.proposal_id)


class ExecutionVerbs(ApprovalVerbs):
    """What the execution run does with one proposal."""

    def execute(self, actor: Actor, proposal_id: str, *, executor_id: str) -> Execution:
        """Carry an approved proposal out, once. Only inside the execution run.

        Returns:
            The attempt as it stands: ``succeeded``; ``failed`` (the target refused, certainly without
            effect); ``intent`` (only a look-up can tell: ``recover`` will); or ``released`` (the target was
            not called because too much of the lease was gone; execute again).

        Raises:
            DeniedError: The rules say no; also when the kill switch was thrown before the call.
            LedgerRefusedError: Somebody else changed the proposal at the same moment, twice.
        """
        require(id_problems(proposal_id=proposal_id, executor_id=executor_id))
        return self._attempt(Job(FORWARD, actor, proposal_id, executor_id))

    def rollback(self, actor: Actor, proposal_id: str, *, executor_id: str) -> Execution:
        """Undo an executed proposal whose rollback was approved. Only inside the execution run.

        Returns and raises as ``execute``; a rollback that the target refuses leaves the proposal executed.
        """
        require(id_problems(proposal_id=proposal_id, executor_id=executor_id))
        job = Job(BACKWARD, actor, proposal_id, executor_id)
        if not is_executor(actor):
            # The rules take ``rollback`` by a person for the request; this is the deed.
            facts, decision = self._check(job.request)
            is_ours = actor.studio_id == facts.studio_id
            refused = deny("executor-only") if is_ours else decision
            self._deny(job.request, refused, self._capability_of(job.request, facts))
        return self._attempt(job)

    def _attempt(self, job: Job) -> Execution:
        def make(
            writing: Writing, capability: Capability, facts: Facts, decision: Decision
        ) -> tuple[Facts, Execution, Proposal]:
            proposal = proposal_of(facts)
            if self._adapter_of(proposal) is None:
                # The registry names an adapter that this process was not given.
                raise RefusedInsideError(deny("has-executor"))
            if job.steps is FORWARD:
                self._use_quotas(writing, job, capability, facts)
            execution = self._intent(job, facts, decision)
            underway = stepped(proposal, job.steps.underway, facts.now)
            event = execution_event(
                underway,
                execution,
                job.steps.begun,
                facts.now,
                job.actor,
                # As it was now: the registry may ask for more one day, and this was right all the same.
                approvals_required=capability.approvals_required if job.steps is FORWARD else ROLLBACK_QUORUM,
                exemption_id=decision.exemption_id,
                lease_until=instant(execution.lease_until),
            )
            if underway.state is proposal.state:
                writing.record(event, execution)
                return facts, execution, proposal
            writing.record(event, execution, underway)
            return facts, execution, underway

        (facts, execution, proposal), is_acknowledged = self._change_surely(job.request, make)
        if not is_acknowledged:
            # The intent was found again after a lost answer, perhaps not durable yet: no call may rest on it.
            return execution
        return self._call(job, facts, execution, proposal)

    def _intent(self, job: Job, facts: Facts, decision: Decision) -> Execution:
        proposal = proposal_of(facts)
        key_of = gateway_ids.execute_key if job.steps is FORWARD else gateway_ids.rollback_key
        return Execution(
            execution_id=self._new_id(gateway_ids.EXECUTION, facts.now),
            proposal_id=proposal.proposal_id,
            version=proposal.version,
            kind=job.steps.kind,
            state=ExecutionState.INTENT,
            input_hash=proposal.input_hash,
            idempotency_key=key_of(proposal.proposal_id),
            executor_id=job.executor_id,
            fence=1,
            lease_until=facts.now + timedelta(seconds=self._lease_seconds),
            started_at=facts.now,
            exemption_id=decision.exemption_id,
        )

    def _call(self, job: Job, facts: Facts, execution: Execution, proposal: Proposal) -> Execution:
        """Call the target with the attempt and the switch held still, and commit what came of it."""
        adapter = self._adapter_of(proposal)
        if adapter is None:
            raise AssertionError("An attempt was begun without an adapter.")
        switch = SwitchState(Switch.OFF)
        ended = execution
        try:
            with self._transaction(f"{job.steps.verb}_call", is_late=True) as writing:
                switch = writing.ledger.begin_call(execution, proposal)
                now = self._clock.now()
                latest = execution.lease_until - timedelta(seconds=adapter.deadline_seconds)
                if switch.switch is not Switch.OFF:
                    ended = ended_as(execution, ExecutionState.RELEASED, now, failure_code=SWITCHED_OFF)
                elif now >= latest:
                    ended = ended_as(execution, ExecutionState.RELEASED, now, failure_code=NOT_CALLED_IN_TIME)
                else:
                    ended = self._called(job, adapter, execution, (facts, proposal))
                if ended.state is not ExecutionState.INTENT:
                    self._record_end(writing, job.actor, proposal, ended)
        except OutcomeUnknownError:
            attempts = self._ledger.executions(execution.proposal_id)
            ended = next((it for it in attempts if it.execution_id == execution.execution_id), execution)
        if switch.switch is not Switch.OFF:
            again = replace(facts, switch=switch, now=self._clock.now())
            capability = self._capability_of(job.request, facts)
            self._deny(job.request, decide(job.steps.operation, job.actor, capability, again), capability)
        return ended

    def _called(
        self, job: Job, adapter: Adapter, execution: Execution, about: tuple[Facts, Proposal]
    ) -> Execution:
        """Return the attempt as the target answers; an intent still when only a look-up can tell."""
        facts, proposal = about
        key = gateway_ids.execute_key(proposal.proposal_id)
        self._probe(f"{job.steps.verb}_call:call:before")
        try:
            if job.steps is FORWARD:
                pointer = adapter.execute(proposal, key, self._clock.now())
            else:
                pointer = adapter.rollback(proposal, key, _rollback_reason(facts), self._clock.now())
        except AdapterError as error:
            ended = replace(
                execution, failure_code=error.code or UNEXPECTED, failure=str(error)[:MOST_FAILURE]
            )
            if error.is_certain:
                ended = replace(ended, state=ExecutionState.FAILED, finished_at=self._clock.now())
        except Exception as error:  # noqa: BLE001 - whatever an adapter raises, its effect may be there
            ended = replace(execution, failure_code=UNEXPECTED, failure=type(error).__name__)
        else:
            ended = ended_as(
                execution, ExecutionState.SUCCEEDED, self._clock.now(), pointer=kept_pointer(pointer)
            )
        self._probe(f"{job.steps.verb}_call:call:after")
        return ended

    def _record_end(self, writing: Writing, actor: Actor, proposal: Proposal, ended: Execution) -> None:
        """Write how an attempt ended, and the state of the proposal that follows from it."""
        steps = STEPS[ended.kind]
        action, state = {
            ExecutionState.SUCCEEDED: (steps.done, steps.done_state),
            ExecutionState.FAILED: (steps.failed, steps.failed_state),
            ExecutionState.RELEASED: ("released", steps.released),
        }[ended.state]
        at = ended.finished_at or self._clock.now()
        after = stepped(proposal, state, at)
        details: dict[str, Any] = {"failure_code": ended.failure_code} if ended.failure_code else {}
        if ended.pointer is not None:
            details["pointer_hash"] = canonical_hash(ended.pointer)
        event = execution_event(after, ended, action, at, actor, **details)
        rows = (ended, after) if after.state is not proposal.state else (ended,)
        writing.record(event, *rows)

    def _use_quotas(self, writing: Writing, job: Job, capability: Capability, facts: Facts) -> None:
        """Count one use of every quota, or refuse; nothing is counted unless all have room."""
        proposal = proposal_of(facts)
        uses = uses_of(capability, proposal)
        if not uses:
            return
        if any(rule.cooldown_seconds for rule in capability.quotas):
            held = writing.ledger.facts(
                now=facts.now,
                capability_id=capability.capability_id,
                proposal_id=proposal.proposal_id,
                quotas=applicable(capability, proposal),
            )
            _require_quotas(job, capability, replace(facts, quotas=held.quotas))
        if writing.is_late:
            writing.ledger.use_quotas_late(uses, facts.now)
            return
        spent = writing.ledger.use_quotas(uses, facts.now)
        if spent is not None:
            _require_quotas(job, capability, replace(facts, quotas=(spent,)))
            raise AssertionError("The ledger found a quota exhausted that the rules find free.")


def _require_quotas(job: Job, capability: Capability, facts: Facts) -> None:
    decision = decide(job.steps.operation, job.actor, capability, facts)
    if not decision.is_allowed:
        raise RefusedInsideError(decision)


def _rollback_reason(facts: Facts) -> str:
    """Return the words of whoever approved the rollback last."""
    asked = [it for it in facts.approvals if it.kind is ApprovalKind.ROLLBACK]
    return max(asked, key=lambda it: it.at).reason if asked else ""


def kept_pointer(pointer: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a pointer as it can be kept; an effect is never denied because its pointer is odd."""
    try:
        kept = dict(pointer or {})
        canonical_hash(kept)
    except (NotCanonicalError, TypeError, ValueError):
        return {}
    return kept


def ended_as(
    execution: Execution,
    state: ExecutionState,
    at: datetime,
    *,
    pointer: Mapping[str, Any] | None = None,
    failure_code: str | None = None,
) -> Execution:
    """Return an attempt with its result."""
    return replace(
        execution, state=state, finished_at=at, pointer=pointer, failure_code=failure_code, failure=None
    )


def execution_event(
    proposal: Proposal, execution: Execution, action: str, at: datetime, actor: Actor, **details: Any
) -> AuditDraft:
    """Return the event of one step of an attempt."""
    return proposal_event(
        proposal,
        action,
        at,
        actor,
        execution_id=execution.execution_id,
        executor_id=execution.executor_id,
        fence=execution.fence,
        idempotency_key=execution.idempotency_key,
        **details,
    )
