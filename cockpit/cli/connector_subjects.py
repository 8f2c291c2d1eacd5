"""Every connector on its twin, as the contract suite asks for it: one class and one row per connector."""

import http.client
import itertools
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, Self
from urllib.parse import urlsplit

from resources.clock import SystemClock
from resources.connector import Connector
from resources.connectors.contract.subject import Subject, Trouble
from resources.connectors.contract.verify import verify
from resources.hubitat.gateway import CONNECTOR_ID, HubitatAddress
from resources.hubitat.live import HubitatConnector
from resources.roborock.live import LiveRoborock
from twins.hubitat.server import APP_ID, HubitatTwin
from twins.roborock.account import Account
from twins.roborock.robots import FakeRobot
from twins.roborock.server import RoborockTwin

_HUB_CANARY: Final = "canary-hub-3c7d90"
_ROBOT_CANARIES: Final = Account(
    email="canary-mail-1@studio.example",
    token="canary-token-2",  # noqa: S106 - opens the twin only
    user="canary-user-3",
    password="canary-password-4",  # noqa: S106 - as above
    signing_key="canary-signing-5",
    sealing_key="canary-sealing-6",
)
_ROBOT_KEY: Final = "canary-robotkey7"
_NUMBERS: Final = itertools.count(1)


class PretendSubject(Subject, Protocol):
    """A subject that owns its twin: use it as a context manager."""

    def __enter__(self) -> Self:
        """Start the twin."""

    def __exit__(self, *_: object) -> None:
        """Stop it."""


class HubitatSubject:
    """The Hubitat connector on the pretend hub."""

    connector_id = CONNECTOR_ID
    secrets: Sequence[str] = (_HUB_CANARY,)
    deadline_seconds = 0.8
    is_pretend = True
    _faults: Final = {
        Trouble.AUTH: "401",
        Trouble.TIMEOUT: "timeout",
        Trouble.UNAVAILABLE: "refused",
        Trouble.RATE_LIMITED: "429",
        Trouble.BAD_RESPONSE: "badjson",
    }

    def __init__(self) -> None:
        self._twin = HubitatTwin(token=_HUB_CANARY)

    def __enter__(self) -> Self:
        """Start the twin."""
        self._twin.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._twin.stop()

    def connector(self) -> Connector:
        """Return a new connector to the twin."""
        return HubitatConnector(HubitatAddress(self._twin.url, APP_ID, _HUB_CANARY), SystemClock())

    def strike(self, trouble: Trouble) -> None:
        """Let the hub be in trouble."""
        self._twin.fail(self._faults[trouble])

    def heal(self) -> None:
        """Let the hub be well."""
        self._twin.clear()

    def requests(self) -> int:
        """Return how many requests arrived."""
        return self._twin.requests

    def commands(self) -> Sequence[str]:
        """Return the commands that arrived."""
        return self._twin.commands

    def act_unguarded(self) -> None:
        """Switch the pretend outlet off, without our client."""
        _ask(self._twin.url, "GET", f"/apps/api/{APP_ID}/devices/13/off?access_token={_HUB_CANARY}")


class RoborockSubject:
    """The Roborock connector on one pretend robot, its broker and its cloud."""

    connector_id = LiveRoborock.connector_id
    secrets: Sequence[str] = (
        *(_ROBOT_CANARIES.email, _ROBOT_CANARIES.token, _ROBOT_CANARIES.user, _ROBOT_CANARIES.password),
        *(_ROBOT_CANARIES.signing_key, _ROBOT_CANARIES.sealing_key, _ROBOT_KEY),
    )
    deadline_seconds = 3.0
    is_pretend = True
    # A robot is reached in two ways and its home is told by a third: trouble strikes all that would help.
    _faults: Final = {
        Trouble.AUTH: ("broker_refuses", "cloud_401"),
        Trouble.TIMEOUT: ("mute",),
        Trouble.UNAVAILABLE: ("off", "broker_down"),
        Trouble.RATE_LIMITED: ("cloud_rate_limited",),
        Trouble.BAD_RESPONSE: ("cloud_bad_json",),
    }

    def __init__(self) -> None:
        number = next(_NUMBERS)
        # The robots' port is built into the library, so that every robot needs an address of its own.
        ip = f"127.{128 + os.getpid() % 100}.250.{number % 250 + 1}"
        self._twin = RoborockTwin([FakeRobot("robot-1", _ROBOT_KEY, ip)], account=_ROBOT_CANARIES)
        self._folder = tempfile.TemporaryDirectory(prefix="connector-contract-")
        self._session = Path(self._folder.name) / "session.json"

    def __enter__(self) -> Self:
        """Start the twin."""
        self._twin.start()
        self._twin.write_session(self._session)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._twin.stop()
        self._folder.cleanup()

    def connector(self) -> Connector:
        """Return a new connector with an empty cache."""
        return LiveRoborock(self._session, Path(self._folder.name) / f"cache-{next(_NUMBERS)}.json")

    def strike(self, trouble: Trouble) -> None:
        """Let robot, broker or cloud be in trouble."""
        for kind in self._faults[trouble]:
            self._twin.faults.add(kind)
        self._twin.settle()

    def heal(self) -> None:
        """Let all be well."""
        self._twin.faults.clear()
        self._twin.settle()

    def requests(self) -> int:
        """Return how many questions arrived anywhere."""
        questions = sum(len(robot.seen) for robot in self._twin.robots.values())
        return questions + len(self._twin.cloud_calls) + self._twin.broker_logins

    def commands(self) -> Sequence[str]:
        """Return the commands that arrived anywhere."""
        return self._twin.writes

    def act_unguarded(self) -> None:
        """Ask the pretend cloud to start a scene, without our client."""
        _ask(self._twin.cloud_url, "POST", "/user/scene/1/execute")


SUBJECTS: Final[Sequence[Callable[[], PretendSubject]]] = (HubitatSubject, RoborockSubject)


def connector_id_of(subject: Callable[[], PretendSubject]) -> str:
    """Return the id of the connector that a subject stands for."""
    return str(getattr(subject, "connector_id"))  # noqa: B009 - a class attribute behind a callable's type


def verify_on_twins(
    subjects: Sequence[Callable[[], PretendSubject]] = SUBJECTS,
) -> Mapping[str, Sequence[Mapping[str, object]]]:
    """Hold every connector to its promises on its own twin; return what ``verify --json`` prints."""
    verdicts = []
    for make in subjects:
        with make() as subject:
            verdicts.append(verify(subject).as_json())
    return {"connectors": verdicts}


def _ask(base_url: str, method: str, path: str) -> None:
    split = urlsplit(base_url)
    connection = http.client.HTTPConnection(split.hostname or "", split.port, timeout=5)
    connection.request(method, path)
    connection.getresponse().read()
    connection.close()
