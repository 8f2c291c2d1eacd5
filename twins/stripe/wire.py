"""HTTP/1.1 on a loopback socket: one event loop, one connection object each, requests answered in order.

The loop is the only thread that touches the account, so a request is answered as a whole before the next.
asyncio switches Nagle's algorithm off, and an answer is one write: a page never waits for a delayed ACK.
"""

import asyncio
from http import HTTPStatus

from twins.stripe.errors import rate_limited, server_failure
from twins.stripe.faults import Fault, FaultAction, Faults
from twins.stripe.service import Request, Response, Service, resource_of, standard_headers

LARGEST_HEAD = 64 * 1024
LARGEST_BODY = 1024 * 1024
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


class Connection(asyncio.Protocol):
    """One client connection."""

    def __init__(self, service: Service, faults: Faults, open_connections: set["Connection"]) -> None:
        self._service = service
        self._faults = faults
        self._open = open_connections
        self._received = bytearray()
        self._is_waiting = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        if isinstance(transport, asyncio.Transport):
            self.transport = transport
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base class fixes the signature
        """Forget the connection."""
        self._open.discard(self)
        self.transport = None

    def data_received(self, data: bytes) -> None:
        """Collect bytes and answer every whole request among them."""
        self._received += data
        self._answer_next()

    def _answer_next(self) -> None:
        while not self._is_waiting and self.transport is not None:
            request = self._next_request()
            if request is None:
                return
            delay = self._faults.latency_seconds
            if delay > 0:
                self._is_waiting = True
                asyncio.get_running_loop().call_later(delay, self._answer_late, request)
            else:
                self._answer(request)

    def _answer_late(self, request: Request) -> None:
        self._is_waiting = False
        self._answer(request)
        self._answer_next()

    def _next_request(self) -> Request | None:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            if len(self._received) > LARGEST_HEAD:
                self._close()
            return None
        first, *lines = self._received[:end].decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
        }
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LARGEST_BODY or first.count(" ") != 2:
            self._close()
            return None
        start, stop = end + 4, end + 4 + int(length)
        if len(self._received) < stop:
            return None
        body = bytes(self._received[start:stop])
        del self._received[:stop]
        method, target, _ = first.split(" ")
        path, _, query = target.partition("?")
        return Request(method, path, query, headers, body)

    def _answer(self, request: Request) -> None:
        request_id = self._service.next_request_id()
        fault = self._faults.take(request.method, resource_of(request.path))
        if fault is None or fault.action in (FaultAction.CUT, FaultAction.TRUNCATED):
            if self._faults.is_over_limit(asyncio.get_running_loop().time()):
                error = rate_limited("1")
                response = Response(error.status, error.body(), error.headers)
            else:
                response = self._service.answer(request, request_id)
        else:
            spoiled = self._spoiled(fault)
            if spoiled is None:
                return
            response = spoiled
        body = response.body
        if fault is not None and fault.action is FaultAction.CUT:
            body = body[: len(body) // 2]
        special = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
        head = (
            f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n"
            f"{standard_headers(request, request_id)}{special}Content-Length: {len(body)}\r\n\r\n"
        ).encode("latin-1")
        if self.transport is None:
            return
        if fault is not None and fault.action is FaultAction.TRUNCATED:
            self.transport.write(head + body[: len(body) // 2])
            self._close()
            return
        self.transport.write(head + body)
        if request.headers.get("connection", "").lower() == "close":
            self._close()

    def _spoiled(self, fault: Fault) -> Response | None:
        """Return the answer a fault asks for, or null when there is none."""
        if fault.action is FaultAction.STATUS:
            error = rate_limited(fault.retry_after) if fault.status == 429 else server_failure(fault.status)
            return Response(error.status, error.body(), error.headers)
        if fault.action is FaultAction.DISCONNECT:
            self._close()
            return None
        if fault.action is FaultAction.HANG:
            self._is_waiting = True
            return None
        return Response(200, fault.body if fault.action is FaultAction.BODY else HTML)

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.close()
