"""Where the embedded server's unix socket lies: in the home, or in a short private directory.

The kernel allows 107 bytes for a socket's path, and libpq splits host lists at commas; a home that breaks
either rule gets a directory under ``/tmp`` that only its owner may enter.
"""

import hashlib
import os
import stat
import sys
from pathlib import Path

from resources.postgres.errors import DataDirectoryError

PORT = 5432
_PATH_LIMIT = 107 if sys.platform == "linux" else 103
_SHORT_ROOT = Path("/tmp")  # noqa: S108 - the directory made in it is private, and checked to be ours


def reachable_socket_dir(preferred: Path) -> Path:
    """Return ``preferred`` (absolute), or the short directory that stands for it.

    The same ``preferred`` always gives the same answer, so that every command finds the socket.
    """
    wanted = preferred.absolute()
    if len(os.fsencode(socket_path(wanted))) <= _PATH_LIMIT and "," not in str(wanted):
        return wanted
    name = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]
    return _SHORT_ROOT / f"studio-os-{os.getuid()}-{name}"


def socket_path(directory: Path) -> Path:
    """Return the socket's own path in ``directory``."""
    return directory / f".s.PGSQL.{PORT}"


def make_private_dir(directory: Path, uid: int, gid: int) -> None:
    """Create ``directory`` for one account, mode 0700; an existing one is used only if it is already so.

    Raises ``DataDirectoryError`` when somebody else could reach into it. Nothing existing is changed.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        status = directory.lstat()
        is_private = stat.S_ISDIR(status.st_mode) and status.st_mode & 0o077 == 0 and status.st_uid == uid
        if not is_private:
            raise DataDirectoryError(
                f"{directory} exists, but is not a directory that only its owner may enter (mode 0700, user "
                f"{uid}). It was left as it is. Remove it, or choose another --home."
            ) from None
        return
    if uid != os.geteuid():
        os.chown(directory, uid, gid)


def quoted_for_setting(directory: Path) -> str:
    """Return ``directory`` as one item of PostgreSQL's list setting ``unix_socket_directories``."""
    return '"' + str(directory).replace('"', '""') + '"'
