"""The way of a proposal through Dagster: from draft to the cloud and back, with an audit that tells it."""

import pytest

from policies.proposals import ApprovalKind, ExecutionState, ProposalState
from sensors.execution import build_recovery_sensor
from studio_assets.execution.job import ACTION_TAG, ATTEMPT_TAG, PROPOSAL_TAG
from tests.integration.governance.governed import ANA, BEN, CAT, NOTES, OPS_NOTE, ShiftedClock

pytestmark = pytest.mark.integration


def metadata_of(run):
    """Return the plain metadata of the one step of a run that succeeded."""
    (output,) = [e.step_output_data for e in run.all_events if e.event_type_value == "STEP_OUTPUT"]
    return {name: value.value for name, value in output.metadata.items()}


def failure_of(run):
    """Return (description, metadata) of a run whose step failed."""
    (event,) = run.get_step_failure_events()
    data = event.step_failure_data.user_failure_data
    return data.description, {name: value.value for name, value in data.metadata.items()}


def test_a_note_goes_from_draft_to_the_cloud_and_is_rolled_back(governed):
    """Draft, submitted, approved by another, one run, one note; undone by a run of its own; all proven."""
    draft = governed.propose(is_draft=True)
    assert governed.tick() == "Nothing that is approved waits."
    governed.gateway.submit(ANA, draft.proposal_id)
    approved = governed.gateway.approve(
        BEN, draft.proposal_id, "Looked at it, right.", input_hash=draft.input_hash
    )
    assert approved.state is ProposalState.APPROVED
    (run,) = governed.execute_all()
    assert run.success
    told = metadata_of(run)
    assert told["decision"] == "ALLOWED"
    assert run.dagster_run.tags[PROPOSAL_TAG] == draft.proposal_id
    assert governed.proposal(draft.proposal_id).state is ProposalState.EXECUTED
    ((note_id, note),) = governed.documents(NOTES).items()
    assert note["note"] == "Crawled glaze on two pieces."
    assert note["rolledBackAt"] is None
    assert told["pointer_docId"] == note_id
    assert governed.tick() == "Nothing that is approved waits."

    governed.gateway.request_rollback(CAT, draft.proposal_id, "It was about another batch.")
    (undoing,) = governed.execute_all()
    assert undoing.success
    assert undoing.dagster_run.tags[ACTION_TAG] == "rollback"
    assert governed.proposal(draft.proposal_id).state is ProposalState.ROLLED_BACK
    assert governed.documents(NOTES)[note_id]["rolledBackAt"] is not None
    assert governed.tick() == "Nothing that is approved waits."

    assert governed.observe(is_full=True) == set()
    assert governed.reads.verify_chain().broken == []
    steps = [name.rpartition(":")[2] for name, *_ in governed.events(f"proposal:{OPS_NOTE}:%")]
    assert steps == [
        *("created", "submitted", "approval_given", "approved", "executing", "executed"),
        *("rollback_requested", "rolling_back", "rolled_back"),
    ]


def test_a_run_that_is_started_again_changes_nothing(governed):
    """By hand, by a retry, by two sensors: the second run finds it done, and there is one note."""
    approved = governed.approved()
    assert governed.run("execute", approved.proposal_id).success
    again = governed.run("execute", approved.proposal_id)
    assert again.success
    assert metadata_of(again)["decision"] == "ALREADY_EXECUTED"
    assert len(governed.documents(NOTES)) == 1
    assert len(governed.ledger.executions(approved.proposal_id)) == 1


def test_a_denial_fails_the_run_with_its_reason_and_leaves_a_trace(governed):
    proposal = governed.propose()
    run = governed.run("execute", proposal.proposal_id)
    assert not run.success
    description, told = failure_of(run)
    assert told["decision"] == "NOT_APPROVED"
    assert "waits for approval" in description
    assert governed.documents(NOTES) == {}
    ((name, _, details),) = governed.events("policy:%")
    assert name == f"policy:{OPS_NOTE}:denied"
    assert details["code"] == "NOT_APPROVED"


