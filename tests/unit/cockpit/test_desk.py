"""Promises of the desk: who sees which proposal, what an abbreviated id means, and whose no is recorded."""

import pytest

from cockpit.errors import CockpitError
from policies.errors import DeniedError
from policies.proposals import ProposalState
from tests.unit.cockpit.desk_stage import DeskStage
from tests.unit.policies.stage import (
    ADJUST,
    ADMIN,
    AGENT,
    APPROVER,
    ASKER,
    MEMBER,
    NOTE,
    REASON,
    STRANGER,
    WHY,
)

ADJUSTMENT = {"flagId": "f1", "adjustmentCents": 5, "currency": "usd", "memo": "Paid twice in May."}


@pytest.fixture
def stage():
    made = DeskStage(ASKER)
    made.cloud.delegate(NOTE)
    return made


@pytest.mark.parametrize(
    ("actor", "is_seen"),
    [(ASKER, True), (APPROVER, True), (ADMIN, True), (AGENT, False), (MEMBER, False), (STRANGER, False)],
)
def test_staff_see_everything_of_their_studio_and_nobody_else_does(stage, actor, is_seen):
    proposal = stage.propose()
    desk = stage.desk(actor)
    assert bool(desk.proposals(states=(), capability_id=None, limit=9)) is is_seen
    for wanted in (proposal.proposal_id, proposal.proposal_id[-4:], proposal.proposal_id[:20]):
        if is_seen:
            assert desk.proposal(wanted) == proposal
        else:
            with pytest.raises(CockpitError, match="no such proposal"):
                desk.proposal(wanted)


def test_an_agent_sees_its_own_however_many_of_others_are_newer(stage):
    """The limit counts what may be seen, not what is there."""
    own = stage.propose(AGENT)
    for _ in range(5):
        stage.propose()
    desk = stage.desk(AGENT)
    assert desk.proposals(states=(), capability_id=None, limit=2) == [own]
    assert desk.proposals(states=[ProposalState.DRAFT], capability_id=None, limit=2) == []
    assert desk.proposal(own.proposal_id) == own


def test_an_abbreviated_id_must_be_unmistakable(stage):
    """Several: told; fewer than four letters, or none: not found. A whole id always finds its own."""
    first, second = stage.propose(), stage.propose()
    desk = stage.desk()
    with pytest.raises(CockpitError, match="2 proposals match"):
        desk.proposal("prp_")
    for wanted in ("", first.proposal_id[-3:], "prp_zzzz", "x" * 300, "a\x00bcd", "prp_%"):
        with pytest.raises(CockpitError, match="no such proposal"):
            desk.proposal(wanted)
    assert desk.proposal(second.proposal_id) == second


def test_who_tries_what_they_may_not_see_leaves_a_trace(stage):
    """The desk's own no would not be in the audit log; so the gateway is asked."""
    proposal = stage.propose(capability_id=ADJUST, input_=ADJUSTMENT, owner_id=None, rationale=WHY)
    desk = stage.desk(MEMBER)
    wanted = desk.acted_on(proposal.proposal_id)
    with pytest.raises(DeniedError):
        desk.gateway.reject(MEMBER, wanted.proposal_id, REASON)
    assert stage.names()[-1] == "denied"
    with pytest.raises(CockpitError, match="no such proposal"):
        desk.acted_on(proposal.proposal_id[-6:])


@pytest.mark.parametrize(
    ("actor", "is_let_in"), [(ASKER, True), (ADMIN, True), (AGENT, False), (MEMBER, False), (STRANGER, False)]
)
def test_policies_are_shown_to_staff_of_this_studio(stage, actor, is_let_in):
    desk = stage.desk(actor)
    if is_let_in:
        desk.require_staff()
    else:
        with pytest.raises(CockpitError, match="Only staff"):
            desk.require_staff()
