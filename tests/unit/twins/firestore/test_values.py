import math
import struct

import pytest
from google.cloud.firestore_v1 import GeoPoint, types
from google.cloud.firestore_v1.order import Order
from google.cloud.firestore_v1.vector import Vector
from hypothesis import given

from tests.unit.twins.firestore.strategies import FIELDS, PATIENT, VALUES
from twins.firestore.errors import RefusedError
from twins.firestore.messages import Document, Timestamp, Value
from twins.firestore.values import (
    check_fields,
    check_value,
    decode_fields,
    decode_value,
    delete_field,
    get_field,
    order_key,
    set_field,
)
from twins.firestore.wire import Reference, encode_value


def message(value):
    return Value.FromString(encode_value(value))


@PATIENT
@given(VALUES, VALUES)
def test_the_order_is_the_one_the_client_library_knows(left, right):
    """Our order of any two values, across all types, is that of the client's own comparison."""
    ours = (order_key(message(left)) > order_key(message(right))) - (
        order_key(message(left)) < order_key(message(right))
    )
    wrapped = [types.Value.wrap(message(each)) for each in (left, right)]
    assert ours == Order.compare(*wrapped)


def test_types_come_in_firestores_order():
    """Null, booleans, NaN, numbers, instants, text, bytes, references, places, arrays, vectors, maps."""
    reference = Reference("projects/p/databases/d/documents/c/x")
    values = [None, False, True, math.nan, -math.inf, -1, 2.5, 3, "a", b"a", reference]
    values += [GeoPoint(1, 1), [1], Vector([9.0]), Vector([1.0, 1.0]), {"a": 1}]
    keys = [order_key(message(value)) for value in values]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


def test_equal_numbers_are_equal_whatever_their_type():
    assert order_key(message(1)) == order_key(message(1.0))
    assert order_key(message(0.0)) == order_key(message(-0.0))
    assert order_key(message(2**53 + 1)) > order_key(message(float(2**53)))


def test_a_value_without_a_type_is_refused():
    with pytest.raises(RefusedError):
        order_key(Value())
    with pytest.raises(RefusedError):
        check_value(Value(), "f")


def _same(left, right):
    if isinstance(left, float) and isinstance(right, float):
        return struct.pack("<d", left) == struct.pack("<d", right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return left == right and type(left) is type(right)


@PATIENT
@given(VALUES)
def test_a_value_survives_encoding(value):
    """What was encoded decodes to the same value of the same type."""
    assert _same(decode_value(message(value)), value)


@PATIENT
@given(FIELDS)
def test_what_can_be_stored_passes_the_check(fields):
    """The check refuses nothing that the service stores."""
    document = Document()
    for name, value in fields.items():
        document.fields[name].CopyFrom(message(value))
    check_fields(document.fields)
    assert _same(decode_fields(document.fields), fields)


def nested(levels):
    value = 1
    for _ in range(levels):
        value = {"k": value}
    return value


@pytest.mark.parametrize(
    "value",
    [
        [[1]],
        {"a": [[1]]},
        {"": 1},
        {"__reserved__": 1},
        {"x" * 1501: 1},
        "x" * 1_048_488,
        b"x" * 1_048_488,
        nested(21),
        Reference("nowhere"),
        GeoPoint(91.0, 0.0),
        GeoPoint(0.0, -181.0),
        GeoPoint(math.nan, 0.0),
    ],
)
def test_what_cannot_be_stored_is_refused(value):
    with pytest.raises(RefusedError):
        check_value(message(value), "f")


def test_limits_are_exact():
    """At the limit is fine: twenty levels, the longest text."""
    check_value(message(nested(20)), "f")
    check_value(message("x" * 1_048_487), "f")


def test_instants_are_cut_to_microseconds_and_bounded():
    value = Value(timestamp_value=Timestamp(seconds=5, nanos=123_456_789))
    check_value(value, "f")
    assert value.timestamp_value.nanos == 123_456_000
    with pytest.raises(RefusedError):
        check_value(Value(timestamp_value=Timestamp(seconds=-62_135_596_801)), "f")


def test_fields_are_read_set_and_deleted_by_path():
    fields = Document().fields
    set_field(fields, ("a", "b"), message(1))
    set_field(fields, ("c",), message("text"))
    assert decode_fields(fields) == {"a": {"b": 1}, "c": "text"}
    set_field(fields, ("c", "d"), message(2))  # what is not a map on the way becomes one
    delete_field(fields, ("a", "none", "deeper"))
    delete_field(fields, ("a", "b"))
    assert decode_fields(fields) == {"a": {}, "c": {"d": 2}}
    assert get_field(fields, ("a", "b")) is None
    assert get_field(fields, ("c", "d", "e")) is None
    assert "none" not in fields
