"""Processes: start them so that they can always be found and ended, with their output in a log file.

Every process gets its own session, so Ctrl-C reaches only the supervisor and a whole family can be
signalled at once. Every process is written to a registry with its start time, and carries the home's id
in its environment, so the start after a kill -9 finds what was left, and never hits a stranger's process.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import psutil

from cockpit.home import CHECKOUT, Home, read_json, write_json
from policies.redaction import Redactor

MARK: Final = "SUPERVISED_BY_STUDIO"
PROGRESS: Final = "@progress "  # begins a line that says how far a step is; shown, and not worth keeping
_CHILD: Final = Path(__file__).with_name("child.py")
_LONGEST_LINE: Final = 64 * 1024
_LARGEST_LOG: Final = 5 * 1024 * 1024
_SAME_START_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run.

    Attributes:
        argv: Program and arguments.
        environment: Its whole environment.
        stop_signal: The signal that asks it to end in good order.
        is_tied: Whether ``argv`` already ties itself to its parent; otherwise we do.
    """

    argv: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    stop_signal: int = signal.SIGTERM
    is_tied: bool = False


class Child:
    """A process that was started, and the thread that carries its output to a log file."""

    def __init__(
        self, name: str, command: Command, *, log: Path, redactor: Redactor, hear: Callable[[str], None]
    ) -> None:
        argv = list(command.argv)
        if not command.is_tied:
            argv = [sys.executable, "-I", "-S", str(_CHILD), str(os.getpid()), *argv]
        self.name = name
        self._stop_signal = command.stop_signal
        self._process = subprocess.Popen(
            argv,
            env=dict(command.environment),
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._carrier = threading.Thread(
            target=_carry,
            args=(self._process.stdout, log, redactor, hear),
            name=f"output:{name}",
            daemon=True,
        )
        self._carrier.start()

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; null while it runs."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """Send the signal on which this program ends in good order."""
        with suppress(ProcessLookupError):
            self._process.send_signal(self._stop_signal)

    def kill_family(self) -> None:
        """End the process and everything in its session, at once."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            self._process.kill()

    def finish(self) -> None:
        """Take in the end of a process that has ended or was killed, and its last output."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        self._carrier.join(timeout=2)


def _carry(output: IO[bytes], log: Path, redactor: Redactor, hear: Callable[[str], None]) -> None:
    with output:
        while line := output.readline(_LONGEST_LINE):
            text = line.decode("utf-8", "replace").rstrip("\n")
            hear(text)
            if text.startswith(PROGRESS):
                continue
            # A full disk must not stop a part: its pipe is emptied whether or not the line is kept.
            with suppress(OSError):
                _append(log, redactor.text(text))


def _append(log: Path, line: str) -> None:
    with suppress(FileNotFoundError):
        if log.stat().st_size > _LARGEST_LOG:
            log.replace(log.with_suffix(".previous.log"))
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


class Registry:
    """Which processes this home's supervisor started, kept on disk for the start after a crash."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._path = home.run / "parts.json"
        self._entries: dict[str, dict[str, float]] = {}

    def add(self, name: str, pid: int) -> None:
        """Remember a process and when it started, which tells it from a later one of the same number."""
        with suppress(psutil.NoSuchProcess):
            self._entries[name] = {"pid": pid, "started": psutil.Process(pid).create_time()}
            write_json(self._path, self._entries)

    def remove(self, name: str) -> None:
        """Forget a process that has ended."""
        if self._entries.pop(name, None) is not None:
            write_json(self._path, self._entries)

    def clear_leftovers(self) -> list[str]:
        """End every process that an earlier supervisor of this home left; return what was ended.

        Only for the holder of the instance lock. The database server is not among them: it takes care of
        its own leftovers, in good order.
        """
        ended = []
        for name, entry in (read_json(self._path) or {}).items():
            with suppress(psutil.Error, KeyError, TypeError):
                process = psutil.Process(int(entry["pid"]))
                is_same = abs(process.create_time() - entry["started"]) < _SAME_START_SECONDS
                if is_same and name != "postgres":
                    process.kill()
                    ended.append(f"{name} ({process.pid})")
        for process in relatives(self._home):
            with suppress(psutil.Error):
                ended.append(f"{process.name()} ({process.pid})")
                process.kill()
        self._path.unlink(missing_ok=True)
        return ended


def relatives(home: Home) -> list[psutil.Process]:
    """Return every process, grandchildren included, that was started for this home; not ourselves."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == home.home_id:
                found.append(process)
    return found


def end_relatives(home: Home, *, patience_seconds: float) -> int:
    """End what is left of this home's processes; return how many had to be ended."""
    left = relatives(home)
    for process in left:
        with suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(left, timeout=patience_seconds)
    for process in alive:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=patience_seconds)
    return len(left)


def wait_for_end(pid: int, *, seconds: float) -> bool:
    """Wait until a process that is not our child is gone; return whether it is."""
    deadline = time.monotonic() + seconds
    while psutil.pid_exists(pid):
        with suppress(psutil.Error):
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
