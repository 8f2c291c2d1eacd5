"""Between a reading of a connector and its rows: what devices said, apart from when it was read."""

import hashlib
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from resources.connector import DeviceFailure, DeviceReading, Fault, Reading

_PLAIN: Final = (
    *("device_id", "kind", "model", "is_online", "battery_pct", "state", "error_code", "error_name"),
    *("is_healthy", "place"),
)


def reading_values(reading: Reading) -> dict[str, Any]:
    """Return the columns of ``connector_readings`` that the reading itself decides, but for its instant."""
    devices = [_device(device) for device in sorted(reading.devices, key=lambda one: one.device_id)]
    content: dict[str, Any] = {
        "devices": devices,
        "failures": [
            {"device_id": one.device_id, "fault": one.fault.value, "sentence": one.sentence}
            for one in sorted(reading.failures, key=lambda one: (one.device_id, one.fault))
        ],
        "mode": reading.mode,
        "security": reading.security,
        "worked_around": [fault.value for fault in reading.worked_around],
    }
    said = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    times = observed_instants(reading)
    content["devices"] = [device | {"observed_at": times[device["device_id"]]} for device in devices]
    return content | {"content_hash": hashlib.sha256(said).hexdigest()}


def observed_instants(reading: Reading) -> dict[str, str]:
    """Return device id -> when the device said so, in UTC."""
    return {device.device_id: _spelled(device.observed_at) for device in reading.devices}


def moved_instants(reading: Reading, row: Mapping[str, Any]) -> dict[str, str]:
    """Return the instants of a reading that are not those of a kept row with the same content."""
    before = {device["device_id"]: device["observed_at"] for device in row["devices"]}
    now = observed_instants(reading)
    return {device_id: at for device_id, at in now.items() if before.get(device_id) != at}


def reading_from(row: Mapping[str, Any], read_at: datetime, observed: Mapping[str, str]) -> Reading:
    """Return the reading of a row as it was last said: at ``read_at``, with the instants that moved."""
    return Reading(
        devices=tuple(_device_from(device, observed) for device in row["devices"]),
        failures=tuple(
            DeviceFailure(one["device_id"], Fault(one["fault"]), one["sentence"]) for one in row["failures"]
        ),
        read_at=read_at,
        mode=row["mode"],
        security=row["security"],
        worked_around=tuple(Fault(fault) for fault in row["worked_around"]),
    )


def _device(device: DeviceReading) -> dict[str, Any]:
    return {name: getattr(device, name) for name in _PLAIN} | {
        "values": _finite(device.values),
        "consumables": _finite(device.consumables),
        "hazards": list(device.hazards),
        "last_clean_at": None if device.last_clean_at is None else _spelled(device.last_clean_at),
    }


def _device_from(said: Mapping[str, Any], observed: Mapping[str, str]) -> DeviceReading:
    last_clean_at = said["last_clean_at"]
    return DeviceReading(
        **{name: said[name] for name in _PLAIN},
        values=said["values"],
        consumables=said["consumables"],
        hazards=tuple(said["hazards"]),
        observed_at=datetime.fromisoformat(observed.get(said["device_id"], said["observed_at"])),
        last_clean_at=None if last_clean_at is None else datetime.fromisoformat(last_clean_at),
    )


def _finite(numbers: Mapping[str, float]) -> dict[str, float]:
    # JSON knows no other numbers, and no device measures one.
    return {name: float(number) for name, number in sorted(numbers.items()) if math.isfinite(number)}


def _spelled(instant: datetime) -> str:
    if instant.tzinfo is None:
        raise ValueError("An instant of a device needs a time zone.")
    return instant.astimezone(UTC).isoformat()
