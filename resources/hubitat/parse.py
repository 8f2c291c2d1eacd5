"""From a hub's answers to readings. Attributes are kept by name; whatever is not named here is dropped.

So are PINs, who unlocked last, pictures and presence. Labels are free text and dropped, too; a room is kept
only when it is the kiln room. ``/devices/all`` gives numbers as strings, and no units: Maker API leaves the
hub's temperature scale out, so it has to be told.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from resources.connector import ConnectorError, DeviceFailure, DeviceReading, Fault
from resources.hubitat.hazards import hazards

KILN_ROOM: Final = "kiln_room"
LONGEST_WORD: Final = 40
_KILN: Final = re.compile(r"\bkilns?\b", re.IGNORECASE)
_DEVICE_ID: Final = re.compile(r"[0-9]{1,9}")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9 _-]*")
# First match wins; what a device mainly is for the studio.
_KINDS: Final = (
    ("Lock", "lock"),
    ("GarageDoorControl", "garage_door"),
    ("DoorControl", "door"),
    ("Thermostat", "thermostat"),
    ("Valve", "valve"),
    ("Alarm", "siren"),
    ("SmokeDetector", "smoke_detector"),
    ("CarbonMonoxideDetector", "carbon_monoxide_detector"),
    ("WaterSensor", "water_sensor"),
    ("ContactSensor", "contact_sensor"),
    ("MotionSensor", "motion_sensor"),
    ("Outlet", "outlet"),
    ("SwitchLevel", "dimmer"),
    ("Switch", "switch"),
    ("TemperatureMeasurement", "temperature_sensor"),
    ("RelativeHumidityMeasurement", "humidity_sensor"),
    ("PushableButton", "button"),
)
# The attribute that says in a word how a device of a kind is.
_STATES: Final = {
    "lock": "lock",
    "garage_door": "door",
    "door": "door",
    "thermostat": "thermostatOperatingState",
    "valve": "valve",
    "siren": "alarm",
    "smoke_detector": "smoke",
    "carbon_monoxide_detector": "carbonMonoxide",
    "water_sensor": "water",
    "contact_sensor": "contact",
    "motion_sensor": "motion",
    "outlet": "switch",
    "dimmer": "switch",
    "switch": "switch",
}


class TemperatureScale(StrEnum):
    """The hub's own setting; every temperature it tells is in it."""

    FAHRENHEIT = "fahrenheit"
    CELSIUS = "celsius"


def _same(number: float) -> float:
    return number


def _celsius(number: float) -> float:
    return round((number - 32) * 5 / 9, 2)


# Attribute -> name with unit.
_NUMBERS: Final = {
    "temperature": "temperature_celsius",
    "humidity": "humidity_pct",
    "illuminance": "illuminance_lux",
    "power": "power_watts",
    "energy": "energy_kwh",
    "voltage": "voltage_volts",
    "amperage": "current_amperes",
    "level": "level_pct",
    "carbonDioxide": "carbon_dioxide_ppm",
    "pressure": "pressure_hub_units",
    "heatingSetpoint": "heating_setpoint_celsius",
    "coolingSetpoint": "cooling_setpoint_celsius",
}


def parse_devices(
    body: Any, read_at: datetime, scale: TemperatureScale
) -> tuple[Sequence[DeviceReading], Sequence[DeviceFailure]]:
    """Return the devices of ``/devices/all`` in the hub's order, and those that made no sense.

    Raises:
        ConnectorError: ``bad_response`` when the answer is no list, or an entry has no usable id.
    """
    if not isinstance(body, list):
        raise _bad(f"The hub's device list is a {type(body).__name__}, not a list.")
    readings, failures = [], []
    seen: set[str] = set()
    for entry in body:
        device_id = _device_id(entry)
        if device_id in seen:
            raise _bad("The hub named one device twice.")
        seen.add(device_id)
        try:
            readings.append(_device(device_id, entry, read_at, scale))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            failures.append(
                DeviceFailure(
                    device_id, Fault.BAD_RESPONSE, "The hub's entry for this device is not understood."
                )
            )
    if failures and not readings:
        raise _bad("No entry of the hub's device list is understood.")
    return readings, failures


