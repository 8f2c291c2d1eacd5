"""execute: one effect, after every rule was asked again, with the intent committed before the call."""

from dataclasses import replace
from datetime import timedelta

import pytest

from policies.decisions import Operation
from policies.errors import BadRequestError, DeniedError, UnknownSubjectError
from policies.ports import AdapterError, CheckResult, LedgerRefusedError
from policies.proposals import ExecutionState, ProposalState
from tests.unit.policies.stage import (
    ADJUST,
    ADMIN,
    AGENT,
    APPROVER,
    ASKER,
    EXECUTOR,
    NOTE,
    READ,
    REASON,
    SECOND,
    STRANGER,
    SWEEPER,
    Stage,
)


def test_it_works(stage):
    """Intent before the call, result after it, one effect under the proposal's own key."""
    proposal = stage.approved()
    at_call = []
    do = stage.target.execute

    def watched(asked, key, at):
        at_call.append((stage.names()[-1], asked.state, key, at))
        return do(asked, key, at)

    stage.target.execute = watched
    execution = stage.execute(proposal)
    assert execution.state is ExecutionState.SUCCEEDED
    assert execution.pointer == {"collection": "notes", "docId": proposal.proposal_id}
    assert (execution.executor_id, execution.fence) == ("run-1", 1)
    assert at_call == [("executing", ProposalState.EXECUTING, proposal.proposal_id, stage.clock.instant)]
    assert stage.names()[-2:] == ["executing", "executed"]
    assert stage.read(proposal).state is ProposalState.EXECUTED
    assert stage.ledger.in_flight() == 0


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (ASKER, "EXECUTOR_ONLY"),
        (ADMIN, "EXECUTOR_ONLY"),
        (SWEEPER, "EXECUTOR_ONLY"),
        (STRANGER, "TENANT_MISMATCH"),
    ],
)
def test_only_the_executor_acts(stage, actor, code):
    """Not the proposer, not an admin, not another process of ours; and the target hears nothing."""
    proposal = stage.approved()
    stage.refused(code, "execute", actor, proposal.proposal_id, executor_id="run-1")
    assert stage.target.calls == []


def test_repeating_changes_nothing(stage):
    """It has been carried out, and that happens once."""
    proposal = stage.executed()
    stage.refused("ALREADY_EXECUTED", "execute", EXECUTOR, proposal.proposal_id, executor_id="run-2")
    assert stage.target.calls == ["execute"]


def test_what_is_not_approved_is_refused(stage):
    """Pending, rejected, expired approvals, changed input: each with its own reason."""
    pending = stage.propose()
    stage.refused("NOT_APPROVED", "execute", EXECUTOR, pending.proposal_id, executor_id="run-1")
    old = stage.approved()
    stage.clock.move(hours=24)
    stage.refused("APPROVAL_EXPIRED", "execute", EXECUTOR, old.proposal_id, executor_id="run-1")
    assert stage.target.calls == []


def test_anchor_mode_stops_it():
    """A deployment that only observes carries nothing out."""
    stage = Stage(is_write_enabled=False)
    proposal = stage.approved()
    stage.refused("WRITES_DISABLED", "execute", EXECUTOR, proposal.proposal_id, executor_id="run-1")


def test_the_kill_switch_stops_it(stage):
    """Nothing begins, and it is approved as before when people resume."""
    proposal = stage.approved()
    stage.gateway.halt(ADMIN, "Something smells of smoke.")
    stage.refused("KILL_SWITCH_ON", "execute", EXECUTOR, proposal.proposal_id, executor_id="run-1")
    stage.gateway.request_resume(ADMIN, "It was the toast.")
    stage.gateway.resume(APPROVER, "It was the toast indeed.")
    assert stage.execute(proposal).state is ExecutionState.SUCCEEDED


def test_a_switch_thrown_after_the_intent_stops_the_call(stage):
    """The attempt is released, the denial recorded, the target not called; later it is carried out once."""
    proposal = stage.approved()
    other = stage.new_gateway()
    stage.at_probe["execute:commit:after"] = lambda: other.halt(ADMIN, "Something smells of smoke.")
    with pytest.raises(DeniedError) as raised:
        stage.execute(proposal)
    assert raised.value.decision.code == "KILL_SWITCH_ON"
    assert stage.target.calls == []
    assert stage.names()[-4:] == ["executing", "halted", "released", "denied"]
    assert stage.read(proposal).state is ProposalState.APPROVED
    other.request_resume(ADMIN, "It was the toast.")
    other.resume(APPROVER, "It was the toast indeed.")
    assert stage.execute(proposal).state is ExecutionState.SUCCEEDED
    assert stage.target.calls == ["execute"]


