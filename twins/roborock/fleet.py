"""The pretend studio's own robots, and their days: they clean, run down, charge, and sometimes get stuck.

What a robot does at an instant follows from its seed and the instant alone, so that a restart changes
nothing.
"""

import os
import random
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from twins.roborock.robots import FakeRobot

CLEAN_MINUTES: Final = 55
CHARGE_MINUTES: Final = 150
STUCK_AFTER_MINUTES: Final = 20
STUCK_FOR_MINUTES: Final = 90
ONE_DAY_IN: Final = 9
"""A robot gets stuck about once in so many days."""

_ERRORS: Final = (5, 8, 12)  # a jammed brush, trapped, a low battery
_HISTORY_DAYS: Final = 30
_FIRST_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)
_CHARGING, _CLEANING, _ERROR, _FULL = 8, 5, 12, 100


def own_addresses() -> str:
    """Return the start of loopback addresses that no other process on this machine uses by chance."""
    number = os.getpid()
    return f"127.{64 + number % 128}.{number // 128 % 254 + 1}."


def studio_robots(addresses: str) -> list[FakeRobot]:
    """Return the studio's two vacuums: one beside the wheels, one in the kiln room."""
    return [
        FakeRobot(
            "pretend-throwing-room",
            "throwing-room-k1",
            f"{addresses}2",
            name="Wheel sweeper",
            model="roborock.vacuum.a70",
            serial="PRETEND0002",
        ),
        FakeRobot(
            "pretend-kiln-room",
            "kiln-room-key-02",
            f"{addresses}3",
            name="Kiln sweeper",
            model="roborock.vacuum.a27",
            serial="PRETEND0003",
            dialect="L01",
        ),
    ]


@dataclass(frozen=True, slots=True)
class Day:
    """One robot's day: when it cleans (UTC), and the error that ends the clean; 0 for none."""

    start: datetime
    error: int


def day_of(duid: str, instant: datetime) -> Day:
    """Return the day a robot has."""
    midnight = datetime.combine(instant.astimezone(UTC).date(), time(), UTC)
    chance = random.Random(f"{duid} {midnight.date()}")
    # Early afternoon in UTC: early morning at the studio, before anybody throws.
    start = midnight + timedelta(hours=12, minutes=chance.randrange(120))
    return Day(start, chance.choice(_ERRORS) if chance.randrange(ONE_DAY_IN) == 0 else 0)


def live(robot: FakeRobot, instant: datetime) -> None:
    """Bring a robot to what it is at an instant."""
    day = day_of(robot.duid, instant)
    minutes = (instant - day.start).total_seconds() / 60
    robot.error_code = 0
    robot.state, robot.battery = _FULL, 100
    if minutes >= 0:
        lost = CLEAN_MINUTES if not day.error else STUCK_AFTER_MINUTES
        still = STUCK_FOR_MINUTES if day.error else 0
        if minutes < lost:
            robot.state, robot.battery = _CLEANING, 100 - int(minutes)
        elif minutes < lost + still:
            robot.state, robot.battery, robot.error_code = _ERROR, 100 - lost, day.error
        elif minutes < lost + still + CHARGE_MINUTES:
            gained = (minutes - lost - still) / CHARGE_MINUTES * lost
            robot.state, robot.battery = _CHARGING, 100 - lost + int(gained)
    days = [instant - timedelta(days=back) for back in range(_HISTORY_DAYS)]
    starts = [day_of(robot.duid, one).start for one in days]
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
