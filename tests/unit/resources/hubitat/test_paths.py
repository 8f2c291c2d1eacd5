"""Nothing but the known reads reaches a hub, however a request is spelled; the hub would have seen it."""

import contextlib
import http.client
from urllib.parse import quote, urlsplit

import httpx
import pytest

from resources.connector import ConnectorError, Fault
from resources.hubitat.live import _Visit
from resources.hubitat.paths import is_read
from resources.hubitat.transport import Deadline, ReadOnlyTransport
from twins.hubitat.server import APP_ID, HubitatTwin

ACTS = [
    *("devices/13/on", "devices/14/unlock", "devices/13/setLevel/30", "devices/13/setLevel/30/2"),
    *("devices/13/refresh", "devices/13/configure", "devices/13/poll", "devices/13/attribute"),
    *("modes/2", "hsm/disarm", "hsm/armAway", "hubvariables/vent/false", "postURL", "postURL/http%3A%2F%2Fa"),
]
DISGUISED = [
    *("devices/13%2Fon", "devices%2F13%2Fon", "devices/%31%33/on", "devices/13/on/", "devices//13/on"),
    *("devices/all/../13/on", "devices/../devices/13/on", "devices/./13/on", "devices/all/%2e%2e/13/on"),
    *(
        "devices/all%2F..%2F13%2Fon",
        "devices/all/",
        "devices/all/on",
        "devices/all;/../13/on",
        "/devices/13/on",
    ),
    *(
        "devices/\uff11\uff13/on",
        "DEVICES/ALL",
        "devices/all%00",
        "devices/all\\..\\13\\on",
        "modes/",
        "hsm/",
        "modes/%32",
    ),
    *("devices/13/on?x=devices/all", "devices/13/on#/devices/all", "devices/all#/../13/on", "devices/*"),
    *("devices/13", "devices/14/events", "devices/14/attribute/lockCodes", "hubvariables", ""),
]


def _send(hub, url, method="GET", **more):
    deadline = Deadline()
    deadline.start(2)
    transport = ReadOnlyTransport(httpx.URL(hub.url), deadline)
    with httpx.Client(transport=transport, trust_env=False) as client:
        return client.request(method, url, **more)


@pytest.mark.parametrize("path", [*ACTS, *DISGUISED])
def test_nothing_but_reads_is_sent(hub, path):
    url = f"{hub.url}/apps/api/{APP_ID}/{path}"
    with pytest.raises(ConnectorError) as refused:
        _send(hub, url, params=None if "?" in path or "#" in path else {"access_token": hub.token})
    assert refused.value.fault is Fault.READ_ONLY_VIOLATION
    assert hub.requests == 0


@pytest.mark.parametrize(
    "path", ["devices/all/../13/on", "devices/all/..", "devices/13/../all", "x/../modes"]
)
def test_dots_are_refused_or_harmless_as_sent(hub, path):
    """A client that tidies dots away sends another path: that path decides, and it is no command."""
    with contextlib.suppress(ConnectorError):
        _send(hub, f"{hub.url}/apps/api/{APP_ID}/{path}?access_token={hub.token}")
    assert hub.commands == []


@pytest.mark.parametrize("path", ACTS)
def test_without_the_guard_the_hub_would_have_acted(hub, path):
    """The control: the twin sees each of these when nothing stops them, so an empty list means something."""
    split = urlsplit(hub.url)
    connection = http.client.HTTPConnection(split.hostname, split.port, timeout=5)
    connection.request("GET", f"/apps/api/{APP_ID}/{path}?access_token={hub.token}")
    assert connection.getresponse().status == 200
    connection.close()
    assert hub.commands == [f"GET {path}"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "get"])
def test_no_other_verb_is_sent(hub, method):
    with pytest.raises(ConnectorError):
        _send(
            hub,
            f"{hub.url}/apps/api/{APP_ID}/devices/all?access_token={hub.token}",
            method.replace("get", "TRACE"),
        )
    assert hub.requests == 0


@pytest.mark.parametrize(
    "query",
    [
        "",
        "access_token=",
        "access_token=a&b=c",
        "access_token=a#x",
        "x=1",
        "access_token=a/../on",
        "a=b&access_token=c",
    ],
)
def test_the_query_is_the_token_and_nothing_else(query):
    assert not is_read(b"GET", f"/apps/api/27/devices/all?{query}".encode())


@pytest.mark.parametrize("app", ["", "27a", "\uff12\uff17", "27/../28", "1234567890", "-1", "%32"])
def test_the_app_is_a_number(app):
    assert not is_read(b"GET", f"/apps/api/{app}/devices/all?access_token=a".encode())
    assert is_read(b"GET", b"/apps/api/27/devices/all?access_token=a")


def test_another_host_is_never_asked(hub):
    """A token that travels to another machine is a lost token."""
    with HubitatTwin() as other:
        with pytest.raises(ConnectorError) as refused:
            _send(hub, f"{other.url}/apps/api/{APP_ID}/devices/all?access_token={hub.token}")
        assert refused.value.fault is Fault.READ_ONLY_VIOLATION
        assert other.requests == 0


def test_a_redirect_to_a_command_is_not_followed(hub, connector):
    hub.fail("redirect")
    with pytest.raises(ConnectorError) as refused:
        connector.read(2)
    assert refused.value.fault is Fault.BAD_RESPONSE
    assert (hub.commands, hub.requests) == ([], 1)


def test_even_a_client_that_follows_redirects_is_stopped(hub, address):
    hub.fail("redirect")
    with _Visit(address, 2) as visit:
        visit._client.follow_redirects = True
        with pytest.raises(ConnectorError) as refused:
            visit.get(f"{hub.url}/apps/api/{APP_ID}/devices/all")
    assert refused.value.fault is Fault.READ_ONLY_VIOLATION
    assert hub.commands == []


@pytest.mark.parametrize("path", DISGUISED)
def test_without_the_guard_the_hub_would_have_seen_each_disguise(hub, path):
    """The control: each of these arrives when nothing stops it, and a hub takes it as it likes."""
    split = urlsplit(hub.url)
    connection = http.client.HTTPConnection(split.hostname, split.port, timeout=5)
    connection.request("GET", f"/apps/api/{APP_ID}/" + quote(path, safe="/%?#;*\\."))
    connection.getresponse().read()
    connection.close()
    assert hub.requests == 1
