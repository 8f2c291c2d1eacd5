"""The reading RPCs. Requests are plain messages; answers are messages, or bytes where speed counts."""

import bisect
import time
from collections.abc import Iterator
from typing import NamedTuple

from twins.firestore.aggregate import run_aggregation
from twins.firestore.errors import invalid, not_found
from twins.firestore.explain import fill_metrics, wants_answer
from twins.firestore.messages import (
    BatchGetDocumentsResponse,
    ListCollectionIdsResponse,
    PartitionQueryResponse,
    RequestMessage,
    ResponseMessage,
    RunAggregationQueryResponse,
    RunQueryResponse,
    to_micros,
    to_timestamp,
)
from twins.firestore.paths import (
    NAME_TEXT,
    check_collection_id,
    check_document_name,
    check_parent,
    order_id,
    order_name,
    parse_field_path,
)
from twins.firestore.query import Plan, plan_query, run_query
from twins.firestore.records import Projection, encode_document
from twins.firestore.stats import TwinStats
from twins.firestore.store import Store
from twins.firestore.transactions import Fingerprint, Transaction, Transactions
from twins.firestore.wire import delimited, timestamp

DEFAULT_PAGE, LONGEST_PAGE = 20, 300  # documents in one answer of ListDocuments
COLLECTION_IDS_PAGE = 300
PARTITION_DOCUMENTS = 128  # the fewest documents worth a partition of their own
AGGREGATED_PER_READ = 1000  # documents an aggregation counts for the price of one read

# Fields of the answers that are written by hand.
_DOCUMENT, _READ_TIME = b"\x0a", b"\x1a"
_FOUND, _BATCH_READ_TIME = b"\x0a", b"\x22"
_LISTED, _NEXT_PAGE = b"\x0a", b"\x12"


class View(NamedTuple):
    """The instant an RPC reads at, the transaction it reads in, and the id of that if it was just opened."""

    at: int
    transaction: Transaction | None
    opened: bytes


