"""Single documents, listings, collection ids, partitions, and reads of the past."""

from datetime import UTC, datetime, timedelta

import pytest
from google.api_core import exceptions

from tests.contract.firestore.conftest import PROJECT, TWIN, unique_id

ROOT = f"projects/{PROJECT}/databases/(default)/documents"


def write_numbers(db, collection, count):
    """Write documents 0000, 0001, ... with their number."""
    for first in range(0, count, 500):
        batch = db.batch()
        for number in range(first, min(first + 500, count)):
            batch.set(collection.document(f"{number:04d}"), {"i": number})
        batch.commit()


def test_documents_come_one_by_one_or_many_at_once(db, collection):
    """A missing document is told apart from a found one, in single and in batch lookups."""
    collection.document("a").set({"s": "x", "m": {"k": 1, "l": 2}, "n": 1})
    assert collection.document("a").get().to_dict() == {"s": "x", "m": {"k": 1, "l": 2}, "n": 1}
    assert not collection.document("none").get().exists
    wanted = [collection.document("a"), collection.document("none"), collection.document("a")]
    found = {each.id: each for each in db.get_all(wanted, field_paths=["s", "m.k"])}
    assert found["a"].to_dict() == {"s": "x", "m": {"k": 1}}
    assert not found["none"].exists


def test_the_plain_calls_work_too(db, collection):
    """The calls the client library does not use itself: get, create, update and delete one document."""
    api, parent = db._firestore_api, ROOT
    made = api.create_document(
        request={
            "parent": parent,
            "collection_id": collection.id,
            "document_id": "made",
            "document": {"fields": {"v": {"integer_value": 5}, "w": {"integer_value": 6}}},
        }
    )
    assert made.name == f"{ROOT}/{collection.id}/made"
    api.update_document(
        request={
            "document": {"name": made.name, "fields": {"v": {"integer_value": 7}}},
            "update_mask": {"field_paths": ["v"]},
        }
    )
    read = api.get_document(request={"name": made.name, "mask": {"field_paths": ["v"]}})
    assert {name: value.integer_value for name, value in read.fields.items()} == {"v": 7}
    api.delete_document(request={"name": made.name})
    with pytest.raises(exceptions.NotFound):
        api.get_document(request={"name": made.name})


def test_collections_are_listed_where_they_hold_documents(collection):
    """A parent lists the collections right below it, also when it does not exist itself."""
    collection.document("ghost").collection("k").document("x").set({"v": 1})
    collection.document("ghost").collection("a").document("y").collection("deep").document("z").set({"v": 1})
    assert [each.id for each in collection.document("ghost").collections()] == ["a", "k"]
    collection.document("ghost").collection("k").document("x").delete()
    assert [each.id for each in collection.document("ghost").collections()] == ["a"]


def test_the_root_lists_its_collections(db, collection):
    """The database itself lists its top-level collections."""
    collection.document("a").set({})
    assert collection.id in [each.id for each in db.collections()]


def test_documents_are_listed_page_by_page(collection, db):
    """A listing walks all pages in id order and shows parents that do not exist themselves."""
    write_numbers(db, collection, 45)
    collection.document("ghost").collection("k").document("x").set({"v": 1})
    expected = [f"{number:04d}" for number in range(45)] + ["ghost"]
    assert [each.id for each in collection.list_documents()] == expected
    assert [each.id for each in collection.list_documents(page_size=7)] == expected


def test_numbered_ids_sort_as_numbers_before_the_others(collection):
    """Ids of the form ``__id7__`` are numbers; the others sort by their bytes."""
    ids = ["b", "__id12__", "a", "__id7__", "B", "é", "__id-3__", "\U0001f600", "\uffff"]
    for each in ids:
        collection.document(each).set({"v": 1})
    expected = ["__id-3__", "__id7__", "__id12__", "B", "a", "b", "é", "\uffff", "\U0001f600"]
    assert [each.id for each in collection.stream()] == expected
    after = collection.order_by("__name__").start_after({"__name__": collection.document("__id7__")})
    assert [each.id for each in after.stream()] == expected[2:]


