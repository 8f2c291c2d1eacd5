"""``up`` as it runs: ready, refused twice, repaired, attached to, and stopped without a trace."""

import http.client
import os
import signal
import socket

import psutil
import pytest

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]


def fetch(house, path, host="127.0.0.1"):
    connection = http.client.HTTPConnection(host, house.port, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer, body


def test_up_serves_the_state_repairs_itself_and_leaves_nothing(house):
    """One long life: ready, page, Dagster, a second start refused, a killed part, a snapshot, the end."""
    house.start("--days", "2")
    house.wait_ready()

    answer, page = fetch(house, "/")
    assert answer.status == 200
    assert "Derived from cloud, as of" in page
    house.wait_until(lambda _: fetch(house, "/dagster/")[0].status == 200, seconds=60)
    assert "dagster" in fetch(house, "/dagster/")[1]

    second = house.run("up", "--port", str(house.port + 1))
    assert second.returncode == 3
    assert f"process {house.supervisor.pid}" in second.stderr
    assert "./studio down" in second.stderr

    told = house.wait_until(lambda told: told["parts"].get("history", {}).get("phase") == "done", seconds=120)
    web = told["parts"]["web"]["pid"]
    os.kill(web, signal.SIGKILL)
    told = house.wait_until(lambda told: told["ready"] and told["parts"]["web"]["pid"] not in {None, web})
    assert told["parts"]["web"]["restarts"] == 1
    assert not psutil.pid_exists(web)

    code, state = house.run_json("snapshot")
    assert code == 0, state
    code, history = house.run_json("state", "history")
    assert len(history["days"]) == 3
    code, doctor = house.run_json("doctor")
    assert code == 0, [check for check in doctor["checks"] if not check["ok"]]
    code, status = house.run_json("status")
    assert (code, status["pid"]) == (0, house.supervisor.pid)

    code, down = house.run_json("down")
    assert (code, down["stopped"]) == (0, True)
    assert house.supervisor.wait(30) == 0
    assert house.processes() == []


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
