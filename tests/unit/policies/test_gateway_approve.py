"""approve: people other than the requester say yes to exactly what they saw."""

from datetime import timedelta

import pytest

from policies.audit import text_hash
from policies.errors import BadRequestError, DeniedError, UnknownSubjectError
from policies.ports import LedgerRefusedError
from policies.proposals import ApprovalKind, ProposalState
from tests.unit.policies.stage import (
    ADMIN,
    AGENT,
    APPROVER,
    ASKER,
    CLOSE,
    EXECUTOR,
    MEMBER,
    NOTE,
    OWNER,
    REASON,
    SECOND,
    STRANGER,
    Stage,
    staff,
)

BATCH = {"batchId": "b1", "closeReason": "picked_up"}


def approve(stage, actor, proposal, reason=REASON, **fields):
    given = {"input_hash": proposal.input_hash} | fields
    return stage.gateway.approve(actor, proposal.proposal_id, reason, **given)


def test_it_works(stage):
    """One yes is enough for a note: two events in one transaction, the words only in the row."""
    proposal = approve(stage, APPROVER, stage.propose())
    assert proposal.state is ProposalState.APPROVED
    assert stage.names()[-2:] == ["approval_given", "approved"]
    (approval,) = stage.ledger.approvals(proposal.proposal_id)
    assert (approval.approver_id, approval.role, approval.reason) == ("uid_approver", "approver", REASON)
    assert (approval.kind, approval.version) == (ApprovalKind.EXECUTE, 1)
    assert REASON not in stage.ledger.events[-2].payload
    assert stage.read(proposal) == proposal


def test_high_risk_takes_two_people(stage):
    """After the first yes it still waits; the same person's second yes does not count."""
    proposal = stage.propose(capability_id=CLOSE, input_=BATCH)
    assert approve(stage, APPROVER, proposal).state is ProposalState.PENDING_APPROVAL
    stage.refused(
        "DUPLICATE_APPROVAL",
        "approve",
        APPROVER,
        proposal.proposal_id,
        REASON,
        input_hash=proposal.input_hash,
    )
    assert approve(stage, SECOND, proposal).state is ProposalState.APPROVED


def test_a_yes_that_ran_out_is_given_again(stage):
    """Four hours later the first yes counts no more, and may be renewed."""
    proposal = stage.propose(capability_id=CLOSE, input_=BATCH)
    approve(stage, APPROVER, proposal)
    stage.clock.move(hours=4)
    assert approve(stage, SECOND, proposal).state is ProposalState.PENDING_APPROVAL
    assert approve(stage, APPROVER, proposal).state is ProposalState.APPROVED


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (staff("plain"), "ROLE_MISSING"),
        (MEMBER, "STAFF_REQUIRED"),
        (EXECUTOR, "PERSON_REQUIRED"),
        (AGENT, "PERSON_REQUIRED"),
        (STRANGER, "TENANT_MISMATCH"),
    ],
)
def test_the_wrong_role_is_refused_with_a_reason(stage, actor, code):
    """Staff without the role, members, processes, agents and other studios."""
    proposal = stage.propose()
    stage.refused(code, "approve", actor, proposal.proposal_id, REASON, input_hash=proposal.input_hash)


def test_the_proposer_cannot(stage):
    """Neither directly, nor as the owner of the agent that asked."""
    own = stage.propose(APPROVER)
    stage.refused("SELF_APPROVAL", "approve", APPROVER, own.proposal_id, REASON, input_hash=own.input_hash)
    stage.cloud.delegate(NOTE)
    of_agent = stage.propose(AGENT)
    owner = staff("owner", "approver")
    assert owner.actor_id == OWNER
    stage.refused(
        "SELF_APPROVAL", "approve", owner, of_agent.proposal_id, REASON, input_hash=of_agent.input_hash
    )


def test_repeating_changes_nothing(stage):
    """The second is told that it is approved already."""
    proposal = stage.approved()
    stage.refused(
        "ALREADY_APPROVED", "approve", APPROVER, proposal.proposal_id, REASON, input_hash=proposal.input_hash
    )
    assert len(stage.ledger.approvals(proposal.proposal_id)) == 1


def test_another_hash_is_refused(stage):
    """A yes is to what was seen, and nothing else."""
    proposal = stage.propose()
    stage.refused("INPUT_CHANGED", "approve", APPROVER, proposal.proposal_id, REASON, input_hash="0" * 64)


def test_expired_and_rejected_proposals_are_refused(stage):
    """At its expiry it has expired; a rejected one is not approved after all."""
    proposal, other = stage.propose(), stage.propose()
    stage.gateway.reject(ADMIN, other.proposal_id, REASON)
    stage.refused(
        "PROPOSAL_REJECTED", "approve", APPROVER, other.proposal_id, REASON, input_hash=other.input_hash
    )
    stage.clock.move(days=7)
    stage.refused(
        "PROPOSAL_EXPIRED", "approve", APPROVER, proposal.proposal_id, REASON, input_hash=proposal.input_hash
    )


