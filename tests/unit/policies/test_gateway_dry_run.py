"""dry_run: the target says what would happen, and the answer is kept with the version it was asked about."""

import pytest

from policies.errors import BadRequestError, UnknownSubjectError
from policies.ports import AdapterError
from policies.proposals import ProposalState
from tests.unit.policies.stage import (
    ADJUST,
    AGENT,
    APPROVER,
    ASKER,
    INPUT,
    MEMBER,
    NOTE,
    STRANGER,
    Stage,
)


def test_it_works(stage):
    """The answer is kept, the state stays, nothing was written outside, and one event says its hash."""
    proposal = stage.gateway.dry_run(APPROVER, stage.propose().proposal_id)
    assert proposal.dry_run == {"summary": "Adds a note.", "token": "t1"}
    assert proposal.state is ProposalState.PENDING_APPROVAL
    assert (stage.target.calls, stage.target.effects) == (["dry_run"], {})
    assert stage.names()[-1] == "dry_run"
    assert "Adds a note." not in stage.ledger.events[-1].payload


@pytest.mark.parametrize(("actor", "code"), [(MEMBER, "NOT_REQUESTER"), (STRANGER, "TENANT_MISMATCH")])
def test_the_wrong_actor_is_refused_before_the_target_is_asked(stage, actor, code):
    """A no costs the target nothing."""
    proposal = stage.propose()
    stage.refused(code, "dry_run", actor, proposal.proposal_id)
    assert stage.target.calls == []


def test_repeating_asks_again_until_somebody_approved_by_it(stage):
    """What people approved by is not replaced under them; it stays free before that."""
    proposal = stage.propose()
    stage.gateway.dry_run(ASKER, proposal.proposal_id)
    stage.target.answer = {"token": "t2"}
    assert stage.gateway.dry_run(ASKER, proposal.proposal_id).dry_run == {"token": "t2"}
    stage.gateway.approve(APPROVER, proposal.proposal_id, "It looks right.", input_hash=proposal.input_hash)
    stage.refused("DRY_RUN_BOUND", "dry_run", ASKER, proposal.proposal_id)


def test_a_target_that_cannot_say_changes_nothing(stage):
    """Its own error comes through; an unexpected one becomes one that says nothing was written."""
    proposal = stage.propose()
    stage.target.error_before = AdapterError("No answer.", code="UNAVAILABLE", is_certain=True)
    assert stage.changes_nothing(AdapterError, "dry_run", ASKER, proposal.proposal_id).code == "UNAVAILABLE"
    stage.target.error_before = ZeroDivisionError()
    assert stage.changes_nothing(AdapterError, "dry_run", ASKER, proposal.proposal_id).is_certain
    stage.target.error_before, stage.target.answer = None, {"cost": 1.5}
    stage.changes_nothing(AdapterError, "dry_run", ASKER, proposal.proposal_id)


def test_an_answer_about_an_older_version_is_not_kept(stage):
    """Somebody edited it while the target was asked."""
    proposal = stage.propose()
    other = stage.new_gateway()
    ask = stage.target.dry_run

    def edited_meanwhile(asked):
        other.edit(ASKER, asked.proposal_id, version=1, input_=INPUT | {"note": "Another note"})
        return ask(asked)

    stage.target.dry_run = edited_meanwhile
    with pytest.raises(BadRequestError):
        stage.gateway.dry_run(ASKER, proposal.proposal_id)
    assert stage.read(proposal).dry_run is None


def test_what_nothing_carries_out_has_no_dry_run(stage):
    """Proposal-only, and an adapter that this process was not given."""
    given = {"flagId": "flag-1", "adjustmentCents": 100, "currency": "usd", "memo": "Counted it twice."}
    proposal = stage.propose(capability_id=ADJUST, input_=given, owner_id=None)
    stage.refused("PROPOSAL_ONLY", "dry_run", ASKER, proposal.proposal_id)
    note = stage.propose()
    stage.gateway = stage.new_gateway(adapters={})
    stage.refused("PROPOSAL_ONLY", "dry_run", ASKER, note.proposal_id)


def test_an_unknown_proposal_makes_no_sense(stage):
    """No denial is written about what is not there."""
    stage.changes_nothing(UnknownSubjectError, "dry_run", ASKER, "prp_nothing")


def test_an_agent_looks_only_under_a_live_delegation(stage):
    """It was live when the agent proposed; it is asked again."""
    stage.cloud.delegate(NOTE)
    proposal = stage.propose(AGENT)
    assert stage.gateway.dry_run(AGENT, proposal.proposal_id).dry_run
    stage.cloud.facts = None
    stage.refused("DELEGATION_UNREADABLE", "dry_run", AGENT, proposal.proposal_id)


def test_anchor_mode_and_kill_switch_do_not_stop_it():
    """Looking writes nothing."""
    stage = Stage(is_write_enabled=False)
    stage.gateway.halt(APPROVER, "Something smells of smoke.")
    assert stage.gateway.dry_run(ASKER, stage.propose().proposal_id).dry_run
