"""What counts as a read on Roborock's wires: lists, and how a message is told apart. No vendor library here.

The lists name what has a known harmless meaning and is used. A name that sounds like a read proves nothing:
``app_stat`` and ``retry_request`` act, and so does the cloud's ``GET /user/devices/newadd``.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

V1_READS: Final = frozenset(
    {
        "app_get_dryer_setting",
        "app_get_init_status",
        "get_carpet_mode",
        "get_child_lock_status",
        "get_clean_record",
        "get_clean_summary",
        "get_consumable",
        "get_dnd_timer",
        "get_dust_collection_mode",
        "get_flow_led_status",
        "get_fw_features",
        "get_led_status",
        "get_map_status",
        "get_multi_maps_list",
        "get_network_info",
        "get_room_mapping",
        "get_serial_number",
        "get_server_timer",
        "get_smart_wash_params",
        "get_sound_volume",
        "get_status",
        "get_timer",
        "get_timezone",
        "get_valley_electricity_timer",
        "get_wash_towel_mode",
    }
)
Q7_READS: Final = frozenset(
    {
        "prop.get",
        "service.get_map_list",
        "service.get_order",
        "service.get_preference",
        "service.get_record_list",
        "service.get_room_order",
    }
)
Q10_READS: Final[tuple[dict[str, Any], ...]] = (
    {"102": {}},
    {"101": {"52": {"op": "list"}}},
    {"101": {"61": {"op": "list"}}},
)
"""Whole messages: on this family anything else writes, even ``61 op:get`` starts a robot on some firmware."""

# The maker calls both by one name: on A01 a list of datapoints to tell, on Q7 a call.
_QUERY: Final = "10000"
_V1_CALL: Final = "101"

# Kinds of message: greeting and ping carry nothing; a call goes to the robot itself or through the broker.
_EMPTY: Final = frozenset({0, 2})
_CALLS: Final = frozenset({4, 101})

_CLOUD_READS: Final = frozenset({"/api/v1/getHomeDetail"})
_CLOUD_READ_PREFIXES: Final = ("/v3/user/homes/",)
_CLOUD_LOGIN: Final = frozenset(
    {
        ("POST", "/api/v1/getUrlByEmail"),
        ("POST", "/api/v3/key/sign"),
        ("GET", "/api/v3/app/agreement/latest"),
        ("POST", "/api/v4/email/code/send"),
        ("POST", "/api/v4/auth/email/login/code"),
    }
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a message only reads, and what it is called; the name carries no value of the message."""

    is_read: bool
    name: str


def judge(version: bytes, protocol: int, payload: bytes | None) -> Verdict:
    """Return whether a message to a robot, not yet encrypted, only reads; one of unknown shape does not."""
    if payload is None:
        return Verdict(protocol in _EMPTY, f"protocol {protocol}")
    datapoints = _datapoints(payload) if protocol in _CALLS else None
    if datapoints is None:
        return Verdict(is_read=False, name="a message of unknown shape")
    if version in {b"1.0", b"L01"}:
        return _judge_v1(datapoints)
    if version == b"A01":
        asked = datapoints.get(_QUERY)
        is_query = set(datapoints) == {_QUERY} and (isinstance(asked, list) or _is_list_text(asked))
        return Verdict(is_query, "a query" if is_query else f"datapoints {', '.join(sorted(datapoints))}")
    if version == b"B01":
        return _judge_b01(datapoints)
    return Verdict(is_read=False, name="a message of an unknown family")


def is_cloud_read(method: str, path: str) -> bool:
    """Return whether a call of the maker's cloud only reads; ``path`` as it is on the wire."""
    if method.upper() != "GET":
        return False
    rest = next((path.removeprefix(p) for p in _CLOUD_READ_PREFIXES if path.startswith(p)), None)
    return path in _CLOUD_READS or (rest is not None and rest.isascii() and rest.isdigit())


def is_cloud_login(method: str, path: str) -> bool:
    """Return whether a call belongs to logging in, which only a person does, with the ``login`` command."""
    return (method.upper(), path) in _CLOUD_LOGIN


def _judge_v1(datapoints: dict[str, Any]) -> Verdict:
    try:
        call = json.loads(datapoints[_V1_CALL])
        name = call["method"]
    except (KeyError, TypeError, ValueError):
        return Verdict(is_read=False, name=f"datapoints {', '.join(sorted(datapoints))}")
    return Verdict(isinstance(name, str) and name in V1_READS and set(datapoints) == {_V1_CALL}, str(name))


def _judge_b01(datapoints: dict[str, Any]) -> Verdict:
    call = datapoints.get(_QUERY)
    if isinstance(call, dict):
        name = str(call.get("method"))
        return Verdict(set(datapoints) == {_QUERY} and name in Q7_READS, name)
    return Verdict(datapoints in Q10_READS, f"datapoints {', '.join(sorted(datapoints))}")


def _datapoints(payload: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(_without_padding(payload))["dps"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def _is_list_text(asked: Any) -> bool:
    if not isinstance(asked, str):
        return False
    try:
        return isinstance(json.loads(asked), list)
    except ValueError:
        return False


def _without_padding(payload: bytes) -> bytes:
    size = payload[-1] if payload else 0
    is_padded = 1 <= size <= 16 and payload.endswith(bytes([size]) * size)
    return payload[:-size] if is_padded else payload
