"""Requests to Firestore: queries and counts, built from our own words.

A scan is ordered so that it can be taken up after any document: by the fields of its range conditions and
then by document name. Without range conditions that is the name alone, which needs no index of its own.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from google.cloud.firestore_v1 import types
from google.cloud.firestore_v1.types.document import Value

from resources.firestore.gateway import CollectionQuery, Where
from resources.firestore.live_decode import Place, Reference

RunQueryRequest = types.RunQueryRequest.pb()
RunAggregationQueryRequest = types.RunAggregationQueryRequest.pb()
BatchGetDocumentsRequest = types.BatchGetDocumentsRequest.pb()
_Value = Value.pb()

NAME = "__name__"
COUNT_ALIAS = "documents"

_ASCENDING = 1
_AND = 1
_RANGE_OPERATORS = frozenset({"<", "<=", ">", ">=", "!=", "not-in"})
_OPERATORS = {"<": 1, "<=": 2, ">": 3, ">=": 4, "==": 5, "!=": 6, "in": 8, "not-in": 10}
_IS_NULL, _IS_NOT_NULL = 3, 5


class QueryBuilder:
    """Builds requests for one database."""

    def __init__(self, project: str, database: str) -> None:
        self.database_path = f"projects/{project}/databases/{database}"
        self.root = f"{self.database_path}/documents"

    def name_prefix(self, collection: str) -> str:
        """Return what the name of every document of a top-level collection begins with."""
        return f"{self.root}/{collection}/"

    def scan(self, query: CollectionQuery, read_time: datetime, limit: int, after: Sequence[Any]) -> Any:
        """Return the request for the next page of a scan; ``after`` is the cursor, empty at the start."""
        request = RunQueryRequest(parent=self.root)
        set_instant(request.read_time, read_time)
        structured = request.structured_query
        self._select(structured, query.collection, query.where)
        order = order_fields(query.where)
        for path in dict.fromkeys([*query.field_paths, *order[:-1]]):
            structured.select.fields.add().field_path = path
        for path in order:
            clause = structured.order_by.add()
            clause.field.field_path, clause.direction = path, _ASCENDING
        structured.limit.value = limit
        for value in after:
            structured.start_at.values.add().CopyFrom(value)
        return request

    def count(
        self, collection: str, where: Sequence[Where], read_time: datetime | None, up_to: int | None
    ) -> Any:
        """Return the request for a count; without ``read_time`` the source picks the instant."""
        request = RunAggregationQueryRequest(parent=self.root)
        if read_time is not None:
            set_instant(request.read_time, read_time)
        aggregation = request.structured_aggregation_query
        self._select(aggregation.structured_query, collection, where)
        wanted = aggregation.aggregations.add()
        wanted.alias = COUNT_ALIAS
        wanted.count.SetInParent()
        if up_to is not None:
            wanted.count.up_to.value = up_to
        return request

    def lookup(
        self, collection: str, ids: Sequence[str], field_paths: Sequence[str], read_time: datetime | None
    ) -> Any:
        """Return the request for single documents; without ``read_time`` they come as they are now."""
        request = BatchGetDocumentsRequest(database=self.database_path)
        request.documents.extend(self.name_prefix(collection) + one for one in ids)
        request.mask.field_paths.extend(field_paths)
        if read_time is not None:
            set_instant(request.read_time, read_time)
        return request

    def cursor(self, query: CollectionQuery, document: Any) -> Sequence[Any]:
        """Return the values after which a scan goes on when ``document`` was the last one seen."""
        cursor = []
        for path in order_fields(query.where)[:-1]:
            value, fields = None, document.fields
            for part in path.split("."):
                value = fields[part]
                fields = value.map_value.fields
            cursor.append(value)
        return [*cursor, _Value(reference_value=document.name)]

    def _select(self, structured: Any, collection: str, where: Sequence[Where]) -> None:
        structured.from_.add().collection_id = collection
        if not where:
            return
        structured.where.composite_filter.op = _AND
        for condition in where:
            self._filter(structured.where.composite_filter.filters.add(), collection, condition)

    def _filter(self, target: Any, collection: str, condition: Where) -> None:
        if condition.value is None and condition.operator in {"==", "!="}:
            target.unary_filter.field.field_path = condition.field_path
            target.unary_filter.op = _IS_NULL if condition.operator == "==" else _IS_NOT_NULL
            return
        value = condition.value
        if condition.field_path == NAME:
            value = Reference(self.name_prefix(collection) + str(value))
        target.field_filter.field.field_path = condition.field_path
        target.field_filter.op = _OPERATORS[condition.operator]
        set_value(target.field_filter.value, value)


def order_fields(where: Sequence[Where]) -> Sequence[str]:
    """Return the fields a scan is ordered by: those of its range conditions, then the document name."""
    ranged = dict.fromkeys(
        condition.field_path for condition in where if condition.operator in _RANGE_OPERATORS
    )
    return [*(path for path in ranged if path != NAME), NAME]


def set_instant(target: Any, instant: datetime) -> None:
    """Write an aware instant into a timestamp message."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    target.FromDatetime(instant.astimezone(UTC).replace(tzinfo=None))


def set_value(target: Any, value: Any) -> None:
    """Write a plain Python value into a ``Value`` message; raises ``TypeError`` for what it cannot hold."""
    if value is None:
        target.null_value = 0
    elif isinstance(value, bool):
        target.boolean_value = value
    elif isinstance(value, int):
        target.integer_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, datetime):
        set_instant(target.timestamp_value, value)
    else:
        _set_rarer_value(target, value)


def _set_rarer_value(target: Any, value: Any) -> None:
    if isinstance(value, bytes):
        target.bytes_value = value
    elif isinstance(value, Reference):
        target.reference_value = value.path
    elif isinstance(value, Place):
        target.geo_point_value.latitude, target.geo_point_value.longitude = value.latitude, value.longitude
    elif isinstance(value, Mapping):
        target.map_value.SetInParent()
        for name, item in value.items():
            set_value(target.map_value.fields[name], item)
    elif isinstance(value, Sequence | set | frozenset):
        target.array_value.SetInParent()
        for item in value:
            set_value(target.array_value.values.add(), item)
    else:
        raise TypeError(f"Firestore holds no {type(value).__name__}")
