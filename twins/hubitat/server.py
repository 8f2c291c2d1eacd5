"""The pretend hub on a loopback port. Every request is recorded: reads, and whatever would have acted.

What acts acts with GET, too: any path that is not a known read is taken for a command, as on a real hub.
"""

import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

from twins.hubitat.devices import TwinDevice, full_shape, short_shape, single_shape, studio_devices
from twins.hubitat.faults import FaultBox, HubFault
from twins.ports import held

TOKEN: Final = "twin-hub-token-5d1c"  # noqa: S105 - opens the twin only
APP_ID: Final = "27"
LONGEST_WAIT_SECONDS: Final = 120.0
_BOOT: Final = b"<!DOCTYPE html><html><body><h1>Your hub is starting up</h1></body></html>"
_JSON: Final = "application/json"
_HTML: Final = "text/html;charset=utf-8"


class HubitatTwin:
    """A hub on 127.0.0.1; use it as a context manager, or call ``start`` and ``stop``.

    Args:
        port: Port; 0 takes a free one.
        token: What opens it.
        app_id: Number of the Maker API instance.
        now: Tells the instant it lives at.
        devices: What it knows; some that never change when null.
        live: Brings devices and modes to the present; called before every answer.

    Attributes:
        devices: What it knows; may be changed at any time.
        mode: The active mode. ``None`` when modes are not shown to this instance.
        security: The safety monitor's state. ``None`` when it is not shown.
        reads: Path of every read that was answered, in order.
        commands: Path of every request that would have acted.
        requests: Requests seen, refused and failed ones included.

    Raises:
        OSError: when the port is taken.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        token: str = TOKEN,
        app_id: str = APP_ID,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        devices: Sequence[TwinDevice] | None = None,
        live: "Callable[[HubitatTwin], None] | None" = None,
    ) -> None:
        self.token = token
        self.app_id = app_id
        self.devices: list[TwinDevice] = studio_devices() if devices is None else list(devices)
        self._live = live
        self.mode: str | None = "Day"
        self.security: str | None = "disarmed"
        self.reads: list[str] = []
        self.commands: list[str] = []
        self.requests = 0
        self.faults = FaultBox()
        self.now = now
        self._holder = held("127.0.0.1", port)
        self._port = self._holder.getsockname()[1]
        self._server = self._new_server()
        self._is_listening = False
        self._hole: list[socket.socket] = []

    @property
    def url(self) -> str:
        """Return the address of the hub."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> Self:
        """Begin to answer; returns at once."""
        threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="hubitat-twin", daemon=True
        ).start()
        self._is_listening = True
        return self

    def stop(self) -> None:
        """Stop answering; safe to repeat."""
        self.faults.clear()
        self._stop_swallowing()
        self._stop_listening()
        self._holder.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def fail(
        self, kind: str, *, times: int | None = None, seconds: float = 0.2, retry_after: int = 1
    ) -> None:
        """Let something go wrong from now on, see ``FAULTS``; raise ``ValueError`` for an unknown name."""
        fault = HubFault(kind, times, seconds, retry_after)
        self.clear()
        if kind in {"refused", "black_hole"}:
            self._stop_listening()
        if kind == "black_hole":
            self._swallow()
        self.faults.put(fault)

    def clear(self) -> None:
        """Take the fault back."""
        self.faults.clear()
        self._stop_swallowing()
        if not self._is_listening:
            self._server = self._new_server()
            self.start()

    def status(self) -> Mapping[str, Any]:
        """Return how the twin is, for the control server."""
        return {
            "url": self.url,
            "devices": len(self.devices),
            "requests": self.requests,
            "commands": len(self.commands),
            "fault": self.faults.name,
        }

    def _new_server(self) -> "_Server":
        try:
            return _Server(("127.0.0.1", self._port), self)
        except OSError:
            self._holder.close()
            raise

    def _stop_listening(self) -> None:
        if self._is_listening:
            self._server.shutdown()
        self._server.server_close()
        self._is_listening = False

    def _swallow(self) -> None:
        """Fill the queue of a port nobody takes from: further connections are neither made nor refused."""
        port = socket.socket()
        port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port.bind(("127.0.0.1", self._port))
        port.listen(0)
        self._hole.append(port)
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self._port))
            self._hole.append(filler)

    def _stop_swallowing(self) -> None:
        for one in self._hole:
            one.close()
        self._hole.clear()

    def answer(self, path: str) -> Any:
        """Return what a path below the app reads, record it; null for what is no read (a command then)."""
        if self._live:
            self._live(self)
        known = {device.device_id: device for device in self.devices}
        parts = path.split("/")
        said: Any = None
        match parts:
            case ["devices"]:
                said = [short_shape(device) for device in self.devices]
            case ["devices", "all"]:
                said = [full_shape(device, self.now()) for device in self.devices]
            case ["devices", "*"]:
                said = [single_shape(device) for device in self.devices]
            case ["devices", device_id] if device_id in known:
                said = single_shape(known[device_id])
            case ["devices", device_id, "events" | "commands" | "capabilities"] if device_id in known:
                said = []
            case ["devices", device_id, "attribute", name] if device_id in known:
                said = {"id": device_id, "attribute": name, "value": known[device_id].attributes.get(name)}
            case ["modes"] if self.mode is not None:
                names = ("Day", "Evening", "Away")
                said = [
                    {"id": n, "name": name, "active": name == self.mode} for n, name in enumerate(names, 1)
                ]
            case ["hsm"] if self.security is not None:
                said = {"hsm": self.security}
            case ["hubvariables"]:
                said = []
        return said

    def is_unknown(self, path: str) -> bool:
        """Say whether a path names a device, or a part of the hub, that this instance does not show."""
        parts = path.split("/")
        if parts[0] == "devices" and len(parts) > 1:
            return unquote(parts[1]) not in {device.device_id for device in self.devices} | {"all", "*"}
        return (path == "modes" and self.mode is None) or (path == "hsm" and self.security is None)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], twin: HubitatTwin) -> None:
        super().__init__(address, _Handler)
        self.twin = twin

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that went away is what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are written apart; each would wait for the other's receipt

    def do_GET(self) -> None:
        """Read, or act, or fail."""
        twin = self.server.twin
        twin.requests += 1
        split = urlsplit(self.path)
        found = re.fullmatch(r"/apps/api/([^/]*)/(.*)", split.path)
        is_ours = found is not None and found[1] == twin.app_id
        is_allowed = parse_qs(split.query).get("access_token") == [twin.token]
        path = found[2] if found else split.path
        said = twin.answer(path) if self.command == "GET" else None
        # Whatever goes wrong with its answer, a command that arrives has acted.
        if is_ours and is_allowed and said is None and not twin.is_unknown(path):
            twin.commands.append(f"{self.command} {path}")
        if self._fail(twin.faults.take(), said):
            return
        if not is_ours or (said is None and twin.is_unknown(path)):
            self._send(404, b"<html>Not Found</html>", _HTML)
        elif not is_allowed:
            echo = f"<oauth><error_description>{self.path}</error_description></oauth>"  # as real hubs do
            self._send(401, echo.encode(), _HTML)
        else:
            if said is not None:
                twin.reads.append(path)
            self._send(200, json.dumps({} if said is None else said).encode(), _JSON)

    do_POST = do_GET  # noqa: N815 - the base class looks for these names
    do_PUT = do_GET  # noqa: N815 - as above
    do_DELETE = do_GET  # noqa: N815 - as above
    do_PATCH = do_GET  # noqa: N815 - as above
    do_HEAD = do_GET  # noqa: N815 - as above
    do_OPTIONS = do_GET  # noqa: N815 - as above

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Say nothing: the twins' standard error carries JSON lines only."""

    def _fail(self, fault: HubFault | None, said: Any) -> bool:
        """Do what a fault does; return whether that was all."""
        if fault is None:
            return False
        body = json.dumps(said).encode()
        twin = self.server.twin
        self.close_connection = True
        if fault.kind == "late":
            twin.faults.cleared.wait(fault.seconds)
            self.close_connection = False
            return False
        if fault.kind in {"hang", "slow", "cut", "huge"}:
            self._answer_in_part(fault, body)
        elif fault.kind in {"429", "html503"}:
            wait = {"Retry-After": str(fault.retry_after)}
            self._send(429 if fault.kind == "429" else 503, b"<html>Too busy</html>", _HTML, **wait)
        else:
            self._answer_badly(fault.kind, body)
        return True

    def _answer_in_part(self, fault: HubFault, body: bytes) -> None:
        cleared = self.server.twin.faults.cleared
        self._begin(1 << 40 if fault.kind == "huge" else len(body), b"")
        match fault.kind:
            case "slow":
                for at in range(len(body)):
                    self.wfile.write(body[at : at + 1])
                    if cleared.wait(fault.seconds):
                        break
            case "huge":
                while not cleared.is_set():
                    self.wfile.write(b" " * 65536)
            case _:
                self.wfile.write(body[: len(body) // 2])
                if fault.kind == "hang":
                    cleared.wait(LONGEST_WAIT_SECONDS)

    def _answer_badly(self, kind: str, body: bytes) -> None:
        bad = {
            "html502": (502, b"<html><body>502 Bad Gateway</body></html>", _HTML),
            "500": (500, b"<html>Error 500</html>", _HTML),
            "boot": (200, _BOOT, _HTML),
            "badjson": (200, b"{not json", _JSON),
            "short_json": (200, body[: len(body) // 2], _JSON),
            "wrong_shape": (200, b'{"devices": []}', _JSON),
            "error_flag": (200, b'{"error": true, "type": "java.lang.NullPointerException"}', _JSON),
            "html_type": (200, body, _HTML),
            "401": (401, f"<oauth>{self.path}</oauth>".encode(), _HTML),
            "404": (404, b"<html>Not Found</html>", _HTML),
        }
        twin = self.server.twin
        match kind:
            case "timeout":
                twin.faults.cleared.wait(LONGEST_WAIT_SECONDS)
            case "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            case "redirect":
                where = f"/apps/api/{twin.app_id}/devices/13/off?access_token={twin.token}"
                self._send(302, b"", _HTML, Location=where)
            case "packed":
                self._send(200, b"\x1f\x8b\x08", _JSON, **{"Content-Encoding": "gzip"})
            case _:
                self._send(*bad[kind])

    def _begin(self, length: int, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", _JSON)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _send(self, status: int, body: bytes, content_type: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
