"""The devices of the pretend studio's hub, and the three shapes in which Maker API tells of them.

Values are our own. Shapes follow the Maker API: ``/devices/all`` writes numbers as strings and lets two
stray keys into the attributes; ``/devices/{id}`` keeps types and gives a list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

PIN_CANARY: Final = "8461"
Value = str | int | float | None


@dataclass(slots=True)
class TwinDevice:
    """One device. ``attributes`` maps a name to its type and value; values may be changed at any time.

    Attributes:
        quiet_for: How long ago it last said something; null when it never did.
    """

    device_id: str
    label: str
    type: str
    capabilities: Mapping[str, Sequence[str]]
    attributes: dict[str, tuple[str, Value]]
    commands: Sequence[str]
    room: str | None = None
    model: str | None = None
    quiet_for: timedelta | None = field(default=timedelta(minutes=2))


def studio_devices() -> list[TwinDevice]:
    """Return the devices of the pretend studio, as new objects."""
    return [
        TwinDevice(
            "11",
            "Kiln room air",
            "Generic Zigbee Temperature Sensor",
            {"TemperatureMeasurement": ["temperature"], "Battery": ["battery"], "Sensor": []},
            {
                "temperature": ("NUMBER", 97.3),
                "battery": ("NUMBER", 88),
                "healthStatus": ("ENUM", "online"),
            },
            ["configure", "refresh"],
            room="Kiln room",
            model="TS0201",
        ),
        TwinDevice(
            "12",
            "Back door",
            "Generic Z-Wave Contact Sensor",
            {"ContactSensor": ["contact"], "Battery": ["battery"], "Sensor": []},
            {"contact": ("ENUM", "closed"), "battery": ("NUMBER", 71)},
            ["configure"],
            room="Hall",
            quiet_for=timedelta(hours=5),
        ),
        TwinDevice(
            "13",
            "Kiln vent",
            "Generic Zigbee Outlet",
            {"Outlet": ["switch"], "Switch": ["switch"], "PowerMeter": ["power"], "Actuator": []},
            {"switch": ("ENUM", "on"), "power": ("NUMBER", 41.5), "healthStatus": ("ENUM", "online")},
            ["off", "on", "refresh", "off", "on"],
            room="Kiln room",
            model="3210-L",
        ),
        TwinDevice(
            "14",
            "Front door lock",
            "Generic Z-Wave Lock",
            {"Lock": ["lock"], "LockCodes": ["lockCodes"], "Battery": ["battery"], "Actuator": []},
            {
                "lock": ("ENUM", "locked"),
                "battery": ("NUMBER", 35),
                "lockCodes": ("JSON_OBJECT", '{"1":{"name":"Maya R","code":"' + PIN_CANARY + '"}}'),
                "lastCodeName": ("STRING", "Maya R"),
                "codeLength": ("NUMBER", 4),
            },
            ["deleteCode", "lock", "setCode", "unlock"],
            room="Hall",
        ),
        TwinDevice(
            "15",
            "Glaze room motion",
            "Generic Zigbee Motion Sensor",
            {
                "MotionSensor": ["motion"],
                "TemperatureMeasurement": ["temperature"],
                "RelativeHumidityMeasurement": ["humidity"],
                "Battery": ["battery"],
                "Sensor": [],
            },
            {
                "motion": ("ENUM", "inactive"),
                "temperature": ("NUMBER", 71.6),
                "humidity": ("NUMBER", 24),
                "battery": ("NUMBER", 9),
            },
            ["configure"],
            room="Glaze room",
        ),
        TwinDevice(
            "16",
            "Clay store leak",
            "Generic Zigbee Moisture Sensor",
            {"WaterSensor": ["water"], "Battery": ["battery"], "Sensor": []},
            {"water": ("ENUM", "dry"), "battery": ("NUMBER", None), "healthStatus": ("ENUM", "offline")},
            ["refresh"],
            room="Clay store",
            quiet_for=timedelta(days=3),
        ),
    ]


def short_shape(device: TwinDevice) -> dict[str, Any]:
    """Return a device as ``/devices`` tells it."""
    return {"id": device.device_id, "name": device.type, "label": device.label, "type": device.type}


def full_shape(device: TwinDevice, now: datetime) -> dict[str, Any]:
    """Return a device as ``/devices/all`` tells it."""
    attributes = {
        name: None if value is None else str(value) for name, (_, value) in device.attributes.items()
    }
    stray = {"dataType": list(device.attributes.values())[-1][0], "values": None}
    return short_shape(device) | {
        "date": None if device.quiet_for is None else f"{now - device.quiet_for:%Y-%m-%dT%H:%M:%S+0000}",
        "model": device.model,
        "manufacturer": None,
        "room": device.room,
        "capabilities": list(device.capabilities),
        "attributes": stray | attributes,
        "commands": [{"command": command} for command in device.commands],
    }


def single_shape(device: TwinDevice) -> dict[str, Any]:
    """Return a device as ``/devices/{id}`` tells it."""
    capabilities: list[Any] = []
    for capability, attributes in device.capabilities.items():
        capabilities.append(capability)
        if attributes:
            capabilities.append({"attributes": [{"name": name, "dataType": None} for name in attributes]})
    return short_shape(device) | {
        "capabilities": capabilities,
        "attributes": [
            {"name": name, "currentValue": value, "dataType": kind}
            for name, (kind, value) in device.attributes.items()
        ],
        "commands": list(device.commands),
    }
