"""The devices of the pretend studio: well unless told otherwise, silent and empty exactly as labelled."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from resources.hubitat.parse import TemperatureScale, parse_devices
from twins.hubitat.devices import PIN_CANARY, full_shape
from twins.hubitat.studio import BACK_DOOR, GLAZE_MOTION, KILN_AIR, live, mode_at, pretend_devices
from twins.world.device_troubles import BATTERY_LOW, SENSOR_SILENT, DeviceTroubles
from twins.world.settings import WorldSettings

SETTINGS = WorldSettings(seed=1, first_day=date(2026, 9, 22))
CALM = DeviceTroubles(replace(SETTINGS, has_incidents=False))
BUSY = DeviceTroubles(SETTINGS)
LONGEST_PAUSE = timedelta(minutes=56)


def instants():
    start = datetime(2026, 9, 22, 7, tzinfo=UTC)
    return [start + timedelta(minutes=77 * number) for number in range(1100)]


def readings(at, troubles):
    devices = pretend_devices()
    for device in devices:
        live(device, at, 1, troubles)
    found, failures = parse_devices(
        [full_shape(device, at) for device in devices], at, TemperatureScale.FAHRENHEIT
    )
    assert failures == []
    return {device.device_id: device for device in found}


def test_a_calm_studio_needs_nobody():
    """Over two months: every device speaks within the hour, no battery is low, no kiln room too hot."""
    seen = set()
    for at in instants():
        for device in readings(at, CALM).values():
            assert timedelta() <= at - device.observed_at <= LONGEST_PAUSE
            assert device.battery_pct is None or device.battery_pct >= 40
            assert device.is_healthy
            seen.add((device.device_id, device.state))
            if device.place == "kiln_room" and "temperature_celsius" in device.values:
                assert 15 < device.values["temperature_celsius"] < 42
    assert {(BACK_DOOR, "open"), (BACK_DOOR, "closed")} <= seen
    assert {(GLAZE_MOTION, "active"), (GLAZE_MOTION, "inactive")} <= seen


def test_what_is_labelled_is_lived_and_nothing_else():
    """A device is silent for hours, or nearly empty, exactly when a label says so (or has just ended)."""
    ids = {device.device_id for device in pretend_devices()}
    found = set()
    for at in instants():
        troubles, before = BUSY.at(at), BUSY.at(at - LONGEST_PAUSE)
        for device_id, device in readings(at, BUSY).items():
            path = f"hubitat/devices/{device_id}"
            silent, low = troubles.get((path, SENSOR_SILENT)), (path, BATTERY_LOW)
            if silent:
                assert device.observed_at <= silent.opens_at
                found.add(SENSOR_SILENT)
            else:
                assert at - device.observed_at <= LONGEST_PAUSE
                if low in troubles and low in before:
                    assert device.battery_pct <= 18
                    found.add(BATTERY_LOW)
                if low not in troubles and low not in before:
                    assert device.battery_pct is None or device.battery_pct >= 40
    assert found == {SENSOR_SILENT, BATTERY_LOW}
    assert {label.affected[0].rpartition("/")[2] for label in BUSY.labels(instants()[-1])} - ids <= {
        "pretend-throwing-room",
        "pretend-kiln-room",
    }


def test_an_instant_is_always_the_same_and_a_report_stands_until_the_next():
    """What a device says depends on seed and instant alone; between two reports nothing changes."""
    at = datetime(2026, 11, 20, 18, tzinfo=UTC)
    assert readings(at, BUSY) == readings(at, BUSY)
    first, second = readings(at, CALM)[KILN_AIR], readings(at + timedelta(seconds=30), CALM)[KILN_AIR]
    assert first.observed_at == second.observed_at
    assert first == second


def test_the_hub_of_the_studio_holds_a_pin_for_clients_to_drop():
    """A lock is among the devices, so that a client that keeps its codes is caught."""
    at = datetime(2026, 11, 20, 18, tzinfo=UTC)
    devices = pretend_devices()
    assert any(PIN_CANARY in str(full_shape(device, at)) for device in devices)
    assert PIN_CANARY not in str(readings(at, CALM))


def test_the_hubs_mode_follows_the_day():
    assert mode_at(datetime(2026, 11, 20, 19, tzinfo=UTC)) == ("Day", "disarmed")  # noon in Phoenix
    assert mode_at(datetime(2026, 11, 20, 10, tzinfo=UTC)) == ("Away", "armedAway")
