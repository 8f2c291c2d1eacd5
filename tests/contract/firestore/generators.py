"""Random documents, queries and writes as plain API messages, and answers in a form that can be compared.

Messages are built below the client library, so shapes that the library would refuse are tried as well. Every
choice comes from one ``random.Random``: a seed names a whole run.
"""

import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from google.cloud.firestore_v1 import GeoPoint
from google.cloud.firestore_v1.vector import Vector

from twins.firestore.messages import COMPOSITE, FIELD, UNARY, Value, Write, request_class
from twins.firestore.wire import Reference, encode_value

START = datetime(2026, 1, 1, tzinfo=UTC)
NUMBERS = (-1.5, 0.0, -0.0, 2.0, 2.5, 1e300, math.inf, -math.inf, math.nan, 3.0)
# Neighbours that a float cannot tell apart: they test comparisons, and are kept out of sums, whose rounding
# depends on an order that nobody promises.
LARGE_NUMBERS = (2**53, 2**53 + 1, 2.0**53, 2.0**53 + 2)
TEXTS = ("", "a", "b", "é", "aa", "B", "\U0001f600", "\uffff", "a`b")
SUMMED_FIELDS = ("p", "q", "r")
ODD_FIELD, ODD_PATH = "we`ird.name", "`we\\`ird.name`"
QUERY_FIELDS = ("p", "q", "r", "m.x", "m", "s", ODD_PATH, "__name__")
OPERATORS = [
    FIELD.EQUAL,
    FIELD.EQUAL,
    FIELD.NOT_EQUAL,
    FIELD.LESS_THAN,
    FIELD.LESS_THAN_OR_EQUAL,
    FIELD.GREATER_THAN,
    FIELD.GREATER_THAN_OR_EQUAL,
    FIELD.IN,
    FIELD.NOT_IN,
    FIELD.ARRAY_CONTAINS,
    FIELD.ARRAY_CONTAINS_ANY,
]
LIST_OPERATORS = {FIELD.IN, FIELD.NOT_IN, FIELD.ARRAY_CONTAINS_ANY}
NAME_OPERATORS = [
    FIELD.EQUAL,
    FIELD.LESS_THAN,
    FIELD.LESS_THAN_OR_EQUAL,
    FIELD.GREATER_THAN,
    FIELD.GREATER_THAN_OR_EQUAL,
    FIELD.IN,
]
UNARY_OPERATORS = [UNARY.IS_NULL, UNARY.IS_NAN, UNARY.IS_NOT_NULL, UNARY.IS_NOT_NAN]


