"""The devices beside the other twins in one process: read, broken by command, mended, let go."""

import contextlib
import http.client
import json
import re
import socket
import stat
import threading
import time
from pathlib import Path

import pytest

from resources.clock import SystemClock
from resources.connector import ConnectorError, Fault
from resources.hubitat.gateway import HubitatAddress
from resources.hubitat.live import HubitatConnector
from resources.roborock.live import LiveRoborock
from resources.settings import load_settings
from twins import cli
from twins.devices import HUB_ALIASES, HUB_KINDS, ROBOROCK_KINDS, DeviceWish
from twins.process import PortTakenError, TwinsProcess, TwinsWish
from twins.roborock.faults import ALIASES, BROKER_KINDS, CLOUD_KINDS, LOCAL_KINDS, ROBOT_KINDS
from twins.roborock.robots import PORT

pytestmark = pytest.mark.integration

V1, Q7, DYAD = "pretend-throwing-room", "pretend-kiln-room", "pretend-glaze-room"
HUB_DEADLINE, ROBOT_DEADLINE = 0.8, 3.0
PATIENCE_SECONDS = 20.0
OURS = {"hubitat-twin", "roborock-twin"}
HUB_FAULTS = {
    "timeout": Fault.TIMEOUT,
    "hang": Fault.TIMEOUT,
    "slow": Fault.TIMEOUT,
    "late": Fault.TIMEOUT,
    "html502": Fault.UNAVAILABLE,
    "html503": Fault.UNAVAILABLE,
    "boot": Fault.UNAVAILABLE,
    "badjson": Fault.BAD_RESPONSE,
    "cut": Fault.BAD_RESPONSE,
    "short_json": Fault.BAD_RESPONSE,
    "wrong_shape": Fault.BAD_RESPONSE,
    "error_flag": Fault.UNAVAILABLE,
    "html_type": None,  # the right answer, whatever it is called
    "401": Fault.AUTH,
    "404": Fault.UNSUPPORTED,
    "429": Fault.RATE_LIMITED,
    "500": Fault.UNAVAILABLE,
    "reset": Fault.UNAVAILABLE,
    "refused": Fault.UNAVAILABLE,
    "black_hole": Fault.TIMEOUT,
    "redirect": Fault.BAD_RESPONSE,
    "huge": Fault.BAD_RESPONSE,
    "packed": Fault.BAD_RESPONSE,
    "auth": Fault.AUTH,
    "unavailable": Fault.UNAVAILABLE,
    "rate_limited": Fault.RATE_LIMITED,
    "bad_response": Fault.BAD_RESPONSE,
}
# What is struck at the vacuum alone, with the broker there to help: the vacuum's outcome.
ROBOT_OUTCOMES = {
    **dict.fromkeys(LOCAL_KINDS, True),
    "mute": Fault.TIMEOUT,
    "off": Fault.TIMEOUT,
    "error": False,
    "unknown_codes": None,
    "busy": Fault.UNSUPPORTED,
    "unknown_method": Fault.UNSUPPORTED,
    "missing_datapoints": True,  # a vacuum of this family tells no datapoints
    "timeout": Fault.TIMEOUT,
    "unavailable": Fault.TIMEOUT,
}
BROKER_FAULTS = {
    "broker_refuses": Fault.AUTH,
    "broker_down": Fault.UNAVAILABLE,
    "broker_hangs": Fault.TIMEOUT,
    "broker_mute": Fault.TIMEOUT,
    "broker_garbage": Fault.BAD_RESPONSE,
    "broker_bad_crc": Fault.BAD_RESPONSE,
    "auth": Fault.AUTH,
}
CLOUD_FAULTS = {
    "cloud_html_502": Fault.UNAVAILABLE,
    "cloud_html_200": Fault.BAD_RESPONSE,
    "cloud_bad_json": Fault.BAD_RESPONSE,
    "cloud_null": Fault.BAD_RESPONSE,
    "cloud_drop": Fault.UNAVAILABLE,
    "cloud_expired": Fault.AUTH,
    "cloud_401": Fault.AUTH,
    "cloud_rate_limited": Fault.RATE_LIMITED,
    "cloud_redirect": Fault.BAD_RESPONSE,
    "cloud_hang": Fault.TIMEOUT,
    "rate_limited": Fault.RATE_LIMITED,
}


