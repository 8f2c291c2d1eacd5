"""The detectors on the pretend devices, held against their labelled incidents: none missed, none made up."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from resources.connector import Reading
from resources.hubitat.parse import TemperatureScale, parse_devices
from resources.roborock import codes
from resources.roborock.parse import VACUUM, WET_DRY_VACUUM, RobotAnswers
from resources.roborock.parse import reading as robot_reading
from studio_assets.devices.detect import FindingKind, detect
from studio_assets.devices.section import Limits
from twins.hubitat import studio
from twins.hubitat.devices import full_shape
from twins.roborock import fleet
from twins.world.device_troubles import DeviceTroubles
from twins.world.settings import WorldSettings

DAYS = 70
LIMITS = Limits()
FAMILIES = {"1.0": (VACUUM, codes.V1), "B01": (VACUUM, codes.Q7), "A01": (WET_DRY_VACUUM, codes.DYAD)}
# A silent sensor is one only once it has been silent for longer than it may, since its last word.
UNSEEN = {FindingKind.SENSOR_SILENT: timedelta(minutes=LIMITS.sensor_silent_minutes)}


def instants(settings):
    first = datetime.combine(settings.first_day, time(), UTC) + timedelta(days=1)
    return [first + timedelta(hours=3 * step, minutes=7) for step in range(8 * DAYS)]


def hub_at(instant, settings, troubles):
    devices = studio.pretend_devices()
    for device in devices:
        studio.live(device, instant, settings.seed, troubles)
    told = [full_shape(device, instant) for device in devices]
    readings, failures = parse_devices(told, instant, TemperatureScale.FAHRENHEIT)
    return Reading(readings, failures, instant)


def robots_at(instant, troubles):
    readings = []
    for robot in fleet.studio_robots(""):
        fleet.live(robot, instant, troubles.robot_error(robot.duid, instant))
        kind, known = FAMILIES[robot.pv]
        said = RobotAnswers(state=robot.state, error=robot.error_code, battery=robot.battery)
        readings.append(
            robot_reading(robot.duid, kind, robot.model, known=known, said=said, observed_at=instant)
        )
    return Reading(readings, [], instant)


def found_at(instant, settings, troubles):
    found = detect("hubitat", hub_at(instant, settings, troubles), 1, LIMITS)
    found += detect("roborock", robots_at(instant, troubles), 1, LIMITS)
    return {(finding.subject_id, finding.kind) for finding in found}


def subject_of(trouble):
    connector, _, device_id = trouble.device.split("/")
    return f"{connector}/{device_id}"


def labels_of(troubles):
    return {(subject_of(trouble), trouble.kind) for trouble in troubles}


def is_unsayable(found, mute):
    """Say whether it is about the battery of a sensor that has fallen silent: it tells of no change."""
    subject, kind = found
    return kind == FindingKind.BATTERY_LOW and subject in mute


@pytest.mark.parametrize("seed", [1, 7])
def test_a_calm_world_gives_no_finding_at_any_hour(seed):
    settings = WorldSettings(seed=seed, first_day=date(2026, 9, 1), has_incidents=False)
    troubles = DeviceTroubles(settings)
    assert {
        found for instant in instants(settings) for found in found_at(instant, settings, troubles)
    } == set()


@pytest.mark.parametrize("seed", [1, 7])
def test_every_incident_is_found_while_it_lasts_and_nothing_else_is(seed):
    settings = WorldSettings(seed=seed, first_day=date(2026, 9, 1), has_incidents=True)
    troubles = DeviceTroubles(settings)
    seen, struck = set(), set()
    for instant in instants(settings):
        wrong = troubles.at(instant).values()
        # Devices report within the hour: until then they say what they said last.
        labelled = labels_of([*wrong, *troubles.at(instant - timedelta(hours=1)).values()])
        mute = {subject for subject, kind in labelled if kind == FindingKind.SENSOR_SILENT}
        found = {one for one in found_at(instant, settings, troubles) if not is_unsayable(one, mute)}
        assert found <= labelled
        due = {
            one
            for trouble in wrong
            if instant - trouble.opens_at > UNSEEN.get(trouble.kind, timedelta(hours=1))
            and not is_unsayable(one := (subject_of(trouble), trouble.kind), mute)
        }
        assert found >= due
        seen |= found
        struck |= due
    assert seen >= struck
    assert {kind for _, kind in struck} == {
        *("vacuum_error", "battery_low", "sensor_silent", "kiln_room_temperature")
    }
