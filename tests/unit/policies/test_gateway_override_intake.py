"""override_intake: a person looks at what screening stopped, and lets this version go on."""

import pytest

from policies.errors import BadRequestError, UnknownSubjectError
from policies.proposals import ProposalState
from tests.unit.policies.stage import (
    ADMIN,
    APPROVER,
    EXECUTOR,
    INPUT,
    MEMBER,
    NOTE,
    REASON,
    SECOND,
    STRANGER,
    Stage,
    staff,
)

RISKY = INPUT | {"note": "Customer asks for a working firearm mold"}


@pytest.fixture
def blocked(stage):
    return stage.propose(input_=RISKY)


def override(stage, actor, proposal, code="false_positive", reason=REASON):
    return stage.gateway.override_intake(actor, proposal.proposal_id, code, reason)


def test_it_works(stage, blocked):
    """Enough people said yes, and still it waited for the override; then it is approved and carried out."""
    approved = stage.gateway.approve(SECOND, blocked.proposal_id, REASON, input_hash=blocked.input_hash)
    assert approved.state is ProposalState.PENDING_APPROVAL
    stage.refused("NOT_APPROVED", "execute", EXECUTOR, blocked.proposal_id, executor_id="run-1")
    freed = override(stage, APPROVER, blocked)
    assert (freed.is_intake_blocked, freed.state) == (False, ProposalState.APPROVED)
    assert freed.intake == blocked.intake
    assert stage.names()[-2:] == ["intake_overridden", "approved"]
    assert stage.ledger.events[-2].draft.details["reason_code"] == "false_positive"
    assert stage.execute(blocked).pointer


def test_an_override_alone_approves_nothing(stage, blocked):
    """Somebody still has to say yes."""
    assert override(stage, APPROVER, blocked).state is ProposalState.PENDING_APPROVAL


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (staff("plain"), "ROLE_MISSING"),
        (MEMBER, "STAFF_REQUIRED"),
        (EXECUTOR, "PERSON_REQUIRED"),
        (STRANGER, "TENANT_MISMATCH"),
    ],
)
def test_the_wrong_role_is_refused_with_a_reason(stage, blocked, actor, code):
    """An override takes the role of an approver."""
    stage.refused(code, "override_intake", actor, blocked.proposal_id, "false_positive", REASON)


def test_the_proposer_cannot(stage):
    """Nobody lifts the block of their own words."""
    own = stage.propose(APPROVER, input_=RISKY)
    stage.refused("SELF_APPROVAL", "override_intake", APPROVER, own.proposal_id, "false_positive", REASON)


def test_repeating_changes_nothing(stage, blocked):
    """There is nothing left to override; nor was there ever for harmless words."""
    override(stage, APPROVER, blocked)
    for proposal in (blocked, stage.propose()):
        stage.refused(
            "INTAKE_NOT_BLOCKED", "override_intake", ADMIN, proposal.proposal_id, "false_positive", REASON
        )


def test_requests_without_sense(stage, blocked):
    """A reason code from the list, words that can be kept, a proposal that is there."""
    for code, reason in (("because", REASON), ("false_positive", ""), ("false_positive", "\0")):
        stage.changes_nothing(BadRequestError, "override_intake", APPROVER, blocked.proposal_id, code, reason)
    stage.changes_nothing(
        UnknownSubjectError, "override_intake", APPROVER, "prp_nothing", "false_positive", REASON
    )


def test_a_live_exemption_approves_once_the_block_is_lifted(stage):
    """Screening was all that kept it waiting."""
    stage.gateway.grant_exemption(
        ADMIN, NOTE, owner_id=None, seconds=3600, justification="A busy weekend with many notes."
    )
    blocked = stage.propose(input_=RISKY)
    assert override(stage, APPROVER, blocked).state is ProposalState.APPROVED


def test_anchor_mode_and_kill_switch_do_not_stop_it():
    """It does nothing outside."""
    stage = Stage(is_write_enabled=False)
    stage.gateway.halt(APPROVER, "Something smells of smoke.")
    assert not override(stage, APPROVER, stage.propose(input_=RISKY)).is_intake_blocked