class Beaten:
    """Somebody else is first at every intent; ``after`` happens once, when the second was refused."""

    def __init__(self, stage, monkeypatch, after=lambda: None):
        self._stage, self._after = stage, after
        self.times = 0
        self._begin = stage.ledger.transaction
        monkeypatch.setattr(stage.ledger, "transaction", self.transaction)
        self.lie_in_wait()

    def lie_in_wait(self):
        self._stage.at_probe["execute:executing:before"] = self.refuse

    def refuse(self):
        self.times += 1
        self.lie_in_wait()
        raise LedgerRefusedError("Somebody else was first.", code="STATE_CHANGED")

    def transaction(self):
        if self.times == 2:
            after, self._after = self._after, lambda: None
            after()
        return self._begin()


def test_a_switch_thrown_between_decision_and_intent_is_told(stage, monkeypatch):
    """The ledger refuses the second try because of the halt: the caller hears of the halt, not of a race."""
    proposal, other = stage.approved(), stage.new_gateway()
    beaten = Beaten(stage, monkeypatch, lambda: other.halt(ADMIN, "Something smells of smoke."))
    with pytest.raises(DeniedError) as raised:
        stage.execute(proposal)
    assert raised.value.decision.code == "KILL_SWITCH_ON"
    assert beaten.times == 2
    assert stage.names()[-2:] == ["halted", "denied"]
    assert stage.target.calls == []


def test_a_race_lost_twice_is_told_when_the_rules_still_allow_it(stage, monkeypatch):
    """Nothing stands against it but the others who were first: trying later helps. No denial is recorded."""
    proposal = stage.approved()
    Beaten(stage, monkeypatch)
    error = stage.changes_nothing(
        LedgerRefusedError, "execute", EXECUTOR, proposal.proposal_id, executor_id="run-1"
    )
    assert error.code == "STATE_CHANGED"


def test_a_certain_refusal_fails_it(stage):
    """No effect: the proposal says failed, and why in the attempt."""
    proposal = stage.approved()
    stage.target.error_before = AdapterError("The batch is gone.", code="GONE", is_certain=True)
    execution = stage.execute(proposal)
    assert (execution.state, execution.failure_code) == (ExecutionState.FAILED, "GONE")
    assert stage.read(proposal).state is ProposalState.FAILED
    assert stage.names()[-1] == "failed"
    stage.refused("PROPOSAL_FAILED", "execute", EXECUTOR, proposal.proposal_id, executor_id="run-2")


@pytest.mark.parametrize(
    "error", [AdapterError("No answer.", code="TIMEOUT", is_certain=False), ZeroDivisionError("odd")]
)
def test_an_uncertain_end_leaves_the_intent(stage, error):
    """Only a look-up can tell: nothing is called again, and nobody else begins."""
    proposal = stage.approved()
    stage.target.error_after = error
    execution = stage.execute(proposal)
    assert execution.state is ExecutionState.INTENT
    assert execution.failure_code in {"TIMEOUT", "UNEXPECTED"}
    assert stage.read(proposal).state is ProposalState.EXECUTING
    stage.refused("ALREADY_EXECUTING", "execute", EXECUTOR, proposal.proposal_id, executor_id="run-2")
    assert stage.target.calls == ["execute"]
    assert stage.gateway.switch_status().in_flight == 1


def test_a_call_is_not_begun_late_in_the_lease(stage):
    """Another executor might look before the target has answered: rather not at all."""
    proposal = stage.approved()
    stage.at_probe["execute:commit:after"] = lambda: stage.clock.move(seconds=100)
    execution = stage.execute(proposal)
    assert (execution.state, execution.failure_code) == (ExecutionState.RELEASED, "NOT_CALLED_IN_TIME")
    assert stage.read(proposal).state is ProposalState.APPROVED
    assert stage.execute(proposal).state is ExecutionState.SUCCEEDED


