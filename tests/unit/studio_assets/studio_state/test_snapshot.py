"""The StudioState document: shape, provenance, and a hash that only the cloud can change."""

import json
from dataclasses import replace
from datetime import date, timedelta

import orjson
import pytest

from resources.clock import instant_text
from resources.rows import Completeness, QuarantinedDocument, ReadMode
from studio_assets.contracts import catalog
from studio_assets.studio_state.counters import COUNTERS
from studio_assets.studio_state.snapshot import (
    HASHED,
    IncompleteSourcesError,
    as_of_reads,
    content_hash,
    flat_counters,
    hash_of,
    problems_of,
)
from tests.unit.studio_assets.studio_state.reads import COUNTED, DAY, READ_AT, full_read, full_reads, payload
from tests.unit.studio_assets.studio_state.tables import studio

NAMES = [contract.name for contract in catalog.ALL]


def test_the_document_has_the_names_programs_rely_on():
    """v3.2 keeps every name of v3.1 and adds the devices."""
    document = payload()
    assert document["schemaVersion"] == "v3.2"
    assert document["snapshotDate"] == "2026-11-20"
    assert document["asOf"] == "2026-11-20T18:00:00.000000Z"
    assert set(document) == {
        *("schemaVersion", "snapshotDate", "generatedAt", "asOf", "timezone", "cloudSync"),
        *("counts", "ops", "finance", "sourceHashes", "sources", "diagnostics", "devices"),
    }
    assert set(document["cloudSync"]) == {"firestoreReadAt", "stripeReadAt"}
    assert set(document["sourceHashes"]) == {"firestore", "stripe"}
    assert set(document["sources"]) == set(NAMES)
    assert set(document["sources"]["batches"]) == {
        *("readAt", "newestAt", "documents", "quarantined", "billedReads", "hash", "completeness", "mode")
    }
    assert set(document["diagnostics"]) == {"completeness", "warnings", "durationsMs", "sourceSample"}
    assert set(document["devices"]) == {"hubitat", "roborock"}
    assert list(flat_counters(document)) == [
        *(counter.path for counter in COUNTERS),
        *(f"devices.hubitat.{name}" for name in COUNTED),
    ]


@pytest.mark.parametrize("name", ["readAt", "ageSeconds", "fault"])
def test_the_hash_ignores_how_old_the_same_devices_are(name):
    """Devices are read every quarter of an hour; only what they are makes another state."""
    document, later = payload(), payload()
    later["devices"]["hubitat"] = document["devices"]["hubitat"] | {name: "moved"}
    assert content_hash(later) == content_hash(document)


@pytest.mark.parametrize("name", ["status", *COUNTED])
def test_the_hash_changes_with_the_status_and_any_count_of_devices(name):
    document, changed = payload(), payload()
    changed["devices"]["hubitat"] = document["devices"]["hubitat"] | {name: "other"}
    assert content_hash(changed) != content_hash(document)


def test_a_snapshot_from_before_devices_stays_readable_and_keeps_its_hash():
    """What was stored as v3.1 hashes to what was stored, and has the counters it had."""
    document = payload() | {"schemaVersion": "v3.1"}
    del document["devices"]
    assert content_hash(document) == hash_of({key: document[key] for key in HASHED})
    assert list(flat_counters(document)) == [counter.path for counter in COUNTERS]


def test_the_document_is_plain_json():
    """What is stored and what is printed are the same document."""
    document = payload()
    assert json.loads(json.dumps(document)) == document == orjson.loads(orjson.dumps(document))


def test_the_hash_ignores_when_and_how_the_cloud_was_read():
    """Read times, costs, modes, durations and watermarks change on every run; the hash must not."""
    later = READ_AT + timedelta(minutes=15)
    again = {
        name: replace(
            read,
            read_at=later,
            mode=ReadMode.INCREMENTAL,
            billed_reads=1,
            seconds=9.0,
            raw_url="/raw/other.parquet",
            resumes=3,
        )
        for name, read in full_reads().items()
    }
    first = payload()
    second = payload(again, generated_at=later, durations_ms={"read": 900})
    assert second != first
    assert content_hash(second) == content_hash(first)


@pytest.mark.parametrize("name", NAMES)
def test_the_hash_changes_with_the_content_of_any_source(name):
    changed = payload(full_reads(**{name: full_read(name, content_hash="other")}))
    assert content_hash(changed) != content_hash(payload())


@pytest.mark.parametrize("section", ["counts", "ops", "finance"])
def test_the_hash_changes_with_any_counter(section):
    document, changed = payload(), payload()
    first = next(iter(changed[section]))
    changed[section][first] += 1
    assert content_hash(changed) != content_hash(document)


def test_the_hash_does_not_depend_on_the_order_of_keys():
    document = payload()
    assert content_hash(dict(reversed(document.items()))) == content_hash(document)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", ["absent", "partial", "failed", "hashless", "other-day"])
def test_no_snapshot_without_a_full_read_of_every_source(name, fault):
    """One source that was not read whole for this day is enough to refuse, with a sentence that names it."""
    spoiled = {
        "absent": None,
        "partial": full_read(name, completeness=Completeness.PARTIAL, reason="it was cut"),
        "failed": full_read(name, completeness=Completeness.FAILED, reason="it was down"),
        "hashless": full_read(name, content_hash=None),
        "other-day": full_read(name, snapshot_date=DAY - timedelta(days=1)),
    }[fault]
    with pytest.raises(IncompleteSourcesError, match=name) as refused:
        payload(full_reads(**{name: spoiled}))
    assert len(refused.value.problems) == 1
    assert "last good snapshot stays current" in str(refused.value)


def test_only_the_asked_sources_are_required():
    reads = full_reads(payouts=None)
    assert problems_of(reads, DAY, required=["batches"]) == ()
    assert problems_of(reads, DAY) == ("payouts was not read for 2026-11-20.",)


def test_the_state_is_as_old_as_its_oldest_read():
    older = full_read("kilns", read_at=READ_AT - timedelta(minutes=1))
    document = payload(full_reads(kilns=older))
    assert as_of_reads([full_read("batches"), older]) == older.read_at
    assert document["cloudSync"]["firestoreReadAt"] == instant_text(older.read_at)
    assert document["cloudSync"]["stripeReadAt"] == instant_text(READ_AT)


def test_what_was_tolerated_is_said():
    """Quarantined documents and tolerated values stand among the warnings, counted, without values."""
    quarantined = (QuarantinedDocument("b1", "estimatedCostCents", "is below the allowed minimum"),)
    read = full_read(
        "batches", quarantined=quarantined, warnings={"status: value not in the contract, kept": 3}
    )
    document = payload(full_reads(batches=read))
    assert document["sources"]["batches"]["quarantined"] == 1
    assert document["diagnostics"]["warnings"] == [
        "batches: 1 documents set aside.",
        "batches: status: value not in the contract, kept (3 times).",
    ]
    assert document["diagnostics"]["completeness"] == "full"


def test_counters_in_the_document_are_the_counted_ones():
    document = payload(tables=studio(batches=[{"state": "LOADED"}, {"state": "CLOSED_OTHER"}]))
    assert document["counts"]["batchesActive"] == 1
    assert document["counts"]["batchesClosed"] == 1


def test_the_day_survives_its_text():
    assert date.fromisoformat(payload(day=DAY)["snapshotDate"]) == DAY
