"""What time brings: attempts whose executor fell silent, and proposals and exemptions that are overdue.

Recovery never repeats a call. It takes the lease over, asks the target what happened under the key, and
writes that down; what certainly did not happen becomes approved again, and the usual way executes it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from policies.actors import Actor, ActorKind
from policies.approvals import has_quorum, live_approvals
from policies.audit import instant
from policies.checks_who import is_executor
from policies.decisions import Exemption, Facts, Operation
from policies.exemptions import matching
from policies.gateway_base import Request, proposal_event
from policies.gateway_execution import ExecutionVerbs, ended_as, execution_event, kept_pointer
from policies.gateway_ids import execute_key
from policies.gateway_landed import has_landed
from policies.gateway_proposals import proposal_of
from policies.gateway_text import id_problems, require
from policies.ports import (
    AuditDraft,
    ExemptionEnd,
    Found,
    LedgerRefusedError,
    Lookup,
    OutcomeUnknownError,
)
from policies.proposals import (
    ApprovalKind,
    Execution,
    ExecutionState,
    Proposal,
    ProposalState,
    UnknownTransitionError,
    stepped,
)
from policies.registry import Capability
from policies.rules import deny

Item = TypeVar("Item")
Result = TypeVar("Result")

NO_EFFECT_FOUND: Final = "NO_EFFECT_FOUND"
STILL_THERE: Final = "STILL_THERE"
NOTHING_TO_UNDO: Final = "NOTHING_TO_UNDO"
"""Failure codes of attempts that a look-up ended."""
_TIME_IS_OVER: Final = "Its time was over."

# What a look-up means for an attempt of each kind: its result, and the failure code if it had no success.
_MEANING: Final[dict[tuple[ApprovalKind, Found], tuple[ExecutionState, str | None]]] = {
    (ApprovalKind.EXECUTE, Found.EFFECT): (ExecutionState.SUCCEEDED, None),
    # The effect was there, and somebody undid it at the target.
    (ApprovalKind.EXECUTE, Found.ROLLED_BACK): (ExecutionState.SUCCEEDED, None),
    (ApprovalKind.EXECUTE, Found.NOTHING): (ExecutionState.RELEASED, NO_EFFECT_FOUND),
    (ApprovalKind.ROLLBACK, Found.ROLLED_BACK): (ExecutionState.SUCCEEDED, None),
    (ApprovalKind.ROLLBACK, Found.EFFECT): (ExecutionState.RELEASED, STILL_THERE),
    (ApprovalKind.ROLLBACK, Found.NOTHING): (ExecutionState.FAILED, NOTHING_TO_UNDO),
}


class RecoveryVerbs(ExecutionVerbs):
    """What our own processes do from time to time; each verb may be repeated at any moment."""

    def recover(self, actor: Actor, *, executor_id: str) -> Sequence[Execution]:
        """Find out what became of abandoned executions, by asking their targets; never repeat a call.

        Returns the attempts whose lease was taken over, each as it stands now: ``intent`` still where the
        target could not be asked, so that a later recovery asks again. Raises ``DeniedError`` for anyone but
        the executor.
        """
        require(id_problems(executor_id=executor_id))
        self._require_process(Request(Operation.EXECUTE, "recover", actor), is_allowed=is_executor(actor))
        found: list[Execution] = []

        def look_into(abandoned: Execution) -> None:
            taken = self._taken_over(actor, abandoned, executor_id)
            if taken is not None:
                found.append(self._recovered(actor, *taken))

        _each(self._ledger.abandoned(self._clock.now()), look_into)
        return found

    def expire(self, actor: Actor) -> int:
        """Move everything overdue to its expired state; return how many things expired.

        Raises ``DeniedError`` for anyone but our own processes.
        """
        is_ours = actor.kind is ActorKind.SYSTEM
        self._require_process(Request(Operation.REJECT, "expire", actor), is_allowed=is_ours)
        now = self._clock.now()
        proposals = _each(self._ledger.overdue(now), lambda it: self._expired(actor, it))
        ended = [it for it in self._ledger.exemptions() if it.ended_at is None and it.expires_at <= now]
        exemptions = _each(ended, lambda it: self._exemption_expired(actor, it))
        return sum(proposals) + sum(exemptions)

    def _require_process(self, request: Request, *, is_allowed: bool) -> None:
        if request.actor.studio_id != self._ledger.studio_id:
            self._deny(request, deny("tenant-of-actor"), None)
        if not is_allowed:
            self._deny(request, deny("executor-only"), None)

    def _taken_over(
        self, actor: Actor, abandoned: Execution, executor_id: str
    ) -> tuple[Execution, Proposal] | None:
        """Return the attempt with a lease of our own, and its proposal; null when somebody was quicker."""
        taken: tuple[Execution, Proposal] | None = None
        try:
            with self._transaction("take_over") as writing:
                now = self._clock.now()
                until = now + timedelta(seconds=self._lease_seconds)
                mine = writing.ledger.take_over(abandoned, executor_id, until, now)
                facts = writing.ledger.facts(now=now, capability_id=None, proposal_id=mine.proposal_id)
                proposal = proposal_of(facts)
                event = execution_event(
                    proposal,
                    mine,
                    "taken_over",
                    now,
                    actor,
                    from_executor_id=abandoned.executor_id,
                    lease_until=instant(until),
                )
                taken = mine, proposal
                taken = replace(mine, audit_seq=writing.record(event, mine)), proposal
        except LedgerRefusedError as error:
            if error.code == "RULE":
                raise
            return None
        except OutcomeUnknownError:
            return taken if taken is not None and has_landed(self._ledger, [taken[0]]) else None
        return taken

    def _recovered(self, actor: Actor, mine: Execution, proposal: Proposal) -> Execution:
        """Ask the target, outside any transaction, then write what it said if the lease is still ours."""
        lookup = self._asked(proposal)
        if lookup is None:
            return mine
        state, failure_code = _MEANING[mine.kind, lookup.found]
        ended = mine
        try:
            with self._transaction("recover") as writing:
                # Checks the fence. The switch may be on: writing down what happened is no new effect.
                writing.ledger.begin_call(mine)
                now = self._clock.now()
                facts = writing.ledger.facts(
                    now=now, capability_id=None, proposal_id=mine.proposal_id, lock=True
                )
                is_done = state is ExecutionState.SUCCEEDED
                pointer = kept_pointer(lookup.pointer) if is_done else None
                ended = ended_as(mine, state, now, pointer=pointer, failure_code=failure_code)
                self._record_end(writing, actor, proposal_of(facts), ended)
        except LedgerRefusedError as error:
            if error.code == "RULE":
                raise
            return mine
        except OutcomeUnknownError:
            attempts = self._ledger.executions(mine.proposal_id)
            return next((it for it in attempts if it.execution_id == mine.execution_id), mine)
        return ended

    def _asked(self, proposal: Proposal) -> Lookup | None:
        """Return the target's own answer; null when it cannot be asked now."""
        adapter = self._adapter_of(proposal)
        if adapter is None:
            return None
        self._probe("recover:look_up:before")
        try:
            lookup = adapter.look_up(proposal, execute_key(proposal.proposal_id))
        except Exception:  # noqa: BLE001 - no answer is no answer, whatever the reason; a later recovery asks
            return None
        self._probe("recover:look_up:after")
        return lookup

    def _expired(self, actor: Actor, overdue: Proposal) -> bool:
        expired: Proposal | None = None
        try:
            with self._transaction("expire") as writing:
                now = self._clock.now()
                facts = writing.ledger.facts(
                    now=now, capability_id=None, proposal_id=overdue.proposal_id, lock=True
                )
                proposal = proposal_of(facts)
                capability = self._registry.get(proposal.capability_id)
                if not is_overdue(capability, replace(facts, now=now)):
                    return False
                expired = stepped(proposal, ProposalState.EXPIRED, now, state_reason=_TIME_IS_OVER)
                event = proposal_event(expired, "expired", now, actor, was=proposal.state.value)
                expired = replace(expired, audit_seq=writing.record(event, expired))
        except LedgerRefusedError as error:
            if error.code == "RULE":
                raise
            return False
        except OutcomeUnknownError:
            return expired is not None and has_landed(self._ledger, [expired])
        return True

    def _exemption_expired(self, actor: Actor, exemption: Exemption) -> bool:
        now = self._clock.now()
        end = ExemptionEnd(exemption.exemption_id, "expired", actor.actor_id, _TIME_IS_OVER, now)
        event = exemption_event(exemption, "expired", now, actor, expires_at=instant(exemption.expires_at))
        try:
            with self._transaction("expire") as writing:
                there = writing.ledger.facts(now=now, capability_id=exemption.capability_id).exemptions
                if not any(it.exemption_id == exemption.exemption_id and it.ended_at is None for it in there):
                    return False
                writing.record(event, end)
        except LedgerRefusedError as error:
            if error.code == "RULE":
                raise
            return False
        except OutcomeUnknownError:
            return has_landed(self._ledger, [end])
        return True


