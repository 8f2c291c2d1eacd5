"""Everything that would change something, through every public door of the vendor's library and of ours.

The positive controls send the same with the guard taken off: the twin records all of it, so "nothing seen"
says something.
"""

import asyncio
from contextlib import asynccontextmanager

import pytest
from roborock.data import HomeData, UserData
from roborock.data.b01_q10.b01_q10_code_mappings import B01_Q10_DP
from roborock.devices.cache import CacheData, DeviceCacheData, InMemoryCache, NetworkInfo
from roborock.devices.device_manager import UserParams, create_device_manager
from roborock.exceptions import RoborockException
from roborock.roborock_message import RoborockDyadDataProtocol, RoborockZeoProtocol
from roborock.roborock_typing import RoborockB01Q7Methods, RoborockCommand
from roborock.web_api import PreparedRequest, RoborockApiClient, UserWebApiClient

from resources.connector import Command, ConnectorError, Fault
from resources.roborock import guard
from resources.roborock.commands import Q7_READS, V1_READS
from resources.roborock.guard import cloud_middleware, install_guard
from resources.roborock.limits import Limits
from resources.roborock.session import load_session
from tests.contract.roborock.studio import fleet
from twins.roborock.account import home
from twins.roborock.robots import FakeRobot, is_question

V1_NAMES = [command.value for command in RoborockCommand]
V1_ACTS = [name for name in V1_NAMES if not name.startswith(("get_", "app_get_", "matter.get"))]
Q7_ACTS = [method for method in RoborockB01Q7Methods if method.value not in Q7_READS]
Q10_HARMLESS = {B01_Q10_DP.REQUEST_DPS, B01_Q10_DP.COMMON}


@pytest.fixture(autouse=True)
def _guarded_again():
    install_guard()
    Limits.of(2.0).tell_library()
    yield
    install_guard()


def remove_guard():
    """Give the library back as its makers ship it; nothing but these controls can."""
    for (owner, name), original in guard._ORIGINALS.items():
        setattr(owner, name, original)
    guard._ORIGINALS.clear()


@asynccontextmanager
async def devices(studio):
    """Give the library's own robots, connected, by id."""
    session = load_session(studio.session_path)
    robots = list(studio.twin.robots.values())
    cache = InMemoryCache()
    known = {r.duid: DeviceCacheData(network_info=NetworkInfo(ip=r.ip)) for r in robots if r.ip}
    await cache.set(CacheData(home_data=HomeData.from_dict(home(robots)), device_info=known))
    user = UserParams(session.email, UserData.from_dict(session.user_data), session.base_url)
    manager = await create_device_manager(user, cache=cache)
    try:
        yield {device.duid: device for device in await manager.get_devices()}
    finally:
        async with asyncio.timeout(3):
            await manager.close()


async def outcome(act):
    try:
        async with asyncio.timeout(2):
            await act
    except ConnectorError as error:
        return error.fault
    except (RoborockException, TimeoutError, ValueError, TypeError, KeyError):
        return None
    return None


def v1_acts(robot, names):
    return [lambda name=name: robot.v1_properties.command.send(name, [1]) for name in names]


def other_acts(robots):
    q7, q10 = robots["robot-q7"].b01_q7_properties, robots["robot-q10"].b01_q10_properties
    zeo, dyad = robots["robot-zeo"].zeo, robots["robot-dyad"].dyad
    acts = [lambda method=method: q7.send(method, {}) for method in Q7_ACTS]
    acts += [q7.start_clean, lambda: q7.set_volume(1), q7.find_me]
    acts += [
        lambda point=point: q10.command.send(point, params={})
        for point in B01_Q10_DP
        if point not in Q10_HARMLESS
    ]
    acts += [
        lambda inner=inner: q10.command.send(B01_Q10_DP.COMMON, params=inner)
        for inner in ({"52": {"op": "del"}}, {"61": {"op": "get"}}, {"52": {"op": "list"}, "12": 1}, {}, [1])
    ]
    acts += [
        lambda point=point: zeo.set_value(point, 1)
        for point in RoborockZeoProtocol
        if point is not RoborockZeoProtocol.ID_QUERY
    ]
    acts += [
        lambda point=point: dyad.set_value(point, 1)
        for point in RoborockDyadDataProtocol
        if point is not RoborockDyadDataProtocol.ID_QUERY
    ]
    return acts


def cloud_acts(studio):
    user = UserData.from_dict(load_session(studio.session_path).user_data)
    client = RoborockApiClient("robots@studio.example", base_url=studio.twin.cloud_url)
    return [
        lambda: UserWebApiClient(client, user).execute_routine(7),
        lambda: client.start_firmware_update(user, "robot-v1"),
        lambda: client.set_silent_ota(user, "robot-v1", enabled=True),
        lambda: client.create_job(user, "robot-v1", {}),
        lambda: client.add_device(user, "s", "t"),
        lambda: client.download_code(user, 1),
        client.request_code_v4,
        lambda: client.pass_login("secret"),
    ]


def run(studio, collect):
    async def go():
        async with devices(studio) as robots:
            for robot in studio.twin.robots.values():
                robot.seen.clear()
            return [await outcome(act()) for act in collect(robots)]

    return asyncio.run(go())


def test_the_twin_knows_acts_without_the_clients_lists():
    """Its own rule, by the form of a name, agrees with the allow-list: no allowed name acts."""
    assert len(V1_ACTS) >= 163
    assert not [name for name in V1_READS | Q7_READS if not is_question(name)]
    assert not [name for name in V1_ACTS if is_question(name)]


