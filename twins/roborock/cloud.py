"""The maker's cloud: login by a code, the account's home, and the calls that would act, all recorded."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from twins.roborock.account import HOME_ID, Account, home
from twins.roborock.faults import CLOUD_KINDS, Faults
from twins.roborock.robots import FakeRobot

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_QUESTIONS: Final = ("/api/v1/getHomeDetail", "/api/v3/app/agreement/latest", "/v3/user/homes/")
_LOGIN: Final = frozenset(
    {
        "POST /api/v1/getUrlByEmail",
        "POST /api/v4/email/code/send",
        "POST /api/v3/key/sign",
        "POST /api/v4/auth/email/login/code",
    }
)


class Cloud:
    """The server. ``calls`` holds method and path of every call, in order."""

    def __init__(self, account: Account, robots: Mapping[str, FakeRobot], faults: Faults) -> None:
        self._account = account
        self._robots = robots
        self._faults = faults
        self.calls: list[str] = []
        self.broker_url = ""
        self.url = ""
        self._runner: web.AppRunner | None = None

    @property
    def writes(self) -> list[str]:
        """Return the calls that would have changed something."""
        return [
            call
            for call in self.calls
            if call not in _LOGIN and not call.removeprefix("GET ").startswith(_QUESTIONS)
        ]

    async def start(self, port: int) -> None:
        """Begin to answer."""
        app = web.Application(middlewares=[self._recorded])
        app.add_routes(
            [
                web.post("/api/v1/getUrlByEmail", self._place),
                web.post("/api/v4/email/code/send", self._nothing),
                web.post("/api/v3/key/sign", self._sign),
                web.get("/api/v3/app/agreement/latest", self._agreement),
                web.post("/api/v4/auth/email/login/code", self._login),
                web.get("/api/v1/getHomeDetail", self._home_id),
                web.get("/v3/user/homes/{id}", self._home),
                # Everything else only says yes: whether it should have been called is told by the record.
                web.route("*", "/{rest:.*}", self._nothing),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.url = "http://{}:{}".format(*self._runner.addresses[0])

    async def stop(self) -> None:
        """Stop answering."""
        if self._runner:
            await self._runner.cleanup()

    @web.middleware
    async def _recorded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.calls.append(f"{request.method} {request.path}")
        fault = self._faults.take(*CLOUD_KINDS)
        if fault is None:
            return await handler(request)
        if fault.kind == "cloud_drop":
            if request.transport:
                request.transport.abort()
            return web.Response()
        if fault.kind == "cloud_hang":
            await asyncio.sleep(3600)
        return _SPOILED[fault.kind]()

    async def _nothing(self, _request: web.Request) -> web.Response:
        return web.json_response({"code": 200, "msg": "success", "data": None, "result": {}, "success": True})

    async def _place(self, _request: web.Request) -> web.Response:
        return _said({"url": self.url, "country": "US", "countrycode": "1"})

    async def _sign(self, _request: web.Request) -> web.Response:
        return _said({"k": "signed"})

    async def _agreement(self, _request: web.Request) -> web.Response:
        return _said({"majorVersion": 15, "minorVersion": 1})

    async def _login(self, request: web.Request) -> web.Response:
        given: Mapping[str, Any] = await request.post()
        if given.get("code") != self._account.code:
            return web.json_response({"code": 2018, "msg": "invalid code"})
        return _said(self._account.user_data(self.url, self.broker_url))

    async def _home_id(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != self._account.token:
            return _refused()
        return _said({"id": 1, "rrHomeId": HOME_ID, "name": "Pretend studio", "tuyaHomeId": 0})

    async def _home(self, request: web.Request) -> web.Response:
        if not self._account.is_signed(request.path, request.headers.get("Authorization", "")):
            return web.json_response({"success": False, "code": 401, "msg": "signature"})
        told = home(list(self._robots.values()))
        return web.json_response({"api": None, "code": 200, "result": told, "status": "ok", "success": True})


def _said(data: Mapping[str, Any]) -> web.Response:
    return web.json_response({"code": 200, "msg": "success", "data": data})


def _refused() -> web.Response:
    return web.json_response({"code": 2010, "msg": "auth.err.invalid.token"})


def _html(status: int) -> web.Response:
    return web.Response(status=status, text="<html>bad gateway</html>", content_type="text/html")


_SPOILED: Final[Mapping[str, Callable[[], web.Response]]] = {
    "cloud_html_502": lambda: _html(502),
    "cloud_html_200": lambda: _html(200),
    "cloud_bad_json": lambda: web.Response(text='{"code": 200, "da', content_type="application/json"),
    "cloud_null": lambda: web.json_response({"code": 200, "data": None, "success": True, "result": None}),
    "cloud_expired": _refused,
    "cloud_401": lambda: web.json_response({"code": 401}, status=401),
    "cloud_rate_limited": lambda: web.json_response({"code": 429}, status=429, headers={"Retry-After": "30"}),
    "cloud_redirect": lambda: web.Response(status=302, headers={"Location": "/user/devices/newadd"}),
    "cloud_hang": web.Response,
}
