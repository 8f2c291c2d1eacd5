"""The writing RPCs, and which method answers which RPC."""

import secrets
import string
from collections.abc import Callable, Mapping
from typing import Any

from grpc import StatusCode

from twins.firestore.errors import RefusedError, invalid
from twins.firestore.messages import (
    BatchWriteResponse,
    BeginTransactionResponse,
    CommitResponse,
    Empty,
    RequestMessage,
    ResponseMessage,
    Status,
    Write,
    WriteMessage,
    WriteResultMessage,
    to_timestamp,
)
from twins.firestore.paths import check_collection_id, check_parent, parse_field_path
from twins.firestore.reads import Reads
from twins.firestore.records import Projection, encode_document
from twins.firestore.stats import TwinStats
from twins.firestore.store import Store
from twins.firestore.transactions import Transactions
from twins.firestore.writes import apply_writes, written_name

_ID_ALPHABET = string.ascii_letters + string.digits
_ID_LENGTH = 20  # as the client libraries make them

Unary = Callable[[RequestMessage], ResponseMessage]


class FirestoreService:
    """Answers the RPCs of ``google.firestore.v1.Firestore`` that the house uses.

    Attributes:
        unary: Method name -> function from request to one answer (a message or its bytes).
        streaming: Method name -> function from request to an iterator of answers, as bytes.
    """

    def __init__(self, store: Store, stats: TwinStats) -> None:
        self._store = store
        self._transactions = Transactions(store)
        reads = Reads(store, self._transactions, stats)
        self.unary: Mapping[str, Unary] = {
            "GetDocument": reads.get_document,
            "ListDocuments": reads.list_documents,
            "ListCollectionIds": reads.list_collection_ids,
            "PartitionQuery": reads.partition_query,
            "BeginTransaction": self.begin_transaction,
            "Rollback": self.rollback,
            "Commit": self.commit,
            "BatchWrite": self.batch_write,
            "CreateDocument": self.create_document,
            "UpdateDocument": self.update_document,
            "DeleteDocument": self.delete_document,
        }
        self.streaming: Mapping[str, Callable[[RequestMessage], Any]] = {
            "BatchGetDocuments": reads.batch_get_documents,
            "RunQuery": reads.run_query,
            "RunAggregationQuery": reads.run_aggregation_query,
        }

    def begin_transaction(self, request: RequestMessage) -> ResponseMessage:
        """Answer BeginTransaction."""
        with self._store.lock:
            return BeginTransactionResponse(transaction=self._transactions.begin(request.options))

    def rollback(self, request: RequestMessage) -> ResponseMessage:
        """Answer Rollback."""
        with self._store.lock:
            self._transactions.rollback(request.transaction)
        return Empty()

    def commit(self, request: RequestMessage) -> ResponseMessage:
        """Answer Commit: all writes or none."""
        for write in request.writes:
            _check_database(request.database, write)
        with self._store.lock:
            if request.transaction:
                self._transactions.end_for_commit(request.transaction, has_writes=bool(request.writes))
            now, results = apply_writes(self._store, request.writes)
        return CommitResponse(commit_time=to_timestamp(now), write_results=results)

    def batch_write(self, request: RequestMessage) -> ResponseMessage:
        """Answer BatchWrite: each write by itself, with a status of its own."""
        names = [written_name(write) for write in request.writes]
        if len(set(names)) != len(names):
            raise invalid("the same document cannot be written more than once in a single request")
        answer = BatchWriteResponse()
        for write in request.writes:
            try:
                _check_database(request.database, write)
                result = self._write(write)
            except RefusedError as refused:
                answer.write_results.add()
                answer.status.append(Status(code=refused.code.value[0], message=refused.message))
            else:
                answer.write_results.append(result)
                answer.status.add()
        return answer

    def create_document(self, request: RequestMessage) -> bytes:
        """Answer CreateDocument; an id is made up where none is given."""
        check_parent(request.parent)
        check_collection_id(request.collection_id)
        document_id = request.document_id or "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))
        write = Write()
        write.update.CopyFrom(request.document)
        write.update.name = f"{request.parent}/{request.collection_id}/{document_id}"
        write.current_document.exists = False
        return self._write_and_read(write, request)

    def update_document(self, request: RequestMessage) -> bytes:
        """Answer UpdateDocument."""
        write = Write(update=request.document)
        if request.HasField("update_mask"):
            write.update_mask.CopyFrom(request.update_mask)
        if request.HasField("current_document"):
            write.current_document.CopyFrom(request.current_document)
        return self._write_and_read(write, request)

    def delete_document(self, request: RequestMessage) -> ResponseMessage:
        """Answer DeleteDocument."""
        write = Write(delete=request.name)
        if request.HasField("current_document"):
            write.current_document.CopyFrom(request.current_document)
        self._write(write)
        return Empty()

    def _write(self, write: WriteMessage) -> WriteResultMessage:
        with self._store.lock:
            return apply_writes(self._store, [write])[1][0]

    def _write_and_read(self, write: WriteMessage, request: RequestMessage) -> bytes:
        mask = None
        if request.HasField("mask"):
            mask = Projection(parse_field_path(text) for text in request.mask.field_paths)
        with self._store.lock:
            apply_writes(self._store, [write])
            version = self._store.latest(write.update.name)
        if version is None:
            raise RefusedError(StatusCode.INTERNAL, "The document that was just written is gone.")
        return encode_document(write.update.name, version, mask)


def _check_database(database: str, write: WriteMessage) -> None:
    """Refuse a write to another database than the one the request is for."""
    name = written_name(write)
    if not name.startswith(database + "/documents/"):
        raise invalid(f'Document name "{name}" is not in the database "{database}".')
