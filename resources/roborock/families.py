"""How each family of robots is asked: the library's channels, raw answers, one deadline per robot.

After the first silence a robot is asked nothing more. What only adds to a status may fail; the status may
not.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from roborock.data.b01_q10.b01_q10_code_mappings import B01_Q10_DP
from roborock.devices.device import RoborockDevice
from roborock.protocols import a01_protocol, b01_q10_protocol
from roborock.roborock_message import RoborockDyadDataProtocol, RoborockMessage, RoborockZeoProtocol

from resources.clock import Clock
from resources.connector import DeviceReading, Fault
from resources.roborock import codes, parse
from resources.roborock.faults import Failure, failure_of
from resources.roborock.guard import Heard
from resources.roborock.limits import Limits
from resources.roborock.parse import RobotAnswers

_TELLING: Final = (
    Fault.READ_ONLY_VIOLATION,
    Fault.UNSUPPORTED,
    Fault.BAD_RESPONSE,
    Fault.RATE_LIMITED,
    Fault.TIMEOUT,
    Fault.AUTH,
    Fault.UNAVAILABLE,
    Fault.UNKNOWN,
)
"""Which of several wires' failures tells most about the robot, first the most telling."""

_Q7_PROPERTIES: Final = ("status", "fault", "quantity", *(name for name, _ in codes.Q7_PARTS.values()))
_Q10_STATE, _Q10_ERROR, _Q10_BATTERY = (
    B01_Q10_DP.STATUS.code,
    B01_Q10_DP.FAULT.code,
    B01_Q10_DP.BATTERY.code,
)
_ZEO_STATE, _ZEO_ERROR = int(RoborockZeoProtocol.STATE), int(RoborockZeoProtocol.ERROR)
_DYAD_STATE, _DYAD_ERROR, _DYAD_BATTERY = (
    int(RoborockDyadDataProtocol.STATUS),
    int(RoborockDyadDataProtocol.ERROR),
    int(RoborockDyadDataProtocol.POWER),
)


async def read_robot(
    robot: RoborockDevice, limits: Limits, heard: Heard, clock: Clock
) -> DeviceReading | Failure:
    """Return what one robot says, or why it says nothing; ends within the robot's own deadline."""
    before = heard.answers[robot.duid]
    try:
        async with asyncio.timeout(limits.robot):
            return await _ask(robot, limits, clock)
    except Exception as error:  # noqa: BLE001 - one robot's failure of any kind must not reach the others
        heard.note(robot.duid, error, None if robot.v1_properties else before)
    failures = [failure_of(failure) for failure in heard.failures[robot.duid]]
    if robot.duid in heard.connecting:
        failures.append(Failure.of(Fault.TIMEOUT))
    return min(failures, key=lambda failure: _TELLING.index(failure.fault))


async def _ask(robot: RoborockDevice, limits: Limits, clock: Clock) -> DeviceReading:
    kind, known = parse.VACUUM, codes.V1
    if v1 := robot.v1_properties:
        # Not gated on is_connected: with an address that swallows everything it stays false though the
        # broker's way works.
        said = await _ask_v1(v1.command.send, limits.call / 2)
    elif q7 := robot.b01_q7_properties:
        known, said = codes.Q7, await _ask_q7(q7.send, limits.call / 2)
    elif q10 := robot.b01_q10_properties:
        wanted = {_Q10_STATE, _Q10_ERROR, _Q10_BATTERY}
        told = await _collect(robot, wanted, q10.refresh, _q10_datapoints, limits.call)
        known = codes.Q10
        said = parse.datapoints(told, state=_Q10_STATE, error=_Q10_ERROR, battery=_Q10_BATTERY)
    elif robot.zeo:
        told = await _query_a01(robot, {_ZEO_STATE, _ZEO_ERROR}, limits.call)
        kind, known = parse.WASHER, codes.ZEO
        said = parse.datapoints(told, state=_ZEO_STATE, error=_ZEO_ERROR, battery=None)
    else:
        told = await _query_a01(robot, {_DYAD_STATE, _DYAD_ERROR, _DYAD_BATTERY}, limits.call)
        kind, known = parse.WET_DRY_VACUUM, codes.DYAD
        said = parse.datapoints(told, state=_DYAD_STATE, error=_DYAD_ERROR, battery=_DYAD_BATTERY)
    return parse.reading(
        robot.duid, kind, robot.product.model, known=known, said=said, observed_at=clock.now()
    )


async def _ask_v1(send: Callable[..., Awaitable[Any]], seconds: float) -> RobotAnswers:
    said = parse.v1_status(await send("get_status"))

    async def consumables() -> None:
        said.consumables = parse.v1_consumables(await send("get_consumable"))

    async def history() -> None:
        newest = parse.v1_last_record(await send("get_clean_summary"), said)
        if newest is not None:
            parse.v1_record(await send("get_clean_record", [newest]), said)

    await _add(seconds, consumables, history)
    return said


async def _ask_q7(send: Callable[..., Awaitable[Any]], seconds: float) -> RobotAnswers:
    said = parse.q7_status(await send("prop.get", {"property": list(_Q7_PROPERTIES)}))

    async def history() -> None:
        parse.q7_records(await send("service.get_record_list", {}), said)

    await _add(seconds, history)
    return said


async def _add(seconds: float, *parts: Callable[[], Awaitable[None]]) -> None:
    try:
        async with asyncio.timeout(seconds):
            for part in parts:
                await _add_one(part)
    except TimeoutError:
        return


async def _add_one(part: Callable[[], Awaitable[None]]) -> None:
    try:
        await part()
    except Exception as error:
        failure = failure_of(error)
        if failure.fault is Fault.READ_ONLY_VIOLATION:
            raise
        if failure.fault in {Fault.TIMEOUT, Fault.UNAVAILABLE}:
            raise TimeoutError from None


async def _query_a01(robot: RoborockDevice, wanted: set[int], seconds: float) -> dict[int, Any]:
    async def ask() -> None:
        query: Any = {RoborockDyadDataProtocol.ID_QUERY: sorted(wanted)}
        # A01 robots take the list as text, and talk through the broker only: the channel is the broker's.
        await _channel(robot).publish(a01_protocol.encode_mqtt_payload(query, value_encoder=str))

    return await _collect(robot, wanted, ask, a01_protocol.decode_rpc_response, seconds)


async def _collect(
    robot: RoborockDevice,
    wanted: set[int],
    ask: Callable[[], Awaitable[None]],
    decode: Callable[[RoborockMessage], dict[int, Any]],
    seconds: float,
) -> dict[int, Any]:
    """Ask, and return the wanted datapoints that came in time; firmware leaves some out for good."""
    told: dict[int, Any] = {}
    is_complete = asyncio.Event()

    def take(message: RoborockMessage) -> None:
        try:
            told.update({key: value for key, value in decode(message).items() if key in wanted})
        except Exception:  # noqa: BLE001 - another message may be the answer; silence is noticed below
            return
        if told.keys() >= wanted:
            is_complete.set()

    unsubscribe = await _channel(robot).subscribe(take)
    try:
        await ask()
        async with asyncio.timeout(seconds):
            await is_complete.wait()
    except TimeoutError:
        if not told:
            raise TimeoutError("timed out") from None
    finally:
        unsubscribe()
    return told


def _q10_datapoints(message: RoborockMessage) -> dict[int, Any]:
    return {point.code: value for point, value in b01_q10_protocol.decode_rpc_response(message).items()}


def _channel(robot: RoborockDevice) -> Any:
    return robot._channel  # noqa: SLF001 - its own traits turn unknown numbers into known ones