def test_an_executor_that_lost_its_lease_does_not_call(stage):
    """Two executors never act at once: the older fence is refused."""
    proposal = stage.approved()
    other = stage.new_gateway()

    def stolen():
        stage.clock.move(seconds=120)
        other.recover(EXECUTOR, executor_id="run-2")

    stage.at_probe["execute:commit:after"] = stolen
    with pytest.raises(LedgerRefusedError) as raised:
        stage.execute(proposal)
    assert raised.value.code == "STATE_CHANGED"
    assert stage.target.calls == ["look_up"]
    assert stage.read(proposal).state is ProposalState.APPROVED


def test_quotas_hold(stage):
    """Eight in an hour, the ninth waits; what is refused counts nothing."""
    proposals = [stage.approved() for _ in range(9)]
    for proposal in proposals[:8]:
        assert stage.execute(proposal).state is ExecutionState.SUCCEEDED
    with pytest.raises(DeniedError) as raised:
        stage.execute(proposals[8])
    decision = raised.value.decision
    assert (decision.code, decision.retry_after_seconds) == ("QUOTA_EXCEEDED", 3600)
    assert {use.scope: use.used for use in stage.ledger.quota_uses()} == {
        "capability": 8,
        "actor": 8,
        "owner": 8,
    }
    stage.clock.move(hours=1)
    assert stage.execute(proposals[8]).state is ExecutionState.SUCCEEDED


def test_a_cooldown_holds(stage):
    """A pause after the last use, where the registry wants one."""
    from dataclasses import replace

    note = stage.registry[NOTE]
    slow = replace(note, quotas=(replace(note.quotas[0], cooldown_seconds=60),))
    stage.registry = {**stage.registry, NOTE: slow}
    stage.gateway = stage.new_gateway()
    first, second = stage.approved(), stage.approved()
    stage.execute(first)
    stage.refused("COOLDOWN", "execute", EXECUTOR, second.proposal_id, executor_id="run-1")
    stage.clock.move(seconds=60)
    assert stage.execute(second).state is ExecutionState.SUCCEEDED


def test_a_live_exemption_is_named_and_an_ended_one_refused(stage):
    """The attempt says which exemption stood in for a person's yes."""
    exemption = stage.gateway.grant_exemption(
        ADMIN, NOTE, owner_id=None, seconds=3600, justification="A busy weekend with many notes."
    )
    first, second = stage.propose(), stage.propose()
    assert stage.execute(first).exemption_id == exemption.exemption_id
    stage.gateway.revoke_exemption(ADMIN, exemption.exemption_id, "The weekend is over.")
    stage.refused("EXEMPTION_EXPIRED", "execute", EXECUTOR, second.proposal_id, executor_id="run-1")


def test_proposal_only_is_never_silently_done(stage):
    """Approved and refused: a person carries it out. So is what this process has no adapter for."""
    given = {"flagId": "flag-1", "adjustmentCents": 100, "currency": "usd", "memo": "Counted it twice."}
    proposal = stage.propose(capability_id=ADJUST, input_=given, owner_id=None)
    stage.gateway.approve(APPROVER, proposal.proposal_id, REASON, input_hash=proposal.input_hash)
    stage.refused("PROPOSAL_ONLY", "execute", EXECUTOR, proposal.proposal_id, executor_id="run-1")
    read = stage.propose(capability_id=READ, input_={}, owner_id=None)
    stage.refused("PROPOSAL_ONLY", "execute", EXECUTOR, read.proposal_id, executor_id="run-1")
    note = stage.approved()
    stage.gateway = stage.new_gateway(adapters={})
    stage.refused("PROPOSAL_ONLY", "execute", EXECUTOR, note.proposal_id, executor_id="run-1")


def test_a_stale_snapshot_and_a_red_check_block_it(stage):
    """Nothing is done on what was seen yesterday, nor while a governance check does not hold."""
    from policies.ports import AuditDraft

    proposal = stage.approved()
    stage.ledger.snapshot_read_at = stage.clock.instant - timedelta(hours=26, seconds=1)
    stage.refused("SNAPSHOT_STALE", "execute", EXECUTOR, proposal.proposal_id, executor_id="run-1")
    stage.ledger.snapshot_read_at = stage.clock.instant
    now = stage.clock.instant
    with stage.ledger.transaction() as transaction:
        transaction.record(
            AuditDraft("check:no_orphans:red", now, SWEEPER, "check", "no_orphans", None, {}),
            CheckResult("no_orphans", holds=False, at=now),
        )
    stage.refused("CHECK_RED", "execute", EXECUTOR, proposal.proposal_id, executor_id="run-1")


