from datetime import datetime, timedelta

import pytest
from google.cloud.firestore_v1 import _helpers
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.twins.firestore.strategies import PATIENT, VALUES
from twins.firestore.clock import EPOCH, to_micros
from twins.firestore.messages import Timestamp, Value
from twins.firestore.wire import Reference, encode_value, read_varint, timestamp, varint


def _has_reference(value):
    if isinstance(value, dict):
        return any(map(_has_reference, value.values()))
    return isinstance(value, Reference) or (isinstance(value, list) and any(map(_has_reference, value)))


@PATIENT
@given(VALUES.filter(lambda value: not _has_reference(value)))
def test_our_bytes_are_the_clients_bytes(value):
    """A value we write by hand is what the client library sends for it; the order of map keys is free."""
    theirs = _helpers.encode_value(value)._pb
    ours = encode_value(value)
    assert Value.FromString(ours).SerializeToString(deterministic=True) == theirs.SerializeToString(
        deterministic=True
    )
    assert len(ours) == theirs.ByteSize()


@PATIENT
@given(st.integers(-(2**63), 2**63 - 1))
def test_a_varint_is_what_protobuf_reads(number):
    assert read_varint(b"\x10" + varint(number) + b"\x10", 1) == (number & 2**64 - 1, 1 + len(varint(number)))
    assert Value.FromString(b"\x10" + varint(number)).integer_value == number


@PATIENT
@given(st.datetimes(datetime(1, 1, 1), timezones=st.just(EPOCH.tzinfo)))  # noqa: DTZ001 - zone given beside it
def test_a_timestamp_is_what_protobuf_reads(instant):
    """Instants before 1970 too have their fraction counted forwards."""
    field = timestamp(b"\x0a", to_micros(instant))
    read = Timestamp.FromString(field[2:])
    assert field[1] == len(field) - 2
    assert 0 <= read.nanos < 1_000_000_000
    assert EPOCH + timedelta(seconds=read.seconds, microseconds=read.nanos // 1000) == instant


@pytest.mark.parametrize(
    ("value", "error"),
    [(object(), TypeError), ({1, 2}, TypeError), (2**63, ValueError), (datetime(2026, 1, 1), ValueError)],  # noqa: DTZ001 - naive on purpose
)
def test_what_firestore_has_no_type_for_raises(value, error):
    with pytest.raises(error):
        encode_value(value)
