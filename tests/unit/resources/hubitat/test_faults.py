"""Every way a hub can fail has its name, comes within its deadline, and tells no secret."""

import logging
import socket
import threading
import traceback
from itertools import chain, repeat
from types import SimpleNamespace

import pytest

from resources.clock import SystemClock
from resources.connector import ConnectorError, Fault
from resources.hubitat import transport
from resources.hubitat.gateway import HubitatAddress
from resources.hubitat.live import HubitatConnector
from resources.hubitat.transport import Deadline
from tests.unit.resources.hubitat.conftest import CANARY
from twins.hubitat.faults import FAULTS
from twins.hubitat.server import APP_ID

DEADLINE = 30.0  # where an answer comes at once, or as soon as a busy machine gets to it
SILENCE_DEADLINE = 0.25  # where nothing could come in time
EXPECTED = {
    "timeout": Fault.TIMEOUT,
    "hang": Fault.TIMEOUT,
    "slow": Fault.TIMEOUT,
    "late": Fault.TIMEOUT,
    "html502": Fault.UNAVAILABLE,
    "html503": Fault.UNAVAILABLE,
    "boot": Fault.UNAVAILABLE,
    "badjson": Fault.BAD_RESPONSE,
    "cut": Fault.BAD_RESPONSE,
    "short_json": Fault.BAD_RESPONSE,
    "wrong_shape": Fault.BAD_RESPONSE,
    "error_flag": Fault.UNAVAILABLE,
    "401": Fault.AUTH,
    "404": Fault.UNSUPPORTED,
    "429": Fault.RATE_LIMITED,
    "500": Fault.UNAVAILABLE,
    "reset": Fault.UNAVAILABLE,
    "refused": Fault.UNAVAILABLE,
    "black_hole": Fault.TIMEOUT,
    "redirect": Fault.BAD_RESPONSE,
    "huge": Fault.BAD_RESPONSE,
    "packed": Fault.BAD_RESPONSE,
}


def _patience(kind):
    return SILENCE_DEADLINE if EXPECTED.get(kind) is Fault.TIMEOUT else DEADLINE


def _read(connector, deadline=DEADLINE):
    with pytest.raises(ConnectorError) as failed:
        connector.read(deadline)
    return failed.value


@pytest.fixture
def patience(monkeypatch):
    """Return what every call was given, and what was left of it each time something was waited for."""
    start, within = Deadline.start, Deadline.within
    noted = SimpleNamespace(given=[], left=[])

    def noted_start(deadline, seconds):
        noted.given.append(seconds)
        start(deadline, seconds)

    def noted_within(deadline, timeout, error):
        noted.left.append(within(deadline, timeout, error))
        return noted.left[-1]

    monkeypatch.setattr(Deadline, "start", noted_start)
    monkeypatch.setattr(Deadline, "within", noted_within)
    return noted


@pytest.mark.parametrize("kind", sorted(FAULTS.keys() - {"html_type"}))
def test_every_fault_has_its_name_within_the_deadline(hub, connector, kind, patience):
    hub.fail(kind, seconds=3600 if kind == "late" else 0.05)
    assert _read(connector, _patience(kind)).fault is EXPECTED[kind]
    assert patience.given == [_patience(kind)]
    # Nothing is waited for longer than what is left, which after connecting only ever gets less.
    assert max(patience.left) <= _patience(kind)
    assert patience.left[1:] == sorted(patience.left[1:], reverse=True)
    hub.clear()
    assert len(connector.read(DEADLINE).devices) == 6  # recovery needs nobody


def test_a_hub_that_asks_for_patience_is_heard(hub, connector):
    hub.fail("429", retry_after=7)
    assert _read(connector).retry_after_seconds == 7


@pytest.mark.parametrize(
    ("token", "app_id", "fault"), [("wrong", APP_ID, Fault.AUTH), (CANARY, "28", Fault.UNSUPPORTED)]
)
def test_a_wrong_key_is_no_passing_trouble(hub, token, app_id, fault):
    error = _read(HubitatConnector(HubitatAddress(hub.url, app_id, token), SystemClock()))
    assert (error.fault, error.is_transient) == (fault, False)


