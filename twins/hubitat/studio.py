"""The devices of the pretend studio, and their days: they report in their own rhythm, run down, fall silent.

What a device says at an instant follows from the seed and the instant alone, so that a restart changes
nothing. Between two reports a device says what it said last.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from twins.hubitat.devices import PIN_CANARY, TwinDevice, Value
from twins.world import almanac
from twins.world.chance import Dice
from twins.world.device_troubles import (
    BATTERY_LOW,
    KILN_ROOM_TEMPERATURE,
    SENSOR_SILENT,
    DeviceTroubles,
)

KILN_AIR, BACK_DOOR, VENT, LOCK, GLAZE_MOTION, LEAK, KILN_DOOR, THROWING_AIR = (
    str(number) for number in range(11, 19)
)
BATTERY_DAYS: Final = 400
"""A battery is changed after so many days."""

FULL_PCT, CHANGED_AT_PCT, LOW_PCT = 100, 40, 18
"""A healthy battery never shows less than the second; one in trouble begins at the third."""

HOT_FAHRENHEIT: Final = 118
"""Of a kiln room whose vent does not draw, and a little more by day: above 50 degrees Celsius."""

_ZERO: Final = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Life:
    """How a device lives: minutes between reports, whether on a battery, and its attributes at an instant."""

    minutes: int
    has_battery: bool
    says: Callable[[int, datetime], Mapping[str, Value]]


def pretend_devices() -> list[TwinDevice]:
    """Return the devices of the pretend studio, as new objects that said nothing yet."""
    return [
        _device(KILN_AIR, "Kiln room air", "Generic Zigbee Temperature Sensor", "Kiln room", "TS0201"),
        _device(BACK_DOOR, "Back door", "Generic Z-Wave Contact Sensor", "Hall", None),
        _device(VENT, "Kiln vent", "Generic Zigbee Outlet", "Kiln room", "3210-L"),
        _device(LOCK, "Front door lock", "Generic Z-Wave Lock", "Hall", None),
        _device(GLAZE_MOTION, "Glaze room motion", "Generic Zigbee Motion Sensor", "Glaze room", None),
        _device(LEAK, "Clay store leak", "Generic Zigbee Moisture Sensor", "Clay store", None),
        _device(KILN_DOOR, "Kiln room door", "Generic Zigbee Contact Sensor", "Kiln room", "3320-L"),
        _device(THROWING_AIR, "Wheel room air", "Generic Zigbee Temperature Sensor", "Wheels", "TS0201"),
    ]


def live(device: TwinDevice, instant: datetime, seed: int, troubles: DeviceTroubles) -> None:
    """Bring a device to what it last said by an instant."""
    life = _LIVES[device.device_id]
    at = reported_at(device.device_id, life.minutes, instant)
    silent = troubles.at(instant).get((_path(device), SENSOR_SILENT))
    if silent:
        at = reported_at(device.device_id, life.minutes, silent.opens_at)
    said = dict(life.says(seed, at))
    if life.has_battery:
        said["battery"] = _battery(device, at, seed, troubles)
    if (_path(device), KILN_ROOM_TEMPERATURE) in troubles.at(at):
        said["temperature"] = round(HOT_FAHRENHEIT + float(said["temperature"] or 0) / 10, 1)
    device.quiet_for = instant - at
    device.attributes |= {name: (device.attributes[name][0], value) for name, value in said.items()}


def reported_at(device_id: str, minutes: int, instant: datetime) -> datetime:
    """Return when a device last reported by an instant; whole seconds."""
    period = minutes * 60
    phase = int(device_id) * 37 % period
    seconds = int((instant - _ZERO).total_seconds())
    return _ZERO + timedelta(seconds=(seconds - phase) // period * period + phase)


def mode_at(instant: datetime) -> tuple[str, str]:
    """Return the hub's mode and its safety monitor's state at an instant."""
    local = instant.astimezone(almanac.ZONE)
    is_day = almanac.is_open(local.date()) and almanac.OPENS_HOUR <= local.hour < almanac.CLOSES_HOUR
    if is_day:
        return "Day", "disarmed"
    return ("Evening", "disarmed") if 17 <= local.hour < 22 else ("Away", "armedAway")


def _path(device: TwinDevice) -> str:
    return f"hubitat/devices/{device.device_id}"


def _battery(device: TwinDevice, at: datetime, seed: int, troubles: DeviceTroubles) -> int:
    low = troubles.at(at).get((_path(device), BATTERY_LOW))
    if low:
        share = (at - low.opens_at) / (low.closes_at - low.opens_at)
        return LOW_PCT - int(share * (LOW_PCT - 4))
    age = ((at - _ZERO).days + Dice(seed, "battery", device.device_id).whole(0, BATTERY_DAYS)) % BATTERY_DAYS
    return FULL_PCT - (FULL_PCT - CHANGED_AT_PCT) * age // BATTERY_DAYS


def _is_busy(seed: int, at: datetime, what: str, probability: float) -> bool:
    """Say whether somebody is about: only where the studio is open, and then by chance."""
    return mode_at(at)[0] == "Day" and Dice(seed, what, at.isoformat()).chance(probability)


def _fahrenheit(seed: int, at: datetime, room: str, low: float, high: float) -> float:
    """Return a room's temperature: lowest before dawn, highest in the afternoon, a little noise."""
    local = at.astimezone(almanac.ZONE)
    hour = local.hour + local.minute / 60
    share = (1 - math.cos((hour - 4) / 24 * 2 * math.pi)) / 2
    noise = Dice(seed, "air", room, at.isoformat()).between(-0.6, 0.6)
    return round(low + (high - low) * share + noise, 1)


