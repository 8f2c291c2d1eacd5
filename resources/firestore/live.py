"""Firestore over the real wire: complete reads at one instant, below the vendor's document layer.

The vendor's ``stream()`` repeats, tears or crashes when a stream breaks, and spends most of its time making
objects. Here every page is pinned to one ``read_time`` and keyed by document name, so a broken stream is
taken up after the last document that came: nothing is skipped, nothing comes twice. Bytes become columns in
``wire_columns``.

Source: https://cloud.google.com/firestore/docs/reference/rpc/google.firestore.v1
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore_v1 import types
from google.protobuf.message import DecodeError

from resources.errors import SourceUnreadableError
from resources.firestore.gateway import CollectionQuery, DocumentBatch, FoundDocument, ScanStats, Where
from resources.firestore.live_channel import open_channel, streaming_call
from resources.firestore.live_decode import SerialisedRecords, decode_value, plain_fields
from resources.firestore.live_faults import Patience
from resources.firestore.live_pages import Cursor, bad_response, pages, parse
from resources.firestore.live_query import COUNT_ALIAS, QueryBuilder
from resources.firestore.opened_late import OpenedLate
from resources.firestore.wire import UnexpectedShapeError, Wire
from resources.firestore.wire_columns import WireColumns

_AggregationResponse = types.RunAggregationQueryResponse.pb()
_LookupResponse = types.BatchGetDocumentsResponse.pb()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK_COLLECTION = "studio_os_clock"  # holds nothing: asking it for a count tells the source's time


class LiveDocumentSource(OpenedLate):
    """A read-only view of one Firestore database. Safe to share between threads; idle until asked."""

    def __init__(
        self,
        project: str,
        database: str = "(default)",
        *,
        emulator_host: str | None = None,
        credentials_path: Path | None = None,
        deadline_seconds: float = 120.0,
        page_size: int = 5000,
        attempts: int = 8,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Make a source.

        Args:
            project: Project id.
            database: Database id.
            emulator_host: ``host:port`` of an emulator or twin; null for the service.
            credentials_path: Service-account file; null takes the machine's default credentials.
            deadline_seconds: How long a read may take, plus one second for every 500 documents that came.
            page_size: Documents per query, and per batch at most.
            attempts: Tries without a single new document before a read is given up.
            sleep: How to wait between tries.
        """
        super().__init__()
        self._queries = QueryBuilder(project, database)
        self._emulator_host = emulator_host
        self._credentials_path = credentials_path
        self._deadline_seconds = deadline_seconds
        self._page_size = page_size
        self._attempts = attempts
        self._sleep = sleep
        self._metadata = [
            ("google-cloud-resource-prefix", self._queries.database_path),
            ("x-goog-request-params", f"project_id={project}&database_id={database}"),
        ]
        if emulator_host is not None:
            self._metadata.append(
                ("authorization", "Bearer owner")
            )  # what emulators take for an administrator

    def read_time(self) -> datetime:
        """Return the source's own present, at which everything can be read consistently."""
        answer = self._aggregate(_CLOCK_COLLECTION, (), None, up_to=1, subject="the source's clock")
        return _instant(answer.read_time)

    def count(self, collection: str, *, read_time: datetime, where: Sequence[Where] = ()) -> int:
        """Return the source's own count of matching documents at ``read_time``.

        Equality on one field beside a range on another needs a composite index at the service.

        Raises:
            SourceUnreadableError: when the source cannot be asked.
        """
        answer = self._aggregate(
            collection, where, read_time, up_to=None, subject=f"the count of {collection}"
        )
        # The vendor's client turns 0 into a float; the raw message holds the integer.
        return int(answer.result.aggregate_fields[COUNT_ALIAS].integer_value)

    def scan(
        self, query: CollectionQuery, *, read_time: datetime, stats: ScanStats
    ) -> Iterator[DocumentBatch]:
        """Yield every matching document at ``read_time`` exactly once, with columns.

        Order: by document id; with range conditions, by their fields first and then by id.

        Raises:
            SourceUnreadableError: when the source cannot be read within the deadline (after retries).
        """
        reader = WireColumns(query.field_paths, self._queries.name_prefix(query.collection), decode_value)
        patience = Patience(
            self._deadline_seconds,
            self._attempts,
            subject=f"collection {query.collection}",
            sleep=self._sleep,
        )
        run = streaming_call(self._open(), "RunQuery", serialise=_serialise)

        def ask(after: Cursor) -> Any:
            request = self._queries.scan(query, read_time, self._page_size, after)
            return run(request, metadata=self._metadata, timeout=patience.call_seconds())

        for messages in pages(
            ask,
            lambda document: self._queries.cursor(query, document),
            page_size=self._page_size,
            patience=patience,
            stats=stats,
        ):
            batch = _batch(reader, messages)
            messages.clear()  # the batch has its own copy, and the next run needs the room
            yield batch
            del batch

    def lookup(
        self,
        collection: str,
        ids: Sequence[str],
        field_paths: Sequence[str],
        *,
        read_time: datetime | None = None,
        deadline_seconds: float | None = None,
    ) -> Mapping[str, FoundDocument]:
        """Return the documents of these ids that exist, by id; as they are now unless ``read_time`` is given.

        Raises:
            SourceUnreadableError: when the source cannot be asked, or an id is none.
        """
        subject = f"documents of {collection}"
        patience = Patience(
            deadline_seconds or self._deadline_seconds, self._attempts, subject=subject, sleep=self._sleep
        )
        run = streaming_call(self._open(), "BatchGetDocuments", serialise=_serialise)
        request = self._queries.lookup(collection, ids, field_paths, read_time)
        while True:
            stream = run(request, metadata=self._metadata, timeout=patience.call_seconds())
            try:
                answers = [_LookupResponse.FromString(message) for message in stream]
            except grpc.RpcError as error:
                patience.failed(error)
                continue
            except DecodeError:
                raise bad_response(subject) from None
            found = [_found(answer.found) for answer in answers if answer.WhichOneof("result") == "found"]
            missing = sum(answer.WhichOneof("result") == "missing" for answer in answers)
            # Not a word about a document is not the same as the word that there is none.
            if len(found) + missing < len(set(ids)):
                raise bad_response(subject)
            return {document.document_id: document for document in found}

    def _new_channel(self) -> Any:
        try:
            return open_channel(emulator_host=self._emulator_host, credentials_path=self._credentials_path)
        except (GoogleAuthError, OSError, ValueError):
            raise SourceUnreadableError(
                "Firestore cannot be asked: there are no usable Google credentials. "
                "Set GOOGLE_APPLICATION_CREDENTIALS to a service-account file.",
                reason="permission-denied",
                is_transient=False,
            ) from None

    def _aggregate(
        self,
        collection: str,
        where: Sequence[Where],
        read_time: datetime | None,
        *,
        up_to: int | None,
        subject: str,
    ) -> Any:
        patience = Patience(self._deadline_seconds, self._attempts, subject=subject, sleep=self._sleep)
        run = streaming_call(self._open(), "RunAggregationQuery", serialise=_serialise)
        request = self._queries.count(collection, where, read_time, up_to)
        while True:
            stream = run(request, metadata=self._metadata, timeout=patience.call_seconds())
            try:
                answers = [_AggregationResponse.FromString(message) for message in stream]
            except grpc.RpcError as error:
                patience.failed(error)
                continue
            except DecodeError:
                raise bad_response(subject) from None
            for answer in answers:
                if answer.HasField("result"):
                    return answer
            raise bad_response(subject)


def _instant(timestamp: Any) -> datetime:
    return _EPOCH + timedelta(seconds=timestamp.seconds, microseconds=timestamp.nanos // 1000)


def _found(document: Any) -> FoundDocument:
    return FoundDocument(
        document.name.rpartition("/")[2], plain_fields(document.fields), _instant(document.update_time)
    )


def _serialise(request: Any) -> bytes:
    return bytes(request.SerializeToString())


def _batch(reader: WireColumns, messages: Sequence[bytes]) -> DocumentBatch:
    try:
        wire, ids, columns = reader.read(messages)
    except UnexpectedShapeError:
        names = [parse(message).document.name for message in messages]
        return DocumentBatch([name.rpartition("/")[2] for name in names], SerialisedRecords(Wire(messages)))
    return DocumentBatch(ids, SerialisedRecords(wire), columns)
