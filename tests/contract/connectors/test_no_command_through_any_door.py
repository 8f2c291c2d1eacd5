"""Every command that either vendor knows, handed to every door of ours that takes one: nothing arrives.

What travels below these doors is tried elsewhere: the hub's paths in the unit tests of its transport, the
library's channels, cloud and methods in ``tests/contract/roborock``.
"""

import itertools

import pytest
from roborock.data.b01_q10.b01_q10_code_mappings import B01_Q10_DP
from roborock.roborock_message import RoborockDyadDataProtocol, RoborockZeoProtocol
from roborock.roborock_typing import RoborockB01Q7Methods, RoborockCommand

from cockpit.cli.connector_subjects import SUBJECTS, HubitatSubject
from policies.reads import ReadPermit
from policies.registry import default_registry
from resources.clock import SystemClock
from resources.connector import Command, CommandPlan, ConnectorError, Fault
from resources.connectors.access import DeviceAccess
from resources.connectors.circuits import MemoryBreakerStore
from resources.connectors.records import Ending, MemoryCallLog
from resources.connectors.registry import rows_by_id
from resources.connectors.runner import ConnectorRunner
from resources.settings import Settings

ROBOTS = [
    *(command.value for command in RoborockCommand),
    *(method.value for method in RoborockB01Q7Methods),
    *(str(point.code) for point in B01_Q10_DP),
    *(str(int(point)) for kind in (RoborockZeoProtocol, RoborockDyadDataProtocol) for point in kind),
]
# What a hub's devices, modes, safety monitor, variables and webhook are told, and ways to smuggle it in.
HUB = [
    *("on", "off", "setLevel", "setColor", "lock", "unlock", "setCode", "deleteCode", "open", "close"),
    *("siren", "both", "push", "hold", "refresh", "poll", "configure", "setHeatingSetpoint", "speak"),
    *("attribute", "modes", "modes/2", "hsm/disarm", "hsm/armAway", "hubvariables/vent/false", "postURL"),
    *("postURL/http%3A", "../13/on", "on/../off", "on?x=1", "on#x", "%2Fon", "..%2F13%2Fon", "on\r\nX: y"),
    *("on\x00", "\uff4f\uff4e", "all", "all/../13/on", "", " ", "//on", "on/"),
]
COMMANDS = {"hubitat": HUB, "roborock": ROBOTS}
DEVICES = {"hubitat": ("13", "14", "all", "13/on", "../modes"), "roborock": ("robot-1", "*", "")}


@pytest.fixture(scope="module", params=SUBJECTS, ids=lambda one: one.connector_id)
def subject(request):
    with request.param() as started:
        yield started


@pytest.fixture
def log():
    return MemoryCallLog()


@pytest.fixture
def runner(subject, log):
    clock = SystemClock()
    return ConnectorRunner(subject.connector(), breakers=MemoryBreakerStore(clock), calls=log, clock=clock)


def commands(connector_id):
    for device, name in itertools.product(DEVICES[connector_id], COMMANDS[connector_id]):
        yield Command(device, name, {"level": 30})


def tried(act):
    try:
        return act()
    except ConnectorError as error:
        return error.fault


def test_the_lists_are_whole():
    """The vendor's own lists are what is tried, so that a command of a later version is, too."""
    assert len(ROBOTS) > 254 + 50 + 100
    assert {"app_start", "load_multi_map", "service.set_room_clean", "prop.set", "200"} < set(ROBOTS)


def test_the_runner_refuses_every_command(subject, runner, log):
    """Before the connector is asked; each refusal is on record as one, and nothing arrives anywhere."""
    before, wanted = subject.requests(), list(commands(subject.connector_id))
    outcomes = {tried(lambda one=one: runner.execute(one, is_dry_run=False)) for one in wanted}
    assert outcomes == {Fault.READ_ONLY_VIOLATION}
    assert (subject.requests(), list(subject.commands())) == (before, [])
    assert {(record.ending, record.attempts) for record in log.records} == {(Ending.REFUSED, 0)}
    assert len(log.records) == len(wanted)


def test_the_connector_itself_refuses_every_command(subject, runner, log):
    """Were the runner to pass one on, the connector still sends nothing."""
    before, connector = subject.requests(), runner._connector
    for command in commands(subject.connector_id):
        got = tried(lambda one=command: connector.execute(one, is_dry_run=False, deadline_seconds=1))
        assert got is Fault.READ_ONLY_VIOLATION
    connector.is_read_only = False  # as a mistake would leave it
    wanted = list(itertools.islice(commands(subject.connector_id), 20))
    outcomes = {tried(lambda one=one: runner.execute(one, is_dry_run=False)) for one in wanted}
    assert outcomes == {Fault.READ_ONLY_VIOLATION}
    assert (subject.requests(), list(subject.commands())) == (before, [])
    assert {record.ending for record in log.records} == {Ending.REFUSED}


def test_a_dry_run_sends_nothing(subject, runner):
    """It tells what would be, or that there is no such command; the other side hears of neither."""
    before = subject.requests()
    for command in itertools.islice(commands(subject.connector_id), 60):
        got = tried(lambda one=command: runner.execute(one))
        assert isinstance(got, CommandPlan) or got is Fault.UNSUPPORTED
    assert (subject.requests(), list(subject.commands())) == (before, [])


def test_control_a_command_that_leaves_is_seen(subject):
    """The same twin does see a command that is sent past our doors."""
    before = len(subject.commands())
    subject.act_unguarded()
    assert len(subject.commands()) == before + 1


class _Permits:
    def permit_read(self, actor, capability_id):
        return ReadPermit(actor.studio_id, capability_id, actor.actor_id, SystemClock().now())


def test_the_products_door_takes_no_command(tmp_path):
    """Devices' one door has no way to say one: no method for it, and no name it takes for a connector."""
    public = {name for name in dir(DeviceAccess) if not name.startswith("_")}
    assert public == {"configured", "read", "health", "states", "close"}
    with HubitatSubject() as hub:
        twin = hub._twin
        settings = Settings(
            home=tmp_path, hubitat_url=twin.url, hubitat_app_id=twin.app_id, hubitat_token=twin.token
        )
        clock = SystemClock()
        door = DeviceAccess(
            settings,
            gateway=_Permits(),
            breakers=MemoryBreakerStore(clock),
            calls=MemoryCallLog(),
            clock=clock,
        )
        for name in HUB:
            for act in (door.read, door.health):
                with pytest.raises(KeyError):
                    act(name)
                with pytest.raises(KeyError):
                    act(f"hubitat/{name}")
        assert twin.requests == 0
        assert door.health("hubitat").is_healthy
        assert door.read("hubitat").devices
        assert twin.requests == len(twin.reads)
        assert hub.commands() == []


def test_no_capability_of_devices_is_carried_out():
    """What may be proposed of devices is for people to do: no adapter of ours would carry it out."""
    registry = default_registry()
    for connector_id, row in rows_by_id().items():
        named = [one for one in registry.values() if one.target == connector_id]
        assert row.capability_id in {one.capability_id for one in named}
        assert registry[row.capability_id].is_read_only
        assert not [one for one in named if not one.is_read_only and one.adapter is not None]
