"""Facts for the page tests: a healthy small studio, with what differs given by the test."""

from datetime import UTC, date, datetime, timedelta

from cockpit.facts import Facts
from cockpit.words import GROUPS
from resources.rows import (
    Completeness,
    CounterChange,
    DriftMetric,
    ReadMode,
    Snapshot,
    SnapshotDiff,
    SourceRead,
)

NOW = datetime(2026, 11, 21, 19, 30, tzinfo=UTC)
DAY = date(2026, 11, 21)
NAMES = (
    ("firestore", "batches", 412),
    ("firestore", "reservations", 188),
    ("firestore", "kilns", 5),
    ("firestore", "kiln_firings", 240),
    ("firestore", "community_reports", 31),
    ("firestore", "agent_requests", 44),
    ("firestore", "materials_orders", 530),
    ("firestore", "materials_products", 62),
    ("firestore", "events", 40),
    ("firestore", "event_signups", 610),
    ("firestore", "event_charges", 300),
    ("firestore", "agent_orders", 25),
    ("firestore", "support_requests", 77),
    ("firestore", "library_loans", 120),
    ("firestore", "studio_space_reservations", 380),
    ("stripe", "payment_intents", 1204),
    ("stripe", "charges", 1190),
    ("stripe", "refunds", 22),
    ("stripe", "disputes", 3),
    ("stripe", "payouts", 55),
    ("stripe", "balance_transactions", 1270),
)


def read_of(source, name, documents, *, minutes_ago=4.0, completeness=Completeness.FULL, reason=None):
    is_full = completeness is Completeness.FULL
    return SourceRead(
        source=source,
        name=name,
        snapshot_date=DAY,
        read_at=NOW - timedelta(minutes=minutes_ago),
        mode=ReadMode.FULL,
        completeness=completeness,
        documents=documents,
        expected_documents=documents,
        quarantined=(),
        warnings={},
        billed_reads=documents,
        resumes=0,
        newest_source_at=None,
        content_hash="ab" * 32 if is_full else None,
        raw_url="x" if is_full else None,
        seconds=0.1,
        reason=reason,
    )


def snapshot_of(*, documents=None, observed_at=None):
    payload = {
        "counts": {},
        "ops": {},
        "finance": {},
        "sources": {},
        "diagnostics": {"warnings": []},
        "asOf": NOW.isoformat(),
    }
    for number, path in enumerate(path for _, group in GROUPS for path, _ in group):
        section, name = path.split(".")
        payload[section][name] = 0 if documents == 0 else (number * 7) % 23
    payload["finance"]["unsettledCents"] = 0 if documents == 0 else 123456
    for source, name, count in NAMES:
        payload["sources"][name] = {"documents": count if documents is None else documents, "source": source}
    return Snapshot(DAY, 3, "c0ffee" * 10 + "abcd", payload, observed_at or NOW, "run-1", "v1")


def facts_of(*, minutes_ago=4.0, **given):
    reads = [read_of(*name, minutes_ago=minutes_ago) for name in NAMES]
    known = {
        "now": NOW,
        "timezone": "America/Phoenix",
        "stale_minutes": 60,
        "heartbeat_at": NOW - timedelta(seconds=12),
        "snapshot": snapshot_of(),
        "newest_reads": reads,
        "confirmed_at": NOW - timedelta(minutes=minutes_ago),
        "diff": SnapshotDiff(
            DAY,
            3,
            NOW,
            DAY - timedelta(days=1),
            2,
            NOW - timedelta(days=1),
            (
                CounterChange("counts.batchesActive", 12, 0),
                CounterChange("finance.unsettledCents", 100, 123456),
            ),
            ("batches",),
        ),
        "drift": [DriftMetric("counts.batchesActive", "firestore", 0, 0, is_drift=False, confidence=1.0)],
        "parts": [
            {"name": "postgres", "label": "Database", "phase": "ready", "detail": "", "restarts": 0},
            {"name": "daemon", "label": "Daemon", "phase": "ready", "detail": "", "restarts": 0},
        ],
        "history": {"done": 12, "total": 60},
    }
    return Facts(**(known | given))
