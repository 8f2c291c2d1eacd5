"""Redaction: what must never be shown is cut out of text and values before they leave the process.

Pure rules. Contracts already keep personal data and secrets out of what we read; this guards the rest:
log lines, error messages, metadata. Two things are cut: text that *looks* like a secret, wherever it
comes from, and the exact secret values this process was given, in every form they are likely to take.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, quote_plus

REDACTED: Final = "[redacted]"
# A shorter value would also cut ordinary words; such a secret could be guessed anyway.
SHORTEST_SECRET: Final = 6
DEEPEST_VALUE: Final = 20

_SECRET_NAME: Final = re.compile(
    r"(?i)(^|[_\-. ])(pass(word|wd|phrase)?|secret|token|api[_\-]?key|private[_\-]?key|authorization|cookie"
    r"|credential|dsn)s?($|[_\-. ])"
)
_PATTERNS: Final = (
    # Whole private keys, even when their end was cut off.
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"\b(sk|rk|pk|ek)_(test|live)_[A-Za-z0-9_]{4,}"),
    re.compile(r"\bwhsec_[A-Za-z0-9+/=_]{4,}"),
    re.compile(r"\bAIza[0-9A-Za-z_\-]{20,}"),
    re.compile(r"\bya29\.[0-9A-Za-z_\-.]+"),
    re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}"),
    re.compile(r"\beyJ[A-Za-z0-9_\-]{6,}\.[A-Za-z0-9_\-]{4,}\.[A-Za-z0-9_\-]*"),
    re.compile(r"\b[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}\b"),
)
_URL_PASSWORD: Final = re.compile(
    r"(?P<before>[a-z][a-z0-9+.\-]*://[^\s/:@?#]*:)[^\s@/?#]+(?=@)", re.IGNORECASE
)
_AUTHORIZATION: Final = re.compile(r"(?P<before>\b(bearer|basic)\s+)[A-Za-z0-9+/=_\-.~]{6,}", re.IGNORECASE)
_ASSIGNMENT: Final = re.compile(
    r"(?P<before>\b[\w\-]*(password|passwd|secret|api[_\-]?key|access[_\-]?token|[_\-]token)[\"']?\s*[=:]"
    r"\s*[\"']?)[^\s\"',;&]+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Redactor:
    """Cuts secrets out of text and values. Deterministic; applying it twice changes nothing more.

    Attributes:
        forms: Every spelling of every known secret, longest first, so that no part of one survives.
    """

    forms: tuple[str, ...] = ()

    @classmethod
    def knowing(cls, secrets: Iterable[str]) -> "Redactor":
        """Return a redactor that also cuts these exact values, plain, URL-quoted and JSON-escaped."""
        forms = {
            form
            for secret in secrets
            for form in (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1])
            if len(secret) >= SHORTEST_SECRET
        }
        return cls(tuple(sorted(forms, key=lambda form: (-len(form), form))))

    def text(self, text: str) -> str:
        """Return the text with every secret replaced; empty text stays empty."""
        for form in self.forms:
            text = text.replace(form, REDACTED)
        for pattern in (_URL_PASSWORD, _AUTHORIZATION, _ASSIGNMENT):
            text = pattern.sub(rf"\g<before>{REDACTED}", text)
        for pattern in _PATTERNS:
            text = pattern.sub(REDACTED, text)
        return text

    def value(self, value: Any, *, _depth: int = 0) -> Any:
        """Return a copy of a value with every string redacted, and whole values under secret names.

        Mappings, lists, tuples and sets are walked; numbers, booleans and null stay as they are; any other
        object becomes its redacted ``repr``. Deeper than ``DEEPEST_VALUE`` becomes ``[redacted]``.
        """
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        if _depth >= DEEPEST_VALUE:
            return REDACTED
        if isinstance(value, Mapping):
            return {
                self.text(str(name)): REDACTED
                if item is not None and is_secret_name(str(name))
                else self.value(item, _depth=_depth + 1)
                for name, item in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item, _depth=_depth + 1) for item in value]
        return self.text(repr(value))


def is_secret_name(name: str) -> bool:
    """Say whether a field of this name holds a secret, whatever its value looks like."""
    return _SECRET_NAME.search(name) is not None


def url_secrets(url: str) -> tuple[str, ...]:
    """Return the secret parts of a URL: the whole URL when it carries a password, and that password."""
    found = re.match(r"[A-Za-z][A-Za-z0-9+.\-]*://[^/?#]*?:(?P<password>[^/?#]*)@", url)
    return (url, found["password"]) if found and found["password"] else ()
