"""The one decision: may this actor do this, now? Pure, and denying by default.

Every operation has its checks in an order that is written down here and nowhere else. The first no decides;
a yes needs every check. Before all of them come the same three questions: is the actor of this studio, is
there such a proposal here, and is its capability in the registry.

The order is: where (tenant, proposal, capability), who, where the proposal stands, what was decided on; for
execution the switch and anchor mode come right after who, so that a halt explains itself before anything
else; quotas come last, because waiting for one is worth it only when nothing else is missing.
"""

from collections.abc import Mapping
from typing import Final, cast

from policies import checks_agent as agent
from policies import checks_outside as outside
from policies import checks_proposal as standing
from policies import checks_reads as reads
from policies import checks_who as who
from policies.actors import ADMIN_ROLE, APPROVER_ROLE, Actor
from policies.cases import Case, Check, is_person, is_staff
from policies.decisions import Decision, Facts, Operation, Switch
from policies.exemptions import is_lawful, is_live
from policies.proposals import Proposal
from policies.registry import Capability
from policies.rules import ALLOW, deny

_O = Operation
_EXECUTION: Final[tuple[Check, ...]] = (
    who.executor,
    outside.switch_off,
    outside.writes_enabled,
    outside.has_executor,
)


def owner_named(case: Case) -> Decision | None:
    """A capability that touches a member's things says whose."""
    is_missing = case.capability.is_owner_required and not case.facts.owner_id
    return deny("owner-named") if is_missing else None


def exemption_lawful(case: Case) -> Decision | None:
    """The capability may be exempt at all."""
    return None if is_lawful(case.capability) else deny("exemption-lawful")


def exemption_live(case: Case) -> Decision | None:
    """There is a live exemption to end."""
    facts = case.facts
    return None if any(is_live(one, facts.now) for one in facts.exemptions) else deny("exemption-live")


def staff_only(case: Case) -> Decision | None:
    """Any staff member."""
    if not is_person(case.actor):
        return deny("person-only")
    return None if is_staff(case.actor) else deny("staff-only")


def resumer(case: Case) -> Decision | None:
    """Staff with the approver or admin role."""
    denial = staff_only(case)
    if denial is not None:
        return denial
    return deny("role-entitles") if case.actor.roles.isdisjoint({APPROVER_ROLE, ADMIN_ROLE}) else None


def not_halted(case: Case) -> Decision | None:
    """It is not on already; halting takes a request to resume back, and never waits to be readable."""
    state = case.facts.switch
    is_plainly_on = state.switch is Switch.ON and state.resume_requested_by is None
    return deny("switch-not-on-yet") if is_plainly_on else None


def halted(case: Case) -> Decision | None:
    """It is readable, and on."""
    switch = case.facts.switch.switch
    if switch is Switch.UNREADABLE:
        return deny("switch-readable")
    return None if switch is Switch.ON else deny("switch-is-on")


def resume_not_requested(case: Case) -> Decision | None:
    """Nobody has asked yet."""
    return deny("resume-not-requested-yet") if case.facts.switch.resume_requested_by is not None else None


def resume_by_another(case: Case) -> Decision | None:
    """Somebody has asked, and it was somebody else."""
    requested_by = case.facts.switch.resume_requested_by
    if requested_by is None:
        return deny("resume-requested")
    is_same = requested_by in {case.actor.actor_id, case.actor.principal_id}
    return deny("resume-by-another") if is_same else None


OF_THE_STUDIO: Final[dict[Operation, tuple[Check, ...]]] = {
    _O.HALT: (staff_only, who.halt_reason, not_halted),
    _O.REQUEST_RESUME: (staff_only, who.reason, halted, resume_not_requested),
    _O.RESUME: (resumer, who.reason, halted, resume_by_another),
    # Nothing outside changes: neither the switch nor anchor mode matters. A swarm is no person.
    _O.JUDGE: (staff_only, who.reason),
}
"""Operations on the kill switch and on swarms: neither a capability nor a proposal."""

OF_A_CAPABILITY: Final[dict[Operation, tuple[Check, ...]]] = {
    _O.PROPOSE: (who.requester_kind, agent.proposing_agent, owner_named, who.rationale),
    _O.GRANT_EXEMPTION: (who.admin, exemption_lawful, who.reason),
    _O.REVOKE_EXEMPTION: (who.admin, exemption_live, who.reason),
    _O.RESET_QUOTA: (who.admin, who.reason),
    # Nothing outside changes, so neither the switch nor anchor mode nor an executor matters.
    _O.READ: (reads.only_reads, reads.reader_kind),
}
"""Operations on a capability, without a proposal."""

