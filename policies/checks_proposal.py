"""Where a proposal stands, and whether what was decided on is what there is."""

from collections.abc import Iterable
from typing import Final

from policies.approvals import ROLLBACK_QUORUM, binding_approvals, has_quorum, live_approvals
from policies.cases import Case, Check
from policies.decisions import Decision
from policies.exemptions import covers, is_lawful, matching
from policies.proposals import ApprovalKind, Execution, ExecutionState, ProposalState
from policies.rules import allow_exempt, deny

_S = ProposalState
_SAYS: Final = {
    _S.DRAFT: "state-draft",
    _S.PENDING_APPROVAL: "state-pending",
    _S.APPROVED: "state-approved",
    _S.REJECTED: "state-rejected",
    _S.EXECUTING: "state-executing",
    _S.EXECUTED: "state-executed",
    _S.FAILED: "state-failed",
    _S.ROLLED_BACK: "state-rolled-back",
    _S.EXPIRED: "state-expired",
}
_SUBMITTED: Final = {_S.PENDING_APPROVAL: "state-submitted", _S.APPROVED: "state-submitted"}
_NOT_REOPENABLE: Final = dict.fromkeys(ProposalState, "state-reopenable")
_NOT_EXECUTED: Final = dict.fromkeys(ProposalState, "rollback-after-execution") | {
    _S.ROLLED_BACK: "state-rolled-back"
}


def _only_in(states: Iterable[ProposalState], says: dict[ProposalState, str] | None = None) -> Check:
    """Return the check that a proposal is in one of these states."""
    allowed = frozenset(states)
    rules = _SAYS | (says or {})

    def check(case: Case) -> Decision | None:
        state = case.proposal.state
        return None if state in allowed else deny(rules[state])

    check.__doc__ = f"The proposal is {' or '.join(sorted(state.value for state in allowed))}."
    return check


is_draft = _only_in({_S.DRAFT}, _SUBMITTED)
is_pending = _only_in({_S.PENDING_APPROVAL})
is_undecided = _only_in({_S.DRAFT, _S.PENDING_APPROVAL, _S.APPROVED})
is_submitted = _only_in({_S.PENDING_APPROVAL, _S.APPROVED})
is_reopenable = _only_in({_S.REJECTED, _S.FAILED, _S.EXPIRED}, _NOT_REOPENABLE)
is_approved = _only_in({_S.APPROVED})
is_executed = _only_in({_S.EXECUTED}, _NOT_EXECUTED)


def in_time(case: Case) -> Decision | None:
    """The time for approval is not over; at its expiry it is."""
    return None if case.facts.now < case.proposal.expires_at else deny("proposal-in-time")


def binds_input(case: Case) -> Decision | None:
    """The actor names the hash of what they looked at, and it is still the proposal's."""
    return None if case.facts.input_hash == case.proposal.input_hash else deny("input-unchanged")


def same_input(case: Case) -> Decision | None:
    """A hash that is given is the proposal's."""
    return None if case.facts.input_hash is None else binds_input(case)


def dry_run_free(case: Case) -> Decision | None:
    """What people approved by is not replaced under them."""
    proposal, facts = case.proposal, case.facts
    if proposal.dry_run is None:
        return None
    is_bound = live_approvals(case.capability, proposal, facts.approvals, facts.now)
    return deny("dry-run-bound") if is_bound else None


def intake_clear(case: Case) -> Decision | None:
    """Screening has nothing against it, or a person has overridden it."""
    proposal = case.proposal
    return deny("intake-not-blocked", category=proposal.intake) if proposal.is_intake_blocked else None


def intake_blocked(case: Case) -> Decision | None:
    """There is something to override."""
    return None if case.proposal.is_intake_blocked else deny("intake-is-blocked")


def not_done(case: Case) -> Decision | None:
    """No attempt is under way or has succeeded, whatever the state says."""
    return _attempted(case, ApprovalKind.EXECUTE, "state-executed")


def not_undone(case: Case) -> Decision | None:
    """No rollback is under way or has succeeded."""
    return _attempted(case, ApprovalKind.ROLLBACK, "state-rolled-back")


def exempt_or_approved(case: Case) -> Decision | None:
    """Enough live approvals of exactly this content, or a live exemption instead; the no says what lacks.

    An exemption that stands in is a yes of its own: see ``standing_in``.
    """
    capability, proposal, facts = case.capability, case.proposal, case.facts
    live = live_approvals(capability, proposal, facts.approvals, facts.now)
    if capability.approvals_required and has_quorum(capability, live):
        return None
    # Nothing else bounds how long a proposal may lie that needed nobody's yes.
    if capability.approvals_required == 0 or standing_in(case) is not None:
        return in_time(case)
    return _what_lacks(case, len(live))


def standing_in(case: Case) -> Decision | None:
    """Return the yes by exemption where approvals are needed and missing; null otherwise."""
    capability, proposal, facts = case.capability, case.proposal, case.facts
    if not facts.exemptions or not capability.approvals_required:
        return None
    if has_quorum(capability, live_approvals(capability, proposal, facts.approvals, facts.now)):
        return None
    exemption = matching(capability, proposal, facts.exemptions, facts.now)
    return None if exemption is None else allow_exempt(exemption.exemption_id)


def rollback_approved(case: Case) -> Decision | None:
    """Somebody's live yes to undoing exactly this."""
    capability, proposal, facts = case.capability, case.proposal, case.facts
    kind = ApprovalKind.ROLLBACK
    if has_quorum(capability, live_approvals(capability, proposal, facts.approvals, facts.now, kind), kind):
        return None
    binding = binding_approvals(capability, proposal, facts.approvals, kind)
    return deny("approval-in-time" if len(binding) >= ROLLBACK_QUORUM else "approval-present")


def _what_lacks(case: Case, live: int) -> Decision:
    capability, proposal, facts = case.capability, case.proposal, case.facts
    of_execution = [one for one in facts.approvals if one.kind is ApprovalKind.EXECUTE]
    own = {proposal.requester_id, proposal.requester_principal_id}
    if of_execution and all(one.input_hash != proposal.input_hash for one in of_execution):
        return deny("input-unchanged")
    if len(binding_approvals(capability, proposal, facts.approvals)) >= capability.approvals_required:
        return deny("approval-in-time")
    if any(one.approver_id in own for one in of_execution):
        return deny("no-self-approval")
    if live:
        return deny("quorum-reached", approvals=live, required=capability.approvals_required)
    if is_lawful(capability) and facts.exemptions:
        covering = [one for one in facts.exemptions if covers(one, proposal)]
        return deny("exemption-in-time" if covering else "exemption-matches")
    return deny("approval-present")


def _attempted(case: Case, kind: ApprovalKind, done: str) -> Decision | None:
    running: Execution | None = None
    for execution in case.facts.executions:
        if execution.kind is kind and execution.state is ExecutionState.SUCCEEDED:
            return deny(done)
        if execution.kind is kind and execution.state is ExecutionState.INTENT:
            running = execution
    return deny("state-executing") if running is not None else None
