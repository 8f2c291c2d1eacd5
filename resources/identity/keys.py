"""The issuer's public keys: fetched, kept as long as the issuer allows, and renewed when it changes them.

The format is Google's: a JSON object of key id and X.509 certificate (PEM), with ``Cache-Control: max-age``.
Keys that are good stay good until that age is over, whatever happens meanwhile; after it nothing is believed
until new ones have been fetched. Source: https://firebase.google.com/docs/auth/admin/verify-id-tokens.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import requests
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from resources.identity.fetch import ask
from resources.identity.gateway import IdentityError

KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
SMALLEST_KEY_BITS: Final = 2048
MOST_KEYS: Final = 32
# The issuer says how long its keys are good; without a word, not long. Never more than a day, and never less
# than a minute: keys that were good for nothing would have to be fetched for every token.
UNSAID_SECONDS: Final = 300.0
SHORTEST_SECONDS: Final = 60.0
LONGEST_SECONDS: Final = 24 * 3600.0
# Renewed before the end, so that a failed attempt can be repeated while the old keys still count.
RENEW_RATIO: Final = 0.8
# INVARIANT: tokens that name unknown keys, however many, cause one question to the issuer in this time.
GAP_SECONDS: Final = 30.0
DEADLINE_SECONDS: Final = 5.0

_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_NEVER_KEEP: Final = re.compile(r"(?:^|[\s,])(no-store|no-cache)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys by id, with the monotonic times at which to renew them and from which on they are nothing."""

    keys: Mapping[str, RSAPublicKey]
    renew_at: float
    ends_at: float


class PublicKeys:
    """The keys of one issuer. May be used from several threads; only one of them asks the issuer.

    Args:
        url: Where they are published; not asked before the first key is wanted.
        monotonic: Tells seconds that never go back.
        gap_seconds: Least time between two questions.
        deadline_seconds: When a question is given up.
    """

    def __init__(
        self,
        url: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        gap_seconds: float = GAP_SECONDS,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._url = url
        self._monotonic = monotonic
        self._gap_seconds = gap_seconds
        self._deadline_seconds = deadline_seconds
        self._lock = threading.Lock()
        self._set: KeySet | None = None
        self._asked_at: float | None = None
        self._has_failed = False

    def find(self, key_id: str) -> RSAPublicKey:
        """Return the key of an id.

        Raises:
            IdentityError: ``TOKEN_KEY_UNKNOWN`` when the issuer has no such key; ``KEYS_UNAVAILABLE``
                (transient) when no good keys are at hand.
        """
        kept = self._set
        if kept is not None and key_id in kept.keys and self._monotonic() < kept.renew_at:
            return kept.keys[key_id]
        with self._lock:
            return self._find_or_ask(key_id)

    def _find_or_ask(self, key_id: str) -> RSAPublicKey:
        kept, now = self._set, self._monotonic()
        if kept is None or now >= kept.renew_at or key_id not in kept.keys:
            self._ask(now)
            kept, now = self._set, self._monotonic()
        if kept is None or now >= kept.ends_at:
            raise IdentityError(
                "KEYS_UNAVAILABLE",
                "The issuer's keys could not be fetched, so no identity can be checked; nothing was done."
                " Try again in a minute.",
                is_transient=True,
            )
        if key_id in kept.keys:
            return kept.keys[key_id]
        if self._has_failed:
            raise IdentityError(
                "KEYS_UNAVAILABLE",
                "The token names a key that is new here, and the issuer's keys could not be fetched;"
                " nothing was done. Try again in a minute.",
                is_transient=True,
            )
        raise IdentityError(
            "TOKEN_KEY_UNKNOWN",
            "The token was signed with a key that the issuer does not publish (any more). Sign in again.",
        )

    def _ask(self, now: float) -> None:
        """Fetch the keys, unless that was tried a moment ago; what is kept stays when it fails."""
        if self._asked_at is not None and now - self._asked_at < self._gap_seconds:
            return
        self._asked_at, self._has_failed = now, True
        try:
            answer = ask("GET", self._url, deadline_seconds=self._deadline_seconds)
            keys, seconds = _keys_in(answer.body), _seconds_to_keep(answer.headers)
        except (requests.RequestException, ValueError, RecursionError):
            return
        # Counted from the question, not the answer: the issuer's clock started when it wrote the answer.
        self._set = KeySet(keys, now + seconds * RENEW_RATIO, now + seconds)
        self._has_failed = False


def _keys_in(body: bytes) -> Mapping[str, RSAPublicKey]:
    """Return the usable keys of an answer; raise ``ValueError`` when there is none in it."""
    said = json.loads(body)
    if not isinstance(said, dict) or not 0 < len(said) <= MOST_KEYS:
        raise ValueError("not a set of keys")
    keys = {key_id: key for key_id, pem in said.items() if (key := _key_in(key_id, pem)) is not None}
    if not keys:
        raise ValueError("no usable key")
    return keys


def _key_in(key_id: str, pem: object) -> RSAPublicKey | None:
    if not isinstance(pem, str) or not KEY_ID.fullmatch(key_id):
        return None
    try:
        key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, RSAPublicKey) and key.key_size >= SMALLEST_KEY_BITS else None


def _seconds_to_keep(headers: Mapping[str, str]) -> float:
    said = headers.get("Cache-Control", "")
    if _NEVER_KEEP.search(said):
        return SHORTEST_SECONDS
    found = _MAX_AGE.search(said)
    if found is None:
        return UNSAID_SECONDS
    age = headers.get("Age", "")
    # A cache on the way may have held the answer for a while already.
    held = float(age) if age.isascii() and age.isdigit() and len(age) < 10 else 0.0
    return min(max(float(found[1]) - held, SHORTEST_SECONDS), LONGEST_SECONDS)