def test_partitions_cover_a_collection_group_exactly(server, db):
    """The parts of a partitioned collection group hold every document once."""
    if server != TWIN:
        pytest.skip("the official emulator has no PartitionQuery")
    group = unique_id()
    write_numbers(db, db.collection(group), 400)
    parts = list(db.collection_group(group).get_partitions(4))
    seen = [each.id for part in parts for each in part.query().stream()]
    assert len(parts) > 1
    assert seen == [f"{number:04d}" for number in range(400)]


def test_the_past_can_be_read(db, collection):
    """A read time shows documents, queries and counts as they were, deletions included."""
    kept, gone = collection.document("kept"), collection.document("gone")
    batch = db.batch()
    batch.set(kept, {"n": 1})
    batch.set(gone, {"n": 2})
    batch.commit()
    then = batch.commit_time
    kept.update({"n": 100})
    gone.delete()
    collection.document("new").set({"n": 3})
    assert kept.get(read_time=then).to_dict() == {"n": 1}
    assert gone.get(read_time=then).exists
    assert not collection.document("new").get(read_time=then).exists
    assert {each.id: each.get("n") for each in collection.stream(read_time=then)} == {"gone": 2, "kept": 1}
    assert collection.count(alias="n").get(read_time=then)[0][0].value == 2
    assert collection.sum("n", alias="n").get(read_time=then)[0][0].value == 3
    assert {each.id: each.get("n") for each in collection.stream()} == {"kept": 100, "new": 3}


def test_the_instant_before_a_commit_does_not_show_it(collection):
    """A commit is visible from its own microsecond on, and not one earlier."""
    document = collection.document("d")
    document.set({"n": 1})
    written = document.update({"n": 2}).update_time
    at = datetime.fromtimestamp(0, UTC) + (written - datetime.fromtimestamp(0, UTC))
    assert document.get(read_time=at).get("n") == 2
    assert document.get(read_time=at - timedelta(microseconds=1)).get("n") == 1


def test_the_future_cannot_be_read(collection):
    """A read time that has not come yet is refused."""
    with pytest.raises(exceptions.InvalidArgument):
        list(collection.stream(read_time=datetime.now(UTC) + timedelta(minutes=5)))


NAMES = {
    "a/__id7__": True,
    "a/__id07__": False,
    "a/__x__": False,
    "a/____": True,
    "a/.": False,
    "a/..": False,
    "a/b/c": False,
    "a": False,
    "a//b": False,
    "__c__/x": False,
    "a/" + "x" * 1500: True,
    "a/" + "x" * 1501: False,
    "a/x y\n": True,
}


@pytest.mark.parametrize("path", NAMES)
def test_a_document_name_is_taken_or_refused_as_the_service_does(db, path):
    """Names follow the service's rules for ids."""
    write = {"update": {"name": f"{ROOT}/{path}", "fields": {}}}
    request = {"database": ROOT.removesuffix("/documents"), "writes": [write]}
    if NAMES[path]:
        db._firestore_api.commit(request=request)
    else:
        with pytest.raises(exceptions.InvalidArgument):
            db._firestore_api.commit(request=request)


FIELD_PATHS = {
    "a": True,
    "_x": True,
    "`a-b`": True,
    "`a\\`b`.c": True,
    "a-b": False,
    "1a": False,
    "a..b": False,
    "": False,
    "`a": False,
    "é": False,
    "a.": False,
    "``": False,
}


@pytest.mark.parametrize("path", FIELD_PATHS)
def test_a_field_path_is_read_or_refused_as_the_service_does(db, path):
    """Field paths follow the service's grammar, in masks and in projections."""
    query = {"from_": [{"collection_id": "paths"}], "select": {"fields": [{"field_path": path}]}}
    request = {"parent": ROOT, "structured_query": query}
    if FIELD_PATHS[path]:
        list(db._firestore_api.run_query(request=request))
    else:
        with pytest.raises(exceptions.InvalidArgument):
            list(db._firestore_api.run_query(request=request))
