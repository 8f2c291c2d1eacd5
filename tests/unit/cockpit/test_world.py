"""Which studio a home observes: decided once, kept, and never mixed with another."""

from datetime import date

import pytest

from cockpit.errors import CockpitError
from cockpit.home import open_home
from cockpit.world import DEFAULT_DAYS, Wish, World, is_real, settle, source_problems
from resources.settings import load_settings

TODAY = date(2026, 11, 21)
REAL = {"STUDIO_FIRESTORE_PROJECT": "p", "STUDIO_STRIPE_KEY": "rk_live_abcdefgh"}

HUB = {
    "STUDIO_HUBITAT_URL": "http://10.0.0.7",
    "STUDIO_HUBITAT_APP_ID": "2",
    "STUDIO_HUBITAT_TOKEN": "t",
}


@pytest.fixture
def home(tmp_path):
    return open_home(tmp_path / "home")


def test_a_first_start_without_sources_takes_a_pretend_studio_with_its_history(home):
    world = settle(home, load_settings({}), Wish(), TODAY)
    assert world == World("twins", "2026-09-22", 1, "small")
    assert (TODAY - date.fromisoformat(world.first_day)).days == DEFAULT_DAYS


def test_a_later_start_continues_the_same_studio(home):
    """Days later the first day is the same, whatever number of days is asked for."""
    first = settle(home, load_settings({}), Wish(days=5, seed=7, size="medium"), TODAY)
    assert settle(home, load_settings({}), Wish(), date(2026, 12, 24)) == first
    assert settle(home, load_settings({}), Wish(days=60), TODAY) == first


@pytest.mark.parametrize(
    ("environment", "wish"),
    [
        ({}, Wish(seed=2)),
        ({}, Wish(size="large")),
        ({}, Wish(no_twins=True)),
        ({}, Wish(is_calm=True)),
        (REAL, Wish()),
        ({"STUDIO_HISTORY_START": "2026-01-01"}, Wish()),
    ],
)
def test_another_studio_on_the_same_home_is_refused(home, environment, wish):
    """Two studios in one history would make every comparison false."""
    settle(home, load_settings({}), Wish(), TODAY)
    kept = (home.path / "world.json").read_text()
    with pytest.raises(CockpitError, match="another studio"):
        settle(home, load_settings(environment), wish, TODAY)
    assert (home.path / "world.json").read_text() == kept


def test_a_home_of_before_calm_studios_existed_goes_on(home):
    """Its file does not say; it was never calm."""
    (home.path / "world.json").write_text(
        '{"sources": "twins", "first_day": "2026-09-22", "seed": 1, "size": "small"}'
    )
    assert not settle(home, load_settings({}), Wish(), TODAY).is_calm


def test_a_calm_studio_stays_calm(home):
    assert settle(home, load_settings({}), Wish(is_calm=True), TODAY).is_calm
    assert settle(home, load_settings({}), Wish(), TODAY).is_calm


def test_a_damaged_file_is_refused_rather_than_replaced(home):
    (home.path / "world.json").write_text("{")
    with pytest.raises(CockpitError, match="damaged"):
        settle(home, load_settings({}), Wish(), TODAY)


def test_real_sources_begin_today_and_have_no_seed(home):
    assert settle(home, load_settings(REAL), Wish(), TODAY) == World("real", "2026-11-21")


@pytest.mark.parametrize(
    ("environment", "wish", "problems"),
    [
        ({}, Wish(), 0),
        (REAL, Wish(), 0),
        ({"STUDIO_STRIPE_KEY": "rk_live_abcdefgh"}, Wish(), 1),
        ({"STUDIO_FIRESTORE_PROJECT": "p"}, Wish(), 1),
        ({}, Wish(no_twins=True), 2),
        ({"FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"}, Wish(no_twins=True), 0),
    ],
)
def test_half_configured_sources_are_named(environment, wish, problems):
    assert len(source_problems(load_settings(environment), wish)) == problems


def test_configured_sources_are_never_replaced_by_a_pretend_studio():
    for name, value in REAL.items():
        assert is_real(load_settings({name: value}), Wish())
    assert is_real(load_settings(HUB), Wish())
    assert is_real(load_settings({"STUDIO_ROBOROCK_SESSION": "/s.json"}), Wish())


def test_a_real_hub_beside_nothing_else_says_what_is_missing():
    """The hub is not quietly left out for a pretend one."""
    assert len(source_problems(load_settings(HUB), Wish())) == 2
    assert not is_real(load_settings({}), Wish())
