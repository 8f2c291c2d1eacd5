import math

import pytest

from twins.firestore.errors import RefusedError
from twins.firestore.filters import (
    All,
    AnyOf,
    Leaf,
    Op,
    check_filter,
    disjunctive_form,
    key_test,
    matcher,
    parse_filter,
)
from twins.firestore.messages import COMPOSITE, FIELD, UNARY, Value, api
from twins.firestore.paths import NAME, document_name
from twins.firestore.records import Shapes, pack_values
from twins.firestore.values import order_key
from twins.firestore.wire import Reference, encode_value

Filter = api.StructuredQuery.Filter.pb()
VALUES = [
    None,
    False,
    True,
    math.nan,
    -1,
    1,
    2.5,
    "a",
    "b",
    b"a",
    [],
    [1],
    [None],
    [math.nan, 2],
    {},
    {"a": 1},
]


def key(value):
    return order_key(Value.FromString(encode_value(value)))


def leaf(op, *values, path=("f",)):
    return Leaf(path, op, tuple(map(key, values)))


def matching(op, *values):
    """Return which of VALUES match a condition."""
    test = key_test(op, tuple(map(key, values)))
    return [value for value in VALUES if test(key(value))]


def test_equality_is_of_value_and_never_of_null_or_nan():
    assert matching(Op.EQUAL, 1.0) == [1]
    assert matching(Op.EQUAL, [1.0]) == [[1]]
    assert matching(Op.EQUAL, None) == []
    assert matching(Op.EQUAL, math.nan) == []
    assert matching(Op.IS_NULL) == [None]
    assert [str(value) for value in matching(Op.IS_NAN)] == ["nan"]


def test_inequality_leaves_out_null():
    assert matching(Op.NOT_EQUAL, 1) == [each for each in VALUES if each not in (None, 1) or each is True]
    assert matching(Op.NOT_EQUAL, None) == []
    assert len(matching(Op.NOT_EQUAL, math.nan)) == len(VALUES) - 1
    assert len(matching(Op.IS_NOT_NULL)) == len(VALUES) - 1
    assert len(matching(Op.IS_NOT_NAN)) == len(VALUES) - 2


def test_a_range_stays_within_its_type():
    assert matching(Op.LESS, 2.5) == [-1, 1]
    assert matching(Op.LESS_OR_EQUAL, 2.5) == [-1, 1, 2.5]
    assert matching(Op.GREATER, 1) == [2.5]
    assert matching(Op.GREATER_OR_EQUAL, "a") == ["a", "b"]
    assert matching(Op.LESS, True) == [False]
    for op in (Op.LESS, Op.LESS_OR_EQUAL, Op.GREATER, Op.GREATER_OR_EQUAL):
        assert matching(op, math.nan) == []
        assert matching(op, None) == []


def test_lists():
    assert matching(Op.IN, 1, "a", None, math.nan) == [1, "a"]
    assert matching(Op.NOT_IN, None, 1) == []
    assert len(matching(Op.NOT_IN, 1)) == len(VALUES) - 2
    assert not [each for each in matching(Op.NOT_IN, 1) if type(each) is int and each == 1]
    assert None not in matching(Op.NOT_IN, 1)
    assert any(isinstance(each, float) and math.isnan(each) for each in matching(Op.NOT_IN, math.nan))


def test_arrays():
    assert matching(Op.CONTAINS, 1.0) == [[1]]
    assert matching(Op.CONTAINS, None) == []
    assert matching(Op.CONTAINS, math.nan) == []
    assert matching(Op.CONTAINS_ANY, 1, 2, None) == [[1], VALUES[13]]


def test_a_missing_field_matches_nothing():
    version = pack_values(Shapes(), {"f": {"a": 1}}, committed=1, created=1)
    name = document_name("p", "c/x")
    assert matcher(leaf(Op.EQUAL, 1, path=("f", "a")))(name, version)
    for op in (Op.NOT_EQUAL, Op.IS_NOT_NULL, Op.IS_NULL):
        values = (9,) if op is Op.NOT_EQUAL else ()
        assert not matcher(leaf(op, *values, path=("f", "b")))(name, version)


