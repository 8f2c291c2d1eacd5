"""The web application from outside: pages, health, and what the gate refuses."""

import re
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest

from cockpit.app import create_app
from tests.unit.cockpit.facts_of import facts_of, snapshot_of


class StaticDesk:
    """Gives the facts it was made with."""

    def __init__(self, facts):
        self._facts = facts

    def gather(self):
        return self._facts


async def dagster(scope, receive, send):
    """Stand in for Dagster's interface: says what reached it."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        return
    headers = [(b"content-security-policy", b"dagster"), (b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"dagster"})


@asynccontextmanager
async def client(facts=None, host="127.0.0.1:3000"):
    app = create_app(StaticDesk(facts or facts_of()), dagster=dagster, hosts=("desk.local",))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}") as made:
        yield made


def ask(path="/", *, facts=None, method="GET", host="127.0.0.1:3000", headers=None):
    async def request():
        async with client(facts, host) as made:
            return await made.request(method, path, headers=headers)

    return anyio.run(request)


def test_the_state_page_shows_every_number_with_its_as_of_time():
    page = ask()
    assert page.status_code == 200
    assert "Derived from cloud, as of" in page.text
    assert "Amount not settled" in page.text
    assert "$1,234.56" in page.text


def test_the_page_works_without_script_and_loads_nothing_from_elsewhere():
    page = ask()
    assert "<script" not in page.text
    assert not re.findall(r"(?:src|href)=\"(?!/|#|data:,)", page.text)
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_what_comes_from_outside_is_escaped():
    snapshot = snapshot_of()
    snapshot.payload["diagnostics"]["warnings"] = ["<script>alert(1)</script>"]
    assert "<script" not in ask(facts=facts_of(snapshot=snapshot)).text


@pytest.mark.parametrize("given", [{}, {"snapshot": None}, {"problem": "x"}, {"minutes_ago": 99}])
def test_every_state_renders_and_starting_refreshes_itself(given):
    page = ask(facts=facts_of(**given))
    assert page.status_code == 200
    assert ('http-equiv="refresh"' in page.text) == ("Starting" in page.text)


def test_health_and_readiness():
    assert ask("/healthz").json() == {"alive": True}
    assert ask("/readyz").status_code == 200
    unready = ask("/readyz", facts=facts_of(snapshot=None))
    assert unready.status_code == 503
    assert unready.json()["reasons"] == ["There is no snapshot yet."]
    assert ask("/healthz", facts=facts_of(problem="x")).status_code == 200


def test_dagster_is_mounted_under_its_prefix_with_our_headers_and_its_own_policy():
    page = ask("/dagster/assets")
    assert page.text == "dagster"
    assert page.headers["content-security-policy"] == "dagster"
    assert page.headers["x-frame-options"] == "DENY"
    assert ask("/dagsterx").status_code == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:3000", "127.0.0.1.evil.example", "localhost.evil.example"]
)
def test_a_foreign_host_name_is_refused(host):
    """DNS rebinding needs a name that is not ours."""
    assert ask(host=host).status_code == 403
    assert ask("/dagster/graphql", method="POST", host=host).status_code == 403


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:3000", "[::1]:3000", "desk.local", "192.168.1.5:3000"]
)
def test_this_machines_own_names_are_served(host):
    assert ask(host=host).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1:3000"}, 200),
        ({"origin": "http://127.0.0.1:4000"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://[broken"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_another_web_site_cannot_change_anything_through_a_browser(headers, status):
    assert ask("/dagster/graphql", method="POST", headers=headers).status_code == status


@pytest.mark.parametrize(
    "path", ["/dagster/graphql", "/dagster/graphql/", "/dagster/graphql?query=mutation{x}"]
)
def test_graphql_over_get_is_refused(path):
    """Dagster executes mutations sent by GET."""
    assert ask(path).status_code == 403


def test_our_own_pages_take_no_post():
    for path in ("/", "/healthz", "/readyz"):
        assert ask(path, method="POST").status_code == 405


@pytest.mark.parametrize(
    ("origin", "expected"),
    [(b"http://127.0.0.1:3000", "websocket.accept"), (b"https://evil.example", "websocket.close")],
)
def test_a_foreign_websocket_is_closed(origin, expected):
    app = create_app(StaticDesk(facts_of()), dagster=dagster)
    sent = []

    async def connect():
        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            sent.append(message["type"])

        headers = [(b"host", b"127.0.0.1:3000"), (b"origin", origin)]
        await app({"type": "websocket", "path": "/dagster/graphql", "headers": headers}, receive, send)

    anyio.run(connect)
    assert sent == [expected]