def test_every_fault_is_tried_here():
    """A fault that is added has to be tried by command, too."""
    assert set(HUB_FAULTS) == set(HUB_KINDS)
    assert {*ROBOT_OUTCOMES, *BROKER_FAULTS, *CLOUD_FAULTS} == set(ROBOROCK_KINDS)
    assert {*LOCAL_KINDS, *ROBOT_KINDS, *BROKER_KINDS, *CLOUD_KINDS, *ALIASES} == set(ROBOROCK_KINDS)


def test_every_fault_is_in_the_manual():
    """Whoever reads docs/connectors.md knows all of them."""
    manual = (Path(__file__).resolve().parents[3] / "docs" / "connectors.md").read_text()
    told = {word for words in re.findall(r"`([^`]+)`", manual) for word in words.split()}
    assert told >= {*HUB_KINDS, *ROBOROCK_KINDS}


class House:
    """Running twins, the connectors as the product makes them, and the command line."""

    def __init__(self, twins, folder):
        self.twins = twins
        self._folder = folder
        self._caches = 0
        self.settings = load_settings(dict(twins.environment))
        self.robots = LiveRoborock(self.settings.roborock_session, folder / "cache.json")

    def strangers(self):
        """Return a connector that knows no home yet."""
        self._caches += 1
        return LiveRoborock(self.settings.roborock_session, self._folder / f"cache-{self._caches}.json")

    def read_hub(self, deadline=PATIENCE_SECONDS):
        settings = self.settings
        token = settings.hubitat_token.get_secret_value()
        address = HubitatAddress(settings.hubitat_url, settings.hubitat_app_id, token)
        return HubitatConnector(address, SystemClock()).read(deadline)

    def command(self, *arguments):
        return cli.main([*arguments, "--control", self.twins.control.url])

    def status(self):
        return self.twins.control.status()


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Empty twins: no world, and devices with which nothing is wrong."""
    with pytest.MonkeyPatch.context() as patch, TwinsProcess(TwinsWish(is_empty=True), _no_report) as twins:
        patch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
        yield House(twins, tmp_path_factory.mktemp("robots"))


@pytest.fixture(autouse=True)
def _mended(house):
    yield
    house.twins.control.clear()


def _no_report(*_, **__):
    pass


def _until(is_true):
    """Ask until something is true; fail when it takes too long."""
    ends_at, pause = time.monotonic() + PATIENCE_SECONDS, threading.Event()
    while not is_true():
        assert time.monotonic() < ends_at, "nothing happened"
        pause.wait(0.05)


def _outcomes(read):
    """Return what became of each robot: a fault, or whether it is well."""
    try:
        reading = read()
    except ConnectorError as error:
        return dict.fromkeys((V1, Q7, DYAD), error.fault)
    found = {device.device_id: device.is_healthy for device in reading.devices}
    return found | {failure.device_id: failure.fault for failure in reading.failures}


def test_devices_are_read_with_what_the_environment_says(house):
    """Eight devices of the hub and three robots, all well; the settings accept the variables."""
    reading = house.read_hub()
    assert len(reading.devices) == 8
    assert all(device.is_healthy for device in reading.devices)
    assert any(device.place == "kiln_room" and device.values for device in reading.devices)
    robots = house.robots.read(ROBOT_DEADLINE)
    assert {device.device_id for device in robots.devices} == {V1, Q7, DYAD}
    assert {device.kind for device in robots.devices} == {"vacuum", "wet_dry_vacuum"}
    assert all(device.is_healthy for device in robots.devices)
    assert stat.S_IMODE(house.settings.roborock_session.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", sorted(HUB_FAULTS))
def test_a_fault_of_the_hub_by_command(house, kind, capsys):
    """It strikes from the next request on, is seen in the status, and `fault clear` mends it."""
    assert house.command("fault", "hubitat", kind) == 0
    assert house.status()["hubitat"]["fault"] == HUB_ALIASES.get(kind, kind)
    fault = None
    try:
        house.read_hub(HUB_DEADLINE)
    except ConnectorError as error:
        fault = error.fault
    assert fault is HUB_FAULTS[kind]
    assert house.command("fault", "clear") == 0
    assert len(house.read_hub().devices) == 8
    assert not house.twins.devices.hubitat.commands
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"ok": True}


@pytest.mark.parametrize("kind", sorted(HUB_FAULTS))
def test_a_fault_of_the_hub_ends_by_itself(house, kind):
    """After --for it is gone, with nobody's help, and the hub is read as before."""
    assert house.command("fault", "hubitat", kind, "--for", "0.3s") == 0
    _until(lambda: house.status()["hubitat"]["fault"] is None)
    _until(lambda: _is_read(house))


