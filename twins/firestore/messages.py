"""The message classes of the Firestore v1 API, without the client's wrappers around them.

``google-cloud-firestore`` ships its messages behind proto-plus; the plain classes under them are several
times cheaper, and they are all that a server needs. The type names below only document what a function
takes: the classes are made at run time, so a type checker sees ``Any``.
"""

from typing import Any, TypeAlias

from google.cloud.firestore_v1 import types as api
from google.protobuf import empty_pb2, timestamp_pb2
from google.rpc import status_pb2

DocumentMessage: TypeAlias = Any
FieldsMessage: TypeAlias = Any  # the ``map<string, Value>`` of a document or of a map value
FilterMessage: TypeAlias = Any
QueryMessage: TypeAlias = Any
RequestMessage: TypeAlias = Any
ResponseMessage: TypeAlias = Any
TransformMessage: TypeAlias = Any
ValueMessage: TypeAlias = Any
WriteMessage: TypeAlias = Any
WriteResultMessage: TypeAlias = Any

Document = api.Document.pb()
Value = api.Value.pb()
Write = api.Write.pb()
WriteResult = api.WriteResult.pb()

BatchGetDocumentsResponse = api.BatchGetDocumentsResponse.pb()
BatchWriteResponse = api.BatchWriteResponse.pb()
BeginTransactionResponse = api.BeginTransactionResponse.pb()
CommitResponse = api.CommitResponse.pb()
ListCollectionIdsResponse = api.ListCollectionIdsResponse.pb()
PartitionQueryResponse = api.PartitionQueryResponse.pb()
RunAggregationQueryResponse = api.RunAggregationQueryResponse.pb()
RunQueryResponse = api.RunQueryResponse.pb()

Empty = empty_pb2.Empty
Status = status_pb2.Status
Timestamp = timestamp_pb2.Timestamp

COMPOSITE = api.StructuredQuery.CompositeFilter.Operator
FIELD = api.StructuredQuery.FieldFilter.Operator
UNARY = api.StructuredQuery.UnaryFilter.Operator
DESCENDING = int(api.StructuredQuery.Direction.DESCENDING)


def request_class(method: str) -> Any:
    """Return the plain request class of an RPC, for example of ``RunQuery``."""
    return getattr(api, f"{method}Request").pb()


def to_timestamp(micros: int) -> Any:
    """Return a ``Timestamp`` message for microseconds since 1970."""
    seconds, rest = divmod(micros, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def to_micros(timestamp: Any) -> int:
    """Return microseconds since 1970 of a ``Timestamp`` message; anything finer is cut off."""
    return int(timestamp.seconds * 1_000_000 + timestamp.nanos // 1000)
