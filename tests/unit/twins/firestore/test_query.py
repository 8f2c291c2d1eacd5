import pytest
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.twins.firestore.strategies import PATIENT, SCALARS
from twins.firestore.errors import RefusedError
from twins.firestore.messages import DESCENDING, FIELD, Value, api
from twins.firestore.paths import document_name
from twins.firestore.query import plan_query, run_query
from twins.firestore.store import Store
from twins.firestore.values import order_key
from twins.firestore.wire import Reference, encode_value

ROOT = "projects/p/databases/(default)/documents"
Query = api.StructuredQuery.pb()


def query(collection="c", *, orders=(), is_group=False):
    """Return a query message; orders are field paths, with a leading minus for descending."""
    out = Query()
    selector = out.from_.add()
    selector.collection_id = collection
    selector.all_descendants = is_group
    for text in orders:
        order = out.order_by.add()
        order.field.field_path = text.removeprefix("-")
        order.direction = DESCENDING if text.startswith("-") else 1
    return out


def message(value):
    return Value.FromString(encode_value(value))


def ids(store, request, parent=ROOT):
    found = run_query(store, plan_query(parent, request), store.clock.read())
    return [name.removeprefix(ROOT + "/") for name, _ in found]


def refusal(request, parent=ROOT):
    with pytest.raises(RefusedError) as refused:
        plan_query(parent, request)
    return refused.value.code


@PATIENT
@given(
    st.lists(SCALARS, max_size=8),
    SCALARS,
    SCALARS,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 3),
    st.none() | st.integers(0, 5),
)
def test_an_ordered_window_is_a_slice_of_the_sorted_documents(  # noqa: PLR0917 - hypothesis passes them so
    values, low, high, is_descending, is_low_in, is_high_in, offset, limit
):
    """Order, cursors, offset and limit together give what sorting and slicing by hand gives."""
    store = Store()
    store.put_many((document_name("p", f"c/{number}"), {"v": value}) for number, value in enumerate(values))
    store.put(document_name("p", "c/without"), {"w": 1})
    request = query(orders=["-v" if is_descending else "v"])
    request.start_at.values.append(message(low))
    request.start_at.before = is_low_in
    request.end_at.values.append(message(high))
    request.end_at.before = not is_high_in
    request.offset = offset
    if limit is not None:
        request.limit.value = limit
    rows = [(order_key(message(value)), number) for number, value in enumerate(values)]
    rows.sort(reverse=is_descending)
    first, last = order_key(message(low)), order_key(message(high))
    if is_descending:
        first, last, is_low_in, is_high_in = last, first, is_high_in, is_low_in
    kept = [
        f"c/{number}"
        for key, number in rows
        if (key > first or (is_low_in and key == first)) and (key < last or (is_high_in and key == last))
    ]
    kept = kept[offset:]
    assert ids(store, request) == (kept if limit is None else kept[:limit])


@pytest.mark.parametrize(
    ("cursor", "is_before", "starts", "ends"),
    [
        ("c/b", True, ["c/b", "c/c"], ["c/a"]),
        ("c/b", False, ["c/c"], ["c/a", "c/b"]),
        ("c/bb", True, ["c/c"], ["c/a", "c/b"]),
        ("c/b/d/e", True, ["c/c"], ["c/a", "c/b"]),
        ("c/b/d/e", False, ["c/c"], ["c/a", "c/b"]),
        ("a/z", True, ["c/a", "c/b", "c/c"], []),
        ("d/a", True, [], ["c/a", "c/b", "c/c"]),
    ],
)
def test_a_cursor_of_names_may_lie_anywhere(cursor, is_before, starts, ends):
    """A walk by name starts and ends right, also at names outside the collection or below its documents."""
    store = Store()
    store.put_many((document_name("p", f"c/{each}"), {}) for each in "abc")
    for side, expected in (("start_at", starts), ("end_at", ends)):
        request = query(orders=["__name__"])
        bound = getattr(request, side)
        bound.values.append(message(Reference(document_name("p", cursor))))
        bound.before = is_before
        assert ids(store, request) == expected


