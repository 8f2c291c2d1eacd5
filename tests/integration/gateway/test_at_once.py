"""The real gateway on the real ledger, with many at it at once, and through a whole life of each kind.

Every thread has a gateway of its own, as processes would; they share nothing but the database and the target.
"""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from policies.errors import DeniedError
from policies.ports import AdapterError
from policies.proposals import ProposalState
from policies.registry import default_registry
from tests.unit.policies.stage import (
    ADMIN,
    APPROVER,
    ASKER,
    CLOSE,
    EXECUTOR,
    INPUT,
    NOTE,
    READ,
    REASON,
    SECOND,
    STUDIO,
    SWEEPER,
    Stage,
    staff,
)

pytestmark = pytest.mark.integration

SMOKE = "Something smells of smoke."
TOAST = "It was only the toast."
UNCLEAR = AdapterError("No answer.", code="TIMEOUT", is_certain=False)


@pytest.fixture
def stage(postgres_url):
    """Return an open studio on PostgreSQL; no snapshot is there, so none is asked for."""
    from resources.postgres.ledger import PostgresLedger
    from resources.postgres.ledger_engine import ledger_engine

    engine = ledger_engine(postgres_url, STUDIO)
    registry = {
        name: replace(capability, snapshot_max_age_seconds=None)
        for name, capability in default_registry().items()
    }
    yield Stage(ledger=PostgresLedger(engine, STUDIO), registry=registry)
    engine.dispose()


def at_once(call, items):
    """Call for all items from sixteen threads; count the states, and the codes of denials."""

    def told(item):
        try:
            return str(call(item).state)
        except DeniedError as error:
            return error.decision.code

    with ThreadPoolExecutor(16) as pool:
        return Counter(pool.map(told, items))


def execute(stage, proposal):
    return stage.new_gateway().execute(EXECUTOR, proposal.proposal_id, executor_id="run-1")


def test_fifty_executors_have_one_effect(stage):
    """One succeeds, all others are told."""
    proposal = stage.approved()
    told = at_once(lambda _: execute(stage, proposal), range(50))
    assert told.pop("succeeded") == 1
    assert set(told) <= {"ALREADY_EXECUTING", "ALREADY_EXECUTED"}
    assert stage.target.calls == ["execute"]


def test_fifty_executions_against_a_quota_of_eight(stage):
    """Exactly eight, whoever comes first."""
    proposals = [stage.approved() for _ in range(50)]
    told = at_once(lambda proposal: execute(stage, proposal), proposals)
    assert told == {"succeeded": 8, "QUOTA_EXCEEDED": 42}
    assert len(stage.target.effects) == 8


def test_no_call_begins_after_a_halt(stage):
    """Those in flight end; the halt waits for them, and whoever comes later is released and told."""
    proposals = [stage.approved() for _ in range(8)]
    do, is_halted, go_on = stage.target.execute, threading.Event(), threading.Event()
    in_flight, late = threading.Semaphore(0), []

    def held(proposal, key, at):
        if is_halted.is_set():
            late.append(key)
        in_flight.release()
        go_on.wait(30)
        return do(proposal, key, at)

    stage.target.execute = held

    def halt():
        stage.new_gateway().halt(ADMIN, SMOKE)
        is_halted.set()

    with ThreadPoolExecutor(10) as pool:
        running = [pool.submit(at_once, lambda it: execute(stage, it), [it]) for it in proposals]
        assert in_flight.acquire(timeout=30)
        halting = pool.submit(halt)
        go_on.set()
        halting.result(60)
        told = sum((run.result(60) for run in running), Counter())
    assert late == []
    assert set(told) <= {"succeeded", "KILL_SWITCH_ON"}
    assert told["succeeded"] == len(stage.target.effects) >= 1
    assert stage.gateway.switch_status().in_flight == 0


def test_one_of_many_approvers_is_the_first(stage):
    """Nobody approves twice; nineteen hear that it is approved already."""
    proposal = stage.propose()
    people = [staff(f"person{number}", "approver") for number in range(20)]
    told = at_once(
        lambda person: stage.new_gateway().approve(
            person, proposal.proposal_id, REASON, input_hash=proposal.input_hash
        ),
        people,
    )
    assert told == {"approved": 1, "ALREADY_APPROVED": 19}
    assert len(stage.ledger.approvals(proposal.proposal_id)) == 1


def test_proposing_the_same_at_once_gives_one_proposal(stage):
    """Every one of thirty ticks is handed the same."""
    with ThreadPoolExecutor(16) as pool:
        ids = set(pool.map(lambda _: stage.propose(dedupe_key="finding-1").proposal_id, range(30)))
    assert len(ids) == len(stage.ledger.proposals()) == 1


