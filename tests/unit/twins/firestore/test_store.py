import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.twins.firestore.strategies import IDS, PATIENT
from twins.firestore.errors import RefusedError
from twins.firestore.paths import document_name, order_id
from twins.firestore.store import Store

ROOT = "projects/p/databases/(default)/documents"
SOME_IDS = st.one_of(st.sampled_from(["a", "b", "c", "__id3__", "__id20__"]), IDS)


def name(path):
    return document_name("p", path)


@PATIENT
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "delete", "look"]),
            st.sampled_from(["c", "d"]),
            SOME_IDS,
            st.integers(0, 3),
        )
    )
)
def test_every_past_instant_stays_readable(steps):
    """The store equals a naive one that keeps a whole copy of everything at every commit."""
    store = Store()
    now, copies = {}, []
    for action, collection, document_id, number in steps:
        path = f"{collection}/{document_id}"
        if action == "put":
            now[path] = {"n": number}
            copies.append((store.put(name(path), now[path]), dict(now)))
        elif action == "delete":
            now.pop(path, None)
            copies.append((store.delete(name(path)), dict(now)))
        else:
            copies.append((store.clock.read(), dict(now)))
    for at, expected in copies:
        for collection in ("c", "d"):
            ids = sorted(
                (path.partition("/")[2] for path in expected if path.startswith(collection)), key=order_id
            )
            assert [each for each, _ in store.scan(f"{ROOT}/{collection}", at)] == ids
        for path in {path for _, copy in copies for path in copy}:
            assert store.get(name(path), at=at) == expected.get(path)
    assert all(store.get(name(path)) == fields for path, fields in now.items())


@PATIENT
@given(st.sets(SOME_IDS, max_size=12), SOME_IDS, SOME_IDS, st.booleans(), st.booleans())
def test_a_scan_keeps_its_bounds(ids, low, high, takes_low, takes_high):
    """A bounded scan gives exactly the ids between the bounds."""
    store = Store()
    at = store.put_many((name(f"c/{each}"), {}) for each in ids)
    lower, upper = (order_id(low), takes_low), (order_id(high), takes_high)
    expected = [
        each
        for each in sorted(ids, key=order_id)
        if (order_id(each) > lower[0] or (takes_low and order_id(each) == lower[0]))
        and (order_id(each) < upper[0] or (takes_high and order_id(each) == upper[0]))
    ]
    assert [each for each, _ in store.scan(f"{ROOT}/c", at, lower=lower, upper=upper)] == expected


def test_a_list_of_ids_never_changes_under_a_reader():
    """A scan that has begun keeps its order while new documents arrive."""
    store = Store()
    at = store.put_many((name(f"c/{number}"), {}) for number in range(5))
    scan = store.scan(f"{ROOT}/c", at)
    first = next(scan)
    store.put(name("c/0000"), {})
    store.put(name("c/9999"), {})
    assert [first[0]] + [each for each, _ in scan] == list("01234")


def test_readers_never_see_half_a_commit():
    """A read time chosen while another thread commits shows a commit whole or not at all."""
    store = Store()
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            store.put_many((name(f"c/{each}"), {"n": number}) for each in "abcdefgh")

    writer = threading.Thread(target=write)
    store.put_many((name(f"c/{each}"), {"n": 0}) for each in "abcdefgh")
    writer.start()
    try:
        for _ in range(40):
            with store.lock:
                at = store.clock.read()
            seen = {version.field(("n",)).integer_value for _, version in store.scan(f"{ROOT}/c", at)}
            assert len(seen) == 1
    finally:
        stop.set()
        writer.join()


def test_collections_are_found_below_a_parent():
    store = Store()
    store.put_many([(name("a/1/b/2"), {}), (name("a/1/b/2/c/3"), {}), (name("b/1"), {})])
    assert store.collections_under(ROOT) == [f"{ROOT}/a/1/b", f"{ROOT}/a/1/b/2/c", f"{ROOT}/b"]
    assert store.collections_under(ROOT, "b") == [f"{ROOT}/a/1/b", f"{ROOT}/b"]
    assert store.collections_under(f"{ROOT}/a/1", "b") == [f"{ROOT}/a/1/b"]
    assert store.collections_under(f"{ROOT}/a/1", "none") == []
    assert store.size() == 3


def test_projects_and_databases_are_apart():
    store = Store()
    store.put(document_name("p", "c/x"), {"n": 1})
    store.put(document_name("p", "c/x", "other"), {"n": 2})
    assert store.get(document_name("p", "c/x")) == {"n": 1}
    assert store.get(document_name("p", "c/x", "other")) == {"n": 2}
    assert store.get(document_name("q", "c/x")) is None


def test_a_wrong_name_is_refused_and_nothing_is_written():
    store = Store()
    with pytest.raises(RefusedError):
        store.put("c/x", {})
    assert store.size() == 0
