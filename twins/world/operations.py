"""What the world does: document writes and Stripe calls, each at an instant, gathered into steps.

A step is one slot of the simulated day. Its document writes are folded (at most one per document) and become
visible together, at the step's own instant; its Stripe calls keep their own instants. Nothing here knows a
client library: ``writer.py`` carries operations out, ``truth.py`` counts them in plain Python.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum
from typing import Any, Final, TypeAlias

Document: TypeAlias = dict[str, Any]

SLOT = timedelta(minutes=15)
_BEFORE_SLOT_END = timedelta(seconds=1)  # keeps a commit, and the ticks after it, on its own studio-local day
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Removal(Enum):
    """The value that stands for "remove this field" in an update."""

    REMOVED = "removed"


REMOVED: Final = Removal.REMOVED


class WriteKind(StrEnum):
    """How a write treats the document that is there."""

    SET = "set"  # the whole document becomes this
    UPDATE = "update"  # only the named field paths change; the document must exist
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class DocumentWrite:
    """One write to one document. ``data`` is a document for ``SET``, field path -> value for ``UPDATE``."""

    path: str
    kind: WriteKind
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StripeCall:
    """One request to Stripe, at its own instant.

    Attributes:
        at: Simulated instant at which Stripe sees the request.
        act: What is asked for; ``stripe_acts.py`` knows which endpoint answers it.
        params: Request parameters, with the ids of earlier objects already in place.
        expects: Name of what the call makes -> the id the plan foresaw for it.
    """

    at: datetime
    act: str
    params: Mapping[str, Any]
    expects: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """One slot of simulated time: calls first, then the writes, all visible from ``at`` on.

    ``is_bulk`` marks writes that only set new documents, which may go a faster way.
    """

    at: datetime
    calls: tuple[StripeCall, ...] = ()
    writes: tuple[DocumentWrite, ...] = ()
    is_bulk: bool = False


def slot_of(instant: datetime) -> datetime:
    """Return when things done at ``instant`` become visible: the end of their slot, less 1 s."""
    return instant - (instant - _EPOCH) % SLOT + SLOT - _BEFORE_SLOT_END


def within_slot(instant: datetime) -> datetime:
    """Return the instant, or the last moment of its slot that is not after the slot becomes visible."""
    return min(instant, slot_of(instant))


def apply_write(documents: dict[str, Document], write: DocumentWrite) -> None:
    """Change ``documents`` (path -> document) as the write says.

    Documents and nested maps are replaced, never changed in place, so that a shallow copy is a snapshot.

    Raises:
        KeyError: when an update names a document that is not there.
    """
    if write.kind is WriteKind.SET:
        documents[write.path] = dict(write.data)
    elif write.kind is WriteKind.DELETE:
        documents.pop(write.path, None)
    else:
        document = dict(documents[write.path])
        for field_path, value in write.data.items():
            _put(document, field_path.split("."), value)
        documents[write.path] = document


def _put(target: Document, names: list[str], value: Any) -> None:
    for name in names[:-1]:
        inner = target.get(name)
        copied = dict(inner) if isinstance(inner, dict) else {}
        target[name] = copied
        target = copied
    if value is REMOVED:
        target.pop(names[-1], None)
    else:
        target[names[-1]] = value


def fold(writes: Iterable[DocumentWrite]) -> tuple[DocumentWrite, ...]:
    """Return writes with the same effect, at most one per document, in order of first mention."""
    folded: dict[str, DocumentWrite] = {}
    for write in writes:
        before = folded.get(write.path)
        folded[write.path] = write if before is None else _fold_two(before, write)
    return tuple(folded.values())


def _fold_two(before: DocumentWrite, after: DocumentWrite) -> DocumentWrite:
    if after.kind is not WriteKind.UPDATE:
        return after
    if before.kind is WriteKind.SET:
        documents = {before.path: dict(before.data)}
        apply_write(documents, after)
        return DocumentWrite(before.path, WriteKind.SET, documents[before.path])
    if before.kind is WriteKind.DELETE:
        raise KeyError(f"an update follows the deletion of {before.path}")
    changes = dict(before.data)
    for field_path, value in after.data.items():
        _fold_field(changes, field_path, value)
    return DocumentWrite(before.path, WriteKind.UPDATE, changes)


def _fold_field(changes: Document, field_path: str, value: Any) -> None:
    """Add one change; Firestore refuses an update that names both a map and a field inside it."""
    for name in [name for name in changes if name.startswith(f"{field_path}.")]:
        del changes[name]
    parent = field_path
    while "." in parent:
        parent = parent.rpartition(".")[0]
        if parent in changes:
            inner = changes[parent]
            copied = dict(inner) if isinstance(inner, dict) else {}
            _put(copied, field_path.removeprefix(f"{parent}.").split("."), value)
            changes[parent] = copied
            return
    changes[field_path] = value
