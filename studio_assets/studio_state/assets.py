"""StudioState in Dagster: snapshot, diff and drift of one studio-local day, each derived from the one before.

Nothing is derived from a stale or partial read: the step refuses with a plain sentence, writes nothing, and
the last good snapshot stays current.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import dagster as dg

from resources.clock import Clock, instant_text, local_date, parse_instant
from resources.firestore.gateway import DocumentSource
from resources.postgres.history import History
from resources.raw_store import RawStore
from resources.rows import Completeness, Snapshot, SourceRead
from resources.settings import Settings
from studio_assets.automation import on_new_content
from studio_assets.contracts import catalog
from studio_assets.derived import RETRY, data_version, derived_spec, stored_in
from studio_assets.devices.events import newest_connector_reads
from studio_assets.devices.reading import unread
from studio_assets.devices.section import ConnectorRead, section
from studio_assets.keys import CONNECTOR_HEALTH, STUDIO_STATE, cloud_truth_key, studio_state_key
from studio_assets.run_book import RunBook
from studio_assets.studio_state import events
from studio_assets.studio_state.counters import COUNTERS, count_state
from studio_assets.studio_state.diff import compare
from studio_assets.studio_state.drift import DriftReport, ask_source, drift_event, measure
from studio_assets.studio_state.inputs import newest_reads, read_tables, spread_warning, usable_reads
from studio_assets.studio_state.model import TooMuchToKeepError
from studio_assets.studio_state.snapshot import (
    IncompleteSourcesError,
    as_of_reads,
    assemble,
    content_hash,
    flat_counters,
)

SNAPSHOT_VERSION = "snapshot-v3.2-1"
DIFF_VERSION = "diff-1"
DRIFT_VERSION = "drift-1"
NEXT_DAYS_LOOKED_AT = 62
WRITE_POOL = "studio_state"


def build_studio_state(settings: Settings) -> list[dg.AssetsDefinition]:
    """Return the assets ``snapshot``, ``diff`` and ``drift`` of a studio."""
    return [_build_snapshot(settings), _build_diff(settings), _build_drift(settings)]


def _spec(
    settings: Settings, name: str, deps: list[dg.AssetKey], *, version: str, views: str, description: str
) -> dg.AssetSpec:
    return derived_spec(
        settings,
        studio_state_key(settings.studio_id, name),
        deps=deps,
        description=description,
        group_name=STUDIO_STATE,
        code_version=version,
        kinds={"postgres"},
        automation_condition=on_new_content(),
        metadata=stored_in(views),
    )


def _build_snapshot(settings: Settings) -> dg.AssetsDefinition:
    spec = _spec(
        settings,
        "snapshot",
        [
            cloud_truth_key(settings.studio_id, name)
            for name in (*(contract.name for contract in catalog.ALL), CONNECTOR_HEALTH)
        ],
        version=SNAPSHOT_VERSION,
        views="analytics.snapshots",
        description=_snapshot_description(),
    )

    @dg.multi_asset(name="derive_snapshot", specs=[spec], pool=WRITE_POOL, retry_policy=RETRY)
    def derive_snapshot(
        context: dg.AssetExecutionContext,
        history: dg.ResourceParam[History],
        raw: dg.ResourceParam[RawStore],
        clock: dg.ResourceParam[Clock],
        run_book: dg.ResourceParam[RunBook],
    ) -> dg.MaterializeResult[Any]:
        day = date.fromisoformat(context.partition_key)
        run_id = context.op_execution_context.run_id
        with run_book.timed("snapshot"):
            try:
                newest = newest_reads(history, day, run_id)
                devices = newest_connector_reads(history, day, run_id=run_id) or unread(settings)
                reads, payload = _derive(settings, day, newest, devices, raw, clock, run_book)
            except (IncompleteSourcesError, TooMuchToKeepError) as error:
                run_book.problems.extend(error.problems)
                history.record_event(
                    events.blocked(day.isoformat(), error.problems, at=clock.now(), run_id=run_id)
                )
                raise dg.Failure(str(error), allow_retries=False) from error
            with run_book.timed("hash"):
                digest = content_hash(payload)
            units = {counter.path: counter.unit for counter in COUNTERS}
            stored, is_new = history.append_snapshot(
                day,
                digest,
                payload,
                {path: (value, units.get(path, "devices")) for path, value in flat_counters(payload).items()},
                observed_at=clock.now(),
                run_id=run_id,
                code_version=SNAPSHOT_VERSION,
            )
            if stored.content_hash != digest:  # another run has kept a later state of this day meanwhile
                digest, payload = stored.content_hash, dict(stored.payload)
            as_of = parse_instant(payload["asOf"])
            history.record_event(
                events.confirmed(stored, as_of=as_of, is_new=is_new, at=clock.now(), run_id=run_id)
            )
        run_book.payload, run_book.snapshot, run_book.is_new = payload, stored, is_new
        run_book.tell("snapshot", "snapshot", 1, 1)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(digest),
            metadata=_snapshot_metadata(payload, reads, stored, is_new=is_new),
            tags={"studio/completeness": Completeness.FULL.value},
        )

    return derive_snapshot


def _derive(  # noqa: PLR0917 - the doors of one step, in one order everywhere
    settings: Settings,
    day: date,
    newest: list[SourceRead],
    devices: list[ConnectorRead],
    raw: RawStore,
    clock: Clock,
    run_book: RunBook,
) -> tuple[dict[str, SourceRead], dict[str, Any]]:
    """Return the reads of a day and the document derived from them."""
    reads = usable_reads(
        newest,
        day,
        now=clock.now(),
        timezone=settings.timezone,
        stale_minutes=settings.snapshot_stale_minutes,
    )
    state = count_state(read_tables(reads, raw), as_of_reads(reads.values()), settings.timezone)
    state = replace(state, warnings=(*state.warnings, *spread_warning(reads.values())))
    payload = assemble(
        snapshot_date=day,
        timezone=settings.timezone,
        generated_at=clock.now(),
        state=state,
        reads=reads,
        devices=section(devices, state.as_of, settings.device_stale_minutes),
        durations_ms={phase: round(seconds * 1000) for phase, seconds in run_book.seconds.items()},
    )
    return reads, payload


def _build_diff(settings: Settings) -> dg.AssetsDefinition:
    spec = _spec(
        settings,
        "diff",
        [studio_state_key(settings.studio_id, "snapshot")],
        version=DIFF_VERSION,
        views="analytics.diffs",
        description="One row per counter that differs from the snapshot before, signed (new minus old), "
        "with both as-of times. The snapshot before is the latest earlier revision or day.",
    )

    @dg.multi_asset(name="compare_snapshots", specs=[spec], pool=WRITE_POOL, retry_policy=RETRY)
    def compare_snapshots(
        context: dg.AssetExecutionContext,
        history: dg.ResourceParam[History],
        clock: dg.ResourceParam[Clock],
        run_book: dg.ResourceParam[RunBook],
    ) -> dg.MaterializeResult[Any]:
        day = date.fromisoformat(context.partition_key)
        run_id = context.op_execution_context.run_id
        with run_book.timed("diff"):
            snapshot = _stored(history, day)
            found = compare(history.previous_snapshot(snapshot), snapshot)
            history.append_diff(found, clock.now(), run_id, DIFF_VERSION)
            follower = _next_snapshot(history, day, local_date(clock.now(), settings.timezone))
            if follower is not None:
                # A day filled in later changes what the following day is compared with.
                repaired = compare(history.previous_snapshot(follower), follower)
                history.append_diff(repaired, clock.now(), run_id, DIFF_VERSION)
        run_book.diff = found
        run_book.tell("diff", "diff", 1, 1)
        rows = [
            dg.TableRecord({"counter": c.counter, "old": c.old, "new": c.new, "delta": c.delta})
            for c in found.changes
        ]
        since = (
            "nothing before" if found.from_read_at is None else f"{found.from_date} r{found.from_revision}"
        )
        metadata: dict[str, Any] = {
            "origin": f"Derived from cloud: snapshot {day} r{snapshot.revision} against {since}",
            "as_of": dg.MetadataValue.timestamp(found.to_read_at),
            "changed_counters": len(found.changes),
            "changed_sources": len(found.sources_changed),
            "sources_changed": ", ".join(found.sources_changed) or "none",
            "dagster/row_count": len(found.changes),
        }
        if found.from_read_at is not None:
            metadata["compared_with_as_of"] = dg.MetadataValue.timestamp(found.from_read_at)
        if rows:
            metadata["changes"] = dg.MetadataValue.table(rows)
        return dg.MaterializeResult(
            data_version=data_version(
                ([(c.counter, c.old, c.new) for c in found.changes], found.sources_changed, since)
            ),
            metadata=metadata,
        )

    return compare_snapshots


def _build_drift(settings: Settings) -> dg.AssetsDefinition:
    spec = _spec(
        settings,
        "drift",
        [studio_state_key(settings.studio_id, "snapshot")],
        version=DRIFT_VERSION,
        views="analytics.drift",
        description="One row per counter that the source could answer itself, by its own counts at the "
        "instant of the read. A difference beyond the threshold is an operational event.",
    )

    @dg.multi_asset(name="measure_drift", specs=[spec], pool=WRITE_POOL, retry_policy=RETRY)
    def measure_drift(
        context: dg.AssetExecutionContext,
        documents: dg.ResourceParam[DocumentSource],
        history: dg.ResourceParam[History],
        clock: dg.ResourceParam[Clock],
        run_book: dg.ResourceParam[RunBook],
    ) -> dg.MaterializeResult[Any]:
        day = date.fromisoformat(context.partition_key)
        run_id = context.op_execution_context.run_id
        with run_book.timed("drift"):
            snapshot = _stored(history, day)
            newest = newest_reads(history, day, run_id)
            if as_of_reads(newest) < parse_instant(snapshot.payload["asOf"]):
                newest = history.latest_reads(snapshot_date=day)  # the snapshot is another run's, and later
            reads = {read.name: read for read in newest if read.completeness is Completeness.FULL}
            as_of = as_of_reads(reads.values())
            report = measure(
                flat_counters(snapshot.payload),
                reads,
                ask_source(documents, reads),
                as_of=as_of,
                threshold=settings.drift_threshold,
                concurrency=settings.read_concurrency,
            )
            is_news = history.append_drift(snapshot, report.metrics, clock.now(), run_id, DRIFT_VERSION)
            event = drift_event(report, at=clock.now(), run_id=run_id)
            if event is not None and is_news:
                history.record_event(event)
        run_book.drift = report
        run_book.tell("drift", "drift", 1, 1)
        return dg.MaterializeResult(
            data_version=data_version(([(m.metric, m.expected, m.observed) for m in report.metrics],)),
            metadata={
                "origin": f"Derived from cloud: Firestore's own counts as of {instant_text(as_of)}",
                "as_of": dg.MetadataValue.timestamp(as_of),
                **_drift_metadata(report),
            },
        )

    return measure_drift


def _stored(history: History, day: date) -> Snapshot:
    snapshot = history.current_snapshot(day)
    if snapshot is None:
        raise dg.Failure(
            f"There is no snapshot of {day} yet, so there is nothing to look at. Make one first: materialize "
            "studio_state/snapshot for that day.",
            allow_retries=False,
        )
    return snapshot


def _next_snapshot(history: History, day: date, today: date) -> Snapshot | None:
    """Return the first revision of the nearest later day that has one."""
    for ahead in range(1, min((today - day).days, NEXT_DAYS_LOOKED_AT) + 1):
        found = history.snapshot(day + timedelta(days=ahead), 1)
        if found is not None:
            return found
    return None


def _snapshot_description() -> str:
    lines = [
        f"- `{counter.path}` ({counter.unit}): {counter.meaning} {counter.predicate}" for counter in COUNTERS
    ]
    return (
        "StudioState of one studio-local day, one row per revision; a new revision exists only when the "
        "cloud or the devices say something else.\n\n" + "\n".join(lines)
    )


def _snapshot_metadata(
    payload: Mapping[str, Any], reads: Mapping[str, SourceRead], stored: Snapshot, *, is_new: bool
) -> dict[str, Any]:
    counters = flat_counters(payload)
    warnings = payload["diagnostics"]["warnings"]
    rows = [
        dg.TableRecord({"counter": c.path, "value": counters[c.path], "unit": c.unit, "meaning": c.meaning})
        for c in COUNTERS
    ]
    return {
        "origin": f"Derived from cloud: {len(reads)} sources as of {payload['asOf']}",
        "as_of": dg.MetadataValue.timestamp(parse_instant(payload["asOf"])),
        "revision": stored.revision,
        "is_new_revision": is_new,
        "content_hash": stored.content_hash,
        "documents": sum(read.documents for read in reads.values()),
        "quarantined": sum(len(read.quarantined) for read in reads.values()),
        "billed_reads": sum(read.billed_reads for read in reads.values()),
        "warnings": len(warnings),
        "dagster/row_count": len(counters),
        "counters": dg.MetadataValue.table(rows),
        **counters,
    }


def _drift_metadata(report: DriftReport) -> dict[str, Any]:
    rows = [
        dg.TableRecord(
            {
                "counter": m.metric,
                "source": m.expected,
                "ours": m.observed,
                "delta": m.delta,
                "confidence": m.confidence,
                "drift": m.is_drift,
                "note": m.note,
            }
        )
        for m in report.metrics
    ]
    lines = [f"- {entry.metric}: {entry.reason}" for entry in report.not_comparable]
    found: dict[str, Any] = {
        "compared": len(report.metrics),
        "drifting": len(report.drifting),
        "not_comparable": len(report.not_comparable),
        "largest_delta": max((abs(m.delta) for m in report.metrics), default=0),
        "dagster/row_count": len(report.metrics),
        "reasons": dg.MetadataValue.md("\n".join(lines)),
    }
    if rows:
        found["metrics"] = dg.MetadataValue.table(rows)
    return found
