"""The control server: how another process asks how the twins are, and lets something go wrong.

Plain HTTP on loopback: ``GET /status``, ``POST /faults`` with a JSON object, ``DELETE /faults``; and for the
pretend issuer of identities ``POST /tokens`` and ``POST /identity``. ``POST /agents`` writes an agent and a
delegation to it with the world's own right, and ``POST /agents/revoke`` ends one. All other documents, and
payments, are reached only through the twins' own protocols. Whoever can reach this port can be anybody in the
pretend studio.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from twins.answering import Answering, LoopbackServer
from twins.devices import HUB_KINDS, HUBITAT, ROBOROCK, ROBOROCK_KINDS, DeviceTwins
from twins.firestore.faults import Fault as FirestoreFault
from twins.firestore.faults import FaultKind
from twins.firestore.server import FirestoreTwin
from twins.identity.requests import act, issue
from twins.identity.server import IdentityTwin
from twins.stripe.faults import Fault as StripeFault
from twins.stripe.faults import FaultAction
from twins.stripe.server import StripeTwin
from twins.world.demo_agents import AgentRequest, DemoAgents

LARGEST_BODY = 64 * 1024
LONGEST_SECONDS = 7 * 24 * 60 * 60
"""A timer that is told to wait for longer than a machine can say ends at once, and its fault never does."""
PATHS = "there is /status, /faults, /agents, /agents/revoke, /tokens and /identity"
# Reads only: the world itself writes through Commit and must not be what a fault strikes.
_READ_METHODS = ("RunQuery", "RunAggregationQuery", "ListDocuments", "GetDocument", "BatchGetDocuments")
_STRIPE_STATUSES = {
    "rate_limited": 429,
    "unavailable": 503,
    "server_error": 500,
    "permission_denied": 403,
    "unauthorized": 401,
}
FIRESTORE_KINDS = tuple(kind.value for kind in FaultKind)
IDENTITY_KINDS = ("unavailable", "garbled", "latency")
STRIPE_KINDS = (*_STRIPE_STATUSES, *(a.value for a in FaultAction if a is not FaultAction.STATUS), "latency")
KINDS: Mapping[str, Sequence[str]] = {
    "firestore": FIRESTORE_KINDS,
    "stripe": STRIPE_KINDS,
    "identity": IDENTITY_KINDS,
    HUBITAT: HUB_KINDS,
    ROBOROCK: ROBOROCK_KINDS,
}


class FaultRequestError(ValueError):
    """A fault that cannot be injected; the message is a sentence for the person who asked."""


@dataclass(frozen=True, slots=True)
class FaultRequest:
    """What shall go wrong.

    Attributes:
        target: One of ``KINDS``.
        kind: One of what that target has.
        where: Collection (``batches``), Stripe list (``charges``) or robot; empty for everything.
        count: How many calls it strikes; null until cleared.
        after_documents: Firestore: documents that pass first in a stream. Stripe: requests that pass first.
        seconds: How long a latency or a hang lasts.
        for_seconds: After this time every fault of the target is cleared; null for never.
        method: Firestore RPC it is for; every reading one when null.
    """

    target: str
    kind: str
    where: str = ""
    count: int | None = None
    after_documents: int = 0
    seconds: float | None = None
    for_seconds: float | None = None
    method: str | None = None

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> "FaultRequest":
        """Return the request in a JSON object; raise ``FaultRequestError`` for anything it cannot mean."""
        known = {
            "target",
            "kind",
            "collection",
            "path",
            "device",
            "count",
            "after_documents",
            "seconds",
            "for_seconds",
            "method",
        }
        if unknown := sorted(set(given) - known):
            raise FaultRequestError(f"unknown field {unknown[0]!r}; known: {', '.join(sorted(known))}")
        target, kind = str(given.get("target")), str(given.get("kind"))
        kinds = KINDS.get(target)
        if kinds is None:
            raise FaultRequestError(f"target is one of {', '.join(KINDS)}, not {target!r}")
        if kind not in kinds:
            raise FaultRequestError(f"{target} has no fault {kind!r}; it has: {', '.join(kinds)}")
        count, after = given.get("count"), given.get("after_documents", 0)
        if count is not None and (not isinstance(count, int) or count < 1):
            raise FaultRequestError("count is a whole number from 1, or absent for every call")
        if not isinstance(after, int) or after < 0:
            raise FaultRequestError("after_documents is a whole number from 0")
        seconds, for_seconds = _seconds(given, "seconds"), _seconds(given, "for_seconds")
        if kind == "latency" and seconds is None:
            raise FaultRequestError("latency needs seconds")
        where = str(given.get("collection") or given.get("path") or given.get("device") or "")
        method = given.get("method")
        return cls(target, kind, where, count, after, seconds, for_seconds, str(method) if method else None)


def _seconds(given: Mapping[str, Any], name: str) -> float | None:
    value = given.get(name)
    if value is None:
        return None
    # Not a number is not in the range, either.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_SECONDS:
        raise FaultRequestError(f"{name} is a number of seconds from 0 to {LONGEST_SECONDS} (a week)")
    return float(value)


class Control(Answering):
    """The control server. Use it as a context manager, or call ``start`` and ``stop``.

    Args:
        firestore: The Firestore twin.
        stripe: The Stripe twin.
        describe_world: Returns the world's part of the status; null while there is no world.
        identity: The issuer's twin; nobody can be signed in when null.
        agents: Gives what makes agents on request; none can be made when null.
        devices: The pretend hub and robots; there are none when null.
        port: Port on 127.0.0.1; 0 takes a free one.

    Raises:
        OSError: when the port is taken.
    """

    def __init__(
        self,
        firestore: FirestoreTwin,
        stripe: StripeTwin,
        describe_world: Callable[[], Mapping[str, Any] | None],
        port: int = 0,
        *,
        identity: IdentityTwin | None = None,
        agents: Callable[[], DemoAgents] | None = None,
        devices: DeviceTwins | None = None,
    ) -> None:
        self._firestore = firestore
        self._agents = agents
        self._identity = identity
        self._devices = devices
        self._stripe = stripe
        self._describe_world = describe_world
        self._timers: list[threading.Timer] = []
        server = _Server(port, _Handler)
        server.control = self
        super().__init__(server, "control")

    def stop(self) -> None:
        """Stop answering."""
        for timer in self._timers:
            timer.cancel()
        super().stop()

    def status(self) -> dict[str, Any]:
        """Return how the world and the twins are."""
        world = self._describe_world()
        return {
            "ready": world is None or bool(world["isReady"]),
            "world": world,
            "firestore": {
                "host": self._firestore.host,
                "billedReads": self._firestore.stats.documents_billed,
                "faults": len(self._firestore.faults.armed()),
                "commits": dict(self._firestore.stats.commits),
                "refusedWrites": self._firestore.stats.refused_writes,
            },
            "stripe": {
                "baseUrl": self._stripe.base_url,
                "requests": sum(self._stripe.stats.requests.values()),
                "refusedWrites": self._stripe.stats.refused_writes,
            },
            "identity": {"keysUrl": self._identity.keys_url} if self._identity else None,
            **(self._devices.status() if self._devices else {}),
        }

    def inject(self, fault: FaultRequest) -> None:
        """Let something go wrong from now on; raise ``ValueError`` when it cannot."""
        if fault.target in {HUBITAT, ROBOROCK}:
            self._strike_devices(fault)
            return
        if fault.target == "firestore":
            for method in (fault.method,) if fault.method else _READ_METHODS:
                self._firestore.faults.add(
                    FirestoreFault(
                        fault.kind,
                        method=method,
                        collection=fault.where or None,
                        after_documents=fault.after_documents,
                        count=fault.count,
                        seconds=fault.seconds,
                    )
                )
        elif fault.target == "identity":
            self._strike_identity(fault)
        elif fault.kind == "latency":
            self._stripe.faults.latency_seconds = fault.seconds or 0.0
        else:
            status = _STRIPE_STATUSES.get(fault.kind)
            self._stripe.faults.add(
                StripeFault(
                    FaultAction.STATUS if status else FaultAction(fault.kind),
                    fault.where,
                    skip=fault.after_documents,
                    times=fault.count,
                    status=status or 500,
                )
            )
        if fault.for_seconds is not None:
            timer = threading.Timer(fault.for_seconds, self._clearing(fault.target))
            timer.daemon = True
            timer.start()
            self._timers.append(timer)

    def clear(self) -> None:
        """Take every fault back."""
        for target in ("firestore", "stripe", "identity"):
            self._clearing(target)()
        if self._devices:
            self._devices.clear(HUBITAT)
            self._devices.clear(ROBOROCK)

    def post(self, path: str, given: Mapping[str, Any]) -> dict[str, Any] | None:
        """Do what was posted to a path and return the answer; null when there is no such path.

        Raises:
            ValueError: when it cannot be done; the message is a sentence for the person who asked.
        """
        if path == "/faults":
            self.inject(FaultRequest.parse(given))
            return {"ok": True}
        if self._agents is not None and path == "/agents":
            return self._agents().make(AgentRequest.parse(given))
        if self._agents is not None and path == "/agents/revoke":
            self._agents().revoke(str(given.get("delegationId")))
            return {"ok": True}
        if self._identity is not None and path == "/tokens":
            return issue(self._identity.issuer, given)
        if self._identity is not None and path == "/identity":
            return act(self._identity.issuer, given)
        return None

    def _clearing(self, target: str) -> Callable[[], None]:
        if target == "identity":
            return self._identity.faults.clear if self._identity else lambda: None
        return self._firestore.faults.clear if target == "firestore" else self._stripe.faults.clear

    def _strike_devices(self, fault: FaultRequest) -> None:
        if self._devices is None:
            raise FaultRequestError("no devices run here")
        if fault.after_documents or fault.method:
            raise FaultRequestError("devices know neither documents nor methods")
        # They end their faults by themselves: an older end must not take a newer fault away.
        self._devices.strike(
            fault.target,
            fault.kind,
            where=fault.where,
            count=fault.count,
            seconds=fault.seconds,
            for_seconds=fault.for_seconds,
        )

    def _strike_identity(self, fault: FaultRequest) -> None:
        if self._identity is None:
            raise FaultRequestError("no issuer runs here")
        if fault.kind == "latency":
            self._identity.faults.seconds = fault.seconds or 0.0
        self._identity.faults.is_unavailable |= fault.kind == "unavailable"
        self._identity.faults.is_garbled |= fault.kind == "garbled"


class _Server(LoopbackServer):
    control: Control


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer ``/status``."""
        if self.path == "/status":
            self._answer(HTTPStatus.OK, self.server.control.status())
        else:
            self._refuse(HTTPStatus.NOT_FOUND, PATHS)

    def do_POST(self) -> None:
        """Do what is asked in a JSON object."""
        if "Origin" in self.headers:
            # A page in a browser has no business here; it could sign itself in as anybody.
            self._refuse(HTTPStatus.FORBIDDEN, "not for pages in a browser")
            return
        try:
            length = int(self.headers.get("Content-Length") or 0)
            if not 0 < length <= LARGEST_BODY:
                raise FaultRequestError("send a JSON object")
            given = json.loads(self.rfile.read(length))
            if not isinstance(given, dict):
                raise FaultRequestError("send a JSON object")
            said = self.server.control.post(self.path, given)
        except ValueError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        else:
            if said is None:
                self._refuse(HTTPStatus.NOT_FOUND, PATHS)
            else:
                self._answer(HTTPStatus.OK, said)

    def do_DELETE(self) -> None:
        """Take every fault back."""
        if self.path != "/faults":
            self._refuse(HTTPStatus.NOT_FOUND, PATHS)
            return
        self.server.control.clear()
        self._answer(HTTPStatus.OK, {"ok": True})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Say nothing: the twins' standard error carries JSON lines only."""

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        self.close_connection = True
        self._answer(status, {"ok": False, "error": sentence})

    def _answer(self, status: HTTPStatus, body: Mapping[str, Any]) -> None:
        encoded = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)
