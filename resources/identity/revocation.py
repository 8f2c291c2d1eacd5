"""Since when tokens count: the cut-off of one account, and the one of the whole studio.

A token that was made before the cut-off is refused although its signature and its times hold. An account
that cannot be looked up is not trusted. Source: https://firebase.google.com/docs/auth/admin/manage-sessions.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from urllib.parse import quote

import requests

from resources.identity.fetch import ask
from resources.identity.gateway import IdentityError

DEADLINE_SECONDS: Final = 5.0
_LATEST_SECOND: Final = 253_402_300_799  # the end of the year 9999


@dataclass(frozen=True, slots=True)
class Account:
    """What the issuer says of an account: whether it may sign in, and since when its tokens count."""

    is_disabled: bool
    valid_since: datetime | None


class Accounts(Protocol):
    """Looks accounts up."""

    def find(self, uid: str) -> Account | None:
        """Return an account; null when the issuer does not have it.

        Raises:
            IdentityError: ``REVOCATION_UNREADABLE`` (transient) when the issuer cannot be asked.
        """


class AccountLookup:
    """The issuer's ``accounts:lookup``. Asked every time: a revoked token is refused at once.

    Args:
        url: Address up to and including the version, such as ``https://identitytoolkit.googleapis.com/v1``.
        project: The issuer's project.
        bearer: Gives an access token that may read accounts; none is sent when null.
        deadline_seconds: When a question is given up.
    """

    def __init__(
        self,
        url: str,
        project: str,
        *,
        bearer: Callable[[], str] | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._url = f"{url.rstrip('/')}/projects/{quote(project, safe='')}/accounts:lookup"
        self._bearer = bearer
        self._deadline_seconds = deadline_seconds

    def find(self, uid: str) -> Account | None:
        """Return an account; null when the issuer does not have it."""
        try:
            answer = ask(
                "POST",
                self._url,
                deadline_seconds=self._deadline_seconds,
                json={"localId": [uid]},
                bearer=self._bearer() if self._bearer else None,
            )
            return _account_in(json.loads(answer.body), uid)
        except (requests.RequestException, ValueError, RecursionError):
            # The cause is left out: a URL or a header of it could hold what must not be shown.
            raise IdentityError(
                "REVOCATION_UNREADABLE",
                "The issuer could not be asked whether this identity was revoked; nothing was done."
                " Try again in a minute.",
                is_transient=True,
            ) from None


def refuse_revoked(account: Account | None, made_at: datetime) -> None:
    """Raise ``IdentityError`` when an account's tokens of an instant no longer count.

    Args:
        account: As looked up; null means that the issuer does not have it.
        made_at: The earlier of when the token was made and when its person signed in.
    """
    if account is None:
        raise IdentityError(
            "ACCOUNT_UNKNOWN", "The issuer has no such account (any more). Ask an admin for one."
        )
    if account.is_disabled:
        raise IdentityError("ACCOUNT_DISABLED", "This account is disabled. Ask an admin to enable it.")
    if account.valid_since is not None and made_at < account.valid_since:
        raise IdentityError("TOKEN_REVOKED", "The sessions of this account were ended. Sign in again.")


def _account_in(said: Any, uid: str) -> Account | None:
    """Return the account of an answer; raise ``ValueError`` when it is not an answer to what was asked."""
    users = said.get("users", []) if isinstance(said, dict) else None
    if users == []:
        return None
    if not isinstance(users, list) or len(users) != 1 or not isinstance(users[0], dict):
        raise ValueError("not an account")
    user = users[0]
    is_disabled = user.get("disabled", False)
    if user.get("localId") != uid or not isinstance(is_disabled, bool):
        raise ValueError("another account")
    since = user.get("validSince")
    if since is None:
        return Account(is_disabled, None)
    if not isinstance(since, str) or not since.isascii() or not since.isdigit() or len(since) > 12:
        raise ValueError("not a number of seconds")
    return Account(is_disabled, datetime.fromtimestamp(min(int(since), _LATEST_SECOND), UTC))