class Reads:
    """Answers every RPC that changes nothing."""

    def __init__(self, store: Store, transactions: Transactions, stats: TwinStats) -> None:
        self._store = store
        self._transactions = transactions
        self._stats = stats

    def get_document(self, request: RequestMessage) -> bytes:
        """Answer GetDocument."""
        check_document_name(request.name)
        view = self._view(request)
        self._note_read(view, request.name)
        version = self._store.read(request.name, view.at)
        self._stats.bill(1)
        if version is None:
            raise not_found(f'Document "{request.name}" not found.')
        return encode_document(request.name, version, _mask(request))

    def batch_get_documents(self, request: RequestMessage) -> Iterator[bytes]:
        """Answer BatchGetDocuments: every name once, in the order asked for."""
        names = list(dict.fromkeys(request.documents))
        for name in names:
            check_document_name(name)
        view = self._view(request)
        mask = _mask(request)
        tail = timestamp(_BATCH_READ_TIME, view.at)
        if view.opened:
            opened = BatchGetDocumentsResponse(transaction=view.opened, read_time=to_timestamp(view.at))
            yield opened.SerializeToString()
        for name in names:
            self._note_read(view, name)
            version = self._store.read(name, view.at)
            self._stats.bill(1)
            if version is None:
                missing = BatchGetDocumentsResponse(missing=name, read_time=to_timestamp(view.at))
                yield missing.SerializeToString()
            else:
                yield delimited(_FOUND, encode_document(name, version, mask)) + tail

    def run_query(self, request: RequestMessage) -> Iterator[bytes]:
        """Answer RunQuery: one message for each document, as fast as Python can join bytes."""
        query = request.structured_query
        plan = plan_query(request.parent, query)
        projection = None
        if query.HasField("select"):
            projection = Projection(parse_field_path(each.field_path) for each in query.select.fields)
        began = time.perf_counter()
        view = self._view(request)
        self._note_query(view, plan)
        if view.opened:
            yield RunQueryResponse(transaction=view.opened).SerializeToString()
        tail = timestamp(_READ_TIME, view.at)
        sent = 0
        try:
            if wants_answer(request):
                for found in run_query(self._store, plan, view.at):
                    sent += 1
                    yield delimited(_DOCUMENT, encode_document(found.name, found.version, projection)) + tail
        finally:
            billed = max(sent + (plan.offset if sent else 0), 1) if wants_answer(request) else 0
            self._stats.bill(billed)
        if request.HasField("explain_options"):
            answer = RunQueryResponse(read_time=to_timestamp(view.at))
            fill_metrics(
                answer.explain_metrics,
                is_analyzed=request.explain_options.analyze,
                results=sent,
                billed=billed,
                seconds=time.perf_counter() - began,
            )
            yield answer.SerializeToString()
        elif not sent:
            yield tail

    def run_aggregation_query(self, request: RequestMessage) -> Iterator[bytes]:
        """Answer RunAggregationQuery: one message."""
        began = time.perf_counter()
        query = request.structured_aggregation_query
        view = self._view(request)
        answer = RunAggregationQueryResponse(read_time=to_timestamp(view.at), transaction=view.opened)
        billed = 0
        if wants_answer(request):
            values, counted = run_aggregation(self._store, request.parent, query, view.at)
            # A transaction checks the documents behind a number, not the number: the stricter of the two.
            self._note_query(view, plan_query(request.parent, query.structured_query))
            billed = max(1, -(-counted // AGGREGATED_PER_READ))
            self._stats.bill(billed)
            for alias, value in values.items():
                answer.result.aggregate_fields[alias].CopyFrom(value)
        if request.HasField("explain_options"):
            fill_metrics(
                answer.explain_metrics,
                is_analyzed=request.explain_options.analyze,
                results=1,
                billed=billed,
                seconds=time.perf_counter() - began,
            )
        yield answer.SerializeToString()

    def partition_query(self, request: RequestMessage) -> ResponseMessage:
        """Answer PartitionQuery: names that cut a collection group into parts of about equal size."""
        query = request.structured_query
        plan = plan_query(request.parent, query)
        if (
            not plan.is_deep
            or plan.matches is not None
            or plan.limit is not None
            or plan.offset
            or [each.field.field_path for each in query.order_by] not in ([NAME_TEXT], [])
        ):
            raise invalid("Partition queries take a collection group ordered by __name__, and no filter.")
        if request.partition_count < 1:
            raise invalid("partition_count must be positive.")
        at = self._view(request).at
        names = sorted((found.name for found in run_query(self._store, plan, at)), key=order_name)
        cuts = min(request.partition_count, len(names) // PARTITION_DOCUMENTS)
        answer = PartitionQueryResponse()
        for number in range(1, cuts + 1):
            cursor = answer.partitions.add()
            cursor.before = True
            cursor.values.add().reference_value = names[number * len(names) // (cuts + 1)]
        return answer

    def list_documents(self, request: RequestMessage) -> bytes:
        """Answer ListDocuments: one page in id order, on request with the ids that only have children."""
        check_parent(request.parent)
        check_collection_id(request.collection_id)
        if request.order_by:
            raise invalid("The twin lists documents in id order only.")
        at = self._view(request).at
        path = f"{request.parent}/{request.collection_id}"
        ids = self._store.ids(path)
        parents = self._children_of(path, at) if request.show_missing else set()
        if parents - set(ids):
            ids = sorted({*ids, *parents}, key=order_id)
        first = (
            bisect.bisect_right(ids, order_id(request.page_token), key=order_id) if request.page_token else 0
        )
        size = min(request.page_size or DEFAULT_PAGE, LONGEST_PAGE)
        mask = _mask(request)
        page: list[bytes] = []
        last_id = ""
        for document_id in ids[first:]:
            name = f"{path}/{document_id}"
            version = self._store.read(name, at)
            if version is None and document_id not in parents:
                continue
            if len(page) == size:
                page.append(delimited(_NEXT_PAGE, last_id.encode()))
                break
            last_id = document_id
            # A missing document is listed by its name alone, without times.
            body = (
                delimited(_DOCUMENT, name.encode())
                if version is None
                else encode_document(name, version, mask)
            )
            page.append(delimited(_LISTED, body))
        self._stats.bill(min(len(page), size))
        return b"".join(page)

    def list_collection_ids(self, request: RequestMessage) -> ResponseMessage:
        """Answer ListCollectionIds: the collections right below a document or the root."""
        check_parent(request.parent)
        at = self._view(request).at
        ids = sorted(self._children_of(request.parent, at))
        first = int(request.page_token or 0)
        after = first + (request.page_size or COLLECTION_IDS_PAGE)
        token = str(after) if after < len(ids) else ""
        return ListCollectionIdsResponse(collection_ids=ids[first:after], next_page_token=token)

    def _view(self, request: RequestMessage) -> View:
        """Choose the instant to read at, under the lock so that no half-installed commit can be seen."""
        with self._store.lock:
            oneof = request.DESCRIPTOR.oneofs_by_name.get("consistency_selector")
            choice = request.WhichOneof("consistency_selector") if oneof else None
            if choice == "read_time":
                return View(self._store.clock.read_past(to_micros(request.read_time)), None, b"")
            if choice == "transaction":
                transaction = self._transactions.get(request.transaction)
                return View(transaction.at, transaction, b"")
            if choice == "new_transaction":
                opened = self._transactions.begin(request.new_transaction)
                transaction = self._transactions.get(opened)
                return View(transaction.at, transaction, opened)
            return View(self._store.clock.read(), None, b"")

    @staticmethod
    def _note_read(view: View, name: str) -> None:
        if view.transaction is not None:
            view.transaction.documents.add(name)

    def _note_query(self, view: View, plan: Plan) -> None:
        if view.transaction is None or view.transaction.is_read_only:
            return

        def ask(at: int) -> Fingerprint:
            return tuple((name, version.committed) for name, version in run_query(self._store, plan, at))

        view.transaction.queries.append((ask, ask(view.at)))

    def _children_of(self, parent: str, at: int) -> set[str]:
        """Return the next segment of every collection below ``parent`` that holds a document."""
        start = len(parent) + 1
        return {
            path[start:].partition("/")[0]
            for path in self._store.collections_under(parent)
            if self._store.has_documents(path, at)
        }


def _mask(request: RequestMessage) -> Projection | None:
    if not request.HasField("mask"):
        return None
    return Projection(parse_field_path(text) for text in request.mask.field_paths)