def test_an_agents_proposal_is_looked_up_once_more(stage):
    """Natural expiry is fine, a revocation since is not; the cloud is asked with no lock held."""
    stage.cloud.delegate(NOTE)
    first, second = (stage.approved(actor=AGENT) for _ in range(2))
    stage.clock.move(hours=2)
    assert stage.execute(first).state is ExecutionState.SUCCEEDED
    stage.cloud.delegate(NOTE, status="revoked", revoked_at=stage.clock.instant)
    stage.refused("DELEGATION_REVOKED", "execute", EXECUTOR, second.proposal_id, executor_id="run-1")
    stage.cloud.facts = None
    stage.refused("DELEGATION_UNREADABLE", "execute", EXECUTOR, second.proposal_id, executor_id="run-1")


def test_requests_without_sense(stage):
    """An unknown proposal, an executor without a name."""
    stage.changes_nothing(UnknownSubjectError, "execute", EXECUTOR, "prp_nothing", executor_id="run-1")
    proposal = stage.approved()
    stage.changes_nothing(BadRequestError, "execute", EXECUTOR, proposal.proposal_id, executor_id="")


def test_a_pointer_that_cannot_be_kept_does_not_undo_the_effect(stage):
    """The effect is there, so the proposal is executed, whatever the pointer looks like."""
    proposal = stage.approved()
    stage.target.execute = lambda *_: {"cost": 1.5}
    assert stage.execute(proposal).pointer == {}
    assert stage.read(proposal).state is ProposalState.EXECUTED


def test_a_lease_must_outlast_every_call(stage):
    """Otherwise another executor could look while a call is still under way."""
    stage.target.deadline_seconds = 120
    with pytest.raises(ValueError, match="ops_note"):
        stage.new_gateway()


def test_two_people_are_asked_again_for_high_risk(stage):
    """One of two approvals has run out at execution: no."""
    batch = {"batchId": "b1", "closeReason": "picked_up"}
    proposal = stage.propose(capability_id="firestore.batch.close", input_=batch)
    stage.gateway.approve(APPROVER, proposal.proposal_id, REASON, input_hash=proposal.input_hash)
    stage.clock.move(hours=2)
    stage.gateway.approve(SECOND, proposal.proposal_id, REASON, input_hash=proposal.input_hash)
    stage.clock.move(hours=2)
    stage.refused("APPROVAL_EXPIRED", "execute", EXECUTOR, proposal.proposal_id, executor_id="run-1")


@pytest.mark.parametrize("words", [{"note": "Something else."}, {"note": 1.5}])
def test_an_input_that_is_not_what_its_hash_says_is_not_carried_out(stage, words):
    """However it came about: what would be sent is hashed again, and the target hears nothing."""
    proposal = stage.approved()
    rows = stage.ledger._tables.proposals
    rows[proposal.proposal_id] = replace(rows[proposal.proposal_id], input={**proposal.input, **words})
    stage.refused("INPUT_CHANGED", "execute", EXECUTOR, proposal.proposal_id, executor_id="run-1")
    said = stage.gateway.explain(EXECUTOR, Operation.EXECUTE, NOTE, proposal.proposal_id)
    assert said.code == "INPUT_CHANGED"
    assert stage.target.calls == []


def test_an_undoing_is_held_to_the_input_too(stage):
    """A rollback would touch what the input names, so it is asked the same."""
    proposal = stage.executed()
    stage.gateway.request_rollback(APPROVER, proposal.proposal_id, REASON)
    rows = stage.ledger._tables.proposals
    rows[proposal.proposal_id] = replace(
        rows[proposal.proposal_id], input={**proposal.input, "note": "Other."}
    )
    stage.refused("INPUT_CHANGED", "rollback", EXECUTOR, proposal.proposal_id, executor_id="run-2")
    assert stage.target.calls == ["execute"]
