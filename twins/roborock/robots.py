"""Pretend robots of five families: their state, and their answers whatever the wire.

Every question is recorded by name, so that a test can say which ones arrived.
"""

import json
import time
from dataclasses import dataclass, field
from typing import Any, Final

from twins.roborock.faults import Faults

PORT: Final = 58867
"""Where a robot listens on its own wire; built into the client."""

UNKNOWN_ERROR, UNKNOWN_STATE, STUCK_BRUSH = 9999, 4711, 5
BUSY: Final = {"code": -10007, "message": "invalid status"}
ZEO_STATE, ZEO_ERROR = 203, 220
DYAD_STATE, DYAD_BATTERY, DYAD_ERROR = 201, 209, 216
Q10_ERROR, Q10_STATE, Q10_BATTERY = 90, 121, 122
_FEATURES: Final = [111, 112, 113, 114, 115, 116, 118, 119, 120, 122, 123, 124, 125]
# By name a read, but not an innocent one on a real robot.
_ACTS_BY_ANOTHER_NAME: Final = frozenset({"get_map", "get_photo", "service.get_voice_download"})


@dataclass(slots=True)
class FakeRobot:
    """One robot.

    Attributes:
        duid: The maker's id.
        local_key: The key of its wires; 16 characters.
        ip: The loopback address it listens on; empty for one that only the broker reaches.
        pv: Its family on the wire: ``1.0``, ``B01`` or ``A01``.
        dialect: What it speaks on its own wire: ``1.0`` or ``L01``.
        records: Starts of its cleans, seconds since the epoch.
        datapoints: What an A01 robot or a Q10 tells, by number.
        properties: What a Q7 tells, by name.
        seen: Every question that arrived, in order.
    """

    duid: str
    local_key: str
    ip: str = ""
    name: str = "Pretend robot"
    pv: str = "1.0"
    model: str = "roborock.vacuum.a70"
    category: str = "robot.vacuum.cleaner"
    dialect: str = "1.0"
    serial: str = "PRETEND0001"
    is_online: bool = True
    state: int = 8
    battery: int = 90
    error_code: int = 0
    dock_error: int = 0
    consumables: dict[str, int] = field(
        default_factory=lambda: {
            "main_brush_work_time": 360_000,
            "side_brush_work_time": 180_000,
            "filter_work_time": 270_000,
            "sensor_dirty_time": 36_000,
        }
    )
    records: list[int] = field(default_factory=lambda: [1_790_000_000, 1_790_086_400])
    clean_seconds: int = 3300
    clean_area_mm2: int = 42_500_000
    datapoints: dict[int, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    @property
    def writes(self) -> list[str]:
        """Return the questions that were none: what would have changed something."""
        return [name for name in self.seen if not is_question(name)]


def is_question(name: str) -> bool:
    """Return whether a recorded name only asks; told from the name's own form, not from a client's lists."""
    bare = name.removeprefix("service.")
    return (bare.startswith(("get_", "app_get_")) and name not in _ACTS_BY_ANOTHER_NAME) or name in {
        "prop.get",
        "query",
        "request datapoints",
        "list 52",
        "list 61",
    }


def answer_v1(robot: FakeRobot, payload: bytes, faults: Faults) -> bytes | None:
    """Return the answer to a V1 question; null for none. The same JSON goes over both wires."""
    call = json.loads(json.loads(payload)["dps"]["101"])
    robot.seen.append(call["method"])
    if faults.has("mute", "off", robot=robot.duid):
        return None
    said: dict[str, Any] = {"id": call["id"]}
    if faults.take("busy", robot=robot.duid):
        said["error"] = BUSY
    elif faults.take("unknown_method", robot=robot.duid):
        said["result"] = "unknown_method"
    else:
        said["result"] = _result(robot, call["method"], call.get("params"), faults)
    return json.dumps({"t": int(time.time()), "dps": {"102": json.dumps(said)}}).encode()


def answer_datapoints(robot: FakeRobot, given: dict[str, Any], faults: Faults) -> dict[str, Any] | None:
    """Return the datapoints that answer a message to a B01 or A01 robot; null for none."""
    names = _names(given)
    robot.seen.extend(names)
    if faults.has("mute", "off", robot=robot.duid) or not all(is_question(name) for name in names):
        return None
    query = given.get("10000")
    if isinstance(query, dict):
        return _answer_q7(robot, query, faults)
    known = _known_datapoints(robot, faults)
    if query is not None:
        asked = json.loads(query) if isinstance(query, str) else query
        if faults.has("missing_datapoints", robot=robot.duid):
            asked = [number for number in asked if number in known]
        # A washer is asked for dozens of settings when it is connected; they are all at their lowest.
        return {str(number): known.get(number, 0) for number in asked}
    if "101" in given:
        return {"101": {key: {"op": "list", "data": []} for key in given["101"]}}
    return {str(number): value for number, value in known.items()}


def _names(given: dict[str, Any]) -> list[str]:
    names = []
    for key, value in given.items():
        if key == "10000":
            names.append(str(value.get("method")) if isinstance(value, dict) else "query")
        elif key == "102":
            names.append("request datapoints")
        elif key == "101" and isinstance(value, dict):
            names += [
                f"list {inner}" if asked == {"op": "list"} else f"datapoint 101.{inner}"
                for inner, asked in value.items()
            ]
        else:
            names.append(f"datapoint {key}")
    return names


def _answer_q7(robot: FakeRobot, call: dict[str, Any], faults: Faults) -> dict[str, Any]:
    method, data = call["method"], None
    if method == "prop.get":
        known = {
            "status": robot.state,
            "fault": robot.error_code,
            "quantity": robot.battery,
        } | robot.properties
        if faults.has("unknown_codes", robot=robot.duid):
            known |= {"status": UNKNOWN_STATE, "fault": UNKNOWN_ERROR}
        if faults.has("error", robot=robot.duid):
            known["fault"] = 570
        data = {name: known[name] for name in call["params"]["property"] if name in known}
    elif method == "service.get_record_list":
        details = [json.dumps({"record_start_time": start}) for start in robot.records]
        data = {
            "total_time": len(details) * 55,
            "total_area": len(details) * 42,
            "total_count": len(details),
            "record_list": [{"url": "", "detail": detail} for detail in details],
        }
    said = {"msgId": call["msgId"], "code": 0 if data is not None else 1, "method": method, "data": data}
    return {"10001": json.dumps(said)}


def _known_datapoints(robot: FakeRobot, faults: Faults) -> dict[int, Any]:
    is_q10 = robot.pv == "B01"
    state, error, battery = (
        (Q10_STATE, Q10_ERROR, Q10_BATTERY)
        if is_q10
        else (DYAD_STATE, DYAD_ERROR, DYAD_BATTERY)
        if "wetdry" in robot.category
        else (ZEO_STATE, ZEO_ERROR, 0)
    )
    known = {state: robot.state, error: robot.error_code, battery: robot.battery} | robot.datapoints
    known.pop(0, None)
    if faults.has("unknown_codes", robot=robot.duid):
        known |= {state: UNKNOWN_STATE, error: UNKNOWN_ERROR}
    if faults.has("error", robot=robot.duid):
        known[error] = {Q10_ERROR: STUCK_BRUSH, DYAD_ERROR: 20003, ZEO_ERROR: 2}[error]
    if faults.has("missing_datapoints", robot=robot.duid):
        known.pop(error)
    return known


def _status(robot: FakeRobot, faults: Faults) -> dict[str, Any]:
    state, error = robot.state, robot.error_code
    if faults.has("unknown_codes", robot=robot.duid):
        state, error = UNKNOWN_STATE, UNKNOWN_ERROR
    if faults.has("error", robot=robot.duid):
        state, error = 12, STUCK_BRUSH
    return {
        "msg_ver": 2,
        "msg_seq": 40,
        "state": state,
        "battery": robot.battery,
        "clean_time": robot.clean_seconds,
        "clean_area": robot.clean_area_mm2,
        "error_code": error,
        "map_present": 1,
        "in_cleaning": int(state == 5),
        "in_returning": int(state == 6),
        "in_fresh_state": 1,
        "lab_status": 1,
        "water_box_status": 0,
        "fan_power": 102,
        "dnd_enabled": 0,
        "map_status": 3,
        "is_locating": 0,
        "lock_status": 0,
        "water_box_mode": 200,
        "dock_type": 0,
        "dock_error_status": robot.dock_error,
        "charge_status": int(state == 8),
    }


def _result(robot: FakeRobot, method: str, params: Any, faults: Faults) -> Any:
    status = _status(robot, faults)
    answers: dict[str, Any] = {
        "get_status": [status],
        "app_get_init_status": [
            {
                "local_info": {
                    "name": "custom_A.00.0001_FCC",
                    "bom": "A.00.0001",
                    "location": "us",
                    "language": "en",
                    "wifiplan": "0x39",
                    "timezone": "US/Arizona",
                    "logserver": "",
                    "featureset": 1,
                },
                "feature_info": _FEATURES,
                "new_feature_info": 633_887_780_925_447,
                "new_feature_info2": 8192,
                "new_feature_info_str": "0000000000002000",
                "status_info": status,
            }
        ],
        "get_network_info": {
            "ip": robot.ip or "127.0.0.1",
            "ssid": "pretend",
            "mac": "02:00:00:00:00:01",
            "bssid": "02:00:00:00:00:02",
            "rssi": -48,
        },
        "get_consumable": [robot.consumables],
        # The old form, a list: newer robots answer with an object.
        "get_clean_summary": [
            len(robot.records) * robot.clean_seconds,
            len(robot.records) * robot.clean_area_mm2,
            len(robot.records),
            robot.records,
        ],
        "get_multi_maps_list": [
            {
                "max_multi_map": 4,
                "max_bak_map": 1,
                "multi_map_count": 2,
                "map_info": [
                    {"mapFlag": 0, "add_time": 1, "length": 6, "name": "Studio", "bak_maps": []},
                    {"mapFlag": 1, "add_time": 1, "length": 5, "name": "Store", "bak_maps": []},
                ],
            }
        ],
        "get_room_mapping": [],
        "get_serial_number": [{"serial_number": robot.serial}],
        "get_timezone": ["America/Phoenix"],
    }
    if method == "get_clean_record":
        start = params[0]
        return [
            [start, start + robot.clean_seconds, robot.clean_seconds, robot.clean_area_mm2, 0, 0, 1, 1, 21]
        ]
    return answers.get(method, "unknown_method")
