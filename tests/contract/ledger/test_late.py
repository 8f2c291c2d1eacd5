"""The promise of what is sent late: there after the transaction, with real numbers, or refused whole."""

# ruff: noqa: PT012 - a late refusal comes when the transaction is left

from dataclasses import replace

import pytest

from policies.decisions import QuotaUse
from policies.ports import LedgerRefusedError
from policies.proposals import ProposalState
from tests.contract.ledger.steps import ASKER, NOTE


def test_two_late_events_have_their_numbers_after_the_transaction(steps):
    """The second changes the row that the first makes, before any number is known."""
    draft = steps.new()
    pending = replace(draft, state=ProposalState.PENDING_APPROVAL)
    with steps.ledger.transaction() as transaction:
        first = transaction.record_late(steps.event("created", draft, ASKER, at=draft.updated_at), draft)
        pending = replace(pending, audit_seq=first)
        second = transaction.record_late(
            steps.event("submitted", pending, ASKER, at=draft.updated_at), pending
        )
    numbers = [transaction.numbers.get(number, number) for number in (first, second)]
    found = steps.read(draft.proposal_id)
    assert numbers[1] == numbers[0] + 1
    assert (found.state, found.audit_seq) == (ProposalState.PENDING_APPROVAL, numbers[1])


def test_reading_sees_what_was_recorded_late(steps):
    draft = steps.new()
    with steps.ledger.transaction() as transaction:
        transaction.record_late(steps.event("created", draft, ASKER, at=draft.updated_at), draft)
        facts = transaction.facts(
            now=draft.updated_at, capability_id=draft.capability_id, proposal_id=draft.proposal_id
        )
    assert facts.proposal == replace(draft, audit_seq=facts.proposal.audit_seq)
    assert steps.read(draft.proposal_id) == facts.proposal


def test_late_and_at_once_keep_their_order(steps):
    draft = steps.new()
    pending = replace(draft, state=ProposalState.PENDING_APPROVAL)
    with steps.ledger.transaction() as transaction:
        first = transaction.record_late(steps.event("created", draft, ASKER, at=draft.updated_at), draft)
        second = transaction.record(steps.event("submitted", pending, ASKER, at=draft.updated_at), pending)
    assert second == transaction.numbers.get(first, first) + 1


def test_a_late_change_of_what_somebody_else_changed_is_refused_and_nothing_is_kept(steps):
    new, stale = steps.new(), steps.draft()
    steps.move(stale, ProposalState.PENDING_APPROVAL, "submitted", ASKER)
    late = replace(stale, state=ProposalState.PENDING_APPROVAL, updated_at=steps.tick())
    with pytest.raises(LedgerRefusedError) as refused, steps.ledger.transaction() as transaction:
        transaction.record_late(steps.event("created", new, ASKER, at=new.updated_at), new)
        transaction.record_late(steps.event("submitted", late, ASKER), late)
    assert refused.value.code == "STATE_CHANGED"
    assert [found.proposal_id for found in steps.ledger.proposals()] == [stale.proposal_id]


def test_a_late_event_is_not_kept_when_the_transaction_is_left_by_an_error(steps):
    draft = steps.new()
    with pytest.raises(KeyError), steps.ledger.transaction() as transaction:
        transaction.record_late(steps.event("created", draft, ASKER, at=draft.updated_at), draft)
        raise KeyError
    assert not steps.ledger.proposals()


USE = QuotaUse(NOTE, "capability", "*", 8, 3600, 0, None, None)


def test_quotas_counted_late_are_never_exceeded(steps):
    """What is there and has room is counted with the commit; what is used up is refused as a whole."""
    with steps.ledger.transaction() as transaction:
        assert transaction.use_quotas((USE,), steps.now) is None
    for _ in range(USE.limit - 1):
        with steps.ledger.transaction() as transaction:
            transaction.use_quotas_late((USE,), steps.now)
    draft = steps.new()
    with pytest.raises(LedgerRefusedError) as refused, steps.ledger.transaction() as transaction:
        transaction.use_quotas_late((USE,), steps.now)
        transaction.record_late(steps.event("created", draft, ASKER, at=draft.updated_at), draft)
    assert refused.value.code == "STATE_CHANGED"
    assert [found.used for found in steps.ledger.quota_uses()] == [USE.limit]
    assert not steps.ledger.proposals()
