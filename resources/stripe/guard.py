"""What keeps the door to Stripe read-only: the check of the key, and a transport that lets only GET through.

Stripe's SDK looks at neither the key's prefix nor the method, and no API tells what a restricted key may do;
so both are refused here, before anything leaves the process. Module-level calls of the SDK would go around
this transport; a test over the source forbids them.
Source: https://docs.stripe.com/keys/restricted-api-keys.
"""

import contextvars
import time
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import stripe
import urllib3

from resources.settings_rules import RESTRICTED_KEY

STRIPE_API_BASE = "https://api.stripe.com"
CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
LARGEST_BODY_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_OK = 200

request_deadline: contextvars.ContextVar[float | None] = contextvars.ContextVar(
    "request_deadline", default=None
)
"""When requests of this thread must be over, by ``time.monotonic``; null for the transport's own limit."""

_KINDS = (
    ("pk_", "a publishable key"),
    ("rk_", "a restricted key with a fault in its form"),
    ("whsec_", "a webhook secret"),
    ("ek_", "an ephemeral key"),
)


class KeyRefusedError(ValueError):
    """A key that must not be used. The message says why and what to do; it holds no part of the key."""


class WriteRefusedError(RuntimeError):
    """A request that is not a read, or not meant for the configured host; it did not leave this process."""


class PageBody(str):
    """What the SDK gets as the body of a successful answer: an empty object, with the real bytes beside it.

    The SDK would parse every page with the standard library (half of the whole time) and format it for its
    debug log (member data in a log). It sees ``{}``; :attr:`raw` goes to whoever asked.
    """

    __slots__ = ("raw",)
    raw: bytes

    @classmethod
    def holding(cls, raw: bytes) -> "PageBody":
        """Return an empty object that holds the bytes of the real one."""
        body = cls("{}")
        body.raw = raw
        return body


def check_key(key: str) -> bool:
    """Return whether a restricted key is for live mode.

    Raises:
        KeyRefusedError: for anything but a restricted key (``rk_test_...``, ``rk_live_...``).
    """
    match = RESTRICTED_KEY.fullmatch(key)
    if match is not None:
        return match[1] == "live"
    remedy = (
        "Make a restricted key with Read on the resources the studio reads at"
        " https://dashboard.stripe.com/apikeys and set STUDIO_STRIPE_KEY to it."
    )
    if key.startswith("sk_"):
        raise KeyRefusedError(
            "The Stripe key is a secret key with full access (sk_...), which could move money; Studio OS only"
            f" reads and refuses to hold it. {remedy}"
        )
    kind = next((words for prefix, words in _KINDS if key.startswith(prefix)), "not a Stripe restricted key")
    raise KeyRefusedError(f"The Stripe key is {kind} and was refused. {remedy}")