def _is_read(house):
    with contextlib.suppress(ConnectorError):
        return len(house.read_hub(2).devices) == 8
    return False


def test_an_older_end_does_not_take_a_newer_fault_away(house):
    """A fault that was replaced takes its end with it."""
    assert house.command("fault", "hubitat", "500", "--for", "0.2s") == 0
    assert house.command("fault", "hubitat", "boot") == 0
    threading.Event().wait(0.4)
    assert house.status()["hubitat"]["fault"] == "boot"


def test_a_fault_strikes_as_often_as_told(house):
    assert house.command("fault", "hubitat", "500", "--count", "1") == 0
    with pytest.raises(ConnectorError):
        house.read_hub()
    assert len(house.read_hub().devices) == 8


@pytest.mark.parametrize("kind", sorted(ROBOT_OUTCOMES))
def test_a_fault_of_one_robot_by_command_leaves_the_others_alone(house, kind):
    """Struck at the vacuum alone: its outcome is the fault's, the others are read; then it is well again."""
    house.robots.read(ROBOT_DEADLINE)
    assert house.command("fault", "roborock", kind, "--where", V1) == 0
    assert house.status()["roborock"]["faults"] == [ALIASES.get(kind, kind)]
    outcomes = _outcomes(lambda: house.robots.read(ROBOT_DEADLINE))
    assert outcomes == {V1: ROBOT_OUTCOMES[kind], Q7: True, DYAD: True}
    assert house.command("fault", "clear") == 0
    assert _outcomes(lambda: house.robots.read(ROBOT_DEADLINE)) == {V1: True, Q7: True, DYAD: True}


@pytest.mark.parametrize("kind", sorted(BROKER_FAULTS))
def test_a_fault_of_the_broker_by_command(house, kind):
    """Robots that only it reaches have its fault, and the vacuum on its own wire is read."""
    stranger = house.strangers()
    assert _outcomes(lambda: stranger.read(ROBOT_DEADLINE)) == {V1: True, Q7: True, DYAD: True}
    assert house.command("fault", "roborock", kind) == 0
    fault = BROKER_FAULTS[kind]
    assert _outcomes(lambda: stranger.read(ROBOT_DEADLINE)) == {V1: True, Q7: fault, DYAD: fault}
    assert house.command("fault", "clear") == 0
    # A refused login is left alone for a minute by whoever was refused.
    assert _outcomes(lambda: house.strangers().read(ROBOT_DEADLINE)) == {V1: True, Q7: True, DYAD: True}


@pytest.mark.parametrize("kind", sorted(CLOUD_FAULTS))
def test_a_fault_of_the_cloud_by_command(house, kind):
    """Whoever knows no home yet has its fault; afterwards everything is read."""
    assert house.command("fault", "roborock", kind) == 0
    stranger = house.strangers()
    assert set(_outcomes(lambda: stranger.read(ROBOT_DEADLINE)).values()) == {CLOUD_FAULTS[kind]}
    assert house.command("fault", "clear") == 0
    assert _outcomes(lambda: house.strangers().read(ROBOT_DEADLINE)) == {V1: True, Q7: True, DYAD: True}


@pytest.mark.parametrize("kind", sorted(ROBOROCK_KINDS))
def test_a_fault_of_the_robots_ends_by_itself(house, kind):
    """After --for no fault is in force, and every port is open again."""
    assert house.command("fault", "roborock", kind, "--for", "0.3s") == 0
    assert house.status()["roborock"]["faults"] == [ALIASES.get(kind, kind)]
    _until(lambda: house.status()["roborock"]["faults"] == [])
    for address in _addresses(house.twins):
        _until(lambda at=address: _answers(at))


def _addresses(twins):
    """Return host and port of everything that listens for devices."""
    robots = twins.devices.roborock
    ports = [
        int(url.rpartition(":")[2])
        for url in (robots.cloud_url, robots.broker_url, twins.devices.hubitat.url)
    ]
    return [*(("127.0.0.1", port) for port in ports), (robots.robots[V1].ip, PORT)]


