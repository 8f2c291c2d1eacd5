"""Approved proposals become runs: one at a time each, and only where the gateway would say yes."""

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import pytest

from policies.decisions import Operation, Switch, SwitchState
from policies.proposals import ApprovalKind
from policies.rules import ALLOW, deny
from sensors.execution import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    PastRun,
    build_execution_sensor,
    build_recovery_sensor,
    next_attempt,
)
from studio_assets.execution.job import ACTION_TAG, ATTEMPT_TAG, EXECUTION_JOB, PROPOSAL_TAG
from tests.dagster_memory import memory_instance

WRITES = "firestore.ops_note.append"


@dataclass
class Ledger:
    """What a sensor reads of a ledger."""

    waiting: dict = field(default_factory=dict)
    cut_off: list = field(default_factory=list)
    switch_is: Switch = Switch.OFF

    studio_id = "monsoonfire"

    def ready(self, kind, limit=100):
        return self.waiting.get(kind, [])[:limit]

    def abandoned(self, now, limit=100):
        return self.cut_off

    @contextmanager
    def transaction(self):
        yield self

    def facts(self, *, now, capability_id, proposal_id=None):
        proposal = SimpleNamespace(proposal_id=proposal_id, capability_id=WRITES, studio_id=self.studio_id)
        return SimpleNamespace(switch=SwitchState(self.switch_is), proposal=proposal)


@dataclass
class Gateway:
    """Says what it is told to say, and remembers who asked."""

    noes: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)

    def explain(self, actor, operation, capability_id, proposal_id=None):
        self.asked.append((actor.actor_id, operation, capability_id, proposal_id))
        return self.noes.get(proposal_id, ALLOW)


@pytest.fixture
def instance():
    with memory_instance() as ephemeral:
        yield ephemeral


def add_run(instance, proposal_id, attempt, status, action="execute"):
    @dg.job(name=EXECUTION_JOB)
    def any_job():
        pass

    tags = {ACTION_TAG: action, ATTEMPT_TAG: str(attempt)} | (
        {PROPOSAL_TAG: proposal_id} if proposal_id else {}
    )
    return instance.create_run_for_job(any_job, tags=tags, status=status)


def tick(sensor, instance, **resources):
    with dg.build_sensor_context(instance=instance, resources=resources) as context:
        return sensor(context)


def requests(answer):
    return [] if isinstance(answer, dg.SkipReason) else list(answer.run_requests)


@pytest.fixture
def evaluate(settings, instance, clock):
    """Return a function that evaluates the sensor once."""
    clock.instant = datetime.now(UTC)  # runs are dated by the machine

    def once(ledger, gateway=None):
        return tick(
            build_execution_sensor(settings),
            instance,
            ledger=ledger,
            gateway=gateway or Gateway(),
            clock=clock,
        )

    return once


def test_an_approved_proposal_becomes_one_run_under_its_own_key(evaluate):
    """Asked as the executor; the same tick twice gives the same key, which Dagster runs once."""
    ledger, gateway = Ledger({ApprovalKind.EXECUTE: ["prp_a"]}), Gateway()
    for _ in range(2):
        (request,) = requests(evaluate(ledger, gateway))
        assert request.run_key == "prp_a:execute:1"
        assert request.run_config["ops"]["carry_out_proposal"]["config"] == {
            "action": "execute",
            "proposal_id": "prp_a",
        }
        assert request.tags[PROPOSAL_TAG] == "prp_a"
    assert set(gateway.asked) == {("system:executor", Operation.EXECUTE, WRITES, "prp_a")}


def test_an_approved_rollback_becomes_a_run_of_its_own(evaluate, instance):
    """Earlier attempts at executing do not count."""
    add_run(instance, "prp_a", 1, dg.DagsterRunStatus.SUCCESS)
    gateway = Gateway()
    (request,) = requests(evaluate(Ledger({ApprovalKind.ROLLBACK: ["prp_a"]}), gateway))
    assert request.run_key == "prp_a:rollback:1"
    assert gateway.asked[0][1] is Operation.ROLLBACK


