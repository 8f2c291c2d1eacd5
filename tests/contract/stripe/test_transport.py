"""The guarded transport against servers that misbehave below HTTP's surface."""

import gzip
import socket
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import stripe

from resources.errors import SourceUnreadableError
from resources.stripe import guard
from resources.stripe.gateway import ListStats
from resources.stripe.guard import read_only_client
from resources.stripe.live import live_payment_source
from twins.stripe.access import READER_KEY

PAGE = b'{"object":"list","data":[],"has_more":false,"url":"/v1/charges"}'


@contextmanager
def _server(answer):
    """Serve every connection with ``answer(connection)`` once its request has come."""
    listener = socket.create_server(("127.0.0.1", 0))
    ending = threading.Event()

    def serve():
        while not ending.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                with suppress(OSError):
                    answer(connection, ending)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ending.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _read(base):
    """Return every charge a server lists."""
    source = live_payment_source(READER_KEY, api_base=base)
    later = datetime(2027, 1, 1, tzinfo=UTC)
    return list(source.list_objects("charges", created_before=later, stats=ListStats()))


def _head(length, extra=b""):
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n" % (
        length,
        extra,
    )


def test_a_compressed_page_is_read():
    """The reader offers gzip and takes it."""
    body = gzip.compress(PAGE)
    with _server(lambda c, _: c.sendall(_head(len(body), b"Content-Encoding: gzip\r\n") + body)) as base:
        assert read_only_client(READER_KEY, api_base=base).raw_request("get", "/v1/charges").body.raw == PAGE


def test_a_server_that_sends_drop_by_drop_is_left_in_time(monkeypatch):
    """Each drop would renew a plain time limit on reading; the whole answer has one limit."""
    looks = []

    def monotonic():
        looks.append(len(looks) * 0.1)
        return looks[-1]

    def drip(connection, ending):
        connection.sendall(_head(100_000))
        while not ending.wait(0.02):
            connection.sendall(b" ")

    with _server(drip) as base:
        client = read_only_client(READER_KEY, api_base=base, read_seconds=0.45)
        monkeypatch.setattr(guard, "time", SimpleNamespace(monotonic=monotonic))
        with pytest.raises(stripe.APIConnectionError, match="No whole answer"):
            client.raw_request("get", "/v1/charges")
    assert looks[-2] <= 0.45 < looks[-1], "of the hour that the drops would go on, so much"


def test_a_redirect_is_not_followed():
    """Not even to the same host: the key goes where it was meant to go, once."""
    asked = []

    def redirect(connection, _):
        asked.append(1)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /v1/charges\r\nContent-Length: 2\r\n\r\n{}")

    with _server(redirect) as base, pytest.raises(SourceUnreadableError, match="status 302") as failure:
        _read(base)
    assert (failure.value.reason, failure.value.is_transient, len(asked)) == ("bad-response", False, 1)


def test_a_trailing_slash_in_the_address_is_harmless(twin):
    """A setting typed by a person."""
    assert _read(f"{twin.base_url}/") == []


def test_a_proxy_is_not_asked_for_this_machine(twin, monkeypatch):
    """A system-wide proxy must not see what goes to the twin."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert _read(twin.base_url) == []


def test_connections_are_used_again(twin, world):
    """Many pages, few connections."""
    for _ in range(3):
        world.v1.customers.create({})
    client = read_only_client(READER_KEY, api_base=twin.base_url)
    for _ in range(20):
        client.raw_request("get", "/v1/customers?limit=1")
    pool = client._requestor._get_http_client()._pool.connection_from_url(twin.base_url)
    assert pool.num_connections == 1
