"""What settings may not be, looked at together: which keys are refused, which sources may not be mixed.

Pure functions of the variables as given, called by :mod:`resources.settings`. No sentence holds a value.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from posixpath import normpath
from typing import Final
from urllib.parse import urlsplit

RESTRICTED_KEY: Final = re.compile(r"rk_(test|live)_[A-Za-z0-9_]{8,}")

_KEY_KINDS: Final = (
    ("sk_live_", "a full-access LIVE secret key"),
    ("sk_test_", "a full-access test secret key"),
    ("sk_", "a full-access secret key"),
    ("pk_", "a publishable key"),
    ("rk_", "a malformed restricted key"),
    ("whsec_", "a webhook secret"),
    ("ek_", "an ephemeral key"),
)


def is_loopback(host: str) -> bool:
    """Say whether a host name or address means this machine only."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def is_loopback_url(value: str) -> bool:
    """Say whether a URL leads to this machine, without credentials in it."""
    try:
        parts = urlsplit(value)
        return (
            parts.scheme in {"http", "https"} and parts.username is None and is_loopback(parts.hostname or "")
        )
    except ValueError:
        return False


def is_https_url(value: str) -> bool:
    """Say whether a URL is an https address, without credentials in it."""
    try:
        parts = urlsplit(value)
        return parts.scheme == "https" and parts.username is None and bool(parts.hostname)
    except ValueError:
        return False


def key_problems(given: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the Stripe key, by itself and beside the sources."""
    key, base = given.get("STUDIO_STRIPE_KEY", ""), given.get("STUDIO_STRIPE_API_BASE")
    is_stripe_twin, is_firestore_twin = base is not None, "FIRESTORE_EMULATOR_HOST" in given
    problems = []
    if is_stripe_twin and "_live_" in key[:12]:
        problems.append(
            "STUDIO_STRIPE_KEY is a live key, but STUDIO_STRIPE_API_BASE names a twin; unset one of them."
        )
    if key and not is_stripe_twin:
        if not RESTRICTED_KEY.fullmatch(key):
            kind = next((words for prefix, words in _KEY_KINDS if key.startswith(prefix)), "not a Stripe key")
            problems.append(
                f"STUDIO_STRIPE_KEY is {kind} and was refused: Studio OS only reads, so it takes a"
                " restricted key (rk_...). Make one with read permissions at"
                " https://dashboard.stripe.com/apikeys."
            )
        elif is_firestore_twin:
            problems.append(
                "STUDIO_STRIPE_KEY is for Stripe itself, but FIRESTORE_EMULATOR_HOST names a twin;"
                " a state mixed from a real and a pretend source would be false. Unset one of them."
            )
    if is_stripe_twin and not is_firestore_twin and "STUDIO_FIRESTORE_PROJECT" in given:
        problems.append(
            "STUDIO_STRIPE_API_BASE names a twin, but STUDIO_FIRESTORE_PROJECT a real project;"
            " a state mixed from a real and a pretend source would be false. Unset one of them."
        )
    return problems


def identity_problems(given: Mapping[str, str]) -> list[str]:
    """Return where real and pretended identities would be mixed."""
    is_twin = "FIRESTORE_EMULATOR_HOST" in given
    problems = []
    for name in ("STUDIO_IDENTITY_KEYS_URL", "STUDIO_IDENTITY_ACCOUNTS_URL"):
        url = given.get(name)
        if url is not None and is_loopback_url(url) and not is_twin:
            problems.append(
                f"{name} names an issuer on this machine, but no twin is read; whoever can start a program"
                " here could sign in as anybody. Unset it."
            )
        elif url is not None and is_https_url(url) and not is_loopback_url(url) and is_twin:
            problems.append(
                f"{name} names a real issuer, but FIRESTORE_EMULATOR_HOST a twin; real identities have no"
                " business in a pretend studio. Unset one of them."
            )
    return problems


def writing_problems(given: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the writing credential."""
    reader, writer = given.get("GOOGLE_APPLICATION_CREDENTIALS"), given.get("STUDIO_WRITE_CREDENTIALS")
    if not reader or not writer or normpath(reader) != normpath(writer):
        return []
    sentence = (
        "STUDIO_WRITE_CREDENTIALS is the file that GOOGLE_APPLICATION_CREDENTIALS names; what reads must not"
        " be able to write. Make another service account for writing."
    )
    return [sentence]