def test_a_cursor_of_another_type_lies_before_or_after_all_names():
    store = Store()
    store.put(document_name("p", "c/a"), {})
    for value, is_before_all in ((1, True), ([1], False)):
        request = query(orders=["__name__"])
        request.start_at.values.append(message(value))
        assert ids(store, request) == (["c/a"] if is_before_all else [])
        request = query(orders=["__name__"])
        request.end_at.values.append(message(value))
        assert ids(store, request) == ([] if is_before_all else ["c/a"])


def test_where_a_query_looks():
    """A collection, a group at any depth, below one parent, or all collections."""
    store = Store()
    for path in ("c/1", "c/1/c/2", "d/1/c/3", "d/1"):
        store.put(document_name("p", path), {})
    assert ids(store, query()) == ["c/1"]
    assert ids(store, query(is_group=True)) == ["c/1", "c/1/c/2", "d/1/c/3"]
    assert ids(store, query(), f"{ROOT}/d/1") == ["d/1/c/3"]
    assert ids(store, query(is_group=True), f"{ROOT}/c/1") == ["c/1/c/2"]
    assert ids(store, Query()) == ["c/1", "d/1"]
    assert ids(store, query("", is_group=True)) == ["c/1", "c/1/c/2", "d/1", "d/1/c/3"]


def test_an_inequality_orders_the_result():
    """Fields with an inequality order the result even when nobody asks, in the last direction asked for."""
    store = Store()
    for document_id, (a, b) in {"x": (2, 1), "y": (1, 2), "z": (1, 1)}.items():
        store.put(document_name("p", f"c/{document_id}"), {"a": a, "b": b})
    request = query()
    request.where.field_filter.field.field_path = "a"
    request.where.field_filter.op = FIELD.GREATER_THAN
    request.where.field_filter.value.integer_value = 0
    assert ids(store, request) == ["c/y", "c/z", "c/x"]
    request.order_by.add(direction=DESCENDING).field.field_path = "b"
    assert ids(store, request) == ["c/y", "c/x", "c/z"]


def test_refused_queries_have_the_services_status():
    twice = query()
    twice.from_.add().collection_id = "d"
    assert refusal(twice) is StatusCode.INVALID_ARGUMENT
    assert refusal(query("a/b")) is StatusCode.INVALID_ARGUMENT
    assert refusal(query(), "nowhere") is StatusCode.INVALID_ARGUMENT
    assert refusal(query(orders=["a", "a"])) is StatusCode.INVALID_ARGUMENT
    assert refusal(query(orders=["__name__", "a"])) is StatusCode.INVALID_ARGUMENT
    assert refusal(query(orders=["-__name__"])) is StatusCode.FAILED_PRECONDITION
    for field, value in (("offset", -1), ("limit", -1)):
        request = query()
        if field == "limit":
            request.limit.value = value
        else:
            request.offset = value
        assert refusal(request) is StatusCode.INVALID_ARGUMENT
    long = query(orders=["a"])
    long.start_at.values.extend([message(1), message(Reference(document_name("p", "c/x")))])
    assert refusal(long) is StatusCode.INVALID_ARGUMENT
    vector = query()
    vector.find_nearest.SetInParent()
    assert refusal(vector) is StatusCode.UNIMPLEMENTED


def test_a_query_reads_one_instant_whatever_is_written_meanwhile():
    store = Store()
    store.put_many((document_name("p", f"c/{each}"), {"n": 1}) for each in "abc")
    running = run_query(store, plan_query(ROOT, query()), store.clock.read())
    seen = [next(running)]
    store.put(document_name("p", "c/b"), {"n": 2})
    store.delete(document_name("p", "c/c"))
    seen += list(running)
    assert [version.field(("n",)).integer_value for _, version in seen] == [1, 1, 1]
