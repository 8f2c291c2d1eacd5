import math

import pytest

from twins.firestore.errors import RefusedError
from twins.firestore.messages import Document, Value, api
from twins.firestore.transforms import apply_transform, check_transforms
from twins.firestore.values import decode_fields, decode_value
from twins.firestore.wire import encode_value

Transform = api.DocumentTransform.FieldTransform.pb()


def message(value):
    return Value.FromString(encode_value(value))


def applied(before, path="v", **transform):
    """Return (fields afterwards, what the client is told)."""
    document = Document()
    for name, value in before.items():
        document.fields[name].CopyFrom(message(value))
    change = Transform(field_path=path, **transform)
    check_transforms([change])
    told = apply_transform(document.fields, change, 1_234_567_890)
    return decode_fields(document.fields), decode_value(told)


@pytest.mark.parametrize(
    ("before", "kind", "operand", "after"),
    [
        (1, "increment", 2, 3),
        (1, "increment", 0.5, 1.5),
        (0.5, "increment", 1, 1.5),
        (None, "increment", 7, 7),
        ("text", "increment", 7, 7),
        (2**63 - 1, "increment", 1, 2**63 - 1),
        (-(2**63), "increment", -1, -(2**63)),
        (3, "maximum", 3.0, 3),
        (3, "maximum", 4.5, 4.5),
        (3.0, "minimum", 3, 3.0),
        (3, "minimum", -1, -1),
        ("text", "minimum", 4, 4),
    ],
)
def test_numbers(before, kind, operand, after):
    """Integers stop at 64 bits, equal extremes keep the current type, what is no number counts as absent."""
    fields, told = applied({"v": before}, **{kind: message(operand)})
    assert (fields["v"], type(fields["v"])) == (after, type(after))
    assert (told, type(told)) == (after, type(after))


@pytest.mark.parametrize("kind", ["maximum", "minimum"])
@pytest.mark.parametrize(("before", "operand"), [(1, math.nan), (math.nan, 1)])
def test_not_a_number_wins_every_extreme(kind, before, operand):
    fields, _ = applied({"v": before}, **{kind: message(operand)})
    assert math.isnan(fields["v"])


def test_arrays():
    """Union adds what is missing once, removal takes every equal item; the client is told nothing."""
    items = api.ArrayValue.pb()(values=[message(each) for each in (1.0, "x", "x", math.nan, math.nan)])
    fields, told = applied({"v": [1, 2]}, append_missing_elements=items)
    assert fields["v"][:3] == [1, 2, "x"]
    assert len(fields["v"]) == 4
    assert told is None
    fields, _ = applied({"v": [1, 2, 1.0, "x", "y"]}, remove_all_from_array=items)
    assert fields["v"] == [2, "y"]
    fields, _ = applied({"v": "text"}, remove_all_from_array=items)
    assert fields["v"] == []


def test_the_server_time_has_milliseconds():
    fields, told = applied({}, path="a.b", set_to_server_value=1)
    assert fields["a"]["b"] == told
    assert told.timestamp() == 1234.567


def test_a_field_may_be_moved_into_its_own_transform():
    """A transform whose new value is part of the field it replaces does not damage it."""
    fields, _ = applied({"v": [{"v": [1]}]}, append_missing_elements=api.ArrayValue.pb()(values=[message(2)]))
    assert fields == {"v": [{"v": [1]}, 2]}


def test_nonsense_is_refused():
    with pytest.raises(RefusedError):
        applied({}, increment=message("text"))
    with pytest.raises(RefusedError):
        applied({})
    with pytest.raises(RefusedError):
        applied({}, append_missing_elements=api.ArrayValue.pb()(values=[message([[1]])]))


def test_a_field_and_its_inside_are_not_transformed_together():
    a, again, inside, other = (
        Transform(field_path=path, increment=message(1)) for path in ("a", "a", "a.b", "ab")
    )
    with pytest.raises(RefusedError):
        check_transforms([a, inside])
    check_transforms([a, again, other])
