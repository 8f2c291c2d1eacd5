"""The only door that writes to Firestore. Only the execution run may import it.

A connection of its own with a credential of its own, behind ``writes_guard``: what is not listed there never
leaves. A commit says for every document which version it is made to, so the same commit sent twice has one
effect. A lost answer is never taken for a failure: such an error is not certain, and a look-up has to tell.

Source: https://cloud.google.com/firestore/docs/reference/rpc/google.firestore.v1
"""

import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import grpc
from google.cloud.firestore_v1 import types
from google.cloud.firestore_v1.services.firestore.transports.grpc import FirestoreGrpcTransport
from google.protobuf.message import DecodeError

from policies.ports import AdapterError
from resources.firestore.changes import Change, Creation
from resources.firestore.live_query import set_instant, set_value
from resources.firestore.opened_late import OpenedLate
from resources.firestore.writes_credentials import read_service_account, read_twin_token, refused
from resources.firestore.writes_guard import WRITE_RPC, WriteGuard

_CommitRequest = types.CommitRequest.pb()
_CommitResponse = types.CommitResponse.pb()
_REQUEST_TIME: Final = 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOST: Final = "firestore.googleapis.com:443"
_OPTIONS: Final = (
    ("grpc.enable_retries", 0),  # we alone decide what is sent again
    ("grpc.use_local_subchannel_pool", 1),  # never the connection that reads
)
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.02, 1.0

Status = grpc.StatusCode
# Refusals: the server says that it did not write. Everything else may have been written.
_REFUSALS: Final = {
    Status.PERMISSION_DENIED: ("PERMISSION_DENIED", "refuses this credential the right to write"),
    Status.UNAUTHENTICATED: ("PERMISSION_DENIED", "does not accept the writing credential"),
    Status.INVALID_ARGUMENT: ("INVALID", "does not accept these values"),
    Status.OUT_OF_RANGE: ("INVALID", "does not accept these values"),
    Status.UNIMPLEMENTED: ("INVALID", "does not offer this write"),
    Status.NOT_FOUND: ("NOT_FOUND", "has no such document"),
    Status.ALREADY_EXISTS: ("ALREADY_EXISTS", "already has the document"),
    Status.FAILED_PRECONDITION: ("PRECONDITION_FAILED", "says that the document has changed meanwhile"),
    Status.ABORTED: ("CONTENTION", "keeps being written to by somebody else at the same time"),
}
_UNCERTAIN: Final = {
    Status.UNAVAILABLE: ("UNAVAILABLE", "could not be reached, or broke off"),
    Status.DEADLINE_EXCEEDED: ("TIMEOUT", "did not answer in time"),
}
_NOBODY_KNOWS: Final = ("UNKNOWN_OUTCOME", "broke off without an answer")


