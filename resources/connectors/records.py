"""What is kept of every call to a connector: who was asked what, how it ended, and hashes; never contents.

Grain: one record per call, however many attempts it took. Hashes prove later what was asked and answered
without keeping either.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol

import orjson

from resources.connector import Fault

# Upper bounds in milliseconds; a call slower than the last is in the bucket "over".
LATENCY_BUCKETS: Final = (50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000)
SLOWEST_BUCKET: Final = "over"
ACTOR_NAME: Final = "connectors"
"""Name of our own process that asks connectors, as permits and the audit log have it."""


class Operation(StrEnum):
    """What a connector was asked for."""

    HEALTH = "health"
    READ = "read"
    EXECUTE = "execute"


class Ending(StrEnum):
    """How a call ended. ``refused``: by us, before a byte was sent. ``interrupted``: our process was."""

    OK = "ok"
    FAILED = "failed"
    REFUSED = "refused"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call.

    Attributes:
        request_id: Unique; also on every log line of the call.
        connector_id: Which connector.
        connector_version: Of the code that spoke.
        operation: What was asked.
        is_dry_run: Whether nothing was to be changed; always true for reads.
        started_at: When, UTC.
        seconds: Wall time, retries and waits included.
        latency_bucket: Upper bound in milliseconds, or ``over``.
        attempts: How often the other side was asked; 0 when refused.
        ending: How it ended.
        fault: Why it did not succeed; null when it did, or was interrupted.
        input_hash: SHA-256 of what was asked, canonical JSON.
        output_hash: SHA-256 of what was returned; null unless it succeeded.
        device_count: Devices read; null unless a read succeeded.
        failed_device_count: Devices that could not be read; null unless a read succeeded.
        run_id: Dagster run on whose behalf; null outside runs.
    """

    request_id: str
    connector_id: str
    connector_version: str
    operation: Operation
    is_dry_run: bool
    started_at: datetime
    seconds: float
    latency_bucket: str
    attempts: int
    ending: Ending
    fault: Fault | None
    input_hash: str
    output_hash: str | None
    device_count: int | None
    failed_device_count: int | None
    run_id: str | None


class CallLog(Protocol):
    """Where records go. Appending must not lose any; nothing is ever changed."""

    def append(self, record: CallRecord) -> None:
        """Keep one record."""

    def last_good_read_at(self, connector_id: str) -> datetime | None:
        """Return when the newest successful read began, UTC; null when there was none."""


class MemoryCallLog:
    """A log of this process only; for tests and for trying a connector without a house."""

    def __init__(self) -> None:
        self.records: list[CallRecord] = []

    def append(self, record: CallRecord) -> None:
        """Keep one record."""
        self.records.append(record)

    def last_good_read_at(self, connector_id: str) -> datetime | None:
        """Return when the newest successful read began, UTC; null when there was none."""
        good = [
            record.started_at
            for record in self.records
            if record.connector_id == connector_id
            and record.operation is Operation.READ
            and record.ending is Ending.OK
        ]
        return max(good, default=None)


def latency_bucket(seconds: float) -> str:
    """Return the bucket of a duration: the smallest upper bound in milliseconds that holds it."""
    milliseconds = seconds * 1000
    return next((str(bound) for bound in LATENCY_BUCKETS if milliseconds <= bound), SLOWEST_BUCKET)


def content_hash(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON, 64 hex digits. Takes dataclasses and mappings."""
    return hashlib.sha256(orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a value of type {type(value).__name__} is not JSON")