def test_member_written_text_never_reaches_dagster(governed):
    """Notes, rationales and reasons stay in the ledger: runs, tags, events and metadata do not know them."""
    note = "CANARY member words"
    proposal = governed.propose(note)
    governed.gateway.approve(
        BEN, proposal.proposal_id, "CANARY approver words", input_hash=proposal.input_hash
    )
    (run,) = governed.execute_all()
    governed.gateway.request_rollback(CAT, proposal.proposal_id, "CANARY rollback words")
    (undoing,) = governed.execute_all()
    governed.observe()
    assert run.success
    assert undoing.success
    for record in governed.instance.get_run_records():
        assert "CANARY" not in repr(record.dagster_run)
        for entry in governed.instance.all_logs(record.dagster_run.run_id):
            assert "CANARY" not in repr(entry)
    assert "CANARY" not in repr(governed.events())


def test_nothing_starts_while_the_switch_is_on_and_goes_on_after_two_people_resumed(governed):
    approved = governed.approved()
    governed.gateway.halt(ANA, "Something looks wrong here.")
    assert "kill switch" in governed.tick()
    run = governed.run("execute", approved.proposal_id)
    assert failure_of(run)[1]["decision"] == "KILL_SWITCH_ON"
    assert governed.documents(NOTES) == {}
    governed.gateway.request_resume(ANA, "It was a false alarm.")
    governed.gateway.resume(BEN, "Agreed, nothing is wrong.")
    # The run by hand bears no tags, so this is the first attempt that the sensor knows of.
    (again,) = governed.execute_all()
    assert again.success
    assert governed.observe(is_full=True) == set()


def test_in_anchor_mode_what_is_approved_waits(governed):
    from studio_assets.doors import live_gateway

    approved = governed.approved()
    governed.settings = governed.settings.model_copy(update={"is_write_enabled": False})
    with live_gateway(governed.settings) as gateway:
        governed.gateway = gateway
        assert "WRITES_DISABLED" in governed.tick()
        assert approved.proposal_id in governed.tick()


def test_only_the_execution_run_can_write(governed):
    """The gateway everyone else gets has no writing door: not even an approved proposal gets through."""
    from policies.actors import system_actor

    approved = governed.approved()
    ended = governed.gateway.execute(
        system_actor("executor", "monsoonfire"), approved.proposal_id, executor_id="not a run"
    )
    assert ended.state is ExecutionState.FAILED
    assert governed.documents(NOTES) == {}


def test_a_proposal_that_was_released_runs_again_under_another_key(governed):
    """The attempt is counted by its runs: Dagster never runs one key twice."""
    approved = governed.approved()
    (request,) = governed.tick()
    assert request.run_key == f"{approved.proposal_id}:execute:1"
    governed.gateway.halt(ANA, "Something looks wrong here.")
    governed.run("execute", approved.proposal_id, **request.tags)
    governed.gateway.request_resume(ANA, "It was a false alarm.")
    governed.gateway.resume(BEN, "Agreed, nothing is wrong.")
    assert "just tried" in governed.tick()
    (again,) = governed.tick(clock=ShiftedClock(minutes=1))
    assert again.run_key == f"{approved.proposal_id}:execute:2"
    assert again.tags[ATTEMPT_TAG] == "2"


def test_a_cut_off_attempt_is_found_out_by_asking_the_cloud(governed):
    """The executor died between its intent and its result: recovery asks, and repeats nothing."""
    approved = governed.approved()
    governed.run("execute", approved.proposal_id)
    (execution,) = governed.ledger.executions(approved.proposal_id)
    # As it would be had the process died after the cloud's answer.
    governed.plant(
        "executions",
        "UPDATE studio.executions SET state = 'intent', pointer = NULL, finished_at = NULL,"
        " started_at = started_at - interval '5 minutes', lease_until = now() - interval '1 second'"
        " WHERE execution_id = %(id)s",
        id=execution.execution_id,
    )
    governed.plant(
        "proposals",
        "UPDATE studio.proposals SET state = 'executing' WHERE proposal_id = %(id)s",
        id=approved.proposal_id,
    )
    (request,) = governed.tick(build_recovery_sensor)
    assert request.tags[ACTION_TAG] == "recover"
    run = governed.run("recover", **request.tags)
    assert run.success
    assert governed.proposal(approved.proposal_id).state is ProposalState.EXECUTED
    (found,) = governed.ledger.executions(approved.proposal_id)
    assert (found.state, found.kind) == (ExecutionState.SUCCEEDED, ApprovalKind.EXECUTE)
    assert len(governed.documents(NOTES)) == 1
