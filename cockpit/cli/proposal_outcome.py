"""What became of a proposal: shown as it is now, or waited for until it is what was wished for.

No command writes outside by itself: the instance starts a Dagster run, and here is only looked on.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cockpit.cli.desk_words import (
    approval_told,
    decision_told,
    entry_told,
    execution_told,
    proposal_lines,
    proposal_told,
    visible,
)
from cockpit.cli.options import print_json
from cockpit.desk import Desk, open_desk
from cockpit.home import read_home
from cockpit.instance import running_instance
from policies.actors import Actor, system_actor
from policies.checks_who import EXECUTOR_NAME
from policies.decisions import Decision, Operation
from policies.proposals import ApprovalKind, Execution, ExecutionState, Proposal, ProposalState

LOOK_SECONDS: Final = 0.5
_UNDER_WAY: Final = "ALREADY_EXECUTING"


def show_proposal(
    desk: Desk, proposal: Proposal, *, is_json: bool, extra: Mapping[str, Any] | None = None
) -> None:
    """Show everything about a proposal; ``extra`` is added to the JSON object."""
    approvals = desk.ledger.approvals(proposal.proposal_id)
    executions = desk.ledger.executions(proposal.proposal_id)
    events = desk.events("proposal", proposal.proposal_id)
    if is_json:
        told = proposal_told(proposal)
        told["approvals"] = [approval_told(each) for each in approvals]
        told["executions"] = [execution_told(each) for each in executions]
        told["audit"] = [entry_told(each) for each in events]
        print_json({**told, **(extra or {})})
    else:
        lines = proposal_lines(proposal, approvals, executions, events, desk.settings.timezone)
        print("\n".join(lines))


def await_outcome(
    home: Path | None,
    actor: Actor,
    proposal_id: str,
    *,
    wanted: ProposalState,
    seconds: int,
    is_json: bool,
) -> int:
    """Wait until a proposal is executed, or rolled back, and show it. Returns the exit code: 0 only then.

    Gives up when the seconds are over, when nothing runs that could do it, when the rules say no, and when
    the attempt at what was last approved has failed.
    """
    with open_desk(home, actor) as desk:
        seen = desk.proposal(proposal_id)
        is_running = running_instance(read_home(desk.settings.home)) is not None
        deadline = time.monotonic() + (seconds if is_running else 0)
        while True:
            decision = _decision(desk, seen, wanted)
            # Read after the decision: what it calls done already may have been done just now.
            seen = desk.proposal(seen.proposal_id)
            is_under_way = decision.code == _UNDER_WAY or seen.state is ProposalState.EXECUTING
            failed = _failed(desk, seen, wanted)
            is_coming = (decision.is_allowed and failed is None) or is_under_way
            if seen.state is wanted or not is_coming or time.monotonic() >= deadline:
                break
            time.sleep(LOOK_SECONDS)
        is_done = seen.state is wanted
        told = {} if is_done else {"decision": decision_told(decision), "isInstanceRunning": is_running}
        show_proposal(desk, seen, is_json=is_json, extra=told)
        if not is_done and not is_json:
            print(_why_not(decision, wanted, failed, is_running=is_running))
        return 0 if is_done else 1


def _failed(desk: Desk, seen: Proposal, wanted: ProposalState) -> Execution | None:
    """Return the attempt that failed since what is wished for was last approved; null when none has."""
    kind = ApprovalKind.EXECUTE if wanted is ProposalState.EXECUTED else ApprovalKind.ROLLBACK
    approved = [each.at for each in desk.ledger.approvals(seen.proposal_id) if each.kind is kind]
    attempts = [each for each in desk.ledger.executions(seen.proposal_id) if each.kind is kind]
    newest = attempts[-1] if attempts else None
    if newest is None or newest.state is not ExecutionState.FAILED:
        return None
    return None if approved and max(approved) > newest.started_at else newest


def _decision(desk: Desk, seen: Proposal, wanted: ProposalState) -> Decision:
    operation = Operation.EXECUTE if wanted is ProposalState.EXECUTED else Operation.ROLLBACK
    executor = system_actor(EXECUTOR_NAME, desk.settings.studio_id)
    return desk.gateway.explain(executor, operation, seen.capability_id, seen.proposal_id)


def _why_not(decision: Decision, wanted: ProposalState, failed: Execution | None, *, is_running: bool) -> str:
    what = f"Not {wanted.replace('_', ' ')}"
    if decision.is_allowed and failed is not None:
        why = visible(failed.failure or "the attempt failed.")
        return f"{what}: {why} ({failed.failure_code}) Nobody tries again unless somebody asks for it again."
    if not decision.is_allowed:
        wait = decision.retry_after_seconds
        again = "" if wait is None else f" Trying again may help in {wait} s."
        return f"{what}: {decision.sentence} ({decision.code}){again}"
    if is_running:
        return f"{what} yet, and nothing stands in its way; ./studio status shows whether all parts run."
    return f"{what} yet: no instance is running; ./studio up carries approved proposals out."
