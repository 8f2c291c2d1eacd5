"""Filters of a query: parsed into a small tree, checked as the service does, and run on stored versions.

The tree has ``Leaf`` (one condition), ``All`` and ``AnyOf``. Which shapes are refused was learned from
Google's own emulator and is held to it by the contract suite and the differential fuzz test.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from twins.firestore.errors import invalid
from twins.firestore.messages import COMPOSITE, FIELD, UNARY, FilterMessage, ValueMessage
from twins.firestore.paths import NAME, FieldPath, parse_field_path
from twins.firestore.records import Version
from twins.firestore.values import ARRAY_RANK, NAN_KEY, NULL_KEY, NUMBER_RANK, Key, order_key, reference_key

Matcher: TypeAlias = Callable[[str, Version], bool]
KeyTest: TypeAlias = Callable[[Key], bool]

MOST_DISJUNCTIONS = 30  # the service's limits on lists and on the whole query
MOST_EXCLUSIONS = 10


class Op(StrEnum):
    """What a condition asks of a field."""

    EQUAL = "=="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    IN = "in"
    NOT_IN = "not-in"
    CONTAINS = "array-contains"
    CONTAINS_ANY = "array-contains-any"
    IS_NULL = "is-null"
    IS_NAN = "is-nan"
    IS_NOT_NULL = "is-not-null"
    IS_NOT_NAN = "is-not-nan"


RANGES = {Op.LESS, Op.LESS_OR_EQUAL, Op.GREATER, Op.GREATER_OR_EQUAL}
NEGATIONS = {Op.NOT_EQUAL, Op.NOT_IN, Op.IS_NOT_NULL, Op.IS_NOT_NAN}
INEQUALITIES = RANGES | NEGATIONS
LISTS = {Op.IN, Op.NOT_IN, Op.CONTAINS_ANY}
CONTAINMENTS = {Op.CONTAINS, Op.CONTAINS_ANY}

_FIELD_OPS = {
    int(FIELD.EQUAL): Op.EQUAL,
    int(FIELD.NOT_EQUAL): Op.NOT_EQUAL,
    int(FIELD.LESS_THAN): Op.LESS,
    int(FIELD.LESS_THAN_OR_EQUAL): Op.LESS_OR_EQUAL,
    int(FIELD.GREATER_THAN): Op.GREATER,
    int(FIELD.GREATER_THAN_OR_EQUAL): Op.GREATER_OR_EQUAL,
    int(FIELD.IN): Op.IN,
    int(FIELD.NOT_IN): Op.NOT_IN,
    int(FIELD.ARRAY_CONTAINS): Op.CONTAINS,
    int(FIELD.ARRAY_CONTAINS_ANY): Op.CONTAINS_ANY,
}
_UNARY_OPS = {
    int(UNARY.IS_NULL): Op.IS_NULL,
    int(UNARY.IS_NAN): Op.IS_NAN,
    int(UNARY.IS_NOT_NULL): Op.IS_NOT_NULL,
    int(UNARY.IS_NOT_NAN): Op.IS_NOT_NAN,
}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One condition on one field. ``values`` are the order keys it compares with (none for unary ones)."""

    path: FieldPath
    op: Op
    values: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class All:
    """Every part must hold."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part must hold."""

    parts: tuple["Filter", ...]


Filter: TypeAlias = Leaf | All | AnyOf


def parse_filter(message: FilterMessage) -> Filter:
    """Return the tree of a ``StructuredQuery.Filter`` message."""
    kind = message.WhichOneof("filter_type")
    if kind == "composite_filter":
        parts = tuple(parse_filter(part) for part in message.composite_filter.filters)
        if not parts:
            raise invalid("A composite filter must have at least one sub-filter.")
        return AnyOf(parts) if message.composite_filter.op == COMPOSITE.OR else All(parts)
    if kind == "unary_filter":
        unary = message.unary_filter
        op = _UNARY_OPS.get(unary.op)
        if op is None:
            raise invalid("unary filter without an operator")
        return Leaf(parse_field_path(unary.field.field_path), op)
    if kind == "field_filter":
        return _parse_leaf(message.field_filter)
    raise invalid("filter without a type")


