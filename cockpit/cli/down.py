"""``studio down``: stop what ``up`` started."""

import os
import signal
from pathlib import Path

import click

from cockpit.cli.options import print_json, shared
from cockpit.environment import settings_here
from cockpit.errors import CockpitError
from cockpit.home import Home, read_home
from cockpit.instance import InstanceLock, running_instance, withdraw
from cockpit.processes import Registry, end_relatives, wait_for_end
from resources.postgres.leftovers import stop_server

PATIENCE_SECONDS = 60.0


@click.command(short_help="Stop what `up` started.")
@shared
def down(*, home: Path | None, is_json: bool) -> int:
    """Stop the instance of a home, in good order, and wait for its end. Nothing running is fine, too."""
    settings = settings_here(home=home)
    has_stopped, ended = False, 0
    if settings.home.exists():
        place = read_home(settings.home)
        instance = running_instance(place)
        if instance is not None:
            _stop(instance.pid)
            has_stopped = True
        ended = _clear(place)
    if is_json:
        print_json({"stopped": has_stopped, "leftoversEnded": ended, "home": str(settings.home)})
    elif has_stopped:
        print("Stopped.")
    else:
        print(f"Nothing was running{f'; {ended} leftover processes were ended' if ended else ''}.")
    return 0


def _stop(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except PermissionError:
        raise CockpitError(
            f"Process {pid} belongs to somebody else.", "Run this command as the user who ran ./studio up."
        ) from None
    except ProcessLookupError:
        return
    if not wait_for_end(pid, seconds=PATIENCE_SECONDS):
        # INVARIANT: its parts are tied to it by the kernel and end with it.
        os.kill(pid, signal.SIGKILL)
        wait_for_end(pid, seconds=5)


def _clear(place: Home) -> int:
    """End what an instance that was killed left: its parts, and its database server."""
    lock = InstanceLock(place)
    lock.acquire()
    try:
        ended = len(Registry(place).clear_leftovers()) + end_relatives(place, patience_seconds=5)
        ended += stop_server(place.postgres)
        withdraw(place)
    finally:
        lock.release()
    return ended
