"""The writing credential: read from its own file, by the execution run only, and shown to nobody.

For the service the file is a service account's key file; for a pretend studio it holds one token,
``{"twin_token": "..."}``. Neither is ever sent to the other kind of server.
"""

import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from google.auth.exceptions import GoogleAuthError
from google.oauth2.service_account import Credentials

from policies.ports import AdapterError

LARGEST_FILE_BYTES: Final = 64 * 1024
_SCOPE: Final = "https://www.googleapis.com/auth/datastore"
_TWIN_TOKEN: Final = "twin_token"  # noqa: S105 - the name of a field, not a token


def read_twin_token(path: Path) -> str:
    """Return the token in a twin's credential file.

    Raises:
        AdapterError: ``CREDENTIALS_REFUSED``, certain: nothing was sent.
    """
    token = _read(path).get(_TWIN_TOKEN)
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise refused("it holds no token for a pretend studio, and the servers in use are pretend ones")
    return token


def read_service_account(path: Path) -> Any:
    """Return the credentials in a service account's key file.

    Raises:
        AdapterError: ``CREDENTIALS_REFUSED``, certain: nothing was sent.
    """
    information = _read(path)
    make: Callable[..., Any] = Credentials.from_service_account_info  # has no types of its own
    try:
        return make(dict(information), scopes=[_SCOPE])
    except (GoogleAuthError, ValueError, TypeError):
        raise refused("it is not the key file of a service account") from None


def refused(why: str) -> AdapterError:
    """Return the error for a credential that cannot be used; ``why`` never quotes the file."""
    return AdapterError(
        f"The writing credential was refused: {why}. Nothing was sent. Check STUDIO_WRITE_CREDENTIALS.",
        code="CREDENTIALS_REFUSED",
        is_certain=True,
    )


def _read(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode):
                raise refused("it is not a file")
            if state.st_mode & 0o077 or state.st_uid not in {os.geteuid(), 0}:
                raise refused("others may read it; make it yours alone with chmod 600")
            content = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise refused(f"the file cannot be read ({type(error).__name__})") from None
    try:
        value = json.loads(content) if len(content) <= LARGEST_FILE_BYTES else None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise refused("it does not hold a JSON object")
    return value
