"""Inputs are plain data with one spelling: what fits is hashed alike everywhere, what does not is named."""

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from policies.inputs import (
    LARGEST_INPUT_BYTES,
    LARGEST_INTEGER,
    LONGEST_NAME,
    LONGEST_WORDS,
    InvalidInputError,
    canonical_bytes,
    input_hash,
    input_problems,
    text_problem,
    validate_input,
    words_problem,
)
from policies.registry import default_registry

NOTE = default_registry()["firestore.ops_note.append"]
ADJUST = default_registry()["finance.reconciliation.adjust"]
GOOD = {"resourceCollection": "batches", "resourceId": "batch_1", "note": "Ready on shelf 3"}

texts = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc"],
        exclude_characters="\ufffe\uffff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    ),
    max_size=20,
)
data = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
inputs = st.dictionaries(texts, data, max_size=5)


def reordered(value):
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(list(value))}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(inputs)
def test_order_of_keys_does_not_matter(input_):
    """The same input in another order of keys, at any depth, has the same hash."""
    assume(deep_enough(input_))
    assert input_hash("a.b", input_) == input_hash("a.b", reordered(input_))


@given(inputs, inputs)
def test_any_change_changes_the_hash(one, two):
    """Two inputs have the same hash exactly when they are the same data; true is not 1."""
    assume(deep_enough(one) and deep_enough(two))
    is_same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assert (input_hash("a.b", one) == input_hash("a.b", two)) is is_same


@given(inputs)
def test_capability_is_part_of_the_hash(input_):
    """The same input for another capability is another thing to approve."""
    assume(deep_enough(input_))
    assert input_hash("a.b", input_) != input_hash("a.c", input_)


@given(inputs)
def test_canonical_bytes_read_back(input_):
    """Canonical bytes are JSON of the same data, and their own canonical form."""
    assume(deep_enough(input_))
    read = json.loads(canonical_bytes(input_))
    assert read == input_
    assert canonical_bytes(read) == canonical_bytes(input_)


def deep_enough(value, left=8):
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return left > 0 and all(deep_enough(item, left - 1) for item in items)
    return left >= 0


def test_hash_is_pinned():
    """The hash of a known input never changes: approvals of years ago still say what they bound."""
    assert canonical_bytes({"b": [1, None, True], "a": "ü"}) == '{"a":"ü","b":[1,null,true]}'.encode()
    wanted = "7cd04f6c0cd387914c33cb0290a15bb2a8984e800878e65bf1315cf067d6df6c"
    assert input_hash("a", {"b": 1}) == wanted


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), float("inf"), b"x", {1: 2}, {None: 1}, object(), {1, 2}, 2**53, -(2**53), "\ud800"],
)
def test_what_has_no_one_spelling_is_refused(value):
    """Fractions, foreign objects, huge numbers and broken text are refused, never rounded or guessed."""
    with pytest.raises(InvalidInputError):
        input_hash("a.b", {"x": [value]})


@pytest.mark.parametrize("letter", ["\x00", "\x08", "\x1b", "\x7f", "\x85", "\ud800", "\ufffe", "\u202e"])
def test_text_that_cannot_be_kept(letter):
    """Control characters, lone surrogates and reordering marks are named by code, never repeated."""
    problem = text_problem(f"good {letter} text")
    assert problem is not None
    assert f"U+{ord(letter):04X}" in problem
    assert letter not in problem


@given(st.text(st.characters(max_codepoint=0x9F), max_size=9))
def test_ascii_is_judged_as_all_text_is(text):
    """ASCII that can be seen has a shorter way; a letter at the end forces the other, to the same end."""
    assert text_problem(text) == text_problem(f"{text}é")


@pytest.mark.parametrize(
    "text", ["", "tab\tand\nline\r\n", "ünïcödé", "漢字", "👩‍🎨", "'; DROP TABLE x; --", "{{x}} ${y}"]
)
def test_text_that_can_be_kept(text):
    """Ordinary text of any language is kept, also when it looks like a program."""
    assert text_problem(text) is None


def test_the_most_is_counted_as_targets_count():
    """In UTF-16 units: 250 pizzas are 500, and what the target would refuse cannot be approved."""
    pizza = "\N{SLICE OF PIZZA}"
    good = {"resourceCollection": "batches", "resourceId": "b1", "note": pizza * 250}
    assert input_problems(NOTE, good) == ()
    assert len(input_problems(NOTE, {**good, "note": pizza * 251})) == 1


def test_text_length_on_and_over():
    """The longest text is kept, one character more is not."""
    for problem, most in ((text_problem, LONGEST_NAME), (words_problem, LONGEST_WORDS)):
        assert problem("x" * most) is None
        assert problem("x" * (most + 1)) is not None


