"""Queries, projections, cursors and aggregations: what the real client reads from either server."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1 import GeoPoint
from google.cloud.firestore_v1.base_query import And, FieldFilter, Or
from google.cloud.firestore_v1.vector import Vector

from tests.contract.firestore.conftest import TWIN, unique_id

INSTANT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
DAY = timedelta(days=1)
DOCUMENTS = {
    "a": {"n": 1, "s": "x", "b": True, "t": INSTANT, "arr": [1, 2], "m": {"k": 1}, "g": 1.5},
    "b": {"n": 2, "s": "y", "b": False, "t": INSTANT + DAY, "arr": [2, 3], "m": {"k": 2}, "g": None},
    "c": {"n": 3.5, "s": "z", "b": True, "t": INSTANT + 2 * DAY, "arr": ["q"], "m": {"k": 3}, "g": math.nan},
    "d": {"n": 3, "s": "x", "b": True, "arr": [], "m": {}},
    "e": {"s": "é", "n": "text", "by": b"\x00\x01"},
}
Build = Callable[[firestore.CollectionReference], firestore.Query]


@pytest.fixture(scope="module")
def five(db):
    """Return a collection with the five documents above; tests only read it."""
    collection = db.collection(unique_id())
    batch = db.batch()
    for document_id, fields in DOCUMENTS.items():
        batch.set(collection.document(document_id), fields)
    assert len(batch.commit()) == len(DOCUMENTS)
    return collection


def where(*filters):
    """Return a query builder that joins (field, operator, value) by AND."""

    def build(collection):
        query = collection
        for each in filters:
            query = query.where(filter=FieldFilter(*each))
        return query

    return build


CASES: dict[str, tuple[Build, list[str]]] = {
    "everything in id order": (lambda c: c, ["a", "b", "c", "d", "e"]),
    "equal": (where(("s", "==", "x")), ["a", "d"]),
    "a whole number equals the same float": (where(("n", "==", 3.0)), ["d"]),
    "greater, within numbers only": (where(("n", ">", 1)), ["b", "d", "c"]),
    "at most": (where(("n", "<=", 3)), ["a", "b", "d"]),
    "not equal leaves out missing fields": (where(("g", "!=", 1.5)), ["c"]),
    "not equal": (where(("s", "!=", "x")), ["b", "c", "e"]),
    "in": (where(("s", "in", ["x", "z"])), ["a", "c", "d"]),
    "in never finds null or NaN": (where(("g", "in", [None, math.nan, 1.5])), ["a"]),
    "not in": (where(("s", "not-in", ["x", "z"])), ["b", "e"]),
    "not in with null finds nothing": (where(("s", "not-in", [None])), []),
    "array contains": (where(("arr", "array_contains", 2)), ["a", "b"]),
    "array contains any": (where(("arr", "array_contains_any", [3, "q"])), ["b", "c"]),
    "is null": (where(("g", "==", None)), ["b"]),
    "is NaN": (where(("g", "==", math.nan)), ["c"]),
    "is not null": (where(("g", "!=", None)), ["c", "a"]),
    "nested field": (where(("m.k", ">=", 2)), ["b", "c"]),
    "whole map": (where(("m", "==", {"k": 2})), ["b"]),
    "instants": (where(("t", ">", INSTANT)), ["b", "c"]),
    "bytes": (where(("by", "==", b"\x00\x01")), ["e"]),
    "two conditions": (where(("s", "==", "x"), ("n", ">", 1)), ["d"]),
    "two ranges on two fields": (where(("n", ">", 1), ("s", ">", "a")), ["b", "d", "c"]),
    "or": (
        lambda c: c.where(filter=Or([FieldFilter("s", "==", "y"), FieldFilter("n", "==", 1)])),
        ["a", "b"],
    ),
    "and inside or": (
        lambda c: c.where(
            filter=Or(
                [
                    And([FieldFilter("s", "==", "x"), FieldFilter("n", "==", 3)]),
                    FieldFilter("s", "==", "z"),
                ]
            )
        ),
        ["c", "d"],
    ),
    "order across types": (lambda c: c.order_by("n"), ["a", "b", "d", "c", "e"]),
    "descending": (lambda c: c.order_by("n", direction="DESCENDING"), ["e", "c", "d", "b", "a"]),
    "ordering leaves out missing fields": (lambda c: c.order_by("t"), ["a", "b", "c"]),
    "null, NaN, number": (lambda c: c.order_by("g"), ["b", "c", "a"]),
    "two orders": (
        lambda c: c.order_by("s").order_by("n", direction="DESCENDING"),
        ["d", "a", "b", "c", "e"],
    ),
    "order by another field than the range": (
        lambda c: where(("n", ">", 1))(c).order_by("s"),
        ["d", "b", "c"],
    ),
    "limit": (lambda c: c.order_by("n").limit(2), ["a", "b"]),
    "offset": (lambda c: c.order_by("n").offset(2).limit(2), ["d", "c"]),
    "start at": (lambda c: c.order_by("n").start_at({"n": 3}), ["d", "c", "e"]),
    "start after": (lambda c: c.order_by("n").start_after({"n": 3}), ["c", "e"]),
    "end before": (lambda c: c.order_by("n").end_before({"n": 3}), ["a", "b"]),
    "end at": (lambda c: c.order_by("n").end_at({"n": 3}), ["a", "b", "d"]),
    "both cursors, descending": (
        lambda c: c.order_by("n", direction="DESCENDING").start_at({"n": 3.5}).end_before({"n": 1}),
        ["c", "d", "b"],
    ),
    "cursor on the name": (
        lambda c: c.order_by("__name__").start_after({"__name__": c.document("b")}).limit(2),
        ["c", "d"],
    ),
    "range of names": (lambda c: where(("__name__", ">=", c.document("d")))(c), ["d", "e"]),
    "names in a list": (
        lambda c: where(("__name__", "in", [c.document("d"), c.document("b")]))(c),
        ["b", "d"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_query_answers_these_documents_in_this_order(five, case):
    """Each query finds exactly the documents Firestore's documentation says, in its order."""
    build, expected = CASES[case]
    assert [snapshot.id for snapshot in build(five).stream()] == expected


