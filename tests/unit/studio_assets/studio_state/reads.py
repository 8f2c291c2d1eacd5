"""Reads and snapshots as a good day makes them, for tests to spoil."""

from dataclasses import replace
from datetime import UTC, date, datetime

from resources.rows import Completeness, ReadMode, Snapshot, SourceRead
from studio_assets.contracts import catalog
from studio_assets.studio_state.counters import count_state
from studio_assets.studio_state.snapshot import assemble, content_hash
from tests.unit.studio_assets.studio_state.tables import empty_studio

DAY = date(2026, 11, 20)
READ_AT = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
PHOENIX = "America/Phoenix"
COUNTED = {"devices": 3, "online": 3, "offline": 0, "lowBattery": 1, "inError": 0, "silent": 0, "unknown": 0}
DEVICES = {
    "hubitat": {
        "status": "current",
        "readAt": "2026-11-20T17:59:00.000000Z",
        "ageSeconds": 60,
        "fault": None,
        **COUNTED,
    },
    "roborock": {
        "status": "not_configured",
        "readAt": None,
        "ageSeconds": None,
        "fault": None,
        **dict.fromkeys(COUNTED),
    },
}


def full_read(name, **changes):
    """Return a full, empty-handed read of a collection."""
    read = SourceRead(
        source=catalog.collection(name).source,
        name=name,
        snapshot_date=DAY,
        read_at=READ_AT,
        mode=ReadMode.FULL,
        completeness=Completeness.FULL,
        documents=10,
        expected_documents=10,
        quarantined=(),
        warnings={},
        billed_reads=11,
        resumes=0,
        newest_source_at=READ_AT,
        content_hash=f"hash-of-{name}",
        raw_url=f"/raw/{name}.parquet",
        seconds=0.1,
    )
    return replace(read, **changes)


def full_reads(**changed):
    """Return a full read of everything, some of them replaced; ``None`` leaves one out."""
    reads = {contract.name: full_read(contract.name) for contract in catalog.ALL} | changed
    return {name: read for name, read in reads.items() if read is not None}


def payload(reads=None, *, tables=None, day=DAY, generated_at=READ_AT, durations_ms=None, devices=None):
    """Return the snapshot document of a day."""
    state = count_state(tables or empty_studio(), READ_AT, PHOENIX)
    return assemble(
        snapshot_date=day,
        timezone=PHOENIX,
        generated_at=generated_at,
        state=state,
        reads=reads or full_reads(),
        devices=DEVICES if devices is None else devices,
        durations_ms=durations_ms or {},
    )


def snapshot(document=None, *, revision=1):
    """Return a snapshot row of a document."""
    document = document or payload()
    return Snapshot(
        snapshot_date=date.fromisoformat(document["snapshotDate"]),
        revision=revision,
        content_hash=content_hash(document),
        payload=document,
        observed_at=READ_AT,
        run_id="run",
        code_version="1",
    )
