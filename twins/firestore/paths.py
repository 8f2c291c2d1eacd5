"""Names of documents and fields: how they are written, which are allowed, and how document ids are ordered.

A document name is ``projects/P/databases/D/documents/collection/id[/collection/id...]``. A field path is
``a.b.c`` with backquotes around any part that is not a simple identifier.
"""

import re
from functools import lru_cache
from typing import TypeAlias

from twins.firestore.errors import invalid

FieldPath: TypeAlias = tuple[str, ...]
OrderedId: TypeAlias = tuple[int, int, str]

NAME: FieldPath = ("__name__",)
NAME_TEXT = "__name__"
LONGEST_NAME_BYTES = 1500  # the service's limit for one id and for one field name
ROOT_SEGMENTS = 5  # projects, P, databases, D, documents

_SIMPLE = r"[a-zA-Z_][a-zA-Z_0-9]*"
_QUOTED = r"`(?:[^`\\]|\\.)+`"
_PATH = re.compile(rf"(?:{_SIMPLE}|{_QUOTED})(?:\.(?:{_SIMPLE}|{_QUOTED}))*\Z")
_PART = re.compile(rf"({_SIMPLE})|({_QUOTED})")
_NUMBERED = re.compile(r"__id(0|-?[1-9]\d*)__\Z")
_RESERVED = re.compile(r"__.+__\Z", re.DOTALL)


@lru_cache(maxsize=4096)
def parse_field_path(text: str) -> FieldPath:
    """Return the parts of a written field path.

    Raises:
        RefusedError: INVALID_ARGUMENT when the path is empty or not written as the service wants it.
    """
    if not text:
        raise invalid("Invalid empty property path string.")
    if not _PATH.match(text):
        raise invalid(
            f'Invalid property path "{text}". Unquoted property paths must match regex ({_SIMPLE}), '
            f"and quoted property paths must match regex ({_QUOTED})"
        )
    return tuple(
        simple or re.sub(r"\\(.)", r"\1", quoted[1:-1], flags=re.DOTALL)
        for simple, quoted in _PART.findall(text)
    )


def write_field_path(path: FieldPath) -> str:
    """Return a field path as the service writes it; the inverse of ``parse_field_path``."""
    return ".".join(
        part if re.fullmatch(_SIMPLE, part) else "`" + part.replace("\\", "\\\\").replace("`", "\\`") + "`"
        for part in path
    )


def order_id(document_id: str) -> OrderedId:
    """Return the sort key of a document id: numbered ids first by number, then the others by their bytes.

    Comparing text by code point is comparing its UTF-8 bytes.
    """
    numbered = _NUMBERED.match(document_id) if document_id.startswith("__id") else None
    return (0, int(numbered[1]), "") if numbered else (1, 0, document_id)


def order_name(name: str) -> tuple[OrderedId, ...]:
    """Return the sort key of a whole document name, segment by segment."""
    return tuple(order_id(segment) for segment in name.split("/"))


def document_name(project: str, path: str, database: str = "(default)") -> str:
    """Return the full name of the document at ``path`` (``collection/id``)."""
    return f"projects/{project}/databases/{database}/documents/{path}"


def is_reserved(name: str) -> bool:
    """Tell whether a field name is one the service keeps for itself (``__anything__``)."""
    return name.startswith("__") and _RESERVED.match(name) is not None


def check_document_name(name: str, what: str = "Document name") -> None:
    """Refuse what is not the full name of a document."""
    segments = _segments(name, what)
    if len(segments) <= ROOT_SEGMENTS or len(segments) % 2 == 0:
        raise invalid(f'{what} "{name}" lacks "/" at index {len(name)}.')


def check_parent(name: str) -> None:
    """Refuse what is neither the root of a database nor the full name of a document."""
    segments = _segments(name, "Document parent name")
    if len(segments) % 2 == 0:
        raise invalid(f'Document parent name "{name}" lacks "/" at index {len(name)}.')


def check_collection_id(collection_id: str) -> None:
    """Refuse what cannot be the id of a collection."""
    if "/" in collection_id:
        raise invalid(f'Collection id "{collection_id}" is invalid because it contains "/".')
    if is_reserved(collection_id):
        raise invalid(f'Collection id "{collection_id}" is invalid because it is reserved.')


@lru_cache(maxsize=4096)
def _segments_of_root(root: str) -> bool:
    parts = root.split("/")
    return [parts[0], parts[2], parts[4]] == ["projects", "databases", "documents"] and all(parts)


def _segments(name: str, what: str) -> list[str]:
    segments = name.split("/")
    if len(segments) < ROOT_SEGMENTS or not _segments_of_root("/".join(segments[:ROOT_SEGMENTS])):
        raise invalid(f'{what} "{name}" lacks "projects/P/databases/D/documents" at index 0.')
    for number, segment in enumerate(segments[ROOT_SEGMENTS:]):
        if not segment:
            raise invalid(f'{what} "{name}" lacks a resource id.')
        if segment in {".", ".."}:
            raise invalid(f'{what} "{name}" contains a resource id "{segment}".')
        if len(segment.encode()) > LONGEST_NAME_BYTES:
            raise invalid(f"The key path element name is longer than {LONGEST_NAME_BYTES} bytes.")
        if is_reserved(segment) and not (number % 2 and _NUMBERED.match(segment)):
            kind = "Resource" if number % 2 else "Collection"
            raise invalid(f'{kind} id "{segment}" is invalid because it is reserved.')
    return segments
