"""reject and reopen: a no with a reason, and the admin's second chance as a new version."""

from datetime import timedelta

import pytest

from policies.errors import BadRequestError, UnknownSubjectError
from policies.ports import AdapterError, LedgerRefusedError
from policies.proposals import ProposalState
from tests.unit.policies.stage import (
    ADMIN,
    APPROVER,
    ASKER,
    EXECUTOR,
    INPUT,
    MEMBER,
    REASON,
    STRANGER,
    SWEEPER,
    Stage,
    staff,
)

NO = "The batch was picked up long ago."


def test_rejecting_works(stage):
    """The reason is in the row, its hash in the log."""
    proposal = stage.gateway.reject(APPROVER, stage.propose().proposal_id, NO)
    assert (proposal.state, proposal.state_reason) == (ProposalState.REJECTED, NO)
    assert stage.names()[-1] == "rejected"
    assert NO not in stage.ledger.events[-1].payload


def test_an_approved_proposal_can_still_be_rejected(stage):
    """Somebody thought better of it in time; it is not carried out any more."""
    proposal = stage.approved()
    stage.gateway.reject(ADMIN, proposal.proposal_id, NO)
    stage.refused("PROPOSAL_REJECTED", "execute", EXECUTOR, proposal.proposal_id, executor_id="run-1")


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (staff("plain"), "ROLE_MISSING"),
        (MEMBER, "STAFF_REQUIRED"),
        (EXECUTOR, "PERSON_REQUIRED"),
        (STRANGER, "TENANT_MISMATCH"),
    ],
)
def test_the_wrong_role_may_not_reject(stage, actor, code):
    """A no takes the same role as a yes."""
    stage.refused(code, "reject", actor, stage.propose().proposal_id, NO)


def test_rejecting_again_or_too_late_changes_nothing(stage):
    """The second is told; what was carried out is not rejected."""
    proposal = stage.propose()
    stage.gateway.reject(APPROVER, proposal.proposal_id, NO)
    stage.refused("PROPOSAL_REJECTED", "reject", ADMIN, proposal.proposal_id, NO)
    stage.refused("ALREADY_EXECUTED", "reject", ADMIN, stage.executed().proposal_id, NO)


@pytest.mark.parametrize("verb", ["reject", "reopen"])
def test_a_reason_is_needed(stage, verb):
    """None makes no sense, a short one is a rule's no, an unknown proposal is not denied but wrong."""
    proposal = stage.propose()
    if verb == "reopen":
        stage.gateway.reject(APPROVER, proposal.proposal_id, NO)
    for reason in ("", "a" * 1_200_001, "\0" * 20):
        stage.changes_nothing(BadRequestError, verb, ADMIN, proposal.proposal_id, reason)
    stage.refused("RATIONALE_TOO_SHORT", verb, ADMIN, proposal.proposal_id, "no")
    stage.changes_nothing(UnknownSubjectError, verb, ADMIN, "prp_nothing", NO)


def test_reopening_works(stage):
    """A new version with its whole time again; it was approved once and must be again."""
    old = stage.approved()
    stage.gateway.reject(APPROVER, old.proposal_id, NO)
    stage.clock.move(days=10)
    new = stage.gateway.reopen(ADMIN, old.proposal_id, "It came back to the shelf.")
    assert (new.state, new.version, new.input_hash) == (ProposalState.PENDING_APPROVAL, 2, old.input_hash)
    assert new.expires_at == stage.clock.instant + timedelta(days=7)
    assert stage.names()[-1] == "reopened"
    stage.refused("NOT_APPROVED", "execute", EXECUTOR, old.proposal_id, executor_id="run-1")


def test_failed_and_expired_proposals_can_be_reopened(stage):
    """Both had certainly no effect."""
    failed, expired = stage.approved(), stage.propose()
    stage.target.error_before = AdapterError("The batch is gone.", code="GONE", is_certain=True)
    stage.execute(failed)
    stage.clock.move(days=7)
    stage.gateway.expire(SWEEPER)
    for proposal in (failed, expired):
        reopened = stage.gateway.reopen(ADMIN, proposal.proposal_id, "Try once more, please.")
        assert reopened.state is ProposalState.PENDING_APPROVAL


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (APPROVER, "ROLE_MISSING"),
        (ASKER, "ROLE_MISSING"),
        (EXECUTOR, "PERSON_REQUIRED"),
        (STRANGER, "TENANT_MISMATCH"),
    ],
)
def test_only_an_admin_reopens(stage, actor, code):
    """Neither who asked nor who rejected."""
    proposal = stage.propose()
    stage.gateway.reject(APPROVER, proposal.proposal_id, NO)
    stage.refused(code, "reopen", actor, proposal.proposal_id, NO)


def test_reopening_twice_changes_nothing(stage):
    """It waits already."""
    proposal = stage.propose()
    stage.gateway.reject(APPROVER, proposal.proposal_id, NO)
    stage.gateway.reopen(ADMIN, proposal.proposal_id, NO)
    stage.refused("NOT_REOPENABLE", "reopen", ADMIN, proposal.proposal_id, NO)
    stage.refused("NOT_REOPENABLE", "reopen", ADMIN, stage.executed().proposal_id, NO)


def test_a_dedupe_key_that_was_taken_meanwhile_stays_taken(stage):
    """Two live proposals never share it; the old one stays rejected."""
    old = stage.propose(dedupe_key="k")
    stage.gateway.reject(APPROVER, old.proposal_id, NO)
    stage.propose(dedupe_key="k")
    error = stage.changes_nothing(LedgerRefusedError, "reopen", ADMIN, old.proposal_id, NO)
    assert error.code == "DUPLICATE"


def test_a_reopened_proposal_is_screened_again(stage):
    """An override was for one version only."""
    risky = stage.propose(input_=INPUT | {"note": "Customer asks for a working firearm mold"})
    stage.gateway.override_intake(APPROVER, risky.proposal_id, "false_positive", "It is a theatre prop.")
    stage.gateway.reject(APPROVER, risky.proposal_id, NO)
    assert stage.gateway.reopen(ADMIN, risky.proposal_id, NO).is_intake_blocked


def test_anchor_mode_and_kill_switch_do_not_stop_them():
    """Saying no must always be possible."""
    stage = Stage(is_write_enabled=False)
    stage.gateway.halt(APPROVER, "Something smells of smoke.")
    proposal = stage.propose()
    stage.gateway.reject(APPROVER, proposal.proposal_id, REASON)
    assert stage.gateway.reopen(ADMIN, proposal.proposal_id, REASON).version == 2
