"""A pretend hub and pretend robots in a process of their own, for benchmarks: told what to do by JSON lines.

In the measured process they would be measured, too: their threads, sockets and memory beside the client's.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
_KEY = "bench-robot-key0"


class TwinsApart:
    """Twins with as many devices each as asked for; use it as a context manager.

    Attributes:
        hub_url: Where the hub is.
        addresses: Every robot's own address by id; empty where it has none.
    """

    def __init__(self, devices: int, session: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.connector_twins", str(devices), str(session)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        told = self._hear()
        self.hub_url: str = told["hub"]
        self.addresses: Mapping[str, str] = told["addresses"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def fail(self, connector: str, *kinds: str) -> None:
        """Let the hub or everything of the robots' be in trouble; kinds as the twins name them."""
        self._ask(do="fail", connector=connector, kinds=kinds)

    def clear(self, connector: str) -> None:
        """Let it be well."""
        self._ask(do="clear", connector=connector)

    def status(self) -> Mapping[str, Any]:
        """Return what the twins saw: ``requests``, ``acts`` (commands that arrived), ``connections``."""
        return self._ask(do="status")

    def _ask(self, **question: Any) -> Mapping[str, Any]:
        if self._process.stdin is None:  # pragma: no cover - for the type checker
            raise RuntimeError("no pipe")
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> Mapping[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError("the twins ended")
        heard: Mapping[str, Any] = json.loads(line)
        return heard


def _serve(devices: int, session: Path) -> None:
    from twins.hubitat.devices import studio_devices
    from twins.hubitat.server import HubitatTwin
    from twins.roborock.server import RoborockTwin

    hub = HubitatTwin()
    kinds = studio_devices()
    while len(kinds) < devices:
        kinds += studio_devices()
    hub.devices = kinds[:devices]
    for number, device in enumerate(hub.devices, 11):
        device.device_id = str(number)
    with hub, RoborockTwin(_robots(devices)) as robots:
        robots.write_session(session)
        _tell({"hub": hub.url, "addresses": {duid: robot.ip for duid, robot in robots.robots.items()}})
        for line in sys.stdin:
            question = json.loads(line)
            match question["do"], question.get("connector"):
                case "fail", "hubitat":
                    (kind,) = question["kinds"]
                    hub.fail(kind)
                case "clear", "hubitat":
                    hub.clear()
                case "fail", _:
                    for kind in question["kinds"]:
                        robots.faults.add(kind)
                    robots.settle()
                case "clear", _:
                    robots.faults.clear()
                    robots.settle()
            asked = sum(len(robot.seen) for robot in robots.robots.values())
            _tell(
                {
                    "requests": {"hubitat": hub.requests, "roborock": asked + len(robots.cloud_calls)},
                    "acts": [*hub.commands, *robots.writes],
                    "connections": robots.open_connections,
                }
            )


def _robots(devices: int) -> Sequence[Any]:
    """Return robots of three families, most of them vacuums with a wire of their own."""
    from twins.roborock.robots import FakeRobot

    start = f"127.{32 + os.getpid() % 96}.{os.getpid() // 96 % 254 + 1}."
    families: Sequence[Mapping[str, Any]] = (
        {"ip": True},
        {"pv": "B01", "model": "roborock.vacuum.sc05", "state": 4},
        {"ip": True},
        {"pv": "A01", "model": "roborock.wetdryvac.a56", "category": "roborock.wetdryvac", "state": 3},
        {"ip": True},
    )
    robots = []
    for number in range(devices):
        given = dict(families[number % len(families)])
        ip = f"{start}{number + 2}" if given.pop("ip", False) else ""
        robots.append(FakeRobot(f"robot-{number}", _KEY, ip, **given))
    return robots


def _tell(told: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), Path(sys.argv[2]))
