"""The gate in front of every page, Dagster's included: pure ASGI, because it must see websockets too.

There is no login in this step, so the pages answer this machine only, and the gate keeps other web sites from
using the browser of somebody who sits at it: a foreign ``Host`` (DNS rebinding), a foreign ``Origin`` and
GraphQL over GET (which would execute mutations) are refused.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

from resources.logs import correlated, logger

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY_VIOLATION: Final = 1008
_ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
# Our own pages need a stylesheet and nothing else. Dagster's interface brings its own policy.
_OURS: Final = (
    (
        b"content-security-policy",
        (
            b"default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none';"
            b" form-action 'none'; frame-ancestors 'none'"
        ),
    ),
    (b"cache-control", b"no-store"),
)


class Guard:
    """Lets through what may pass, with security headers and a request id; refuses the rest in plain words.

    Args:
        app: What lies behind.
        hosts: Names besides this machine's own under which the pages may be asked for.
        dagster: Path prefix of Dagster's interface.
    """

    def __init__(self, app: App, *, hosts: Iterable[str], dagster: str) -> None:
        self._app = app
        self._hosts = {"localhost", *(host.lower() for host in hosts)}
        self._dagster = dagster

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        reason = self._refusal(scope, headers)
        with correlated(request_id=uuid4().hex[:16]):
            if reason:
                logger("guard").warning("request:refused", reason=reason, path=scope["path"])
                await _refuse(scope, receive, send, reason)
            else:
                await self._app(scope, receive, self._with_headers(scope, send))

    def _refusal(self, scope: Scope, headers: MutableMapping[str, str]) -> str:
        host = headers.get("host", "")
        if not self._is_known(host):
            return "This address is not one under which these pages are served."
        origin = headers.get("origin")
        is_changing = scope["type"] == "websocket" or scope.get("method") not in SAFE_METHODS
        if is_changing and origin is not None and not _is_same(origin, host):
            return "Another web site asked for this."
        if is_changing and headers.get("sec-fetch-site") not in {None, "same-origin", "none"}:
            return "Another web site asked for this."
        is_graphql = scope["path"].rstrip("/") == f"{self._dagster}/graphql"
        if is_graphql and scope["type"] == "http" and scope["method"] != "POST":
            return "Dagster's GraphQL answers POST only."
        return ""

    def _is_known(self, host: str) -> bool:
        name = _host_name(host)
        try:
            ip_address(name)
        except ValueError:
            return name in self._hosts
        # A rebinding attack needs a name; whoever asks by number means this machine.
        return True

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        is_dagster = scope["path"].startswith(self._dagster)
        added = _ALWAYS if is_dagster else (*_ALWAYS, *_OURS)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                # What Dagster says about itself (its content policy) stays.
                ours = {name for name, _ in added}
                kept = [
                    (name, value) for name, value in message.get("headers", ()) if name.lower() not in ours
                ]
                message["headers"] = [*kept, *added]
            await send(message)

        return send_with_headers


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _is_same(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower()


async def _refuse(scope: Scope, receive: Receive, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": reason})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *_ALWAYS, *_OURS]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": f"{reason}\n".encode()})
