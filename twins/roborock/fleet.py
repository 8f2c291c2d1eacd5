"""The pretend studio's own robots, and their days: they clean, run down and charge.

What a robot does follows from its id, the instant, and the trouble it is told it has; a restart changes
nothing.
"""

import errno
import os
import random
import socket
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final

from twins.roborock.robots import PORT, FakeRobot

_TRIES: Final = 64
CLEAN_MINUTES: Final = 55
CHARGE_MINUTES: Final = 150
STUCK_AT_PCT: Final = 80
_HISTORY_DAYS: Final = 30
_FIRST_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)
_FULL: Final = 100
THROWING_ROOM, KILN_ROOM, GLAZE_ROOM = "pretend-throwing-room", "pretend-kiln-room", "pretend-glaze-room"


@dataclass(frozen=True, slots=True)
class _States:
    """A family's numbers for what its robots do."""

    cleaning: int
    charging: int
    full: int
    stuck: int


_V1: Final = _States(cleaning=5, charging=8, full=100, stuck=12)
_Q7: Final = _States(cleaning=5, charging=4, full=4, stuck=1)
_DYAD: Final = _States(cleaning=1, charging=3, full=2, stuck=1)


def free_address(seed: int | None = None) -> str:
    """Return a loopback address where no robot listens yet; empty where there is none.

    Args:
        seed: Where to begin; the id of this process when null, so that two of them do not meet.
    """
    number = os.getpid() if seed is None else seed
    for step in range(_TRIES):
        at = number + step * 7919
        # Far from 127.0.0.1, and an address of its own for every process id.
        address = f"127.{64 + at % 64}.{at // 64 % 254 + 1}.{at // (64 * 254) % 250 + 2}"
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, PORT))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                break  # not every system has all of 127.0.0.0/8
        return address
    return ""  # the robot is reached through the broker only


def studio_robots(address: str) -> list[FakeRobot]:
    """Return the studio's robots: a vacuum on an address of its own, and two that only the broker reaches."""
    return [
        FakeRobot(
            THROWING_ROOM,
            "throwing-room-k1",
            address,
            name="Wheel sweeper",
            model="roborock.vacuum.a70",
            serial="PRETEND0002",
        ),
        FakeRobot(
            KILN_ROOM,
            "kiln-room-key-02",
            name="Kiln sweeper",
            pv="B01",
            model="roborock.vacuum.sc05",
            serial="PRETEND0003",
        ),
        FakeRobot(
            GLAZE_ROOM,
            "glaze-room-key-3",
            name="Glaze mop",
            pv="A01",
            model="roborock.wetdryvac.a56",
            category="roborock.wetdryvac",
            serial="PRETEND0004",
        ),
    ]


def start_of(duid: str, instant: datetime) -> datetime:
    """Return when a robot begins to clean on the (UTC) day of an instant."""
    return _start_on(duid, instant.astimezone(UTC).date())


@lru_cache(maxsize=4096)
def _start_on(duid: str, day: date) -> datetime:
    chance = random.Random(f"{duid} {day}")
    # Early afternoon in UTC: early morning at the studio, before anybody throws.
    return datetime.combine(day, time(12), UTC) + timedelta(minutes=chance.randrange(120))


def live(robot: FakeRobot, instant: datetime, error: int = 0) -> None:
    """Bring a robot to what it is at an instant; ``error`` is the code it is stuck with, 0 for none."""
    does = {"1.0": _V1, "B01": _Q7}.get(robot.pv, _DYAD)
    minutes = (instant - start_of(robot.duid, instant)).total_seconds() / 60
    robot.error_code = error
    robot.state, robot.battery = does.full, _FULL
    if error:
        robot.state, robot.battery = does.stuck, STUCK_AT_PCT
    elif 0 <= minutes < CLEAN_MINUTES:
        robot.state, robot.battery = does.cleaning, _FULL - int(minutes)
    elif 0 <= minutes < CLEAN_MINUTES + CHARGE_MINUTES:
        gained = (minutes - CLEAN_MINUTES) / CHARGE_MINUTES * CLEAN_MINUTES
        robot.state, robot.battery = does.charging, _FULL - CLEAN_MINUTES + int(gained)
    starts = [start_of(robot.duid, instant - timedelta(days=back)) for back in range(_HISTORY_DAYS)]
    robot.records = sorted(int(start.timestamp()) for start in starts if start < instant)
    _wear(robot, max(0, (instant - _FIRST_DAY).days))


def _wear(robot: FakeRobot, days: int) -> None:
    # Parts are changed a little before they are due, so the hours left go up and down for ever.
    worn = days * CLEAN_MINUTES * 60
    robot.consumables = {
        "main_brush_work_time": worn % 1_060_000,
        "side_brush_work_time": worn % 700_000,
        "filter_work_time": worn % 530_000,
        "sensor_dirty_time": worn % 106_000,
    }
    if robot.pv == "B01":
        lives = {"main_brush": 17_500, "side_brush": 11_500, "hypa": 8_800, "main_sensor": 1_750}
        robot.properties = {name: worn // 60 % life for name, life in lives.items()}
