"""What counts as a read: every family's lists, and every shape that is none."""

import json

import pytest

from resources.roborock.commands import Q7_READS, V1_READS, is_cloud_login, is_cloud_read, judge


def v1(method, **more):
    inner = json.dumps({"id": 1, "method": method, "params": []})
    return json.dumps({"dps": {"101": inner, **more}, "t": 1}).encode()


def dps(given):
    return json.dumps({"dps": given}).encode()


def padded(payload):
    size = 16 - len(payload) % 16
    return payload + bytes([size]) * size


@pytest.mark.parametrize("version", [b"1.0", b"L01"])
def test_v1_reads_pass_in_both_dialects(version):
    """Every listed name passes on both wires."""
    for name in V1_READS:
        assert judge(version, 4, v1(name)).is_read
        assert judge(version, 101, v1(name)).is_read


@pytest.mark.parametrize(
    "payload",
    [
        v1("app_start"),
        v1("app_stat"),
        v1("get_map_v1"),
        v1("GET_STATUS"),
        v1("get_status "),
        v1(["get_status"]),
        v1(None),
        v1("get_status", **{"102": "{}"}),
        dps({"101": "{"}),
        dps({"101": {"method": "get_status"}}),
        dps({"102": "{}"}),
        dps({}),
        b"",
        b"{}",
        b"[]",
        b"\xff\xfe",
        json.dumps({"dps": []}).encode(),
    ],
)
def test_other_v1_messages_do_not(payload):
    """A listed name in another shape, or with anything beside it, is no read."""
    assert not judge(b"1.0", 101, payload).is_read


def test_unknown_versions_and_kinds_of_message_do_not_pass():
    """What has no known shape is no read, whatever it says."""
    assert not judge(b"2.0", 101, v1("get_status")).is_read
    assert not judge(b"", 101, v1("get_status")).is_read
    assert not judge(b"1.0", 301, v1("get_status")).is_read
    assert not judge(b"1.0", 4, None).is_read
    assert judge(b"1.0", 0, None).is_read
    assert judge(b"1.0", 2, None).is_read


def test_q7_calls():
    """Listed methods pass; others, and listed ones with company, do not."""
    for name in Q7_READS:
        assert judge(b"B01", 101, padded(dps({"10000": {"method": name, "msgId": "1"}}))).is_read
    for name in ("prop.set", "service.start_explore", "service.upload_by_mapid", "", None):
        assert not judge(b"B01", 101, padded(dps({"10000": {"method": name}}))).is_read
    assert not judge(b"B01", 101, dps({"10000": {"method": "prop.get"}, "12": 1})).is_read


@pytest.mark.parametrize(
    "given", [{"102": {}}, {"101": {"52": {"op": "list"}}}, {"101": {"61": {"op": "list"}}}]
)
def test_q10_messages_that_pass(given):
    """Exactly three messages pass."""
    assert judge(b"B01", 101, dps(given)).is_read


@pytest.mark.parametrize(
    "given",
    [
        {"102": {"a": 1}},
        {"102": []},
        {"102": {}, "201": 1},
        {"101": {"52": {"op": "list"}, "61": {"op": "list"}}},
        {"101": {"61": {"op": "get"}}},
        {"101": {"52": {"op": "list", "id": 1}}},
        {"101": {"12": {"op": "list"}}},
        {"101": {}},
        {"201": {}},
        {"10000": [1]},
    ],
)
def test_q10_messages_that_do_not(given):
    """Everything else writes on this family."""
    assert not judge(b"B01", 101, dps(given)).is_read


def test_a01_queries_only():
    """A list of datapoints passes as list or text; any other datapoint sets a value."""
    assert judge(b"A01", 101, padded(dps({"10000": "[203, 220]"}))).is_read
    assert judge(b"A01", 101, padded(dps({"10000": [203]}))).is_read
    for given in (
        {"200": 1},
        {"10000": "[203]", "200": 1},
        {"10000": 1},
        {"10000": "{}"},
        {"10000": "x"},
        {},
    ):
        assert not judge(b"A01", 101, padded(dps(given))).is_read


@pytest.mark.parametrize(
    ("method", "path", "is_read"),
    [
        ("GET", "/api/v1/getHomeDetail", True),
        ("get", "/v3/user/homes/42", True),
        ("GET", "/v3/user/homes/42/../../devices/newadd", False),
        ("GET", "/v3/user/homes/42%2F..", False),
        ("GET", "/v3/user/homes/", False),
        ("GET", "/v3/user/homes/\uff14", False),
        ("POST", "/api/v1/getHomeDetail", False),
        ("PUT", "/v3/user/homes/42", False),
        ("GET", "/user/devices/newadd", False),
        ("GET", "//api/v1/getHomeDetail", False),
        ("GET", "/api/v1/getHomeDetail/", False),
        ("POST", "/user/scene/7/execute", False),
        ("POST", "/api/v4/email/code/send", False),
    ],
)
def test_calls_of_the_cloud(method, path, is_read):
    """Two questions pass; no path near them does."""
    assert is_cloud_read(method, path) is is_read


def test_login_calls_are_no_reads():
    """Logging in is a person's act and has its own list."""
    assert is_cloud_login("POST", "/api/v4/auth/email/login/code")
    assert not is_cloud_login("GET", "/api/v4/auth/email/login/code")
    assert not is_cloud_login("POST", "/user/scene/7/execute")
