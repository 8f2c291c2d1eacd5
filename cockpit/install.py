"""Installs the locked packages into the checkout's own virtual environment; run by the launcher.

Runs on the machine's own Python before anything is installed, so it uses the standard library only.
An installation that was interrupted is thrown away and made again; two at once wait for each other.
What is installed is remembered as copies of the lock files in ``.venv/.studio``.
"""

import errno
import fcntl
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
LOCKS = {"runtime": ("runtime",), "dev": ("runtime", "dev")}
# Measured: the whole environment with bytecode; less than this and the installation would fail half-way.
NEEDED_BYTES = 1_300_000_000
SECONDS_BETWEEN_LINES = 10
FIRST_PIP_FOR_OTHERS = (22, 3)  # the first with --python
CUTS = (
    # What pip says, what it means, what to do.
    ("No space left on device", "The disk is full.", "Free about 1.5 GB and try again."),
    ("THESE PACKAGES DO NOT MATCH THE HASHES", "A downloaded package is not the one that was locked.",
     "Do not install it. Check the package index that pip is configured to use."),
    ("No matching distribution found", "A locked package is not offered for this Python or machine.",
     "Try another Python (STUDIO_PYTHON=python3.12), and check the package index that pip uses."),
    ("Permission denied", "Files in the virtual environment cannot be written.",
     "Make the checkout yours (chown) or clone it into a directory you own."),
    ("Connection", "The package index cannot be reached.",
     "Check the network, and pip's proxy and index settings."),
)  # fmt: skip


class InstallError(Exception):
    """The installation failed. Carries what happened, and what to do next."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


def install(kind: str, checkout: Path = CHECKOUT) -> None:
    """Make ``.venv`` hold everything that a lock file lists, in the locked versions.

    Args:
        kind: ``runtime``, or ``dev`` which adds what the tests need.
        checkout: The directory that holds ``requirements`` and gets ``.venv``.

    Raises:
        InstallError: When it cannot; nothing that looks installed is left behind.
    """
    if not os.access(checkout, os.W_OK | os.X_OK):
        raise InstallError(
            f"No permission to write in {checkout}, where the virtual environment goes.",
            "Clone into a directory you own, or change its owner (chown).",
        )
    with _one_at_a_time(checkout):
        venv = checkout / ".venv"
        if is_installed(venv, kind, checkout):
            return  # Another launcher finished it while this one waited.
        started = time.monotonic()
        try:
            _make_environment(venv)
            _install_packages(venv, checkout / "requirements" / f"{kind}.txt")
            _remember(venv, kind, checkout)
        except OSError as error:
            raise _explain_os_error(error, venv) from None
        _say(f"installed in {time.monotonic() - started:.0f} s")


def is_installed(venv: Path, kind: str, checkout: Path) -> bool:
    """Say whether the environment is complete and holds what the lock file lists."""
    try:
        return (
            not (venv / ".studio" / "incomplete").exists()
            and _read(venv / ".studio" / f"{kind}.txt") == _read(checkout / "requirements" / f"{kind}.txt")
            and _read(venv / ".studio" / "python").strip() == _version(venv)
        )
    except (OSError, subprocess.SubprocessError):
        return False


@contextmanager
def _one_at_a_time(checkout: Path) -> Iterator[None]:
    # Locking the directory itself leaves no lock file, and the lock dies with its holder.
    descriptor = os.open(checkout, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another ./studio is installing; waiting for it")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make_environment(venv: Path) -> None:
    marker = venv / ".studio" / "incomplete"
    if marker.exists() or (venv.exists() and not _runs(venv)):
        if venv.is_symlink() or not (
            marker.exists() or (venv / "pyvenv.cfg").exists() or not any(venv.iterdir())
        ):
            raise InstallError(f"{venv} exists but is no virtual environment.", "Move it away and try again.")
        _say("the last installation did not finish; starting over")
        shutil.rmtree(venv)
    is_new = not venv.exists()
    free = shutil.disk_usage(venv.parent).free
    if is_new and free < NEEDED_BYTES:
        raise InstallError(
            f"The disk is full: {free / 1e9:.1f} GB are free in {venv.parent}.",
            f"About {NEEDED_BYTES / 1e9:.1f} GB are needed; free some and try again.",
        )
    # INVARIANT: the marker is there before anything else, so that a kill at any point is noticed.
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    for stamp in ("runtime.txt", "dev.txt", "python"):
        (marker.parent / stamp).unlink(missing_ok=True)
    if is_new:
        _say(f"making {venv} with Python {sys.version.split()[0]}")
        # A pip in the environment is of no use after this: unpacking and compiling one takes longer than
        # all else here. So ensurepip is needed only where this Python's own pip is missing or too old.
        gets_pip = not _has_pip_for_others() and importlib.util.find_spec("ensurepip") is not None
        command = [sys.executable, "-m", "venv", *([] if gets_pip else ["--without-pip"]), str(venv)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise _explain(result.stdout + result.stderr, "The virtual environment could not be made.")


def _has_pip_for_others() -> bool:
    """Say whether this Python's own pip knows how to install into another environment."""
    try:
        release = re.findall(r"\d+", importlib.metadata.version("pip"))
    except importlib.metadata.PackageNotFoundError:
        return False
    return tuple(int(number) for number in release[:2]) >= FIRST_PIP_FOR_OTHERS


