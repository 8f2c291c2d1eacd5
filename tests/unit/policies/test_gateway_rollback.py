"""request_rollback and rollback: a person asks, the execution run undoes, once."""

import pytest

from policies.errors import BadRequestError, DeniedError, UnknownSubjectError
from policies.ports import AdapterError
from policies.proposals import ApprovalKind, ExecutionState, ProposalState
from tests.unit.policies.stage import (
    ADMIN,
    APPROVER,
    ASKER,
    EXECUTOR,
    MEMBER,
    STRANGER,
    SWEEPER,
    Stage,
    staff,
)

UNDO = "The note was about another batch."


def ask(stage, proposal, actor=APPROVER):
    return stage.gateway.request_rollback(actor, proposal.proposal_id, UNDO)


def undo(stage, proposal, executor_id="run-2"):
    return stage.gateway.rollback(EXECUTOR, proposal.proposal_id, executor_id=executor_id)


def test_it_works(stage):
    """Asked for, then undone under the effect's own key with the person's words; all of it in the log."""
    proposal = stage.executed()
    assert ask(stage, proposal).state is ProposalState.EXECUTED
    assert stage.ledger.ready(ApprovalKind.ROLLBACK) == [proposal.proposal_id]
    execution = undo(stage, proposal)
    assert (execution.state, execution.kind) == (ExecutionState.SUCCEEDED, ApprovalKind.ROLLBACK)
    assert stage.read(proposal).state is ProposalState.ROLLED_BACK
    assert stage.target.effects == {proposal.proposal_id: "undone"}
    assert stage.target.reasons == [UNDO]
    assert stage.names()[-3:] == ["rollback_requested", "rolling_back", "rolled_back"]
    assert UNDO not in "".join(event.payload for event in stage.ledger.events)


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (staff("plain"), "ROLE_MISSING"),
        (MEMBER, "STAFF_REQUIRED"),
        (SWEEPER, "PERSON_REQUIRED"),
        (STRANGER, "TENANT_MISMATCH"),
    ],
)
def test_the_wrong_role_may_not_ask(stage, actor, code):
    """It takes an approver, like a yes."""
    stage.refused(code, "request_rollback", actor, stage.executed().proposal_id, UNDO)


def test_what_the_executor_may_do_it_may_not_ask_for(stage):
    """Asking is a person's act, also where a rollback is approved already."""
    proposal = stage.executed()
    ask(stage, proposal)
    stage.refused("PERSON_REQUIRED", "request_rollback", EXECUTOR, proposal.proposal_id, UNDO)


def test_asking_again_changes_nothing(stage):
    """One live yes is enough."""
    proposal = stage.executed()
    ask(stage, proposal)
    stage.refused("DUPLICATE_APPROVAL", "request_rollback", ADMIN, proposal.proposal_id, UNDO)


def test_only_what_was_carried_out_is_undone(stage):
    """Nothing to ask for before, and nothing after."""
    stage.refused("NOT_EXECUTED", "request_rollback", APPROVER, stage.approved().proposal_id, UNDO)
    proposal = stage.executed()
    stage.refused("NOT_APPROVED", "rollback", EXECUTOR, proposal.proposal_id, executor_id="run-2")
    ask(stage, proposal)
    undo(stage, proposal)
    stage.refused("ALREADY_ROLLED_BACK", "rollback", EXECUTOR, proposal.proposal_id, executor_id="run-3")
    assert stage.target.calls == ["execute", "rollback"]


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (ASKER, "EXECUTOR_ONLY"),
        (ADMIN, "EXECUTOR_ONLY"),
        (SWEEPER, "EXECUTOR_ONLY"),
        (STRANGER, "TENANT_MISMATCH"),
    ],
)
def test_only_the_executor_undoes(stage, actor, code):
    """An approver may ask, and still not do; what is not there is not denied but wrong."""
    proposal = stage.executed()
    ask(stage, proposal)
    stage.refused(code, "rollback", actor, proposal.proposal_id, executor_id="run-2")
    stage.changes_nothing(UnknownSubjectError, "rollback", actor, "prp_nothing", executor_id="run-2")


def test_a_yes_to_undoing_runs_out(stage):
    """A day later it must be asked for again."""
    proposal = stage.executed()
    ask(stage, proposal)
    stage.clock.move(hours=24)
    stage.refused("APPROVAL_EXPIRED", "rollback", EXECUTOR, proposal.proposal_id, executor_id="run-2")
    stage.gateway.request_rollback(ADMIN, proposal.proposal_id, "Asked for once more, with new words.")
    assert undo(stage, proposal).state is ExecutionState.SUCCEEDED
    assert stage.target.reasons == ["Asked for once more, with new words."]