OF_A_PROPOSAL: Final[dict[Operation, tuple[Check, ...]]] = {
    _O.SUBMIT: (
        who.requester_kind,
        who.submitter,
        agent.acting_agent,
        standing.is_draft,
        standing.in_time,
        who.kept_rationale,
    ),
    _O.EDIT: (
        who.requester_kind,
        who.requester_only,
        agent.acting_agent,
        standing.is_submitted,
        standing.in_time,
        who.new_rationale,
    ),
    _O.DRY_RUN: (
        who.may_look,
        agent.acting_agent,
        outside.has_executor,
        standing.is_undecided,
        standing.dry_run_free,
    ),
    _O.APPROVE: (
        who.approver,
        who.not_requester,
        standing.is_pending,
        standing.in_time,
        standing.binds_input,
        who.approve_once,
        who.reason,
    ),
    _O.REJECT: (who.approver, standing.is_submitted, standing.same_input, who.reason),
    _O.REOPEN: (who.admin, standing.is_reopenable, who.reason),
    _O.OVERRIDE_INTAKE: (
        who.approver,
        who.not_requester,
        standing.is_undecided,
        standing.intake_blocked,
        who.reason,
    ),
    _O.EXECUTE: (
        *_EXECUTION,
        standing.is_approved,
        standing.not_done,
        agent.requesting_agent,
        standing.intake_clear,
        outside.checks_green,
        standing.same_input,
        standing.exempt_or_approved,
        outside.snapshot_fresh,
        outside.quota_left,
    ),
    _O.ROLLBACK: (
        who.approver,
        standing.is_executed,
        standing.not_undone,
        standing.same_input,
        who.rollback_once,
        who.reason,
    ),
}
"""Operations on a proposal. Rolling back is asked for by a person (this row) and done by the executor."""

ROLLBACK_BY_EXECUTOR: Final[tuple[Check, ...]] = (
    *_EXECUTION,
    standing.is_executed,
    standing.not_undone,
    standing.same_input,
    standing.rollback_approved,
)
"""What the execution run is asked before it undoes something."""


def decide(operation: Operation, actor: Actor, capability: Capability | None, facts: Facts) -> Decision:
    """Return the decision. Never raises for any actor, capability and facts; what no rule allows is denied.

    ``Operation.ROLLBACK`` by the executor is the rollback itself; by anyone else it is the request for it.
    """
    denial = _nowhere(operation, actor, capability, facts)
    if denial is not None:
        return denial
    # What is null here, no check of this operation looks at.
    case = Case(actor, cast("Capability", capability), cast("Proposal", facts.proposal), facts)
    for check in checks_of(operation, actor):
        denial = check(case)
        if denial is not None:
            return denial
    return (standing.standing_in(case) if operation is _O.EXECUTE else None) or ALLOW


def checks_of(operation: Operation, actor: Actor) -> tuple[Check, ...]:
    """Return the checks of an operation, in order, after the questions common to all."""
    if operation is _O.ROLLBACK and who.is_executor(actor):
        return ROLLBACK_BY_EXECUTOR
    return _CHECKS.get(operation, (no_rule,))


def no_rule(_: Case) -> Decision:
    """What nobody wrote a rule for is denied."""
    return deny("no-rule-allows")


def _nowhere(
    operation: Operation, actor: Actor, capability: Capability | None, facts: Facts
) -> Decision | None:
    """The questions common to all operations: which studio, which proposal, which capability."""
    proposal = facts.proposal
    if actor.studio_id != facts.studio_id:
        return deny("tenant-of-actor")
    if operation in OF_THE_STUDIO:
        return None
    is_of_proposal = operation in OF_A_PROPOSAL
    if is_of_proposal and proposal is None:
        return deny("proposal-known")
    if is_of_proposal and proposal is not None and proposal.studio_id != facts.studio_id:
        return deny("tenant-of-proposal")
    if capability is None:
        return deny("capability-known")
    is_other = proposal is not None and proposal.capability_id != capability.capability_id
    return deny("capability-matches") if is_of_proposal and is_other else None


_CHECKS: Final[Mapping[Operation, tuple[Check, ...]]] = OF_THE_STUDIO | OF_A_CAPABILITY | OF_A_PROPOSAL