class FirestoreWrites(OpenedLate):
    """Writes to one Firestore database. Safe to share between threads; idle until asked."""

    def __init__(
        self,
        project: str,
        database: str = "(default)",
        *,
        credentials_path: Path | None,
        emulator_host: str | None = None,
        deadline_seconds: float = 20.0,
        attempts: int = 12,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Make a door.

        Args:
            project: Project id.
            database: Database id.
            credentials_path: The writing credential's file; null refuses every write.
            emulator_host: ``host:port`` of an emulator or twin; null for the service.
            deadline_seconds: How long a commit may take, waiting and trying again included.
            attempts: Tries when somebody else writes to the same documents at the same time.
            sleep: How to wait between tries.
        """
        super().__init__()
        self._database_path = f"projects/{project}/databases/{database}"
        self._credentials_path = credentials_path
        self._emulator_host = emulator_host
        self._deadline_seconds = deadline_seconds
        self._attempts = attempts
        self._sleep = sleep
        self._prefix = (
            ("google-cloud-resource-prefix", self._database_path),
            ("x-goog-request-params", f"project_id={project}&database_id={database}"),
        )
        self._metadata: tuple[tuple[str, str], ...] = self._prefix

    def commit(self, writes: Sequence[Creation | Change], *, batch_id: str | None = None) -> datetime:
        """Commit the writes, all or none, and return the instant of the commit.

        Args:
            writes: What to write.
            batch_id: The one document of ``batches`` that these writes may touch; null for none.

        Raises:
            AdapterError: Refused (certain), or the answer was lost (not certain).
            WriteNotAllowedError: Something is not on the list of what may be written; nothing was sent.
        """
        channel = grpc.intercept_channel(self._open(), WriteGuard(self._database_path, batch_id))
        call = channel.unary_unary(WRITE_RPC, request_serializer=None, response_deserializer=None)
        request = self._serialised(writes)
        end = time.monotonic() + self._deadline_seconds
        for attempt in range(1, self._attempts + 1):
            timeout = max(0.001, end - time.monotonic())
            try:
                answer = call(request, metadata=self._metadata, timeout=timeout)
            except grpc.RpcError as error:
                pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**attempt) * random.uniform(
                    0.5, 1
                )
                is_last = attempt == self._attempts or time.monotonic() + pause >= end
                # An aborted commit wrote nothing, and its preconditions make sending it again harmless.
                if error.code() is not Status.ABORTED or is_last:
                    raise _what_happened(error) from None
                self._sleep(pause)
                continue
            return _commit_time(answer)
        raise AssertionError("the last attempt returns or raises")

    def _new_channel(self) -> Any:
        if self._credentials_path is None:
            raise refused("there is none")
        if self._emulator_host is not None:
            token = read_twin_token(self._credentials_path)
            self._metadata = (*self._prefix, ("authorization", f"Bearer {token}"))
            return grpc.insecure_channel(self._emulator_host, options=_OPTIONS)
        account = read_service_account(self._credentials_path)
        return FirestoreGrpcTransport.create_channel(_HOST, credentials=account, options=_OPTIONS)

    def _serialised(self, writes: Sequence[Creation | Change]) -> bytes:
        request = _CommitRequest(database=self._database_path)
        try:
            for one in writes:
                self._add(request.writes.add(), one)
            return bytes(request.SerializeToString())
        except (TypeError, ValueError, OverflowError):
            raise AdapterError(
                "Firestore cannot hold one of these values. Nothing was sent.",
                code="INVALID",
                is_certain=True,
            ) from None

    def _add(self, write: Any, one: Creation | Change) -> None:
        write.update.name = f"{self._database_path}/documents/{one.collection}/{one.document_id}"
        for name, value in one.fields.items():
            set_value(write.update.fields[name], value)
        for name in one.server_times:
            transform = write.update_transforms.add()
            transform.field_path, transform.set_to_server_value = name, _REQUEST_TIME
        if isinstance(one, Creation):
            write.current_document.exists = False
        else:
            write.update_mask.SetInParent()  # without a mask the rest of the document would go
            write.update_mask.field_paths.extend([*one.fields, *one.removed])
            set_instant(write.current_document.update_time, one.version)


def _what_happened(error: Any) -> AdapterError:
    """Return the error for a failed commit; it never repeats the server's words, which may quote values."""
    code = error.code()
    if code is Status.UNAVAILABLE and "metadata from plugin" in (error.details() or ""):
        return refused("the service did not give out a token for it")
    if code in _REFUSALS:
        name, words = _REFUSALS[code]
        return AdapterError(f"Firestore {words}. Nothing was written.", code=name, is_certain=True)
    name, words = _UNCERTAIN.get(code, _NOBODY_KNOWS)
    return AdapterError(
        f"Firestore {words}; whether it has written is not known. A look-up will tell.",
        code=name,
        is_certain=False,
    )


def _commit_time(answer: bytes) -> datetime:
    try:
        stamp = _CommitResponse.FromString(answer).commit_time
    except DecodeError:
        raise AdapterError(
            "Firestore's answer to a commit cannot be read. A look-up will tell whether it has written.",
            code="UNKNOWN_OUTCOME",
            is_certain=False,
        ) from None
    return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)
