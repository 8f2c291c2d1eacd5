"""The pretend issuer on a loopback port: its keys in Google's format, and ``accounts:lookup``.

Only what a verifier may ask is answered here. Signing, rotating and revoking are acts of the control server.
"""

import json
import re
import threading
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

from twins.answering import Answering, LoopbackServer
from twins.identity.issuer import Issuer

KEYS_PATH: Final = "/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com"
KEYS_MAX_AGE_SECONDS: Final = 600
LARGEST_BODY: Final = 16 * 1024
_LOOKUP: Final = re.compile(r"/v1/projects/([^/]+)/accounts:lookup")


@dataclass(slots=True)
class IdentityFaults:
    """What shall go wrong from now on; change the attributes.

    Attributes:
        is_unavailable: Every question is answered with 503.
        is_garbled: Keys are answered with something that is no set of keys.
        seconds: How long an answer is held back.
        is_dribbling: The body comes byte by byte, ``seconds`` apart.
    """

    is_unavailable: bool = False
    is_garbled: bool = False
    seconds: float = 0.0
    is_dribbling: bool = False

    def clear(self) -> None:
        """Take everything back."""
        self.is_unavailable = self.is_garbled = self.is_dribbling = False
        self.seconds = 0.0


class IdentityTwin(Answering):
    """A server on 127.0.0.1; use it as a context manager, or call :meth:`start` and :meth:`stop`.

    Attributes:
        issuer: Signs, and says what is published.
        faults: What shall go wrong.
        max_age_seconds: For how long the keys may be kept; said with every answer.
        key_questions: How often the keys were asked for.

    Raises:
        OSError: when the port is taken.
    """

    def __init__(self, project: str, port: int = 0) -> None:
        self.issuer = Issuer(project)
        self.faults = IdentityFaults()
        self.max_age_seconds = KEYS_MAX_AGE_SECONDS
        self.key_questions = 0
        self.stopping = threading.Event()
        server = _Server(port, _Handler)
        server.twin = self
        super().__init__(server, "identity")

    @property
    def keys_url(self) -> str:
        """Return where a verifier finds the keys."""
        return f"{self.url}{KEYS_PATH}"

    @property
    def accounts_url(self) -> str:
        """Return where a verifier looks accounts up; without the project."""
        return f"{self.url}/v1"

    def stop(self) -> None:
        """Stop answering."""
        self.stopping.set()
        super().stop()


class _Server(LoopbackServer):
    twin: IdentityTwin


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer the keys."""
        twin = self.server.twin
        if self.path != KEYS_PATH:
            self._refuse(HTTPStatus.NOT_FOUND, "NOT_FOUND")
            return
        twin.key_questions += 1
        keys: Any = ["garbled"] if twin.faults.is_garbled else twin.issuer.certificates()
        self._answer(
            HTTPStatus.OK,
            keys,
            {"Cache-Control": f"public, max-age={twin.max_age_seconds}, must-revalidate, no-transform"},
        )

    def do_POST(self) -> None:
        """Answer ``accounts:lookup`` for one account or several."""
        twin = self.server.twin
        found = _LOOKUP.fullmatch(self.path)
        length = self.headers.get("Content-Length", "")
        if found is None or found[1] != twin.issuer.project:
            self._refuse(HTTPStatus.NOT_FOUND, "PROJECT_NOT_FOUND")
            return
        if not length.isascii() or not length.isdigit() or int(length) > LARGEST_BODY:
            self._refuse(HTTPStatus.BAD_REQUEST, "INVALID_ARGUMENT")
            return
        try:
            uids = json.loads(self.rfile.read(int(length)))["localId"]
            accounts = [twin.issuer.account(str(uid)) for uid in uids]
        except (ValueError, KeyError, TypeError):
            self._refuse(HTTPStatus.BAD_REQUEST, "INVALID_ARGUMENT")
            return
        users = [
            {"localId": account.uid, "validSince": str(account.valid_since), "disabled": account.is_disabled}
            for account in accounts
            if account is not None
        ]
        said: dict[str, Any] = {"kind": "identitytoolkit#GetAccountInfoResponse"}
        self._answer(HTTPStatus.OK, said | ({"users": users} if users else {}))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Say nothing: the twins' standard error carries JSON lines only."""

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        self.close_connection = True
        self._answer(status, {"error": {"code": status.value, "message": message}})

    def _answer(self, status: HTTPStatus, body: Any, headers: dict[str, str] | None = None) -> None:
        faults, stopping = self.server.twin.faults, self.server.twin.stopping
        if faults.seconds and not faults.is_dribbling:
            stopping.wait(faults.seconds)
        if faults.is_unavailable:
            status, body, headers = HTTPStatus.SERVICE_UNAVAILABLE, {"error": {"code": 503}}, None
        encoded = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(encoded)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        try:
            if not faults.is_dribbling:
                self.wfile.write(encoded)
                return
            for byte in encoded:
                self.wfile.write(bytes([byte]))
                if stopping.wait(faults.seconds):
                    return
        except ConnectionError:
            self.close_connection = True  # Whoever asked has given up.
