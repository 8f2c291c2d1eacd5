"""The home directory: where everything local lives, all of which can be rebuilt from the cloud.

A home is recognised by its marker file. A directory that is not ours, that is damaged, or that a newer
version made is refused with the remedy, and nothing in it is touched. Directories that we make are
private; one that was there before keeps its permissions.
"""

import json
import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cockpit.errors import CockpitError

CHECKOUT: Final = Path(__file__).resolve().parents[1]
FORMAT: Final = 1
MARKER: Final = "STUDIO_HOME"
_PRIVATE: Final = 0o700


@dataclass(frozen=True, slots=True)
class Home:
    """The paths inside one home directory.

    Attributes:
        path: The directory, absolute.
        home_id: Made once with the home; marks every process started for it.
    """

    path: Path
    home_id: str

    @property
    def run(self) -> Path:
        """What concerns the running instance only: lock, registry, status, sockets."""
        return self.path / "run"

    @property
    def logs(self) -> Path:
        """One log file per part."""
        return self.path / "logs"

    @property
    def dagster(self) -> Path:
        """``DAGSTER_HOME``."""
        return self.path / "dagster"

    @property
    def postgres(self) -> Path:
        """Data directory of the embedded server."""
        return self.path / "postgres"


def open_home(path: Path) -> Home:
    """Return the home at ``path``, made if there is none.

    Raises:
        CockpitError: The directory is somebody else's, damaged, newer, or cannot be written. Permanent
            until the remedy is applied.
    """
    path = path.expanduser().absolute()
    try:
        if not path.exists():
            _make_private(path)
        home = read_home(path) if any(path.iterdir()) else _mark(path)
        for directory in (home.run, home.logs, home.dagster):
            directory.mkdir(mode=_PRIVATE, exist_ok=True)
    except NotADirectoryError:
        raise CockpitError(
            f"{path} is not a directory; nothing was changed.", "Choose another --home."
        ) from None
    except OSError as error:
        raise CockpitError(
            f"The home directory {path} cannot be used: {error.strerror}.",
            "Choose another --home, free some space, or change its owner.",
        ) from None
    return home


def read_home(path: Path) -> Home:
    """Return the home at ``path``; raise ``CockpitError`` when there is none that we can use."""
    marker = path / MARKER
    try:
        said = json.loads(marker.read_text(encoding="utf-8"))
        version, home_id = int(said["format"]), str(uuid.UUID(said["id"]))
    except FileNotFoundError:
        raise CockpitError(
            f"{path} is not a home of Studio OS (it has no {MARKER} file); nothing was changed.",
            "Choose an empty or new directory with --home.",
        ) from None
    except (ValueError, KeyError, TypeError):
        raise CockpitError(
            f"The home {path} is damaged: its {MARKER} file cannot be read; nothing was changed.",
            "Move the directory away and start again: its history is rebuilt from the cloud.",
        ) from None
    if version > FORMAT:
        raise CockpitError(
            f"The home {path} was made by a newer Studio OS (format {version}, this one knows {FORMAT});"
            " nothing was changed.",
            "Update this checkout, or choose another --home.",
        )
    return Home(path, home_id)


def _mark(path: Path) -> Home:
    home_id = str(uuid.uuid4())
    write_json(
        path / MARKER, {"format": FORMAT, "id": home_id, "what": "A home of Studio OS; see README.md."}
    )
    return Home(path, home_id)


def _make_private(path: Path) -> None:
    # Parents that are missing are ordinary directories; only the home itself is private.
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=_PRIVATE)


def write_json(path: Path, value: Any, *, mode: int = 0o600) -> None:
    """Replace a JSON file in one step, so that a reader or a kill never meets half of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(value, file, indent=1, default=str)
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink()
        raise


def read_json(path: Path) -> dict[str, Any] | None:
    """Return what a JSON file holds; null when it is missing or damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
