"""Proposals, approvals, executions: their shapes, and the one table of what may follow what.

PostgreSQL enforces the same table (a test holds the two together). An unknown state or step raises.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final


class ProposalState(StrEnum):
    """Where a proposal stands."""

    DRAFT = "draft"
    PENDING_APPROVAL = "pending_approval"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXECUTING = "executing"  # the intent is committed; the target may or may not have been called yet
    EXECUTED = "executed"
    FAILED = "failed"  # the target refused: certainly no effect
    ROLLED_BACK = "rolled_back"
    EXPIRED = "expired"


_S = ProposalState

TRANSITIONS: Final[Mapping[ProposalState, frozenset[ProposalState]]] = {
    _S.DRAFT: frozenset({_S.PENDING_APPROVAL, _S.EXPIRED}),
    # To itself: an edit makes a new version, whose approvals start from none.
    _S.PENDING_APPROVAL: frozenset({_S.PENDING_APPROVAL, _S.APPROVED, _S.REJECTED, _S.EXPIRED}),
    # Back to pending: an edit voids approvals. Rejected: somebody thought better of it in time.
    _S.APPROVED: frozenset({_S.PENDING_APPROVAL, _S.EXECUTING, _S.REJECTED, _S.EXPIRED}),
    # Back to approved: it is certain that the target was not called (kill switch, or look-up found nothing).
    _S.EXECUTING: frozenset({_S.EXECUTED, _S.FAILED, _S.APPROVED}),
    _S.EXECUTED: frozenset({_S.ROLLED_BACK}),
    _S.REJECTED: frozenset({_S.PENDING_APPROVAL}),  # reopened
    _S.FAILED: frozenset({_S.PENDING_APPROVAL}),  # reopened
    _S.EXPIRED: frozenset({_S.PENDING_APPROVAL}),  # reopened
    _S.ROLLED_BACK: frozenset(),
}


class UnknownTransitionError(Exception):
    """A step that the table of transitions does not have. Nothing was changed."""


def require_transition(before: ProposalState, after: ProposalState) -> None:
    """Raise ``UnknownTransitionError`` unless ``after`` may follow ``before``."""
    if after not in TRANSITIONS[before]:
        raise UnknownTransitionError(f"A proposal that is {before} cannot become {after}.")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a proposal rests on: a revision of an asset, and the finding in it if there is one."""

    asset: str
    revision: str
    finding_id: str | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal as it stands now.

    Attributes:
        proposal_id: ``prp_`` and 26 lower-case letters and digits, sortable by creation.
        version: Counts from 1; an edit or a reopening makes the next one.
        input: What the capability is asked to do; canonical JSON data, text in it is data and nothing else.
        input_hash: SHA-256 hex over the canonical bytes of capability id and input.
        owner_id: Uid of the member whose things are touched; null where nobody's are.
        dedupe_key: Two live proposals of one capability never share it; null for none.
        dry_run: What the adapter said it would do; null before the first dry run of this version.
        expires_at: After this instant nobody may approve it, UTC.
        intake: Category found by screening, such as ``clear`` or ``weaponisation``.
        is_intake_blocked: Screening wants a person's override first.
        audit_seq: The audit event that made the row what it is.
    """

    proposal_id: str
    studio_id: str
    capability_id: str
    state: ProposalState
    version: int
    rationale: str
    predicted_effects: Sequence[str]
    evidence: Sequence[Evidence]
    input: Mapping[str, Any]
    input_hash: str
    requester_id: str
    requester_kind: str
    requester_principal_id: str
    owner_id: str | None
    dedupe_key: str | None
    dry_run: Mapping[str, Any] | None
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    intake: str
    is_intake_blocked: bool
    intake_classifier: str
    state_reason: str | None = None
    audit_seq: int = 0


def stepped(proposal: Proposal, after: ProposalState, at: datetime, **changes: Any) -> Proposal:
    """Return a proposal as it is from an instant on, in a state that may follow its own or is its own.

    Raises:
        UnknownTransitionError: The table has no such step: whoever decided it was wrong.
    """
    if after is not proposal.state:
        require_transition(proposal.state, after)
    return replace(proposal, state=after, updated_at=at, **changes)


class ApprovalKind(StrEnum):
    """What was approved."""

    EXECUTE = "execute"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's yes to one version of a proposal; never changed, only outlived.

    ``role`` is the role that entitled the person. It binds only ``input_hash`` of ``version``.
    """

    approval_id: str
    proposal_id: str
    version: int
    kind: ApprovalKind
    input_hash: str
    approver_id: str
    role: str
    reason: str
    at: datetime
    expires_at: datetime
    audit_seq: int = 0


class ExecutionState(StrEnum):
    """Where one attempt stands."""

    INTENT = "intent"  # committed before the call
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # certainly no effect
    RELEASED = "released"  # the target was certainly not called; the proposal may be executed again


@dataclass(frozen=True, slots=True)
class Execution:
    """One attempt to carry a proposal out, or to roll it back.

    Attributes:
        kind: ``execute`` or ``rollback``.
        idempotency_key: Same for all attempts of one kind at one proposal: the target acts on it once.
        executor_id: Who holds the lease, such as a Dagster run id.
        fence: Counts take-overs of the lease; an executor with an older one may not act.
        lease_until: After this instant another executor may look up what happened, UTC.
        pointer: Where the effect is (collection and document id); null unless succeeded.
    """

    execution_id: str
    proposal_id: str
    version: int
    kind: ApprovalKind
    state: ExecutionState
    input_hash: str
    idempotency_key: str
    executor_id: str
    fence: int
    lease_until: datetime
    started_at: datetime
    finished_at: datetime | None = None
    pointer: Mapping[str, Any] | None = None
    failure_code: str | None = None
    failure: str | None = None
    exemption_id: str | None = None
    audit_seq: int = 0