def parse_mode(body: Any) -> str | None:
    """Return the name of the active mode; null when there is none. Raises ``ConnectorError``."""
    if not isinstance(body, list) or not all(isinstance(mode, Mapping) for mode in body):
        raise _bad("The hub's modes are not a list of modes.")
    return next((_word(mode.get("name")) for mode in body if mode.get("active") is True), None)


def parse_security(body: Any) -> str | None:
    """Return the safety monitor's state; null when it is not set up. Raises ``ConnectorError``."""
    if not isinstance(body, Mapping):
        raise _bad("The hub's safety monitor is not told as an object.")
    return _word(body.get("hsm"))


def parse_json(body: bytes) -> Any:
    """Return what a body says, whatever its content type claims.

    Raises:
        ConnectorError: ``unavailable`` for a page (boot, overload), ``bad_response`` for what is no JSON.
    """
    head = body[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"<"):
        raise ConnectorError(Fault.UNAVAILABLE, "The hub answered with a web page: it starts up or is busy.")
    with suppress(ValueError, RecursionError):
        return json.loads(body)
    # Raised out here: the parser's error holds the whole answer, and would hang on to ours.
    raise _bad(f"The hub's answer is not JSON ({len(body)} bytes), or was cut.")


def _device_id(entry: Any) -> str:
    given = entry.get("id") if isinstance(entry, Mapping) else None
    if isinstance(given, bool) or not _DEVICE_ID.fullmatch(str(given)):
        raise _bad("The hub's device list has an entry without an id.")
    return str(given)


def _device(
    device_id: str, entry: Mapping[str, Any], read_at: datetime, scale: TemperatureScale
) -> DeviceReading:
    capabilities = [str(one) for one in entry["capabilities"] if isinstance(one, str)]
    attributes = dict(entry["attributes"])
    kind = next((kind for capability, kind in _KINDS if capability in capabilities), "other")
    health = attributes.get("healthStatus")
    is_online = {"online": True, "offline": False}.get(health) if isinstance(health, str) else None
    battery = _number(attributes.get("battery"))
    said_at = _instant(entry.get("date"))
    return DeviceReading(
        device_id=device_id,
        kind=kind,
        model=_word(entry.get("model")),
        is_online=is_online,
        battery_pct=None if battery is None or not 0 <= battery <= 100 else round(battery),
        state=_word(attributes.get(_STATES.get(kind, ""))) if said_at else None,
        error_code=None,
        error_name=None,
        is_healthy=is_online,  # the hub tells no more than this; silence is not health
        # A hub's clock ahead of ours must not make a silent sensor look fresh for ever.
        observed_at=min(said_at, read_at) if said_at else read_at,
        # What was said at no known time is not shown as current.
        values=_values(attributes, scale) if said_at else {},
        hazards=hazards(capabilities),
        place=KILN_ROOM if _KILN.search(str(entry.get("room") or "")) else None,
    )


def _values(attributes: Mapping[str, Any], scale: TemperatureScale) -> Mapping[str, float]:
    values = {}
    for attribute, name in _NUMBERS.items():
        number = _number(attributes.get(attribute))
        if number is not None:
            is_fahrenheit = name.endswith("_celsius") and scale is TemperatureScale.FAHRENHEIT
            convert: Callable[[float], float] = _celsius if is_fahrenheit else _same
            values[name] = convert(number)
    return values


def _number(given: Any) -> float | None:
    """Return a number the hub wrote as a number or as a string; null for anything else."""
    if given is None or isinstance(given, bool):
        return None
    try:
        number = float(given)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _word(given: Any) -> str | None:
    """Return a short plain word; null for anything that could hold more than that."""
    if not isinstance(given, str) or len(given) > LONGEST_WORD or not _WORD.fullmatch(given):
        return None
    return given


def _instant(given: Any) -> datetime | None:
    if not given:
        return None
    instant = datetime.fromisoformat(str(given))
    if instant.tzinfo is None:
        raise ValueError("an instant without a zone")
    return instant.astimezone(UTC)


def _bad(sentence: str) -> ConnectorError:
    return ConnectorError(Fault.BAD_RESPONSE, sentence)
