"""Between the row types of ``resources/rows.py`` and the rows of the history tables."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import RowMapping

from resources.rows import (
    Completeness,
    CounterChange,
    DriftMetric,
    OperationalEvent,
    QuarantinedDocument,
    ReadMode,
    Snapshot,
    SnapshotDiff,
    SourceRead,
)

_READ_FIELDS = (
    *("source", "name", "snapshot_date", "read_at", "documents", "expected_documents", "billed_reads"),
    *("resumes", "newest_source_at", "content_hash", "raw_url", "seconds", "reason", "watermark_at"),
)
_SNAPSHOT_FIELDS = (
    *("snapshot_date", "revision", "content_hash", "payload", "observed_at", "run_id", "code_version"),
)
_DIFF_FIELDS = ("to_date", "to_revision", "to_read_at", "from_date", "from_revision", "from_read_at")
_DRIFT_FIELDS = ("metric", "source", "expected", "observed", "is_drift", "confidence", "note")


def read_values(read: SourceRead) -> dict[str, Any]:
    """Return the columns of ``source_reads`` that the read itself decides."""
    values = {name: getattr(read, name) for name in _READ_FIELDS}
    return values | {
        "mode": read.mode.value,
        "completeness": read.completeness.value,
        "quarantined": len(read.quarantined),
        "warnings": dict(read.warnings),
    }


def read_from(row: RowMapping, quarantined: Sequence[QuarantinedDocument]) -> SourceRead:
    """Return the read a row tells of."""
    return SourceRead(
        mode=ReadMode(row["mode"]),
        completeness=Completeness(row["completeness"]),
        quarantined=quarantined,
        warnings=row["warnings"],
        **{name: row[name] for name in _READ_FIELDS},
    )


def snapshot_from(row: RowMapping) -> Snapshot:
    """Return the snapshot a row tells of."""
    return Snapshot(**{name: row[name] for name in _SNAPSHOT_FIELDS})


def diff_values(diff: SnapshotDiff) -> dict[str, Any]:
    """Return the columns of ``studio_state_diffs`` that the comparison itself decides."""
    values = {name: getattr(diff, name) for name in _DIFF_FIELDS}
    return values | {"sources_changed": sorted(diff.sources_changed), "content_hash": _diff_hash(diff)}


def diff_from(row: RowMapping, changes: Iterable[RowMapping]) -> SnapshotDiff:
    """Return the comparison a row and its changes tell of."""
    return SnapshotDiff(
        changes=tuple(CounterChange(c["counter"], c["old_value"], c["new_value"]) for c in changes),
        sources_changed=tuple(row["sources_changed"]),
        **{name: row[name] for name in _DIFF_FIELDS},
    )


def drift_values(metric: DriftMetric) -> dict[str, Any]:
    """Return the columns of ``studio_state_drift`` that one metric decides."""
    return {name: getattr(metric, name) for name in _DRIFT_FIELDS}


def drift_from(row: RowMapping) -> DriftMetric:
    """Return the metric a row tells of."""
    return DriftMetric(**{name: row[name] for name in _DRIFT_FIELDS})


def drift_hash(metrics: Iterable[DriftMetric]) -> str:
    """Return the hash of a whole check, whatever the order of its metrics."""
    return _sha256(
        sorted(([getattr(m, name) for name in _DRIFT_FIELDS] for m in metrics), key=lambda row: row[0])
    )


def event_from(row: RowMapping) -> OperationalEvent:
    """Return the event a row tells of."""
    return OperationalEvent(name=row["name"], at=row["at"], payload=row["payload"], run_id=row["run_id"])


def counter_values(counters: Mapping[str, tuple[int, str]]) -> list[dict[str, Any]]:
    """Return one row per counter, in name order."""
    return [
        {"counter": name, "value": value, "unit": unit} for name, (value, unit) in sorted(counters.items())
    ]


def change_values(diff: SnapshotDiff) -> list[dict[str, Any]]:
    """Return one row per changed counter, in name order."""
    ordered = sorted(diff.changes, key=lambda change: change.counter)
    return [{"counter": c.counter, "old_value": c.old, "new_value": c.new} for c in ordered]


def _diff_hash(diff: SnapshotDiff) -> str:
    # Read times are left out: reading an unchanged cloud again is not another comparison.
    changes = sorted([c.counter, c.old, c.new] for c in diff.changes)
    pair = [diff.to_date, diff.to_revision, diff.from_date, diff.from_revision]
    return _sha256([pair, changes, sorted(diff.sources_changed)])


def _sha256(value: Any) -> str:
    return hashlib.sha256(orjson.dumps(value)).hexdigest()


def shows_later(kept: Mapping[str, Any], offered: Mapping[str, Any]) -> bool:
    """Say whether a kept state shows a later instant; runs overtake one another, a day never goes back.

    Instants are text of one length, in UTC.
    """
    return str(kept.get("asOf", "")) > str(offered.get("asOf", ""))
