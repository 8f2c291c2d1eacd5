"""The StudioState document: counters, provenance and a hash over what the cloud says.

The hash covers schema version, day, counters, source hashes and what devices are known to be; not when
anything was read, nor how long it took. Same state, same hash. Storing revisions is the history's business.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import orjson

from resources.clock import instant_text
from resources.rows import Completeness, SourceRead
from studio_assets.contracts import catalog
from studio_assets.devices.section import PASSING_OF_DEVICES
from studio_assets.studio_state.model import StateCounts

SCHEMA_VERSION = "v3.2"
HASHED = ("schemaVersion", "snapshotDate", "counts", "ops", "finance", "sourceHashes")
DEVICES = "devices"
"""The section v3.1 did not have."""
REQUIRED = tuple(contract.name for contract in catalog.ALL)
SOURCES = ("firestore", "stripe")


class IncompleteSourcesError(Exception):
    """Some source was not read whole, so nothing may be derived. ``problems`` has one sentence per source."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            f"No snapshot was made: {len(self.problems)} of {len(REQUIRED)} sources were not read whole. "
            f"{' '.join(self.problems)} The last good snapshot stays current; the next run reads them again."
        )


def problems_of(
    reads: Mapping[str, SourceRead], snapshot_date: date, *, required: Iterable[str] = REQUIRED
) -> tuple[str, ...]:
    """Return one sentence for every required source that is absent, not full, or of another day."""
    problems = []
    for name in required:
        read = reads.get(name)
        if read is None:
            problems.append(f"{name} was not read for {snapshot_date}.")
        elif read.completeness is not Completeness.FULL or read.content_hash is None:
            problems.append(
                f"{name} was read only in part ({read.completeness}): {read.reason or 'no reason'}"
            )
        elif read.snapshot_date != snapshot_date:
            problems.append(f"{name} was read for {read.snapshot_date}, not for {snapshot_date}.")
    return tuple(problem if problem.endswith(".") else f"{problem}." for problem in problems)


def as_of_reads(reads: Iterable[SourceRead]) -> datetime:
    """Return the instant the reads describe together: the oldest of them, so nothing is claimed too fresh.

    Raises:
        ValueError: when there are no reads.
    """
    return min(read.read_at for read in reads)


def assemble(
    *,
    snapshot_date: date,
    timezone: str,
    generated_at: datetime,
    state: StateCounts,
    reads: Mapping[str, SourceRead],
    devices: Mapping[str, Mapping[str, Any]],
    durations_ms: Mapping[str, int],
) -> dict[str, Any]:
    """Return the v3.2 document of one studio-local day.

    Args:
        snapshot_date: The studio-local day.
        timezone: The studio's time zone.
        generated_at: When the document is made, aware UTC.
        state: The counters, with the instant they describe.
        reads: The full read of every required source, by name.
        devices: What is known of each connector's devices, by connector (``devices.section``). Whether it
            is current never keeps a snapshot from being made.
        durations_ms: Whole milliseconds per phase so far.

    Raises:
        IncompleteSourcesError: when a required source was not read whole for that day. Transient: the next
            run reads again.
    """
    problems = problems_of(reads, snapshot_date)
    if problems:
        raise IncompleteSourcesError(problems)
    ordered = [reads[name] for name in REQUIRED]
    return {
        "schemaVersion": SCHEMA_VERSION,
        "snapshotDate": snapshot_date.isoformat(),
        "generatedAt": instant_text(generated_at),
        "asOf": instant_text(state.as_of),
        "timezone": timezone,
        "cloudSync": {f"{source}ReadAt": _read_at(ordered, source) for source in SOURCES},
        "counts": dict(state.counts),
        "ops": dict(state.ops),
        "finance": dict(state.finance),
        DEVICES: {connector: dict(entry) for connector, entry in devices.items()},
        "sourceHashes": {source: source_hash(ordered, source) for source in SOURCES},
        "sources": {read.name: _provenance(read) for read in ordered},
        "diagnostics": {
            "completeness": Completeness.FULL.value,
            "warnings": [*state.warnings, *_read_warnings(ordered)],
            "durationsMs": dict(durations_ms),
            "sourceSample": {read.name: read.documents for read in ordered},
        },
    }


def content_hash(payload: Mapping[str, Any]) -> str:
    """Return the SHA-256 over what is said of the studio in a snapshot document, 64 hex digits."""
    said = {key: payload[key] for key in HASHED}
    if DEVICES in payload:
        said[DEVICES] = {
            connector: {name: value for name, value in entry.items() if name not in PASSING_OF_DEVICES}
            for connector, entry in payload[DEVICES].items()
        }
    return hash_of(said)


def source_hash(reads: Iterable[SourceRead], source: str) -> str:
    """Return one hash over the content hashes of all collections of a source."""
    return hash_of({read.name: read.content_hash for read in reads if read.source == source})


def hash_of(value: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a value's canonical JSON, 64 hex digits; the order of keys does not matter."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def flat_counters(payload: Mapping[str, Any]) -> dict[str, int]:
    """Return ``section.name`` -> number of a snapshot document, ``devices.connector.name`` included.

    A count of devices that are not current is not known, and is left out.
    """
    counters = {
        f"{section}.{name}": int(value)
        for section in ("counts", "ops", "finance")
        for name, value in payload[section].items()
    }
    return counters | device_counters(payload)


def device_counters(payload: Mapping[str, Any]) -> dict[str, int]:
    """Return ``devices.connector.name`` -> number of a snapshot document; empty before v3.2."""
    return {
        f"{DEVICES}.{connector}.{name}": value
        for connector, entry in payload.get(DEVICES, {}).items()
        for name, value in entry.items()
        if isinstance(value, int) and name not in PASSING_OF_DEVICES
    }


def _read_at(reads: Iterable[SourceRead], source: str) -> str:
    return instant_text(as_of_reads(read for read in reads if read.source == source))


def _provenance(read: SourceRead) -> dict[str, Any]:
    return {
        "readAt": instant_text(read.read_at),
        "newestAt": instant_text(read.newest_source_at) if read.newest_source_at else None,
        "documents": read.documents,
        "quarantined": len(read.quarantined),
        "billedReads": read.billed_reads,
        "hash": read.content_hash,
        "completeness": read.completeness.value,
        "mode": read.mode.value,
    }


def _read_warnings(reads: Iterable[SourceRead]) -> list[str]:
    """Return what was tolerated and set aside, counted; never a value."""
    found = []
    for read in reads:
        if read.quarantined:
            found.append(f"{read.name}: {len(read.quarantined)} documents set aside.")
        found.extend(f"{read.name}: {what} ({times} times)." for what, times in sorted(read.warnings.items()))
    return found
