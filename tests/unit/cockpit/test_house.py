"""What a house tells its parts before any of them runs."""

import pytest

from cockpit.home import open_home
from cockpit.house import all_parts, open_house
from cockpit.world import Wish
from resources.settings import load_settings

REAL = {"STUDIO_FIRESTORE_PROJECT": "a-project", "STUDIO_STRIPE_KEY": "rk_live_abcdefgh"}


def house_of(tmp_path, given):
    home = open_home(tmp_path / "home")
    settings = load_settings(
        given | {"STUDIO_HOME": str(home.path), "STUDIO_DATABASE_URL": "postgresql://u@h/studio"}
    )
    return open_house(home, settings, Wish(days=1))


@pytest.mark.parametrize(
    ("given", "is_write_enabled"),
    [
        ({}, True),
        ({"STUDIO_WRITES_ENABLED": "false"}, False),
        ({"FIRESTORE_EMULATOR_HOST": "127.0.0.1:1", "STUDIO_STRIPE_API_BASE": "http://127.0.0.1:2"}, False),
        (REAL, False),
        (REAL | {"STUDIO_WRITES_ENABLED": "true"}, True),
    ],
)
def test_writes_are_on_by_themselves_only_where_we_pretend_the_studio_ourselves(
    tmp_path, given, is_write_enabled
):
    """Anchor mode everywhere else, until somebody says otherwise."""
    house = house_of(tmp_path, given)
    assert load_settings(house.told).is_write_enabled is is_write_enabled


def test_the_twins_put_the_writing_token_into_the_home(tmp_path):
    house = house_of(tmp_path, {})
    (twins,) = [part for part in all_parts(house, is_once=False) if part.name == "twins"]
    argv = list(twins.command().argv)
    assert argv[argv.index("--write-credentials") + 1] == str(house.home.run / "twin-writer.json")


def test_only_the_migrating_part_may_more_than_the_runtime(tmp_path):
    """On our own server every part but one connects with a login that has no rights to go back to."""
    home = open_home(tmp_path / "home")
    house = open_house(home, load_settings({"STUDIO_HOME": str(home.path)}), Wish(days=1))
    urls = {
        part.name: house.environment(part.name)["STUDIO_DATABASE_URL"]
        for part in all_parts(house, is_once=False)
    }
    assert "//studio_app_monsoonfire@" not in urls.pop("prepare")
    assert urls
    assert all("//studio_app_monsoonfire@" in url for url in urls.values()), urls