def test_headers_that_drip_do_not_outlive_the_deadline(patience):
    """Httpx alone would wait its whole time for every byte."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = HubitatAddress(f"http://127.0.0.1:{listener.getsockname()[1]}", APP_ID, CANARY)
        stop = threading.Event()

        def drip():
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                for byte in chain(b"HTTP/1.1 200 OK\r\nX-Long: ", repeat(ord("a"))):
                    if stop.wait(0.05):
                        return
                    try:
                        peer.send(bytes([byte]))
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        error = _read(HubitatConnector(address, SystemClock()), SILENCE_DEADLINE)
        stop.set()
        thread.join()
    assert error.fault is Fault.TIMEOUT
    assert patience.given == [SILENCE_DEADLINE]
    assert patience.left == sorted(patience.left, reverse=True)


def test_trouble_with_the_mode_does_not_cost_the_devices(hub, connector):
    hub.security = None
    hub.fail("late", seconds=0.0, times=1)
    assert connector.read(2).mode == "Day"
    answer = hub.answer
    hub.answer = lambda path: {"odd": 1} if path == "modes" else answer(path)
    reading = connector.read(2)
    assert (reading.mode, reading.worked_around, len(reading.devices)) == (None, (Fault.BAD_RESPONSE,), 6)


@pytest.mark.parametrize("kind", [*FAULTS.keys()])
def test_the_token_is_in_no_log_line_and_no_error(hub, connector, kind, caplog):
    """Also not in the errors behind the error, nor in what the libraries log by themselves."""
    caplog.set_level(logging.DEBUG)
    hub.fail(kind, seconds=5 if kind == "late" else 0.01)
    told = [repr(connector), repr(connector.health(_patience(kind)))]
    try:
        connector.read(_patience(kind))
    except ConnectorError as error:
        link = error
        while link is not None:
            told += [str(link), repr(link), "".join(traceback.format_exception(link)), repr(vars(link))]
            link = link.__cause__ or link.__context__
    told += [record.getMessage() + str(record.exc_text) + repr(record.args) for record in caplog.records]
    assert CANARY not in "".join(told)


def test_the_libraries_do_log_the_address(hub, connector, caplog):
    """The control: lines of httpx and httpcore come by, and what was cut out shows."""
    caplog.set_level(logging.DEBUG)
    hub.fail("redirect")
    _read(connector)
    lines = {record.name.split(".")[0]: record.getMessage() for record in caplog.records}
    assert {"httpx", "httpcore"} <= lines.keys()
    assert any("[redacted]" in record.getMessage() for record in caplog.records if record.name == "httpx")


def test_no_proxy_of_the_environment_sees_the_token(hub, connector, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(0.1)
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert len(connector.read(2).devices) == 6
        with pytest.raises(TimeoutError):
            proxy.accept()


def test_health_says_what_is_wrong(hub, connector):
    assert connector.health(2).is_healthy
    hub.fail("boot")
    found = connector.health(2)
    assert (found.is_healthy, found.fault) == (False, Fault.UNAVAILABLE)
    assert hub.reads == ["devices"]


def test_all_requests_of_a_read_share_one_deadline(hub, connector, patience, monkeypatch):
    """A slow list and a silent mode together cost what the read was given, not one share each."""
    release, answer, now = threading.Event(), hub.answer, [100.0]

    def late(path):
        if path == "devices/all":
            now[0] += 16.0
        else:
            release.wait(3600)
        return answer(path)

    hub.answer = late
    monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=lambda: now[0]))
    reading = connector.read(16.5)
    release.set()
    assert patience.given == [16.5]
    assert set(patience.left[1:]) == {16.5, 0.5}  # a share each would be 16.5 once more
    assert patience.left[-1] == 0.5
    assert (reading.worked_around, len(reading.devices)) == ((Fault.TIMEOUT,), 6)
