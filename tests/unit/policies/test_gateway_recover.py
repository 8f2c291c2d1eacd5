"""recover: after a crash the target is asked what happened; no call is ever repeated blindly."""

import pytest

from policies.errors import BadRequestError
from policies.ports import AdapterError
from policies.proposals import ExecutionState, ProposalState
from tests.unit.policies.stage import ADMIN, APPROVER, ASKER, EXECUTOR, STRANGER, SWEEPER, Crash

UNCERTAIN = AdapterError("No answer.", code="TIMEOUT", is_certain=False)


def recover(stage, executor_id="run-2"):
    return stage.gateway.recover(EXECUTOR, executor_id=executor_id)


def lost(stage, *, with_effect):
    """Return a proposal whose executor never learnt what happened."""
    proposal = stage.approved()
    setattr(stage.target, "error_after" if with_effect else "error_before", UNCERTAIN)
    stage.execute(proposal)
    stage.target.error_after = stage.target.error_before = None
    return proposal


def test_an_effect_that_is_there_is_written_down(stage):
    """Executed, with its pointer, without a second call."""
    proposal = lost(stage, with_effect=True)
    stage.clock.move(seconds=120)
    (execution,) = recover(stage)
    assert (execution.state, execution.fence, execution.executor_id) == (ExecutionState.SUCCEEDED, 2, "run-2")
    assert execution.pointer == {"docId": proposal.proposal_id}
    assert stage.read(proposal).state is ProposalState.EXECUTED
    assert stage.target.calls == ["execute", "look_up"]
    assert stage.names()[-2:] == ["taken_over", "executed"]


def test_what_did_not_happen_is_approved_again_and_done_the_usual_way(stage):
    """Every rule is asked again before the second call, which has the same key."""
    proposal = lost(stage, with_effect=False)
    stage.clock.move(seconds=120)
    (execution,) = recover(stage)
    assert (execution.state, execution.failure_code) == (ExecutionState.RELEASED, "NO_EFFECT_FOUND")
    assert stage.read(proposal).state is ProposalState.APPROVED
    assert stage.execute(proposal).state is ExecutionState.SUCCEEDED
    assert stage.target.effects == {proposal.proposal_id: "done"}


def test_a_lease_that_runs_is_left_alone(stage):
    """On the last microsecond its executor may still be at it."""
    lost(stage, with_effect=True)
    stage.clock.move(seconds=119, microseconds=999_999)
    assert recover(stage) == []
    assert stage.target.calls == ["execute"]


def test_repeating_changes_nothing(stage):
    """Nothing is abandoned any more."""
    lost(stage, with_effect=True)
    stage.clock.move(seconds=120)
    recover(stage)
    events = stage.ledger.events
    assert recover(stage) == []
    assert stage.ledger.events == events


def test_a_target_that_cannot_be_asked_is_asked_later(stage):
    """The lease is ours meanwhile; when it ends somebody asks again."""
    proposal = lost(stage, with_effect=True)
    stage.clock.move(seconds=120)
    stage.target.error_before = ConnectionError("gone")
    (execution,) = recover(stage)
    assert execution.state is ExecutionState.INTENT
    assert stage.read(proposal).state is ProposalState.EXECUTING
    assert recover(stage, "run-3") == []
    stage.target.error_before = None
    stage.clock.move(seconds=120)
    (execution,) = recover(stage, "run-3")
    assert (execution.state, execution.fence) == (ExecutionState.SUCCEEDED, 3)


def test_an_effect_that_somebody_undid_at_the_target_counts_as_done(stage):
    """It was there once; it is not done again."""
    proposal = lost(stage, with_effect=True)
    stage.target.effects[proposal.proposal_id] = "undone"
    stage.clock.move(seconds=120)
    assert recover(stage)[0].state is ExecutionState.SUCCEEDED


