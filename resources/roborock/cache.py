"""What is kept between reads, in one private JSON file: the home, and when what may be asked again.

The home and its robots' keys and addresses are sealed under the login, so the file tells nothing by itself
and dies with the login. Only what a read needs is kept: no names, no places. The instants stay readable,
because the limits of the maker's cloud hold across processes and logins.
"""

import fcntl
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken
from roborock.data import HomeData, NetworkInfo
from roborock.devices.cache import Cache, CacheData, DeviceCacheData

from resources.connector import ConnectorError, Fault
from resources.roborock.session import RoborockSession, write_private

VERSION: Final = 1
HOMES_PER_HOUR: Final = 4
HOMES_PER_DAY: Final = 30
"""The maker allows 5 an hour and 40 a day; a person's own app and a login need some of them."""

HOME_IS_GOOD_FOR: Final = timedelta(hours=4)
DOUBTED_HOME_IS_GOOD_FOR: Final = timedelta(hours=1)
"""A robot paired anew has another key and is silent to the old one, so silence casts doubt on the home."""

FIRST_PAUSE: Final = timedelta(seconds=60)
LONGEST_PAUSE: Final = timedelta(hours=6)
_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_LOCK_SECONDS: Final = 1.0
_HOUR: Final = 3600.0
_DAY: Final = 86400.0


class CacheBusyError(ConnectorError):
    """Another process holds the file for too long; nothing was written."""

    def __init__(self) -> None:
        super().__init__(
            Fault.UNAVAILABLE, "Another process holds the cache of the Roborock connector for too long."
        )


@dataclass(slots=True)
class Memory:
    """What the file holds, opened. Instants are seconds since the epoch.

    Attributes:
        home: The home as the cloud told it, without names; null when none is known to this login.
        home_at: When it was told.
        is_doubted: Whether a robot was silent since.
        robots: Per robot what the library keeps: its address and features.
        attempts: When the home was asked for, within the last day.
        refusals: How often in a row the broker refused this login.
        broker_not_before: Until then the broker is not asked again.
        is_dead: Whether the cloud refused this very login.
    """

    home: dict[str, Any] | None = None
    home_at: float = 0.0
    is_doubted: bool = False
    robots: dict[str, Any] = field(default_factory=dict)
    attempts: list[float] = field(default_factory=list)
    refusals: int = 0
    broker_not_before: float = 0.0
    is_dead: bool = False

    def dialects(self) -> dict[str, str]:
        """Return what each robot's own wire spoke last."""
        return {
            duid: kept["dialect"]
            for duid, kept in self.robots.items()
            if isinstance(kept, dict) and isinstance(kept.get("dialect"), str)
        }

    def is_home_due(self, now: float) -> bool:
        """Return whether the home should be asked for again."""
        limit = DOUBTED_HOME_IS_GOOD_FOR if self.is_doubted else HOME_IS_GOOD_FOR
        # A clock that was set back must not keep an old home for ever.
        return self.home is None or not 0 <= now - self.home_at < limit.total_seconds()

    def note_refusal(self, now: float) -> None:
        """Remember that the broker refused the login: every further time it is left alone twice as long."""
        self.refusals += 1
        pause = FIRST_PAUSE.total_seconds() * 2.0 ** min(self.refusals - 1, 20)
        self.broker_not_before = now + min(pause, LONGEST_PAUSE.total_seconds())