class Generator:
    """Makes one random run over one root collection and one collection below some of its documents."""

    def __init__(self, seed: int, root: str, collection: str) -> None:
        self.random = random.Random(seed)
        self.root = root
        self.collection = collection
        self.group = f"{collection}g"
        ids = [f"d{number:03d}" for number in range(110)] + ["Z", "é", "_x", "__id7__", "__id12__", "a b"]
        self.random.shuffle(ids)
        self.names = [f"{root}/{collection}/{each}" for each in ids]
        parents = self.random.sample(self.names, 12)
        self.names += [f"{parent}/{self.group}/{number}" for parent in parents for number in "ab"]
        self.names += [f"{root}/{self.group}/{number}" for number in "abc"]

    # Values and documents

    def value(self, *, depth: int = 0, is_tame: bool = False) -> Any:
        """Return a random plain value; a tame one can be summed in any order with the same result."""
        choose, below = self.random.choice, self.random.randrange
        numbers = NUMBERS if is_tame else NUMBERS + LARGE_NUMBERS
        kinds = [
            *[lambda: below(-3, 6)] * 3,
            *[lambda: choose(numbers)] * 2,
            *[lambda: choose(TEXTS)] * 2,
            lambda: choose((True, False)),
            lambda: None,
            lambda: START + timedelta(seconds=below(4), microseconds=below(2)),
            lambda: choose((b"", b"\x00", b"a")),
        ]
        if depth < 2:
            kinds += [
                lambda: GeoPoint(choose((0.0, 1.0, -1.0)), choose((0.0, 2.0))),
                lambda: [self.value(depth=2) for _ in range(below(3))],
                lambda: {choose("xyz"): self.value(depth=depth + 1) for _ in range(below(3))},
                lambda: Reference(choose(self.names)),
                lambda: Vector([choose((0.0, 1.0, 2.0)) for _ in range(below(1, 3))]),
            ]
        return choose(kinds)()

    def fields(self) -> dict[str, Any]:
        """Return the fields of a random document."""
        out = {name: self.value(is_tame=True) for name in SUMMED_FIELDS if self.random.random() < 0.8}
        if self.random.random() < 0.8:
            out["s"] = self.value()
        if self.random.random() < 0.6:
            out["m"] = {name: self.value(depth=1) for name in "xy" if self.random.random() < 0.8}
        if self.random.random() < 0.3:
            out[ODD_FIELD] = self.value()
        return out

    # Queries

    def query(self) -> Any:
        """Return a random RunQueryRequest, without a consistency selector."""
        request = request_class("RunQuery")(parent=self.root)
        self._fill_query(request.structured_query)
        if self.random.random() < 0.25:
            paths = self.random.sample(["p", "m.x", "m", "q", ODD_PATH, "m.y"], self.random.randrange(4))
            request.structured_query.select.SetInParent()
            for path in paths:
                request.structured_query.select.fields.add().field_path = path
        return request

    def aggregation(self) -> Any:
        """Return a random RunAggregationQueryRequest, without a consistency selector."""
        request = request_class("RunAggregationQuery")(parent=self.root)
        self._fill_query(request.structured_aggregation_query.structured_query)
        for number in range(self.random.randrange(1, 4)):
            each = request.structured_aggregation_query.aggregations.add()
            if self.random.random() < 0.8:
                each.alias = f"a{number}"
            kind = self.random.choice(("count", "sum", "avg"))
            if kind == "count":
                each.count.SetInParent()
                if self.random.random() < 0.2:
                    each.count.up_to.value = self.random.randrange(9)
            else:
                getattr(each, kind).field.field_path = self.random.choice(SUMMED_FIELDS)
        return request

    def _fill_query(self, query: Any) -> None:
        selector = query.from_.add()
        is_group = self.random.random() < 0.15
        selector.collection_id = self.group if is_group else self.collection
        selector.all_descendants = is_group
        filters = self.random.choice((0, 0, 1, 1, 1, 2))
        if filters == 1:
            self._fill_filter(query.where, 0)
        elif filters:
            query.where.composite_filter.op = COMPOSITE.AND
            for _ in range(filters):
                self._fill_filter(query.where.composite_filter.filters.add(), 0)
        for _ in range(self.random.choice((0, 0, 1, 1, 2))):
            order = query.order_by.add()
            order.field.field_path = self.random.choice(QUERY_FIELDS)
            order.direction = self.random.choice((0, 1, 2))
        if self.random.random() < 0.4:
            query.limit.value = self.random.randrange(1, 20)
        if self.random.random() < 0.2:
            query.offset = self.random.randrange(8)
        if self.random.random() < (0.5 if query.order_by else 0.03):
            for side in self.random.sample(("start_at", "end_at"), self.random.choice((1, 1, 2))):
                self._fill_cursor(getattr(query, side), query)

    def _fill_cursor(self, cursor: Any, query: Any) -> None:
        cursor.before = self.random.random() < 0.5
        paths = [order.field.field_path for order in query.order_by]
        paths = paths[: self.random.randrange(1, len(paths) + 1)] if paths else ["__name__"]
        if self.random.random() < 0.05:
            paths.append("__name__")  # one more than is ordered by, now and then
        for path in paths:
            is_name = path == "__name__"
            value = Reference(self.random.choice(self.names)) if is_name else self.value(depth=1)
            cursor.values.append(message(value))

    def _fill_filter(self, filter_message: Any, depth: int) -> None:
        if depth < 2 and self.random.random() < 0.25:
            composite = filter_message.composite_filter
            composite.op = self.random.choice((COMPOSITE.AND, COMPOSITE.OR))
            for _ in range(self.random.randrange(1, 4)):
                self._fill_filter(composite.filters.add(), depth + 1)
            return
        path = self.random.choice(QUERY_FIELDS)
        if path != "__name__" and self.random.random() < 0.08:
            filter_message.unary_filter.field.field_path = path
            filter_message.unary_filter.op = self.random.choice(UNARY_OPERATORS)
            return
        field_filter = filter_message.field_filter
        field_filter.field.field_path = path
        is_name = path == "__name__"
        field_filter.op = self.random.choice(NAME_OPERATORS if is_name else OPERATORS)

        def operand() -> Any:
            return Reference(self.random.choice(self.names)) if is_name else self.value(depth=1)

        if field_filter.op in LIST_OPERATORS:
            count = self.random.randrange(1, 4)
            items = [operand() for _ in range(count)]
            field_filter.value.CopyFrom(
                message([each for each in items if not isinstance(each, list)] or [1])
            )
        else:
            field_filter.value.CopyFrom(message(operand()))

    # Writes

    def commit(self, update_times: dict[str, Any]) -> Any:
        """Return a random CommitRequest. ``update_times`` (name -> Timestamp) feeds some preconditions."""
        request = request_class("Commit")(database=self.root.removesuffix("/documents"))
        for name in self.random.sample(self.names, self.random.choice((1, 1, 1, 2, 3))):
            request.writes.append(self._write(name, update_times))
        return request

    def _write(self, name: str, update_times: dict[str, Any]) -> Any:
        write = Write()
        if self.random.random() < 0.15:
            write.delete = name
        else:
            write.update.name = name
            set_fields(write.update, self.fields())
            if self.random.random() < 0.5:
                paths = ["p", "q", "m.x", "m", "m.y", ODD_PATH, "s", "new.deep.er"]
                write.update_mask.field_paths.extend(self.random.sample(paths, self.random.randrange(5)))
            if self.random.random() < 0.5:
                self._add_transforms(write)
        chance = self.random.random()
        if chance < 0.25:
            write.current_document.exists = self.random.random() < 0.6
        elif chance < 0.4 and name in update_times:
            write.current_document.update_time.CopyFrom(update_times[name])
        return write

    def _add_transforms(self, write: Any) -> None:
        for path in self.random.sample(("p", "q", "m.x", "t", ODD_PATH), self.random.randrange(1, 4)):
            transform = write.update_transforms.add()
            transform.field_path = path
            kind = self.random.choice(("increment", "maximum", "minimum", "union", "remove"))
            if kind in {"increment", "maximum", "minimum"}:
                operand = self.random.choice((1, -2, 2**62, -(2**62), *NUMBERS, "text"))
                getattr(transform, kind).CopyFrom(message(operand))
                continue
            name = "append_missing_elements" if kind == "union" else "remove_all_from_array"
            items = [self.value(depth=2) for _ in range(self.random.randrange(4))]
            getattr(transform, name).values.extend(message(each) for each in items)


def message(value: Any) -> Any:
    """Return a plain value as a ``Value`` message."""
    return Value.FromString(encode_value(value))


def set_fields(document: Any, fields: dict[str, Any]) -> None:
    """Fill a ``Document`` message with plain values."""
    for name, value in fields.items():
        document.fields[name].CopyFrom(message(value))


def comparable(value: Any) -> Any:
    """Return a ``Value`` message as something equal for equal answers, types included; minus zero is zero."""
    kind = value.WhichOneof("value_type")
    if kind == "double_value":
        number = value.double_value
        return ("double", "nan" if math.isnan(number) else number + 0.0)
    if kind == "map_value":
        return ("map", {name: comparable(each) for name, each in value.map_value.fields.items()})
    if kind == "array_value":
        return ("array", [comparable(each) for each in value.array_value.values])
    if kind in {"timestamp_value", "geo_point_value"}:
        return (kind, getattr(value, kind).SerializeToString())
    return (kind, getattr(value, kind))


def comparable_document(document: Any) -> Any:
    """Return a ``Document`` message without its times, which differ between servers."""
    return (document.name, {name: comparable(value) for name, value in document.fields.items()})
