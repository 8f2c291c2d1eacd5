"""The wire to a hub: every request passes the list of reads here, and no byte outlives the deadline.

httpx bounds each operation, not the whole; a body that drips would never end. The network backend below
gives every read and write what is left of the whole call.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore
import httpx

from resources.connector import ConnectorError, Fault
from resources.hubitat.paths import is_read


class Deadline:
    """An instant on the monotonic clock after which nothing more is sent or awaited."""

    def __init__(self) -> None:
        self._until = 0.0

    def start(self, seconds: float) -> None:
        """Count from now."""
        self._until = time.monotonic() + seconds

    def within(self, timeout: float | None, error: type[Exception]) -> float:
        """Return the shorter of ``timeout`` and what is left; raise ``error`` when nothing is."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise error("the deadline has passed")
        return left if timeout is None else min(timeout, left)


class ReadOnlyTransport(httpx.BaseTransport):
    """Refuses whatever is not a known read of one hub before a connection is opened; else speaks HTTP/1.1.

    Args:
        origin: The only scheme, host and port that are spoken to.
        deadline: Bounds everything.
    """

    def __init__(self, origin: httpx.URL, deadline: Deadline) -> None:
        self._origin = (origin.raw_scheme, origin.raw_host, origin.port)
        self._pool = httpcore.ConnectionPool(max_connections=1, network_backend=_Backend(deadline))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request.

        Raises:
            ConnectorError: ``read_only_violation``, before a byte is sent.
        """
        origin = (request.url.raw_scheme, request.url.raw_host, request.url.port)
        if origin != self._origin or not is_read(request.method.encode(), request.url.raw_path):
            # The path is not repeated: it may carry the token.
            raise ConnectorError(
                Fault.READ_ONLY_VIOLATION,
                "The hub was not asked: the request is not one of the known reads. Nothing was sent.",
            )
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=answer.status, headers=answer.headers, stream=_Body(answer), extensions={}
        )

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class _Backend(httpcore.NetworkBackend):
    def __init__(self, deadline: Deadline) -> None:
        self._inner = httpcore.SyncBackend()
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        timeout = self._deadline.within(timeout, httpcore.ConnectTimeout)
        stream = self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        return _Stream(stream, self._deadline)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.within(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.within(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        timeout = self._deadline.within(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
