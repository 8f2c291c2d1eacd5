"""What parts are told: equal settings, no stranger's variables, secrets only where they are used."""

from pathlib import Path

import pytest

from cockpit.environment import as_variables, part_environment, settings_here
from cockpit.home import CHECKOUT, open_home
from cockpit.processes import MARK
from resources.settings import load_settings, secret_variables

GIVEN = {
    "STUDIO_DATABASE_URL": "postgresql://u:pw12345@h/studio",
    "STUDIO_STRIPE_KEY": "rk_live_abcdefgh",
    "STUDIO_FIRESTORE_PROJECT": "p",
    "STUDIO_HISTORY_START": "2026-09-22",
    "STUDIO_WRITES_ENABLED": "true",
    "STUDIO_WRITE_CREDENTIALS": "/secrets/writer.json",
    "STUDIO_QUARANTINE_LIMIT_RATIO": "0.5",
    "DAGSTER_PG_URL": "postgresql+psycopg2://u:pw12345@h/dagster",
    "STUDIO_HUBITAT_URL": "http://10.0.0.7",
    "STUDIO_HUBITAT_APP_ID": "27",
    "STUDIO_HUBITAT_TOKEN": "hub-token",
    "STUDIO_HUBITAT_SCALE": "C",
    "STUDIO_ROBOROCK_SESSION": "/secrets/roborock.json",
    "STUDIO_KILN_ROOM_HIGH_CELSIUS": "50.5",
}


@pytest.mark.parametrize("given", [{}, GIVEN])
def test_settings_survive_the_way_through_the_environment(given):
    settings = load_settings(given)
    assert load_settings(as_variables(settings)) == settings


def test_nothing_of_the_outer_environment_changes_where_a_part_connects(tmp_path, monkeypatch):
    strangers = {
        "PGHOST": "evil",
        "STUDIO_ID": "other",
        "DAGSTER_HOME": "/x",
        "PYTHONPATH": "/x",
        "STRIPE_API_KEY": "k",
    }
    for name, value in strangers.items():
        monkeypatch.setenv(name, value)
    home = open_home(tmp_path / "home")
    environment = part_environment(home, {"STUDIO_ID": "mine"})
    assert environment["STUDIO_ID"] == "mine"
    assert environment["DAGSTER_HOME"] == str(home.dagster)
    assert environment["PYTHONPATH"] == str(CHECKOUT)
    assert environment[MARK] == home.home_id
    assert "PGHOST" not in environment
    assert "STRIPE_API_KEY" not in environment


def test_the_stripe_key_goes_only_to_parts_that_read_stripe(tmp_path):
    home, told = open_home(tmp_path / "home"), as_variables(load_settings(GIVEN))
    having = {
        part
        for part in ("prepare", "web", "daemon", "code", "snapshot", "history", "twins")
        if "STUDIO_STRIPE_KEY" in part_environment(home, told, part=part)
    }
    assert having == {"code", "snapshot", "history"}
    assert secret_variables() <= set(told) | {"STUDIO_DAGSTER_DATABASE_URL"}


def test_only_the_part_that_starts_execution_runs_knows_where_the_writing_credential_lies(tmp_path):
    home, told = open_home(tmp_path / "home"), as_variables(load_settings(GIVEN))
    having = {
        part
        for part in ("prepare", "web", "daemon", "code", "snapshot", "history", "twins", "tick")
        if "STUDIO_WRITE_CREDENTIALS" in part_environment(home, told, part=part)
    }
    assert having == {"code"}


def test_what_opens_devices_goes_whole_or_not_at_all_to_a_part(tmp_path):
    """Migrations, the daemon and the twins know no hub; whoever knows one knows its token, and can start."""
    home, told = open_home(tmp_path / "home"), as_variables(load_settings(GIVEN))
    for part in ("prepare", "web", "daemon", "code", "snapshot", "history", "twins", "tick"):
        settings = load_settings(part_environment(home, told, part=part))
        is_told = part in {"code", "snapshot", "history", "web"}
        assert (settings.hubitat_url is not None) is (settings.hubitat_token is not None) is is_told
        assert (settings.roborock_session is not None) is is_told
        assert settings.kiln_room_high_celsius == 50.5


def test_a_relative_home_is_relative_to_where_the_person_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("STUDIO_HOME", "STUDIO_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert settings_here(home=Path("here")).home == tmp_path / "here"
    assert settings_here().home == CHECKOUT / ".studio"
    monkeypatch.setenv("STUDIO_HOME", "there")
    assert settings_here(port=4000).home == tmp_path / "there"
    assert settings_here(port=4000).port == 4000
