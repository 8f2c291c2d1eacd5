"""An access token for Google's account look-up; the only place of this door that knows Google's library.

The service account needs ``firebaseauth.users.get`` and nothing else (role "Firebase Authentication Viewer").
"""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import google.auth
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials

from resources.identity.gateway import IdentityError
from resources.identity.revocation import DEADLINE_SECONDS

SCOPE: Final = "https://www.googleapis.com/auth/identitytoolkit"


class GoogleBearer:
    """Gives an access token that is good now. May be used from several threads.

    Args:
        credentials_path: Service-account file; null takes the machine's default credentials.
    """

    def __init__(self, credentials_path: Path | None) -> None:
        self._path = credentials_path
        self._credentials: Any = None
        self._lock = threading.Lock()

    def __call__(self) -> str:
        """Return the token; raise ``IdentityError`` (transient) when there is none to be had."""
        try:
            with self._lock:
                if self._credentials is None:
                    self._credentials = self._load()
                if not self._credentials.valid:
                    self._credentials.refresh(partial(Request(), timeout=DEADLINE_SECONDS))
                return str(self._credentials.token)
        except (GoogleAuthError, OSError, ValueError):
            raise IdentityError(
                "REVOCATION_UNREADABLE",
                "Google's credentials cannot be used, so it is not known whether this identity was revoked;"
                " nothing was done. Check GOOGLE_APPLICATION_CREDENTIALS.",
                is_transient=True,
            ) from None

    def _load(self) -> Any:
        if self._path is None:
            return google.auth.default(scopes=[SCOPE])[0]
        load: Callable[..., Any] = Credentials.from_service_account_file  # has no types of its own
        return load(str(self._path), scopes=[SCOPE])
