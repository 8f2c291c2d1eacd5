"""The ``devices`` section of StudioState: per connector a status, its age and counts; and what they rest on.

Counts are told only of a current reading: what an old one said is not how it is. Nothing here asks anybody.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from resources.clock import instant_text, parse_instant
from resources.connector import DeviceReading, Fault, Reading
from resources.connectors.circuits import CircuitState
from resources.settings import Settings

MEANINGS: Final = {
    "devices": "Devices the connector knows, also those that could not be read.",
    "online": "Devices the vendor says it can reach.",
    "offline": "Devices the vendor says it cannot reach.",
    "lowBattery": "Devices with a charge at or below the limit (STUDIO_LOW_BATTERY_PCT).",
    "inError": "Devices with a known fault of their own; being offline alone is none.",
    "silent": "Sensors that told nothing for longer than they may (STUDIO_SENSOR_SILENT_MINUTES).",
    "unknown": "Devices of which nobody can say whether they are well, also those that could not be read.",
}
"""What each count of a connector's devices counts."""
COUNTS: Final = tuple(MEANINGS)
PASSING_OF_DEVICES: Final = frozenset({"readAt", "ageSeconds", "fault"})
"""What of a connector's entry moves while its devices stay as they are."""
ROBOT_KINDS: Final = frozenset({"vacuum", "wet_dry_vacuum", "washing_machine"})
# Kinds that speak by themselves; an outlet that nobody switches may say nothing for weeks.
SENSOR_KINDS: Final = frozenset(
    {
        *("temperature_sensor", "humidity_sensor", "motion_sensor", "contact_sensor", "water_sensor"),
        *("smoke_detector", "carbon_monoxide_detector"),
    }
)
_UNKNOWN_STATE: Final = "code_"


class ReadingStatus(StrEnum):
    """How a connector's newest good reading stands to the instant in question."""

    CURRENT = "current"
    OLD = "old"
    NEVER = "never"
    NOT_CONFIGURED = "not_configured"


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a device wants attention; ``stale_minutes`` is the oldest a current reading may be."""

    stale_minutes: int = 60
    low_battery_pct: int = 20
    sensor_silent_minutes: int = 180
    kiln_room_low_celsius: float = 5.0
    kiln_room_high_celsius: float = 45.0


def limits_of(settings: Settings) -> Limits:
    """Return a studio's limits."""
    return Limits(
        settings.device_stale_minutes,
        settings.low_battery_pct,
        settings.sensor_silent_minutes,
        settings.kiln_room_low_celsius,
        settings.kiln_room_high_celsius,
    )


@dataclass(frozen=True, slots=True)
class ConnectorRead:
    """What one run learnt of one connector.

    Attributes:
        connector_id: Which.
        is_configured: Whether the studio has it.
        is_answered: Whether the newest call gave a reading.
        read_at: When the newest good reading was last confirmed, UTC; null when there is none.
        revision: Its revision in history; null when there is none.
        counts: Of that reading, by name of ``COUNTS``; empty when there is none.
        fault: Why the newest call gave nothing, or what it worked around; null when all was well.
        circuit: State of its circuit afterwards.
        next_retry_at: When it is asked again at the earliest, UTC; null when at once.
        sentence: What is the matter, for a person; empty when nothing is.
    """

    connector_id: str
    is_configured: bool
    is_answered: bool
    read_at: datetime | None
    revision: int | None
    counts: Mapping[str, int]
    fault: Fault | None = None
    circuit: CircuitState = CircuitState.CLOSED
    next_retry_at: datetime | None = None
    sentence: str = ""

    def status(self, at: datetime, stale_minutes: int) -> ReadingStatus:
        """Return how the reading stands to an instant; exactly as old as allowed is still current."""
        if not self.is_configured:
            return ReadingStatus.NOT_CONFIGURED
        if self.read_at is None:
            return ReadingStatus.NEVER
        is_recent = at - self.read_at <= timedelta(minutes=stale_minutes)
        return ReadingStatus.CURRENT if self.is_answered and is_recent else ReadingStatus.OLD

    def as_payload(self) -> dict[str, Any]:
        """Return it as plain JSON, for an event."""
        return {
            "configured": self.is_configured,
            "answered": self.is_answered,
            "readAt": _text(self.read_at),
            "revision": self.revision,
            "counts": dict(self.counts),
            "fault": self.fault.value if self.fault else None,
            "circuit": self.circuit.value,
            "nextRetryAt": _text(self.next_retry_at),
            "sentence": self.sentence,
        }


