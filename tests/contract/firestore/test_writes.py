"""Commits: sets, merges, preconditions, transforms, batches, transactions and bulk writes."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from google.api_core import exceptions
from google.cloud import firestore


def fields(document):
    """Return what a document holds now."""
    return document.get().to_dict()


def test_creating_twice_is_a_conflict(collection):
    """``create`` never overwrites."""
    collection.document("a").create({"n": 1})
    with pytest.raises(exceptions.AlreadyExists):
        collection.document("a").create({"n": 2})
    assert fields(collection.document("a")) == {"n": 1}


def test_updating_needs_a_document(collection):
    """``update`` never creates."""
    with pytest.raises(exceptions.NotFound):
        collection.document("none").update({"n": 1})
    assert not collection.document("none").get().exists


def test_update_merge_and_set_keep_what_they_should(collection):
    """``update`` and ``merge`` touch the named fields, ``set`` replaces everything."""
    document = collection.document("d")
    document.set({"m": {"k": 1, "l": 2}, "n": 3})
    document.update({"m.k": 9})
    assert fields(document) == {"m": {"k": 9, "l": 2}, "n": 3}
    document.set({"z": 1, "m": {"l": 5}}, merge=True)
    assert fields(document) == {"m": {"k": 9, "l": 5}, "n": 3, "z": 1}
    document.set({"n": 1, "z": 7}, merge=["n"])
    assert fields(document) == {"m": {"k": 9, "l": 5}, "n": 1, "z": 1}
    document.update({"z": firestore.DELETE_FIELD, "m": {"only": True}})
    assert fields(document) == {"m": {"only": True}, "n": 1}
    document.set({"n": 0})
    assert fields(document) == {"n": 0}


def test_the_create_time_outlives_updates(collection):
    """An update moves the update time only; a new life begins with a new create time."""
    document = collection.document("d")
    document.set({"n": 1})
    first = document.get()
    document.set({"n": 2})
    second = document.get()
    assert second.create_time == first.create_time == first.update_time < second.update_time
    document.delete()
    document.set({"n": 3})
    assert document.get().create_time > second.update_time


def test_a_stale_update_time_is_refused(db, collection):
    """A write bound to a version happens only on that version."""
    document = collection.document("d")
    document.set({"n": 1})
    seen = document.get().update_time
    document.update({"n": 2}, option=db.write_option(last_update_time=seen))
    with pytest.raises(exceptions.FailedPrecondition):
        document.update({"n": 3}, option=db.write_option(last_update_time=seen))
    with pytest.raises(exceptions.FailedPrecondition):
        collection.document("none").delete(option=db.write_option(last_update_time=seen))
    future = datetime.now(UTC) + timedelta(days=1)
    with pytest.raises(exceptions.InvalidArgument):
        document.update({"n": 4}, option=db.write_option(last_update_time=future))
    assert fields(document) == {"n": 2}


def test_a_batch_is_written_whole_or_not_at_all(db, collection):
    """One refused write refuses the batch; later writes of a batch see earlier ones."""
    collection.document("a").set({"n": 1})
    batch = db.batch()
    batch.set(collection.document("b"), {"n": 1})
    batch.create(collection.document("a"), {"n": 2})
    with pytest.raises(exceptions.AlreadyExists):
        batch.commit()
    assert not collection.document("b").get().exists
    batch = db.batch()
    batch.set(collection.document("b"), {"n": 1})
    batch.update(collection.document("b"), {"n": firestore.Increment(1)})
    assert len(batch.commit()) == 2
    assert fields(collection.document("b")) == {"n": 2}


@pytest.mark.parametrize(
    ("before", "transform", "after"),
    [
        (1, firestore.Increment(2), 3),
        (1, firestore.Increment(0.5), 1.5),
        (None, firestore.Increment(2), 2),
        ("text", firestore.Increment(2), 2),
        (2**63 - 2, firestore.Increment(5), 2**63 - 1),
        (-(2**63) + 1, firestore.Increment(-5), -(2**63)),
        (3, firestore.Maximum(5), 5),
        (3, firestore.Maximum(3.0), 3),
        (3, firestore.Minimum(2.5), 2.5),
        (None, firestore.Minimum(4), 4),
        ([1], firestore.ArrayUnion([1.0, 2, 2, "x"]), [1, 2, "x"]),
        ("text", firestore.ArrayUnion([1]), [1]),
        ([1, 2, 1.0, {"a": 1}], firestore.ArrayRemove([1, {"a": 1}]), [2]),
        (None, firestore.ArrayRemove([1]), []),
    ],
)
def test_a_transform_computes_on_the_server(collection, before, transform, after):
    """Each transform gives the documented result from each kind of starting value."""
    document = collection.document("d")
    document.set({} if before is None else {"v": before})
    document.update({"v": transform})
    value = fields(document)["v"]
    assert value == after
    assert type(value) is type(after)


def test_the_server_time_is_the_time_of_the_commit(collection):
    """Every server timestamp of a commit is the same, in milliseconds, not after the commit."""
    document = collection.document("d")
    result = document.set({"a": firestore.SERVER_TIMESTAMP, "m": {"b": firestore.SERVER_TIMESTAMP}})
    written = fields(document)
    assert written["a"] == written["m"]["b"]
    assert written["a"].microsecond % 1000 == 0
    assert timedelta(0) <= result.update_time - written["a"] < timedelta(seconds=5)


def test_a_transaction_reads_and_writes_as_one(db, collection):
    """What a transaction read is still so when it writes."""
    document = collection.document("a")
    document.set({"n": 1})

    @firestore.transactional
    def add_ten(transaction):
        value = document.get(transaction=transaction).get("n")
        transaction.update(document, {"n": value + 10})
        return value

    assert add_ten(db.transaction()) == 1
    assert fields(document) == {"n": 11}


def test_no_update_is_lost_between_transactions(db, collection):
    """Concurrent transactions on one document end as if they had run one after the other."""
    document = collection.document("counter")
    document.set({"n": 0})

    @firestore.transactional
    def add_one(transaction):
        transaction.update(document, {"n": document.get(transaction=transaction).get("n") + 1})

    threads = [
        threading.Thread(target=add_one, args=(db.transaction(max_attempts=30),), daemon=True)
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert fields(document) == {"n": 3}


def test_a_transaction_that_fails_writes_nothing(db, collection):
    """An error inside a transaction rolls it back, and the error is the one the caller sees."""

    @firestore.transactional
    def fail(transaction):
        transaction.set(collection.document("a"), {"n": 1})
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail(db.transaction())
    assert not collection.document("a").get().exists


def test_a_refused_transaction_tells_why(db, collection):
    """A precondition that fails at commit is what the caller sees, not a failed clean-up."""

    @firestore.transactional
    def update_missing(transaction):
        transaction.update(collection.document("missing"), {"n": 1})

    with pytest.raises(exceptions.NotFound):
        update_missing(db.transaction())


def test_a_read_only_transaction_reads_one_instant(db, collection):
    """Every read of a read-only transaction shows the same instant."""
    collection.document("a").set({"n": 1})
    transaction = db.transaction(read_only=True)
    transaction._begin()
    assert [each.id for each in collection.stream(transaction=transaction)] == ["a"]
    collection.document("b").set({"n": 2})
    assert [each.id for each in collection.stream(transaction=transaction)] == ["a"]
    transaction._rollback()
    assert [each.id for each in collection.stream()] == ["a", "b"]


def test_bulk_writes_arrive(db, collection):
    """The bulk writer's unordered writes are all there when it closes."""
    writer = db.bulk_writer()
    for number in range(30):
        writer.set(collection.document(f"{number:02d}"), {"n": number})
    writer.close()
    assert [each.get("n") for each in collection.stream()] == list(range(30))


