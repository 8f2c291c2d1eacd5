"""Ids the gateway gives: sortable by time, unguessable enough never to meet, letters and digits only.

Also the idempotency keys: they follow from the proposal alone, so no attempt can ask for a second effect.
"""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Final

IdSource = Callable[[str, datetime], str]
"""Gives a new id for a prefix and an instant, such as ``("prp", now)``."""

PROPOSAL: Final = "prp"
APPROVAL: Final = "apr"
EXECUTION: Final = "exe"
EXEMPTION: Final = "exm"

# Crockford's base 32: no i, l, o, u, so that an id can be read out loud.
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]
_TIME_DIGITS: Final = 10  # 48 bits of milliseconds
_RANDOM_BITS: Final = 80
_RANDOM_DIGITS: Final = 16


def random_id(prefix: str, at: datetime) -> str:
    """Return ``<prefix>_`` and 26 digits: milliseconds of the instant, then 80 random bits."""
    milliseconds = int(at.timestamp() * 1000)
    return (
        f"{prefix}_{_base32(milliseconds, _TIME_DIGITS)}"
        f"{_base32(secrets.randbits(_RANDOM_BITS), _RANDOM_DIGITS)}"
    )


def earliest_id(prefix: str, at: datetime) -> str:
    """Return what no id of this prefix given at an instant or later sorts before."""
    return f"{prefix}_{_base32(int(at.timestamp() * 1000), _TIME_DIGITS)}"


def execute_key(proposal_id: str) -> str:
    """Return the key under which the target acts on a proposal: the same for every version and attempt."""
    return proposal_id


def rollback_key(proposal_id: str) -> str:
    """Return the key of the attempts to undo; the target itself is asked with ``execute_key``."""
    return f"{proposal_id}_rollback"


def _base32(number: int, digits: int) -> str:
    """Return the last digits of a number, an even count of them."""
    return "".join([_PAIRS[number >> (5 * place) & 1023] for place in range(digits - 2, -1, -2)])
