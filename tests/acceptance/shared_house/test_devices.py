"""The pretend studio's devices in a running house: seen, lost, told apart, and found again by themselves."""

import json
import os
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest

from resources.clock import SystemClock
from resources.connector import ConnectorError, Fault
from resources.connectors.access import DeviceAccess
from resources.connectors.breaker import BreakerPolicy
from resources.connectors.registry import ROWS
from resources.connectors.runner import CallPolicy
from resources.postgres.breakers import PostgresBreakerStore
from resources.postgres.connector_calls import PostgresCallLog
from resources.postgres.engine import app_engine
from resources.settings import load_settings
from studio_assets.doors import live_gateway
from twins.cli import main as twins

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]

DEADLINE = 4.0
FAULT_LASTS = 60  # seconds; who has an answer before has not waited for the fault's end
OWN_WIRE = "pretend-throwing-room"  # the robot with a socket of its own; the others are reached by the broker
ASSETS = ("hubitat_devices", "roborock_devices", "connector_health")
HUB_FAULTS = {
    "timeout": Fault.TIMEOUT,
    "hang": Fault.TIMEOUT,
    "slow": Fault.TIMEOUT,
    "black_hole": Fault.TIMEOUT,
    "html502": Fault.UNAVAILABLE,
    "reset": Fault.UNAVAILABLE,
    "refused": Fault.UNAVAILABLE,
    "badjson": Fault.BAD_RESPONSE,
    "cut": Fault.BAD_RESPONSE,
    "401": Fault.AUTH,
}
# Struck together with a broker that is down, or the robot would be reached the other way.
ROBOT_FAULTS = {
    "mute": Fault.TIMEOUT,
    "slow": Fault.TIMEOUT,
    "black_hole": Fault.TIMEOUT,
    "refused": Fault.UNAVAILABLE,
    "reset": Fault.TIMEOUT,
    "bad_crc": Fault.BAD_RESPONSE,
    "truncated": Fault.BAD_RESPONSE,
    "garbage": Fault.BAD_RESPONSE,
    "wrong_key": Fault.BAD_RESPONSE,
}


@pytest.fixture(scope="module")
def devices(studio):
    """Give the product's door to the devices, with less patience and a circuit that does not open."""
    settings = load_settings(studio.instance().environment)
    quick = CallPolicy(
        deadline_seconds=DEADLINE + 1,
        attempt_seconds=DEADLINE,
        attempts=1,
        breaker=BreakerPolicy(failures_to_open=1000),
    )
    with ExitStack() as stack:
        engine = app_engine(settings.database_url.get_secret_value(), settings.studio_id)
        stack.callback(engine.dispose)
        access = DeviceAccess(
            settings,
            gateway=stack.enter_context(live_gateway(settings)),
            breakers=PostgresBreakerStore(engine, settings.studio_id),
            calls=PostgresCallLog(engine, settings.studio_id),
            clock=SystemClock(),
            rows=[replace(row, policy=quick) for row in ROWS],
        )
        stack.callback(access.close)
        yield access


def strike(studio, connector, kind, *more):
    """Let something go wrong, by the command's own entry; a process each would take seconds."""
    control = ("--control", studio.instance().environment["STUDIO_TWINS_CONTROL"])
    assert twins(["fault", connector, kind, *more, *control]) == 0


def mend(studio):
    control = ("--control", studio.instance().environment["STUDIO_TWINS_CONTROL"])
    assert twins(["fault", "clear", *control]) == 0


def status_of(studio, connector):
    told = studio.do(None, "connectors", "status")
    return next(each for each in told["connectors"] if each["id"] == connector)


def read(devices, connector):
    """Return what a read gave or why it gave nothing, and how long it took."""
    started = time.monotonic()
    try:
        found = devices.read(connector)
    except ConnectorError as error:
        found = error
    return found, time.monotonic() - started


def read_again_until_good(devices, connector):
    """Nobody helps: reading again is all. A broker that refused is left alone for a while by design."""
    for _ in range(5):
        found, _ = read(devices, connector)
        if not isinstance(found, ConnectorError) and not found.failures:
            return found
    raise AssertionError(f"{connector} does not recover: {found}")


def test_devices_appear_in_state_and_in_dagster(studio):
    """Staff see how many devices are well and how old that is; engineers see the same as assets."""
    surroundings = dict(os.environ)
    state = studio.do(None, "state", "show")
    assert dict(os.environ) == surroundings  # or the next command in this process would work on this house
    for connector, most in (("hubitat", 8), ("roborock", 3)):
        told = state["devices"][connector]
        assert (told["status"], told["devices"], told["fault"]) == ("current", most, None)
        assert told["online"] + told["offline"] <= most
        assert 0 <= told["ageSeconds"] < 3600
        assert status_of(studio, connector)["state"] == "in_order"
    nodes = studio.dagster(
        "{ assetNodes { assetKey { path } assetMaterializations(limit: 1) { timestamp } } }"
    )["assetNodes"]
    made = {node["assetKey"]["path"][-1] for node in nodes if node["assetMaterializations"]}
    assert made >= {*ASSETS, "device_findings", "snapshot"}


