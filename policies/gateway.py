"""The one door to every change: proposals, approvals, executions and the policies themselves.

Each method is one decision and, if it is yes, one transaction that changes rows and appends the event that
explains them. A no is itself recorded, in a transaction of its own, and raised as ``DeniedError``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from policies.actors import Actor
from policies.decisions import Decision, Exemption, Operation, QuotaUse, SwitchState
from policies.errors import BadRequestError, DeniedError, UnknownSubjectError
from policies.gateway_marks import MarkVerbs
from policies.gateway_policies import SwitchStatus
from policies.marks import (
    DraftReview,
    DraftStatus,
    FindingMark,
    SwarmControl,
    TriageDecision,
    TriageVerdict,
    Verdict,
)
from policies.proposals import Evidence, Execution, Proposal
from policies.reads import ReadPermit

__all__ = [
    "BadRequestError",
    "DeniedError",
    "Gateway",
    "GatewayContract",
    "SwitchStatus",
    "UnknownSubjectError",
]


class GatewayContract(Protocol):
    """What ``Gateway`` offers.

    Every method may raise ``DeniedError``, ``BadRequestError`` (words that cannot be kept, an unknown id)
    and the ledger's own errors.
    """

    def open_studio(self) -> None:
        """Write the first event and the kill switch's first state (off); repeating changes nothing."""

    def propose(
        self,
        actor: Actor,
        capability_id: str,
        input_: Mapping[str, Any],
        rationale: str,
        *,
        owner_id: str | None = None,
        dedupe_key: str | None = None,
        evidence: Sequence[Evidence] = (),
        predicted_effects: Sequence[str] = (),
        is_draft: bool = False,
    ) -> Proposal:
        """Keep a proposal (a draft if asked); the same dedupe key returns the live one there is."""

    def submit(self, actor: Actor, proposal_id: str) -> Proposal:
        """Ask for approval of a draft."""

    def edit(
        self,
        actor: Actor,
        proposal_id: str,
        *,
        version: int,
        input_: Mapping[str, Any] | None = None,
        rationale: str | None = None,
    ) -> Proposal:
        """Make the next version; approvals of older versions bind nothing any more."""

    def dry_run(self, actor: Actor, proposal_id: str) -> Proposal:
        """Ask the target what would happen, and keep the answer with the proposal."""

    def approve(
        self, actor: Actor, proposal_id: str, reason: str, *, input_hash: str, version: int | None = None
    ) -> Proposal:
        """Say yes to what ``input_hash`` names; with the last yes needed the proposal is approved.

        The hash is of the input alone. With ``version``, the yes is also to the rationale that was seen.
        """

    def reject(self, actor: Actor, proposal_id: str, reason: str) -> Proposal:
        """Say no; also possible after approval, until execution begins."""

    def reopen(self, actor: Actor, proposal_id: str, reason: str) -> Proposal:
        """Make a new version of a rejected, failed or expired proposal, awaiting approval again."""

    def override_intake(self, actor: Actor, proposal_id: str, reason_code: str, reason: str) -> Proposal:
        """Let a screened proposal go on."""

    def execute(self, actor: Actor, proposal_id: str, *, executor_id: str) -> Execution:
        """Carry an approved proposal out, once. Only inside the execution run."""

    def request_rollback(self, actor: Actor, proposal_id: str, reason: str) -> Proposal:
        """Approve that an executed proposal be undone."""

    def rollback(self, actor: Actor, proposal_id: str, *, executor_id: str) -> Execution:
        """Undo an executed proposal whose rollback was approved. Only inside the execution run."""

    def recover(self, actor: Actor, *, executor_id: str) -> Sequence[Execution]:
        """Find out what became of abandoned executions, by asking their targets; never repeat a call."""

    def expire(self, actor: Actor) -> int:
        """Move everything overdue to its expired state; return how many things expired."""

    def halt(self, actor: Actor, reason: str) -> SwitchState:
        """Throw the kill switch."""

    def request_resume(self, actor: Actor, reason: str) -> SwitchState:
        """Ask that writes go on; somebody else must confirm."""

    def resume(self, actor: Actor, reason: str) -> SwitchState:
        """Confirm another person's request; writes go on."""

    def switch_status(self) -> SwitchStatus:
        """Return the kill switch as it can be read, and how many calls are in flight."""

    def grant_exemption(
        self, actor: Actor, capability_id: str, *, owner_id: str | None, seconds: int, justification: str
    ) -> Exemption:
        """Let a capability be executed without approval for a while."""

    def revoke_exemption(self, actor: Actor, exemption_id: str, reason: str) -> Exemption:
        """End an exemption now."""

    def reset_quota(
        self, actor: Actor, capability_id: str, scope: str, subject_id: str, reason: str
    ) -> QuotaUse:
        """Set one quota's use to none."""

    def permit_read(self, actor: Actor, capability_id: str) -> ReadPermit:
        """Return a permit to read through a read-only capability now; no proposal is needed."""

    def explain(
        self, actor: Actor, operation: Operation, capability_id: str, proposal_id: str | None = None
    ) -> Decision:
        """Return the decision the operation would get now; changes and records nothing."""

    def pause_swarm(self, actor: Actor, department: str, reason: str) -> SwarmControl:
        """Keep a department's swarm from proposing."""

    def resume_swarm(self, actor: Actor, department: str, reason: str) -> SwarmControl:
        """Let a paused swarm go on."""

    def mark_finding(
        self, actor: Actor, finding_id: str, revision: int, verdict: Verdict, reason: str
    ) -> FindingMark:
        """Say what a revision of a finding was worth."""

    def review_draft(
        self,
        actor: Actor,
        draft_id: str,
        *,
        revision: int,
        from_status: DraftStatus,
        to_status: DraftStatus,
        before_hash: str,
        reason: str,
        after_hash: str | None = None,
        subject: str | None = None,
        body: str | None = None,
    ) -> DraftReview:
        """Give a draft another status, perhaps with other words."""

    def decide_triage(
        self,
        actor: Actor,
        report_id: str,
        *,
        category: str,
        severity: str,
        verdict: TriageVerdict,
        reason: str,
    ) -> TriageDecision:
        """Say what a report is about, and how bad."""


class Gateway(MarkVerbs):
    """The gateway itself: every verb of ``GatewayContract``, over whatever ledger and adapters it is given.

    See ``GatewayBase`` for what it is made of.
    """