def test_the_last_few_come_in_ascending_order(five):
    """``limit_to_last`` gives the end of the order, not turned round."""
    assert [snapshot.id for snapshot in five.order_by("n").limit_to_last(2).get()] == ["c", "e"]


def test_a_document_serves_as_a_cursor(five):
    """A cursor made of a document stands after exactly that document among its equals."""
    after = five.order_by("s").start_after(five.document("a").get())
    assert [snapshot.id for snapshot in after.stream()] == ["d", "b", "c", "e"]


def test_an_unknown_collection_is_empty(db):
    """A collection nobody wrote to has no documents, and that is no error."""
    assert list(db.collection("never-written").stream()) == []


def test_a_projection_sends_only_its_fields(five):
    """``select`` keeps whole fields and parts of maps, and nothing else."""
    rows = [
        snapshot.to_dict() for snapshot in five.order_by("__name__").select(["s", "m.k"]).limit(2).stream()
    ]
    assert rows == [{"s": "x", "m": {"k": 1}}, {"s": "y", "m": {"k": 2}}]
    assert [snapshot.to_dict() for snapshot in five.select([]).limit(2).stream()] == [{}, {}]


def test_every_snapshot_carries_its_times(five):
    """Read, create and update time come with each document."""
    for snapshot in five.stream():
        assert snapshot.create_time == snapshot.update_time <= snapshot.read_time


