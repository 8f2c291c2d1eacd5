"""What a killed server leaves behind: orphaned processes and files that name a process id.

A process counts as ours only if it is called ``postgres`` and works in our data directory; nothing else
is ever signalled. A file that names a process is removed only if that process is alive and is another
program: PostgreSQL judges every other case itself, and better.
"""

import signal
from pathlib import Path

import psutil

from resources.postgres.errors import ServerStartError
from resources.postgres.sockets import socket_path

# Fast shutdown, then immediate shutdown, then the kernel; seconds to wait after each.
_STOP_STEPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
_NOTICE_SECONDS = 5.0  # how long children of a dead server may take to notice


def postmaster_of(data_dir: Path) -> psutil.Process | None:
    """Return the running server of ``data_dir``, whoever started it; None when there is none."""
    number = _first_number(data_dir / "postmaster.pid")
    return _as_ours(number, data_dir) if number is not None else None


def stop_server(data_dir: Path) -> bool:
    """Stop the running server of ``data_dir`` gently, then firmly; return whether there was one.

    Raises ``ServerStartError`` when a process survives even the kernel's kill.
    """
    server = postmaster_of(data_dir)
    if server is None:
        return False
    for signal_number, patience in _STOP_STEPS:
        try:
            server.send_signal(signal_number)
            server.wait(patience)
        except psutil.NoSuchProcess:
            return True
        except psutil.TimeoutExpired:
            continue
        return True
    raise ServerStartError(
        f"An earlier PostgreSQL (process {server.pid}) does not stop. Nothing was changed. Stop it, then "
        "start again."
    )


def clear_leftovers(data_dir: Path, socket_dir: Path) -> None:
    """Wait for (then end) children of a dead server, and remove files that name another program's process.

    Call only when no server of ``data_dir`` runs.
    """
    orphans = [process for process in psutil.process_iter() if _is_ours(process, data_dir)]
    _, alive = psutil.wait_procs(orphans, timeout=_NOTICE_SECONDS)
    for process in alive:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(alive, timeout=_NOTICE_SECONDS)
    for path in (data_dir / "postmaster.pid", Path(f"{socket_path(socket_dir)}.lock")):
        number = _first_number(path)
        if number is not None and psutil.pid_exists(number) and _as_ours(number, data_dir) is None:
            path.unlink(missing_ok=True)


def _as_ours(number: int, data_dir: Path) -> psutil.Process | None:
    try:
        process = psutil.Process(number)
    except psutil.NoSuchProcess:
        return None
    return process if _is_ours(process, data_dir) else None


def _is_ours(process: psutil.Process, data_dir: Path) -> bool:
    try:
        return (
            process.name() == "postgres"
            and process.status() != psutil.STATUS_ZOMBIE
            and Path(process.cwd()).resolve() == data_dir.resolve()
        )
    except (psutil.Error, OSError):
        return False


def _first_number(path: Path) -> int | None:
    try:
        words = path.read_text(encoding="ascii", errors="replace").split(maxsplit=1)
    except OSError:
        return None
    return abs(int(words[0])) if words and words[0].lstrip("-").isdigit() else None
