"""Columns read from bytes hold exactly what the vendor's own parser finds in them."""

import struct
from datetime import datetime

import numpy as np
import pytest
from google.cloud.firestore_v1.types.document import Value
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.firestore.cells import CellType, ValueCells
from resources.firestore.gateway import DocumentBatch
from resources.firestore.live_decode import SerialisedRecords, decode_value
from resources.firestore.live_query import set_value
from resources.firestore.wire import UnexpectedShapeError
from resources.firestore.wire_columns import WireColumns
from studio_assets.cloud_truth.rows import RowReader
from studio_assets.contracts.catalog import FIRESTORE
from tests.unit.resources.firestore.scripted import ROOT, RunQueryResponse, document
from tests.unit.studio_assets.cloud_truth.strategies import documents as contract_documents

PATHS = ("a", "status", "inner.b", "inner.status", "inner.deep.c")
PlainValue = Value.pb()
KINDS = [field.name for field in PlainValue.DESCRIPTOR.oneofs[0].fields][:11]  # those that documents may hold


def reader(paths=PATHS, collection="kilns"):
    return WireColumns(paths, f"{ROOT}/{collection}/", decode_value)


@st.composite
def values(draw):
    """Return a serialisable value of any kind, odd ones included."""
    value = PlainValue()
    kind = draw(st.sampled_from([*KINDS, "none"]))
    if kind == "timestamp_value":
        value.timestamp_value.seconds = draw(st.integers(-62_135_596_800, 253_402_300_799))
        value.timestamp_value.nanos = draw(st.integers(0, 999_999_999))
    elif kind == "string_value":
        value.string_value = draw(st.text(st.characters(codec="utf-8"), max_size=200))
    elif kind == "integer_value":
        value.integer_value = draw(st.integers(-(2**63), 2**63 - 1))
    elif kind == "double_value":
        value.double_value = draw(st.floats())
    elif kind == "boolean_value":
        value.boolean_value = draw(st.booleans())
    elif kind == "null_value":
        value.null_value = 0
    elif kind == "bytes_value":
        value.bytes_value = draw(st.binary(max_size=5))
    elif kind == "reference_value":
        value.reference_value = f"{ROOT}/kilns/k"
    elif kind == "map_value":
        value.map_value.SetInParent()
    elif kind == "array_value":
        value.array_value.values.add().integer_value = 1
    elif kind == "geo_point_value":
        value.geo_point_value.latitude = 33.4
    return value


@st.composite
def responses(draw, document_id):
    """Return a serialised response whose document has some of the paths, and some that nobody asked for."""
    response = RunQueryResponse()
    response.document.name = f"{ROOT}/kilns/{document_id}"
    fields = response.document.fields
    for name in draw(st.lists(st.sampled_from(["a", "status", "other", "inner"]), unique=True)):
        if name != "inner" or draw(st.integers(0, 5)) == 0:
            fields[name].CopyFrom(draw(values()))
            continue
        fields[name].map_value.SetInParent()
        for inner in draw(st.lists(st.sampled_from(["b", "status", "a", "deep"]), unique=True)):
            if inner == "deep" and draw(st.booleans()):
                fields[name].map_value.fields[inner].map_value.fields["c"].CopyFrom(draw(values()))
            else:
                fields[name].map_value.fields[inner].CopyFrom(draw(values()))
    if draw(st.booleans()):
        response.document.update_time.seconds = 1
        response.read_time.seconds = 2
    if draw(st.integers(0, 4)) == 0:
        response.transaction = b"t" * 200
        response.skipped_results = draw(st.integers(0, 2**31 - 1))
        response.done = True
    return response.SerializeToString()


def pick(record, path):
    for part in path.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    return record


def same(one, other):
    return repr(one) == repr(other)  # NaN is itself here, and 1 is not True


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.text("aé日", min_size=1, max_size=4), max_size=8).flatmap(
        lambda ids: st.tuples(st.just(ids), st.tuples(*(responses(document_id) for document_id in ids)))
    )
)
def test_columns_hold_what_the_vendors_parser_finds(drawn):
    """Every value of every requested path, whatever stands around it."""
    expected_ids, messages = drawn
    wire, ids, columns = reader().read(messages)
    assert ids == expected_ids
    assert list(columns) == list(PATHS)
    records = SerialisedRecords(wire)
    for path, cells in columns.items():
        plain = [pick(record, path) for record in records]
        assert all(same(cells.value(place), value) for place, value in enumerate(plain))
        expected = ValueCells(plain)
        # Before 1970 the encoding is another one; no contract allows such instants, so they may stay odd.
        is_old = np.array([isinstance(value, datetime) and value.year < 1970 for value in plain], dtype=bool)
        expected.types[is_old & (cells.types == CellType.OTHER)] = CellType.OTHER
        is_present = expected.types != CellType.NULL
        assert (cells.types[is_present] == expected.types[is_present]).all()
        assert (cells.types[~is_present] <= CellType.NULL).all() or None in plain
        is_number = (expected.types > CellType.NULL) & (expected.types < CellType.TEXT)
        assert (cells.numbers[is_number] == expected.numbers[is_number]).all()
        assert cells.texts.to_pylist() == [value if type(value) is str else None for value in plain]


