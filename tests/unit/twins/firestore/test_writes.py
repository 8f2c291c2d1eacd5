import pytest
from grpc import StatusCode

from twins.firestore.errors import RefusedError
from twins.firestore.messages import Value, Write, to_timestamp
from twins.firestore.paths import document_name
from twins.firestore.store import Store
from twins.firestore.wire import encode_value
from twins.firestore.writes import apply_writes

NAME = document_name("p", "c/x")


def update(fields, name=NAME, mask=None, **options):
    write = Write(**options)
    write.update.name = name
    for each, value in fields.items():
        write.update.fields[each].CopyFrom(Value.FromString(encode_value(value)))
    if mask is not None:
        write.update_mask.SetInParent()
        write.update_mask.field_paths.extend(mask)
    return write


def refusal(store, *writes):
    with pytest.raises(RefusedError) as refused:
        apply_writes(store, writes)
    return refused.value.code


def test_a_mask_writes_its_fields_and_deletes_those_not_given():
    store = Store()
    store.put(NAME, {"a": 1, "b": {"c": 2, "d": 3}, "e": 4})
    apply_writes(store, [update({"a": 10, "b": {"c": 20}, "ignored": 0}, mask=["a", "b.c", "b.d", "e"])])
    assert store.get(NAME) == {"a": 10, "b": {"c": 20}}


def test_an_empty_mask_touches_the_document_and_no_field():
    store = Store()
    store.put(NAME, {"a": 1})
    before = store.latest(NAME)
    now, _ = apply_writes(store, [update({"a": 2}, mask=[])])
    assert store.get(NAME) == {"a": 1}
    assert (store.latest(NAME).committed, store.latest(NAME).created) == (now, before.created)


def test_no_mask_replaces_everything():
    store = Store()
    store.put(NAME, {"a": 1})
    apply_writes(store, [update({"b": 2})])
    assert store.get(NAME) == {"b": 2}


def test_a_refused_write_leaves_nothing_of_the_commit():
    store = Store()
    other = document_name("p", "c/y")
    missing = update({}, other)
    missing.current_document.exists = True
    assert refusal(store, update({"a": 1}), missing) is StatusCode.NOT_FOUND
    assert store.get(NAME) is None
    assert store.size() == 0


def test_a_document_created_and_deleted_in_one_commit_never_was():
    store = Store()
    apply_writes(store, [update({"a": 1}), Write(delete=NAME)])
    assert store.size() == 0
    apply_writes(store, [Write(delete=NAME), update({"a": 2})])
    assert store.get(NAME) == {"a": 2}


def test_preconditions():
    """Each precondition has the status the service answers with."""
    store = Store()
    at = store.put(NAME, {"a": 1})
    other = document_name("p", "c/none")
    exists = update({})
    exists.current_document.exists = False
    assert refusal(store, exists) is StatusCode.ALREADY_EXISTS
    for name, micros, status in [
        (NAME, at - 1, StatusCode.FAILED_PRECONDITION),
        (other, at, StatusCode.FAILED_PRECONDITION),
        (NAME, at + 10**15, StatusCode.INVALID_ARGUMENT),
    ]:
        write = update({}, name)
        write.current_document.update_time.CopyFrom(to_timestamp(micros))
        assert refusal(store, write) is status
    good = update({"a": 2})
    good.current_document.update_time.CopyFrom(to_timestamp(at))
    apply_writes(store, [good])
    assert store.get(NAME) == {"a": 2}


def test_nonsense_is_refused():
    store = Store()
    assert refusal(store, Write()) is StatusCode.INVALID_ARGUMENT
    assert refusal(store, update({}, "nowhere")) is StatusCode.INVALID_ARGUMENT
    assert refusal(store, update({"__x__": 1})) is StatusCode.INVALID_ARGUMENT
    assert refusal(store, update({"a": 1}, mask=["a-b"])) is StatusCode.INVALID_ARGUMENT


def test_a_document_has_at_most_one_mebibyte():
    """Fields that are each allowed can be too much together."""
    store = Store()
    half = "x" * 520_000
    apply_writes(store, [update({"a": half, "b": half})])
    assert refusal(store, update({"a": half, "b": half, "c": "x" * 20_000})) is StatusCode.INVALID_ARGUMENT
    assert set(store.get(NAME)) == {"a", "b"}


def test_the_old_kind_of_transform_write_works():
    store = Store()
    store.put(NAME, {"n": 1})
    write = Write()
    write.transform.document = NAME
    transform = write.transform.field_transforms.add(field_path="n")
    transform.increment.integer_value = 4
    _, results = apply_writes(store, [write])
    assert store.get(NAME) == {"n": 5}
    assert results[0].transform_results[0].integer_value == 5
