"""Which approvals bind a proposal now, and whether they are enough.

An approval binds one version with one input hash, by one person who is neither the requester nor the
person answerable for it, until it expires. PostgreSQL counts the same way.
"""

from collections.abc import Iterable
from datetime import datetime

from policies.proposals import Approval, ApprovalKind, Proposal
from policies.registry import Capability

ROLLBACK_QUORUM = 1


def binding_approvals(
    capability: Capability,
    proposal: Proposal,
    approvals: Iterable[Approval],
    kind: ApprovalKind = ApprovalKind.EXECUTE,
) -> tuple[Approval, ...]:
    """Return the approvals of exactly this content by people entitled to give them, expired or not.

    The newest of each person, oldest first. Undoing is the safe direction: who asked for a change may, if
    entitled, be the one who says that it be undone.
    """
    newest: dict[str, Approval] = {}
    is_four_eyes = capability.is_four_eyes and kind is ApprovalKind.EXECUTE
    own = (proposal.requester_id, proposal.requester_principal_id) if is_four_eyes else ()
    for approval in approvals:
        if (
            approval.kind is kind
            and approval.proposal_id == proposal.proposal_id
            and approval.version == proposal.version
            and approval.input_hash == proposal.input_hash
            and approval.role in capability.approver_roles
            and approval.approver_id not in own
        ):
            before = newest.get(approval.approver_id)
            if before is None or approval.expires_at > before.expires_at:
                newest[approval.approver_id] = approval
    if len(newest) < 2:  # nothing to sort
        return tuple(newest.values())
    return tuple(sorted(newest.values(), key=lambda approval: approval.at))


def live_approvals(
    capability: Capability,
    proposal: Proposal,
    approvals: Iterable[Approval],
    now: datetime,
    kind: ApprovalKind = ApprovalKind.EXECUTE,
) -> tuple[Approval, ...]:
    """Return the approvals that count at an instant: binding, given by then, and not expired.

    At the instant it expires an approval has expired.
    """
    # By time first: where a clock went back, a person's newest yes may be yet to come and an older one live.
    lasting = (approval for approval in approvals if approval.at <= now < approval.expires_at)
    return binding_approvals(capability, proposal, lasting, kind)


def has_quorum(
    capability: Capability, live: Iterable[Approval], kind: ApprovalKind = ApprovalKind.EXECUTE
) -> bool:
    """Say whether enough different people are among the live approvals."""
    needed = capability.approvals_required if kind is ApprovalKind.EXECUTE else ROLLBACK_QUORUM
    return len({approval.approver_id for approval in live}) >= needed
