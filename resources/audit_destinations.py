"""The door to the places outside the database where signed checkpoints lie.

Each destination holds, per checkpoint, the signed note and the hashes of the entries since the one before:
with them a history that was written anew is not only noticed but located. Files appear whole and are never
replaced. A destination on the database's own machine guards against mistakes; a real deployment names
another machine or a bucket as the second one (``STUDIO_CHECKPOINT_URLS``).
"""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import fsspec

LEAST_COPIES: Final = 2
PUBLIC_KEY_FILE: Final = "public.key"
_NOTE: Final = re.compile(r"(?P<size>\d{16})\.checkpoint")


class DestinationError(Exception):
    """Too few destinations took a checkpoint. It does not count; the next attempt writes it again."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What one destination holds: notes and leaf hashes by tree size, and the key that it was given.

    ``problem`` says why it could not be read; null when it could.
    """

    url: str
    notes: Mapping[int, str] = field(default_factory=dict)
    leaves: Mapping[int, bytes] = field(default_factory=dict)
    public_key: str | None = None
    problem: str | None = None


class Destinations:
    """The destinations of one studio's checkpoints. Making the object touches nothing.

    Args:
        urls: Directories or fsspec URLs, at least two different ones.
        studio_id: Names the directory inside each.
    """

    def __init__(self, urls: Sequence[str], studio_id: str) -> None:
        self.urls = tuple(dict.fromkeys(url.rstrip("/") or "/" for url in urls))
        if len(self.urls) < LEAST_COPIES:
            raise DestinationError(
                f"Checkpoints need at least {LEAST_COPIES} different destinations; name them in"
                " STUDIO_CHECKPOINT_URLS, separated by commas."
            )
        self._studio_id = studio_id

    def write(self, size: int, note: str, leaves: bytes, public_key: str) -> Mapping[str, str]:
        """Put a checkpoint at every destination; return url -> problem of those that did not take it.

        Writing the same again changes nothing. A destination that already holds another note of this size
        keeps it and is reported.

        Raises:
            DestinationError: Fewer than two took it.
        """
        problems: dict[str, str] = {}
        for url in self.urls:
            try:
                self._put(url, size, note, leaves, public_key)
            except Exception as error:  # noqa: BLE001 - every storage library raises its own
                problems[url] = _said(error)
        if len(self.urls) - len(problems) < LEAST_COPIES:
            told = "; ".join(f"{url}: {problem}" for url, problem in problems.items())
            raise DestinationError(
                f"The checkpoint of {size} entries does not count: fewer than {LEAST_COPIES} destinations"
                f" took it ({told}). The log is unchanged. Mend the destination; signing is tried again."
            )
        return problems

    def refill(self, url: str, size: int, note: str, leaves: bytes, public_key: str) -> None:
        """Put an earlier checkpoint at a destination that lost it, or that is new.

        Raises:
            DestinationError: It did not take it.
        """
        try:
            self._put(url, size, note, leaves, public_key)
        except Exception as error:
            raise DestinationError(
                f"{url} did not take the checkpoint of {size} entries ({_said(error)}). The log is unchanged."
                " Mend the destination, or empty it; signing is tried again."
            ) from error

    def _put(self, url: str, size: int, note: str, leaves: bytes, public_key: str) -> None:
        files, root = self._open(url)
        files.makedirs(root, exist_ok=True)
        _put_once(files, f"{root}/{PUBLIC_KEY_FILE}", public_key.encode())
        _put_once(files, f"{root}/{size:016d}.hashes", leaves)
        _put_once(files, f"{root}/{size:016d}.checkpoint", note.encode())

    def read(self) -> Sequence[Copy]:
        """Return what every destination holds; one that cannot be read says why."""
        return [self._read(url) for url in self.urls]

    def _read(self, url: str) -> Copy:
        notes: dict[int, str] = {}
        leaves: dict[int, bytes] = {}
        try:
            files, root = self._open(url)
            if not files.exists(root):
                return Copy(url)
            for path in sorted(files.ls(root, detail=False)):
                match = _NOTE.fullmatch(str(path).rsplit("/", 1)[-1])
                if match is not None:
                    size = int(match["size"])
                    notes[size] = files.cat_file(path).decode("utf-8", "replace")
                    with suppress(FileNotFoundError):
                        leaves[size] = files.cat_file(f"{root}/{size:016d}.hashes")
            key = f"{root}/{PUBLIC_KEY_FILE}"
            public = files.cat_file(key).decode("utf-8", "replace") if files.exists(key) else None
        except Exception as error:  # noqa: BLE001 - as above
            return Copy(url, problem=_said(error))
        return Copy(url, notes, leaves, public)

    def _open(self, url: str) -> tuple[Any, str]:
        files, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        return files, f"{str(root).rstrip('/')}/{self._studio_id}"


def _put_once(files: Any, path: str, content: bytes) -> None:
    """Make a file appear whole; leave an equal one alone; refuse to replace another."""
    if files.exists(path):
        if files.cat_file(path) != content:
            raise FileExistsError(f"{path.rsplit('/', 1)[-1]} is there with other content and was kept")
        return
    unfinished = f"{path}.{uuid4().hex}.part"
    try:
        with files.open(unfinished, "wb") as sink:
            sink.write(content)
            sink.flush()
            with suppress(AttributeError, OSError):  # object stores have no descriptor, and need none
                os.fsync(sink.fileno())
        files.mv(unfinished, path)
    except BaseException:
        with suppress(Exception):
            files.rm(unfinished)
        raise


def _said(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{type(error).__name__}: {said.splitlines()[0] if said else 'no reason given'}"
