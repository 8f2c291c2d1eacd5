"""The gateway on PostgreSQL does what the simple model does, whatever is played; the model would notice."""

import itertools
import os
import shlex
import subprocess
import sys
from dataclasses import replace

import orjson
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from cockpit.home import CHECKOUT
from policies.decisions import Operation
from policies.errors import DeniedError
from policies.gateway import Gateway
from policies.proposals import ProposalState
from tests.benchmarks.gateway_model import play
from tests.integration.gateway.play import OPERATIONS, Play

pytestmark = pytest.mark.integration

STEPS = 1200
EXAMPLES, LENGTH = 20, 50
_NUMBERS = itertools.count(1)


def operation(name):
    """Return the rule that plays one operation, with everything about it drawn."""

    @rule(data=st.data())
    def one(self, data):
        self.play.step(lambda count: data.draw(st.integers(0, count - 1)) if count > 1 else 0, name)

    return one


class Gate(RuleBasedStateMachine):
    """Any operation by anybody at any moment; ``Play.step`` compares everything."""

    url = ""

    def __init__(self):
        super().__init__()
        self.play = Play(self.url, f"machine_{next(_NUMBERS)}")

    def teardown(self):
        self.play.close()


for _name in OPERATIONS:
    setattr(Gate, _name, operation(_name))


def test_no_sequence_of_operations_parts_gateway_and_model(gateway_url):
    """Hypothesis looks for a sequence that breaks a promise, and would shrink it."""
    machine = type("Gate", (Gate,), {"url": gateway_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=LENGTH,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_long_play_by_seed_reaches_every_event(postgres_url):
    """Nothing diverges, and the play is not idle: everything that can happen happens in it."""
    result = play(postgres_url, STEPS, 20261121)
    assert result["violation"] is None
    assert result["violations"] == 0
    assert set(result["operations"]) == set(OPERATIONS)
    wanted = {
        *("created", "submitted", "edited", "dry_run", "approval_given", "approved", "rejected", "reopened"),
        *("intake_overridden", "executing", "released", "executed", "failed", "rollback_requested"),
        *("rolling_back", "rolled_back", "expired", "taken_over", "denied", "granted", "reset", "red"),
        *("halted", "resume_requested", "resumed", "paused", "marked", "reviewed", "decided"),
    }
    assert wanted <= set(result["events"])


class SkipsQuorum(Gateway):
    """Carries out what is only waiting for approval."""

    def _facts(self, transaction, request, looked, *, lock):
        facts = super()._facts(transaction, request, looked, lock=lock)
        if request.operation is Operation.EXECUTE and facts.proposal.state is ProposalState.PENDING_APPROVAL:
            return replace(facts, proposal=replace(facts.proposal, state=ProposalState.APPROVED))
        return facts

    def _capability_of(self, request, facts):
        capability = super()._capability_of(request, facts)
        is_executed = capability is not None and request.operation is Operation.EXECUTE
        return replace(capability, approvals_required=0) if is_executed else capability


class TakesAnyHash(Gateway):
    """Binds an approval to what is there, whatever the person has looked at."""

    def approve(self, actor, proposal_id, reason, *, input_hash):
        there = [it for it in self._ledger.proposals() if it.proposal_id == proposal_id]
        return super().approve(
            actor, proposal_id, reason, input_hash=there[0].input_hash if there else input_hash
        )


class KeepsDenialsQuiet(Gateway):
    """Says no without a trace."""

    def _deny(self, request, decision, capability):
        raise DeniedError(decision)


class RepeatsTheCall(Gateway):
    """Asks the target once more when it did not answer, instead of asking what happened."""

    def _called(self, job, adapter, execution, about):
        ended = super()._called(job, adapter, execution, about)
        return super()._called(job, adapter, execution, about) if ended.failure_code else ended


@pytest.mark.parametrize("broken", [SkipsQuorum, TakesAnyHash, KeepsDenialsQuiet, RepeatsTheCall])
def test_a_planted_bug_is_found_and_its_replay_shows_it_again(postgres_url, broken):
    """The model is no decoration."""
    first = play(postgres_url, 450, 7, gateway=broken)
    assert first["violations"] == 1
    words = shlex.split(first["replay"])
    assert words[:3] == ["./studio", "bench", "gateway-model"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    again = play(postgres_url, int(options["--steps"]), int(options["--seed"]), gateway=broken)
    assert again["violation"] == first["violation"]
    assert again["played"] == first["played"]


def _bench(*arguments):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        [sys.executable, "-m", "cockpit.cli", "bench", *arguments],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        check=False,
        timeout=120,
    )


def test_the_command_plays_by_steps_and_seed():
    done = _bench("gateway-model", "--steps", "25", "--seed", "11", "--json")
    assert done.returncode == 0, done.stderr
    result = orjson.loads(done.stdout)
    assert (result["bench"], result["seed"], result["steps"]) == ("gateway-model", 11, 25)
    assert result["violations"] == 0
    assert result["replay"] == "./studio bench gateway-model --steps 25 --seed 11"


def test_a_benchmark_says_which_options_it_has():
    done = _bench("startup", "--steps", "5")
    assert done.returncode == 2
    assert b"no option steps" in done.stderr
