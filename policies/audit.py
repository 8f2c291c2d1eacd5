r"""The audit log's bytes: how an event becomes canonical text, and text becomes an entry with a hash.

PostgreSQL computes the same entry and the same hash when it appends; the standalone verifier does too. The
rules are few so that three programs in three languages can agree on every byte:

- A payload is JSON without whitespace, with sorted ASCII keys, UTF-8 text, and integers as the only numbers.
- An entry is ``<seq>\n<previous hash in hex>\n<payload>``.
- Its hash is SHA-256 over a zero byte and the entry: the chain's hash and the RFC 6962 leaf hash in one.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import orjson

from policies.ports import AuditDraft

VERSION: Final = 1
GENESIS: Final = "0" * 64
"""What the first entry names as the hash before it."""
MOST_PAYLOAD_BYTES: Final = 16_384
# Every JSON reader keeps integers of this size exact.
MOST_INTEGER: Final = 2**53 - 1
DEEPEST_VALUE: Final = 20
LEAF_PREFIX: Final = b"\x00"

_OPTIONS: Final = orjson.OPT_SORT_KEYS
_NUL: Final = "\\u0000"  # as JSON writes it


class NotCanonicalError(ValueError):
    """A value has no canonical form, or an event is too large. Nothing was written."""


def canonical(value: Any) -> str:
    """Return the one canonical JSON text of a value made of mappings, lists, text, integers, booleans, null.

    Tuples count as lists and string enums as their text. The same value gives the same bytes everywhere.

    Raises:
        NotCanonicalError: A float, an integer beyond 2**53 - 1, a key that is not ASCII text, a NUL or a lone
            surrogate in text, any other type, or nesting deeper than ``DEEPEST_VALUE``.
    """
    return _dumped(_plain(value, 0))


def canonical_hash(value: Any) -> str:
    """Return SHA-256 in hex over the canonical bytes of a value. Raises ``NotCanonicalError``."""
    return sha256(canonical(value).encode()).hexdigest()


def text_hash(text: str) -> str:
    """Return SHA-256 in hex over free text: what an event says instead of the words. Accepts any text."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def payload_of(draft: AuditDraft, studio_id: str) -> str:
    """Return the canonical payload of an event of a studio.

    Raises:
        NotCanonicalError: A detail has no canonical form, the instant is not aware, or the payload is larger
            than ``MOST_PAYLOAD_BYTES``.
    """
    actor = draft.actor
    event = {
        "actor": {"id": actor.actor_id, "kind": actor.kind.value, "owner": actor.owner_id},
        "at": instant(draft.at),
        "details": _plain(draft.details, 1),
        "name": draft.name,
        "state": draft.state,
        "studio": studio_id,
        "subject": {"id": draft.subject_id, "kind": draft.subject_kind},
        "v": VERSION,
    }
    payload = _dumped(event)
    # All but the details are texts as they are, of which only a NUL would still have to be refused.
    if _NUL in payload or not _is_text(draft, studio_id):
        payload = canonical(event)
    # Only text long enough to be in doubt is encoded once more to be measured.
    if len(payload) * 4 > MOST_PAYLOAD_BYTES and len(payload.encode()) > MOST_PAYLOAD_BYTES:
        raise NotCanonicalError(
            f"The event {draft.name} is larger than {MOST_PAYLOAD_BYTES} bytes; give it hashes, not contents."
        )
    return payload


def instant(at: datetime) -> str:
    """Return an instant as the log writes it: UTC, microseconds, ``Z``. Raises ``NotCanonicalError``."""
    if at.tzinfo is not UTC:
        if at.tzinfo is None:
            raise NotCanonicalError("An event needs an instant with a time zone.")
        at = at.astimezone(UTC)
    return at.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def entry_bytes(seq: int, prev_hash: str, payload: str) -> bytes:
    """Return the bytes of an entry: its number (from 1), the hash before it in hex, and its payload."""
    return f"{seq}\n{prev_hash}\n{payload}".encode()


def entry_hash(seq: int, prev_hash: str, payload: str) -> str:
    """Return an entry's hash in hex: chain hash and RFC 6962 leaf hash at once."""
    return sha256(LEAF_PREFIX + entry_bytes(seq, prev_hash, payload)).hexdigest()


def _dumped(plain: Any) -> str:
    try:
        return orjson.dumps(plain, option=_OPTIONS).decode()
    except (orjson.JSONEncodeError, UnicodeError) as error:
        raise NotCanonicalError("The value holds text that is not Unicode (a lone surrogate).") from error


def _is_text(draft: AuditDraft, studio_id: str) -> bool:
    """Return whether what is said to be text is: JSON has a form for much that this log refuses."""
    actor = draft.actor
    return (
        str
        is type(studio_id)
        is type(draft.name)
        is type(draft.subject_id)
        is type(draft.subject_kind)
        is type(actor.actor_id)
        and (draft.state is None or type(draft.state) is str)
        and (actor.owner_id is None or type(actor.owner_id) is str)
    )


def _plain(value: Any, depth: int) -> Any:
    """Return the value as dictionaries, lists and exact base types; refuse what has no canonical form."""
    kind = type(value)
    if kind is str:
        if "\0" in value:
            raise NotCanonicalError("Text with a NUL character cannot be written to the log.")
        return value
    if value is None or kind is bool:
        return value
    if kind is int:
        if -MOST_INTEGER <= value <= MOST_INTEGER:
            return value
        raise NotCanonicalError("An integer beyond 2**53 - 1 is not exact in every reader.")
    if depth >= DEEPEST_VALUE:
        raise NotCanonicalError(f"The value is nested deeper than {DEEPEST_VALUE} levels.")
    if kind is dict or isinstance(value, Mapping):
        # Plain text, which most names and items are, is told here: a call for each would take longer.
        return {
            (name if type(name) is str and name.isascii() and "\0" not in name else _key(name)): (
                item if type(item) is str and "\0" not in item else _plain(item, depth + 1)
            )
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, str):  # a string enum: its text
        return _plain(str.__str__(value), depth)
    raise NotCanonicalError(f"A value of type {kind.__name__} has no canonical form.")


def _key(name: Any) -> str:
    if not isinstance(name, str) or not name.isascii() or "\0" in name:
        raise NotCanonicalError("A key must be ASCII text.")
    return str.__str__(name)