def test_deleting_is_idempotent_and_leaves_children(collection):
    """Deleting what is not there is no error; documents below a deleted one stay."""
    document = collection.document("d")
    document.set({"n": 1})
    document.collection("below").document("x").set({"n": 2})
    document.delete()
    document.delete()
    assert not document.get().exists
    assert document.collection("below").document("x").get().exists


@pytest.mark.parametrize(
    "bad",
    [
        {"nested": [[1]]},
        {"__name__x__": {"__reserved__": 1}},
        {"long": "x" * 1_048_576},
        {"one": "x" * 600_000, "two": "x" * 600_000},
        {"deep": {"1": {"2": {"3": {"4": {"5": {"6": {"7": {"8": {"9": {"10": {"11": {"12": {"13": {"14": {
            "15": {"16": {"17": {"18": {"19": {"20": {"21": 1}}}}}}}}}}}}}}}}}}}}}},
    ],
    ids=["array in array", "reserved name", "too long", "too long together", "too deep"],
)  # fmt: skip
def test_what_firestore_cannot_store_is_refused(collection, bad):
    """A value beyond Firestore's rules is an InvalidArgument, and nothing is written."""
    with pytest.raises(exceptions.InvalidArgument):
        collection.document("d").set(bad)
    assert not collection.document("d").get().exists


def test_the_largest_text_is_stored(collection):
    """A text just within the limit is stored whole."""
    collection.document("d").set({"m": "x" * 1_048_400})
    assert len(fields(collection.document("d"))["m"]) == 1_048_400
