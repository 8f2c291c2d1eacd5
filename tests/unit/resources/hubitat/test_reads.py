"""What a read of the hub gives: one list per poll, the right numbers, hazards, ages; and no PIN, ever."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest

from resources.clock import FixedClock
from resources.connector import Command, ConnectorError, Fault
from resources.hubitat.gateway import HubitatAddress, HubitatAddressError
from resources.hubitat.live import HubitatConnector
from resources.hubitat.parse import TemperatureScale, parse_devices, parse_json, parse_mode, parse_security
from twins.hubitat.devices import PIN_CANARY
from twins.hubitat.server import APP_ID

NOW = datetime(2026, 3, 1, 19, tzinfo=UTC)
ENTRY = {
    "id": "5",
    "name": "Sensor",
    "date": "2026-03-01T18:00:00+0000",
    "capabilities": ["TemperatureMeasurement"],
    "attributes": {"temperature": "77"},
}


def _one(scale=TemperatureScale.FAHRENHEIT, **changes):
    devices, failures = parse_devices([ENTRY | changes], NOW, scale)
    assert not failures
    return devices[0]


@pytest.fixture
def reading(hub, address):
    hub.now = lambda: NOW
    return HubitatConnector(address, FixedClock(NOW)).read(5)


def test_one_device_list_per_read(hub, connector):
    """A request per device is what overloads a hub; the mode and the safety monitor are two more, always."""
    connector.read(5)
    assert hub.reads == ["devices/all", "modes", "hsm"]
    assert hub.commands == []


def test_the_studio_is_read_as_it_is(reading):
    kinds = {one.device_id: one.kind for one in reading.devices}
    assert kinds == {
        "11": "temperature_sensor",
        "12": "contact_sensor",
        "13": "outlet",
        "14": "lock",
        "15": "motion_sensor",
        "16": "water_sensor",
    }
    by_id = {one.device_id: one for one in reading.devices}
    assert by_id["11"].values == {"temperature_celsius": 36.28}
    assert (by_id["11"].place, by_id["13"].place, by_id["15"].place) == ("kiln_room", "kiln_room", None)
    assert (by_id["11"].is_online, by_id["12"].is_online, by_id["16"].is_online) == (True, None, False)
    assert (by_id["11"].is_healthy, by_id["12"].is_healthy, by_id["16"].is_healthy) == (True, None, False)
    assert (by_id["12"].state, by_id["14"].state, by_id["16"].state) == ("closed", "locked", "dry")
    assert (by_id["15"].battery_pct, by_id["16"].battery_pct) == (9, None)
    assert by_id["13"].values == {"power_watts": 41.5}
    assert NOW - by_id["16"].observed_at == timedelta(days=3)
    assert (reading.mode, reading.security, reading.failures) == ("Day", "disarmed", [])


def test_what_could_do_harm_is_marked(reading):
    marked = {one.device_id: one.hazards for one in reading.devices if one.hazards}
    assert marked == {"13": ("Actuator", "Outlet", "Switch"), "14": ("Actuator", "Lock", "LockCodes")}


def test_no_pin_and_no_name_leaves_the_parser(reading):
    told = repr(asdict(reading))
    for secret in (PIN_CANARY, "Maya", 'lockCodes"', "Back door", "Glaze"):
        assert secret not in told


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("77", 25.0),
        (77, 25.0),
        ("77.0", 25.0),
        ("nan", None),
        ("", None),
        (None, None),
        (True, None),
        ("hot", None),
        ("1e999", None),
        ([77], None),
    ],
)
def test_numbers_come_as_numbers_or_as_strings(given, expected):
    found = _one(attributes={"temperature": given}).values.get("temperature_celsius")
    assert found == expected


def test_a_hub_in_celsius_is_not_converted():
    assert _one(TemperatureScale.CELSIUS).values == {"temperature_celsius": 77.0}


@pytest.mark.parametrize(
    ("given", "expected"), [("0", 0), ("100", 100), ("101", None), ("-1", None), ("x", None)]
)
def test_a_battery_is_a_percentage_or_nothing(given, expected):
    assert _one(attributes={"battery": given}).battery_pct == expected


def test_stray_and_unknown_attributes_are_dropped():
    found = _one(
        attributes={"dataType": "NUMBER", "values": None, "lockCodes": "1", "image": "x", "mystery": "7"}
    )
    assert (found.values, found.state) == ({}, None)


def test_a_state_that_is_more_than_a_word_is_not_kept():
    """Free text can hold anything, a code among it."""
    for text in ("opened by code 4711 of Ann at the back door of the house", "4711", "a\nb", 3, {"a": 1}):
        assert _one(capabilities=["Lock"], attributes={"lock": text}).state is None


def test_what_was_said_at_no_known_time_is_not_shown_as_current():
    found = _one(date=None)
    assert (found.values, found.state, found.observed_at) == ({}, None, NOW)


def test_a_hub_whose_clock_is_ahead_does_not_make_readings_of_the_future():
    assert _one(date="2026-03-02T18:00:00+0000").observed_at == NOW


def test_zones_are_understood():
    assert _one(date="2026-03-01T11:00:00-0700").observed_at == NOW - timedelta(hours=1)


def test_one_strange_entry_costs_that_device_only():
    devices, failures = parse_devices([ENTRY, {"id": "6", "capabilities": 3}], NOW, TemperatureScale.CELSIUS)
    assert [one.device_id for one in devices] == ["5"]
    assert [(one.device_id, one.fault) for one in failures] == [("6", Fault.BAD_RESPONSE)]


@pytest.mark.parametrize(
    "body",
    [
        {},
        None,
        "x",
        3,
        [3],
        [{}],
        [{"id": None}],
        [{"id": "5/on"}],
        [{"id": True}],
        [ENTRY, ENTRY],
        [{"id": "6"}],
        [ENTRY | {"date": "yesterday"}],
        [ENTRY | {"date": "2026-03-01T18:00:00"}],
    ],
)
def test_a_list_that_makes_no_sense_is_refused_whole(body):
    with pytest.raises(ConnectorError) as refused:
        parse_devices(body, NOW, TemperatureScale.CELSIUS)
    assert refused.value.fault is Fault.BAD_RESPONSE


def test_no_devices_is_an_answer():
    assert parse_devices([], NOW, TemperatureScale.CELSIUS) == ([], [])


@pytest.mark.parametrize("body", [b"<html>", b"  \r\n<!DOCTYPE html>", b"\xef\xbb\xbf<html>"])
def test_a_web_page_is_no_answer(body):
    with pytest.raises(ConnectorError) as refused:
        parse_json(body)
    assert refused.value.fault is Fault.UNAVAILABLE


@pytest.mark.parametrize("body", [b"", b"{", b'[{"id": "6", "na', b"\xff\xfe", b"[" * 100_000])
def test_a_cut_body_is_no_answer(body):
    with pytest.raises(ConnectorError) as refused:
        parse_json(body)
    assert refused.value.fault is Fault.BAD_RESPONSE


@pytest.mark.parametrize("body", [{}, [1], "Day", None])
def test_modes_and_security_of_another_shape_are_refused(body):
    with pytest.raises(ConnectorError):
        parse_mode(body)
    if not isinstance(body, dict):
        with pytest.raises(ConnectorError):
            parse_security(body)


def test_a_hub_that_shows_no_modes_is_read_all_the_same(hub, connector):
    hub.mode = hub.security = None
    reading = connector.read(5)
    assert (reading.mode, reading.security, reading.worked_around) == (None, None, ())
    assert len(reading.devices) == 6


def test_a_right_answer_called_a_web_page_is_right(hub, connector):
    hub.fail("html_type")
    assert len(connector.read(5).devices) == 6


def test_a_dry_run_shows_the_call_and_sends_nothing(hub, connector):
    plan = connector.execute(Command("13", "off"), is_dry_run=True, deadline_seconds=1)
    assert dict(plan.call) == {"method": "GET", "path": "devices/13/off"}
    with pytest.raises(ConnectorError) as refused:
        connector.execute(Command("13", "off"), is_dry_run=False, deadline_seconds=1)
    assert refused.value.fault is Fault.READ_ONLY_VIOLATION
    with pytest.raises(ConnectorError):
        connector.execute(Command("13/off", "off"), is_dry_run=True, deadline_seconds=1)
    assert hub.requests == 0


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hub",
        "hub",
        "http://",
        "http://8.8.8.8",
        "http://hub.example.com",
        "http://a:b@10.0.0.2",
        "http://10.0.0.2/apps",
        "http://10.0.0.2?x=1",
        "http://0.0.0.0",
        "http://10.0.0.2:99999",
        "http://[::1",
    ],
)
def test_an_address_that_cannot_be_a_hub_at_home_is_refused(url):
    with pytest.raises(HubitatAddressError):
        HubitatAddress(url, APP_ID, "secret-token")


@pytest.mark.parametrize(
    "url",
    [
        "http://192.168.1.20",
        "http://hubitat.local",
        "http://hubitat",
        "https://hub.example.com",
        "http://[::1]:8080/",
    ],
)
def test_an_address_at_home_is_taken_and_hides_its_token(url):
    assert "secret" not in repr(HubitatAddress(url, APP_ID, "secret-token"))


@pytest.mark.parametrize(
    ("app_id", "token"),
    [("", "t"), ("12a", "t"), ("\uff11\uff12", "t"), ("12", ""), ("12", "a\nb"), ("12", "é")],
)
def test_an_app_or_token_that_cannot_be_is_refused(app_id, token):
    with pytest.raises(HubitatAddressError):
        HubitatAddress("http://10.0.0.2", app_id, token)
