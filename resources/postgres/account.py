"""Under which account the embedded server runs, and the command line that puts a program there.

Ordinary users run it as themselves. For root the first account that works is taken: root itself under
another number (see ``launch.py``), the owner of the directory, ``postgres``, ``nobody``.
"""

import os
import pwd
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from resources.postgres.errors import ServerStartError

_LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True)
class Account:
    """Who the server is: ``uid`` and ``gid`` own its files; ``appears_as`` is what it sees itself as."""

    uid: int
    gid: int
    appears_as: tuple[int, int] | None = None

    def command(self, program: Sequence[str], *, die_with: int | None = None) -> list[str]:
        """Return ``program`` as a command that runs under this account.

        Args:
            program: Absolute path and arguments.
            die_with: Process id of the starter; when it ends, the program gets SIGINT (Linux only; the
                thread that starts the program must live as long as the program should).
        """
        options: list[str] = []
        if self.uid != os.geteuid():
            options += ["--account", str(self.uid), str(self.gid)]
        if self.appears_as is not None:
            options += ["--appear-as", *map(str, self.appears_as)]
        if die_with is not None and sys.platform == "linux":
            options += ["--die-with", str(die_with)]
        if not options:
            return list(program)
        return [sys.executable, "-I", "-S", str(_LAUNCH), *options, "--", *program]

    def may_enter(self, *paths: Path) -> bool:
        """Return whether a process of this account can be made and can read and enter every path."""
        check = [
            sys.executable,
            "-I",
            "-S",
            str(_LAUNCH),
            "--account",
            str(self.uid),
            str(self.gid),
            "--check",
        ]
        if self.appears_as is not None:
            check += ["--appear-as", *map(str, self.appears_as)]
        done = subprocess.run([*check, "--", *map(str, paths)], capture_output=True, check=False)
        return done.returncode == 0


def choose_account(binaries: Path, directory: Path) -> Account:
    """Return the account for a server whose files lie in ``directory`` (which need not exist yet).

    An existing directory decides by its owner, because PostgreSQL runs only as the owner of its data.
    Raises ``ServerStartError`` with the remedy when this machine allows none.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    parent = next(path for path in (directory.parent, *directory.parents) if path.is_dir())
    owner = directory.stat().st_uid if directory.is_dir() and any(directory.iterdir()) else None
    for account in _accounts_for_root(parent):
        if owner in {None, account.uid} and account.may_enter(parent, binaries, binaries / "postgres"):
            return account
    raise ServerStartError(
        f"PostgreSQL does not run as root, and no other account of this machine can reach {directory}: user "
        "namespaces are refused here, and neither the owner of the directory nor 'postgres' nor 'nobody' may "
        "enter it. Nothing was changed. Run as an ordinary user, or choose a --home that others may enter "
        "(for example under /var/lib), or set STUDIO_DATABASE_URL to a PostgreSQL of your own."
    )


def _accounts_for_root(parent: Path) -> Iterator[Account]:
    named = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    guise = named.get("nobody") or named.get("postgres") or next(iter(named.values()), None)
    if guise is not None:
        yield Account(0, 0, (guise.pw_uid, guise.pw_gid))
    status = parent.stat()
    if status.st_uid != 0:
        if any(entry.pw_uid == status.st_uid for entry in named.values()):
            yield Account(status.st_uid, status.st_gid)
        elif guise is not None:  # PostgreSQL wants its account to have a name
            yield Account(status.st_uid, status.st_gid, (guise.pw_uid, guise.pw_gid))
    for name in ("postgres", "nobody"):
        if name in named:
            yield Account(named[name].pw_uid, named[name].pw_gid)
