"""Sample rows for the tests of history: a day, an instant, reads."""

import hashlib
from datetime import UTC, date, datetime

from resources.connector import DeviceReading, Reading
from resources.connectors.records import CallRecord, Ending, Operation
from resources.findings import Finding, FindingEvidence, Severity
from resources.rows import Completeness, QuarantinedDocument, ReadMode, SourceRead

DAY = date(2026, 3, 1)
NOON = datetime(2026, 3, 1, 19, tzinfo=UTC)


def sha(text):
    """Return a hash as every content hash is spelled."""
    return hashlib.sha256(str(text).encode()).hexdigest()


def make_read(**changes):
    """Return a full read of ``batches``, with anything changed."""
    values = {
        "source": "firestore",
        "name": "batches",
        "snapshot_date": DAY,
        "read_at": NOON,
        "mode": ReadMode.FULL,
        "completeness": Completeness.FULL,
        "documents": 12,
        "expected_documents": 13,
        "quarantined": (QuarantinedDocument("b-1", "estimatedCostCents", "is negative"),),
        "warnings": {"status: unknown value": 2},
        "billed_reads": 13,
        "resumes": 1,
        "newest_source_at": datetime(2026, 3, 1, 18, 59, tzinfo=UTC),
        "content_hash": sha("batches"),
        "raw_url": "file:///raw/batches.parquet",
        "seconds": 0.25,
        "watermark_at": datetime(2026, 3, 1, 18, 59, tzinfo=UTC),
    }
    return SourceRead(**(values | changes))


def failed(**changes):
    """Return a failed read of ``batches``."""
    nothing = {
        "completeness": Completeness.FAILED,
        "documents": 0,
        "expected_documents": None,
        "quarantined": (),
        "warnings": {},
        "content_hash": None,
        "raw_url": None,
        "reason": "the source did not answer",
    }
    return make_read(**(nothing | changes))


def make_call(**changes):
    """Return the record of a good read of the hub, with anything changed."""
    values = {
        "request_id": sha("call")[:32],
        "connector_id": "hubitat",
        "connector_version": "1",
        "operation": Operation.READ,
        "is_dry_run": True,
        "started_at": NOON,
        "seconds": 0.08,
        "latency_bucket": "100",
        "attempts": 1,
        "ending": Ending.OK,
        "fault": None,
        "input_hash": sha("asked"),
        "output_hash": sha("answered"),
        "device_count": 5,
        "failed_device_count": 0,
        "run_id": "run-1",
    }
    return CallRecord(**(values | changes))


def make_device(device_id="12", **changes):
    """Return a healthy temperature sensor as read, with anything changed."""
    values = {
        "kind": "temperature_sensor",
        "model": "ts-1",
        "is_online": True,
        "battery_pct": 80,
        "state": None,
        "error_code": None,
        "error_name": None,
        "is_healthy": True,
        "observed_at": NOON,
        "values": {"temperature_celsius": 21.5},
    }
    return DeviceReading(device_id=device_id, **(values | changes))


def make_reading(read_at=NOON, *devices, failures=(), **more):
    """Return a reading of devices, of one sensor by default."""
    return Reading(devices or (make_device(),), failures, read_at, **more)


def make_finding(**changes):
    """Return the finding of a low battery, with anything changed."""
    values = {
        "department": "operations",
        "detector": "devices",
        "kind": "battery_low",
        "subject_kind": "device",
        "subject_id": "12",
        "severity": Severity.LOW,
        "confidence": 0.9,
        "expected": 20.0,
        "observed": 11.0,
        "unit": "percent",
        "likely_cause": "The battery is nearly empty.",
        "next_step": "Change the battery.",
        "evidence": (FindingEvidence("studio/cloud_truth/hubitat_devices", "3", "12"),),
    }
    return Finding(**(values | changes))
