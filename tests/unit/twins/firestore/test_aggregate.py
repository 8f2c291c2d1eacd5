import math

import pytest

from twins.firestore.aggregate import parse_aggregations, run_aggregation
from twins.firestore.errors import RefusedError
from twins.firestore.messages import api
from twins.firestore.paths import document_name
from twins.firestore.store import Store
from twins.firestore.values import decode_value

ROOT = "projects/p/databases/(default)/documents"
Query = api.StructuredAggregationQuery.pb()


def asking(*aggregations):
    """Return a query over collection ``c``; each aggregation is (alias, kind, field path or limit)."""
    query = Query()
    query.structured_query.from_.add().collection_id = "c"
    for alias, kind, detail in aggregations:
        each = query.aggregations.add(alias=alias)
        if kind == "count":
            each.count.SetInParent()
            if detail is not None:
                each.count.up_to.value = detail
        else:
            getattr(each, kind).field.field_path = detail
    return query


def answer(values, *aggregations):
    store = Store()
    store.put_many(
        (document_name("p", f"c/{number}"), {} if value is ... else {"v": value})
        for number, value in enumerate(values)
    )
    found, counted = run_aggregation(store, ROOT, asking(*aggregations), store.clock.read())
    return {alias: decode_value(value) for alias, value in found.items()}, counted


@pytest.mark.parametrize(
    ("values", "total", "average"),
    [
        ([1, 2, 4], 7, 7 / 3),
        ([1, 0.5], 1.5, 0.75),
        ([1.0, 2.0], 3.0, 1.5),
        ([], 0, None),
        (["text", None, True], 0, None),
        ([3, "text"], 3, 3.0),
        ([2**62, 2**62], float(2**63), float(2**62)),
        ([2**63 - 1], 2**63 - 1, float(2**63 - 1)),
        ([math.inf, 1], math.inf, math.inf),
        ([0.1] * 10, 1.0, 0.1),
    ],
)
def test_sums_and_averages(values, total, average):
    """Whole numbers sum to a whole number while it fits; what is no number adds nothing."""
    found, _ = answer(values, ("s", "sum", "v"), ("a", "avg", "v"))
    assert found == {"s": total, "a": average}
    assert type(found["s"]) is type(total)


def test_opposite_infinities_make_not_a_number():
    found, _ = answer([math.inf, -math.inf], ("s", "sum", "v"), ("a", "avg", "v"))
    assert all(math.isnan(value) for value in found.values())


def test_a_document_without_the_field_counts_for_nothing():
    """A sum walks an index that such a document is not in, so the count beside it leaves it out too."""
    assert answer([1, ..., 3], ("n", "count", None)) == ({"n": 3}, 3)
    assert answer([1, ..., 3], ("n", "count", None), ("s", "sum", "v")) == ({"n": 2, "s": 4}, 2)


def test_counts_up_to_a_limit_and_aliases():
    found, counted = answer([1, 2, 3], ("", "count", 2), ("x", "count", None), ("", "sum", "v"))
    assert found == {"field_1": 2, "x": 3, "field_2": 6}
    assert counted == 3


@pytest.mark.parametrize(
    "query",
    [
        asking(),
        asking(*[(f"a{number}", "count", None) for number in range(6)]),
        asking(("a", "count", None), ("a", "sum", "v")),
        asking(("a", "sum", "__name__")),
        Query(aggregations=[api.StructuredAggregationQuery.Aggregation.pb()()]),
    ],
)
def test_nonsense_is_refused(query):
    with pytest.raises(RefusedError):
        parse_aggregations(query)


def test_a_projection_does_not_go_with_a_sum():
    query = asking(("a", "sum", "v"))
    query.structured_query.select.SetInParent()
    with pytest.raises(RefusedError):
        parse_aggregations(query)
