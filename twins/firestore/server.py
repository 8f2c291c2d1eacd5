"""The twin as a gRPC server on loopback: what ``google-cloud-firestore`` connects to instead of the service.

The client package has no server class, so each method is registered by name with the plain message classes.
RPCs the twin does not have (Listen, Write, pipelines) are answered UNIMPLEMENTED by gRPC itself.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from functools import partial
from types import TracebackType
from typing import Any, NoReturn, Self

import grpc

from twins.firestore.access import WRITING_RPCS, Writers, is_writing
from twins.firestore.clock import TwinClock
from twins.firestore.errors import RefusedError
from twins.firestore.faults import Faults
from twins.firestore.messages import RequestMessage, ResponseMessage, request_class
from twins.firestore.service import FirestoreService
from twins.firestore.stats import TwinStats
from twins.firestore.store import Store

SERVICE_NAME = "google.firestore.v1.Firestore"
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),  # a second server on the same port is an error, not a coin toss for each client
)
# First byte of every streamed answer that carries a document (or an aggregation's result): field 1.
_DOCUMENT_TAG = b"\x0a"


class FirestoreTwin:
    """A Firestore server in memory. Use it as a context manager, or call ``start`` and ``stop``.

    Args:
        port: Port on 127.0.0.1; 0 takes a free one.
        clock: Where commit and read times come from; real time unless given.
        threads: How many RPCs are served at once; a call that hangs holds one.
        writers: Name of each writer -> its token; writes without one of these tokens are refused. Null lets
            anybody write.

    Attributes:
        host: ``127.0.0.1:PORT``, as FIRESTORE_EMULATOR_HOST wants it.
        store: The documents, for seeding without RPCs.
        clock: The clock in use.
        faults: Faults to inject.
        writers: Who may write.
        stats: What was asked, and what it would have cost.

    Raises:
        OSError: when the port is taken.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        clock: TwinClock | None = None,
        threads: int = 16,
        writers: Mapping[str, str] | None = None,
    ) -> None:
        self.clock = clock or TwinClock()
        self.writers = Writers(writers)
        self.store = Store(self.clock)
        self.faults = Faults()
        self.stats = TwinStats()
        self._pool = futures.ThreadPoolExecutor(threads, thread_name_prefix="firestore-twin")
        self._server = grpc.server(self._pool, options=_OPTIONS)
        self._server.add_generic_rpc_handlers((_handlers(self),))
        try:
            bound = self._server.add_insecure_port(f"127.0.0.1:{port}")
        except RuntimeError as error:
            raise OSError(f"Port {port} on 127.0.0.1 is taken; give another one, or 0 for any.") from error
        self.host = f"127.0.0.1:{bound}"

    def start(self) -> Self:
        """Begin to answer; returns at once."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Stop answering and wait until every call has ended. Documents stay in ``store``."""
        self.faults.clear()
        self._server.stop(0).wait()
        self._pool.shutdown(wait=False)

    def wait(self) -> None:
        """Wait until the twin is stopped."""
        self._server.wait_for_termination()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _handlers(twin: FirestoreTwin) -> "grpc.GenericRpcHandler[Any, Any]":
    service = FirestoreService(twin.store, twin.stats)
    handlers: dict[str, Any] = {}
    for name, unary in service.unary.items():
        handlers[name] = grpc.unary_unary_rpc_method_handler(
            _unary_handler(twin, name, unary), request_class(name).FromString, _to_bytes
        )
    for name, streaming in service.streaming.items():
        # The service makes the bytes itself, so nothing is left to serialize.
        handlers[name] = grpc.unary_stream_rpc_method_handler(
            _stream_handler(twin, name, streaming), request_class(name).FromString
        )
    return grpc.method_handlers_generic_handler(SERVICE_NAME, handlers)


def _to_bytes(answer: ResponseMessage) -> bytes:
    return answer if isinstance(answer, bytes) else answer.SerializeToString()


def _unary_handler(
    twin: FirestoreTwin, name: str, answer: Callable[[RequestMessage], ResponseMessage]
) -> Callable[[RequestMessage, grpc.ServicerContext], ResponseMessage]:
    def handle(request: RequestMessage, context: grpc.ServicerContext) -> ResponseMessage:
        twin.stats.count_call(name)
        try:
            writer = _writer(twin, name, request, context)
            call = twin.faults.call(name, partial(touched_collections, request), context)
            call.strike(0)
            response = answer(request)
            if name in WRITING_RPCS:
                twin.stats.count_commit(writer)
            call.strike_after()
        except RefusedError as refused:
            _abort(context, refused)
        return response

    return handle


def _writer(twin: FirestoreTwin, rpc: str, request: RequestMessage, context: grpc.ServicerContext) -> str:
    """Return who writes, or nobody's name for a call that does not."""
    if not is_writing(rpc, request):
        return ""
    try:
        return twin.writers.name_of(context.invocation_metadata() or ())
    except RefusedError:
        twin.stats.count_refused_write()
        raise


def _stream_handler(
    twin: FirestoreTwin, name: str, answer: Callable[[RequestMessage], Iterator[bytes]]
) -> Callable[[RequestMessage, grpc.ServicerContext], Iterator[bytes]]:
    faults = twin.faults

    def handle(request: RequestMessage, context: grpc.ServicerContext) -> Iterator[bytes]:
        twin.stats.count_call(name)
        call = faults.call(name, partial(touched_collections, request), context)
        sent = 0
        try:
            call.strike(0)
            for response in answer(request):
                if faults.is_armed:
                    call.strike(sent)
                yield response
                sent += response[:1] == _DOCUMENT_TAG
            call.strike(sent)
        except RefusedError as refused:
            _abort(context, refused)

    return handle


def _abort(context: grpc.ServicerContext, refused: RefusedError) -> NoReturn:
    context.abort(refused.code, refused.message)
    raise AssertionError("abort always raises")


def touched_collections(request: RequestMessage) -> set[str]:
    """Return the ids of the collections a request is about; faults are aimed by them."""
    fields = request.DESCRIPTOR.fields_by_name
    found: set[str] = set()
    if "structured_query" in fields:
        found.update(each.collection_id for each in request.structured_query.from_)
    if "structured_aggregation_query" in fields:
        inner = request.structured_aggregation_query.structured_query
        found.update(each.collection_id for each in inner.from_)
    if "collection_id" in fields:
        found.add(request.collection_id)
    names: list[str] = []
    if "documents" in fields:
        names.extend(request.documents)
    if "writes" in fields:
        names.extend(
            write.update.name or write.delete or write.transform.document for write in request.writes
        )
    if "name" in fields:
        names.append(request.name)
    if "document" in fields:
        names.append(request.document.name)
    found.update(name.split("/")[-2] for name in names if "/" in name)
    return found
