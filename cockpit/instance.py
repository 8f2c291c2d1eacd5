"""The running instance of a home: at most one, found by others through ``run/instance.json``.

The lock is the kernel's (``flock``), so it ends with its holder however that ends. The file says how to
reach the instance; it holds the environment of its parts, secrets included, so only its owner may read it.
"""

import fcntl
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpit.errors import CockpitError
from cockpit.home import Home, read_json, write_json


@dataclass(frozen=True, slots=True)
class Instance:
    """A running supervisor.

    Attributes:
        pid: Process id of the supervisor.
        url: Where its pages are served.
        started_at: ISO instant, UTC.
        environment: What a process needs to work on this instance's data. Holds secrets; never shown.
    """

    pid: int
    url: str
    started_at: str
    environment: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Instance(pid={self.pid}, url={self.url!r})"


class InstanceLock:
    """Held by the one process that may work on a home's data."""

    def __init__(self, home: Home) -> None:
        self._path = home.run / "lock"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock; raise ``CockpitError`` naming the holder when there is one."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _take(descriptor):
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise CockpitError(
                f"Another instance is running on this home (process {holder}).",
                "Use it, stop it with ./studio down, or choose another --home.",
            )
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _take(descriptor: int) -> bool:
    # Somebody who only asks whether there is an instance holds the lock for an instant.
    for _ in range(20):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.02)
    return False


def is_locked(home: Home) -> bool:
    """Say whether a process holds the lock of this home now."""
    try:
        descriptor = os.open(home.run / "lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def publish(home: Home, instance: Instance) -> None:
    """Let other commands find this instance."""
    write_json(
        _file(home),
        {
            "pid": instance.pid,
            "url": instance.url,
            "startedAt": instance.started_at,
            "environment": dict(instance.environment),
        },
    )


def withdraw(home: Home) -> None:
    """Remove what :func:`publish` wrote."""
    with suppress(FileNotFoundError):
        _file(home).unlink()


def running_instance(home: Home) -> Instance | None:
    """Return the instance that runs on this home now; a file that a dead one left does not count."""
    said: dict[str, Any] | None = read_json(_file(home)) if is_locked(home) else None
    if said is None:
        return None
    return Instance(int(said["pid"]), said["url"], said["startedAt"], said["environment"])


def _file(home: Home) -> Path:
    return home.run / "instance.json"
