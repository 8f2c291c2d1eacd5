"""What may leave through the writing channel: one RPC, a few documents, fixed fields, never blindly.

The guard looks at the bytes of the request, in this process, before any of them is sent. Whatever is not
listed here does not leave, whoever asks: another RPC, another document, another field, a deletion, or a write
that does not say which version of a document it is made to.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import grpc
from google.cloud.firestore_v1 import types
from google.protobuf.message import DecodeError

_CommitRequest = types.CommitRequest.pb()

WRITE_RPC: Final = "/google.firestore.v1.Firestore/Commit"
MOST_WRITES: Final = 2
MOST_BYTES: Final = 64 * 1024

_ROLLBACK_MARKS: Final = frozenset({"rollbackState", "rollbackReason", "rolledBackAt", "rolledBackByUid"})
_CREATED: Final = {
    "studioBrainPilotActions": frozenset(
        {
            "proposalId",
            "idempotencyKey",
            "approvedBy",
            "approvedAt",
            "actorUid",
            "ownerUid",
            "resourceCollection",
            "resourceId",
            "noteCollection",
            "noteId",
            "createdAt",
            "rollbackState",
            "rollbackReason",
            "rolledBackAt",
            "actionType",
            "closeReason",
            "note",
            "previous",
            "written",
        }
    ),
    "studioBrainPilotOpsNotes": frozenset(
        {
            "ownerUid",
            "resourceCollection",
            "resourceId",
            "note",
            "proposalId",
            "idempotencyKey",
            "createdAt",
            "createdByUid",
            "rolledBackAt",
            "rollbackReason",
        }
    ),
}
_CHANGED: Final = {
    "studioBrainPilotActions": _ROLLBACK_MARKS,
    "studioBrainPilotOpsNotes": frozenset({"rolledBackAt", "rollbackReason"}),
    "batches": frozenset({"state", "status", "isClosed", "closedAt", "updatedAt"}),
}
_PILOT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_REQUEST_TIME: Final = 1

_Call = Callable[[Any, Any], Any]


class WriteNotAllowedError(RuntimeError):
    """A request is not on the list of what may be written. No byte of it left this process."""


class WriteGuard(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[type-arg]  # generic only in the stubs
    grpc.UnaryStreamClientInterceptor,  # type: ignore[type-arg]  # generic only in the stubs
    grpc.StreamUnaryClientInterceptor,  # type: ignore[type-arg]  # generic only in the stubs
    grpc.StreamStreamClientInterceptor,  # type: ignore[type-arg]  # generic only in the stubs
):
    """Lets listed commits to one database through and refuses everything else.

    Args:
        database_path: ``projects/P/databases/D``.
        batch_id: The one document of ``batches`` that may be changed; null for none.
    """

    def __init__(self, database_path: str, batch_id: str | None = None) -> None:
        self._database_path = database_path
        self._batch_id = batch_id

    def intercept_unary_unary(self, continuation: _Call, client_call_details: Any, request: Any) -> Any:
        """Let a listed commit through, if its bytes can be seen."""
        if client_call_details.method != WRITE_RPC or not isinstance(request, bytes):
            raise _refused(_rpc(client_call_details))
        self.check(request)
        return continuation(client_call_details, request)

    def intercept_unary_stream(self, _continuation: _Call, client_call_details: Any, _request: Any) -> Any:
        """Refuse."""
        raise _refused(_rpc(client_call_details))

    def intercept_stream_unary(self, _continuation: _Call, client_call_details: Any, _requests: Any) -> Any:
        """Refuse."""
        raise _refused(_rpc(client_call_details))

    def intercept_stream_stream(self, _continuation: _Call, client_call_details: Any, _requests: Any) -> Any:
        """Refuse."""
        raise _refused(_rpc(client_call_details))

    def check(self, request: bytes) -> None:
        """Raise ``WriteNotAllowedError`` unless the serialised commit holds nothing but what is listed."""
        if len(request) > MOST_BYTES:
            raise _refused(f"A commit of {len(request)} bytes")
        try:
            commit = _CommitRequest.FromString(request)
        except DecodeError:
            raise _refused("Something that is no commit") from None
        known = commit.ByteSize()
        commit.DiscardUnknownFields()
        if commit.ByteSize() != known:
            raise _refused("A commit with fields this process does not know")
        if commit.database != self._database_path:
            raise _refused("A commit to another database")
        if {field.name for field, _ in commit.ListFields()} - {"database", "writes"}:
            raise _refused("A commit inside a transaction, or with options,")
        if not 1 <= len(commit.writes) <= MOST_WRITES:
            raise _refused(f"A commit of {len(commit.writes)} writes")
        for write in commit.writes:
            self._check_write(write)

    def _check_write(self, write: Any) -> None:
        if write.WhichOneof("operation") != "update":
            raise _refused("A write that is no update of a document")
        collection, document_id = self._place(write.update.name)
        transforms = {each.field_path: each for each in write.update_transforms}
        if any(each.set_to_server_value != _REQUEST_TIME for each in transforms.values()):
            raise _refused("A transform other than the time of the commit")
        touched = {*write.update.fields, *write.update_mask.field_paths, *transforms}
        precondition = write.current_document.WhichOneof("condition_type")
        if precondition == "exists" and not write.current_document.exists:
            if write.HasField("update_mask"):
                raise _refused("A creation with a mask")
            allowed = _CREATED.get(collection, frozenset())
        elif precondition == "update_time" and write.HasField("update_mask"):
            if not set(write.update.fields) <= set(write.update_mask.field_paths):
                raise _refused("A change of fields outside its mask")
            allowed = _CHANGED[collection]
        else:
            raise _refused("A write that does not say which version of a document it is made to")
        if collection == "batches":
            if document_id != self._batch_id:
                raise _refused("A write to another batch")
        elif not _PILOT_ID.fullmatch(document_id):
            raise _refused("A write to a document with an odd id")
        if not touched or not touched <= allowed:
            raise _refused(f"A write to fields of {collection} that are not listed")

    def _place(self, name: str) -> tuple[str, str]:
        root = f"{self._database_path}/documents/"
        collection, _, document_id = name.removeprefix(root).partition("/")
        if not name.startswith(root) or collection not in _CHANGED or not document_id or "/" in document_id:
            raise _refused("A write to a document that is not listed")
        return collection, document_id


def _rpc(details: Any) -> str:
    return f"The RPC {str(details.method).rpartition('/')[2]}"


def _refused(what: str) -> WriteNotAllowedError:
    return WriteNotAllowedError(f"{what} is not on the list of what may be written. Nothing was sent.")
