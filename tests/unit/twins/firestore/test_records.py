from hypothesis import given
from hypothesis import strategies as st

from tests.unit.twins.firestore.strategies import FIELDS, NAMES, PATIENT
from twins.firestore.messages import Document, to_timestamp
from twins.firestore.records import (
    Projection,
    Shapes,
    encode_document,
    pack_message,
    pack_values,
    to_message,
)
from twins.firestore.values import get_field, set_field

NAME = "projects/p/databases/d/documents/c/x"


def packed(fields):
    return pack_values(Shapes(), fields, committed=20, created=10)


@PATIENT
@given(FIELDS)
def test_a_stored_document_is_sent_whole(fields):
    """What is stored is what is sent: name, fields and times, also after a trip through a message."""
    version = packed(fields)
    document = Document.FromString(encode_document(NAME, version))
    assert document.name == NAME
    assert (document.create_time, document.update_time) == (to_timestamp(10), to_timestamp(20))
    assert set(document.fields) == set(fields)
    again = pack_message(Shapes(), to_message(NAME, version), committed=20, created=10)
    assert to_message(NAME, again) == document
    assert all(again.field((name,)) == document.fields[name] for name in fields)


@PATIENT
@given(FIELDS, st.lists(st.lists(NAMES, min_size=1, max_size=2), max_size=4), st.data())
def test_a_projection_sends_what_a_careful_copy_would(fields, others, data):
    """Cutting bytes gives the same document as copying the wanted fields one by one."""
    inner = [[name, key] for name, value in fields.items() if isinstance(value, dict) for key in value]
    known = [[name] for name in fields] + inner
    wanted = others + (data.draw(st.lists(st.sampled_from(known), max_size=4)) if known else [])
    paths = [tuple(path) for path in wanted] + [("__name__",)]
    version = packed(fields)
    whole = to_message(NAME, version)
    expected = Document(name=NAME, create_time=whole.create_time, update_time=whole.update_time)
    for path in paths:
        value = get_field(whole.fields, path)
        if value is not None:
            set_field(expected.fields, path, value)
    projection = Projection(paths)
    assert to_message(NAME, version, projection) == expected
    assert to_message(NAME, version, projection) == expected  # from the plan it kept


@PATIENT
@given(FIELDS)
def test_one_field_is_found_without_the_rest(fields):
    version = packed(fields)
    whole = to_message(NAME, version)
    for name, value in fields.items():
        assert version.field((name,)) == whole.fields[name]
        assert version.field((name, "no such key \0")) is None
        if isinstance(value, dict):
            for key in value:
                assert version.field((name, key)) == whole.fields[name].map_value.fields[key]
    assert version.field(("no such field \0",)) is None


def test_documents_beyond_64_kilobytes_have_wide_offsets():
    """The table of ends works on both sides of the border between its two widths."""
    for size in range(65_300, 65_600, 7):
        fields = {"a": "x" * size, "b": 1, "c": {"d": "y"}}
        version = packed(fields)
        assert version.field(("b",)).integer_value == 1
        assert to_message(NAME, version, Projection([("b",), ("c", "d")])).fields["c"].map_value.fields["d"]
        assert len(to_message(NAME, version).fields["a"].string_value) == size


def test_documents_of_one_shape_share_it():
    """A million documents with the same fields keep their names once."""
    shapes = Shapes()
    first, second = (
        pack_values(shapes, {"b": number, "a": number}, committed=1, created=1) for number in range(2)
    )
    assert first.shape is second.shape
    assert first.shape.names == ("a", "b")