def test_where_the_gateway_would_say_no_nothing_is_started_and_the_reason_is_told(evaluate):
    ledger = Ledger({ApprovalKind.EXECUTE: ["prp_a", "prp_b"]})
    answer = evaluate(ledger, Gateway({"prp_a": deny("writes-enabled"), "prp_b": deny("writes-enabled")}))
    assert "WRITES_DISABLED" in answer.skip_message
    (request,) = requests(evaluate(ledger, Gateway({"prp_a": deny("writes-enabled")})))
    assert request.tags[PROPOSAL_TAG] == "prp_b"


@pytest.mark.parametrize("state", [Switch.ON, Switch.UNREADABLE])
def test_nothing_is_started_while_the_switch_is_on_or_cannot_be_read(evaluate, state):
    answer = evaluate(Ledger({ApprovalKind.EXECUTE: ["prp_a"]}, switch_is=state))
    assert "kill switch" in answer.skip_message


def test_nothing_waiting_asks_nobody(evaluate):
    gateway = Gateway()
    assert "Nothing" in evaluate(Ledger(), gateway).skip_message
    assert gateway.asked == []


@pytest.mark.parametrize(
    "status", [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
)
def test_no_second_run_while_one_is_under_way(evaluate, instance, status):
    add_run(instance, "prp_a", 1, status)
    assert "under way" in evaluate(Ledger({ApprovalKind.EXECUTE: ["prp_a"]})).skip_message


def test_what_is_still_approved_after_its_run_is_tried_again_after_a_pause(evaluate, instance, clock):
    """A released proposal must be able to run again, under another key."""
    add_run(instance, "prp_a", 1, dg.DagsterRunStatus.FAILURE)
    ledger = Ledger({ApprovalKind.EXECUTE: ["prp_a"]})
    (record,) = instance.get_run_records()
    clock.instant = record.update_timestamp.astimezone(UTC)  # however long ago the clock was set
    assert requests(evaluate(ledger)) == []
    clock.advance(seconds=FIRST_PAUSE.total_seconds() - 1)
    assert requests(evaluate(ledger)) == []
    clock.advance(seconds=1)
    (request,) = requests(evaluate(ledger))
    assert request.run_key == "prp_a:execute:2"


def test_the_pause_doubles_up_to_a_limit(clock):
    """Just under, it waits; at the pause, it tries."""
    for attempt, pause in [(1, FIRST_PAUSE), (2, 2 * FIRST_PAUSE), (4, 8 * FIRST_PAUSE), (60, LONGEST_PAUSE)]:
        runs = [PastRun(attempt, is_under_way=False, ended_at=clock.now() - pause)]
        assert next_attempt(runs, clock.now()) == attempt + 1
        assert next_attempt(runs, clock.now() - timedelta(seconds=1)) is None


def test_numbers_grow_also_when_old_runs_are_forgotten(clock):
    """A key is never used twice: Dagster would not run it."""
    old = clock.now() - timedelta(days=1)
    assert next_attempt([PastRun(5, is_under_way=False, ended_at=old)], clock.now()) == 6


def test_cut_off_attempts_are_looked_up_by_one_run_at_a_time(settings, instance, clock):
    sensor = build_recovery_sensor(settings)
    ledger = Ledger(cut_off=["an attempt"])
    request = tick(sensor, instance, ledger=ledger, clock=clock)
    assert request.run_config["ops"]["carry_out_proposal"]["config"]["action"] == "recover"
    add_run(instance, "", 1, dg.DagsterRunStatus.STARTED, action="recover")
    assert isinstance(tick(sensor, instance, ledger=ledger, clock=clock), dg.SkipReason)
    assert isinstance(tick(sensor, instance, ledger=Ledger(), clock=clock), dg.SkipReason)


def test_sensors_of_execution_run_by_themselves(settings):
    for build in (build_execution_sensor, build_recovery_sensor):
        assert build(settings).default_status is dg.DefaultSensorStatus.RUNNING
        assert build(settings).minimum_interval_seconds <= 30
