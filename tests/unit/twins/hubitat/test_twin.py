"""The pretend hub: its shapes, its commands that are GETs, and its bad days."""

import http.client
import json
import socket
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from twins.hubitat.devices import PIN_CANARY
from twins.hubitat.faults import FAULTS
from twins.hubitat.server import APP_ID, TOKEN, HubitatTwin

NOON = datetime(2026, 3, 1, 19, tzinfo=UTC)


@pytest.fixture
def hub():
    with HubitatTwin(now=lambda: NOON) as twin:
        yield twin


def _ask(hub, path, *, method="GET", token=TOKEN, app=APP_ID, timeout=0.5):
    split = urlsplit(hub.url)
    connection = http.client.HTTPConnection(split.hostname, split.port, timeout=timeout)
    try:
        connection.request(method, f"/apps/api/{app}/{path}?access_token={token}")
        answer = connection.getresponse()
        return answer.status, answer.read(1 << 20) if answer.length == 1 << 40 else answer.read()
    finally:
        connection.close()


def _json(hub, path):
    status, body = _ask(hub, path)
    assert status == 200
    return json.loads(body)


def test_the_long_list_has_the_real_hubs_oddities(hub):
    """Numbers are strings, two stray keys are among the attributes, commands repeat."""
    devices = {one["id"]: one for one in _json(hub, "devices/all")}
    sensor, outlet = devices["11"], devices["13"]
    assert sensor["attributes"]["temperature"] == "97.3"
    assert {"dataType", "values"} <= sensor["attributes"].keys()
    assert sensor["date"] == "2026-03-01T18:58:00+0000"
    assert [one["command"] for one in outlet["commands"]] == ["off", "on", "refresh", "off", "on"]
    assert PIN_CANARY in devices["14"]["attributes"]["lockCodes"]  # a real hub tells it, too


def test_one_device_has_another_shape(hub):
    device = _json(hub, "devices/11")
    assert {"name": "temperature", "currentValue": 97.3, "dataType": "NUMBER"} in device["attributes"]
    assert {"attributes": [{"name": "temperature", "dataType": None}]} in device["capabilities"]


@pytest.mark.parametrize(
    "path", ["devices", "devices/*", "devices/14/events", "devices/14/attribute/lock", "modes", "hsm"]
)
def test_reads_are_no_commands(hub, path):
    _json(hub, path)
    assert (hub.reads, hub.commands) == ([path], [])


@pytest.mark.parametrize(
    "path",
    ["devices/13/on", "devices/14/unlock", "devices/13/attribute", "modes/2", "hsm/disarm", "postURL"],
)
def test_a_get_can_act_and_is_seen(hub, path):
    assert _ask(hub, path)[0] == 200
    assert hub.commands == [f"GET {path}"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_verbs_are_commands(hub, method):
    _ask(hub, "devices/all", method=method)
    assert hub.commands == [f"{method} devices/all"]


def test_a_command_is_seen_even_when_its_answer_fails(hub):
    hub.fail("500")
    assert _ask(hub, "devices/13/on")[0] == 500
    assert hub.commands == ["GET devices/13/on"]


def test_without_the_token_nothing_acts(hub):
    assert _ask(hub, "devices/13/on", token="wrong")[0] == 401
    assert _ask(hub, "devices/13/on", app="99")[0] == 404
    assert _ask(hub, "devices/99/on")[0] == 404
    assert hub.commands == []


STATUSES = {"html502": 502, "html503": 503, "500": 500, "401": 401, "404": 404, "429": 429, "redirect": 302}
PAGES = {"boot", "badjson", "short_json", "wrong_shape", "error_flag", "html_type", "packed", "late", "huge"}
BROKEN = {"timeout", "hang", "slow", "cut", "reset", "refused", "black_hole"}


def test_every_fault_is_tried_here():
    assert STATUSES.keys() | PAGES | BROKEN == FAULTS.keys()


@pytest.mark.parametrize(("kind", "status"), STATUSES.items())
def test_faults_with_a_status(hub, kind, status):
    hub.fail(kind, times=1)
    assert _ask(hub, "devices/all")[0] == status
    assert _ask(hub, "devices/all")[0] == 200


@pytest.mark.parametrize("kind", sorted(PAGES - {"late", "html_type"}))
def test_faults_that_look_like_an_answer(hub, kind):
    good = _ask(hub, "devices/all")[1]
    hub.fail(kind)
    status, body = _ask(hub, "devices/all")
    assert status == 200
    assert body != good


@pytest.mark.parametrize("kind", sorted(BROKEN))
def test_faults_of_the_wire(hub, kind):
    hub.fail(kind, seconds=1)
    with pytest.raises((OSError, http.client.HTTPException)):
        _ask(hub, "devices/all")
    hub.clear()
    assert _ask(hub, "devices/all")[0] == 200


def test_a_fault_nobody_knows_is_refused(hub):
    with pytest.raises(ValueError, match="it has: timeout"):
        hub.fail("fire")
    assert hub.status()["fault"] is None


def test_stopping_frees_the_port_even_in_the_middle_of_a_fault():
    hub = HubitatTwin().start()
    hub.fail("refused")
    hub.stop()
    hub.stop()
    with socket.create_server(("127.0.0.1", urlsplit(hub.url).port)):
        pass


def test_the_status_counts(hub):
    _ask(hub, "devices/all")
    _ask(hub, "devices/13/on")
    hub.fail("boot")
    assert hub.status() == {"url": hub.url, "devices": 6, "requests": 2, "commands": 1, "fault": "boot"}
