"""One attempt at one proposal, and how it ended in words; pure, over the gateway.

Texts that people wrote never appear here: only codes, ids and the sentences of the rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from policies.actors import Actor
from policies.errors import DeniedError
from policies.gateway import GatewayContract
from policies.ports import LedgerRefusedError
from policies.proposals import Execution, ExecutionState


class Action(StrEnum):
    """What a run of the execution job does."""

    EXECUTE = "execute"
    ROLLBACK = "rollback"
    RECOVER = "recover"


DONE_BEFORE = {Action.EXECUTE: "ALREADY_EXECUTED", Action.ROLLBACK: "ALREADY_ROLLED_BACK"}
"""Codes that say that what was asked for is so already: a repeated run is then no failure."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        is_success: Whether what was asked for is so now.
        code: The decision's code, the ledger's or the target's; ``ALLOWED`` when all went well.
        sentence: What staff read in the run.
        rule: The rule that decided; empty where none did.
        retry_after_seconds: Seconds until another attempt may help; null when time does not help.
        executions: What the run did or found out, oldest first.
    """

    is_success: bool
    code: str
    sentence: str
    rule: str = ""
    retry_after_seconds: int | None = None
    executions: Sequence[Execution] = ()


def carry_out(
    gateway: GatewayContract, actor: Actor, action: Action, proposal_id: str, *, executor_id: str
) -> Outcome:
    """Do what was asked, once, and say how it ended.

    Args:
        gateway: The gateway with the adapters that may write.
        actor: The system's executor.
        action: What to do.
        proposal_id: The proposal; ignored by ``recover``, which looks at all abandoned attempts.
        executor_id: Who holds the lease: the id of the Dagster run.

    A denial is an outcome, not an error. Errors of the database itself are raised.
    """
    try:
        if action is Action.RECOVER:
            return _recovered(gateway.recover(actor, executor_id=executor_id))
        if action is Action.EXECUTE:
            return _attempted(gateway.execute(actor, proposal_id, executor_id=executor_id))
        return _attempted(gateway.rollback(actor, proposal_id, executor_id=executor_id))
    except DeniedError as error:
        decision = error.decision
        return Outcome(
            decision.code == DONE_BEFORE.get(action),
            decision.code,
            decision.sentence,
            decision.rule,
            decision.retry_after_seconds,
        )
    except LedgerRefusedError as error:
        return Outcome(
            is_success=False,
            code=error.code,
            sentence="Somebody else changed the proposal at the same moment, so nothing was done here. "
            "If it is still approved, it is tried again.",
        )


def _attempted(execution: Execution) -> Outcome:
    state = execution.state
    sentence = {
        ExecutionState.SUCCEEDED: "Done, and recorded.",
        ExecutionState.FAILED: "The target refused it, so there is certainly no effect. To try again, the "
        "proposal must be reopened and approved again.",
        ExecutionState.INTENT: "The target did not answer clearly. It is not called again: when the lease "
        "has ended, recovery asks it what happened.",
        ExecutionState.RELEASED: "The target was not called. The proposal is approved as before.",
    }[state]
    is_success = state is ExecutionState.SUCCEEDED
    code = "ALLOWED" if is_success else execution.failure_code or str(state).upper()
    rule = ("exemption-stands-in" if execution.exemption_id else "all-rules-passed") if is_success else ""
    return Outcome(is_success, code, sentence, rule, executions=(execution,))


def _recovered(executions: Sequence[Execution]) -> Outcome:
    return Outcome(
        is_success=True,
        code="ALLOWED",
        sentence=f"The targets were asked about {len(executions)} abandoned attempts."
        if executions
        else "Nothing was abandoned.",
        executions=tuple(executions),
    )
