"""One process with all twins, their control server and, unless asked not to, a world in them.

The clock is pinned to the simulated past before the first port opens: whatever a client reads early, it reads
in the past, and the history can still be written behind it.
"""

import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Self, TypeVar

import stripe

from twins.control import Control
from twins.devices import DeviceTwins, DeviceWish
from twins.firestore.server import FirestoreTwin
from twins.identity.server import IdentityTwin
from twins.stripe.access import READER_KEY, WORLD_KEY
from twins.stripe.server import StripeTwin
from twins.world import almanac
from twins.world.bulk import BulkWriter
from twins.world.clock import WorldClock
from twins.world.demo_agents import DemoAgents
from twins.world.plan import WARM_UP_DAYS, opening_of
from twins.world.runner import Report, WorldRunner
from twins.world.settings import SMALL, Size, WorldSettings
from twins.world.world import World
from twins.world.writer import Writer
from twins.writers import CredentialsFile, WriterTokens, world_client

T = TypeVar("T")
PROJECT = "monsoonfire-portal"
DEFAULT_DAYS, DEFAULT_SEED = 60, 1
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class TwinsWish:
    """What to run. Port 0 takes a free one.

    Attributes:
        first_day: First studio-local day of the history; ``days`` before today when null.
        is_empty: No world: the twins hold nothing.
        credentials_path: Where the execution run's token is written; null for a temporary file.
        devices: Where the pretend devices are.
    """

    seed: int = DEFAULT_SEED
    days: int = DEFAULT_DAYS
    first_day: date | None = None
    size: Size = field(default=SMALL)
    is_empty: bool = False
    is_live: bool = False
    has_incidents: bool = True
    firestore_port: int = 0
    stripe_port: int = 0
    control_port: int = 0
    credentials_path: Path | None = None
    identity_port: int = 0
    devices: DeviceWish = field(default_factory=DeviceWish)

    def settings(self, today: date) -> WorldSettings:
        """Return the settings of the world, as seen from a studio-local day."""
        first_day = self.first_day or today - timedelta(days=self.days)
        return WorldSettings(self.seed, first_day, self.size, has_incidents=self.has_incidents)


class PortTakenError(Exception):
    """A port is taken; the message names it and the remedy."""


