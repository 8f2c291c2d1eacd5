"""Becomes another program under an account that PostgreSQL accepts; run as a script, never imported.

PostgreSQL refuses to run as root. In a user namespace the same account can carry another number: inside
it the process is ``nobody``, outside its files still belong to root. So nothing needs another owner or
other permissions, and it works below a directory that only root may enter. Standard library only, because
it starts with ``python -I -S`` before every server.
"""

import argparse
import ctypes
import os
import signal
import sys
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_REFUSED = 77  # told apart from any status of the program itself


def _switch_account(uid: int, gid: int) -> None:
    """Become ``uid`` and ``gid`` for good, with no other group."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _enter_namespace(inner_uid: int, inner_gid: int) -> None:
    """Give this process other numbers for the same account. Raises ``OSError`` where that is not allowed."""
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{inner_uid} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{inner_gid} {gid} 1", encoding="ascii")


def _die_with(parent: int) -> None:
    """Ask the kernel for a fast shutdown of the program when ``parent`` is gone."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
    if os.getppid() != parent:
        sys.exit("launch: the parent is already gone")


def main() -> None:
    """Take the account described on the command line, then become the program (or only check paths)."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--account", type=int, nargs=2, metavar=("UID", "GID"))
    parser.add_argument("--appear-as", type=int, nargs=2, metavar=("UID", "GID"))
    parser.add_argument("--die-with", type=int, metavar="PID")
    parser.add_argument("--check", action="store_true", help="only say whether the paths can be entered")
    parser.add_argument("program", nargs="+")
    given = parser.parse_args()
    os.umask(0o077)
    try:
        if given.account and given.account[0] != os.geteuid():
            _switch_account(*given.account)
        if given.appear_as:
            _enter_namespace(*given.appear_as)
    except OSError as error:
        sys.stderr.write(f"launch: cannot take the account: {error}\n")
        sys.exit(_REFUSED)
    if given.check:
        sys.exit(0 if all(os.access(path, os.R_OK | os.X_OK) for path in given.program) else _REFUSED)
    if given.die_with is not None and sys.platform == "linux":
        _die_with(given.die_with)
    os.chdir("/")
    os.execv(given.program[0], given.program)  # noqa: S606 - becoming the program is what this script is for


if __name__ == "__main__":
    main()
