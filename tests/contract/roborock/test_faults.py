"""Every fault of the wires: the right taxonomy in time, the rest unaffected, and recovery after."""

from datetime import timedelta

import pytest

from resources.connector import ConnectorError, Fault
from tests.contract.roborock.patience import timed
from tests.contract.roborock.studio import CANARY_KEY, DEADLINE, fleet, vacuum
from twins.roborock.faults import KINDS
from twins.roborock.robots import FakeRobot

LOCAL = [
    ("refused", Fault.UNAVAILABLE),
    ("black_hole", Fault.TIMEOUT),
    ("mute", Fault.TIMEOUT),
    ("mute_hello", Fault.TIMEOUT),
    ("off", Fault.UNAVAILABLE),
    ("reset", Fault.TIMEOUT),
    ("drop_after_hello", Fault.UNAVAILABLE),
    ("slow", Fault.TIMEOUT),
    ("bad_crc", Fault.BAD_RESPONSE),
    ("truncated", Fault.BAD_RESPONSE),
    ("garbage", Fault.BAD_RESPONSE),
    ("wrong_key", Fault.BAD_RESPONSE),
    ("not_json", Fault.BAD_RESPONSE),
    ("bad_id", Fault.BAD_RESPONSE),
    ("busy", Fault.UNSUPPORTED),
    ("unknown_method", Fault.UNSUPPORTED),
]
HARMLESS = ["split", "merge", "garbage_then_ok", "huge_len"]
BROKER = [
    ("broker_refuses", Fault.AUTH),
    ("broker_down", Fault.UNAVAILABLE),
    ("broker_hangs", Fault.TIMEOUT),
    ("broker_mute", Fault.TIMEOUT),
    ("broker_garbage", Fault.BAD_RESPONSE),
    ("broker_bad_crc", Fault.BAD_RESPONSE),
]
CLOUD = [
    ("cloud_html_502", Fault.UNAVAILABLE),
    ("cloud_html_200", Fault.BAD_RESPONSE),
    ("cloud_bad_json", Fault.BAD_RESPONSE),
    ("cloud_null", Fault.BAD_RESPONSE),
    ("cloud_drop", Fault.UNAVAILABLE),
    ("cloud_expired", Fault.AUTH),
    ("cloud_401", Fault.AUTH),
    ("cloud_rate_limited", Fault.RATE_LIMITED),
    ("cloud_redirect", Fault.BAD_RESPONSE),
    ("cloud_hang", Fault.TIMEOUT),
]
CODES = ["unknown_codes", "error", "missing_datapoints"]


def test_every_fault_of_the_twin_is_tried():
    """No fault is left out below."""
    tried = {kind for kind, _ in (*LOCAL, *BROKER, *CLOUD)} | set(HARMLESS) | set(CODES)
    assert tried == set(KINDS)


@pytest.mark.parametrize(("kind", "fault"), LOCAL)
def test_a_robots_own_fault(make_studio, kind, fault):
    """With the broker gone, too, the robot's fault is told; the robot beside it is read; then it recovers."""
    studio = make_studio(vacuum("robot-good"), vacuum("robot-bad"))
    assert len(studio.read().devices) == 2
    studio.break_("broker_down")
    studio.break_(kind, robot="robot-bad")
    reading, took = timed(studio.read)
    assert [d.device_id for d in reading.devices] == ["robot-good"]
    assert [(f.device_id, f.fault) for f in reading.failures] == [("robot-bad", fault)]
    assert took <= DEADLINE
    studio.mend()
    assert len(studio.read().devices) == 2


@pytest.mark.parametrize("kind", ["refused", "black_hole", "mute_hello", "reset", "bad_crc", "wrong_key"])
def test_the_brokers_way_helps_where_the_local_one_fails(make_studio, kind):
    """What ails the local wire alone costs time, not the robot."""
    studio = make_studio()
    studio.read()
    studio.break_(kind)
    reading, took = timed(lambda: studio.read(DEADLINE))
    assert reading.devices[0].battery_pct == 90
    assert took <= DEADLINE


@pytest.mark.parametrize("kind", HARMLESS)
def test_what_only_looks_odd_is_read(make_studio, kind):
    """Pieces, doubles and noise before an answer cost nothing."""
    studio = make_studio()
    studio.read()
    studio.break_("broker_down")
    studio.break_(kind)
    assert studio.read().devices[0].battery_pct == 90


@pytest.mark.parametrize("kind", ["bad_crc", "truncated", "wrong_key"])
def test_one_bad_frame_does_not_jam_the_next_read(make_studio, kind):
    """The library's local wire stays jammed for as long as it lives; the next read has another."""
    studio = make_studio()
    studio.read()
    studio.break_("broker_down")
    studio.break_(kind, count=1)
    timed(studio.read)
    assert studio.read().devices[0].battery_pct == 90


@pytest.mark.parametrize(("kind", "fault"), BROKER)
def test_the_brokers_faults(make_studio, kind, fault):
    """Robots that only the broker reaches fail with its fault; one on its own wire is read."""
    robots = [robot for robot in fleet() if robot.duid in {"robot-v1", "robot-q7", "robot-dyad", "robot-q10"}]
    studio = make_studio(*robots)
    assert len(studio.read(6).devices) == 4
    studio.break_(kind)
    reading, took = timed(studio.read)
    assert [d.device_id for d in reading.devices] == ["robot-v1"]
    assert {f.device_id: f.fault for f in reading.failures} == dict.fromkeys(
        ["robot-q7", "robot-q10", "robot-dyad"], fault
    )
    assert took <= DEADLINE
    studio.mend()
    studio.clock.moved += timedelta(minutes=2)
    assert len(studio.read(6).devices) == 4


