"""The real client on real wires: what five families say, and what is kept for the next read."""

import asyncio
import fcntl
import json
import stat
from datetime import timedelta

import pytest

from resources.connector import Command, ConnectorError, Fault
from resources.roborock import cache
from resources.roborock.cache import HOMES_PER_DAY, HOMES_PER_HOUR
from resources.roborock.live import LiveRoborock
from tests.contract.roborock.studio import CANARY_KEY, DEADLINE, Studio, fleet, next_address, vacuum
from twins.roborock.fleet import studio_robots
from twins.roborock.robots import FakeRobot
from twins.roborock.server import RoborockTwin


def test_five_families_are_read(make_studio):
    """Every family's state, battery and health come from its raw answer; nothing but questions arrived."""
    studio = make_studio(*fleet())
    reading = studio.read(6)
    found = {d.device_id: (d.kind, d.state, d.battery_pct, d.is_healthy) for d in reading.devices}
    assert found == {
        "robot-v1": ("vacuum", "charging", 61, True),
        "robot-q7": ("vacuum", "charging", 73, True),
        "robot-q10": ("vacuum", "charging", 55, True),
        "robot-zeo": ("washing_machine", "standby", None, True),
        "robot-dyad": ("wet_dry_vacuum", "charging", 88, True),
    }
    assert not reading.failures
    assert not studio.twin.writes
    by_id = {d.device_id: d for d in reading.devices}
    assert by_id["robot-v1"].consumables == {
        "main_brush": 200.0,
        "side_brush": 150.0,
        "filter": 75.0,
        "sensor": 20.0,
    }
    assert by_id["robot-v1"].values["cleans_total"] == 2
    assert by_id["robot-v1"].last_clean_at.timestamp() == 1_790_086_400 + 3300
    assert by_id["robot-q7"].last_clean_at.timestamp() == 1_790_086_400


@pytest.mark.parametrize("dialect", ["1.0", "L01"])
def test_both_dialects_of_the_local_wire(make_studio, dialect):
    """A robot is read on its own wire in either dialect, with the broker and the cloud gone."""
    studio = make_studio(vacuum(dialect=dialect, battery=33))
    studio.read()
    studio.break_("broker_down")
    studio.break_("cloud_drop")
    assert studio.read().devices[0].battery_pct == 33


def test_a_warm_read_asks_the_cloud_nothing(make_studio):
    """The home is asked for once; other processes find it in the private file."""
    studio = make_studio()
    studio.read()
    studio.twin.cloud_calls.clear()
    other = LiveRoborock(studio.session_path, studio.cache_path, studio.clock)
    assert other.read(DEADLINE).devices
    assert not studio.twin.cloud_calls
    assert stat.S_IMODE(studio.cache_path.stat().st_mode) == 0o600


