"""edit: the next version, with a new hash; whatever was approved before binds nothing."""

import pytest

from policies.errors import BadRequestError, UnknownSubjectError
from policies.proposals import ProposalState
from tests.unit.policies.stage import (
    ADMIN,
    AGENT,
    APPROVER,
    ASKER,
    INPUT,
    MEMBER,
    NOTE,
    REASON,
    STRANGER,
    Stage,
)

CHANGED = INPUT | {"note": "Kiln shelf is cracked in two places"}


def test_it_works(stage):
    """A new version and hash, awaiting approval, without the old dry run; explained by an event."""
    old = stage.propose()
    stage.gateway.dry_run(ASKER, old.proposal_id)
    new = stage.gateway.edit(ASKER, old.proposal_id, version=1, input_=CHANGED)
    assert (new.version, new.state, new.dry_run) == (2, ProposalState.PENDING_APPROVAL, None)
    assert new.input_hash != old.input_hash
    assert new.expires_at == old.expires_at
    assert stage.names()[-1] == "edited"
    assert stage.ledger.events[-1].draft.details["input_hash"] == new.input_hash


def test_approvals_of_the_old_version_are_void(stage):
    """An approved proposal awaits approval again, and its old hash is not taken any more."""
    old = stage.approved()
    new = stage.gateway.edit(ASKER, old.proposal_id, version=1, rationale="Now for a better reason.")
    assert new.state is ProposalState.PENDING_APPROVAL
    edited = stage.gateway.edit(ASKER, old.proposal_id, version=2, input_=CHANGED)
    stage.refused("INPUT_CHANGED", "approve", APPROVER, old.proposal_id, REASON, input_hash=old.input_hash)
    again = stage.gateway.approve(APPROVER, old.proposal_id, REASON, input_hash=edited.input_hash)
    assert again.state is ProposalState.APPROVED


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (APPROVER, "NOT_REQUESTER"),
        (ADMIN, "NOT_REQUESTER"),
        (MEMBER, "REQUESTER_NOT_ALLOWED"),
        (STRANGER, "TENANT_MISMATCH"),
    ],
)
def test_only_who_asked_edits(stage, actor, code):
    """Another person's edit could be approved by that same person; so it is refused."""
    proposal = stage.propose()
    stage.refused(code, "edit", actor, proposal.proposal_id, version=1, input_=CHANGED)


def test_repeating_changes_nothing(stage):
    """The version that was looked at is gone: nothing is edited twice by accident."""
    proposal = stage.propose()
    stage.gateway.edit(ASKER, proposal.proposal_id, version=1, input_=CHANGED)
    error = stage.changes_nothing(
        BadRequestError, "edit", ASKER, proposal.proposal_id, version=1, input_=CHANGED
    )
    assert "version 2" in str(error)


def test_an_edit_that_makes_no_sense_is_refused(stage):
    """Nothing to change, an input that does not fit, an unknown proposal."""
    proposal = stage.propose()
    for fields in ({}, {"input_": {"note": "x"}}, {"rationale": ""}, {"rationale": "\0"}):
        stage.changes_nothing(BadRequestError, "edit", ASKER, proposal.proposal_id, version=1, **fields)
    stage.changes_nothing(UnknownSubjectError, "edit", ASKER, "prp_nothing", version=1, rationale="y" * 10)


def test_screening_stays_current(stage):
    """Harmless words edited into risky ones are blocked, and back again are free."""
    proposal = stage.propose()
    risky = INPUT | {"note": "Customer asks for a working firearm mold"}
    assert stage.gateway.edit(ASKER, proposal.proposal_id, version=1, input_=risky).is_intake_blocked
    assert not stage.gateway.edit(ASKER, proposal.proposal_id, version=2, input_=INPUT).is_intake_blocked


@pytest.mark.parametrize("end", ["reject", "execute"])
def test_what_was_decided_is_not_edited(stage, end):
    """Rejected and executed proposals stay what they were."""
    proposal = stage.approved()
    if end == "reject":
        stage.gateway.reject(APPROVER, proposal.proposal_id, REASON)
    else:
        stage.execute(proposal)
    code = {"reject": "PROPOSAL_REJECTED", "execute": "ALREADY_EXECUTED"}[end]
    stage.refused(code, "edit", ASKER, proposal.proposal_id, version=1, input_=CHANGED)


def test_a_draft_is_submitted_before_it_is_edited(stage):
    """The table of transitions has no new version of a draft."""
    draft = stage.propose(is_draft=True)
    stage.refused("NOT_SUBMITTED", "edit", ASKER, draft.proposal_id, version=1, input_=CHANGED)


def test_an_agent_edits_only_under_a_live_delegation(stage):
    """It was live when the agent proposed; it is asked again."""
    stage.cloud.delegate(NOTE)
    proposal = stage.propose(AGENT)
    assert stage.gateway.edit(AGENT, proposal.proposal_id, version=1, input_=CHANGED).version == 2
    stage.cloud.facts = None
    stage.refused("DELEGATION_UNREADABLE", "edit", AGENT, proposal.proposal_id, version=2, input_=INPUT)


def test_anchor_mode_and_kill_switch_do_not_stop_it():
    """Nothing is done outside by editing."""
    stage = Stage(is_write_enabled=False)
    stage.gateway.halt(APPROVER, "Something smells of smoke.")
    proposal = stage.propose()
    assert stage.gateway.edit(ASKER, proposal.proposal_id, version=1, input_=CHANGED).version == 2