class TwinsProcess:
    """The twins of one process. Use it as a context manager, or call ``start`` and ``stop``.

    Raises:
        PortTakenError: when a wanted port is taken.
    """

    def __init__(self, wish: TwinsWish, report: Report) -> None:
        self._report = report
        settings = wish.settings(almanac.day_of(datetime.now(UTC)))
        self._tokens = WriterTokens()
        self.firestore = _bind(
            "--firestore-port",
            wish.firestore_port,
            lambda port: FirestoreTwin(port, writers=self._tokens.by_writer()),
        )
        self._clock = WorldClock(self.firestore.clock)
        if not wish.is_empty:
            self._clock.set(opening_of(settings) - timedelta(days=WARM_UP_DAYS + 1))
        self.stripe = StripeTwin(wish.stripe_port, now=self._clock.now)
        self.identity = _bind("--identity-port", wish.identity_port, lambda port: IdentityTwin(PROJECT, port))
        # Empty twins have devices, too, but nothing is wrong with them.
        lived = replace(settings, has_incidents=settings.has_incidents and not wish.is_empty)
        for option, port in (
            ("--roborock-port", wish.devices.roborock_port),
            ("--roborock-broker-port", wish.devices.roborock_broker_port),
        ):
            _bind(option, port, lambda _: None)  # they are opened later, but refused before anything is
        self.devices = _bind(
            "--hubitat-port",
            wish.devices.hubitat_port,
            lambda port: DeviceTwins(replace(wish.devices, hubitat_port=port), lived, self._clock.now),
        )
        self.control = _bind(
            "--control-port",
            wish.control_port,
            lambda port: Control(
                self.firestore,
                self.stripe,
                self._describe_world,
                port,
                identity=self.identity,
                agents=lambda: DemoAgents(self._documents),
                devices=self.devices,
            ),
        )
        self._wish = wish
        self._settings = settings
        self.runner: WorldRunner | None = None
        self._documents: Any = None
        self._credentials: CredentialsFile | None = None

    def start(self) -> Self:
        """Open the ports and begin the world; returns at once."""
        self.firestore.start()
        self._credentials = CredentialsFile(self._wish.credentials_path, self._tokens.execution)
        self._documents = world_client(self.firestore.host, PROJECT, self._tokens.world)
        _bind("--stripe-port", self._wish.stripe_port, lambda _: self.stripe.start())
        self.identity.start()
        self.control.start()
        if not self._wish.is_empty:
            self.runner = self._begin_world()
        try:
            # Last, because loading the robots takes a moment, in which the world is on its way already.
            self.devices.start()
        except OSError as error:
            self.stop()
            raise PortTakenError(
                f"The pretend devices could not be started ({error.strerror}); everything was stopped again."
                " Give another --robot-address, or leave it out."
            ) from error
        return self

    def stop(self) -> None:
        """Stop the world after the step in hand, then the servers."""
        if self.runner:
            self.runner.stop()
        self.control.stop()
        self.devices.stop()
        self.identity.stop()
        self.stripe.stop()
        if self._documents and not self.runner:
            self._documents.close()
        self.firestore.stop()
        if self._credentials:
            self._credentials.remove()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def environment(self) -> Mapping[str, str]:
        """Return what a client's environment must hold to use these twins."""
        return {
            "FIRESTORE_EMULATOR_HOST": self.firestore.host,
            "STUDIO_STRIPE_API_BASE": self.stripe.base_url,
            "STUDIO_STRIPE_KEY": READER_KEY,
            "STUDIO_FIRESTORE_PROJECT": PROJECT,
            "STUDIO_TWINS_CONTROL": self.control.url,
            "STUDIO_WRITE_CREDENTIALS": str(self._credentials.path) if self._credentials else "",
            "STUDIO_IDENTITY_KEYS_URL": self.identity.keys_url,
            "STUDIO_IDENTITY_ACCOUNTS_URL": self.identity.accounts_url,
            **self.devices.environment,
        }

    def _begin_world(self) -> WorldRunner:
        # The SDK's telemetry would leave an id under the user's home directory.
        stripe.enable_telemetry = False
        payments = stripe.StripeClient(WORLD_KEY, base_addresses={"api": self.stripe.base_url})
        bulk = BulkWriter(self.firestore.host, PROJECT, self._tokens.world)
        world = World(self._settings, Writer(self._documents, payments, self._clock, bulk))
        runner = WorldRunner(world, self._clock, is_live=self._wish.is_live, report=self._report)
        runner.start()
        return runner

    def _describe_world(self) -> Mapping[str, Any] | None:
        return self.runner.describe() if self.runner else None


def run(wish: TwinsWish, announce: Callable[[Mapping[str, str]], None], report: Report) -> int:
    """Run until SIGINT or SIGTERM, or until the world fails; return the exit code.

    Args:
        wish: What to run.
        announce: Called once, with the client's environment, as soon as the servers listen.
        report: Called with an event name and fields.

    Raises:
        PortTakenError: when a wanted port is taken.
    """
    asked: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        # An event would have a lock, which this very thread may hold while it waits.
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with TwinsProcess(wish, report) as twins:
        announce(twins.environment)
        while not asked:
            if twins.runner and twins.runner.failure:
                return 1
            time.sleep(_LOOK_SECONDS)
    return 0


def _bind(option: str, port: int, make: Callable[[int], T]) -> T:
    try:
        # Asked first by hand: gRPC would complain about a taken port on standard error, in its own words.
        socket.create_server(("127.0.0.1", port)).close()
        return make(port)
    except OSError as error:
        raise PortTakenError(
            f"Port {port} on 127.0.0.1 is taken; nothing was started."
            f" Give another one with {option}, or 0 for any free one."
        ) from error
