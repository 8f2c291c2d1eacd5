"""``python -m twins up`` as a user or the supervisor runs it: a process, its output, its end."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from google.cloud import firestore

from twins.world import almanac

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]
NAMES = [
    "FIRESTORE_EMULATOR_HOST",
    "STUDIO_STRIPE_API_BASE",
    "STUDIO_STRIPE_KEY",
    "STUDIO_FIRESTORE_PROJECT",
    "STUDIO_TWINS_CONTROL",
    "STUDIO_WRITE_CREDENTIALS",
    "STUDIO_IDENTITY_KEYS_URL",
    "STUDIO_IDENTITY_ACCOUNTS_URL",
    "STUDIO_HUBITAT_URL",
    "STUDIO_HUBITAT_APP_ID",
    "STUDIO_HUBITAT_TOKEN",
    "STUDIO_HUBITAT_SCALE",
    "STUDIO_ROBOROCK_SESSION",
]
PATIENCE_SECONDS = 60


@pytest.fixture
def up():
    """Return a function that starts ``twins up``; every process is ended afterwards."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "twins", "up", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE_SECONDS)


def _exports(process):
    lines = [process.stdout.readline().strip() for _ in NAMES]
    assert all(line.startswith("export ") for line in lines), lines
    return dict(line.removeprefix("export ").split("=", 1) for line in lines)


def _events(process, last):
    for text in process.stderr:
        line = json.loads(text)
        yield line
        if line["event"] == last:
            return


def test_up_prints_exports_writes_history_and_stops_on_sigterm(up, monkeypatch):
    """Export lines first, progress as JSON lines, a world a client can read, and a clean end."""
    begun_on = almanac.day_of(datetime.now(UTC))
    process = up("--days", "2", "--seed", "5")
    exports = _exports(process)
    assert list(exports) == NAMES
    assert exports["STUDIO_STRIPE_KEY"].startswith("rk_test_")
    events = list(_events(process, "world:history:ready"))
    told_on = almanac.day_of(datetime.now(UTC))
    days = {str(begun_on + timedelta(days=more)) for more in range((told_on - begun_on).days + 1)}
    first_day, reached = (date.fromisoformat(events[-1][name]) for name in ("firstDay", "day"))
    assert str(first_day + timedelta(days=2)) in days  # one day, unless midnight passed in between
    assert str(reached) in days
    progress = [event["done"] for event in events if event["event"] == "world:history:progress"]
    assert progress == [1, 2, 3, 4][: (reached - first_day).days + 1]
    assert len(progress) >= 3
    assert {event["component"] for event in events} == {"twins"}
    with urllib.request.urlopen(f"{exports['STUDIO_TWINS_CONTROL']}/status", timeout=10) as answer:  # noqa: S310 - our own
        status = json.loads(answer.read())
    assert status["ready"] is True
    assert status["world"]["documents"] == events[-1]["documents"] > 500
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", exports["FIRESTORE_EMULATOR_HOST"])
    client = firestore.Client(project=exports["STUDIO_FIRESTORE_PROJECT"])
    assert client.document("kilns/kiln-ll-eq2827-3").get().exists
    client.close()
    fault = subprocess.run(
        [sys.executable, "-m", "twins", "fault", "firestore", "unavailable", "--count", "1"],
        cwd=ROOT,
        env={**os.environ, "STUDIO_TWINS_CONTROL": exports["STUDIO_TWINS_CONTROL"]},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert fault.returncode == 0, fault.stderr
    assert json.loads(fault.stdout) == {"ok": True}
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 0
    assert process.stderr.read() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_up_stops_at_once_in_the_middle_of_the_past(up, number):
    """A signal ends the process with most of the past unwritten: it stops after the step in hand."""
    process = up("--size", "medium")
    _exports(process)
    for event in _events(process, "world:history:progress"):
        assert event["event"] == "world:history:progress"
    process.send_signal(number)
    assert process.wait(PATIENCE_SECONDS) == 0
    events = [event, *map(json.loads, process.stderr)]
    assert {event["event"] for event in events} == {"world:history:progress"}
    assert events[-1]["done"] < events[-1]["of"] / 2


def test_empty_twins_hold_nothing_and_print_json(up, monkeypatch):
    """--empty --json: one JSON object, ready at once, no collection at all."""
    process = up("--empty", "--json")
    environment = json.loads(process.stdout.readline())
    assert list(environment) == NAMES
    with urllib.request.urlopen(f"{environment['STUDIO_TWINS_CONTROL']}/status", timeout=10) as answer:  # noqa: S310 - our own
        assert json.loads(answer.read())["ready"] is True
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", environment["FIRESTORE_EMULATOR_HOST"])
    client = firestore.Client(project=environment["STUDIO_FIRESTORE_PROJECT"])
    assert list(client.collections()) == []
    client.close()
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_SECONDS) == 0


@pytest.mark.parametrize(
    "option",
    [
        "--firestore-port",
        "--stripe-port",
        "--control-port",
        "--hubitat-port",
        "--roborock-port",
        "--roborock-broker-port",
    ],
)
def test_a_taken_port_is_one_line_with_the_remedy(up, option):
    """Nothing is started, the line names port and option, the exit code is 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = up(option, str(port), "--empty")
        output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 2
    assert output == ""
    sentence = f"twins: Port {port} on 127.0.0.1 is taken; nothing was started."
    assert errors.splitlines() == [f"{sentence} Give another one with {option}, or 0 for any free one."]


def test_wanted_ports_are_used(up):
    """Given ports are the ones clients are told."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = up("--firestore-port", str(port), "--empty", "--json")
    assert json.loads(process.stdout.readline())["FIRESTORE_EMULATOR_HOST"] == f"127.0.0.1:{port}"
