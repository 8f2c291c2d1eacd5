"""Writes: preconditions, masks and transforms of one commit, applied together or not at all."""

from collections.abc import Sequence

from grpc import StatusCode

from twins.firestore.errors import RefusedError, failed_precondition, invalid, not_found
from twins.firestore.messages import (
    Document,
    DocumentMessage,
    TransformMessage,
    WriteMessage,
    WriteResult,
    WriteResultMessage,
    to_micros,
    to_timestamp,
)
from twins.firestore.paths import check_document_name, parse_field_path
from twins.firestore.records import Version, deleted, pack_message, to_message
from twins.firestore.store import Store
from twins.firestore.transforms import apply_transform, check_transforms
from twins.firestore.values import check_fields, delete_field, get_field, set_field

LARGEST_DOCUMENT_BYTES = 1_048_576  # 1 MiB, the service's limit
# The service counts a document's bytes in a way of its own; what is stored here is that much longer at most.
_COUNTING_SLACK_BYTES = 512


def written_name(write: WriteMessage) -> str:
    """Return the full name of the document a write is about.

    Raises:
        RefusedError: INVALID_ARGUMENT for a write that says nothing.
    """
    kind = write.WhichOneof("operation")
    if kind is None:
        raise invalid("empty write operation")
    name: str = {"update": write.update.name, "delete": write.delete, "transform": write.transform.document}[
        kind
    ]
    return name


def apply_writes(store: Store, writes: Sequence[WriteMessage]) -> tuple[int, list[WriteResultMessage]]:
    """Commit writes atomically and return (commit time in microseconds, one result for each write).

    Later writes see earlier ones of the same commit. The caller holds the store's lock.

    Raises:
        RefusedError: the first refusal; nothing was written then.
    """
    # What is wrong whatever is stored is found first; then preconditions are checked against one commit time,
    # which a refused commit leaves unused.
    for write in writes:
        check_write(write)
    now = store.clock.commit()
    pending: dict[str, Version] = {}
    results = [_apply(store, pending, write, now) for write in writes]
    for name, version in pending.items():
        if version.body or store.latest(name) is not None:
            store.install(name, version)
    return now, results


def check_write(write: WriteMessage) -> None:
    """Refuse a write that cannot be right whatever is stored; cut its timestamps to microseconds."""
    check_document_name(written_name(write))
    check_fields(write.update.fields)
    for text in write.update_mask.field_paths:
        parse_field_path(text)
    check_transforms(_transforms(write))


def _transforms(write: WriteMessage) -> Sequence[TransformMessage]:
    transforms: Sequence[TransformMessage] = write.transform.field_transforms or write.update_transforms
    return transforms


def _apply(store: Store, pending: dict[str, Version], write: WriteMessage, now: int) -> WriteResultMessage:
    name = written_name(write)
    current = pending[name] if name in pending else store.latest(name)
    if current is not None and not current.body:
        current = None
    if write.HasField("current_document"):
        _check_precondition(write, name, current, now)
    if write.WhichOneof("operation") == "delete":
        pending[name] = deleted(now)
        return WriteResult()
    after = _merge(write, name, current)
    result = WriteResult(update_time=to_timestamp(now))
    result.transform_results.extend(apply_transform(after.fields, each, now) for each in _transforms(write))
    created = current.created if current is not None else now
    version = pack_message(store.shapes, after, committed=now, created=created)
    if len(version.body) > LARGEST_DOCUMENT_BYTES + _COUNTING_SLACK_BYTES:
        raise invalid(
            f'Document "{name}" cannot be written because its size ({len(version.body):,} bytes) exceeds the '
            f"maximum allowed size of {LARGEST_DOCUMENT_BYTES:,} bytes."
        )
    pending[name] = version
    return result


def _merge(write: WriteMessage, name: str, current: Version | None) -> DocumentMessage:
    """Return the document after the write, before its transforms; a message of its own."""
    is_update = write.WhichOneof("operation") == "update"
    if is_update and not write.HasField("update_mask"):
        document = Document()
        document.fields.MergeFrom(write.update.fields)
        return document
    document = to_message(name, current) if current is not None else Document()
    if not is_update:
        return document
    for text in write.update_mask.field_paths:
        path = parse_field_path(text)
        value = get_field(write.update.fields, path)
        if value is None:
            delete_field(document.fields, path)
        else:
            set_field(document.fields, path, value)
    return document


def _check_precondition(write: WriteMessage, name: str, current: Version | None, now: int) -> None:
    condition = write.current_document
    if condition.WhichOneof("condition_type") == "exists":
        if condition.exists and current is None:
            raise not_found(f"No document to update: {name}")
        if not condition.exists and current is not None:
            raise RefusedError(StatusCode.ALREADY_EXISTS, f"Document already exists: {name}")
    elif condition.WhichOneof("condition_type") == "update_time":
        required = to_micros(condition.update_time)
        if required > now:
            raise invalid("Invalid base version, it is greater than the stored version.")
        stored = current.committed if current is not None else 0
        if stored != required:
            raise failed_precondition(
                f"the stored version ({stored}) does not match the required base version ({required})"
            )
