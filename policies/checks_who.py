"""Who may: requesters, people with roles, the executor, and nobody twice."""

from policies.actors import ADMIN_ROLE, Actor, ActorKind, system_actor
from policies.approvals import live_approvals
from policies.cases import Case, is_person, is_staff
from policies.decisions import Decision
from policies.inputs import words_problem
from policies.proposals import ApprovalKind, ExecutionState, Proposal
from policies.rules import deny

LEAST_REASON = 10
LEAST_HALT_REASON = 3  # whoever stops everything has no time for sentences
EXECUTOR_NAME = "executor"


def requester_kind(case: Case) -> Decision | None:
    """The capability may be proposed by this kind of actor; staff by kind must be staff by role."""
    kind = case.actor.kind
    is_listed = kind.value in case.capability.requester_kinds
    if not is_listed or (kind is ActorKind.STAFF and not is_staff(case.actor)):
        return deny("requester-kind")
    return None


def requester_only(case: Case) -> Decision | None:
    """Only the requester, or the person answerable for it, changes or submits a proposal.

    Another person's edit could otherwise be approved by that same person.
    """
    proposal = case.proposal
    if case.actor.actor_id in {proposal.requester_id, proposal.requester_principal_id}:
        return None
    return deny("requester-only")


def submitter(case: Case) -> Decision | None:
    """The requester asks for approval; of a draft that our own processes made, any of the staff does.

    A process makes drafts and never asks itself. What is asked for stays the process's own: who submits it
    changes nothing of it, and a person still has to approve it.
    """
    if case.proposal.requester_kind == ActorKind.SYSTEM and is_staff(case.actor):
        return None
    return requester_only(case)


def may_look(case: Case) -> Decision | None:
    """A dry run is for staff, our own processes, and the requester."""
    if is_staff(case.actor) or case.actor.kind is ActorKind.SYSTEM:
        return None
    return requester_only(case)


def approver(case: Case) -> Decision | None:
    """A person, staff where the capability wants it, with one of the capability's approver roles."""
    actor, capability = case.actor, case.capability
    if not is_person(actor):
        return deny("person-only")
    if capability.is_staff_required and not is_staff(actor):
        return deny("staff-only")
    return deny("role-entitles") if actor.roles.isdisjoint(capability.approver_roles) else None


def admin(case: Case) -> Decision | None:
    """A person with the admin role, staff where the capability wants it."""
    actor = case.actor
    if not is_person(actor):
        return deny("person-only")
    if case.capability.is_staff_required and not is_staff(actor):
        return deny("staff-only")
    return None if ADMIN_ROLE in actor.roles else deny("role-entitles")


def executor(case: Case) -> Decision | None:
    """Only the execution run acts."""
    return None if is_executor(case.actor) else deny("executor-only")


def is_executor(actor: Actor) -> bool:
    """Say whether an actor is the execution run."""
    return actor == system_actor(EXECUTOR_NAME, actor.studio_id)


def not_requester(case: Case) -> Decision | None:
    """Neither the requester, nor an agent's owner, nor an agent of the requester; whatever it is about."""
    if _is_same_side(case.actor, case.proposal):
        return deny("no-self-approval")
    return None


def approve_once(case: Case) -> Decision | None:
    """One person's yes counts once."""
    facts = case.facts
    live = live_approvals(case.capability, case.proposal, facts.approvals, facts.now)
    is_repeated = any(approval.approver_id == case.actor.actor_id for approval in live)
    return deny("approve-once") if is_repeated else None


def rollback_once(case: Case) -> Decision | None:
    """One live approval of a rollback is enough, until an attempt at it has failed."""
    facts = case.facts
    live = live_approvals(case.capability, case.proposal, facts.approvals, facts.now, ApprovalKind.ROLLBACK)
    failed = [
        attempt.started_at
        for attempt in facts.executions
        if attempt.kind is ApprovalKind.ROLLBACK and attempt.state is ExecutionState.FAILED
    ]
    is_waiting = any(not failed or approval.at > max(failed) for approval in live)
    return deny("rollback-requested-once") if is_waiting else None


def reason(case: Case) -> Decision | None:
    """A decision says why."""
    return reason_of(case.facts.rationale, LEAST_REASON)


def halt_reason(case: Case) -> Decision | None:
    """A halt says why, in a word."""
    return reason_of(case.facts.rationale, LEAST_HALT_REASON)


def rationale(case: Case) -> Decision | None:
    """A proposal says why, as the capability wants it."""
    return reason_of(case.facts.rationale, case.capability.least_rationale)


def kept_rationale(case: Case) -> Decision | None:
    """What a draft says is long enough to be submitted."""
    return reason_of(case.proposal.rationale, case.capability.least_rationale)


def new_rationale(case: Case) -> Decision | None:
    """An edit may leave the rationale; a new one is held to the same."""
    return None if case.facts.rationale is None else rationale(case)


def reason_of(text: str | None, least: int) -> Decision | None:
    """Return the no for a reason that is missing, blank, too short, too long or cannot be kept."""
    if text is None:
        return deny("rationale-long-enough", least=least)
    if words_problem(text) is not None:
        return deny("rationale-storable")
    return deny("rationale-long-enough", least=least) if len(text.strip()) < least else None


def _is_same_side(actor: Actor, proposal: Proposal) -> bool:
    sides = (proposal.requester_id, proposal.requester_principal_id)
    return actor.actor_id in sides or actor.principal_id in sides
