"""From approved to acting: one run per attempt at an approved proposal, and one for attempts cut off.

The sensor decides nothing: it asks the gateway what it would say now, and starts a run where it would say
yes. The run asks again, and only that answer counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg

from policies.actors import system_actor
from policies.decisions import Operation, Switch
from policies.gateway import GatewayContract
from policies.ports import Ledger
from policies.proposals import ApprovalKind, Proposal
from resources.clock import Clock
from resources.settings import Settings
from studio_assets.execution.carry_out import Action
from studio_assets.execution.job import (
    ACTION_TAG,
    ATTEMPT_TAG,
    EXECUTION_JOB,
    EXECUTOR,
    PROPOSAL_TAG,
    execution_config,
)

# People wait for it. The daemon looks every 5 seconds; asked for every 5, each other look would be too early.
INTERVAL_SECONDS = 4
RECOVERY_INTERVAL_SECONDS = 30
LOOKED_AT = 100
"""How many waiting proposals one tick looks at, oldest first; a tick must end within a minute."""
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=30)
UNDER_WAY = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
_OPERATIONS: Mapping[ApprovalKind, tuple[Action, Operation]] = {
    ApprovalKind.EXECUTE: (Action.EXECUTE, Operation.EXECUTE),
    ApprovalKind.ROLLBACK: (Action.ROLLBACK, Operation.ROLLBACK),
}


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run of one proposal and action: which attempt it was, whether it is over, and since when."""

    attempt: int
    is_under_way: bool
    ended_at: datetime


def build_execution_sensor(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor that turns approved proposals, and approved rollbacks, into runs.

    Run key: proposal id, action and number of the attempt. The number is there because a proposal whose
    attempt ended without an effect is approved as before, and Dagster never runs a key twice. The same tick
    evaluated twice asks for the same key. Skips while the kill switch is on, and where the gateway would say
    no: in anchor mode, while a check of governance is red, while a quota is used up. Proposes nothing, never
    does anything outside.
    """

    @dg.sensor(
        name="execution_sensor",
        job_name=EXECUTION_JOB,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts one run per approved proposal, and per approved rollback.",
    )
    def execution_sensor(
        context: dg.SensorEvaluationContext,
        ledger: dg.ResourceParam[Ledger],
        gateway: dg.ResourceParam[GatewayContract],
        clock: dg.ResourceParam[Clock],
    ) -> dg.SensorResult | dg.SkipReason:
        waiting = {kind: list(ledger.ready(kind, LOOKED_AT)) for kind in ApprovalKind}
        if not any(waiting.values()):
            return dg.SkipReason("Nothing that is approved waits.")
        now = clock.now()
        proposals, obstacle = _look(ledger, [each for ids in waiting.values() for each in ids], now)
        if obstacle:
            return dg.SkipReason(obstacle)
        requests, waits = [], []
        for kind, ids in waiting.items():
            action, operation = _OPERATIONS[kind]
            runs = _past_runs(context.instance, ids, action)
            for proposal_id in ids:
                attempt = next_attempt(runs.get(proposal_id, ()), now)
                proposal = proposals.get(proposal_id)
                if attempt is None or proposal is None:
                    waits.append(f"{proposal_id} (under way, or just tried)")
                    continue
                actor = system_actor(EXECUTOR, settings.studio_id)
                decision = gateway.explain(actor, operation, proposal.capability_id, proposal_id)
                if not decision.is_allowed:
                    waits.append(f"{proposal_id} ({decision.code}: {decision.sentence})")
                    continue
                requests.append(_request(action, proposal, attempt))
        if not requests:
            return dg.SkipReason(f"{len(waits)} waiting: {'; '.join(waits[:3])}")
        return dg.SensorResult(run_requests=requests)

    return execution_sensor


def build_recovery_sensor(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor that has abandoned attempts looked up once their lease has ended.

    One run at a time, with a pause between two; it repeats no call, so a run too many is harmless. Skips
    while nothing is abandoned. Proposes nothing, never does anything outside.
    """

    @dg.sensor(
        name="recovery_sensor",
        job_name=EXECUTION_JOB,
        minimum_interval_seconds=RECOVERY_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Has the targets asked what became of attempts that were cut off.",
    )
    def recovery_sensor(
        context: dg.SensorEvaluationContext,
        ledger: dg.ResourceParam[Ledger],
        clock: dg.ResourceParam[Clock],
    ) -> dg.RunRequest | dg.SkipReason:
        now = clock.now()
        abandoned = ledger.abandoned(now, LOOKED_AT)
        if not abandoned:
            return dg.SkipReason("No attempt was cut off.")
        past = _past_runs(context.instance, [""], Action.RECOVER).get("", ())
        if any(run.is_under_way or now - run.ended_at < FIRST_PAUSE for run in past):
            return dg.SkipReason("The targets are being asked, or just were.")
        return dg.RunRequest(
            run_config=execution_config(Action.RECOVER),
            tags={ACTION_TAG: Action.RECOVER.value, "studio/id": settings.studio_id},
        )

    return recovery_sensor


def next_attempt(runs: Sequence[PastRun], now: datetime) -> int | None:
    """Return the number of the next attempt, from 1; null while one is under way or was made just now.

    The pause doubles with every attempt. Numbers only grow, also when old runs are forgotten.
    """
    if any(run.is_under_way for run in runs):
        return None
    last = max(runs, key=lambda run: run.attempt, default=None)
    if last is None:
        return 1
    pause = min(FIRST_PAUSE * 2 ** min(last.attempt - 1, 10), LONGEST_PAUSE)
    return None if now - last.ended_at < pause else last.attempt + 1


def _look(
    ledger: Ledger, proposal_ids: Sequence[str], now: datetime
) -> tuple[dict[str, Proposal], str | None]:
    """Return the proposals by id, and what keeps all of them from being executed, in words."""
    found: dict[str, Proposal] = {}
    with ledger.transaction() as transaction:
        for proposal_id in proposal_ids:
            facts = transaction.facts(now=now, capability_id=None, proposal_id=proposal_id)
            if facts.switch.switch is not Switch.OFF:
                return {}, f"The kill switch is {facts.switch.switch}: nothing is executed."
            if facts.proposal is not None:
                found[proposal_id] = facts.proposal
    return found, None


def _past_runs(
    instance: dg.DagsterInstance, proposal_ids: Sequence[str], action: Action
) -> dict[str, list[PastRun]]:
    """Return the runs there were of each proposal; of ``recover``, which has none, under the empty id."""
    tags: dict[str, str | list[str]] = {ACTION_TAG: action.value}
    if action is not Action.RECOVER:
        if not proposal_ids:
            return {}
        tags[PROPOSAL_TAG] = list(proposal_ids)
    records = instance.get_run_records(dg.RunsFilter(job_name=EXECUTION_JOB, tags=tags), limit=LOOKED_AT * 10)
    found: dict[str, list[PastRun]] = {}
    for record in records:
        run = record.dagster_run
        past = PastRun(int(run.tags.get(ATTEMPT_TAG, "1")), run.status in UNDER_WAY, record.update_timestamp)
        found.setdefault(run.tags.get(PROPOSAL_TAG, ""), []).append(past)
    return found


def _request(action: Action, proposal: Proposal, attempt: int) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{proposal.proposal_id}:{action}:{attempt}",
        run_config=execution_config(action, proposal.proposal_id),
        tags={
            PROPOSAL_TAG: proposal.proposal_id,
            ACTION_TAG: action.value,
            ATTEMPT_TAG: str(attempt),
            "studio/capability": proposal.capability_id,
            "studio/id": proposal.studio_id,
        },
    )
