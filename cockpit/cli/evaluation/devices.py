"""The device detectors of operations on the pretend studio's devices, held against their labelled troubles.

Devices are brought to what they last said at each look, and told through the real connectors' readers; only
the wires are left out. That a connector itself says nothing (``connector_silent``, ``device_offline``) is
no trouble of a device: it comes of the wires' faults, which are tried by ``studio connectors verify``.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Final

from cockpit.cli.evaluation.scoring import Rule, Score, Watch, score
from resources.connector import Reading
from resources.findings import Finding
from resources.hubitat.parse import TemperatureScale, parse_devices
from resources.roborock import codes
from resources.roborock.parse import VACUUM, WET_DRY_VACUUM, RobotAnswers
from resources.roborock.parse import reading as robot_reading
from studio_assets.devices.detect import FindingKind, detect
from studio_assets.devices.section import Limits
from twins.hubitat import studio
from twins.hubitat.devices import full_shape
from twins.roborock import fleet
from twins.world import almanac
from twins.world.device_troubles import DeviceTroubles
from twins.world.settings import SMALL, WorldSettings

LOOK_EVERY: Final = timedelta(hours=6)
_LIMITS: Final = Limits()
_LAG: Final = timedelta(hours=1)
"""Devices report within the hour; until then they say what they said last."""

_FAMILIES: Final = {"1.0": (VACUUM, codes.V1), "B01": (VACUUM, codes.Q7), "A01": (WET_DRY_VACUUM, codes.DYAD)}
EXPECTED: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "vacuum_error": Rule(frozenset({FindingKind.VACUUM_ERROR.value})),
        "battery_low": Rule(frozenset({FindingKind.BATTERY_LOW.value}), _LAG),
        "sensor_silent": Rule(
            frozenset({FindingKind.SENSOR_SILENT.value}), timedelta(minutes=_LIMITS.sensor_silent_minutes)
        ),
        "kiln_room_temperature": Rule(frozenset({FindingKind.KILN_ROOM_TEMPERATURE.value}), _LAG),
    }
)
"""Kind of trouble -> what rightly names it, and how long it may take until a device can show it."""


def evaluate_devices(seed: int, days: int, *, first_day: date, has_incidents: bool) -> Score:
    """Return the score of the device detectors over some days of the pretend devices."""
    settings = WorldSettings(seed, first_day, SMALL, has_incidents=has_incidents)
    troubles, watch = DeviceTroubles(settings), Watch(_paths)
    at, until = almanac.local(first_day, 0), almanac.day_end(first_day + timedelta(days=days - 1))
    while at < until:
        at += LOOK_EVERY
        watch.look(at, _found_at(at, settings, troubles))
    return score(watch.alerts, troubles.labels(at), EXPECTED, until=at, days=days, slack=LOOK_EVERY)


def _found_at(at: datetime, settings: WorldSettings, troubles: DeviceTroubles) -> list[Finding]:
    found = detect("hubitat", hub_at(at, settings, troubles), 1, _LIMITS)
    return found + detect("roborock", robots_at(at, troubles), 1, _LIMITS)


def hub_at(at: datetime, settings: WorldSettings, troubles: DeviceTroubles) -> Reading:
    """Return what the pretend hub tells at an instant."""
    devices = studio.pretend_devices()
    for device in devices:
        studio.live(device, at, settings.seed, troubles)
    told = [full_shape(device, at) for device in devices]
    readings, failures = parse_devices(told, at, TemperatureScale.FAHRENHEIT)
    return Reading(readings, failures, at)


def robots_at(at: datetime, troubles: DeviceTroubles) -> Reading:
    """Return what the pretend robots tell at an instant."""
    readings = []
    for robot in fleet.studio_robots(""):
        fleet.live(robot, at, troubles.robot_error(robot.duid, at))
        kind, known = _FAMILIES[robot.pv]
        said = RobotAnswers(state=robot.state, error=robot.error_code, battery=robot.battery)
        readings.append(robot_reading(robot.duid, kind, robot.model, known=known, said=said, observed_at=at))
    return Reading(readings, [], at)


def _paths(finding: Finding) -> Iterable[str]:
    connector, _, device = finding.subject_id.partition("/")
    yield f"{connector}/devices/{device}"