def _is_firing(seed: int, at: datetime) -> bool:
    return Dice(seed, "warm kiln room", almanac.day_of(at)).chance(0.5)


def _kiln_air(seed: int, at: datetime) -> Mapping[str, Value]:
    # Even on a firing day it stays well below what would need attention (45 degrees Celsius).
    return {"temperature": _fahrenheit(seed, at, "kiln room", 70, 102 if _is_firing(seed, at) else 84)}


def _vent(seed: int, at: datetime) -> Mapping[str, Value]:
    is_on = _is_firing(seed, at) and mode_at(at)[0] != "Away"
    watts = round(Dice(seed, "vent", at.isoformat()).between(39, 44), 1) if is_on else 0.0
    return {"switch": "on" if is_on else "off", "power": watts}


def _glaze_motion(seed: int, at: datetime) -> Mapping[str, Value]:
    return {
        "motion": "active" if _is_busy(seed, at, "glaze motion", 0.6) else "inactive",
        "temperature": _fahrenheit(seed, at, "glaze room", 66, 78),
        "humidity": Dice(seed, "humidity", at.isoformat()).whole(20, 32),
    }


def _contact(what: str) -> Callable[[int, datetime], Mapping[str, Value]]:
    return lambda seed, at: {"contact": "open" if _is_busy(seed, at, what, 0.25) else "closed"}


_LIVES: Final[Mapping[str, _Life]] = {
    KILN_AIR: _Life(10, has_battery=True, says=_kiln_air),
    BACK_DOOR: _Life(45, has_battery=True, says=_contact("back door")),
    VENT: _Life(15, has_battery=False, says=_vent),
    LOCK: _Life(
        55,
        has_battery=True,
        says=lambda _seed, at: {"lock": "unlocked" if mode_at(at)[0] == "Day" else "locked"},
    ),
    GLAZE_MOTION: _Life(5, has_battery=True, says=_glaze_motion),
    LEAK: _Life(50, has_battery=True, says=lambda _seed, _at: {"water": "dry"}),
    KILN_DOOR: _Life(40, has_battery=True, says=_contact("kiln door")),
    THROWING_AIR: _Life(
        10,
        has_battery=True,
        says=lambda seed, at: {"temperature": _fahrenheit(seed, at, "wheel room", 66, 77)},
    ),
}
_AIR: Final = {"TemperatureMeasurement": ["temperature"], "Battery": ["battery"], "Sensor": []}
_CONTACT: Final = {"ContactSensor": ["contact"], "Battery": ["battery"], "Sensor": []}
_CAPABILITIES: Final[Mapping[str, Mapping[str, list[str]]]] = {
    KILN_AIR: _AIR,
    BACK_DOOR: _CONTACT,
    VENT: {"Outlet": ["switch"], "Switch": ["switch"], "PowerMeter": ["power"], "Actuator": []},
    LOCK: {"Lock": ["lock"], "LockCodes": ["lockCodes"], "Battery": ["battery"], "Actuator": []},
    GLAZE_MOTION: {
        "MotionSensor": ["motion"],
        "RelativeHumidityMeasurement": ["humidity"],
        **_AIR,
    },
    LEAK: {"WaterSensor": ["water"], "Battery": ["battery"], "Sensor": []},
    KILN_DOOR: _CONTACT,
    THROWING_AIR: _AIR,
}
_COMMANDS: Final[Mapping[str, list[str]]] = {
    VENT: ["off", "on", "refresh", "off", "on"],
    LOCK: ["deleteCode", "lock", "setCode", "unlock"],
}
_NUMBERS: Final = frozenset({"temperature", "humidity", "battery", "power"})
_PINS: Final[Mapping[str, tuple[str, Value]]] = {
    "lockCodes": ("JSON_OBJECT", '{"1":{"name":"Maya R","code":"' + PIN_CANARY + '"}}'),
    "lastCodeName": ("STRING", "Maya R"),
    "codeLength": ("NUMBER", 4),
}


def _device(device_id: str, label: str, type_: str, room: str, model: str | None) -> TwinDevice:
    capabilities = _CAPABILITIES[device_id]
    attributes: dict[str, tuple[str, Value]] = {
        name: ("NUMBER" if name in _NUMBERS else "ENUM", None)
        for names in capabilities.values()
        for name in names
        if name != "lockCodes"
    }
    attributes["healthStatus"] = ("ENUM", "online")
    if device_id == LOCK:
        attributes |= _PINS
    commands = _COMMANDS.get(device_id, ["configure", "refresh"])
    return TwinDevice(
        device_id, label, type_, capabilities, attributes, commands, room=room, model=model, quiet_for=None
    )