@pytest.mark.parametrize("reason", ["", " \n", "a" * 1_200_001, "nul \0", "half \udfff"])
def test_a_reason_that_cannot_be_kept_makes_no_sense(stage, reason):
    """Nothing is stored, not even a denial; a short one is a rule's no."""
    proposal = stage.propose()
    stage.changes_nothing(
        BadRequestError, "approve", APPROVER, proposal.proposal_id, reason, input_hash=proposal.input_hash
    )
    stage.refused(
        "RATIONALE_TOO_SHORT",
        "approve",
        APPROVER,
        proposal.proposal_id,
        "ok",
        input_hash=proposal.input_hash,
    )


def test_an_unknown_proposal_makes_no_sense(stage):
    """No denial is written about what is not there."""
    stage.changes_nothing(
        UnknownSubjectError, "approve", APPROVER, "prp_nothing", REASON, input_hash="0" * 64
    )


def test_the_second_of_two_is_told_what_the_first_did(stage, monkeypatch):
    """The database lets the first win; the second reads again and hears that it is approved."""
    proposal = stage.propose()
    transaction = stage.ledger.transaction

    def beaten():
        monkeypatch.setattr(stage.ledger, "transaction", transaction)
        approve(stage, SECOND, proposal)
        raise LedgerRefusedError("Somebody else was first.", code="STATE_CHANGED")

    monkeypatch.setattr(stage.ledger, "transaction", beaten)
    with pytest.raises(DeniedError, match="approved already"):
        approve(stage, APPROVER, proposal)
    assert [it.approver_id for it in stage.ledger.approvals(proposal.proposal_id)] == ["uid_second"]
    assert stage.names()[-1] == "denied"


def test_what_the_database_refuses_twice_is_raised(stage, monkeypatch):
    """The rules are asked once more, since somebody may have been quicker; then the refusal stands."""
    proposal = stage.propose()
    calls = []

    def refuse():
        calls.append(1)
        raise LedgerRefusedError("No.", code="RULE")

    monkeypatch.setattr(stage.ledger, "transaction", refuse)
    with pytest.raises(LedgerRefusedError):
        approve(stage, APPROVER, proposal)
    assert len(calls) == 2


def test_a_denial_names_hashes_and_never_words(stage):
    """Staff find out who tried what, and the words stay where they were said."""
    proposal = stage.propose()
    stage.refused("INPUT_CHANGED", "approve", APPROVER, proposal.proposal_id, REASON, input_hash="0" * 64)
    denial = stage.ledger.events[-1]
    assert denial.draft.name == f"policy:{NOTE}:denied"
    assert (denial.draft.subject_kind, denial.draft.subject_id) == ("proposal", proposal.proposal_id)
    assert denial.draft.details["operation"] == "approve"
    assert denial.draft.details["reason_hash"] == text_hash(REASON)
    assert REASON not in denial.payload


def test_the_time_spent_waiting_for_a_lock_counts(stage, monkeypatch):
    """What was in time when somebody asked may have expired when it is their turn."""
    proposal = stage.propose()
    stage.clock.instant = proposal.expires_at - timedelta(seconds=1)
    with stage.ledger.transaction() as any_transaction:
        kind = type(any_transaction)
    facts = kind.facts

    def waited(self, **fields):
        found = facts(self, **fields)
        stage.clock.move(seconds=1)
        return found

    monkeypatch.setattr(kind, "facts", waited)
    with pytest.raises(DeniedError) as raised:
        approve(stage, APPROVER, proposal)
    assert raised.value.decision.code == "PROPOSAL_EXPIRED"


def test_anchor_mode_and_kill_switch_do_not_stop_it():
    """A yes does nothing outside; execution asks again."""
    stage = Stage(is_write_enabled=False)
    stage.gateway.halt(APPROVER, "Something smells of smoke.")
    assert stage.approved().state is ProposalState.APPROVED


def test_a_yes_to_a_version_is_to_its_words_too(stage):
    """The rationale was edited after the approver looked: the hash is the same, and the yes is not given."""
    seen = stage.propose()
    stage.gateway.edit(ASKER, seen.proposal_id, version=1, rationale="Quite another story than before.")
    told = stage.changes_nothing(
        BadRequestError, "approve", APPROVER, seen.proposal_id, REASON, input_hash=seen.input_hash, version=1
    )
    assert "version 2" in str(told)
    yes = stage.gateway.approve(APPROVER, seen.proposal_id, REASON, input_hash=seen.input_hash, version=2)
    assert yes.state is ProposalState.APPROVED
