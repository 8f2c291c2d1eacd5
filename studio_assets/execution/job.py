"""The execution job: one approved proposal, one run. Also undoes, and asks targets about abandoned attempts.

The only place in Dagster that gets a gateway whose adapters may write. A run that is started twice, retried,
or started by hand changes nothing that was not approved: the gateway decides everything again.
"""

from typing import Any

import dagster as dg

from policies.actors import system_actor
from policies.gateway import GatewayContract
from policies.proposals import Execution
from resources.settings import Settings
from studio_assets.execution.carry_out import Action, Outcome, carry_out
from studio_assets.keys import EXECUTION

EXECUTION_JOB = "execution_job"
PROPOSAL_TAG = "studio/proposal"
ACTION_TAG = "studio/action"
ATTEMPT_TAG = "studio/attempt"
EXECUTOR = "executor"
"""Name of the system's actor, and of the resource that gives the gateway with writing adapters."""


class ExecutionConfig(dg.Config):
    """What one run does: ``action`` is execute, rollback or recover; recover needs no proposal."""

    proposal_id: str = ""
    action: str = Action.EXECUTE.value


@dg.op(name="carry_out_proposal", tags={"studio/room": EXECUTION})
def carry_out_proposal(
    context: dg.OpExecutionContext,
    config: ExecutionConfig,
    executor: dg.ResourceParam[GatewayContract],
    settings: dg.ResourceParam[Settings],
) -> None:
    """Carry one proposal out, or undo it, or find out what became of abandoned attempts.

    A denial fails the run with the sentence staff read, and is not retried: the sensor starts another run
    when another attempt may help.
    """
    actor = system_actor(EXECUTOR, settings.studio_id)
    outcome = carry_out(
        executor, actor, Action(config.action), config.proposal_id, executor_id=context.run_id
    )
    told = metadata_of(outcome)
    if not outcome.is_success:
        raise dg.Failure(f"{outcome.sentence} ({outcome.code})", metadata=told, allow_retries=False)
    context.add_output_metadata(told)


@dg.job(
    name=EXECUTION_JOB,
    description="Carries out one approved proposal, or undoes it. Every decision is made again here; a "
    "denial fails the run with its reason and changes nothing.",
)
def execution_job() -> None:
    """Carry one proposal out."""
    carry_out_proposal()


def execution_config(action: Action, proposal_id: str = "") -> dict[str, Any]:
    """Return the run configuration of one attempt."""
    config = {"action": action.value, "proposal_id": proposal_id}
    return {"ops": {carry_out_proposal.name: {"config": config}}}


def metadata_of(outcome: Outcome) -> dict[str, Any]:
    """Return what a run shows: codes, ids and states; never a text that a person wrote."""
    told: dict[str, Any] = {"decision": outcome.code, "rule": outcome.rule or "none"}
    if outcome.retry_after_seconds is not None:
        told["retry_after_seconds"] = outcome.retry_after_seconds
    if len(outcome.executions) == 1:
        told |= _facts_of(outcome.executions[0])
    elif outcome.executions:
        rows = [dg.TableRecord(_facts_of(each)) for each in outcome.executions]
        told |= {"attempts": len(rows), "executions": dg.MetadataValue.table(rows)}
    return told


def _facts_of(execution: Execution) -> dict[str, Any]:
    pointer = {
        f"pointer_{name}": value
        for name, value in (execution.pointer or {}).items()
        if isinstance(value, str | int | bool)
    }
    return {
        "proposal": execution.proposal_id,
        "version": execution.version,
        "execution": execution.execution_id,
        "kind": str(execution.kind),
        "state": str(execution.state),
        "fence": execution.fence,
        "input_hash": execution.input_hash,
        **({"failure_code": execution.failure_code} if execution.failure_code else {}),
        **pointer,
    }
