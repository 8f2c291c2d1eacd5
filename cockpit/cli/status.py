"""``studio status``: which parts run, and whether the house is ready."""

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from cockpit.cli.options import print_json, shared
from cockpit.environment import settings_here
from cockpit.home import Home, read_home, read_json
from cockpit.instance import Instance, running_instance

SECONDS_TO_ANSWER = 10


@click.command(short_help="Say which parts run and whether the house is ready.")
@shared
def status(*, home: Path | None, is_json: bool) -> int:
    """Say which parts run and whether the house is ready. Exits 0 only if it is."""
    settings = settings_here(home=home)
    told = describe(settings.home)
    if is_json:
        print_json(told)
    else:
        _print(told)
    return 0 if told["ready"] else 1


def describe(path: Path) -> dict[str, Any]:
    """Return what is known about the instance of a home, running or not."""
    if not path.exists():
        return _not_running(path, "There is no home yet. Start with ./studio up.")
    place = read_home(path)
    instance = running_instance(place)
    if instance is None:
        return _not_running(path, "Nothing is running on this home. Start with ./studio up.")
    return _running(place, instance)


def _not_running(path: Path, reason: str) -> dict[str, Any]:
    return {
        "running": False,
        "ready": False,
        "reasons": [reason],
        "home": str(path),
        "pid": None,
        "url": None,
        "parts": [],
        "history": None,
    }


def _running(place: Home, instance: Instance) -> dict[str, Any]:
    readiness = ask_readiness(instance.url)
    return {
        "running": True,
        "ready": readiness["ready"],
        "reasons": readiness["reasons"],
        "home": str(place.path),
        "pid": instance.pid,
        "url": instance.url,
        "startedAt": instance.started_at,
        "parts": (read_json(place.run / "status.json") or {}).get("parts", []),
        "history": read_json(place.run / "history.json"),
    }


def ask_readiness(url: str) -> dict[str, Any]:
    """Return what ``/readyz`` says; not ready with a reason when nobody answers."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=SECONDS_TO_ANSWER)
    try:
        connection.request("GET", "/readyz")
        said: dict[str, Any] = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return {"ready": False, "reasons": ["The web pages do not answer."]}
    finally:
        connection.close()
    return said


def _print(told: dict[str, Any]) -> None:
    for part in told["parts"]:
        restarts = f", restarted {part['restarts']} times" if part["restarts"] else ""
        detail = f": {part['detail']}" if part["detail"] else ""
        print(f"{part['label']}: {part['phase']}{restarts}{detail}")
    if told["running"]:
        print(f"Pages: {told['url']}/   process {told['pid']}   home {told['home']}")
    print("Ready." if told["ready"] else f"Not ready: {' '.join(told['reasons'])}")