class RoborockCache:
    """The file. Not for concurrent use within a process; processes share it."""

    def __init__(self, path: Path, session: RoborockSession) -> None:
        self._path = path
        self._session = session
        self._seal = Fernet(session.seal_key)

    def load(self) -> Memory:
        """Return what is kept; an empty memory when there is no file, or none that can be read."""
        given = self._given()
        memory = Memory(attempts=_instants(given.get("home_attempts")))
        if given.get("login") != self._session.fingerprint:
            return memory
        memory.refusals = _whole(given.get("broker_refusals"))
        memory.broker_not_before = _instant(given.get("broker_not_before"))
        memory.is_dead = given.get("is_login_dead") is True
        try:
            sealed = json.loads(self._seal.decrypt(str(given.get("sealed"))))
            home, robots = sealed["home"], sealed["robots"]
            home_data(home)
        except (InvalidToken, ValueError, KeyError, TypeError, AttributeError):
            return memory
        memory.home, memory.robots = home, dict(robots)
        memory.home_at, memory.is_doubted = (
            _instant(given.get("home_at")),
            given.get("is_home_doubted") is True,
        )
        return memory

    def save(self, memory: Memory) -> None:
        """Write the memory; attempts that another process noted meanwhile are kept.

        Raises:
            CacheBusyError: when another process holds the file.
        """
        with self._locked():
            self._write(memory)

    def claim_home_read(self, memory: Memory, now: datetime) -> float:
        """Note that the home is being asked for, unless that is too often.

        Returns:
            0 when it may be asked for now, else the seconds until it may.

        Raises:
            CacheBusyError: when another process holds the file, so that nobody knows how often was asked.
        """
        instant = now.timestamp()
        with self._locked():
            attempts = self._attempts(memory, instant)
            wait = max(
                _wait(attempts, HOMES_PER_HOUR, _HOUR, instant), _wait(attempts, HOMES_PER_DAY, _DAY, instant)
            )
            memory.attempts = attempts if wait else [*attempts, instant]
            self._write(memory)
        return wait

    def _attempts(self, memory: Memory, now: float) -> list[float]:
        known = {*memory.attempts, *_instants(self._given().get("home_attempts"))}
        # An instant of the future is a clock's mistake; kept, it would forbid asking for ever.
        return sorted(at for at in known if now - _DAY < at <= now)

    def _write(self, memory: Memory) -> None:
        known = {*memory.attempts, *_instants(self._given().get("home_attempts"))}
        sealed = json.dumps({"home": memory.home, "robots": memory.robots}, default=str)
        kept = {
            "version": VERSION,
            "login": self._session.fingerprint,
            "home_at": memory.home_at,
            "is_home_doubted": memory.is_doubted,
            "home_attempts": sorted(known)[-HOMES_PER_DAY:],
            "broker_refusals": memory.refusals,
            "broker_not_before": memory.broker_not_before,
            "is_login_dead": memory.is_dead,
            "sealed": self._seal.encrypt(sealed.encode()).decode(),
        }
        write_private(self._path, json.dumps(kept, indent=1))

    def _given(self) -> dict[str, Any]:
        try:
            given = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return given if isinstance(given, dict) and given.get("version") == VERSION else {}

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._path.with_name(f".{self._path.name}.lock").open("w") as lock:
            give_up_at = time.monotonic() + _LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > give_up_at:
                        raise CacheBusyError from None
                    time.sleep(0.01)
            yield


class ReadCache(Cache):
    """What the library is given for one read: a home it need not ask for, and room for what it learns."""

    def __init__(self, memory: Memory) -> None:
        robots = {duid: _robot(kept) for duid, kept in memory.robots.items() if isinstance(kept, dict)}
        self._data = CacheData(home_data=home_data(memory.home), device_info=robots)

    async def get(self) -> CacheData:
        """Return the data."""
        return self._data

    async def set(self, value: CacheData) -> None:
        """Keep the data."""
        self._data = value

    def learned(self, dialects: Mapping[str, str]) -> dict[str, Any]:
        """Return what shall be kept of the robots: address, features and dialect, not the network's name."""
        return {
            duid: {
                "ip": info.network_info.ip if info.network_info else None,
                "traits": info.trait_data,
                "dialect": dialects.get(duid),
            }
            for duid, info in self._data.device_info.items()
        }


def home_data(kept: Mapping[str, Any] | None) -> HomeData:
    """Return the library's form of a kept home."""
    home: HomeData = HomeData.from_dict(dict(kept or {"id": 0, "name": ""}))
    return home


def kept_home(home: HomeData) -> dict[str, Any]:
    """Return what is kept of a home: what tells robots apart and reaches them, and no free text.

    Raises:
        ValueError: when a robot's id or a model is none; it would be the name of findings and of evidence.
    """
    names = [device.duid for device in home.get_all_devices()] + [one.model for one in home.products]
    if not all(isinstance(name, str) and _NAME.fullmatch(name) for name in names):
        raise ValueError("The home has a robot without a usable id or model.")
    return {
        "id": home.id,
        "name": "",
        "products": [
            {"id": product.id, "name": "", "model": product.model, "category": product.category.value}
            for product in home.products
        ],
        "devices": [
            {
                "duid": device.duid,
                "name": "",
                "localKey": device.local_key,
                "productId": device.product_id,
                "pv": device.pv,
                "online": device.online,
                # Q7 robots need one for their maps; without it the library gives up on the whole home.
                "sn": device.sn or "unknown",
                "featureSet": device.feature_set,
                "newFeatureSet": device.new_feature_set,
            }
            for device in home.get_all_devices()
        ],
    }


def _robot(kept: Mapping[str, Any]) -> DeviceCacheData:
    ip, traits = kept.get("ip"), kept.get("traits")
    return DeviceCacheData(
        network_info=NetworkInfo(ip=ip) if isinstance(ip, str) else None,
        trait_data=traits if isinstance(traits, dict) else None,
    )


def _wait(attempts: list[float], allowed: int, period: float, now: float) -> float:
    recent = [at for at in attempts if at > now - period]
    return recent[-allowed] + period - now if len(recent) >= allowed else 0.0


def _instants(given: Any) -> list[float]:
    return [_instant(value) for value in given] if isinstance(given, list) else []


def _instant(given: Any) -> float:
    return float(given) if isinstance(given, int | float) and not isinstance(given, bool) else 0.0


def _whole(given: Any) -> int:
    return given if isinstance(given, int) and given >= 0 else 0
