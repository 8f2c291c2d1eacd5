"""Robots of one's choice, and the real client on their wires."""

import itertools
import os
from datetime import UTC, datetime, timedelta

from resources.roborock.live import LiveRoborock
from twins.roborock.account import Account
from twins.roborock.robots import FakeRobot

DEADLINE = 3.0
_NUMBERS = itertools.count(1)

CANARIES = Account(
    email="canary-mail-7f3a@studio.example",
    token="canary-token-91b2",
    user="canary-user-55d0",
    password="canary-password-c81e",
    signing_key="canary-signing-2a67",
    sealing_key="canary-sealing-e94f",
)
CANARY_KEY = "canary-localkey1"
CANARY_WORDS = ("canary", "Pretend robot", "Pretend studio", "Glaze room")


class MovableClock:
    """A clock a test may put forward."""

    def __init__(self):
        self.moved = timedelta()

    def now(self):
        return datetime.now(UTC) + self.moved


def next_address():
    """Return a loopback address of this process's own; the robots' port is built into the client."""
    number = next(_NUMBERS)
    return f"127.{128 + os.getpid() % 100}.{number // 200 + 1}.{number % 200 + 2}"


def vacuum(duid="robot-v1", **given):
    """Return a vacuum that is reachable on its own wire and through the broker."""
    return FakeRobot(duid, CANARY_KEY, given.pop("ip", None) or next_address(), **given)


def fleet():
    """Return one robot of each family."""
    return [
        vacuum("robot-v1", battery=61),
        FakeRobot("robot-q7", CANARY_KEY, pv="B01", model="roborock.vacuum.sc05", state=4, battery=73),
        FakeRobot("robot-q10", CANARY_KEY, pv="B01", model="roborock.vacuum.ss07", state=8, battery=55),
        FakeRobot(
            "robot-zeo", CANARY_KEY, pv="A01", model="roborock.wm.a102", category="roborock.wm", state=1
        ),
        FakeRobot(
            "robot-dyad",
            CANARY_KEY,
            pv="A01",
            model="roborock.wetdryvac.a56",
            category="roborock.wetdryvac",
            state=3,
            battery=88,
        ),
    ]


class Studio:
    """A twin, and a connector that reads it."""

    def __init__(self, twin, folder):
        self.twin = twin
        self.session_path = folder / "session.json"
        self.cache_path = folder / "cache.json"
        self.clock = MovableClock()
        twin.write_session(self.session_path)
        self.connector = LiveRoborock(self.session_path, self.cache_path, self.clock)

    def read(self, deadline=DEADLINE):
        return self.connector.read(deadline)

    def break_(self, kind, **given):
        self.twin.faults.add(kind, **given)
        self.twin.settle()

    def mend(self):
        self.twin.faults.clear()
        self.twin.settle()
