"""The data directory of the embedded server: made whole or not at all, and refused when it is not ours.

A new directory is prepared beside its place and renamed into it, so a kill in the middle leaves none.
A directory that is foreign, damaged or of another version is never written to.
"""

import fcntl
import json
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resources.postgres.account import Account
from resources.postgres.errors import DataDirectoryError, ServerStartError

SUPERUSER = "postgres"
_MARKER = "studio_os.json"
_FORMAT = 1  # of the marker; raised when the directory is laid out in a way an older version cannot use
_OLDEST_MAJOR = 15
_BUILTIN_LOCALE_SINCE = 17
_INITDB_SECONDS = 180


def major_version(binaries: Path) -> int:
    """Return the major version of the binaries; raise ``ServerStartError`` when they do not run."""
    program = binaries / "postgres"
    try:
        done = subprocess.run(
            [str(program), "--version"], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ServerStartError(
            f"{program} does not run ({type(error).__name__}). Install the requirements again, or set "
            "STUDIO_DATABASE_URL to a PostgreSQL of your own."
        ) from error
    found = re.search(r"\) (\d+)", done.stdout)
    if found is None or int(found.group(1)) < _OLDEST_MAJOR:
        raise ServerStartError(
            f"{program} is {done.stdout.strip()!r}; PostgreSQL {_OLDEST_MAJOR} or later is needed. "
            "Nothing was changed."
        )
    return int(found.group(1))


def is_our_cluster(data_dir: Path, major: int) -> bool:
    """Return True for a cluster we may run, False where one may be made (absent or empty).

    Raises ``DataDirectoryError`` for everything else; nothing is written in any case.
    """
    try:
        if data_dir.is_symlink() and not data_dir.exists():
            raise DataDirectoryError(f"{data_dir} is a link to nowhere. {_kept(data_dir)}")
        if not data_dir.exists() or (data_dir.is_dir() and not any(data_dir.iterdir())):
            return False
        if not data_dir.is_dir():
            raise DataDirectoryError(f"{data_dir} is not a directory. {_kept(data_dir)}")
        version = _text(data_dir / "PG_VERSION")
        marker = _text(data_dir / _MARKER)
    except OSError as error:
        raise DataDirectoryError(f"{data_dir} cannot be read: {error.strerror}. {_kept(data_dir)}") from error
    if marker is None:
        what = f"a PostgreSQL {version.strip()} database" if version else "something"
        raise DataDirectoryError(f"{data_dir} holds {what} that Studio OS did not make. {_kept(data_dir)}")
    _check_marker(data_dir, marker)
    if version is None or not (data_dir / "global" / "pg_control").is_file():
        raise DataDirectoryError(
            f"The database in {data_dir} is damaged: files PostgreSQL needs are missing. {_kept(data_dir)}"
        )
    if version.strip() != str(major):
        raise DataDirectoryError(
            f"The database in {data_dir} was made by PostgreSQL {version.strip()}, this is PostgreSQL "
            f"{major}. Nothing was changed. Use PostgreSQL {version.strip()} for it (pg_dump moves data), "
            "or choose another --home; history is rebuilt from the cloud."
        )
    return True


def _check_marker(data_dir: Path, marker: str) -> None:
    try:
        number = json.loads(marker)["format"]
    except (ValueError, TypeError, KeyError):
        raise DataDirectoryError(f"{data_dir / _MARKER} is damaged. {_kept(data_dir)}") from None
    if not isinstance(number, int) or number > _FORMAT:
        raise DataDirectoryError(
            f"The database in {data_dir} was made by a newer version of Studio OS. Nothing was changed. "
            "Update this checkout, or choose another --home."
        )


def _kept(data_dir: Path) -> str:
    return (
        f"Nothing was changed. Move it away (mv '{data_dir}' '{data_dir}.kept') or choose another --home, "
        "then start again: history is rebuilt from the cloud."
    )


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


@contextmanager
def exclusive(data_dir: Path) -> Iterator[None]:
    """Hold the lock that lets one process at a time prepare ``data_dir``."""
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    with (data_dir.parent / f".{data_dir.name}.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def create_cluster(data_dir: Path, binaries: Path, account: Account, major: int) -> None:
    """Make a new cluster in ``data_dir``, which is absent or empty; the caller holds :func:`exclusive`.

    Local connections need no password because only the owner can enter the socket's directory; network
    connections are refused. Raises ``ServerStartError`` when ``initdb`` fails; then nothing is left.
    """
    for leftover in data_dir.parent.glob(f".{data_dir.name}.initdb-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh = data_dir.parent / f".{data_dir.name}.initdb-{secrets.token_hex(4)}"
    fresh.mkdir(mode=0o700)
    try:
        if account.uid != os.geteuid():
            os.chown(fresh, account.uid, account.gid)
        _initdb(fresh, binaries, account, major)
        (fresh / _MARKER).write_text(
            json.dumps({"format": _FORMAT, "postgres": major}) + "\n", encoding="ascii"
        )
        fresh.rename(data_dir)
        _sync_directory(data_dir.parent)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def _initdb(fresh: Path, binaries: Path, account: Account, major: int) -> None:
    locale = ["--locale=C.UTF-8"]
    if major >= _BUILTIN_LOCALE_SINCE:  # sorts the same on every machine, whatever its C library
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    program = [
        *(str(binaries / "initdb"), "-D", str(fresh), "-U", SUPERUSER, "-E", "UTF8", *locale),
        *("--auth-local=trust", "--auth-host=reject", "--data-checksums"),
    ]
    try:
        done = subprocess.run(
            account.command(program, die_with=os.getpid()),
            env=server_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_INITDB_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise ServerStartError(
            f"initdb did not finish within {_INITDB_SECONDS} s; nothing was kept. Try again."
        ) from error
    if done.returncode != 0:
        if "No space left on device" in done.stderr:
            raise ServerStartError(
                f"The disk of {fresh.parent} is full, so no database was created; nothing was kept. "
                "Free at least 1 GB and try again, or choose another --home."
            )
        words = " ".join(done.stderr.split())[-600:]
        raise ServerStartError(
            f"The database could not be created in {fresh.parent}; nothing was kept. It says: {words} "
            "Check free space and permissions there, or choose another --home."
        )


def server_environment() -> dict[str, str]:
    """Return the whole environment of the server's programs: none of ours leaks into them."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