def serialise(document_id, fields):
    def write(target):
        for name, value in fields.items():
            set_value(target[name], value)

    return document(document_id, write, collection="c")


def is_storable(value):
    """Tell whether Firestore could hold a value at all."""
    if isinstance(value, dict | list):
        return all(map(is_storable, value.values() if isinstance(value, dict) else value))
    is_naive = hasattr(value, "tzinfo") and value.tzinfo is None
    return not is_naive and (type(value) is not int or -(2**63) <= value < 2**63)


@pytest.mark.parametrize("contract", FIRESTORE, ids=lambda contract: contract.name)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_rows_from_columns_equal_rows_from_records(contract, data):
    """The product's fast path and the plain path give the same rows, set-aside documents and warnings."""
    found = data.draw(st.lists(contract_documents(contract).filter(is_storable), max_size=6))
    ids = [f"d{number}" for number in range(len(found))]
    messages = [serialise(*pair) for pair in zip(ids, found, strict=True)]
    fast, plain = RowReader(contract), RowReader(contract)
    wire, read_ids, columns = reader(contract.field_paths, "c").read(messages)
    records = SerialisedRecords(wire)
    fast_rows = fast.read_batch(DocumentBatch(read_ids, records, columns))
    assert fast_rows.equals(plain.read(ids, list(records)))
    assert fast.quarantined == plain.quarantined
    assert fast.warnings == plain.warnings


def entry(name, value):
    body = b"\x0a" + bytes([len(name)]) + name + b"\x12" + bytes([len(value)]) + value
    return b"\x12" + bytes([len(body)]) + body


def response_of(*entries):
    name = f"{ROOT}/kilns/k".encode()
    body = b"\x0a" + bytes([len(name)]) + name + b"".join(entries)
    return b"\x0a" + bytes([len(body)]) + body


@pytest.mark.parametrize(
    "value",
    [
        b"\x08\x01\x10\x05",  # two kinds in one value: the last one counts
        b"\x10\x85\x00",  # a number in more bytes than it needs
        b"\x52\x02\x10\x05",  # nanoseconds only
        b"\x52\x06\x10\x05\x08\x01\x10\x06",  # nanoseconds twice, and first
        b"\x52\x00",  # the epoch
        b"\x58\x00",
        b"\x19" + struct.pack("<d", 0.1),
        b"\x08\x80\x01",  # true, the long way
    ],
    ids=lambda value: value.hex(),
)
def test_unusual_encodings_are_read_as_the_vendor_reads_them(value):
    """Legal bytes that no server is known to send are exact too."""
    messages = [response_of(entry(b"a", value))]
    _, _, columns = reader().read(messages)
    cells, expected = columns["a"], decode_value(value)
    assert cells.value(0) == expected
    if cells.types[0] not in {CellType.NULL, CellType.OTHER, CellType.DOUBLE}:
        assert cells.numbers[0] == ValueCells([expected]).numbers[0]


def test_the_last_of_two_equal_fields_counts():
    """As in every reader of this encoding."""
    messages = [response_of(entry(b"a", b"\x10\x01"), entry(b"a", b"\x10\x02"))]
    _, _, columns = reader().read(messages)
    assert columns["a"].numbers.tolist() == [2]


@pytest.mark.parametrize("seconds", [2**45, 2**54, 2**62])
def test_instants_beyond_the_calendar_stay_odd(seconds):
    """Seconds that no calendar holds do not wrap around into a plausible instant."""
    value = PlainValue()
    value.timestamp_value.seconds = seconds
    _, _, columns = reader().read([response_of(entry(b"a", value.SerializeToString()))])
    assert columns["a"].types.tolist() == [CellType.OTHER]
    assert columns["a"].value(0) == seconds


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x12\x00",
        response_of(entry(b"a", b"\x10\x01"))[:-1],
        response_of(b"\x12\x02\x12\x00"),
        response_of(b"\x12\x02\x0a\x7f"),
    ],
    ids=["empty", "no document", "cut", "no key", "key beyond the end"],
)
def test_unknown_layouts_are_declined(message):
    """Rather than guess, the reader leaves such a batch to the vendor's parser."""
    good = response_of(entry(b"a", b"\x10\x01"))
    with pytest.raises(UnexpectedShapeError):
        reader().read([good, message, good])
    with pytest.raises(UnexpectedShapeError):
        reader().read([good, message])


def test_no_documents_are_no_rows():
    _, ids, columns = reader().read([])
    assert ids == []
    assert len(columns["a"].types) == 0
    assert columns["a"].texts.to_pylist() == []
