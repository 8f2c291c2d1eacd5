"""A gRPC server that says exactly what a test tells it to say; it knows nothing of Firestore's rules."""

import threading
from concurrent import futures
from dataclasses import dataclass, field
from datetime import UTC, datetime

import grpc
from google.cloud.firestore_v1 import types

RunQueryRequest = types.RunQueryRequest.pb()
RunQueryResponse = types.RunQueryResponse.pb()
AggregationRequest = types.RunAggregationQueryRequest.pb()
AggregationResponse = types.RunAggregationQueryResponse.pb()

ROOT = "projects/p/databases/(default)/documents"
READ_TIME = datetime(2026, 4, 27, 12, 0, 0, 123456, tzinfo=UTC)


@dataclass
class Break:
    """Ends a stream with a status."""

    code: grpc.StatusCode
    details: str = "scripted"


@dataclass
class Wait:
    """Says nothing until the call is gone."""


@dataclass
class ScriptedServer:
    """Each call takes the next script: a list of messages, ``Break`` or ``Wait``. The last script repeats."""

    queries: list = field(default_factory=list)
    counts: list = field(default_factory=list)
    requests: list = field(default_factory=list)
    metadata: list = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)
    asked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __enter__(self):
        self._lock = threading.Lock()
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        handlers = {
            "RunQuery": self._handler(RunQueryRequest, "queries"),
            "RunAggregationQuery": self._handler(AggregationRequest, "counts"),
        }
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("google.firestore.v1.Firestore", handlers),)
        )
        self.host = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        return self

    def __exit__(self, *_):
        self._server.stop(0).wait()

    def _handler(self, request_type, scripts):
        def answer(request, context):
            with self._lock:
                self.requests.append(request)
                self.asked.release()
                self.metadata.append(dict(context.invocation_metadata()))
                waiting = getattr(self, scripts)
                script = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            gone = threading.Event()
            if any(
                isinstance(step, Wait) for step in script
            ):  # such a call ends only when the client ends it
                context.add_callback(lambda: (gone.set(), self.hung_up.set()))
            for step in script:
                if isinstance(step, Break):
                    context.abort(step.code, step.details)
                elif isinstance(step, Wait):
                    gone.wait(30)
                else:
                    yield step

        return grpc.unary_stream_rpc_method_handler(answer, request_type.FromString)


def document(document_id, fields=None, *, collection="kilns"):
    """Return a serialised response holding one document; ``fields`` writes into its map of values."""
    response = RunQueryResponse()
    response.document.name = f"{ROOT}/{collection}/{document_id}"
    if fields is not None:
        fields(response.document.fields)
    else:
        response.document.fields["name"].string_value = document_id
    response.read_time.FromDatetime(READ_TIME.replace(tzinfo=None))
    return response.SerializeToString()


def documents(*ids):
    return [document(document_id) for document_id in ids]


def only_read_time():
    response = RunQueryResponse()
    response.read_time.FromDatetime(READ_TIME.replace(tzinfo=None))
    return response.SerializeToString()


def count(number):
    """Return a serialised count, taken at ``READ_TIME``."""
    response = AggregationResponse()
    response.result.aggregate_fields["documents"].integer_value = number
    response.read_time.FromDatetime(READ_TIME.replace(tzinfo=None))
    return response.SerializeToString()
