"""The pretend studio's devices in one hand: a hub, three robots, what is wrong with them, how to reach them.

The robots' library takes a third of a second to load, so it is loaded by ``start`` and not by importing this.
"""

import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twins.hubitat import studio
from twins.hubitat.faults import FAULTS as HUB_FAULTS
from twins.hubitat.server import HubitatTwin
from twins.roborock.faults import ALIASES as ROBOROCK_ALIASES
from twins.roborock.faults import BROKER_KINDS, CLOUD_KINDS, LOCAL_KINDS
from twins.roborock.faults import KINDS as ROBOROCK_FAULTS
from twins.world.device_troubles import DeviceTroubles
from twins.world.settings import WorldSettings

if TYPE_CHECKING:
    from twins.roborock.server import RoborockTwin

HUBITAT, ROBOROCK = "hubitat", "roborock"
HUB_ALIASES: Final = {
    "auth": "401",
    "unavailable": "refused",
    "rate_limited": "429",
    "bad_response": "badjson",
}
"""The connectors' common words for a fault, and what does it at the hub."""

HUB_KINDS: Final = (*HUB_FAULTS, *HUB_ALIASES)
ROBOROCK_KINDS: Final = (*ROBOROCK_FAULTS, *ROBOROCK_ALIASES)
COMMANDS_SHOWN: Final = 20
HUB_SECONDS: Final = 5.0
"""How late a late answer of the hub comes, and how far apart the bytes of a slow one, unless told."""

_AGAIN_SECONDS: Final = 0.5


class DeviceFaultError(ValueError):
    """A fault that cannot strike; the message is a sentence for the person who asked."""


@dataclass(frozen=True, slots=True)
class DeviceWish:
    """Where the devices shall be. Port 0 takes a free one.

    Attributes:
        robot_address: Loopback address of the one robot with a wire of its own; a free one when null.
        session_path: Where the login of the robots' account is written; null for a temporary file.
    """

    hubitat_port: int = 0
    roborock_port: int = 0
    roborock_broker_port: int = 0
    robot_address: str | None = None
    session_path: Path | None = None