def _answers(address):
    with contextlib.suppress(OSError), socket.create_connection(address, timeout=0.5):
        return True
    return False


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("roborock", "mute", "--where", "nobody"),
            "there is no robot 'nobody'; there are: pretend",
        ),
        (("roborock", "broker_down", "--where", V1), "strikes the whole account"),
        (("roborock", "bad_crc", "--where", Q7), "reached through the broker only"),
        (("roborock", "earthquake"), "roborock has no fault 'earthquake'; it has: refused"),
        (("hubitat", "timeout", "--where", "13"), "strikes the whole hub"),
        (("hubitat", "timeout", "--method", "RunQuery"), "neither documents nor methods"),
    ],
)
def test_a_fault_that_cannot_strike_is_refused_in_words(house, arguments, words, capsys):
    """Nothing is struck, and the person is told what would be understood."""
    assert house.command("fault", *arguments) == 2
    assert words in capsys.readouterr().err
    assert (house.status()["hubitat"]["fault"], house.status()["roborock"]["faults"]) == (None, [])


def test_commands_that_arrive_are_seen_in_the_status_without_a_secret(house, capsys):
    """The positive control of "nothing was commanded": the twins see it, and say so without a token."""
    devices, settings = house.twins.devices, house.settings
    token = settings.hubitat_token.get_secret_value()
    _ask(
        settings.hubitat_url,
        "GET",
        f"/apps/api/{settings.hubitat_app_id}/devices/13/off?access_token={token}",
    )
    _ask(devices.roborock.cloud_url, "POST", "/user/scene/1/execute")
    assert house.command("status") == 0
    shown = capsys.readouterr().out
    status = json.loads(shown)
    assert status["hubitat"]["commandsSeen"] == ["GET devices/13/off"]
    assert status["roborock"]["commandsSeen"] == ["POST /user/scene/1/execute"]
    account = devices.roborock.account
    secrets = (token, account.token, account.password, account.signing_key, account.sealing_key, account.code)
    assert not [secret for secret in secrets if secret in shown]
    devices.hubitat.commands.clear()


def _ask(base, method, path):
    connection = http.client.HTTPConnection(base.removeprefix("http://"), timeout=10)
    connection.request(method, path)
    connection.getresponse().read()
    connection.close()


def test_two_houses_on_one_machine_do_not_meet(house, tmp_path):
    """A second process has its own ports, robot address and login; a fault of one leaves the other alone."""
    with TwinsProcess(TwinsWish(is_empty=True), _no_report) as other:
        assert not set(_addresses(other)) & set(_addresses(house.twins))
        assert (
            other.environment["STUDIO_ROBOROCK_SESSION"] != house.twins.environment["STUDIO_ROBOROCK_SESSION"]
        )
        second = House(other, tmp_path)
        assert house.command("fault", "roborock", "off") == 0
        assert house.command("fault", "hubitat", "refused") == 0
        assert len(second.read_hub().devices) == 8
        assert len(second.robots.read(ROBOT_DEADLINE).devices) == 3


@pytest.mark.parametrize("kind", [None, "black_hole", "broker_down", "mute"])
def test_nothing_stays_behind(kind):
    """After the end no port is open and no login lies about, in the middle of a fault, too."""
    before = set(threading.enumerate())
    twins = TwinsProcess(TwinsWish(is_empty=True), _no_report).start()
    addresses, session = _addresses(twins), Path(twins.environment["STUDIO_ROBOROCK_SESSION"])
    assert session.exists()
    if kind:
        twins.devices.strike("roborock", kind)
        twins.devices.strike("hubitat", "black_hole", for_seconds=60)
    twins.stop()
    assert not [address for address in addresses if _answers(address)]
    assert not session.parent.exists()
    _until(lambda: not {each for each in set(threading.enumerate()) - before if each.name in OURS})


def test_a_taken_robot_address_stops_everything_again(house):
    """One sentence with the remedy, and no port left open."""
    taken = house.twins.devices.roborock.robots[V1].ip
    twins = TwinsProcess(TwinsWish(is_empty=True, devices=DeviceWish(robot_address=taken)), _no_report)
    with pytest.raises(PortTakenError, match="--robot-address"):
        twins.start()
    assert not _answers(("127.0.0.1", int(twins.devices.hubitat.url.rpartition(":")[2])))
    assert not _answers(("127.0.0.1", int(twins.control.url.rpartition(":")[2])))
