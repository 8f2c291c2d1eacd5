"""What every device connector is: its interface, what it reads, and how it fails.

A connector reads devices of one vendor, and is read-only unless its capability says otherwise. It never
retries, counts or logs by itself: the caller's runner does that for all of them. Errors carry no address,
token or answer of a device.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol


class Fault(StrEnum):
    """Why a call did not give what was asked for."""

    AUTH = "auth"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    RATE_LIMITED = "rate_limited"
    BAD_RESPONSE = "bad_response"
    READ_ONLY_VIOLATION = "read_only_violation"
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"


# What a later call may mend by itself. Unknown is not: nobody knows what repeating it would do.
TRANSIENT: Final = frozenset({Fault.TIMEOUT, Fault.UNAVAILABLE, Fault.RATE_LIMITED, Fault.BAD_RESPONSE})


class ConnectorError(Exception):
    """A call failed. The sentence says what happened and names no secret.

    Attributes:
        fault: Why.
        retry_after_seconds: How long the other side asked us to wait; null when it did not say.
    """

    def __init__(self, fault: Fault, sentence: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(sentence)
        self.fault = fault
        self.retry_after_seconds = retry_after_seconds

    @property
    def is_transient(self) -> bool:
        """Whether trying again later may help."""
        return self.fault in TRANSIENT


@dataclass(frozen=True, slots=True)
class DeviceReading:
    """One device as it said at one instant.

    Attributes:
        device_id: The vendor's id; unique within a connector.
        kind: What it is, such as ``vacuum``, ``temperature_sensor``, ``outlet``.
        model: The vendor's model code; null when unknown.
        is_online: Whether the vendor can reach it now; null when the vendor does not say.
        battery_pct: Charge, 0 to 100; null where there is none or it was not said.
        state: The vendor's own state word or code; null when not said.
        error_code: The vendor's raw code; null when it said that there is none.
        error_name: What the code is known to mean; null when nobody knows.
        is_healthy: False on a known fault, true when all it said is known to be fine, null when anything it
            said is not known. Unknown is never healthy.
        values: Measured numbers by name with unit suffix, such as ``temperature_celsius``.
        consumables: Hours left by part; empty where there are none.
        hazards: Capability classes by which a command could do harm.
        observed_at: When the device said so, UTC; the time of the call where it gives none.
        last_clean_at: When it last finished cleaning, UTC; null where it does not clean or did not say.
        place: Where it is, of the few places with a meaning here (``kiln_room``); null elsewhere.
    """

    device_id: str
    kind: str
    model: str | None
    is_online: bool | None
    battery_pct: int | None
    state: str | None
    error_code: str | None
    error_name: str | None
    is_healthy: bool | None
    observed_at: datetime
    values: Mapping[str, float] = field(default_factory=dict)
    consumables: Mapping[str, float] = field(default_factory=dict)
    hazards: tuple[str, ...] = ()
    last_clean_at: datetime | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True)
class DeviceFailure:
    """One device that could not be read while others could."""

    device_id: str
    fault: Fault
    sentence: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What one read gave. ``failures`` names every known device that is not among ``devices``.

    ``worked_around`` holds what failed without costing a device: a cloud that refuses the login while the
    devices answer on the local network.
    """

    devices: Sequence[DeviceReading]
    failures: Sequence[DeviceFailure]
    read_at: datetime
    mode: str | None = None  # the hub's mode, where it has one
    security: str | None = None  # the hub's safety-monitor state, where it has one
    worked_around: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the other side answers as it should. ``sentence`` says what was found."""

    is_healthy: bool
    fault: Fault | None
    sentence: str
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class Command:
    """What a device is asked to do: plain names, decided elsewhere."""

    device_id: str
    name: str
    arguments: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommandPlan:
    """What a command would do: one sentence and the exact call, as a dry run shows it."""

    summary: str
    call: Mapping[str, str | int]


class Connector(Protocol):
    """One vendor's devices. Sync at its edge; every call ends within its deadline. Not for concurrent use."""

    connector_id: str
    version: str
    is_read_only: bool

    def health(self, deadline_seconds: float) -> Health:
        """Return whether the other side answers; never raises for what the other side does."""

    def read(self, deadline_seconds: float) -> Reading:
        """Return all devices. Raises ``ConnectorError`` when nothing can be said about any of them."""

    def execute(self, command: Command, *, is_dry_run: bool, deadline_seconds: float) -> CommandPlan:
        """Return the plan of a command, and carry it out unless it is a dry run.

        On a read-only connector anything that is not a dry run raises ``ConnectorError`` with
        ``read_only_violation`` before a byte is sent.
        """

    def close(self) -> None:
        """Let go of everything; bounded in time; safe to repeat."""
