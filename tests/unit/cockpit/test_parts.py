"""The parts' ears: what they take from the lines their processes print."""

import io
import json
import math
import socket
from pathlib import Path

import pytest

from cockpit.board import PlainBoard
from cockpit.lifecycle import Lifecycle, Phase
from cockpit.parts.python_part import PythonPart, progress_line
from cockpit.parts.twins import TwinsPart
from cockpit.supervisor import Running
from cockpit.world import World

WORLD = World("twins", "2026-09-22", 1, "small")
PORTS = ("firestore", "stripe", "control", "identity", "hubitat", "roborock", "roborock-broker")
SESSION = Path("/home/run/twin-roborock.json")
SESSION = Path("/home/of/the/studio/run/session.json")
WRITER = Path("/home/of/the/studio/run/writer.json")


def nothing(_part):
    return {}


def test_a_service_is_ready_once_it_says_its_line_and_forgets_that_when_it_starts_again():
    part = PythonPart("code", "Code", ["x"], nothing, ready_line="Started")
    assert not part.probe()
    part.hear("2026 - Started Dagster code server on socket")
    assert part.probe()
    part.reset()
    assert not part.probe()


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        (progress_line("migrations"), "migrations"),
        (progress_line("past days", done=3, total=60), "past days (3/60)"),
        ("something else", ""),
    ],
)
def test_progress_becomes_the_detail(line, detail):
    part = PythonPart("history", "History", ["x"], nothing)
    part.hear(line)
    assert part.detail == detail


@pytest.mark.parametrize("is_calm", [False, True])
def test_only_a_calm_studio_is_pretended_without_incidents(is_calm):
    world = World("twins", "2026-09-22", 1, "small", is_calm)
    part = TwinsPart(world, nothing, told={}, writer_file=WRITER, session_file=SESSION)
    assert ("--no-incidents" in part.command().argv) is is_calm


def test_twins_tell_their_addresses_and_are_ready_when_the_world_has_caught_up():
    told = {}
    part = TwinsPart(WORLD, nothing, told=told, writer_file=WRITER, session_file=SESSION)
    part.hear("export FIRESTORE_EMULATOR_HOST=127.0.0.1:1")
    part.hear("export STUDIO_STRIPE_KEY='rk_test_x y'")
    part.hear(json.dumps({"event": "world:history:progress", "done": 3, "of": 61}))
    assert not part.probe()
    assert part.detail == "day 3 of 61"
    part.hear("{not json")
    part.hear(json.dumps({"event": "world:history:ready", "documents": 3090}))
    assert part.probe()
    assert told == {"FIRESTORE_EMULATOR_HOST": "127.0.0.1:1", "STUDIO_STRIPE_KEY": "rk_test_x y"}


def test_twins_that_are_started_again_keep_their_addresses():
    """Other parts were told them once."""
    part = TwinsPart(WORLD, nothing, told={}, writer_file=WRITER, session_file=SESSION)
    before = list(part.command().argv)
    part.reset()
    assert list(part.command().argv) == before
    assert "2026-09-22" in before
    assert before[before.index("--roborock-session") + 1] == str(SESSION)
    assert len({before[before.index(f"--{name}-port") + 1] for name in PORTS}) == len(PORTS)


def test_a_pretend_robot_gets_an_address_that_nobody_listens_on():
    """The port is built into the robots' client: a second house takes another loopback address."""
    address = _address()
    assert address.startswith("127.")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((address, 58867))
        taken.listen()
        assert _address() not in {address, ""}
    assert _address() == address


def _address():
    argv = list(TwinsPart(WORLD, nothing, told={}, writer_file=WRITER, session_file=SESSION).command().argv)
    return argv[argv.index("--robot-address") + 1]


def test_a_step_that_fails_late_gives_up_too_unless_it_says_otherwise():
    """Else a snapshot that fails after minutes would be tried for ever."""
    step = PythonPart("snapshot", "Snapshot", ["x"], nothing, is_service=False)
    filler = PythonPart("history", "History", ["x"], nothing, is_service=False, stable_seconds=600)
    service = PythonPart("web", "Web pages", ["x"], nothing)
    assert (step.stable_seconds, filler.stable_seconds, service.stable_seconds) == (math.inf, 600, 60)


def test_plain_lines_tell_every_change_of_phase_once():
    part = PythonPart("web", "Web pages", ["x"], nothing)
    running = Running(part, Lifecycle(is_service=True, start_limit_seconds=1))
    stream = io.StringIO()
    board = PlainBoard(stream)
    for phase in (Phase.WAITING, Phase.STARTING, Phase.STARTING, Phase.READY, Phase.PAUSING):
        running.life.phase = phase
        running.problem = "ended (SIGKILL)" if phase is Phase.PAUSING else ""
        board([running])
        part.detail = f"{part.detail}."
    assert [line.partition(":")[2].split(":")[0].strip() for line in stream.getvalue().splitlines()] == [
        "starting",
        "ready",
        "restarting",
    ]
    assert stream.getvalue().endswith("ended (SIGKILL)\n")