def test_every_v1_command_but_the_listed_is_refused(make_studio):
    """Of all commands the library knows, only the listed ones leave; each other raises the violation."""
    studio = make_studio(*fleet())
    refused = [name for name in V1_NAMES if name not in V1_READS]
    outcomes = run(studio, lambda robots: v1_acts(robots["robot-v1"], refused))
    assert len(refused) > 220
    assert set(outcomes) == {Fault.READ_ONLY_VIOLATION}
    assert not studio.twin.robots["robot-v1"].seen


def test_a_refusal_is_told_as_one_with_the_broker_gone(make_studio):
    """The library repeats over the broker what failed locally; the refusal does not become a broken wire."""
    studio = make_studio(*fleet())
    studio.break_("broker_down")
    outcomes = run(studio, lambda robots: v1_acts(robots["robot-v1"], ["app_start", "app_stat", "find_me"]))
    assert set(outcomes) == {Fault.READ_ONLY_VIOLATION}
    assert not studio.twin.robots["robot-v1"].seen


def test_silence_of_some_cuts_nobody_off(make_studio):
    """Three timeouts in a row would restart the login that all robots share."""
    silent = [FakeRobot(f"robot-mute-{n}", "0123456789abcdef") for n in range(4)]
    studio = make_studio(*silent, *fleet())
    for robot in silent:
        studio.twin.faults.add("mute", robot=robot.duid)

    async def go():
        async with devices(studio) as robots:
            for robot in silent:
                await outcome(robots[robot.duid].v1_properties.command.send("get_status"))
            return await robots["robot-q7"].b01_q7_properties.send("prop.get", {"property": ["quantity"]})

    assert asyncio.run(go()) == {"quantity": 73}


def test_every_other_familys_acts_are_refused(make_studio):
    """All Q7 methods, Q10 and A01 datapoints that are not on the lists are refused before a byte."""
    studio = make_studio(*fleet())
    outcomes = run(studio, other_acts)
    assert len(outcomes) > 150
    assert set(outcomes) == {Fault.READ_ONLY_VIOLATION}
    assert not [name for robot in studio.twin.robots.values() for name in robot.seen]


def test_every_acting_call_of_the_cloud_is_refused(make_studio):
    """Scenes, updates, jobs, pairing and logins do not leave, whatever their method."""
    studio = make_studio(*fleet())
    studio.twin.cloud_calls.clear()
    outcomes = run(studio, lambda _: cloud_acts(studio))
    assert set(outcomes) == {Fault.READ_ONLY_VIOLATION}
    assert not studio.twin.cloud_calls


def test_a_refresh_that_switches_maps_is_refused(make_studio):
    """A trait's refresh is not always a read: this one loads the other map."""
    studio = make_studio(*fleet())
    run(studio, lambda robots: [robots["robot-v1"].v1_properties.home.refresh])
    assert not studio.twin.writes


def test_the_connectors_own_door_refuses_every_command(make_studio):
    """No name of any family passes ``execute``."""
    studio = make_studio(*fleet())
    for name in [*V1_NAMES, *(method.value for method in RoborockB01Q7Methods), "201", "anything"]:
        with pytest.raises(ConnectorError) as caught:
            studio.connector.execute(Command("robot-v1", name), is_dry_run=False, deadline_seconds=1)
        assert caught.value.fault is Fault.READ_ONLY_VIOLATION
    assert not [name for robot in studio.twin.robots.values() for name in robot.seen]


def test_control_unguarded_every_v1_act_is_recorded(make_studio):
    """Without the guard the twin sees every single one."""
    studio = make_studio(*fleet())
    remove_guard()
    run(studio, lambda robots: v1_acts(robots["robot-v1"], V1_ACTS))
    assert set(studio.twin.robots["robot-v1"].writes) == set(V1_ACTS)


def test_control_unguarded_other_acts_are_recorded(make_studio):
    """Without the guard every family's acts, the cloud's and the switched map are seen."""
    studio = make_studio(*fleet())
    remove_guard()

    def chosen(robots):
        return [
            lambda: robots["robot-q7"].b01_q7_properties.set_volume(1),
            lambda: robots["robot-q10"].b01_q10_properties.command.send(B01_Q10_DP.SEEK, params={}),
            lambda: robots["robot-zeo"].zeo.set_value(RoborockZeoProtocol.START, 1),
            lambda: robots["robot-dyad"].dyad.set_value(RoborockDyadDataProtocol.POWER, 0),
            robots["robot-v1"].v1_properties.home.refresh,
            *cloud_acts(studio)[:5],
        ]

    run(studio, chosen)
    for robot, name in [
        ("robot-q7", "prop.set"),
        ("robot-q10", "datapoint 11"),
        ("robot-zeo", "datapoint 200"),
        ("robot-dyad", "datapoint 209"),
        ("robot-v1", "load_multi_map"),
    ]:
        assert name in studio.twin.robots[robot].writes
    cloud = [call for call in studio.twin.writes if "/" in call]
    assert "POST /user/scene/7/execute" in cloud
    assert "POST /ota/device/robot-v1/upgrade" in cloud
    assert "GET /user/devices/newadd" in cloud


def test_a_redirect_of_the_cloud_is_not_followed(make_studio):
    """The session judges every hop: a redirect to a call that acts ends where it began."""
    import aiohttp

    studio = make_studio()
    studio.break_("cloud_redirect")

    async def go():
        async with aiohttp.ClientSession(middlewares=(cloud_middleware,)) as http:
            return await outcome(
                PreparedRequest(studio.twin.cloud_url, http).request("get", "/api/v1/getHomeDetail")
            )

    assert asyncio.run(go()) is Fault.BAD_RESPONSE
    assert studio.twin.cloud_calls == ["GET /api/v1/getHomeDetail"]
