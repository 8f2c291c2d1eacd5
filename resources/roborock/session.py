"""The login of a Roborock account: a file that only this door opens, readable by its owner alone.

Whoever holds it can drive the robots, so it is a secret; the account's login cannot be limited to reading.
"""

import base64
import errno
import hashlib
import json
import os
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from resources.connector import ConnectorError, Fault
from resources.settings_rules import is_https_url, is_loopback_url

LARGEST_FILE: Final = 64 * 1024
LOGIN: Final = "Log in again with ./studio connectors login roborock."


@dataclass(frozen=True, slots=True)
class RoborockSession:
    """One login.

    Attributes:
        email: The account's address.
        base_url: The cloud the account lives in.
        user_data: What the maker gave at login; all of it is secret.
    """

    email: str = field(repr=False)
    base_url: str
    user_data: dict[str, Any] = field(repr=False)

    @property
    def seal_key(self) -> bytes:
        """Return a key that only this login gives: what is cached under it dies with the login."""
        rriot = self.user_data["rriot"]
        told = "\0".join(("studio-os roborock cache", self.email, rriot["u"], rriot["s"], rriot["k"]))
        return base64.urlsafe_b64encode(hashlib.sha256(told.encode()).digest())

    @property
    def fingerprint(self) -> str:
        """Return a short name of this login that tells nothing about it."""
        return hashlib.sha256(b"fingerprint\0" + self.seal_key + self._token.encode()).hexdigest()[:16]

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return every value that must not get out: whoever has one is this account, or finds its owner."""
        rriot = self.user_data["rriot"]
        return (self.email, self._token, *(rriot[name] for name in ("u", "s", "h", "k")))

    @property
    def _token(self) -> str:
        return str(self.user_data.get("token"))


def load_session(path: Path) -> RoborockSession:
    """Return the login in a file.

    Raises:
        ConnectorError: with ``auth`` when there is none, others may read it, or it cannot be used.
    """
    problem = None
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                problem = "can be read by others than its owner; make it private with chmod 600"
            else:
                return _parsed(json.loads(file.read(LARGEST_FILE)))
    except FileNotFoundError:
        problem = "does not exist"
    except OSError:
        problem = "cannot be read"
    except (ValueError, KeyError, TypeError, AttributeError):
        problem = "holds no usable login"
    raise ConnectorError(Fault.AUTH, f"The file STUDIO_ROBOROCK_SESSION names {problem}. {LOGIN}")


def save_session(path: Path, session: RoborockSession) -> None:
    """Write a login so that it appears whole, readable by its owner alone."""
    write_private(
        path,
        json.dumps({"email": session.email, "base_url": session.base_url, "user_data": session.user_data}),
    )


def try_private(path: Path) -> None:
    """Try whether ``write_private`` could write a file; leaves what is there as it is. Raises ``OSError``."""
    _refuse_other_than_files(path)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
        pass


def write_private(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all, readable by its owner alone. Raises ``OSError``."""
    _refuse_other_than_files(path)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # mkstemp makes the file private from its first instant.
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(unfinished).replace(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def _refuse_other_than_files(path: Path) -> None:
    # A device, a pipe or a socket would be replaced by our file, for everybody who uses it.
    if path.exists() and not path.is_file():
        raise OSError(errno.EEXIST, "There is something that is no file", str(path))


def _parsed(given: dict[str, Any]) -> RoborockSession:
    session = RoborockSession(str(given["email"]), str(given["base_url"]), dict(given["user_data"]))
    rriot = session.user_data["rriot"]
    for name in ("u", "s", "h", "k"):
        if not isinstance(rriot[name], str):
            raise TypeError(name)
    if not all(_is_safe_url(url) for url in (session.base_url, rriot["r"]["a"])):
        raise ValueError("address")
    if not _is_safe_broker(rriot["r"]["m"]):
        raise ValueError("broker")
    return session


def _is_safe_url(url: str) -> bool:
    return is_https_url(url) or is_loopback_url(url)


def _is_safe_broker(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "ssl" or (parts.scheme == "tcp" and parts.hostname in {"127.0.0.1", "::1"})
