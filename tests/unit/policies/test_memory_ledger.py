"""The ledger in memory: what the contract suite, which runs on both ledgers, does not ask."""

from dataclasses import replace
from datetime import timedelta

import pytest

from policies import audit
from policies.ports import AuditDraft, LedgerRefusedError
from policies.proposals import TRANSITIONS, ProposalState
from tests.unit.policies.stage import ADMIN, ASKER, EXECUTOR, NOTE, SWEEPER


def test_its_log_is_a_chain(stage):
    """Every entry names the hash before it, and its hash is over its own bytes."""
    stage.executed()
    before = audit.GENESIS
    for number, event in enumerate(stage.ledger.events, 1):
        assert (event.seq, event.prev_hash) == (number, before)
        assert event.hash == audit.entry_hash(event.seq, event.prev_hash, event.payload)
        before = event.hash


def test_a_transaction_within_another_is_a_mistake(stage):
    """PostgreSQL would wait for itself; here it is told."""
    with stage.ledger.transaction(), pytest.raises(RuntimeError), stage.ledger.transaction():
        pass
    assert stage.propose()


@pytest.mark.parametrize("before", ProposalState)
@pytest.mark.parametrize("after", ProposalState)
def test_every_step_outside_the_table_is_refused(stage, before, after):
    """Also for a gateway with a mistake in it: the row says so, the event says so, and it is not taken."""
    proposal = replace(stage.propose(is_draft=True), state=before)
    with stage.ledger.transaction() as transaction:
        transaction.tables.proposals[proposal.proposal_id] = proposal
    moved = replace(proposal, state=after, updated_at=stage.clock.instant)
    event = AuditDraft(
        f"proposal:{NOTE}:moved",
        stage.clock.instant,
        ASKER,
        "proposal",
        proposal.proposal_id,
        after.value,
        {},
    )
    steps_alone = {ProposalState.PENDING_APPROVAL, ProposalState.REJECTED, ProposalState.EXPIRED}
    with stage.ledger.transaction() as transaction:
        # A new version is what leads back to awaiting approval.
        version = moved.version + (after is ProposalState.PENDING_APPROVAL and before is not after)
        if before is ProposalState.DRAFT:
            version = moved.version
        if after in TRANSITIONS[before] and after in steps_alone:
            transaction.record(event, replace(moved, version=version))
        elif before is not after:
            with pytest.raises(LedgerRefusedError):
                transaction.record(event, moved)


def test_an_event_about_something_else_explains_nothing(stage):
    """Neither another subject nor another state."""
    proposal = stage.propose()
    rejected = replace(proposal, state=ProposalState.REJECTED, state_reason="No.")
    for subject, state in (("prp_other", "rejected"), (proposal.proposal_id, "approved")):
        event = AuditDraft("proposal:x:rejected", stage.clock.instant, ADMIN, "proposal", subject, state, {})
        with pytest.raises(LedgerRefusedError), stage.ledger.transaction() as transaction:
            transaction.record(event, rejected)


def test_a_row_that_others_changed_is_refused(stage):
    """Whoever was first wins; the second is told to look again."""
    old = stage.propose()
    stage.gateway.reject(ADMIN, old.proposal_id, "Not needed any more.")
    late = replace(old, state=ProposalState.EXPIRED)
    event = AuditDraft(
        "proposal:x:expired", stage.clock.instant, SWEEPER, "proposal", old.proposal_id, "expired", {}
    )
    with pytest.raises(LedgerRefusedError) as raised, stage.ledger.transaction() as transaction:
        transaction.record(event, late)
    assert raised.value.code == "STATE_CHANGED"


def test_nothing_is_executed_after_its_approvals_ran_out(stage):
    """Even if a gateway with a mistake asks."""
    proposal = stage.approved()
    late = stage.clock.instant + timedelta(hours=24)
    executing = replace(proposal, state=ProposalState.EXECUTING, updated_at=late)
    event = AuditDraft(
        "proposal:x:executing", late, EXECUTOR, "proposal", proposal.proposal_id, "executing", {}
    )
    with pytest.raises(LedgerRefusedError), stage.ledger.transaction() as transaction:
        transaction.record(event, executing)