def test_a_broker_that_refused_is_left_alone_ever_longer(make_studio):
    """No byte goes to it before its time, from any process; local robots are read and the refusal is told."""
    studio = make_studio()
    studio.read()
    studio.break_("broker_refuses")
    logins = studio.twin.broker_logins
    reading = studio.read()
    assert reading.devices
    assert reading.worked_around == (Fault.AUTH,)
    assert studio.twin.broker_logins == logins + 1
    for _ in range(2):
        assert studio.read().worked_around == (Fault.AUTH,)
        assert studio.connector.health(DEADLINE).fault is Fault.AUTH
    assert studio.twin.broker_logins == logins + 1
    studio.clock.moved += timedelta(seconds=61)
    studio.read()
    assert studio.twin.broker_logins == logins + 2
    studio.clock.moved += timedelta(seconds=61)
    studio.read()
    assert studio.twin.broker_logins == logins + 2
    studio.mend()
    studio.clock.moved += timedelta(seconds=61)
    assert studio.read().worked_around == ()
    assert studio.connector.health(DEADLINE).is_healthy


@pytest.mark.parametrize(("kind", "fault"), CLOUD)
def test_the_clouds_faults_without_a_known_home(make_studio, kind, fault):
    """Where nothing is known yet, the cloud's fault is the read's; then it recovers."""
    studio = make_studio()
    studio.break_(kind)
    error, took = timed(studio.read)
    assert isinstance(error, ConnectorError)
    assert error.fault is fault
    assert took <= DEADLINE
    assert not studio.twin.writes
    studio.mend()
    assert studio.read().devices


@pytest.mark.parametrize(("kind", "fault"), CLOUD)
def test_the_clouds_faults_with_a_known_home(make_studio, kind, fault):
    """An old home serves; the fault is told, a dead login above all, and nothing is asked too often."""
    studio = make_studio()
    studio.read()
    studio.break_(kind)
    studio.clock.moved = timedelta(hours=5)
    reading, took = timed(studio.read)
    assert reading.devices
    assert fault in reading.worked_around
    assert took <= DEADLINE
    if fault is Fault.AUTH:
        assert studio.connector.health(DEADLINE).fault is Fault.AUTH
    studio.mend()
    assert studio.read().worked_around == ()
    assert studio.connector.health(DEADLINE).is_healthy


@pytest.mark.parametrize("robot", [r.duid for r in fleet()])
def test_unknown_codes_are_never_healthy(make_studio, robot):
    """A number nobody knows is kept as it is, and the robot's health is unknown."""
    studio = make_studio(*(r for r in fleet() if r.duid == robot))
    studio.break_("unknown_codes")
    (device,) = studio.read(5).devices
    assert (device.state, device.error_code, device.error_name) == ("code_4711", "9999", None)
    assert device.is_healthy is None


@pytest.mark.parametrize("robot", [r.duid for r in fleet()])
def test_known_errors_are_named(make_studio, robot):
    """A known error has its name, and the robot is not healthy."""
    studio = make_studio(*(r for r in fleet() if r.duid == robot))
    studio.break_("error")
    (device,) = studio.read(5).devices
    assert device.error_name
    assert device.error_code
    assert device.is_healthy is False


@pytest.mark.parametrize("robot", ["robot-dyad", "robot-zeo", "robot-q10"])
def test_datapoints_a_firmware_lacks(make_studio, robot):
    """What did come is read; an error that was not told is not taken for none."""
    studio = make_studio(*(r for r in fleet() if r.duid == robot))
    studio.break_("missing_datapoints")
    (device,) = studio.read(3).devices
    assert device.state is not None
    assert (device.error_code, device.is_healthy) == (None, None)


def test_many_silent_robots_do_not_starve_one_that_speaks(make_studio):
    """Silence of many would restart the shared login and cut everybody off; a read has none of that."""
    silent = [
        FakeRobot(f"robot-mute-{n}", CANARY_KEY, pv="B01", model="roborock.vacuum.sc05") for n in range(5)
    ]
    silent += [vacuum(f"robot-hole-{n}") for n in range(3)]
    good = [vacuum("robot-good"), fleet()[1]]
    studio = make_studio(*silent, *good)
    for robot in silent:
        studio.twin.faults.add("mute", robot=robot.duid)
    reading, took = timed(lambda: studio.read(4))
    assert sorted(d.device_id for d in reading.devices) == ["robot-good", "robot-q7"]
    assert {f.fault for f in reading.failures} == {Fault.TIMEOUT}
    assert len(reading.failures) == 8
    assert took <= 4


def test_robots_that_were_never_reached_locally(make_studio):
    """A robot that is off from the start, with a broker that works, is silent; the read says so in time."""
    studio = make_studio(vacuum("robot-good"), vacuum("robot-off"))
    studio.break_("off", robot="robot-off")
    reading, took = timed(studio.read)
    assert [(f.device_id, f.fault) for f in reading.failures] == [("robot-off", Fault.TIMEOUT)]
    assert took <= DEADLINE
