"""The JSON that commands print about a state; other programs rely on its shape (design, section 8)."""

from collections.abc import Iterable, Mapping
from typing import Any

from resources.clock import instant_text
from resources.rows import DriftMetric, Snapshot, SnapshotDiff, SourceRead
from studio_assets.run import SnapshotRun
from studio_assets.run_book import CheckOutcome

SECTIONS = ("counts", "ops", "finance")


def of_run(run: SnapshotRun) -> dict[str, Any]:
    """Return what one run of the main job found; on failure without the parts that it did not reach."""
    state = run.snapshot or {}
    return {
        "ok": run.success,
        "snapshotDate": run.snapshot_date.isoformat(),
        "revision": run.revision,
        "isNew": run.is_new,
        "contentHash": run.content_hash,
        "asOf": state.get("asOf"),
        **{section: state.get(section, {}) for section in SECTIONS},
        "devices": state.get("devices", {}),
        "sources": {name: of_read(read) for name, read in sorted(run.sources.items())},
        "checks": of_checks(run.checks),
        "diff": of_diff(run.diff) if run.diff else None,
        "drift": of_drift(run.drift.metrics) if run.drift else None,
        "quarantined": run.quarantined,
        "runId": run.run_id,
        "phases": dict(run.phases),
        "errors": list(run.errors),
    }


def of_snapshot(
    snapshot: Snapshot, diff: SnapshotDiff | None, drift: Iterable[DriftMetric]
) -> dict[str, Any]:
    """Return a snapshot that history keeps."""
    state = snapshot.payload
    return {
        "snapshotDate": snapshot.snapshot_date.isoformat(),
        "revision": snapshot.revision,
        "contentHash": snapshot.content_hash,
        "asOf": state.get("asOf"),
        "observedAt": instant_text(snapshot.observed_at),
        **{section: state.get(section, {}) for section in SECTIONS},
        "devices": state.get("devices", {}),
        "sources": state.get("sources", {}),
        "diff": of_diff(diff) if diff else None,
        "drift": of_drift(drift),
        "phases": {
            phase: spent / 1000
            for phase, spent in state.get("diagnostics", {}).get("durationsMs", {}).items()
        },
        "runId": snapshot.run_id,
    }


def of_last_good(snapshot: Snapshot | None) -> dict[str, Any] | None:
    """Return which snapshot stays current when a run made none; null before the first."""
    if snapshot is None:
        return None
    return {
        "snapshotDate": snapshot.snapshot_date.isoformat(),
        "revision": snapshot.revision,
        "contentHash": snapshot.content_hash,
        "asOf": snapshot.payload.get("asOf"),
    }


def of_read(read: SourceRead) -> dict[str, Any]:
    """Return how one collection was read; ``documents`` is null where that is not known."""
    return {
        "source": read.source,
        "readAt": instant_text(read.read_at),
        "newestAt": instant_text(read.newest_source_at) if read.newest_source_at else None,
        "documents": read.documents if read.content_hash else None,
        "billedReads": read.billed_reads,
        "hash": read.content_hash,
        "completeness": read.completeness.value,
        "mode": read.mode.value,
        "quarantined": len(read.quarantined),
        "seconds": round(read.seconds, 3),
        "reason": read.reason,
    }


def of_checks(checks: Iterable[CheckOutcome]) -> dict[str, Any]:
    """Return how many checks held, and which did not and why."""
    judged = list(checks)
    failures = [
        {
            "asset": check.asset,
            "check": check.check,
            "blocking": check.is_blocking,
            "notes": list(check.notes),
        }
        for check in judged
        if not check.holds
    ]
    return {"passed": len(judged) - len(failures), "failed": len(failures), "failures": failures}


def of_diff(diff: SnapshotDiff) -> dict[str, Any]:
    """Return a comparison with both as-of times; deltas are new minus old."""
    return {
        "fromDate": diff.from_date.isoformat() if diff.from_date else None,
        "fromRevision": diff.from_revision,
        "fromReadAt": instant_text(diff.from_read_at) if diff.from_read_at else None,
        "toDate": diff.to_date.isoformat(),
        "toRevision": diff.to_revision,
        "toReadAt": instant_text(diff.to_read_at),
        "changes": [
            {"counter": item.counter, "old": item.old, "new": item.new, "delta": item.delta}
            for item in diff.changes
        ],
        "sourcesChanged": list(diff.sources_changed),
    }


def of_drift(metrics: Iterable[DriftMetric]) -> dict[str, Any]:
    """Return what the source itself counts differently."""
    compared = list(metrics)
    off: list[Mapping[str, Any]] = [
        {
            "metric": each.metric,
            "expected": each.expected,
            "observed": each.observed,
            "confidence": each.confidence,
        }
        for each in compared
        if each.is_drift
    ]
    return {"compared": len(compared), "drifting": off}