def _parse_leaf(message: FilterMessage) -> Leaf:
    op = _FIELD_OPS.get(message.op)
    if op is None:
        raise invalid("field filter without an operator")
    path = parse_field_path(message.field.field_path)
    if op not in LISTS:
        return Leaf(path, op, (order_key(message.value),))
    values = _list_items(message.value, op)
    return Leaf(path, op, tuple(order_key(value) for value in values))


def _list_items(value: ValueMessage, op: Op) -> list[ValueMessage]:
    items = list(value.array_value.values)
    name = op.name.replace("CONTAINS", "ARRAY_CONTAINS")
    if not items:
        raise invalid(f"'{name}' requires an non-empty ArrayValue.")
    most = MOST_EXCLUSIONS if op is Op.NOT_IN else MOST_DISJUNCTIONS
    if len(items) > most:
        raise invalid(f"'{name}' supports up to {most} comparison values.")
    return items


# Running


def matcher(tree: Filter) -> Matcher:
    """Return a function that tells whether a document version matches."""
    if isinstance(tree, Leaf):
        return _leaf_matcher(tree)
    parts = [matcher(part) for part in tree.parts]
    if len(parts) == 1:
        return parts[0]
    if isinstance(tree, AnyOf):
        return lambda name, version: any(part(name, version) for part in parts)
    return lambda name, version: all(part(name, version) for part in parts)


def _leaf_matcher(leaf: Leaf) -> Matcher:
    test, path = key_test(leaf.op, leaf.values), leaf.path
    if path == NAME:
        return lambda name, _: test(reference_key(name))

    def matches(_: str, version: Version) -> bool:
        value = version.field(path)
        return value is not None and test(order_key(value))

    return matches


def key_test(op: Op, values: tuple[Key, ...]) -> KeyTest:
    """Return what an operator asks of the order key of a field that exists."""
    if op in _UNARY_TESTS:
        return _UNARY_TESTS[op]
    if op in LISTS:
        return _list_test(op, set(values))
    return _single_test(op, values[0])


def _single_test(op: Op, wanted: Key) -> KeyTest:
    # Nothing compares with null, and not a number is equal to nothing: unary filters are there for both.
    if wanted == NULL_KEY or (wanted == NAN_KEY and op is not Op.NOT_EQUAL):
        return lambda _: False
    rank = wanted[0]
    # Not a number sorts first but is less than nothing; a range also never leaves its own type.
    lowest = (NUMBER_RANK, 1) if rank == NUMBER_RANK else (rank,)
    unequal = {NULL_KEY, wanted} - {NAN_KEY}
    tests: dict[Op, KeyTest] = {
        Op.EQUAL: lambda key: key == wanted,
        Op.NOT_EQUAL: lambda key: key not in unequal,
        Op.LESS: lambda key: key[0] == rank and lowest <= key < wanted,
        Op.LESS_OR_EQUAL: lambda key: key[0] == rank and lowest <= key <= wanted,
        Op.GREATER: lambda key: key[0] == rank and key > wanted,
        Op.GREATER_OR_EQUAL: lambda key: key[0] == rank and key >= wanted,
        Op.CONTAINS: lambda key: key[0] == ARRAY_RANK and wanted in key[1],
    }
    return tests[op]


def _list_test(op: Op, wanted: set[Key]) -> KeyTest:
    if op is Op.NOT_IN:
        if NULL_KEY in wanted:
            return lambda _: False
        excluded = (wanted - {NAN_KEY}) | {NULL_KEY}
        return lambda key: key not in excluded
    items = wanted - {NULL_KEY, NAN_KEY}
    if op is Op.IN:
        return lambda key: key in items
    return lambda key: key[0] == ARRAY_RANK and any(item in items for item in key[1])


_UNARY_TESTS: dict[Op, KeyTest] = {
    Op.IS_NULL: lambda key: key == NULL_KEY,
    Op.IS_NAN: lambda key: key == NAN_KEY,
    Op.IS_NOT_NULL: lambda key: key != NULL_KEY,
    Op.IS_NOT_NAN: lambda key: key not in (NULL_KEY, NAN_KEY),
}


