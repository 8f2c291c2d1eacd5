"""What a door to identities offers: a signed token in, a verified identity out, or a plain refusal.

No token, and no part of one, is ever in a message, a repr or a log line. What an identity may do is not
decided here: claims become roles in ``policies.claims``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


class IdentityError(Exception):
    """A token was refused, or could not be checked, which is the same: nothing was done.

    Attributes:
        code: Stable reason, such as ``TOKEN_EXPIRED``.
        is_transient: Whether the same token may be accepted later, because something could not be asked.
    """

    def __init__(self, code: str, sentence: str, *, is_transient: bool = False) -> None:
        super().__init__(sentence)
        self.code = code
        self.is_transient = is_transient


@dataclass(frozen=True, slots=True)
class VerifiedIdentity:
    """Somebody whose token holds.

    Attributes:
        uid: The issuer's id of the account; 1 to 128 visible ASCII characters, never ``system:...``.
        claims: What the issuer says about authority. Names, addresses and numbers of people are left out.
        issued_at: When this token was made.
        expires_at: From when on it no longer counts.
        auth_time: When the person signed in; a session's tokens share it.
    """

    uid: str
    claims: Mapping[str, Any] = field(repr=False)
    issued_at: datetime
    expires_at: datetime
    auth_time: datetime


class IdentityVerifier(Protocol):
    """Checks signed tokens. May be used from several threads at once."""

    def verify(self, token: str) -> VerifiedIdentity:
        """Return who a token speaks for.

        Raises:
            IdentityError: when it does not hold, or cannot be checked now.
        """
