"""expire: what is overdue says so, with an event; nothing else moves."""

import pytest

from policies.ports import LedgerRefusedError
from policies.proposals import ProposalState, UnknownTransitionError
from tests.unit.policies.stage import (
    ADMIN,
    APPROVER,
    ASKER,
    EXECUTOR,
    MEMBER,
    NOTE,
    READ,
    REASON,
    STRANGER,
    SWEEPER,
    Stage,
)

BUSY = "A busy weekend with many notes."


def test_it_works(stage):
    """Drafts and pending proposals after a week, on the instant and not before."""
    draft, pending = stage.propose(is_draft=True), stage.propose()
    stage.clock.move(days=7, microseconds=-1)
    assert stage.gateway.expire(SWEEPER) == 0
    stage.clock.move(microseconds=1)
    assert stage.gateway.expire(SWEEPER) == 2
    assert {stage.read(it).state for it in (draft, pending)} == {ProposalState.EXPIRED}
    assert stage.names()[-2:] == ["expired", "expired"]


def test_repeating_changes_nothing(stage):
    """What has expired stays expired."""
    stage.propose()
    stage.clock.move(days=7)
    stage.gateway.expire(SWEEPER)
    events = stage.ledger.events
    assert stage.gateway.expire(SWEEPER) == 0
    assert stage.ledger.events == events


def test_an_approval_that_ran_out_takes_its_proposal_along(stage):
    """A note's yes is good for a day."""
    proposal = stage.approved()
    stage.clock.move(hours=24)
    assert stage.gateway.expire(EXECUTOR) == 1
    assert stage.read(proposal).state is ProposalState.EXPIRED


def test_an_exemption_keeps_its_proposals_until_it_ends(stage):
    """The sweep ends the exemption with an event, and then nothing stands in for approvals."""
    exemption = stage.gateway.grant_exemption(ADMIN, NOTE, owner_id=None, seconds=3600, justification=BUSY)
    proposal = stage.propose()
    assert stage.gateway.expire(SWEEPER) == 0
    stage.clock.move(hours=1)
    assert stage.gateway.expire(SWEEPER) == 2
    assert stage.read(proposal).state is ProposalState.EXPIRED
    (ended,) = stage.ledger.exemptions()
    assert (ended.exemption_id, ended.ended_by_kind) == (exemption.exemption_id, "expired")
    swept = stage.ledger.events[-1].draft
    assert (swept.name, swept.state) == (f"exemption:{NOTE}:expired", "expired")


def test_reads_that_need_no_yes_expire_with_their_time(stage):
    """Nothing else bounds how long they may lie."""
    proposal = stage.propose(capability_id=READ, input_={}, owner_id=None)
    stage.clock.instant = proposal.expires_at
    assert stage.gateway.expire(SWEEPER) == 1


def test_what_was_decided_never_expires(stage):
    """Executed and rejected proposals stay what they are."""
    stage.executed()
    stage.gateway.reject(APPROVER, stage.propose().proposal_id, REASON)
    stage.clock.move(days=400)
    assert stage.gateway.expire(SWEEPER) == 0


def test_a_proposal_that_was_approved_meanwhile_is_left(stage, monkeypatch):
    """The list is only a hint: everything is read again under the lock."""
    proposal = stage.propose()
    stage.clock.move(days=6, hours=23)
    stage.gateway.approve(APPROVER, proposal.proposal_id, REASON, input_hash=proposal.input_hash)
    stage.clock.move(hours=2)
    monkeypatch.setattr(stage.ledger, "overdue", lambda *_: [proposal])
    assert stage.gateway.expire(SWEEPER) == 0
    assert stage.read(proposal).state is ProposalState.APPROVED


@pytest.mark.parametrize("refusal", [LedgerRefusedError("No.", code="RULE"), UnknownTransitionError("No.")])
def test_one_that_cannot_be_moved_keeps_no_other_back(stage, monkeypatch, refusal):
    """All others expire; then the refusal is raised, whoever refused: the ledger, or the table before it."""
    stuck, free = stage.propose(), stage.propose()
    stage.clock.move(days=7)
    with stage.ledger.transaction() as any_transaction:
        kind = type(any_transaction)
    record = kind.record

    def refuse_one(self, event, *rows):
        if event.subject_id == stuck.proposal_id:
            raise refusal
        return record(self, event, *rows)

    monkeypatch.setattr(kind, "record", refuse_one)
    monkeypatch.setattr(stage.ledger, "overdue", lambda *_: [stuck, free])
    with pytest.raises(type(refusal)):
        stage.gateway.expire(SWEEPER)
    assert stage.read(stuck).state is ProposalState.PENDING_APPROVAL
    assert stage.read(free).state is ProposalState.EXPIRED


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (ASKER, "EXECUTOR_ONLY"),
        (ADMIN, "EXECUTOR_ONLY"),
        (MEMBER, "EXECUTOR_ONLY"),
        (STRANGER, "TENANT_MISMATCH"),
    ],
)
def test_only_our_own_processes_sweep(stage, actor, code):
    """People have rejecting for that."""
    stage.refused(code, "expire", actor)


def test_anchor_mode_and_kill_switch_do_not_stop_it():
    """Time passes whatever is switched off."""
    stage = Stage(is_write_enabled=False)
    stage.gateway.halt(APPROVER, "Something smells of smoke.")
    stage.propose()
    stage.clock.move(days=7)
    assert stage.gateway.expire(SWEEPER) == 1