def read_from(connector_id: str, payload: Mapping[str, Any]) -> ConnectorRead:
    """Return what :meth:`ConnectorRead.as_payload` wrote."""
    return ConnectorRead(
        connector_id=connector_id,
        is_configured=payload["configured"],
        is_answered=payload["answered"],
        read_at=_instant(payload["readAt"]),
        revision=payload["revision"],
        counts=payload["counts"],
        fault=Fault(payload["fault"]) if payload["fault"] else None,
        circuit=CircuitState(payload["circuit"]),
        next_retry_at=_instant(payload["nextRetryAt"]),
        sentence=payload["sentence"],
    )


def section(reads: Iterable[ConnectorRead], as_of: datetime, stale_minutes: int) -> dict[str, dict[str, Any]]:
    """Return the section of a snapshot: one entry per connector, in order of name.

    Args:
        reads: What is known of each connector.
        as_of: The instant the snapshot describes; ages are told of it. A reading after it is 0 seconds old.
        stale_minutes: Oldest a reading may be to count as current.
    """
    return {
        read.connector_id: _entry(read, as_of, stale_minutes)
        for read in sorted(reads, key=lambda read: read.connector_id)
    }


def count_devices(reading: Reading, limits: Limits) -> dict[str, int]:
    """Return the counts of one reading. A device that could not be read counts as unknown, never as well."""
    devices = reading.devices
    return {
        "devices": len(devices) + len(reading.failures),
        "online": sum(device.is_online is True for device in devices),
        "offline": sum(device.is_online is False for device in devices),
        "lowBattery": sum(has_low_battery(device, limits) for device in devices),
        "inError": sum(is_in_error(device) for device in devices),
        "silent": sum(is_silent(device, reading.read_at, limits) for device in devices),
        "unknown": sum(device.is_healthy is None for device in devices) + len(reading.failures),
    }


def has_low_battery(device: DeviceReading, limits: Limits) -> bool:
    """Say whether a charge is known and at or below the limit."""
    return device.battery_pct is not None and device.battery_pct <= limits.low_battery_pct


def is_in_error(device: DeviceReading) -> bool:
    """Say whether a device has a known fault of its own; being offline alone is none."""
    is_only_offline = device.is_online is False and device.error_code is None
    return device.is_healthy is False and not is_only_offline


def says_unknown(device: DeviceReading) -> bool:
    """Say whether a device told a code that nobody knows; it is never taken for healthy."""
    is_unknown_error = device.error_code is not None and device.error_name is None
    return is_unknown_error or (device.state or "").startswith(_UNKNOWN_STATE)


def is_silent(device: DeviceReading, at: datetime, limits: Limits) -> bool:
    """Say whether a sensor has told nothing for longer than it may."""
    quiet = at - device.observed_at
    return device.kind in SENSOR_KINDS and quiet > timedelta(minutes=limits.sensor_silent_minutes)


def _entry(read: ConnectorRead, as_of: datetime, stale_minutes: int) -> dict[str, Any]:
    status = read.status(as_of, stale_minutes)
    is_shown = status in {ReadingStatus.CURRENT, ReadingStatus.OLD}
    read_at = read.read_at if is_shown else None
    is_current = status is ReadingStatus.CURRENT
    return {
        "status": status.value,
        "readAt": _text(read_at),
        "ageSeconds": None if read_at is None else max(0, int((as_of - read_at).total_seconds())),
        "fault": read.fault.value if read.fault and read.is_configured else None,
        **{name: read.counts[name] if is_current else None for name in COUNTS},
    }


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant_text(instant)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else parse_instant(text)