def test_names_compare_as_references():
    version = pack_values(Shapes(), {}, committed=1, created=1)
    condition = leaf(Op.GREATER, Reference(document_name("p", "c/b")), path=NAME)
    assert matcher(condition)(document_name("p", "c/c"), version)
    assert not matcher(condition)(document_name("p", "c/b"), version)


def test_and_and_or():
    version = pack_values(Shapes(), {"f": 1}, committed=1, created=1)
    yes, no = leaf(Op.EQUAL, 1), leaf(Op.EQUAL, 2)
    for tree, expected in [
        (All((yes, yes)), True),
        (All((yes, no)), False),
        (AnyOf((no, yes)), True),
        (AnyOf((no, no)), False),
        (AnyOf((no, All((yes, AnyOf((no, yes)))))), True),
    ]:
        assert matcher(tree)("", version) is expected


def test_the_disjunctive_form_has_every_combination():
    a, b, c, d = (leaf(Op.EQUAL, each) for each in "abcd")
    assert disjunctive_form(All((AnyOf((a, b)), AnyOf((c, d))))) == [[a, c], [a, d], [b, c], [b, d]]


@pytest.mark.parametrize(
    "tree",
    [
        All((leaf(Op.NOT_EQUAL, 1), leaf(Op.NOT_EQUAL, 2, path=("g",)))),
        All((leaf(Op.CONTAINS, 1), leaf(Op.CONTAINS_ANY, 2))),
        All((leaf(Op.NOT_IN, 1), leaf(Op.IN, 1, path=("g",)))),
        AnyOf((leaf(Op.NOT_IN, 1),)),
        All((leaf(Op.IN, *range(6)), leaf(Op.IN, *range(6), path=("g",)))),
        All(tuple(AnyOf((leaf(Op.EQUAL, 1), leaf(Op.EQUAL, 2))) for _ in range(5))),
        All((leaf(Op.LESS, 1), leaf(Op.EQUAL, Reference(document_name("p", "c/x")), path=NAME))),
    ],
)
def test_a_shape_the_service_refuses_is_refused(tree):
    with pytest.raises(RefusedError):
        check_filter(tree)


def test_the_planner_is_told_what_orders_the_result():
    """Inequalities order the result, in field order; one that compares with nothing does not."""
    tree = All((leaf(Op.GREATER, 1, path=("z",)), leaf(Op.LESS, 1, path=("a", "b")), leaf(Op.EQUAL, 1)))
    facts = check_filter(tree)
    assert facts.inequalities == (("a", "b"), ("z",))
    assert facts.uses_fields
    assert not facts.uses_name
    for nothing in (
        leaf(Op.LESS, None),
        leaf(Op.NOT_EQUAL, None),
        leaf(Op.NOT_IN, None),
        leaf(Op.LESS, math.nan),
    ):
        assert check_filter(nothing).inequalities == ()
    assert check_filter(leaf(Op.NOT_IN, None, 1)).inequalities == (("f",),)


def field_filter(op, value, path="f"):
    out = Filter()
    out.field_filter.field.field_path = path
    out.field_filter.op = op
    out.field_filter.value.CopyFrom(Value.FromString(encode_value(value)))
    return out


def test_messages_are_parsed():
    both = Filter()
    both.composite_filter.op = COMPOSITE.OR
    both.composite_filter.filters.append(field_filter(FIELD.IN, [1, 2]))
    unary = both.composite_filter.filters.add()
    unary.unary_filter.op = UNARY.IS_NULL
    unary.unary_filter.field.field_path = "a.`b c`"
    assert parse_filter(both) == AnyOf((leaf(Op.IN, 1, 2), Leaf(("a", "b c"), Op.IS_NULL)))


def _without_operator():
    out = Filter()
    out.unary_filter.field.field_path = "f"
    return out


@pytest.mark.parametrize(
    "message",
    [
        Filter(),
        _without_operator(),
        field_filter(0, 1),
        field_filter(FIELD.EQUAL, 1, path="a..b"),
        field_filter(FIELD.IN, []),
        field_filter(FIELD.IN, 1),
        field_filter(FIELD.IN, list(range(31))),
        field_filter(FIELD.NOT_IN, list(range(11))),
        Filter(composite_filter=api.StructuredQuery.CompositeFilter.pb()()),
    ],
)
def test_a_malformed_message_is_refused(message):
    with pytest.raises(RefusedError):
        parse_filter(message)
