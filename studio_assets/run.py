"""Making the snapshot of one studio-local day in this process, and saying plainly how it went.

Today's is made by the main job. A past day is rebuilt by a smaller one, without what only the present has.
Used by ``studio snapshot``, by the filler of past days, and by tests. The run is a real one: the given
instance records it as it does those of the daemon. Nothing is imported until it is needed, so that the cost
of importing can be told from the cost of the run.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from resources.clock import Clock, SystemClock, local_date
from resources.connectors.access import DeviceAccess
from resources.firestore.gateway import DocumentSource
from resources.postgres.device_readings import DeviceReadings
from resources.postgres.drafts import Drafts
from resources.postgres.findings import Findings
from resources.postgres.history import History
from resources.postgres.triage import TriageSuggestions
from resources.raw_store import RawStore
from resources.rows import ReadMode, SnapshotDiff, SourceRead
from resources.settings import Settings
from resources.stripe.gateway import PaymentSource
from studio_assets.run_book import CheckOutcome, OnProgress, RunBook
from studio_assets.studio_state.drift import DriftReport

if TYPE_CHECKING:
    from dagster import DagsterInstance, ExecuteInProcessResult, JobDefinition
    from dagster_shared.error import SerializableErrorInfo

PHASES = ("import", "read", "checks", "snapshot", "hash", "diff", "drift", "dagster", "total")
INTERRUPTED = (
    "The run was asked to stop before it was through. What was finished is kept, and the last good state "
    "stands. Run it again."
)
_INTERRUPTIONS = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")


@dataclass(frozen=True, slots=True)
class Doors:
    """Ready-made doors for a run; null means the live one of the settings. Whoever gives one closes it."""

    documents: DocumentSource | None = None
    payments: PaymentSource | None = None
    history: History | None = None
    raw: RawStore | None = None
    clock: Clock | None = None
    devices: DeviceAccess | None = None
    device_readings: DeviceReadings | None = None
    findings: Findings | None = None
    drafts: Drafts | None = None
    triage_suggestions: TriageSuggestions | None = None


@dataclass(frozen=True, slots=True)
class SnapshotRun:
    """How one run of the main job, or of the one that rebuilds a past day, went.

    Attributes:
        success: Whether every step succeeded; only then is there a ``snapshot``.
        run_id: Dagster's id of the run.
        snapshot_date: The studio-local day.
        snapshot: The v3.2 document of *this* run (its read times and costs), or null.
        revision: The revision that stands for the day, or null.
        is_new: Whether this run made that revision; false when the cloud said the same as before.
        content_hash: Hash of what the cloud says, or null.
        sources: Every read of this run by collection, failed ones included.
        diff: The standing revision against the snapshot before it, or null.
        drift: Comparison with the source's own counts, or null.
        quarantined: Documents set aside, all collections together.
        checks: Every check that was judged, in order.
        phases: Wall seconds by phase (``PHASES``); ``dagster`` is what no phase accounts for.
        errors: What went wrong, in words for a person; empty on success.
        is_interrupted: Whether this process was asked to stop meanwhile. Dagster takes the signal for itself,
            so whoever has more to do must look here and stop.
    """

    success: bool
    run_id: str
    snapshot_date: date
    snapshot: Mapping[str, Any] | None
    revision: int | None
    is_new: bool
    content_hash: str | None
    sources: Mapping[str, SourceRead]
    diff: SnapshotDiff | None
    drift: DriftReport | None
    quarantined: int
    checks: Sequence[CheckOutcome]
    phases: Mapping[str, float]
    errors: Sequence[str] = field(default=())
    is_interrupted: bool = False

    @property
    def checks_passed(self) -> int:
        """Return how many checks held."""
        return sum(check.holds for check in self.checks)

    @property
    def checks_failed(self) -> Sequence[CheckOutcome]:
        """Return the checks that did not hold, blocking ones first."""
        failed = [check for check in self.checks if not check.holds]
        return sorted(failed, key=lambda check: not check.is_blocking)


def run_snapshot(
    instance: "DagsterInstance",
    settings: Settings,
    *,
    snapshot_date: date | None = None,
    mode: str = ReadMode.FULL.value,
    on_progress: OnProgress | None = None,
    doors: Doors | None = None,
) -> SnapshotRun:
    """Run the main job for one studio-local day in this process; for a past day the one that rebuilds it.

    Args:
        instance: Where the run is recorded.
        settings: The studio's settings.
        snapshot_date: The day; today by default.
        mode: ``full``, or ``incremental`` to read only what changed where that is provable.
        on_progress: Told how far each phase is, also from reading threads.
        doors: Ready-made doors, for tests and for callers that run many days in a row.

    Never raises for what the cloud or a check says: that is in ``errors``.
    """
    doors = doors or Doors()
    started = time.perf_counter()
    from studio_assets.jobs import REBUILD_JOB, SNAPSHOT_JOB  # noqa: PLC0415 - timed as the import phase
    from studio_assets.resources import Overrides, build_resources  # noqa: PLC0415 - as above

    today = local_date((doors.clock or SystemClock()).now(), settings.timezone)
    day = snapshot_date or today
    book = RunBook(on_progress=on_progress)
    given = {field.name: getattr(doors, field.name) for field in fields(doors)}
    resources = build_resources(settings, Overrides(**given, run_book=book))
    job = _job(settings, REBUILD_JOB if day < today else SNAPSHOT_JOB)
    book.seconds["import"] = time.perf_counter() - started
    result = job.execute_in_process(
        instance=instance,
        partition_key=day.isoformat(),
        raise_on_error=False,
        resources=resources,
        tags={"studio/reason": "by hand"},
        run_config={
            "ops": {"read_cloud_truth": {"config": {"mode": mode}}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
    )
    return _report(result, book, day, time.perf_counter() - started)


@lru_cache(maxsize=2 * 2)
def _job(settings: Settings, name: str) -> "JobDefinition":
    """Return a job of a studio, resolved once: that costs more than reading a small studio does.

    Its doors are live ones, which are made per run, so what is kept holds nothing open.
    """
    from studio_assets.definitions import build_defs  # noqa: PLC0415 - imports all domains

    return build_defs(settings).resolve_job_def(name)


def _report(result: "ExecuteInProcessResult", book: RunBook, day: date, total: float) -> SnapshotRun:
    stored = book.snapshot if result.success else None
    is_interrupted = not result.success and _is_interrupted(result)
    return SnapshotRun(
        success=result.success,
        run_id=result.run_id,
        snapshot_date=day,
        snapshot=book.payload if stored else None,
        revision=stored.revision if stored else None,
        is_new=book.is_new,
        content_hash=stored.content_hash if stored else None,
        sources=dict(book.reads),
        diff=book.diff,
        drift=book.drift,
        quarantined=sum(len(read.quarantined) for read in book.reads.values()),
        checks=tuple(book.checks),
        phases=_phases(book, total),
        errors=(INTERRUPTED,) if is_interrupted else () if result.success else _errors(result, book),
        is_interrupted=is_interrupted,
    )


def _is_interrupted(result: "ExecuteInProcessResult") -> bool:
    """Return whether a signal ended the run, within a step or between two."""
    ends = (event.event_specific_data for event in result.all_events if event.is_failure)
    errors = (getattr(end, "error", None) for end in ends)
    return any(error is not None and _root(error).cls_name in _INTERRUPTIONS for error in errors)


def _phases(book: RunBook, total: float) -> dict[str, float]:
    spent = dict(book.seconds)
    spent["snapshot"] = spent.get("snapshot", 0.0) - spent.get("hash", 0.0)
    spent["dagster"] = max(0.0, total - sum(spent.values()))
    spent["total"] = total
    return {phase: round(spent.get(phase, 0.0), 3) for phase in PHASES}


def _errors(result: "ExecuteInProcessResult", book: RunBook) -> tuple[str, ...]:
    """Return one sentence per cause: reads first, then failed steps, then blocking checks."""
    found = [f"{read.name}: {read.reason}" for read in book.reads.values() if read.reason]
    for event in result.get_step_failure_events():
        data = event.step_failure_data
        user = data.user_failure_data
        if user is not None and user.description:
            found.append(user.description)
        elif data.error is not None and not _is_check_failure(data.error.cls_name):
            found.append(f"The step {event.step_key} failed: {_root_message(data.error)}")
    found.extend(
        f"{check.asset} breaks {check.check}: {'; '.join(check.notes)}."
        for check in book.checks
        if check.is_blocking and not check.holds and check.check != "read_is_complete"
    )
    return tuple(dict.fromkeys(found)) or ("The run failed before anything was read.",)


def _root_message(error: "SerializableErrorInfo") -> str:
    lines = _root(error).message.strip().splitlines() or ["no reason given"]
    return lines[0]


def _root(error: "SerializableErrorInfo") -> "SerializableErrorInfo":
    """Return the innermost error; Dagster wraps ours in its own."""
    while error.cause is not None:
        error = error.cause
    return error


def _is_check_failure(error_class: str | None) -> bool:
    return error_class == "DagsterAssetCheckFailedError"
