"""Checks of this machine: Python, packages, disk, home directory, port, browser."""

import importlib.metadata
import os
import re
import shutil
import stat
import sys
from pathlib import Path
from typing import Final

from cockpit.doctor.finding import Finding
from cockpit.errors import CockpitError
from cockpit.home import CHECKOUT, read_home
from cockpit.house import refuse_taken_port
from cockpit.instance import running_instance
from resources.settings import Settings

OLDEST_PYTHON: Final = (3, 11)
NEEDED_BYTES: Final = 1_000_000_000
_PIN: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)(?:\s*;\s*([^\\]+))?", re.MULTILINE)


def check_machine(settings: Settings) -> list[Finding]:
    """Return what was found on this machine; changes nothing."""
    return [
        check_python(),
        check_packages(CHECKOUT / "requirements" / "runtime.txt"),
        check_home(settings.home),
        check_disk(settings.home),
        check_port(settings),
        check_browser(),
    ]


def check_python() -> Finding:
    """Is Python new enough."""
    detail = sys.version.split()[0]
    if sys.version_info < OLDEST_PYTHON:  # pragma: no cover - the launcher refuses it first
        return Finding("python", f"Python {detail} is too old.", "Install Python 3.11 or newer.", detail)
    return Finding("python", detail=detail)


def check_packages(lock: Path) -> Finding:
    """Are the locked packages installed, in the locked versions."""
    wrong = []
    pins = _pins(lock.read_text(encoding="utf-8"))
    for name, version in pins.items():
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        if installed != version:
            wrong.append(f"{name} is {installed}, not {version}")
    if wrong:
        return Finding(
            "packages",
            f"{len(wrong)} of {len(pins)} packages differ from the lock: {', '.join(wrong[:5])}.",
            f'Remove the virtual environment (rm -rf "{CHECKOUT / ".venv"}") and run ./studio again.',
        )
    return Finding("packages", detail=f"{len(pins)} packages as locked")


def _pins(lock: str) -> dict[str, str]:
    from packaging.markers import Marker  # noqa: PLC0415 - only this check needs it

    return {
        name: version
        for name, version, marker in _PIN.findall(lock)
        if not marker.strip() or Marker(marker.strip()).evaluate()
    }


def check_home(path: Path) -> Finding:
    """Is the home directory ours, writable and private."""
    above = next(each for each in (path, *path.parents) if each.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        return Finding("home", f"{above} may not be written.", "Change its owner, or choose another --home.")
    if above != path:
        return Finding("home", detail=f"{path} will be made at the first start")
    try:
        if any(path.iterdir()):
            read_home(path)
    except CockpitError as error:
        return Finding("home", error.what, error.remedy)
    if stat.S_IMODE(path.stat().st_mode) & 0o007:
        return Finding(
            "home",
            f"Everybody on this machine may look into {path}.",
            f'chmod o= "{path}"',
            is_needed=False,
        )
    return Finding("home", detail=str(path))


def check_disk(path: Path) -> Finding:
    """Is there room for the history."""
    above = next(each for each in (path, *path.parents) if each.exists())
    free = shutil.disk_usage(above).free
    detail = f"{free / 1e9:.1f} GB free"
    if free < NEEDED_BYTES:
        return Finding(
            "disk", f"The disk is nearly full: {detail} at {above}.", "Free at least 1 GB.", detail
        )
    return Finding("disk", detail=detail)


def check_port(settings: Settings) -> Finding:
    """Is the port of the pages free, or ours."""
    detail = f"{settings.host}:{settings.port}"
    if is_running(settings.home):
        return Finding("port", detail="in use by the running instance")
    try:
        refuse_taken_port(settings.host, settings.port)
    except CockpitError as error:
        return Finding("port", error.what, error.remedy, detail)
    return Finding("port", detail=detail)


def check_browser() -> Finding:
    """Is there a browser for the page tests; nothing else needs one."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        return Finding(
            "browser",
            "There is no Chromium, so the tests of the pages' look are skipped.",
            "Debian, Ubuntu: apt install chromium.",
            is_needed=False,
        )
    return Finding("browser", detail=found, is_needed=False)


def is_running(path: Path) -> bool:
    """Say whether an instance runs on a home."""
    try:
        return running_instance(read_home(path)) is not None
    except (CockpitError, OSError):
        return False
