"""Every method that the vendor's library offers for a robot, called with the guard and without it.

``test_read_only`` sends every command by name; here the library itself decides what is sent, by the methods
its documentation tells people to use.
"""

import asyncio
import dataclasses
import enum
import inspect
import typing

import pytest
from roborock.data import UserData
from roborock.web_api import RoborockApiClient, UserWebApiClient

from resources.connector import Fault
from resources.roborock.guard import install_guard
from resources.roborock.limits import Limits
from resources.roborock.session import load_session
from tests.contract.roborock.studio import fleet
from tests.contract.roborock.test_read_only import devices, outcome, remove_guard

FAMILIES = ("v1_properties", "b01_q7_properties", "b01_q10_properties", "zeo", "dyad")
# They wait for ever, end the session, or are not written yet; none sends anything.
LEFT_OUT = {"close", "start", "add_listener", "pass_login_v3"}
SURE_TO_ACT = {
    *("ConsumableTrait.reset_consumable", "DoNotDisturbTrait.disable", "MapsTrait.set_current_map"),
    *("SoundVolumeTrait.set_volume", "RoutinesTrait.execute_routine"),
    *("Q7PropertiesApi.start_clean", "Q7PropertiesApi.find_me", "VacuumTrait.empty_dustbin"),
    *("RemoteTrait.forward", "ChildLockTrait.enable", "ZeoApi.set_value", "DyadApi.set_value"),
}


@pytest.fixture(autouse=True)
def _guarded_again():
    install_guard()
    Limits.of(2.0).tell_library()
    yield
    install_guard()


def methods_of(robot):
    """Yield name and method of everything asynchronous that a robot and its parts offer."""
    for family in FAMILIES:
        api = getattr(robot, family, None)
        if api is None:
            continue
        parts = [api]
        for name in dir(api):
            part = None if name.startswith("_") else getattr(api, name, None)
            if type(part).__module__.startswith("roborock") and not inspect.isroutine(part):
                parts.append(part)
        for part in parts:
            for name, function in inspect.getmembers(type(part), inspect.iscoroutinefunction):
                if not name.startswith("_") and name not in LEFT_OUT:
                    yield f"{type(part).__name__}.{name}", getattr(part, name), function


def sample(annotation):
    """Return something that a parameter might be given."""
    kind = next(
        (one for one in (*typing.get_args(annotation), annotation) if one is not type(None)), annotation
    )
    if typing.get_origin(annotation) is list:
        return [sample(typing.get_args(annotation)[0])]
    if inspect.isclass(kind) and issubclass(kind, enum.Enum):
        return list(kind)[-1]
    if dataclasses.is_dataclass(kind):
        given = {f.name: 1 for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING}
        return kind(**given) if "Point" in kind.__name__ else kind()
    return {str: "1", dict: {}}.get(kind, 1)


def call(method, function, **known):
    hints = typing.get_type_hints(function)
    wanted = [p for p in inspect.signature(method).parameters.values() if p.default is p.empty]
    return method(**{one.name: known.get(one.name) or sample(hints.get(one.name, int)) for one in wanted})


def call_all(studio):
    """Call everything on every robot; return names that were called, and what became of them."""

    async def go():
        found = {}
        async with devices(studio) as robots:
            for robot in studio.twin.robots.values():
                robot.seen.clear()
            studio.twin.cloud_calls.clear()
            for robot in robots.values():
                for name, method, function in methods_of(robot):
                    found[name] = await outcome(call(method, function))
        return found

    return asyncio.run(go())


def test_no_method_of_the_library_acts(make_studio):
    """Whatever is called on any robot's parts, no twin, broker or cloud sees anything but questions."""
    studio = make_studio(*fleet())
    called = call_all(studio)
    assert called.keys() >= SURE_TO_ACT
    assert len(called) > 60
    assert not studio.twin.writes


def test_control_unguarded_the_same_calls_act(make_studio):
    """The same calls without the guard are seen by the twins, every family and the cloud among them."""
    studio = make_studio(*fleet())
    remove_guard()
    call_all(studio)
    writes = {duid: set(robot.writes) for duid, robot in studio.twin.robots.items()}
    assert writes["robot-v1"] >= {"reset_consumable", "close_dnd_timer", "load_multi_map"}
    assert writes["robot-q7"] >= {"service.set_room_clean", "service.find_device"}
    assert all(writes.values()), writes
    assert "POST /user/scene/1/execute" in studio.twin.writes


def call_all_of_the_cloud(studio):
    """Call everything both clients of the cloud offer; return what was called, and what came of it."""
    session = load_session(studio.session_path)
    user = UserData.from_dict(session.user_data)

    async def go():
        found = {}
        plain = RoborockApiClient(session.email, base_url=studio.twin.cloud_url)
        for client in (plain, UserWebApiClient(plain, user)):
            for name, function in inspect.getmembers(type(client), inspect.iscoroutinefunction):
                if not name.startswith("_") and name not in LEFT_OUT:
                    method = getattr(client, name)
                    found[f"{type(client).__name__}.{name}"] = await outcome(
                        call(method, function, user_data=user)
                    )
        return found

    return asyncio.run(go())


def test_no_method_of_the_clouds_clients_acts(make_studio):
    """Whatever the two clients offer, pairing, updating and logging in among it, the cloud is only asked."""
    studio = make_studio(*fleet())
    studio.twin.cloud_calls.clear()
    called = call_all_of_the_cloud(studio)
    assert len(called) > 15
    assert called["UserWebApiClient.execute_routine"] is Fault.READ_ONLY_VIOLATION
    assert not studio.twin.writes
    assert {call.partition(" ")[0] for call in studio.twin.cloud_calls} <= {"GET"}


def test_control_unguarded_the_clouds_clients_act(make_studio):
    """The same calls without the guard: the pretend cloud sees those that change something."""
    studio = make_studio(*fleet())
    remove_guard()
    studio.twin.cloud_calls.clear()
    call_all_of_the_cloud(studio)
    assert len({call.partition("?")[0] for call in studio.twin.writes}) > 4
    assert "POST /user/scene/1/execute" in studio.twin.writes
