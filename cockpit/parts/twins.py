"""The part that is the pretend studio: all twins and the world that lives in them."""

import errno
import json
import os
import shlex
import socket
from collections.abc import MutableMapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from cockpit.parts.python_part import Environment, PythonPart
from cockpit.world import World

EXPORT: Final = "export "
_ROBOT_PORT: Final = 58867
_TRIES, _STRIDE = 64, 7919


class TwinsPart(PythonPart):
    """Ready once the world has reached the present. Its addresses stay the same when it is started again.

    Args:
        world: Which pretend studio.
        environment: Makes the environment.
        told: Takes what a client of the twins needs to know.
        writer_file: Where the twins put the token with which an execution run may write.
        session_file: Where they put the login of the robots' account.
    """

    def __init__(
        self,
        world: World,
        environment: Environment,
        *,
        told: MutableMapping[str, str],
        writer_file: Path,
        session_file: Path,
    ) -> None:
        firestore, stripe, control, identity, hub, robots, broker = _free_ports(7)
        argv = [
            "twins", "up", "--seed", str(world.seed), "--size", world.size, "--first-day", world.first_day,
            "--firestore-port", str(firestore), "--stripe-port", str(stripe), "--control-port", str(control),
            "--identity-port", str(identity), "--write-credentials", str(writer_file), "--live",
            "--hubitat-port", str(hub), "--roborock-port", str(robots), "--roborock-broker-port", str(broker),
            "--roborock-session", str(session_file), "--robot-address", _free_robot_address(),
        ]  # fmt: skip
        if world.is_calm:
            argv.append("--no-incidents")
        super().__init__("twins", "Pretend studio", argv, environment, start_limit_seconds=900.0)
        self._told = told
        self._has_caught_up = False

    def reset(self) -> None:
        """Forget what an earlier process said; its addresses stay."""
        super().reset()
        self._has_caught_up = False

    def hear(self, line: str) -> None:
        """Take in addresses and progress."""
        if line.startswith(EXPORT):
            name, _, value = line.removeprefix(EXPORT).partition("=")
            self._told[name] = "".join(shlex.split(value))
        elif line.startswith("{"):
            self._progress(_object(line))

    def probe(self) -> bool:
        """Return whether the world has reached the present."""
        return self._has_caught_up

    def _progress(self, said: dict[str, Any]) -> None:
        if said.get("event") == "world:history:ready":
            self._has_caught_up = True
            self.detail = f"{said.get('documents')} documents"
        elif said.get("event") == "world:history:progress":
            self.detail = f"day {said.get('done')} of {said.get('of')}"


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _free_robot_address() -> str:
    """Return a loopback address for the one robot with a wire of its own; empty where there is none.

    The robots' port is built into their client, so every house on a machine needs an address of its own;
    where a house begins to look follows from its process.
    """
    for number in range(os.getpid(), os.getpid() + _TRIES * _STRIDE, _STRIDE):
        address = f"127.{number % 32 + 32}.{number // 32 % 254 + 1}.{number // (32 * 254) % 250 + 2}"
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, _ROBOT_PORT))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                return ""  # not every system has all of 127.0.0.0/8; the robot is behind the broker only
        return address
    return ""