def test_what_the_robots_say_is_not_lost_while_another_process_holds_the_cache(make_studio, monkeypatch):
    """A read ended as unavailable though every robot had answered; a home that is due stays the old one."""
    monkeypatch.setattr(cache, "_LOCK_SECONDS", 0.0)
    studio = make_studio()
    with studio.cache_path.with_name(f".{studio.cache_path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConnectorError, match="Another process holds the cache"):
            studio.read()  # nobody knows how often the home was asked for
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert studio.read().devices
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert studio.read().devices
        studio.clock.moved = timedelta(hours=5)
        assert studio.read().devices


def test_the_home_is_asked_for_again_after_some_hours(make_studio):
    """A robot bought since appears, and one paired anew answers again."""
    robot = vacuum()
    studio = make_studio(robot)
    assert len(studio.read().devices) == 1
    new = FakeRobot("robot-new", CANARY_KEY, pv="B01", model="roborock.vacuum.sc05", state=4)
    studio.twin.robots[new.duid] = new
    assert len(studio.read().devices) == 1
    studio.clock.moved = timedelta(hours=5)
    assert len(studio.read().devices) == 2


def test_a_robot_paired_anew_is_found_within_the_hour(make_studio):
    """Its old key meets silence; the silence casts doubt on the home, which is then asked for sooner."""
    robot = vacuum()
    studio = make_studio(robot)
    studio.read()
    robot.local_key = "another-key-9999"
    with pytest.raises(ConnectorError) as caught:
        studio.read(2)
    assert caught.value.fault is Fault.TIMEOUT
    studio.clock.moved = timedelta(minutes=61)
    assert studio.read().devices


def test_the_clouds_limits_hold_across_processes(make_studio):
    """No connector of any process asks for the home more often than the limits allow."""
    studio = make_studio()
    studio.twin.faults.add("cloud_html_502")
    for _ in range(HOMES_PER_HOUR):
        with pytest.raises(ConnectorError) as caught:
            LiveRoborock(studio.session_path, studio.cache_path, studio.clock).read(DEADLINE)
        assert caught.value.fault is Fault.UNAVAILABLE
    asked = len(studio.twin.cloud_calls)
    studio.mend()
    with pytest.raises(ConnectorError) as caught:
        LiveRoborock(studio.session_path, studio.cache_path, studio.clock).read(DEADLINE)
    assert caught.value.fault is Fault.RATE_LIMITED
    assert 3400 < caught.value.retry_after_seconds <= 3600
    assert len(studio.twin.cloud_calls) == asked
    studio.clock.moved = timedelta(seconds=3601)
    assert studio.read().devices
    assert HOMES_PER_DAY > HOMES_PER_HOUR


def test_it_runs_inside_a_running_loop(make_studio):
    """An asynchronous caller may use it, too: the loop in its thread is not touched."""
    studio = make_studio()

    async def caller():
        return studio.read()

    assert asyncio.run(caller()).devices


def test_an_unsupported_robot_is_named_and_harms_nobody(make_studio):
    """A mower is a failure with its id; the vacuum beside it is read."""
    mower = FakeRobot(
        "robot-mower", CANARY_KEY, pv="1.0", model="roborock.mower.x1", category="roborock.mower"
    )
    reading = make_studio(vacuum(), mower).read()
    assert [d.device_id for d in reading.devices] == ["robot-v1"]
    assert [(f.device_id, f.fault) for f in reading.failures] == [("robot-mower", Fault.UNSUPPORTED)]


def test_writing_is_refused_and_a_dry_run_tells(make_studio):
    """Execute never sends anything; a dry run only describes."""
    studio = make_studio()
    command = Command("robot-v1", "app_start", {"rooms": 1})
    plan = studio.connector.execute(command, is_dry_run=True, deadline_seconds=1)
    assert plan.call["command"] == "app_start"
    with pytest.raises(ConnectorError) as caught:
        studio.connector.execute(command, is_dry_run=False, deadline_seconds=1)
    assert caught.value.fault is Fault.READ_ONLY_VIOLATION
    assert not studio.twin.cloud_calls
    assert not studio.twin.broker_logins


@pytest.mark.parametrize("spoil", ["{", "[]", '{"version": 1, "login": 3}', '{"version": 99}', ""])
def test_a_spoiled_cache_is_a_cold_start(make_studio, spoil):
    """Whatever stands in the file, the read works and the file is whole again."""
    studio = make_studio()
    studio.cache_path.write_text(spoil)
    assert studio.read().devices
    assert json.loads(studio.cache_path.read_text())["version"] == 1


def test_another_login_opens_nothing_of_the_old(make_studio):
    """The cache is sealed under the login: with another one it is a cold start."""
    studio = make_studio()
    studio.read()
    told = json.loads(studio.session_path.read_text())
    told["user_data"]["rriot"]["k"] = "another"
    studio.session_path.write_text(json.dumps(told))
    calls = len(studio.twin.cloud_calls)
    # The broker refuses it, and the robot answers on its own wire only once the home is known.
    studio.connector.health(1)
    with pytest.raises(ConnectorError) as caught:
        studio.read(2)
    assert caught.value.fault is Fault.AUTH
    assert len(studio.twin.cloud_calls) > calls


def test_the_studios_own_robots_are_there(tmp_path):
    """The pretend studio has three robots of three families; all are well, and none is in need."""
    with RoborockTwin(studio_robots(next_address())) as twin:
        reading = Studio(twin, tmp_path).read(6)
        ids = sorted(d.device_id for d in reading.devices)
        assert ids == ["pretend-glaze-room", "pretend-kiln-room", "pretend-throwing-room"]
        assert all(d.is_healthy for d in reading.devices)