def test_every_type_survives_the_round_trip(collection):
    """What is written is what is read, for every type Firestore has."""
    reference = collection.document("other")
    values = {
        "null": None,
        "yes": True,
        "whole": -(2**63),
        "fraction": 0.1,
        "infinite": math.inf,
        "text": "naïve 🏺",
        "instant": INSTANT,
        "before 1970": datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        "bytes": b"\x00\xff",
        "place": GeoPoint(33.45, -112.07),
        "vector": Vector([1.0, 2.5]),
        "list": [1, "two", {"three": 3}],
        "map": {"a.b": {"c`d": []}},
        "reference": reference,
    }
    collection.document("d").set(values)
    assert collection.document("d").get().to_dict() == values


def number(aggregate):
    """Return the value of the one aggregation in an answer."""
    return aggregate.get()[0][0].value


def test_counts_sums_and_averages(five):
    """Aggregations cover exactly the documents of their query."""
    assert number(five.count(alias="n")) == 5
    assert number(five.where(filter=FieldFilter("s", "==", "x")).count(alias="n")) == 2
    assert number(five.sum("n", alias="n")) == 9.5
    assert number(five.avg("n", alias="n")) == 9.5 / 4
    both = {each.alias: each.value for each in five.count(alias="c").sum("n", alias="s").get()[0]}
    assert both == {"c": 5, "s": 9.5}


def test_a_sum_of_whole_numbers_is_whole(five):
    """Money in cents stays an integer."""
    value = number(five.where(filter=FieldFilter("s", "==", "x")).sum("n", alias="n"))
    assert value == 4
    assert isinstance(value, int)


def test_an_average_of_nothing_is_null(db, five):
    """The server answers null; the client library turns that into 0.0, so the raw answer is asked for."""
    query = five.where(filter=FieldFilter("s", "==", "none")).avg("n", alias="n")
    answers = db._firestore_api.run_aggregation_query(
        request={
            "parent": five._parent_info()[0],
            "structured_aggregation_query": query._to_protobuf(),
        }
    )
    value = next(iter(answers))._pb.result.aggregate_fields["n"]
    assert value.WhichOneof("value_type") == "null_value"


def test_a_collection_group_spans_parents(db, collection):
    """A collection group finds documents at any depth; the collection itself only its own."""
    group = unique_id()
    collection.document("a").collection(group).document("s1").set({"v": 1})
    collection.document("b").collection(group).document("s2").set({"v": 2})
    db.collection(group).document("s3").set({"v": 0})
    assert [each.id for each in collection.document("a").collection(group).stream()] == ["s1"]
    # Names order by path: the root collection's id sorts after its parents' here.
    found = [each.id for each in db.collection_group(group).stream()]
    assert found == (["s1", "s2", "s3"] if collection.id < group else ["s3", "s1", "s2"])
    large = db.collection_group(group).where(filter=FieldFilter("v", ">=", 1))
    assert sorted(each.id for each in large.stream()) == ["s1", "s2"]
    assert number(db.collection_group(group).count(alias="n")) == 3


def test_explaining_a_query_tells_what_it_cost(server, five):
    """Explain runs the query and reports how many documents it answered."""
    if server != TWIN:
        pytest.skip("the official emulator does not explain queries")
    query = five.where(filter=FieldFilter("s", "==", "x"))
    answer = query.get(explain_options=firestore.ExplainOptions(analyze=True))
    assert answer.get_explain_metrics().execution_stats.results_returned == 2


@pytest.mark.parametrize(
    "build",
    [
        where(("s", "in", [str(n) for n in range(31)])),
        where(("s", "not-in", [str(n) for n in range(11)])),
        where(("s", "not-in", ["a"]), ("n", "!=", 1)),
        where(("arr", "array_contains", 1), ("arr", "array_contains", 2)),
        lambda c: c.order_by("n").order_by("n"),
        lambda c: c.limit(-1),
    ],
)
def test_a_query_the_service_refuses_is_refused(five, build):
    """A shape beyond the service's limits is an InvalidArgument, not an answer."""
    with pytest.raises(exceptions.InvalidArgument):
        list(build(five).stream())
