"""The jobs of a studio: the snapshot of today, the rebuilding of past days, governance, forgetting.

What carries out approved proposals is in ``execution.job``.

Forgetting is bounded: raw files beyond their retention that no current read rests on, and runs of Dagster
that a later run of the same day has replaced. History in PostgreSQL is never deleted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from resources.clock import Clock
from resources.postgres.history import History
from resources.raw_store import RawStore
from resources.rows import Completeness
from resources.settings import Settings
from studio_assets.contracts import catalog
from studio_assets.keys import (
    CLOUD_TRUTH,
    CONNECTOR_HEALTH,
    FINANCE,
    GOVERNED,
    MARKETING,
    OPERATIONS,
    STUDIO_STATE,
    TRUST_SAFETY,
    cloud_truth_key,
    governance_key,
    studio_state_key,
)

SNAPSHOT_JOB = "snapshot_job"
REBUILD_JOB = "rebuild_job"
RETENTION_JOB = "retention_job"
OBSERVE_GOVERNANCE_JOB = "observe_governance_job"
PARTITION_TAG = "dagster/partition"

REPLACED_RUNS_KEPT = timedelta(days=3)
"""How long runs stay that a later run of the same day has replaced; long enough to see what happened."""
RUNS_FORGOTTEN_AT_ONCE = 500

_ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def build_snapshot_job(settings: Settings) -> UnresolvedAssetJobDefinition:
    """Return the main job: cloud truth, StudioState, findings and their checks, of one studio-local day."""
    return dg.define_asset_job(
        SNAPSHOT_JOB,
        selection=dg.AssetSelection.groups(
            *(CLOUD_TRUTH, STUDIO_STATE, OPERATIONS, FINANCE, MARKETING, TRUST_SAFETY)
        ),
        description="Reads the studio's cloud and devices and derives StudioState of one studio-local day.",
        tags={"studio/id": settings.studio_id},
    )


def build_rebuild_job(settings: Settings) -> UnresolvedAssetJobDefinition:
    """Return the job that rebuilds a past day: its cloud truth and StudioState, and their checks.

    Findings, drafts and devices tell of the present, so nothing of them is made for a day that is over. How
    the connectors were is: the snapshot of a day says so, from what was read of them on that day.
    """
    studio = settings.studio_id
    read = [cloud_truth_key(studio, contract.name) for contract in catalog.ALL]
    derived = [studio_state_key(studio, thing) for thing in ("snapshot", "diff", "drift")]
    return dg.define_asset_job(
        REBUILD_JOB,
        selection=dg.AssetSelection.assets(*read, cloud_truth_key(studio, CONNECTOR_HEALTH), *derived),
        description="Rebuilds StudioState of a day that is over from what the cloud still knows of its end.",
        tags={"studio/id": studio},
    )


def build_governance_job(settings: Settings) -> UnresolvedAssetJobDefinition:
    """Return the job that observes proposals and audit log, and judges the standing checks."""
    observed = [governance_key(settings.studio_id, thing) for thing in GOVERNED]
    return dg.define_asset_job(
        OBSERVE_GOVERNANCE_JOB,
        selection=dg.AssetSelection.assets(*observed) | dg.AssetSelection.checks_for_assets(*observed),
        description="Observes proposals and the audit log, and judges what must hold of them at any time.",
        tags={"studio/id": settings.studio_id},
    )


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that is over: its job, its day (null outside of partitions), whether it succeeded, its end."""

    run_id: str
    job: str
    partition: str | None
    is_success: bool
    ended_at: datetime


def replaced_runs(runs: Iterable[EndedRun], *, now: datetime) -> list[str]:
    """Return the ids of runs that may be forgotten, oldest first.

    The newest success of every job and day stays for ever: Dagster knows by it what of the day is
    materialized. Other runs stay for ``REPLACED_RUNS_KEPT``.
    """
    ordered = sorted(runs, key=lambda run: run.ended_at)
    newest = {(run.job, run.partition): run.run_id for run in ordered if run.is_success}
    kept, limit = set(newest.values()), now - REPLACED_RUNS_KEPT
    return [run.run_id for run in ordered if run.ended_at < limit and run.run_id not in kept]


@dg.op
def forget_raw_reads(
    context: dg.OpExecutionContext,
    history: dg.ResourceParam[History],
    raw: dg.ResourceParam[RawStore],
    clock: dg.ResourceParam[Clock],
    settings: dg.ResourceParam[Settings],
) -> None:
    """Delete raw files older than the retention, except those of the newest full reads."""
    newest = history.latest_reads(completeness=Completeness.FULL)
    keep = [read.raw_url for read in newest if read.raw_url is not None]
    gone = raw.prune(settings.raw_retention_days, keep, now=clock.now())
    context.add_output_metadata({"files_deleted": len(gone), "retention_days": settings.raw_retention_days})


@dg.op
def forget_replaced_runs(context: dg.OpExecutionContext, clock: dg.ResourceParam[Clock]) -> None:
    """Delete the event logs of runs that a later run of the same day has replaced."""
    gone = replaced_runs(_ended_runs(context.instance), now=clock.now())[:RUNS_FORGOTTEN_AT_ONCE]
    for run_id in gone:
        context.instance.delete_run(run_id)
    context.add_output_metadata({"runs_deleted": len(gone)})


def _ended_runs(instance: dg.DagsterInstance) -> Sequence[EndedRun]:
    records = instance.get_run_records(dg.RunsFilter(statuses=list(_ENDED)))
    return [
        EndedRun(
            run_id=record.dagster_run.run_id,
            job=record.dagster_run.job_name,
            partition=record.dagster_run.tags.get(PARTITION_TAG),
            is_success=record.dagster_run.status is dg.DagsterRunStatus.SUCCESS,
            ended_at=record.update_timestamp,
        )
        for record in records
    ]


@dg.job(name=RETENTION_JOB, description="Forgets raw files and replaced runs that nobody needs any more.")
def retention_job() -> None:
    """Forget what has outlived its use; history stays."""
    forget_raw_reads()
    forget_replaced_runs()
