"""How one attempt ends, in words and codes: every answer of the gateway has one."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from policies.actors import system_actor
from policies.errors import DeniedError
from policies.ports import LedgerRefusedError
from policies.proposals import ApprovalKind, Execution, ExecutionState
from policies.rules import deny
from studio_assets.execution.carry_out import Action, carry_out
from studio_assets.execution.job import metadata_of

NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
EXECUTOR = system_actor("executor", "monsoonfire")
DONE = Execution(
    execution_id="exe_1",
    proposal_id="prp_1",
    version=1,
    kind=ApprovalKind.EXECUTE,
    state=ExecutionState.SUCCEEDED,
    input_hash="ab" * 32,
    idempotency_key="prp_1",
    executor_id="run-1",
    fence=1,
    lease_until=NOW,
    started_at=NOW,
    pointer={"collection": "notes", "docId": "n1", "replayed": False, "nested": {"no": "thanks"}},
)


class Gateway:
    """Answers every call with the same result or error."""

    def __init__(self, answer):
        self.answer, self.calls = answer, []

    def _say(self, name, *given, **more):
        self.calls.append((name, *given, more))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def execute(self, *given, **more):
        return self._say("execute", *given, **more)

    def rollback(self, *given, **more):
        return self._say("rollback", *given, **more)

    def recover(self, *given, **more):
        return self._say("recover", *given, **more)


def run(answer, action=Action.EXECUTE):
    return carry_out(Gateway(answer), EXECUTOR, action, "prp_1", executor_id="run-1")


@pytest.mark.parametrize("action", [Action.EXECUTE, Action.ROLLBACK])
def test_an_effect_is_a_success_with_its_pointer(action):
    gateway = Gateway(DONE)
    outcome = carry_out(gateway, EXECUTOR, action, "prp_1", executor_id="run-1")
    assert gateway.calls == [(action.value, EXECUTOR, "prp_1", {"executor_id": "run-1"})]
    assert outcome.is_success
    told = metadata_of(outcome)
    assert told["decision"] == "ALLOWED"
    assert told["pointer_docId"] == "n1"
    assert "pointer_nested" not in told


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (ExecutionState.FAILED, "PRECONDITION_FAILED"),
        (ExecutionState.INTENT, "TIMEOUT"),
        (ExecutionState.RELEASED, None),
    ],
)
def test_what_did_not_happen_or_is_not_known_fails_the_run_without_the_targets_words(state, code):
    """The target's message may quote member-written text; only its code is told."""
    found = replace(DONE, state=state, failure_code=code, failure="CANARY words", pointer=None)
    outcome = run(found)
    assert not outcome.is_success
    assert outcome.code == (code or "RELEASED")
    assert "CANARY" not in repr(metadata_of(outcome)) + outcome.sentence


def test_a_denial_is_an_outcome_with_its_rule_and_when_to_try_again():
    outcome = run(DeniedError(deny("snapshot-present", 300)))
    assert not outcome.is_success
    told = metadata_of(outcome)
    assert (told["decision"], told["rule"], told["retry_after_seconds"]) == (
        "SNAPSHOT_MISSING",
        "snapshot-present",
        300,
    )


@pytest.mark.parametrize(
    ("action", "rule", "is_success"),
    [
        (Action.EXECUTE, "state-executed", True),
        (Action.EXECUTE, "state-rolled-back", False),
        (Action.ROLLBACK, "state-rolled-back", True),
    ],
)
def test_a_run_that_is_repeated_after_the_effect_is_no_failure(action, rule, is_success):
    assert run(DeniedError(deny(rule)), action).is_success is is_success


def test_being_second_is_told_and_changes_nothing():
    outcome = run(LedgerRefusedError("CANARY", code="STATE_CHANGED"))
    assert (outcome.is_success, outcome.code) == (False, "STATE_CHANGED")
    assert "CANARY" not in outcome.sentence


def test_the_database_going_away_is_an_error_not_an_outcome():
    with pytest.raises(ConnectionError):
        run(ConnectionError("gone"))


@pytest.mark.parametrize("found", [(), (DONE,), (DONE, replace(DONE, execution_id="exe_2"))])
def test_recovery_tells_what_it_found(found):
    outcome = run(found, Action.RECOVER)
    assert outcome.is_success
    assert outcome.executions == found
    assert "decision" in metadata_of(outcome)
