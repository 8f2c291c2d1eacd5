"""The settings of devices: a hub is three values or none, its token never shown; thresholds make sense."""

from pathlib import Path

import pytest

from resources.settings import SettingsError, load_settings

HUB = {
    "STUDIO_HUBITAT_URL": "http://192.168.1.20/",
    "STUDIO_HUBITAT_APP_ID": "27",
    "STUDIO_HUBITAT_TOKEN": "CanaryHubToken",
}
TWIN = {"FIRESTORE_EMULATOR_HOST": "127.0.0.1:8080"}


def problems(environment):
    with pytest.raises(SettingsError) as caught:
        load_settings(environment)
    return caught.value.problems


def test_without_settings_there_are_no_devices():
    """Nothing set means: no connector is configured, and that is no problem."""
    settings = load_settings({})
    assert settings.hubitat_url is settings.hubitat_app_id is settings.hubitat_token is None
    assert settings.roborock_session is None
    assert (settings.hubitat_scale, settings.device_stale_minutes, settings.sensor_silent_minutes) == (
        "F",
        60,
        180,
    )
    assert settings.low_battery_pct == 20
    assert (settings.kiln_room_low_celsius, settings.kiln_room_high_celsius) == (5.0, 45.0)


def test_a_hub_is_three_values():
    """Address, app and token together; the token is a secret."""
    settings = load_settings(HUB | {"STUDIO_HUBITAT_SCALE": "C", "STUDIO_ROBOROCK_SESSION": "/s.json"})
    assert (settings.hubitat_url, settings.hubitat_app_id) == ("http://192.168.1.20", "27")
    assert settings.hubitat_token.get_secret_value() == "CanaryHubToken"
    assert settings.roborock_session == Path("/s.json")
    assert "Canary" not in repr(settings) + settings.model_dump_json()


@pytest.mark.parametrize("missing", sorted(HUB))
def test_part_of_a_hub_is_refused_and_what_is_missing_is_named(missing):
    """Two of the three values are a typing error, not a hub that is not configured."""
    (problem,) = problems({name: value for name, value in HUB.items() if name != missing})
    assert f"but not {missing}" in problem
    assert "all three" in problem


@pytest.mark.parametrize(
    "url",
    [
        "https://hub.example.com",
        "http://127.0.0.1:8088",
        "http://10.0.0.7",
        "http://[fd00::7]",
        "http://hub.local",
    ],
)
def test_a_hub_at_home_or_behind_tls_may_be_named(url):
    assert load_settings(HUB | {"STUDIO_HUBITAT_URL": url}).hubitat_url == url


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("STUDIO_HUBITAT_URL", "http://hub.example.com", "https://"),
        ("STUDIO_HUBITAT_URL", "http://8.8.8.8", "https://"),
        ("STUDIO_HUBITAT_URL", "ftp://192.168.1.20", "begins with http://"),
        ("STUDIO_HUBITAT_URL", "192.168.1.20", "begins with http://"),
        ("STUDIO_HUBITAT_URL", "http://me:CanaryPass@192.168.1.20", "only http://host"),
        ("STUDIO_HUBITAT_URL", "http://192.168.1.20/apps/api/3?access_token=CanaryUrl", "only http://host"),
        ("STUDIO_HUBITAT_APP_ID", "../5", "is a number"),
        ("STUDIO_HUBITAT_TOKEN", "Canary\u2019Token", "not plain text"),
        ("STUDIO_HUBITAT_SCALE", "K", "must be 'F' or 'C'"),
    ],
)
def test_what_cannot_be_a_hub_is_refused_in_words_without_its_value(name, value, words):
    """Each sentence names its own variable and what to set instead; no value is repeated."""
    (problem,) = problems(HUB | {name: value})
    assert problem.startswith(name)
    assert words in problem
    assert "Canary" not in problem
    assert value not in problem


def test_a_real_hub_is_never_mixed_with_a_pretend_cloud():
    """A state of both would be false; the pretend hub of the twins is on this machine."""
    (problem,) = problems(HUB | TWIN)
    assert "real hub" in problem
    assert load_settings(HUB | TWIN | {"STUDIO_HUBITAT_URL": "http://127.0.0.1:9"}).is_twin


def test_thresholds_of_devices_have_bounds():
    """A number of minutes is at least one, a charge a percentage, a range has a low and a high end."""
    assert "greater than or equal to 1" in problems({"STUDIO_DEVICE_STALE_MINUTES": "0"})[0]
    assert "whole number" in problems({"STUDIO_SENSOR_SILENT_MINUTES": "soon"})[0]
    assert "less than or equal to 100" in problems({"STUDIO_LOW_BATTERY_PCT": "101"})[0]
    assert problems({"STUDIO_KILN_ROOM_LOW_CELSIUS": "45"}) == [
        "STUDIO_KILN_ROOM_LOW_CELSIUS must be lower than STUDIO_KILN_ROOM_HIGH_CELSIUS."
    ]
    assert len(problems({"STUDIO_KILN_ROOM_HIGH_CELSIUS": "hot"})) == 1
    assert problems({"STUDIO_KILN_ROOM_HIGH_CELSIUS": "nan"})
