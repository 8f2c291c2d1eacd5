"""submit: a draft asks for approval, once."""

import pytest

from policies.errors import UnknownSubjectError
from policies.proposals import ProposalState
from tests.unit.policies.stage import AGENT, APPROVER, ASKER, MEMBER, NOTE, READ, STRANGER, Stage


def test_it_works(stage):
    """The draft awaits approval, with one event that says so."""
    draft = stage.propose(is_draft=True)
    assert stage.gateway.submit(ASKER, draft.proposal_id).state is ProposalState.PENDING_APPROVAL
    assert stage.names()[-1] == "submitted"


@pytest.mark.parametrize(
    ("actor", "code"),
    [(APPROVER, "NOT_REQUESTER"), (MEMBER, "REQUESTER_NOT_ALLOWED"), (STRANGER, "TENANT_MISMATCH")],
)
def test_only_who_asked_submits(stage, actor, code):
    """Everybody else is refused with a reason."""
    draft = stage.propose(is_draft=True)
    stage.refused(code, "submit", actor, draft.proposal_id)


def test_repeating_changes_nothing(stage):
    """The second is told that it was submitted."""
    draft = stage.propose(is_draft=True)
    stage.gateway.submit(ASKER, draft.proposal_id)
    stage.refused("ALREADY_SUBMITTED", "submit", ASKER, draft.proposal_id)


def test_an_unknown_proposal_makes_no_sense(stage):
    """No denial is written about what is not there."""
    stage.changes_nothing(UnknownSubjectError, "submit", ASKER, "prp_nothing")


def test_a_draft_too_old_is_refused(stage):
    """At its expiry it has expired."""
    draft = stage.propose(is_draft=True)
    stage.clock.move(days=7)
    stage.refused("PROPOSAL_EXPIRED", "submit", ASKER, draft.proposal_id)


def test_what_needs_no_yes_is_approved_at_once(stage):
    """The rule approves in the same transaction."""
    draft = stage.propose(capability_id=READ, input_={}, owner_id=None, is_draft=True)
    assert stage.gateway.submit(ASKER, draft.proposal_id).state is ProposalState.APPROVED


def test_an_agents_delegation_is_looked_up_again(stage):
    """Revoked between draft and submission means no."""
    stage.cloud.delegate(NOTE)
    draft = stage.propose(AGENT, is_draft=True)
    stage.cloud.delegate(NOTE, status="revoked")
    stage.refused("DELEGATION_REVOKED", "submit", AGENT, draft.proposal_id)


def test_anchor_mode_and_kill_switch_do_not_stop_it():
    """Nothing is done outside by asking."""
    stage = Stage(is_write_enabled=False)
    stage.gateway.halt(APPROVER, "Something smells of smoke.")
    draft = stage.propose(is_draft=True)
    assert stage.gateway.submit(ASKER, draft.proposal_id).state is ProposalState.PENDING_APPROVAL
