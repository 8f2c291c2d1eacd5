"""Queries: planned (implied orders, bounds, refusals) and run over one consistent instant.

A query in document-id order over one collection is walked straight from the store and never held in memory;
anything else is sorted. Aggregations use the same plan with the summed fields added to the order.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from grpc import StatusCode

from twins.firestore.errors import RefusedError, failed_precondition, invalid
from twins.firestore.filters import FilterFacts, Matcher, check_filter, matcher, parse_filter
from twins.firestore.messages import DESCENDING, QueryMessage
from twins.firestore.paths import (
    NAME,
    FieldPath,
    OrderedId,
    check_collection_id,
    check_parent,
    order_name,
    parse_field_path,
    write_field_path,
)
from twins.firestore.records import Version
from twins.firestore.store import Store
from twins.firestore.values import REFERENCE_RANK, Key, order_key, reference_key


class Found(NamedTuple):
    """One document that a query answers with."""

    name: str
    version: Version


class Order(NamedTuple):
    """One field the result is ordered by."""

    path: FieldPath
    is_descending: bool


_BY_NAME = (Order(NAME, is_descending=False),)


@dataclass(frozen=True, slots=True)
class Descending:
    """An order key that sorts the other way round."""

    key: Key

    def __lt__(self, other: "Descending") -> bool:
        return other.key < self.key


class Bound(NamedTuple):
    """Where a result starts or ends: a position in the order, just before or just after its equals."""

    keys: list[Any]
    is_before: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """A query ready to run at any instant.

    Attributes:
        parent: Full name of the root or document under which the collections are.
        collection_id: Their id; empty for all of them.
        is_deep: Whether collections at any depth count, or only direct children of ``parent``.
        orders: The whole order including implied fields; it always ends with the document name.
        limit: Most documents to return, or None.
    """

    parent: str
    collection_id: str
    is_deep: bool
    matches: Matcher | None
    orders: tuple[Order, ...]
    start: Bound | None
    end: Bound | None
    offset: int
    limit: int | None

    def collections(self, store: Store) -> list[str]:
        """Return the paths of the collections the query is about."""
        if self.collection_id and not self.is_deep:
            return [f"{self.parent}/{self.collection_id}"]
        paths = store.collections_under(self.parent, self.collection_id)
        if self.is_deep:
            return paths
        return [path for path in paths if path.count("/") == self.parent.count("/") + 1]


def plan_query(parent: str, query: QueryMessage, *, aggregated: Sequence[FieldPath] = ()) -> Plan:
    """Return the plan of a ``StructuredQuery`` message.

    Args:
        parent: Full name of the database root or of a document.
        query: The message.
        aggregated: Fields that a sum or an average reads; they take part in the implied order.

    Raises:
        RefusedError: INVALID_ARGUMENT, FAILED_PRECONDITION or UNIMPLEMENTED, as the service answers.
    """
    check_parent(parent)
    collection_id, is_deep = _selector(query)
    if query.HasField("find_nearest"):
        raise RefusedError(StatusCode.UNIMPLEMENTED, "The twin does not do vector search.")
    if query.offset < 0:
        raise invalid("offset is negative")
    if query.HasField("limit") and query.limit.value < 0:
        raise invalid("limit is negative")
    if max(len(query.start_at.values), len(query.end_at.values)) > len(query.order_by):
        raise invalid("Cursor has too many values.")
    tree = parse_filter(query.where) if query.HasField("where") else None
    facts = check_filter(tree) if tree is not None else FilterFacts()
    orders = _orders(query, facts, aggregated)
    return Plan(
        parent=parent,
        collection_id=collection_id,
        is_deep=is_deep,
        matches=matcher(tree) if tree is not None else None,
        orders=orders,
        start=_bound(query, "start_at", orders),
        end=_bound(query, "end_at", orders),
        offset=query.offset,
        limit=query.limit.value if query.HasField("limit") else None,
    )


def _selector(query: QueryMessage) -> tuple[str, bool]:
    selectors = query.from_
    if len(selectors) > 1:
        raise invalid("StructuredQuery.from cannot have more than one collection selector.")
    if not selectors:
        return "", False
    check_collection_id(selectors[0].collection_id)
    return selectors[0].collection_id, selectors[0].all_descendants


def _orders(query: QueryMessage, facts: FilterFacts, aggregated: Sequence[FieldPath]) -> tuple[Order, ...]:
    orders: list[Order] = []
    is_key_scan_backwards = _is_key_scan_backwards(query, facts)
    for message in query.order_by:
        path = parse_field_path(message.field.field_path)
        taken = [order.path for order in orders]
        if path in taken and not (path == NAME and is_key_scan_backwards):
            raise invalid(f"order by clause cannot contain duplicate fields {write_field_path(path)}")
        if NAME in taken and path != NAME:
            raise invalid("order by clause cannot contain more fields after the key")
        orders.append(Order(path, message.direction == DESCENDING))
    is_descending = orders[-1].is_descending if orders else False
    taken = [order.path for order in orders]
    for path in facts.inequalities:
        if path in taken or path == NAME:
            continue
        if NAME in taken:
            raise invalid("order by clause cannot contain more fields after the key")
        orders.append(Order(path, is_descending))
        taken.append(path)
    if is_key_scan_backwards:
        raise failed_precondition("Firestore does not support descending key scans")
    missing = [path for path in dict.fromkeys(aggregated) if path not in taken]
    if missing and (NAME in taken or facts.uses_name):
        raise invalid(
            "This query requires an index that has fields after __name__ and Firestore does not currently "
            "support such an index."
        )
    # A sum or an average walks an index on its field, so that field orders the result before the name does.
    orders.extend(Order(path, is_descending) for path in missing)
    if NAME not in taken:
        orders.append(Order(NAME, is_descending))
    return tuple(orders)


def _is_key_scan_backwards(query: QueryMessage, facts: FilterFacts) -> bool:
    """Tell whether a query walks document names from the last to the first, which the service refuses."""
    first = query.order_by[0] if query.order_by else None
    return (
        first is not None
        and first.direction == DESCENDING
        and parse_field_path(first.field.field_path) == NAME
        and not facts.uses_fields
    )


def _bound(query: QueryMessage, side: str, orders: tuple[Order, ...]) -> Bound | None:
    if not query.HasField(side):
        return None
    cursor = getattr(query, side)
    keys = [_directed(order_key(value), order) for value, order in zip(cursor.values, orders, strict=False)]
    return Bound(keys, cursor.before)


def _directed(key: Key, order: Order) -> Any:
    return Descending(key) if order.is_descending else key


def run_query(store: Store, plan: Plan, at: int) -> Iterator[Found]:
    """Yield the documents of a planned query as of ``at``, in order."""
    if plan.limit == 0:
        return
    paths = plan.collections(store)
    if plan.orders == _BY_NAME and len(paths) == 1:
        found = _walk(store, plan, paths[0], at)
    else:
        found = _sort(store, plan, paths, at)
    last = None if plan.limit is None else plan.offset + plan.limit
    for position, each in enumerate(found, 1):
        if position > plan.offset:
            yield each
        if position == last:
            return


def _walk(store: Store, plan: Plan, path: str, at: int) -> Iterator[Found]:
    """Yield matches of one collection in id order, starting and ending at the bounds."""
    start, end = _cut(path, plan.start), _cut(path, plan.end)
    if start == _AFTER_ALL or end == _BEFORE_ALL:
        return
    lower = (start.document_id, not start.is_after) if isinstance(start, Cut) else None
    upper = (end.document_id, end.is_after) if isinstance(end, Cut) else None
    prefix, matches = path + "/", plan.matches
    for document_id, version in store.scan(path, at, lower=lower, upper=upper):
        name = prefix + document_id
        if matches is None or matches(name, version):
            yield Found(name, version)


class Cut(NamedTuple):
    """A place between two ids of a collection: just before an id, or just after it."""

    document_id: OrderedId
    is_after: bool


_BEFORE_ALL, _AFTER_ALL = "before all", "after all"


def _cut(path: str, bound: Bound | None) -> Cut | str | None:
    """Return where a bound lies among the ids of a collection; None where there is no bound."""
    if bound is None or not bound.keys:
        return None
    key: Key = bound.keys[0]
    if key[0] != REFERENCE_RANK:
        return _BEFORE_ALL if key[0] < REFERENCE_RANK else _AFTER_ALL
    segments, base = key[1], order_name(path)
    head = segments[: len(base)]
    if head != base:
        return _BEFORE_ALL if head < base else _AFTER_ALL
    if len(segments) == len(base):
        return _BEFORE_ALL
    # A name below a document lies after the document itself.
    is_below = len(segments) > len(base) + 1
    return Cut(segments[len(base)], is_below or not bound.is_before)


def _sort(store: Store, plan: Plan, paths: list[str], at: int) -> Iterator[Found]:
    """Yield matches of any number of collections, sorted."""
    rows = _rows(store, plan, paths, at)
    if plan.limit is not None:
        ordered = heapq.nsmallest(plan.offset + plan.limit, rows, key=lambda row: row[0])
    else:
        ordered = sorted(rows, key=lambda row: row[0])
    for _, found in ordered:
        yield found


def _rows(store: Store, plan: Plan, paths: list[str], at: int) -> Iterator[tuple[list[Any], Found]]:
    for path in paths:
        for document_id, version in store.scan(path, at):
            name = f"{path}/{document_id}"
            if plan.matches is not None and not plan.matches(name, version):
                continue
            keys = _sort_keys(plan.orders, name, version)
            if keys is not None and _is_inside(keys, plan.start, plan.end):
                yield keys, Found(name, version)


def _sort_keys(orders: tuple[Order, ...], name: str, version: Version) -> list[Any] | None:
    """Return what a document is sorted by; None when it lacks a field, which leaves it out of the result."""
    keys = []
    for order in orders:
        if order.path == NAME:
            key = reference_key(name)
        else:
            value = version.field(order.path)
            if value is None:
                return None
            key = order_key(value)
        keys.append(_directed(key, order))
    return keys


def _is_inside(keys: list[Any], start: Bound | None, end: Bound | None) -> bool:
    if start is not None:
        head = keys[: len(start.keys)]
        if head < start.keys or (head == start.keys and not start.is_before):
            return False
    if end is not None:
        head = keys[: len(end.keys)]
        if end.keys < head or (head == end.keys and end.is_before):
            return False
    return True