def test_kill_switch_and_anchor_mode_stop_it(stage):
    """Undoing is a write as well."""
    proposal = stage.executed()
    ask(stage, proposal)
    stage.gateway = stage.new_gateway(is_write_enabled=False)
    stage.refused("WRITES_DISABLED", "rollback", EXECUTOR, proposal.proposal_id, executor_id="run-2")
    stage.gateway = stage.new_gateway()
    stage.gateway.halt(ADMIN, "Something smells of smoke.")
    stage.refused("KILL_SWITCH_ON", "rollback", EXECUTOR, proposal.proposal_id, executor_id="run-2")


def test_a_switch_thrown_after_the_intent_stops_the_call(stage):
    """The attempt is released; the proposal stays executed, and its rollback stays approved."""
    proposal = stage.executed()
    ask(stage, proposal)
    other = stage.new_gateway()
    stage.at_probe["rollback:commit:after"] = lambda: other.halt(ADMIN, "Something smells of smoke.")
    with pytest.raises(DeniedError):
        undo(stage, proposal)
    assert stage.target.calls == ["execute"]
    assert stage.names()[-3:] == ["halted", "released", "denied"]
    assert stage.read(proposal).state is ProposalState.EXECUTED
    other.request_resume(ADMIN, "It was the toast.")
    other.resume(APPROVER, "It was the toast indeed.")
    assert undo(stage, proposal).state is ExecutionState.SUCCEEDED


def test_a_target_that_refuses_leaves_it_executed(stage):
    """The batch changed since: the proposal says executed, and a person may ask again."""
    proposal = stage.executed()
    ask(stage, proposal)
    stage.target.error_before = AdapterError("It changed since.", code="CHANGED", is_certain=True)
    assert undo(stage, proposal).failure_code == "CHANGED"
    assert stage.read(proposal).state is ProposalState.EXECUTED
    assert stage.names()[-1] == "rollback_failed"
    assert stage.ledger.ready(ApprovalKind.ROLLBACK) == []
    stage.clock.move(minutes=1)
    stage.target.error_before = None
    ask(stage, proposal)
    stage.refused("DUPLICATE_APPROVAL", "request_rollback", ADMIN, proposal.proposal_id, UNDO)
    assert stage.ledger.ready(ApprovalKind.ROLLBACK) == [proposal.proposal_id]
    assert undo(stage, proposal, "run-3").state is ExecutionState.SUCCEEDED
    assert stage.read(proposal).state is ProposalState.ROLLED_BACK


def test_requests_without_sense(stage):
    """Words that cannot be kept, an unknown proposal, an executor without a name."""
    proposal = stage.executed()
    for reason in ("", "a" * 4001, "\0"):
        stage.changes_nothing(BadRequestError, "request_rollback", APPROVER, proposal.proposal_id, reason)
    stage.refused("RATIONALE_TOO_SHORT", "request_rollback", APPROVER, proposal.proposal_id, "oops" + " " * 9)
    stage.changes_nothing(UnknownSubjectError, "request_rollback", APPROVER, "prp_nothing", UNDO)
    stage.changes_nothing(UnknownSubjectError, "rollback", EXECUTOR, "prp_nothing", executor_id="run-2")
    stage.changes_nothing(BadRequestError, "rollback", EXECUTOR, proposal.proposal_id, executor_id="\0")


@pytest.mark.parametrize("reason", ["oops", "nine char", "a" * 501, "\N{SLICE OF PIZZA}" * 251])
def test_a_reason_the_cloud_would_not_take_is_refused_at_once(stage, reason):
    """It would be approved, and then fail at the target every time; counted as the cloud counts."""
    proposal = stage.executed()
    stage.changes_nothing(BadRequestError, "request_rollback", APPROVER, proposal.proposal_id, reason)


@pytest.mark.parametrize("reason", ["ten chars.", "a" * 500, "\N{SLICE OF PIZZA}" * 250])
def test_a_reason_at_the_edge_is_taken(stage, reason):
    """The least and the most that the cloud takes."""
    proposal = stage.executed()
    assert stage.gateway.request_rollback(APPROVER, proposal.proposal_id, reason) == proposal
    assert undo(stage, proposal).state is ExecutionState.SUCCEEDED


def test_anchor_mode_does_not_stop_asking():
    """Only the deed is a write."""
    stage = Stage()
    proposal = stage.executed()
    stage.gateway = stage.new_gateway(is_write_enabled=False)
    assert ask(stage, proposal).state is ProposalState.EXECUTED
