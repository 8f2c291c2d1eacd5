"""What of devices wants a person's attention: pure detectors over one current reading.

Each states what it expected and what it saw, and names the device's row as evidence. What nobody knows is a
finding of low severity, never health. An old reading gives no findings: what it said may long be mended.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from resources.connector import DeviceFailure, DeviceReading, Fault, Reading
from resources.findings import Finding, FindingEvidence, Severity
from resources.hubitat.parse import KILN_ROOM
from studio_assets.devices.section import (
    ROBOT_KINDS,
    ConnectorRead,
    Limits,
    ReadingStatus,
    has_low_battery,
    is_in_error,
    is_silent,
    says_unknown,
)

DEPARTMENT: Final = "operations"
NEARLY_EMPTY_PCT: Final = 5
# What a device that is switched off, out of reach or without a network looks like.
OUT_OF_REACH: Final = frozenset({Fault.TIMEOUT, Fault.UNAVAILABLE})
_NEVER_READ: Final = "no reading yet"
_AWAY: Final = "It has no power, or is out of reach."
_BRING_BACK: Final = "See that it has power and is within reach."


class FindingKind(StrEnum):
    """What was found. Names are stable: a finding's identity holds its kind."""

    VACUUM_ERROR = "vacuum_error"
    BATTERY_LOW = "battery_low"
    SENSOR_SILENT = "sensor_silent"
    DEVICE_OFFLINE = "device_offline"
    KILN_ROOM_TEMPERATURE = "kiln_room_temperature"
    CONNECTOR_SILENT = "connector_silent"


def detector_of(connector_id: str) -> str:
    """Return the name under which the findings of one connector's devices are kept."""
    return f"devices_of_{connector_id}"


def detector_of_silence(connector_id: str) -> str:
    """Return the name under which the silence of a connector itself is kept."""
    return f"silence_of_{connector_id}"


def is_of_devices(finding: Finding) -> bool:
    """Return whether a finding is one of these: other detectors of operations find other things."""
    return finding.subject_kind in {"device", "connector"}


def is_of_no_reading(finding: Finding) -> bool:
    """Return whether a finding is that a connector has told nothing ever: there is no row to point at."""
    return finding.kind == FindingKind.CONNECTOR_SILENT and finding.observed == _NEVER_READ


def subject_of(connector_id: str, device_id: str) -> str:
    """Return a device's subject id; device ids are unique within a connector only."""
    return f"{connector_id}/{device_id}"


def devices_asset(connector_id: str) -> str:
    """Return the key of the asset that holds a connector's devices, without the studio's prefix."""
    return f"cloud_truth/{connector_id}_devices"


def detect(connector_id: str, reading: Reading, revision: int, limits: Limits) -> list[Finding]:
    """Return the findings of one current reading, in order of identity; at most one per device and kind.

    Args:
        connector_id: Whose reading.
        reading: Every device that answered, and those that did not.
        revision: Of the reading in history, where the evidence lies.
        limits: From where on a device wants attention.
    """
    found = [
        finding
        for device in reading.devices
        for look in _LOOKS
        if (finding := look(_Case(connector_id, revision, device, reading.read_at, limits))) is not None
    ]
    found += [
        _unreachable(connector_id, revision, failure)
        for failure in reading.failures
        if failure.fault in OUT_OF_REACH
    ]
    return sorted(found, key=lambda finding: finding.finding_id)


def detect_silence(read: ConnectorRead, at: datetime, limits: Limits) -> list[Finding]:
    """Return the finding that a connector has told nothing for longer than a reading is current; or none."""
    status = read.status(at, limits.stale_minutes)
    is_recent = read.read_at is not None and at - read.read_at <= timedelta(minutes=limits.stale_minutes)
    if is_recent or status not in {ReadingStatus.OLD, ReadingStatus.NEVER}:
        return []
    if read.fault is Fault.AUTH:
        cause, step = "The login is refused.", "Log in again, as docs/connectors.md says."
    else:
        cause = "The hub or the vendor's cloud is away, or the network between."
        step = "See that the hub has power and network. It is asked again by itself."
    return [
        Finding(
            department=DEPARTMENT,
            detector=detector_of_silence(read.connector_id),
            kind=FindingKind.CONNECTOR_SILENT.value,
            subject_kind="connector",
            subject_id=read.connector_id,
            severity=Severity.MEDIUM,
            confidence=1.0,
            since=read.read_at,
            expected=f"a reading within {limits.stale_minutes} minutes",
            observed=_NEVER_READ if read.read_at is None else "only an old reading",
            likely_cause=cause,
            next_step=step,
            evidence=()
            if read.revision is None
            else (FindingEvidence(devices_asset(read.connector_id), str(read.revision)),),
        )
    ]


def scope_of(connector_id: str, reading: Reading, opened: Iterable[Finding]) -> frozenset[str]:
    """Return the subjects a reading speaks of: only there may what it does not show be resolved.

    A device that could not be read keeps its findings; one the reading no longer knows is gone, and loses
    them.
    """
    unread = {subject_of(connector_id, failure.device_id) for failure in reading.failures}
    told = {subject_of(connector_id, device.device_id) for device in reading.devices}
    return frozenset((told | {finding.subject_id for finding in opened}) - unread)


