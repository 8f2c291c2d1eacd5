"""Firebase ID tokens: what makes one hold. Signature by a library, everything else by the rules below.

The rules are Google's (RS256 only, a known key, issuer, audience, times, subject) and three of our own: no
header that could bring a key along, no token longer than a page, no lifetime beyond the hour that the issuer
gives. Source: https://firebase.google.com/docs/auth/admin/verify-id-tokens#verify_id_tokens_using_a_third-party_jwt_library.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt

from resources.clock import Clock
from resources.identity.gateway import IdentityError, VerifiedIdentity
from resources.identity.keys import KEY_ID, PublicKeys
from resources.identity.revocation import Accounts, refuse_revoked

ALGORITHM: Final = "RS256"
ISSUER: Final = "https://securetoken.google.com/"
# Firebase allows 1000 bytes of custom claims; a token with them and a person's profile is below 4 kB.
LONGEST_TOKEN: Final = 8192
LONGEST_LEEWAY_SECONDS: Final = 60
LONGEST_LIFE_SECONDS: Final = 3600
REQUIRED: Final = ("iss", "aud", "sub", "exp", "iat", "auth_time")
# INVARIANT: what is about a person (name, email, phone_number, picture) is not among them.
AUTHORITY_CLAIMS: Final = frozenset(
    {
        "staff",
        "admin",
        "role",
        "roles",
        "opsRoles",
        "opsCapabilities",
        "agent",
        "agentClientId",
        "studioId",
    }
)

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_SUBJECT: Final = re.compile(r"(?!system:)[\x21-\x7e]{1,128}")
# ``b64`` and ``crit`` change what is signed; the others offer a key or its address. None is Google's.
_FORBIDDEN_HEADERS: Final = frozenset(
    {"jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "crit", "b64", "zip", "enc", "epk"}
)
_LATEST_SECOND: Final = 4_102_444_800  # 2100; later ones are no times but attacks on arithmetic


class FirebaseVerifier:
    """Verifies ID tokens of one Firebase project. May be used from several threads.

    Args:
        project: The project id; issuer and audience follow from it.
        keys: The issuer's keys.
        clock: Says what time it is.
        accounts: Says which accounts were revoked; null when nobody can be asked.
        valid_since: Tokens made or sessions begun before it are refused, whoever they speak for.
        leeway_seconds: How far the issuer's clock may be from ours; at most a minute.
    """

    def __init__(
        self,
        project: str,
        keys: PublicKeys,
        clock: Clock,
        *,
        accounts: Accounts | None = None,
        valid_since: datetime | None = None,
        leeway_seconds: int = 10,
    ) -> None:
        if not project:
            raise ValueError("A verifier needs a project: without one every audience would do.")
        if not 0 <= leeway_seconds <= LONGEST_LEEWAY_SECONDS:
            raise ValueError("The leeway is 0 to 60 seconds.")
        self._project = project
        self._keys = keys
        self._clock = clock
        self._accounts = accounts
        self._valid_since = valid_since
        self._leeway = timedelta(seconds=leeway_seconds)

    def verify(self, token: str) -> VerifiedIdentity:
        """Return who a token speaks for; raise ``IdentityError`` when it does not hold."""
        key_id = _key_id(token)
        payload = self._signed_payload(token, key_id)
        identity = self._checked(payload)
        made_at = min(identity.issued_at, identity.auth_time)
        if self._valid_since is not None and made_at < self._valid_since:
            raise IdentityError("TOKEN_REVOKED", "All sessions of the studio were ended. Sign in again.")
        if self._accounts is not None:
            refuse_revoked(self._accounts.find(identity.uid), made_at)
        return identity

    def _signed_payload(self, token: str, key_id: str) -> dict[str, Any]:
        key = self._keys.find(key_id)
        try:
            payload: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._project,
                issuer=f"{ISSUER}{self._project}",
                # Times are checked below, against the clock we were given.
                options={
                    "require": list(REQUIRED),
                    "strict_aud": True,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except jwt.InvalidSignatureError:
            raise _refused("TOKEN_SIGNATURE", "The token's signature is not the issuer's.") from None
        except jwt.InvalidIssuerError:
            raise _refused("TOKEN_ISSUER", "The token is of another issuer than this studio's.") from None
        except jwt.InvalidAudienceError:
            raise _refused("TOKEN_AUDIENCE", "The token is meant for another project.") from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            # The library's words may quote the token.
            raise _refused("TOKEN_CLAIMS", "The token lacks what an identity needs.") from None
        return payload

    def _checked(self, payload: Mapping[str, Any]) -> VerifiedIdentity:
        now = self._clock.now()
        subject = payload["sub"]
        if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
            raise _refused("TOKEN_SUBJECT", "The token speaks for nobody we could name.")
        expires_at, issued_at = _instant(payload, "exp"), _instant(payload, "iat")
        auth_time = _instant(payload, "auth_time")
        not_before = _instant(payload, "nbf") if "nbf" in payload else issued_at
        if now >= expires_at + self._leeway:
            raise _refused("TOKEN_EXPIRED", "The token has expired.")
        if max(issued_at, auth_time, not_before) > now + self._leeway:
            raise _refused(
                "TOKEN_NOT_YET_VALID", "The token is from the future; check the clock of this machine."
            )
        if not timedelta(0) < expires_at - issued_at <= timedelta(seconds=LONGEST_LIFE_SECONDS):
            raise _refused("TOKEN_CLAIMS", "The token claims a lifetime that its issuer never gives.")
        return VerifiedIdentity(subject, _authority(payload), issued_at, expires_at, auth_time)


def _refused(code: str, sentence: str) -> IdentityError:
    return IdentityError(code, f"{sentence} Sign in again, or get another token.")


def _key_id(token: str) -> str:
    """Return the id of the key that a token says it was signed with; nothing of it is believed yet."""
    if not isinstance(token, str) or not token.strip():
        raise IdentityError("TOKEN_MISSING", "No token was given.")
    if len(token) > LONGEST_TOKEN or not _TOKEN.fullmatch(token):
        raise _refused("TOKEN_MALFORMED", "This is not a signed token.")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise _refused("TOKEN_MALFORMED", "This is not a signed token.") from None
    if _FORBIDDEN_HEADERS & header.keys():
        raise _refused("TOKEN_MALFORMED", "The token's header is not one that the issuer writes.")
    if header.get("alg") != ALGORITHM or header.get("typ", "JWT") != "JWT":
        raise _refused("TOKEN_ALGORITHM", "The token is not signed the way the issuer signs.")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not KEY_ID.fullmatch(key_id):
        raise _refused("TOKEN_KEY_UNKNOWN", "The token does not say which key it was signed with.")
    return key_id


def _instant(payload: Mapping[str, Any], name: str) -> datetime:
    value = payload[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LATEST_SECOND:
        raise _refused("TOKEN_CLAIMS", "The token's times are not whole seconds.")
    return datetime.fromtimestamp(value, UTC)


def _authority(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    claims = {name: payload[name] for name in AUTHORITY_CLAIMS if name in payload}
    firebase = payload.get("firebase")
    if isinstance(firebase, dict) and "tenant" in firebase:
        claims["tenant"] = firebase["tenant"]
    return claims
