"""When an approved proposal has nothing left to rest on: what the in-memory ledger says of it."""

from datetime import datetime

from policies.exemptions import covers
from policies.memory_rules import Tables
from policies.proposals import ApprovalKind, Proposal
from policies.registry import Capability


def has_run_out(tables: Tables, capability: Capability, proposal: Proposal, by: datetime) -> bool:
    """Say whether its approvals and exemptions had run out by an instant, which may lie in the past."""
    people = {
        row.approver_id
        for row in tables.approvals_of(proposal.proposal_id)
        if row.kind is ApprovalKind.EXECUTE
        and (row.version, row.input_hash) == (proposal.version, proposal.input_hash)
        and by < row.expires_at
    }
    return len(people) < capability.approvals_required and not any(
        covers(row, proposal) and by < row.expires_at and (row.ended_at is None or by < row.ended_at)
        for row in tables.exemptions_of(capability.capability_id)
    )