def _install_packages(venv: Path, lock: Path) -> None:
    total = len(re.findall(r"^[A-Za-z0-9][^\s=]*==", _read(lock), re.MULTILINE))
    python = str(venv / "bin" / "python")
    has_pip = subprocess.run([python, "-c", "import pip"], capture_output=True, check=False).returncode == 0
    pip = [python, "-m", "pip"] if has_pip else [sys.executable, "-m", "pip", "--python", python]
    command = [
        *pip, "install", "--require-hashes", "-r", str(lock), "--no-compile", "--no-input", "--progress-bar",
        "off", "--disable-pip-version-check", "--root-user-action", "ignore",
    ]  # fmt: skip
    said: list[str] = []
    progress = _Progress(total)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            said.append(line)
            progress.saw(line)
    progress.end()
    if process.returncode:
        raise _explain("".join(said), "Installing the packages failed.")
    _say("compiling")
    # Compiled by us, on every core: pip would use one.
    packages = next((venv / "lib").glob("python*/site-packages"))
    subprocess.run([python, "-m", "compileall", "-q", "-j", "0", packages], capture_output=True, check=False)


class _Progress:
    """One line that moves on a terminal; a line now and then elsewhere."""

    def __init__(self, total: int) -> None:
        self.total, self.seen, self.said_at = total, 0, 0.0

    def saw(self, line: str) -> None:
        if line.startswith(("Collecting ", "Requirement already satisfied")):
            self.seen += 1
            self._say(f"packages: {self.seen}/{self.total}")
        elif line.startswith("Installing collected packages"):
            self.said_at = 0.0
            self._say(f"unpacking {self.total} packages")

    def _say(self, text: str) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[Kstudio: {text}")
            sys.stderr.flush()
        elif time.monotonic() - self.said_at >= SECONDS_BETWEEN_LINES:
            self.said_at = time.monotonic()
            _say(text)

    def end(self) -> None:
        if sys.stderr.isatty():
            sys.stderr.write("\r\033[K")


def _remember(venv: Path, kind: str, checkout: Path) -> None:
    directory = venv / ".studio"
    for lock in LOCKS[kind]:
        shutil.copyfile(checkout / "requirements" / f"{lock}.txt", directory / f"{lock}.txt")
    (directory / "python").write_text(_version(venv), encoding="utf-8")
    (directory / "incomplete").unlink()


def _version(venv: Path) -> str:
    command = [str(venv / "bin" / "python"), "-VV"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return result.stdout.strip()


def _runs(venv: Path) -> bool:
    try:
        return (
            subprocess.run([venv / "bin" / "python", "-c", ""], capture_output=True, check=False).returncode
            == 0
        )
    except OSError:
        return False


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _explain(output: str, otherwise: str) -> InstallError:
    for sign, what, remedy in CUTS:
        if sign in output:
            return InstallError(what, remedy)
    errors = [line for line in output.splitlines() if line.startswith("ERROR")] or output.splitlines()[-1:]
    return InstallError(f"{otherwise} {' '.join(errors)}"[:500], "Mend that and run the same command again.")


def _explain_os_error(error: OSError, venv: Path) -> InstallError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return InstallError("The disk is full.", "Free about 1.5 GB and try again.")
    return InstallError(f"{venv} cannot be written: {error.strerror}.", "Check its owner and permissions.")


def _say(text: str) -> None:
    sys.stderr.write(f"studio: {text}\n")
    sys.stderr.flush()


def main() -> int:
    """Install what the first argument names; return the exit code."""
    try:
        install(sys.argv[1])
    except InstallError as error:
        sys.stderr.write(f"studio: {error.what}\n        {error.remedy}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nstudio: interrupted; the next start begins the installation again\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