@pytest.mark.parametrize("letter", ["\x01", "\x07", "\x1b[2J", "\x7f", "\x85", "\uffff", "\u202e", "\u2066"])
def test_words_are_kept_whatever_they_do_to_a_terminal(letter):
    """What people write is data; only ids and names must be seen whole. The desk shows it safely."""
    written = f"good {letter} text"
    assert words_problem(written) is None
    note = {"resourceCollection": "batches", "resourceId": "b1", "note": written}
    assert validate_input(NOTE, note)["note"] == written
    assert input_problems(NOTE, note | {"resourceId": written})


@pytest.mark.parametrize("letter", ["\x00", "\ud800"])
def test_words_that_have_no_bytes_are_refused(letter):
    """Neither PostgreSQL nor UTF-8 has a place for them."""
    problem = words_problem(f"good {letter} text")
    assert problem is not None
    assert letter not in problem


def test_nesting_on_and_over():
    """Eight levels are kept, nine are not."""
    value = 1
    for _ in range(8):
        value = [value]
    assert canonical_bytes(value)
    with pytest.raises(InvalidInputError):
        canonical_bytes([value])


def test_a_good_input_comes_back_in_the_registrys_order():
    """What fits is given back as plain data, fields in order, optional nulls left out."""
    backwards = dict(reversed(GOOD.items()))
    assert list(validate_input(NOTE, backwards).items()) == list(GOOD.items())
    close = default_registry()["firestore.batch.close"]
    clean = validate_input(close, {"batchId": "b", "closeReason": "other", "note": None})
    assert clean == {"batchId": "b", "closeReason": "other"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"note": None}, "note is missing"),
        ({"note": "1234"}, "5 to 500"),
        ({"note": "    1234    "}, "5 to 500"),
        ({"note": "x" * 501}, "5 to 500"),
        ({"note": 12345}, "text is wanted"),
        ({"note": "nothing \x00 rings"}, "U+0000"),
        ({"resourceCollection": "users"}, "one of batches"),
        ({"resourceCollection": "Batches"}, "one of batches"),
        ({"resourceId": "a/b"}, "characters this field"),
        ({"resourceId": "../x"}, "characters this field"),
        ({"resourceId": "__x__"}, "characters this field"),
        ({"resourceId": "x\n"}, "characters this field"),
        ({"resourceId": "\uff41"}, "characters this field"),
        ({"resourceId": "x" * 129}, "1 to 128"),
        ({"approvedBy": "me"}, "approvedBy"),
        ({"note": 1.5}, "float"),
    ],
)
def test_what_does_not_fit_is_named(change, said):
    """Each misfit gives a sentence that names its field."""
    problems = input_problems(NOTE, GOOD | change)
    assert any(said in problem for problem in problems), problems
    with pytest.raises(InvalidInputError):
        validate_input(NOTE, GOOD | change)


@pytest.mark.parametrize("note", ["12345", "x" * 500])
def test_bounds_of_text_hold_on_the_spot(note):
    """The shortest and the longest note fit."""
    assert input_problems(NOTE, GOOD | {"note": note}) == ()


@pytest.mark.parametrize(
    ("cents", "fits"),
    [
        (-1_000_000, True),
        (1_000_000, True),
        (-1_000_001, False),
        (1_000_001, False),
        (True, False),
        ("5", False),
    ],
)
def test_bounds_of_integers(cents, fits):
    """A whole number within its bounds fits; a flag or text does not, whatever its value."""
    input_ = {"flagId": "f", "adjustmentCents": cents, "currency": "usd", "memo": "a good memo"}
    assert (input_problems(ADJUST, input_) == ()) is fits


@pytest.mark.parametrize("input_", [None, [], "text", 5])
def test_input_is_an_object(input_):
    """Anything but an object is refused with a sentence."""
    assert input_problems(NOTE, input_) == ("The input is an object with named fields.",)


def test_every_problem_is_told_at_once():
    """A person mends everything in one go."""
    assert len(input_problems(NOTE, {"note": "x", "extra": 1})) == 4


def test_a_problem_names_its_place():
    """Fields by their names, items by their numbers, however deep; a field's bad name is not repeated."""
    deep = {"a": ["ok", {'"': 1.5, "\x07": 1}], "b": {}}
    value, name = input_problems(NOTE, deep)
    assert value.startswith('The input, "a", item 2, "\\"": float is not data that can be kept')
    assert name.startswith('The input, "a", item 2, a field name: The text has a character')
    assert input_problems(NOTE, {"a": [[[[[[[[0]]]]]]]]}) == (
        f'The input, "a"{", item 1" * 8} is nested deeper than 8 levels.',
    )


def test_a_megabyte_is_refused_quickly_and_shortly():
    """A huge text gives a short sentence, and none of the text is repeated."""
    problems = input_problems(NOTE, GOOD | {"note": "x" * 1_000_000})
    assert len(problems) == 1
    assert len(problems[0]) < 200
    assert "xxx" not in problems[0]


def test_size_of_the_whole_input():
    """Many allowed texts together may still be too much."""
    many = {str(place): "x" * 30_000 for place in range(3)}
    assert input_problems(NOTE, many) == (f"The input is larger than {LARGEST_INPUT_BYTES:,} bytes.",)