class DeviceTwins:
    """Hub and robots, and everything wrong with them. Call ``start`` and ``stop``.

    Args:
        wish: Where they shall be.
        settings: The world they belong to: its seed, and whether anything goes wrong in it.
        now: Tells the instant they live at.

    Raises:
        OSError: when the hub's port is taken.
    """

    def __init__(self, wish: DeviceWish, settings: WorldSettings, now: Callable[[], datetime]) -> None:
        self._wish = wish
        self._seed = settings.seed
        self._now = now
        self._troubles = DeviceTroubles(settings)
        self._lock = threading.Lock()
        self._hub_timer: threading.Timer | None = None
        self._folder: str | None = None
        self.hubitat = HubitatTwin(
            wish.hubitat_port, now=now, devices=studio.pretend_devices(), live=self._live
        )
        self.roborock: RoborockTwin | None = None
        self.session_path = wish.session_path.absolute() if wish.session_path else Path()

    def start(self) -> None:
        """Open every port and write the login.

        Raises:
            OSError: when a port or the robot's address is taken.
        """
        from twins.roborock.server import RoborockTwin  # noqa: PLC0415 - see above

        self.hubitat.start()
        robots = RoborockTwin(
            cloud_port=self._wish.roborock_port,
            broker_port=self._wish.roborock_broker_port,
            now=self._now,
            address=self._wish.robot_address,
            errors=self._troubles.robot_error,
        )
        self.roborock = robots.start()
        if self._wish.session_path is None:
            self._folder = tempfile.mkdtemp(prefix="studio-twin-roborock-")
            self.session_path = Path(self._folder) / "session.json"
        self.roborock.write_session(self.session_path)

    def stop(self) -> None:
        """Close every port and take the login away; safe to repeat."""
        with self._lock:
            self._forget_timer()
            self.hubitat.stop()
        if self.roborock:
            self.roborock.stop()
            self.session_path.unlink(missing_ok=True)
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def environment(self) -> Mapping[str, str]:
        """Return what a client's environment must hold to use these twins."""
        return {
            "STUDIO_HUBITAT_URL": self.hubitat.url,
            "STUDIO_HUBITAT_APP_ID": self.hubitat.app_id,
            "STUDIO_HUBITAT_TOKEN": self.hubitat.token,
            "STUDIO_HUBITAT_SCALE": "F",
            "STUDIO_ROBOROCK_SESSION": str(self.session_path),
        }

    def status(self) -> Mapping[str, Any]:
        """Return how the devices are: addresses, what was asked, and the last commands that arrived."""
        robots = self.roborock
        return {
            HUBITAT: {
                **self.hubitat.status(),
                "commandsSeen": self.hubitat.commands[-COMMANDS_SHOWN:],
            },
            ROBOROCK: None
            if robots is None
            else {
                **robots.status(),
                "email": robots.account.email,
                "sessionFile": str(self.session_path),
                "ids": list(robots.robots),
                "commandsSeen": robots.writes[-COMMANDS_SHOWN:],
            },
        }

    def strike(
        self,
        target: str,
        kind: str,
        *,
        where: str = "",
        count: int | None = None,
        seconds: float | None = None,
        for_seconds: float | None = None,
    ) -> None:
        """Let something go wrong with the hub or the robots from now on.

        A new fault of the hub replaces the one before; those of the robots add up.

        Raises:
            DeviceFaultError: when that cannot strike there.
        """
        if target == HUBITAT:
            if where:
                raise DeviceFaultError("a fault of the hub strikes the whole hub; leave the device out")
            self._strike_hub(kind, count, seconds, for_seconds)
        else:
            self._strike_robots(kind, where, count, seconds, for_seconds)

    def clear(self, target: str) -> None:
        """Take every fault of the hub, or of the robots, back."""
        if target == HUBITAT:
            with self._lock:
                self._forget_timer()
                self.hubitat.clear()
        elif self.roborock:
            self.roborock.faults.clear()
            self.roborock.settle()

    def _strike_hub(
        self, kind: str, count: int | None, seconds: float | None, for_seconds: float | None
    ) -> None:
        with self._lock:
            self._forget_timer()
            self.hubitat.fail(
                HUB_ALIASES.get(kind, kind), times=count, seconds=HUB_SECONDS if seconds is None else seconds
            )
            if for_seconds is not None:
                self._end_later(for_seconds)

    def _end_later(self, seconds: float) -> None:
        self._hub_timer = threading.Timer(seconds, self._end)
        self._hub_timer.daemon = True
        self._hub_timer.start()

    def _end(self) -> None:
        with self._lock:
            # Whoever waited for the lock while another fault took its place is no longer meant.
            if threading.current_thread() is not self._hub_timer:
                return
            try:
                self.hubitat.clear()
            except OSError:
                # The port was closed, and is somebody else's for a moment.
                self._end_later(_AGAIN_SECONDS)

    def _forget_timer(self) -> None:
        if self._hub_timer:
            self._hub_timer.cancel()
            self._hub_timer = None

    def _strike_robots(
        self,
        kind: str,
        where: str,
        count: int | None,
        seconds: float | None,
        for_seconds: float | None,
    ) -> None:
        robots = self.roborock
        if robots is None:
            raise DeviceFaultError("the robots are not there yet; ask again in a second")
        meant = ROBOROCK_ALIASES.get(kind, kind)
        if where:
            if where not in robots.robots:
                raise DeviceFaultError(f"there is no robot {where!r}; there are: {', '.join(robots.robots)}")
            if meant in {*BROKER_KINDS, *CLOUD_KINDS}:
                raise DeviceFaultError(f"{kind} strikes the whole account; leave the robot out")
            if meant in LOCAL_KINDS and not robots.robots[where].ip:
                raise DeviceFaultError(
                    f"{kind} strikes a robot's own wire, and {where} is reached through the broker only"
                )
        robots.faults.add(kind, robot=where or None, count=count, seconds=seconds, for_seconds=for_seconds)
        robots.settle()

    def _live(self, hub: HubitatTwin) -> None:
        now = self._now()
        for device in hub.devices:
            studio.live(device, now, self._seed, self._troubles)
        hub.mode, hub.security = studio.mode_at(now)