def _each(items: Iterable[Item], do: Callable[[Item], Result]) -> list[Result]:
    """Do it to every item, also after one that the table or the ledger refuses; then raise the first refusal.

    One row that cannot be moved must not keep all others from moving.
    """
    results, refused = [], list[LedgerRefusedError | UnknownTransitionError]()
    for item in items:
        try:
            results.append(do(item))
        except (LedgerRefusedError, UnknownTransitionError) as error:
            refused.append(error)
    if refused:
        raise refused[0]
    return results


def exemption_event(
    exemption: Exemption, action: str, at: datetime, actor: Actor, **details: str | int | None
) -> AuditDraft:
    """Return the event of an exemption: ``granted`` makes it live, the other actions are its state."""
    return AuditDraft(
        f"exemption:{exemption.capability_id}:{action}",
        at,
        actor,
        "exemption",
        exemption.exemption_id,
        "live" if action == "granted" else action,
        {"owner_id": exemption.owner_id, **details},
    )


def is_overdue(capability: Capability | None, facts: Facts) -> bool:
    """Say whether a proposal should expire: its time for approval is over, or its approvals have run out."""
    proposal = facts.proposal
    if proposal is None:
        return False
    is_waiting = proposal.state in {ProposalState.DRAFT, ProposalState.PENDING_APPROVAL}
    if is_waiting or (
        proposal.state is ProposalState.APPROVED
        and (capability is None or capability.approvals_required == 0)
    ):
        return proposal.expires_at <= facts.now
    if proposal.state is not ProposalState.APPROVED or capability is None:
        return False
    live = live_approvals(capability, proposal, facts.approvals, facts.now)
    if has_quorum(capability, live):
        return False
    return matching(capability, proposal, facts.exemptions, facts.now) is None