@dataclass(frozen=True, slots=True)
class _Case:
    """One device of one reading."""

    connector_id: str
    revision: int
    device: DeviceReading
    read_at: datetime
    limits: Limits

    @property
    def about(self) -> tuple[str, int, str]:
        """Return whose device it is, in which reading, and which one."""
        return self.connector_id, self.revision, self.device.device_id


def _error(case: _Case) -> Finding | None:
    device = case.device
    if device.kind not in ROBOT_KINDS:
        return None
    if is_in_error(device):
        return _finding(
            *case.about,
            FindingKind.VACUUM_ERROR,
            Severity.MEDIUM,
            expected="no error",
            observed=device.error_name or device.state or "an error",
            likely_cause="The device stopped for the reason it tells.",
            next_step="Look at the device, remove what stops it, and start it again by hand.",
        )
    if says_unknown(device):
        is_code = device.error_code is not None and device.error_name is None
        return _finding(
            *case.about,
            FindingKind.VACUUM_ERROR,
            Severity.LOW,
            expected="a known state",
            observed=f"unknown state {device.error_code if is_code else device.state}",
            likely_cause="The device told a code that nobody here knows; it may be well or not.",
            next_step="Look at the device, and note down what the code means.",
            confidence=0.5,
        )
    return None


def _battery(case: _Case) -> Finding | None:
    device = case.device
    if device.battery_pct is None or not has_low_battery(device, case.limits):
        return None
    is_robot = device.kind in ROBOT_KINDS
    is_charging = is_robot and (device.state or "").startswith("charging")
    is_urgent = device.battery_pct <= NEARLY_EMPTY_PCT and not is_charging
    return _finding(
        *case.about,
        FindingKind.BATTERY_LOW,
        Severity.MEDIUM if is_urgent else Severity.LOW,
        expected=float(case.limits.low_battery_pct),
        observed=float(device.battery_pct),
        unit="percent",
        likely_cause="It is charging now." if is_charging else "The battery is used up.",
        next_step="See that it reaches its dock and charges." if is_robot else "Put in a new battery.",
    )


def _silence(case: _Case) -> Finding | None:
    device = case.device
    if not is_silent(device, case.read_at, case.limits):
        return None
    return _finding(
        *case.about,
        FindingKind.SENSOR_SILENT,
        Severity.MEDIUM if device.place == KILN_ROOM else Severity.LOW,
        expected=f"something within {case.limits.sensor_silent_minutes} minutes",
        observed="nothing",
        likely_cause="Its battery is empty, or it has lost the hub.",
        next_step="Look at the sensor: change its battery, or bring it nearer to the hub.",
        confidence=0.8,
        since=device.observed_at,
    )


def _offline(case: _Case) -> Finding | None:
    if case.device.is_online is not False:
        return None
    return _finding(
        *case.about,
        FindingKind.DEVICE_OFFLINE,
        Severity.LOW,
        expected="online",
        observed="offline",
        likely_cause=_AWAY,
        next_step=_BRING_BACK,
        confidence=0.9,
    )


def _kiln_room(case: _Case) -> Finding | None:
    device, limits = case.device, case.limits
    celsius = device.values.get("temperature_celsius")
    # What a sensor said hours ago is not how warm it is.
    if device.place != KILN_ROOM or celsius is None or is_silent(device, case.read_at, limits):
        return None
    if limits.kiln_room_low_celsius <= celsius <= limits.kiln_room_high_celsius:
        return None
    is_hot = celsius > limits.kiln_room_high_celsius
    return _finding(
        *case.about,
        FindingKind.KILN_ROOM_TEMPERATURE,
        Severity.HIGH if is_hot else Severity.MEDIUM,
        expected=limits.kiln_room_high_celsius if is_hot else limits.kiln_room_low_celsius,
        observed=float(round(celsius)),
        unit="celsius",
        likely_cause="The vent does not draw, or a kiln leaks heat." if is_hot else "The heating is off.",
        next_step="Go and look at the kiln room now." if is_hot else "See to the heating of the kiln room.",
        confidence=0.9,
    )


_LOOKS: Final[tuple[Callable[[_Case], Finding | None], ...]] = (
    _error,
    _battery,
    _silence,
    _offline,
    _kiln_room,
)


def _finding(
    connector_id: str,
    revision: int,
    device_id: str,
    kind: FindingKind,
    severity: Severity,
    *,
    expected: float | str,
    observed: float | str,
    likely_cause: str,
    next_step: str,
    unit: str | None = None,
    confidence: float = 1.0,
    since: datetime | None = None,
) -> Finding:
    return Finding(
        department=DEPARTMENT,
        detector=detector_of(connector_id),
        kind=kind.value,
        subject_kind="device",
        subject_id=subject_of(connector_id, device_id),
        severity=severity,
        confidence=confidence,
        since=since,
        expected=expected,
        observed=observed,
        unit=unit,
        likely_cause=likely_cause,
        next_step=next_step,
        evidence=(FindingEvidence(devices_asset(connector_id), str(revision), device_id),),
    )


def _unreachable(connector_id: str, revision: int, failure: DeviceFailure) -> Finding:
    return _finding(
        *(connector_id, revision, failure.device_id, FindingKind.DEVICE_OFFLINE, Severity.LOW),
        confidence=0.7,
        expected="online",
        observed="no answer",
        likely_cause=_AWAY,
        next_step=_BRING_BACK,
    )
