"""Drives Studio OS from outside, as a person does: commands in, exit codes and output out."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

CHECKOUT = Path(__file__).resolve().parents[2]
LOOK_SECONDS = 0.25  # looking costs the house something, too


class House:
    """One home and the commands on it.

    Args:
        home: The home directory.
        environment: Variables of ours to set; nothing of the outer environment that is ours gets in.
    """

    def __init__(self, home, **environment):
        self.home = home
        self.port = free_port()
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("STUDIO_", "PYTHON"))
        }
        self.environment = kept | {"PYTHONPATH": str(CHECKOUT), "PYTHONSAFEPATH": "1"} | environment
        self.supervisor = None
        self.log = home.parent / f"{home.name}.log"

    def command(self, *arguments):
        return [sys.executable, "-m", "cockpit.cli", *arguments, "--home", str(self.home)]

    def run(self, *arguments, timeout=240):
        """Run a command to its end."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def run_json(self, *arguments, timeout=240):
        """Run a command with ``--json``; return its exit code and the one object it printed."""
        done = self.run(*arguments, "--json", timeout=timeout)
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError:
            raise AssertionError(f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}") from None

    def start(self, *arguments):
        """Start ``up`` in the background."""
        with self.log.open("a") as log:
            self.supervisor = subprocess.Popen(
                self.command("up", "--port", str(self.port), *arguments),
                env=self.environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self.supervisor

    def status(self):
        """Return what the status file and ``/readyz`` say, without starting a process.

        The page is asked only when all that it rests on has come up: it answers from a dozen queries.
        """
        told = {"ready": False, "reasons": [], "parts": {}}
        with contextlib.suppress(OSError, ValueError):
            parts = json.loads((self.home / "run" / "status.json").read_text())["parts"]
            told["parts"] = {part["name"]: part for part in parts}
        if any(told["parts"].get(name, {}).get("phase") != "ready" for name in ("web", "daemon")):
            return told
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            connection.request("GET", "/readyz")
            told |= json.loads(connection.getresponse().read())
        connection.close()
        return told

    def wait_until(self, condition, *, seconds=300):
        """Wait until the status fulfils a condition; fail with what it was last."""
        deadline = time.monotonic() + seconds
        while not condition(told := self.status()):
            ended = self.supervisor is not None and self.supervisor.poll() is not None
            assert not ended, f"up ended: {self.log_text()}"
            assert time.monotonic() < deadline, f"not within {seconds} s: {told}\n{self.log_text()}"
            time.sleep(LOOK_SECONDS)
        return told

    def wait_ready(self, *, seconds=300):
        return self.wait_until(lambda told: told["ready"], seconds=seconds)

    def log_text(self):
        return self.log.read_text()[-3000:]

    def stop(self, *, number=signal.SIGTERM, seconds=60):
        """Stop ``up`` and return its exit code."""
        if self.supervisor is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            self.supervisor.send_signal(number)
        code = self.supervisor.wait(seconds)
        self.supervisor = None
        return code

    def processes(self):
        """Return every process that works on this home, whoever started it."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                said = " ".join(process.cmdline())
                cwd = process.cwd() if process.name() == "postgres" else ""
                if (
                    process.pid != os.getpid() and (str(self.home) in said or cwd.startswith(str(self.home)))
                ) or self._is_marked(process):
                    found.append(process)
        return found

    def _is_marked(self, process):
        marker = self.home / "STUDIO_HOME"
        if not marker.exists():
            return False
        return process.environ().get("SUPERVISED_BY_STUDIO") == json.loads(marker.read_text())["id"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
