"""The twin's HTTP: faults strike as asked, connections live on, rubbish is turned away, ports are freed."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import stripe

from twins.stripe.faults import FaultAction
from twins.stripe.server import StripeTwin

HEADERS = {"Authorization": "Bearer rk_test_reader_1"}


@pytest.mark.parametrize(
    ("status", "error"), [(429, stripe.RateLimitError), (500, stripe.APIError), (503, stripe.APIError)]
)
def test_an_error_status_strikes_once(twin, reader, status, error):
    """The SDK, which does not retry by default, raises; the next request succeeds."""
    twin.faults.fail(status, retry_after="7")
    with pytest.raises(error) as raised:
        reader.v1.charges.list()
    assert raised.value.http_status == status
    assert raised.value.headers.get("Retry-After") == ("7" if status == 429 else None)
    assert reader.v1.charges.list().data == []


@pytest.mark.parametrize("action", [FaultAction.TRUNCATED, FaultAction.DISCONNECT])
def test_a_broken_answer_is_a_connection_error(twin, reader, action):
    """Half a body, or none: the SDK cannot take it for an answer."""
    twin.faults.spoil(action)
    with pytest.raises(stripe.APIConnectionError):
        reader.v1.charges.list()


@pytest.mark.parametrize("action", [FaultAction.MALFORMED, FaultAction.CUT])
def test_a_body_that_is_no_json_is_an_api_error(twin, reader, action):
    """Status 200 does not make it an answer."""
    twin.faults.spoil(action)
    with pytest.raises(stripe.APIError):
        reader.v1.charges.list()


def test_a_hanging_server_is_left_by_the_clients_own_time_limit(twin):
    """No answer ever; other connections are served meanwhile."""
    twin.faults.spoil(FaultAction.HANG)
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{twin.base_url}/v1/charges", headers=HEADERS, timeout=0.3)
    assert requests.get(f"{twin.base_url}/v1/charges", headers=HEADERS, timeout=5).status_code == 200


def test_latency_delays_every_answer(twin, monkeypatch):
    """By what was asked, also for several requests at once, which wait side by side: no answer before all."""
    twin.faults.latency_seconds = 1.0
    loop, waiting = twin._loop, []

    def call_later(seconds, answer, request):
        waiting.append((seconds, answer, request))
        if len(waiting) == 8:
            for _, each, its_request in waiting:
                loop.call_soon(each, its_request)

    monkeypatch.setattr(loop, "call_later", call_later)
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda _: requests.get(f"{twin.base_url}/v1/charges", headers=HEADERS, timeout=60), range(8)
            )
        )
    assert {answer.status_code for answer in answers} == {200}
    assert [seconds for seconds, *_ in waiting] == [1.0] * 8


def test_a_rate_limit_answers_429(twin):
    """Beyond the rate, requests are refused with Retry-After, not queued."""
    twin.faults.requests_per_second = 3
    with requests.Session() as session:
        codes = [session.get(f"{twin.base_url}/v1/charges", headers=HEADERS).status_code for _ in range(8)]
    assert codes[:3] == [200, 200, 200]
    assert 429 in codes


def test_one_connection_serves_many_requests(twin):
    """Keep-alive works, also after an error."""
    with socket.create_connection(("127.0.0.1", twin.port), timeout=5) as connection:
        stream = connection.makefile("rb")
        for path, status in (("charges", b"200"), ("nothing", b"404"), ("charges", b"200")):
            connection.sendall(f"GET /v1/{path} HTTP/1.1\r\nAuthorization: Bearer rk_test_1\r\n\r\n".encode())
            assert stream.readline().split()[1] == status
            length = 0
            while (line := stream.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length"):
                    length = int(line.split(b":")[1])
            assert len(stream.read(length)) == length
        stream.close()


def test_requests_may_come_in_pieces_or_together(twin):
    """Split anywhere, or several in one packet: each is answered once, in order."""
    request = b"GET /v1/charges HTTP/1.1\r\nAuthorization: Bearer rk_test_1\r\n\r\n"
    with socket.create_connection(("127.0.0.1", twin.port), timeout=5) as connection:
        for part in (request[:9], request[9:40], request[40:] + request + request[:5], request[5:]):
            connection.sendall(part)
        received = b""
        while received.count(b"HTTP/1.1 200") < 3:
            received += connection.recv(65536)
    assert twin.stats.requests["GET charges"] == 3


@pytest.mark.parametrize(
    "rubbish",
    [b"\x16\x03\x01" + b"x" * 70_000, b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"],
)
def test_rubbish_closes_the_connection_and_nothing_else(twin, reader, rubbish):
    """A client that does not speak HTTP is turned away; the twin serves on."""
    with socket.create_connection(("127.0.0.1", twin.port), timeout=5) as connection:
        try:
            connection.sendall(rubbish)
            assert connection.recv(1024) == b""
        except ConnectionResetError:
            pass
    assert reader.v1.charges.list().data == []


def test_stopping_frees_the_port_and_ends_open_connections():
    """A second twin may take the port at once; a client that was waiting is released."""
    with StripeTwin() as first:
        port = first.port
        waiting = socket.create_connection(("127.0.0.1", port), timeout=5)
        requests.get(f"{first.base_url}/v1/charges", headers=HEADERS, timeout=5)
    try:
        assert waiting.recv(10) == b""
    except ConnectionResetError:
        pass
    finally:
        waiting.close()
    with StripeTwin(port) as second:
        assert second.port == port
    first.stop()


def test_a_taken_port_is_an_error_at_once(twin):
    """The message comes from the operating system; nothing is left running."""
    with pytest.raises(OSError, match=r"in use|address"):
        StripeTwin(twin.port).start()


def test_the_port_is_unknown_until_started():
    """A clear error instead of a URL that leads nowhere."""
    with pytest.raises(RuntimeError, match="not running"):
        _ = StripeTwin().base_url
