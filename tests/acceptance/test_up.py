"""``up`` where it cannot: what is wrong is told at once, and nothing is started or made."""

import socket

import pytest

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]


def test_a_taken_port_is_told_before_anything_is_started(house):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", house.port))
        taken.listen()
        done = house.run("up", "--port", str(house.port))
    assert done.returncode == 3
    assert f"Port {house.port} on 127.0.0.1 is taken" in done.stderr
    assert "--port" in done.stderr


@pytest.mark.parametrize("command", ["up", "snapshot", "status", "down"])
def test_a_directory_that_is_not_a_home_is_refused_and_left_alone(house, command):
    house.home.mkdir()
    (house.home / "letters.txt").write_text("dear")
    done = house.run(command)
    assert done.returncode == 3
    assert "not a home of Studio OS" in done.stderr
    assert [path.name for path in house.home.iterdir()] == ["letters.txt"]


def test_all_problems_of_the_settings_are_told_at_once_and_nothing_is_made(house):
    house.environment |= {"STUDIO_PRT": "1", "STUDIO_STRIPE_KEY": "sk_live_CanarySecret", "STUDIO_PORT": "x"}
    done = house.run("up")
    assert done.returncode == 3
    for words in ("STUDIO_PRT", "full-access LIVE", "STUDIO_PORT must be a whole number"):
        assert words in done.stderr
    assert "CanarySecret" not in done.stderr + done.stdout
    assert not house.home.exists()


def test_sources_configured_by_half_are_refused(house):
    house.environment |= {"STUDIO_STRIPE_KEY": "rk_live_CanarySecret"}
    done = house.run("up")
    assert done.returncode == 3
    assert "STUDIO_FIRESTORE_PROJECT is not set" in done.stderr
    assert "CanarySecret" not in done.stderr + done.stdout


def test_with_json_an_error_is_one_object_too(house):
    house.environment |= {"STUDIO_PRT": "1"}
    code, told = house.run_json("status")
    assert code == 3
    assert "STUDIO_PRT" in told["error"]
