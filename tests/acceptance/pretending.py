"""Runs a pretend studio for tests that watch it from outside, and takes it down whatever happens."""

import contextlib
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import psutil
import pytest

from tests.acceptance.governed import Studio
from tests.acceptance.house import House

DEPARTMENTS = ("operations", "finance", "marketing", "trust_safety")


def zone_at(hour):
    """Return a timezone where it is that hour of the day now; their names count westwards."""
    ahead = (hour - datetime.now(UTC).hour + 11) % 24 - 11
    return f"Etc/GMT{-ahead:+d}"


HOLD = """
import fcntl, sys
days = open(sys.argv[1], "a")
fcntl.lockf(days, fcntl.LOCK_EX, int(sys.argv[2]))
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def past_at_rest(house):
    """Hold all past days, so that none is rebuilt: findings are of today, and rebuilding is tested elsewhere.

    By another process: a lock ends when its process closes the file anywhere, as commands do here.
    """
    today = datetime.now(ZoneInfo(house.environment["STUDIO_TIMEZONE"])).date()
    argv = [sys.executable, "-c", HOLD, str(house.home / "run" / "days.lock"), str(today.toordinal())]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        yield  # it ends when its input does


@contextlib.contextmanager
def living(house, *arguments):
    """Give a running pretend studio that is always taken down, without a process left.

    Commands called in this process find nothing of ours in its environment but the house's timezone.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("STUDIO_") or name == "FIRESTORE_EMULATOR_HOST":
                patch.delenv(name)
        if "STUDIO_TIMEZONE" in house.environment:
            patch.setenv("STUDIO_TIMEZONE", house.environment["STUDIO_TIMEZONE"])
        try:
            house.start(*arguments)
            house.wait_ready()
            yield Studio(house)
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):
                house.stop()
            left = house.processes()
            for process in left:
                with contextlib.suppress(psutil.Error):
                    process.kill()
    assert not left, f"left behind: {left}"


@contextlib.contextmanager
def pretending(home, *arguments):
    """Give a running pretend studio where it is about noon, and nothing of its past is rebuilt."""
    house = House(home, STUDIO_TIMEZONE=zone_at(12))
    with living(house, *arguments) as studio, past_at_rest(house):
        yield studio


def wait_for_ticks(studio, departments=DEPARTMENTS):
    """Wait until each swarm has ended a tick that began after now; return why each skipped."""
    now = time.time()
    return {
        department: studio.wait_for(lambda name=department: studio.skip_since(f"{name}_swarm_sensor", now))
        for department in departments
    }