@pytest.mark.parametrize("kind", sorted(HUB_FAULTS))
def test_a_fault_of_the_hub_has_its_name_in_time_and_passes(studio, devices, kind):
    strike(studio, "hubitat", kind, "--for", f"{FAULT_LASTS}s")
    found, seconds = read(devices, "hubitat")
    mend(studio)
    assert getattr(found, "fault", None) is HUB_FAULTS[kind]
    assert seconds < FAULT_LASTS
    assert len(read_again_until_good(devices, "hubitat").devices) == 8


@pytest.mark.parametrize("kind", sorted(ROBOT_FAULTS))
def test_a_fault_of_a_robot_has_its_name_in_time_and_passes(studio, devices, kind):
    strike(studio, "roborock", "broker_down")
    strike(studio, "roborock", kind, "--where", OWN_WIRE)
    found, seconds = read(devices, "roborock")
    mend(studio)
    if isinstance(found, ConnectorError):
        faults = {found.fault}
    else:
        faults = {failure.fault for failure in found.failures if failure.device_id == OWN_WIRE}
    assert faults == {ROBOT_FAULTS[kind]}
    assert seconds < FAULT_LASTS
    assert len(read_again_until_good(devices, "roborock").devices) == 3


def test_an_answer_in_pieces_is_an_answer(studio, devices):
    strike(studio, "roborock", "split")
    found, _ = read(devices, "roborock")
    mend(studio)
    assert (len(found.devices), list(found.failures)) == (3, [])


def test_a_silent_robot_costs_the_others_nothing(studio, devices):
    strike(studio, "roborock", "mute", "--where", OWN_WIRE)
    found, seconds = read(devices, "roborock")
    mend(studio)
    assert {failure.device_id: failure.fault for failure in found.failures} == {OWN_WIRE: Fault.TIMEOUT}
    assert len(found.devices) == 2
    assert seconds < FAULT_LASTS
    read_again_until_good(devices, "roborock")


def test_a_robot_that_says_what_nobody_knows_is_not_well(studio, devices):
    """Unknown is never healthy."""
    strike(studio, "roborock", "unknown_codes", "--where", OWN_WIRE)
    found, _ = read(devices, "roborock")
    mend(studio)
    (strange,) = [device for device in found.devices if device.device_id == OWN_WIRE]
    assert strange.is_healthy is None
    assert strange.error_code is not None
    read_again_until_good(devices, "roborock")


def test_an_outage_costs_the_state_its_devices_only_and_passes_by_itself(studio, devices):
    """Hub dead, broker refusing: the snapshot is made, nothing old is called current, the audit log tells."""
    before = studio.do(None, "state", "show")
    strike(studio, "hubitat", "401")
    strike(studio, "roborock", "broker_refuses")
    strike(studio, "roborock", "refused", "--where", OWN_WIRE)
    code, during = studio.ask(None, "snapshot")
    assert (code, during["ok"]) == (1, True)  # made, with checks that do not hold
    assert {failed["asset"] for failed in during["checks"]["failures"]} == {
        "cloud_truth/hubitat_devices",
        "cloud_truth/roborock_devices",
    }
    for connector in ("hubitat", "roborock"):
        told = during["devices"][connector]
        assert (told["status"], told["fault"], told["online"]) == ("old", "auth", None)
        assert told["readAt"] >= before["devices"][connector]["readAt"]
        assert status_of(studio, connector)["state"] == "degraded"
    assert during["sources"].keys() == before["sources"].keys()
    assert all(source["completeness"] == "full" for source in during["sources"].values())
    mend(studio)
    read_again_until_good(devices, "hubitat")
    # The broker refused our login, so it is left alone for some minutes; the robot's own wire is not.
    _, after = studio.ask(None, "snapshot")
    assert [after["devices"][each]["status"] for each in ("hubitat", "roborock")] == ["current", "current"]
    assert "cloud_truth/hubitat_devices" not in {failed["asset"] for failed in after["checks"]["failures"]}
    assert status_of(studio, "hubitat")["state"] == "in_order"
    events = [
        event["name"] for event in studio.do("dana", "audit", "search", "--subject", "hubitat")["entries"]
    ]
    assert {"connector:hubitat:degraded_entered", "connector:hubitat:degraded_left"} <= set(events)
    assert studio.do("dana", "audit", "verify")["ok"] is True


def test_nothing_was_ever_commanded(studio):
    """Whatever went before, the pretend hub and robots have seen questions only."""
    told = json.loads(studio.house.run("twins", "status").stdout)
    assert told["hubitat"]["requests"] > 0
    assert told["roborock"]["questions"] > 0
    assert (told["hubitat"]["commands"], told["roborock"]["writes"]) == (0, 0)
