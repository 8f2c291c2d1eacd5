"""The verbs of who decides: approve, reject, reopen, override screening, ask for a rollback."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from policies import gateway_ids
from policies.actors import ADMIN_ROLE, APPROVER_ROLE, STAFF_ROLE, Actor
from policies.approvals import has_quorum, live_approvals
from policies.audit import instant, text_hash
from policies.checks_who import is_executor
from policies.decisions import Decision, Facts, Operation
from policies.errors import BadRequestError
from policies.gateway_base import RefusedInsideError, Request, Writing, proposal_event
from policies.gateway_proposals import ProposalVerbs, approved_by_rule, proposal_of
from policies.gateway_text import id_problems, require, rollback_reason_problems, text_problems
from policies.intake import OVERRIDE_REASONS
from policies.ports import AuditDraft, IntakeOverride
from policies.proposals import Approval, ApprovalKind, Proposal, ProposalState, stepped
from policies.registry import Capability
from policies.rules import deny

_ROLES_BY_WEIGHT: Final[tuple[str, ...]] = (APPROVER_ROLE, ADMIN_ROLE, STAFF_ROLE)
"""Of several roles that entitle, the approval names the first of these."""


class ApprovalVerbs(ProposalVerbs):
    """What people decide about a proposal."""

    def approve(
        self, actor: Actor, proposal_id: str, reason: str, *, input_hash: str, version: int | None = None
    ) -> Proposal:
        """Say yes to what ``input_hash`` names; with the last yes needed the proposal is approved.

        An edit of the rationale alone leaves the hash as it was. Whoever gives the ``version`` they saw is
        told when there is a newer one; null takes the newest. What screening blocks keeps its approvals and
        waits for the override. Raises ``BadRequestError``, ``DeniedError``.
        """
        require(id_problems(proposal_id=proposal_id, input_hash=input_hash) + text_problems(reason=reason))

        def make(writing: Writing, capability: Capability, facts: Facts, decision: Decision) -> Proposal:
            del decision
            proposal = proposal_of(facts)
            if version is not None and version != proposal.version:
                raise BadRequestError(
                    (f"It is at version {proposal.version} now; look at it again, then approve.",)
                )
            approval = self._approval(actor, reason, capability, facts, ApprovalKind.EXECUTE)
            writing.record(_given(proposal, "approval_given", facts, actor, approval), approval)
            given = replace(facts, approvals=(*facts.approvals, approval))
            return _approved_if_enough(writing, capability, given, actor, proposal)

        request = Request(
            Operation.APPROVE,
            "approve",
            actor,
            proposal_id=proposal_id,
            rationale=reason,
            input_hash=input_hash,
        )
        return self._change(request, make)

    def reject(self, actor: Actor, proposal_id: str, reason: str) -> Proposal:
        """Say no; also possible after approval, until execution begins.

        Raises ``BadRequestError``, ``DeniedError``.
        """
        require(id_problems(proposal_id=proposal_id) + text_problems(reason=reason))

        def make(writing: Writing, capability: Capability, facts: Facts, decision: Decision) -> Proposal:
            del capability, decision
            rejected = stepped(proposal_of(facts), ProposalState.REJECTED, facts.now, state_reason=reason)
            event = proposal_event(rejected, "rejected", facts.now, actor, reason_hash=text_hash(reason))
            return writing.keep(event, rejected)

        request = Request(Operation.REJECT, "reject", actor, proposal_id=proposal_id, rationale=reason)
        return self._change(request, make)

    def reopen(self, actor: Actor, proposal_id: str, reason: str) -> Proposal:
        """Make a new version of a rejected, failed or expired proposal, awaiting approval again.

        It has its whole time for approval again, and is screened and dry-run anew. Raises
        ``BadRequestError``, ``DeniedError``; ``LedgerRefusedError`` ``DUPLICATE`` when another live proposal
        has its dedupe key by now.
        """
        require(id_problems(proposal_id=proposal_id) + text_problems(reason=reason))

        def make(writing: Writing, capability: Capability, facts: Facts, decision: Decision) -> Proposal:
            del decision
            old = proposal_of(facts)
            reopened = replace(
                self._next_version(old, facts, old.rationale, old.input),
                expires_at=facts.now + timedelta(seconds=capability.proposal_ttl_seconds),
                state_reason=reason,
            )
            event = proposal_event(
                reopened,
                "reopened",
                facts.now,
                actor,
                reason_hash=text_hash(reason),
                was=old.state.value,
                is_intake_blocked=reopened.is_intake_blocked,
            )
            return approved_by_rule(writing, capability, facts, writing.keep(event, reopened))

        request = Request(Operation.REOPEN, "reopen", actor, proposal_id=proposal_id, rationale=reason)
        return self._change(request, make)

    def override_intake(self, actor: Actor, proposal_id: str, reason_code: str, reason: str) -> Proposal:
        """Let this version of a screened proposal go on; approved at once if enough people have said yes.

        Raises ``BadRequestError``, ``DeniedError``.
        """
        known = ", ".join(sorted(OVERRIDE_REASONS))
        require(
            id_problems(proposal_id=proposal_id)
            + text_problems(reason=reason)
            + ([] if reason_code in OVERRIDE_REASONS else [f"The reason code is one of {known}."])
        )

        def make(writing: Writing, capability: Capability, facts: Facts, decision: Decision) -> Proposal:
            del decision
            freed = replace(proposal_of(facts), is_intake_blocked=False, updated_at=facts.now)
            override = IntakeOverride(
                proposal_id, freed.version, reason_code, reason, actor.actor_id, facts.now
            )
            event = proposal_event(
                freed,
                "intake_overridden",
                facts.now,
                actor,
                intake=freed.intake,
                reason_code=reason_code,
                reason_hash=text_hash(reason),
            )
            freed = writing.keep(event, freed, override)
            approved = _approved_if_enough(writing, capability, facts, actor, freed)
            return approved_by_rule(writing, capability, facts, approved)

        request = Request(
            Operation.OVERRIDE_INTAKE, "override_intake", actor, proposal_id=proposal_id, rationale=reason
        )
        return self._change(request, make)

    def request_rollback(self, actor: Actor, proposal_id: str, reason: str) -> Proposal:
        """Approve that an executed proposal be undone; the execution run then does it.

        Raises ``BadRequestError``, ``DeniedError``.
        """
        require(id_problems(proposal_id=proposal_id) + text_problems(reason=reason))
        require(rollback_reason_problems(reason))

        def make(writing: Writing, capability: Capability, facts: Facts, decision: Decision) -> Proposal:
            del decision
            if is_executor(actor):
                # The rules let the executor roll back what was approved; asking for it is a person's.
                raise RefusedInsideError(deny("person-only"))
            proposal = proposal_of(facts)
            approval = self._approval(actor, reason, capability, facts, ApprovalKind.ROLLBACK)
            writing.record(_given(proposal, "rollback_requested", facts, actor, approval), approval)
            return proposal

        request = Request(
            Operation.ROLLBACK, "request_rollback", actor, proposal_id=proposal_id, rationale=reason
        )
        return self._change(request, make)

    def _approval(
        self, actor: Actor, reason: str, capability: Capability, facts: Facts, kind: ApprovalKind
    ) -> Approval:
        proposal = proposal_of(facts)
        entitling = actor.roles & capability.approver_roles
        first = [role for role in _ROLES_BY_WEIGHT if role in entitling]
        return Approval(
            approval_id=self._new_id(gateway_ids.APPROVAL, facts.now),
            proposal_id=proposal.proposal_id,
            version=proposal.version,
            kind=kind,
            input_hash=proposal.input_hash,
            approver_id=actor.actor_id,
            role=(first or sorted(entitling))[0],
            reason=reason,
            at=facts.now,
            expires_at=facts.now + timedelta(seconds=capability.approval_ttl_seconds),
        )


def _approved_if_enough(
    writing: Writing, capability: Capability, facts: Facts, actor: Actor, proposal: Proposal
) -> Proposal:
    """Approve a pending proposal that has its quorum and that screening lets pass; else leave it."""
    live = live_approvals(capability, proposal, facts.approvals, facts.now)
    is_waiting = proposal.state is ProposalState.PENDING_APPROVAL and not proposal.is_intake_blocked
    if not (is_waiting and live and has_quorum(capability, live)):
        return proposal
    approved = stepped(proposal, ProposalState.APPROVED, facts.now, state_reason=None)
    event = proposal_event(approved, "approved", facts.now, actor, approvals=len(live))
    return writing.keep(event, approved)


def _given(proposal: Proposal, action: str, facts: Facts, actor: Actor, approval: Approval) -> AuditDraft:
    return proposal_event(
        proposal,
        action,
        facts.now,
        actor,
        approval_id=approval.approval_id,
        expires_at=instant(approval.expires_at),
        reason_hash=text_hash(approval.reason),
        role=approval.role,
    )
