"""Aggregations: count, sum and average over the answer of a query."""

import math
from dataclasses import dataclass

from twins.firestore.errors import invalid
from twins.firestore.messages import QueryMessage, Value, ValueMessage
from twins.firestore.paths import NAME, FieldPath, parse_field_path
from twins.firestore.query import plan_query, run_query
from twins.firestore.store import Store

MOST_AGGREGATIONS = 5  # in one query, the service's limit
_INTEGERS = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One thing to compute: ``count`` (up to ``most``, if given), or ``sum`` or ``avg`` of a field."""

    alias: str
    kind: str
    path: FieldPath | None
    most: int | None


def parse_aggregations(query: QueryMessage) -> list[Aggregation]:
    """Return what a ``StructuredAggregationQuery`` message asks for, with an alias for each.

    Raises:
        RefusedError: INVALID_ARGUMENT.
    """
    if not query.aggregations:
        raise invalid("Aggregations can not be empty.")
    if len(query.aggregations) > MOST_AGGREGATIONS:
        raise invalid(
            f"The maximum number of aggregations allowed in an aggregation query is {MOST_AGGREGATIONS}."
        )
    out: list[Aggregation] = []
    unnamed = 0
    for message in query.aggregations:
        kind = message.WhichOneof("operator")
        if kind is None:
            raise invalid("aggregation without an operator")
        unnamed += not message.alias
        alias = message.alias or f"field_{unnamed}"
        path = None if kind == "count" else parse_field_path(getattr(message, kind).field.field_path)
        if path == NAME:
            raise invalid("Aggregations are not supported for the property: __key__")
        has_most = kind == "count" and message.count.HasField("up_to")
        out.append(Aggregation(alias, kind, path, message.count.up_to.value if has_most else None))
    if len({each.alias for each in out}) != len(out):
        raise invalid("Aggregation aliases contain duplicate alias.")
    if query.structured_query.HasField("select") and any(each.path for each in out):
        raise invalid("Cannot apply property masks when aggregation fields are present.")
    return out


def run_aggregation(
    store: Store, parent: str, query: QueryMessage, at: int
) -> tuple[dict[str, ValueMessage], int]:
    """Return (alias -> value, how many documents were counted) of an aggregation query as of ``at``.

    A document that lacks any of the summed fields counts for nothing, because it is not in the index that the
    query walks; a field that is not a number adds nothing to a sum or an average.
    """
    aggregations = parse_aggregations(query)
    paths = sorted({each.path for each in aggregations if each.path is not None})
    plan = plan_query(parent, query.structured_query, aggregated=paths)
    counted = 0
    numbers: dict[FieldPath, list[int | float]] = {path: [] for path in paths}
    for _, version in run_query(store, plan, at):
        values = [value for path in paths if (value := version.field(path)) is not None]
        if len(values) < len(paths):
            continue
        counted += 1
        for path, value in zip(paths, values, strict=True):
            kind = value.WhichOneof("value_type")
            if kind in {"integer_value", "double_value"}:
                numbers[path].append(getattr(value, kind))
    return {each.alias: _result(each, counted, numbers) for each in aggregations}, counted


def _result(each: Aggregation, counted: int, numbers: dict[FieldPath, list[int | float]]) -> ValueMessage:
    if each.path is None:
        return Value(integer_value=counted if each.most is None else min(counted, each.most))
    found = numbers[each.path]
    if each.kind == "avg" and not found:
        return Value(null_value=0)
    total = _total(found)
    if each.kind == "avg":
        return Value(double_value=total / len(found))
    return (
        Value(integer_value=total)
        if isinstance(total, int) and total in _INTEGERS
        else Value(double_value=total)
    )


def _total(numbers: list[int | float]) -> int | float:
    """Return the exact sum, rounded once; a whole number only where every number is one."""
    whole = sum(number for number in numbers if isinstance(number, int))
    fractions = [number for number in numbers if isinstance(number, float)]
    if not fractions:
        return whole
    # fsum is exact but refuses a sum of opposite infinities, which the service answers with "not a number".
    is_finite = all(map(math.isfinite, fractions))
    return float(whole) + (math.fsum(fractions) if is_finite else sum(fractions))
