"""A pretend Firebase Authentication: keys that rotate, accounts that can be revoked, signed ID tokens.

The private keys are made in this process and stay in it: they are written nowhere, so tokens end with the
twins at the latest. Nothing else believes these keys: a verifier of a real project fetches Google's.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import floor
from typing import Any, Final

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

ISSUER: Final = "https://securetoken.google.com/"
KEY_BITS: Final = 2048
# Google publishes a key for about two weeks; here only its place among the published ones matters.
CERTIFICATE_DAYS: Final = 16
LONGEST_SECONDS: Final = 3600
LONGEST_CLAIMS_BYTES: Final = 1000
LONGEST_UID: Final = 128
# Firebase refuses these as custom claims; so a caller can change neither times nor audience.
RESERVED: Final = frozenset(
    {
        "acr",
        "amr",
        "at_hash",
        "aud",
        "auth_time",
        "azp",
        "cnf",
        "c_hash",
        "exp",
        "firebase",
        "iat",
        "iss",
        "jti",
        "nbf",
        "nonce",
        "sub",
        "user_id",
    }
)


class IssueRefusedError(ValueError):
    """A token that the issuer does not sign; the message is a sentence for the person who asked."""


@dataclass(frozen=True, slots=True)
class _Key:
    key_id: str
    private: rsa.RSAPrivateKey
    certificate: str


@dataclass(frozen=True, slots=True)
class IssuedAccount:
    """An account that was given a token at least once."""

    uid: str
    valid_since: int = 0
    is_disabled: bool = False


class Issuer:
    """Signs and publishes. May be used from several threads.

    Args:
        project: Becomes issuer and audience.
        now: Tells the real time: verifiers know no simulated one.
    """

    def __init__(self, project: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.project = project
        self._now = now
        self._lock = threading.Lock()
        self._keys: list[_Key] = []
        self._accounts: dict[str, IssuedAccount] = {}

    def sign(
        self,
        uid: str,
        claims: Mapping[str, Any] | None = None,
        *,
        seconds: int = LONGEST_SECONDS,
        name: str | None = None,
        tenant: str | None = None,
    ) -> str:
        """Return an ID token that counts from now on; the account is made when there is none.

        Args:
            uid: Whom it speaks for; at most 128 characters.
            claims: Custom claims, such as ``{"staff": True}``; at most 1000 bytes, none of ``RESERVED``.
            seconds: For how long; 1 to 3600.
            name: What the person is called.
            tenant: The tenant of the account, for issuers with several.

        Raises:
            IssueRefusedError: for anything that Firebase would not sign either.
        """
        custom = dict(claims or {})
        _refuse_odd(uid, custom, seconds)
        with self._lock:
            key = self._current()
            account = self._accounts.setdefault(uid, IssuedAccount(uid))
        if account.is_disabled:
            raise IssueRefusedError("the account is disabled")
        # A second that has just been cut off counts no more; who signs in again within it gets the next one.
        now = max(floor(self._now().timestamp()), account.valid_since)
        firebase: dict[str, Any] = {"identities": {}, "sign_in_provider": "custom"}
        if tenant is not None:
            firebase["tenant"] = tenant
        payload = {
            **custom,
            **({"name": name} if name else {}),
            "iss": f"{ISSUER}{self.project}",
            "aud": self.project,
            "auth_time": now,
            "user_id": uid,
            "sub": uid,
            "iat": now,
            "exp": now + seconds,
            "firebase": firebase,
        }
        return jwt.encode(payload, key.private, algorithm="RS256", headers={"kid": key.key_id})

    def certificates(self) -> dict[str, str]:
        """Return the published keys: key id and certificate (PEM), the newest first."""
        with self._lock:
            self._current()
            return {key.key_id: key.certificate for key in reversed(self._keys)}

    def rotate(self, *, is_old_kept: bool = True) -> str:
        """Sign with a new key from now on, the last one still published if it is kept; return the new id."""
        key = _new_key(self._now())
        with self._lock:
            self._keys = [*(self._keys[-1:] if is_old_kept else ()), key]
        return key.key_id

    def revoke(self, uid: str) -> None:
        """End every session of an account: only tokens made after this second count."""
        with self._lock:
            account = self._accounts.get(uid, IssuedAccount(uid))
            cut = floor(self._now().timestamp()) + 1
            self._accounts[uid] = replace(account, valid_since=cut)

    def disable(self, uid: str, *, is_disabled: bool = True) -> None:
        """Lock an account, or let it sign in again."""
        with self._lock:
            account = self._accounts.get(uid, IssuedAccount(uid))
            self._accounts[uid] = replace(account, is_disabled=is_disabled)

    def account(self, uid: str) -> IssuedAccount | None:
        """Return an account; null when it was never given a token."""
        with self._lock:
            return self._accounts.get(uid)

    def _current(self) -> _Key:
        # Made when first wanted: it takes a tenth of a second, and most twins never sign anything.
        if not self._keys:
            self._keys.append(_new_key(self._now()))
        return self._keys[-1]


def _refuse_odd(uid: str, claims: Mapping[str, Any], seconds: int) -> None:
    if not 0 < len(uid) <= LONGEST_UID or not uid.isascii() or not uid.isprintable():
        raise IssueRefusedError("uid is 1 to 128 printable ASCII characters")
    if isinstance(seconds, bool) or not 1 <= seconds <= LONGEST_SECONDS:
        raise IssueRefusedError("seconds is a whole number from 1 to 3600")
    if reserved := sorted(RESERVED & claims.keys()):
        raise IssueRefusedError(f"{reserved[0]} is reserved; it cannot be a custom claim")
    if len(repr(dict(claims))) > LONGEST_CLAIMS_BYTES:
        raise IssueRefusedError("custom claims have at most 1000 characters")


def _new_key(now: datetime) -> _Key:
    private = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pretend-issuer.studio.invalid")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=CERTIFICATE_DAYS))
        .sign(private, hashes.SHA256())
    )
    key_id = certificate.fingerprint(hashes.SHA256()).hex()[:40]
    return _Key(key_id, private, certificate.public_bytes(Encoding.PEM).decode("ascii"))