# Checking


@dataclass(frozen=True, slots=True)
class FilterFacts:
    """What the planner needs to know about a filter.

    Attributes:
        inequalities: Fields with an inequality, sorted; they order the result.
        uses_name: Whether any condition is on the document name.
        uses_fields: Whether any condition is on something else.
    """

    inequalities: tuple[FieldPath, ...] = ()
    uses_name: bool = False
    uses_fields: bool = False


def check_filter(tree: Filter) -> FilterFacts:
    """Refuse the shapes that the service refuses whatever the data; return what the planner needs.

    Raises:
        RefusedError: INVALID_ARGUMENT.
    """
    conjunctions = disjunctive_form(tree)
    leaves = [leaf for conjunction in conjunctions for leaf in conjunction]
    if sum(leaf.op in NEGATIONS for leaf in _leaves(tree)) > 1:
        raise invalid(
            "Only a single 'NOT_EQUAL', 'NOT_IN', 'IS_NOT_NAN', or 'IS_NOT_NULL' filter allowed per query."
        )
    if any(sum(leaf.op in CONTAINMENTS for leaf in conjunction) > 1 for conjunction in conjunctions):
        raise invalid("A maximum of 1 'ARRAY_CONTAINS' filter is allowed per disjunction.")
    if any(leaf.op is Op.NOT_IN for leaf in leaves) and (
        _has_alternatives(tree) or any(leaf.op in {Op.IN, Op.CONTAINS_ANY} for leaf in leaves)
    ):
        raise invalid("'NOT_IN' cannot be used in the same query with 'IN', 'ARRAY_CONTAINS_ANY' or 'OR'.")
    if sum(_width(conjunction) for conjunction in conjunctions) > MOST_DISJUNCTIONS:
        raise invalid(f"the query has more than {MOST_DISJUNCTIONS} disjunctions")
    # The service sees that such a condition matches nothing before it asks for an order by its field.
    unequal = {leaf.path for leaf in leaves if leaf.op in INEQUALITIES and not _compares_with_nothing(leaf)}
    uses_name = any(leaf.path == NAME for leaf in leaves)
    if unequal - {NAME} and NAME not in unequal and uses_name:
        raise invalid(
            "Equality on key is not allowed if there are other inequality fields and key does not appear in "
            "inequalities."
        )
    return FilterFacts(
        inequalities=tuple(sorted(unequal)),
        uses_name=uses_name,
        uses_fields=any(leaf.path != NAME for leaf in leaves),
    )


def disjunctive_form(tree: Filter) -> list[list[Leaf]]:
    """Return the filter as alternatives, each a list of conditions that must all hold."""
    if isinstance(tree, Leaf):
        return [[tree]]
    parts = [disjunctive_form(part) for part in tree.parts]
    if isinstance(tree, AnyOf):
        return [conjunction for part in parts for conjunction in part]
    combined: list[list[Leaf]] = [[]]
    for part in parts:
        combined = [left + right for left in combined for right in part]
        if len(combined) > MOST_DISJUNCTIONS:
            raise invalid(f"the query has more than {MOST_DISJUNCTIONS} disjunctions")
    return combined


def _has_alternatives(tree: Filter) -> bool:
    """Tell whether there is any OR in a filter, even one with a single part."""
    return isinstance(tree, AnyOf) or (isinstance(tree, All) and any(map(_has_alternatives, tree.parts)))


def _compares_with_nothing(leaf: Leaf) -> bool:
    """Tell whether a condition compares with null only, or asks for what is more or less than NaN."""
    values = set(leaf.values)
    return values == {NULL_KEY} or (leaf.op in RANGES and values == {NAN_KEY})


def _leaves(tree: Filter) -> list[Leaf]:
    if isinstance(tree, Leaf):
        return [tree]
    return [leaf for part in tree.parts for leaf in _leaves(part)]


def _width(conjunction: list[Leaf]) -> int:
    return math.prod(len(leaf.values) for leaf in conjunction if leaf.op in {Op.IN, Op.CONTAINS_ANY})