def test_opening_halting_and_sweeping_at_once(stage):
    """One of each takes place; the others find it done."""
    for _ in range(10):
        stage.propose()
    stage.gateway.grant_exemption(
        ADMIN, NOTE, owner_id="uid_busy", seconds=60, justification="A busy weekend with notes."
    )
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: stage.new_gateway().open_studio(), range(8)))

    def halted(_):
        stage.new_gateway().halt(ADMIN, SMOKE)
        return stage.propose()

    assert at_once(halted, range(8)) == {"pending_approval": 1, "ALREADY_HALTED": 7}
    assert stage.ledger.switch().revision == 2
    stage.clock.move(days=8)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: stage.new_gateway().expire(SWEEPER), range(8))) == 12


def test_of_many_recoverers_one_takes_each_attempt(stage):
    """Five abandoned attempts are looked into once each."""
    for proposal in [stage.approved() for _ in range(5)]:
        stage.target.error_after = UNCLEAR
        stage.execute(proposal)
    stage.target.error_after = None
    stage.clock.move(seconds=120)
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(
            lambda number: len(stage.new_gateway().recover(EXECUTOR, executor_id=f"run-{number}")), range(8)
        )
        assert sum(found) == 5
    assert {it.state for it in stage.ledger.proposals()} == {ProposalState.EXECUTED}


def test_a_whole_life(stage):
    """Dry run, edits that void approvals, execution, rollback: PostgreSQL takes every step."""
    gateway = stage.gateway
    proposal = gateway.dry_run(ASKER, stage.propose().proposal_id)
    for version in (1, 2):
        proposal = gateway.edit(
            ASKER, proposal.proposal_id, version=version, rationale=f"Reason {version} now."
        )
        proposal = gateway.approve(APPROVER, proposal.proposal_id, REASON, input_hash=proposal.input_hash)
    assert stage.read(proposal) == proposal
    assert stage.execute(proposal).state == "succeeded"
    gateway.request_rollback(ADMIN, proposal.proposal_id, "It was about another batch.")
    assert gateway.rollback(EXECUTOR, proposal.proposal_id, executor_id="run-2").state == "succeeded"
    assert stage.read(proposal).state is ProposalState.ROLLED_BACK


def test_a_life_of_detours(stage):
    """Screening, rejection, reopening, exemptions, failure, expiry: PostgreSQL takes every step."""
    gateway = stage.gateway
    risky = stage.propose(input_=INPUT | {"note": "Customer asks for a working firearm mold"})
    gateway.approve(APPROVER, risky.proposal_id, REASON, input_hash=risky.input_hash)
    assert gateway.override_intake(APPROVER, risky.proposal_id, "false_positive", REASON).state == "approved"
    gateway.reject(ADMIN, risky.proposal_id, REASON)
    assert gateway.reopen(ADMIN, risky.proposal_id, REASON).is_intake_blocked
    exemption = gateway.grant_exemption(
        ADMIN, NOTE, owner_id=None, seconds=3600, justification="A busy weekend with notes."
    )
    assert stage.execute(stage.propose()).exemption_id == exemption.exemption_id
    gateway.revoke_exemption(ADMIN, exemption.exemption_id, "The weekend is over.")
    gateway.reset_quota(ADMIN, NOTE, "capability", "*", "A test was counted.")
    assert stage.propose(capability_id=READ, input_={}, owner_id=None).state == "approved"
    refused = stage.approved()
    stage.target.error_before = AdapterError("Gone.", code="GONE", is_certain=True)
    assert stage.execute(refused).state == "failed"
    assert gateway.reopen(ADMIN, refused.proposal_id, REASON).version == 2
    stage.clock.move(days=8)
    assert gateway.expire(SWEEPER) == 3


def test_high_risk_is_renewed_and_a_late_halt_is_told(stage):
    """An approval that ran out is given again; a halt between intent and call releases the attempt."""
    proposal = stage.propose(capability_id=CLOSE, input_={"batchId": "b1", "closeReason": "picked_up"})
    for hours, person in ((4, APPROVER), (0, SECOND), (0, APPROVER)):
        given = stage.gateway.approve(person, proposal.proposal_id, REASON, input_hash=proposal.input_hash)
        stage.clock.move(hours=hours)
    assert given.state is ProposalState.APPROVED
    stage.at_probe["execute:commit:after"] = lambda: stage.new_gateway().halt(ADMIN, SMOKE)
    assert at_once(stage.execute, [given]) == {"KILL_SWITCH_ON": 1}
    stage.gateway.request_resume(ADMIN, TOAST)
    stage.gateway.resume(APPROVER, TOAST)
    assert stage.execute(given).state == "succeeded"
    assert stage.target.calls == ["execute"]