@pytest.mark.parametrize(
    ("effect", "state", "code", "after"),
    [
        ("undone", ExecutionState.SUCCEEDED, None, ProposalState.ROLLED_BACK),
        ("done", ExecutionState.RELEASED, "STILL_THERE", ProposalState.EXECUTED),
        (None, ExecutionState.FAILED, "NOTHING_TO_UNDO", ProposalState.EXECUTED),
    ],
)
def test_a_lost_rollback_is_looked_up_too(stage, effect, state, code, after):
    """Undone, still there, or nothing there to undo."""
    proposal = stage.executed()
    stage.gateway.request_rollback(APPROVER, proposal.proposal_id, "It was about another batch.")
    stage.target.error_after = UNCERTAIN
    stage.gateway.rollback(EXECUTOR, proposal.proposal_id, executor_id="run-1")
    stage.target.error_after = None
    stage.target.effects = {} if effect is None else {proposal.proposal_id: effect}
    stage.clock.move(seconds=120)
    (execution,) = recover(stage)
    assert (execution.state, execution.failure_code) == (state, code)
    assert stage.read(proposal).state is after


def test_a_halt_does_not_stop_the_truth(stage):
    """Writing down what happened is no new effect."""
    proposal = lost(stage, with_effect=True)
    stage.gateway.halt(ADMIN, "Something smells of smoke.")
    stage.clock.move(seconds=120)
    assert recover(stage)[0].state is ExecutionState.SUCCEEDED
    assert stage.read(proposal).state is ProposalState.EXECUTED


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (ASKER, "EXECUTOR_ONLY"),
        (ADMIN, "EXECUTOR_ONLY"),
        (SWEEPER, "EXECUTOR_ONLY"),
        (STRANGER, "TENANT_MISMATCH"),
    ],
)
def test_only_the_executor_recovers(stage, actor, code):
    """Everybody else is refused with a reason."""
    stage.refused(code, "recover", actor, executor_id="run-2")
    stage.changes_nothing(BadRequestError, "recover", EXECUTOR, executor_id="")


def test_of_two_recoverers_one_takes_over(stage, monkeypatch):
    """The second finds the lease taken and leaves it."""
    lost(stage, with_effect=True)
    stage.clock.move(seconds=120)
    abandoned = stage.ledger.abandoned(stage.clock.instant)
    recover(stage)
    monkeypatch.setattr(stage.ledger, "abandoned", lambda *_: abandoned)
    assert recover(stage, "run-3") == []


def test_without_an_adapter_the_attempt_is_left(stage):
    """A process that was not given the adapter cannot ask."""
    lost(stage, with_effect=True)
    stage.clock.move(seconds=120)
    stage.gateway = stage.new_gateway(adapters={})
    assert recover(stage)[0].state is ExecutionState.INTENT


def test_a_recovery_that_dies_is_recovered_itself(stage):
    """It had taken the lease and asked; the next one asks again."""
    proposal = lost(stage, with_effect=True)
    stage.clock.move(seconds=120)
    stage.crash_at = "recover:executed:after"
    with pytest.raises(Crash):
        recover(stage)
    stage.clock.move(seconds=120)
    assert recover(stage, "run-3")[0].fence == 3
    assert stage.read(proposal).state is ProposalState.EXECUTED


def test_a_recovery_that_was_itself_taken_over_writes_nothing(stage):
    """It asked for too long; what the next one wrote stands."""
    proposal = lost(stage, with_effect=True)
    stage.clock.move(seconds=120)
    other, look_up = stage.new_gateway(), stage.target.look_up

    def slow(asked, key):
        stage.target.look_up = look_up
        stage.clock.move(seconds=120)
        other.recover(EXECUTOR, executor_id="run-3")
        return look_up(asked, key)

    stage.target.look_up = slow
    assert recover(stage)[0].state is ExecutionState.INTENT
    (kept,) = stage.ledger.executions(proposal.proposal_id)
    assert (kept.state, kept.executor_id) == (ExecutionState.SUCCEEDED, "run-3")
    assert stage.names().count("executed") == 1