class ReadOnlyTransport(stripe.HTTPClient):
    """The SDK's transport, reduced to GET on one host. No redirects, no credentials from other places.

    Connections are pooled and may be used from several threads at once.
    """

    name = "studio-read-only"

    def __init__(self, api_base: str, *, connections: int = 8, read_seconds: float = READ_SECONDS) -> None:
        super().__init__()
        parts = urlsplit(api_base)
        self._origin = (parts.scheme, parts.netloc)
        self._read_seconds = read_seconds
        self._pool = _pool(parts.scheme, parts.hostname or "", connections)

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[Any, int, Mapping[str, str]]:
        """Send one GET and return body, status and headers; the body of a success is a :class:`PageBody`.

        Raises:
            WriteRefusedError: for any other method or host.
            stripe.APIConnectionError: when no whole answer came in time.
        """
        self._refuse_writes(method, url, post_data)
        seconds = self._read_seconds
        deadline = request_deadline.get()
        if deadline is not None:
            seconds = max(0.001, min(seconds, deadline - time.monotonic()))
        try:
            response = self._pool.request(
                "GET",
                url,
                headers={**(headers or {}), "Accept-Encoding": "gzip"},
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds),
            )
            body = _read_whole(response, time.monotonic() + seconds)
        except urllib3.exceptions.HTTPError as error:
            message = f"No whole answer from Stripe ({type(error).__name__})."
            raise stripe.APIConnectionError(message, should_retry=True) from error  # type: ignore[no-untyped-call] # - the SDK's errors have no types
        is_page = response.status == _OK
        return (PageBody.holding(body) if is_page else body), response.status, response.headers

    def request_stream(self, method: str, url: str, *_: Any, **__: Any) -> NoReturn:
        """Refuse: nothing the studio reads is streamed."""
        raise WriteRefusedError(f"Read-only: a streamed {method.upper()} {urlsplit(url).path} was blocked.")

    async def request_async(self, method: str, url: str, *_: Any, **__: Any) -> NoReturn:
        """Refuse: the asynchronous transport is not guarded."""
        raise WriteRefusedError(f"Read-only: asynchronous {method.upper()} {urlsplit(url).path} was blocked.")

    async def request_stream_async(self, method: str, url: str, *_: Any, **__: Any) -> NoReturn:
        """Refuse: the asynchronous transport is not guarded."""
        raise WriteRefusedError(f"Read-only: asynchronous {method.upper()} {urlsplit(url).path} was blocked.")

    def close(self) -> None:
        """Close every pooled connection."""
        self._pool.clear()

    async def close_async(self) -> None:
        """Close every pooled connection."""
        self.close()

    def _refuse_writes(self, method: str, url: str, post_data: Any) -> None:
        parts = urlsplit(url)
        if method.lower() != "get" or post_data:
            raise WriteRefusedError(
                f"Read-only: {method.upper()} {parts.path} was blocked before it left this process."
            )
        if (parts.scheme, parts.netloc) != self._origin:
            raise WriteRefusedError(f"Read-only: the host {parts.hostname} is not the configured one.")


def read_only_client(
    key: str, *, api_base: str = STRIPE_API_BASE, connections: int = 8, read_seconds: float = READ_SECONDS
) -> stripe.StripeClient:
    """Return an SDK client that can only read, and only from ``api_base``.

    The SDK's telemetry is switched off for the process: it would write an id under the user's home directory
    and send it along.

    Raises:
        KeyRefusedError: when the key is not a restricted key.
    """
    check_key(key)
    api_base = api_base.rstrip("/")
    stripe.enable_telemetry = False
    return stripe.StripeClient(
        key,
        http_client=ReadOnlyTransport(api_base, connections=connections, read_seconds=read_seconds),
        base_addresses={"api": api_base, "files": api_base, "connect": api_base, "meter_events": api_base},
        max_network_retries=0,
    )


def _pool(scheme: str, host: str, connections: int) -> urllib3.PoolManager:
    """Return a connection pool that goes through the system's proxy where one is set for the host."""
    options: dict[str, Any] = {"maxsize": connections, "block": False}
    if scheme == "https":
        options |= {"cert_reqs": "CERT_REQUIRED", "ca_certs": stripe.ca_bundle_path}
    proxy = None if host in _LOOPBACK else getproxies().get(scheme)
    if proxy and not proxy_bypass(host):
        return urllib3.ProxyManager(proxy, **options)
    return urllib3.PoolManager(**options)


def _read_whole(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """Return the body; a server that sends it drop by drop, or without end, is cut off."""
    chunks: list[bytes] = []
    size = 0
    try:
        while chunk := response.read1(_CHUNK_BYTES, decode_content=True):
            chunks.append(chunk)
            size += len(chunk)
            _refuse_endless(size, deadline)
    except BaseException:
        # A connection with half an answer in it must not go back to the pool.
        response.close()
        raise
    response.release_conn()
    return b"".join(chunks)


def _refuse_endless(size: int, deadline: float) -> None:
    if size > LARGEST_BODY_BYTES:
        raise urllib3.exceptions.ProtocolError("The answer is too large.")
    if time.monotonic() > deadline:
        raise urllib3.exceptions.ProtocolError("The answer took too long.")
