"""Bytes read in step say what reading them one by one says."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.firestore.wire import LONGEST_NAME, Names, UnexpectedShapeError, Wire


def varint(number):
    number &= 2**64 - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20))
def test_varints_of_every_length(numbers):
    """One to ten bytes, negative numbers included, side by side."""
    wire = Wire([varint(number) for number in numbers])
    found, after = wire.varints(wire.starts)
    assert found.tolist() == numbers
    assert after.tolist() == wire.ends.tolist()


@pytest.mark.parametrize("bits", range(64))
def test_varints_at_every_width(bits):
    for number in (2**bits, 2**bits - 1):
        signed = number - 2**64 if number >= 2**63 else number
        wire = Wire([varint(number), b"\xff"])
        found, after = wire.varints(wire.starts[:1])
        assert (found.tolist(), after.tolist()) == ([signed], [len(varint(number))])


def test_fields_are_found_with_their_owner():
    """Occurrences of one field in several messages of different length."""
    one, other, empty = b"\x12\x01a\x0a\x00\x12\x02bc", b"\x0a\x01x", b""
    wire = Wire([one, empty, other, one])
    owners, starts, ends = wire.fields(wire.starts, wire.ends, 0x12, (0x0A,))
    found = sorted(
        (owner, wire.data[start:end]) for owner, start, end in zip(owners, starts, ends, strict=True)
    )
    assert found == [(0, b"a"), (0, b"bc"), (3, b"a"), (3, b"bc")]


@pytest.mark.parametrize(
    "message",
    [
        b"\x12\x05abc",
        b"\x10\x01",
        b"\x12",
        b"\x92\x01\x00",
        b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x1a\x00",
    ],
    ids=["too short", "a number", "no length", "long tag", "negative length", "unknown field"],
)
def test_other_shapes_are_declined(message):
    wire = Wire([b"\x12\x01a", message])
    with pytest.raises(UnexpectedShapeError):
        wire.fields(wire.starts, wire.ends, 0x12)


NAMES = st.text("aZé", min_size=1, max_size=LONGEST_NAME // 2)


def find(names, texts):
    """Look for texts as they stand in a message: behind a name, each after its length."""
    wire = Wire([b"x" * 16, *(bytes([len(text.encode())]) + text.encode() for text in texts)])
    starts = wire.starts[1:] + 1
    return names.find(wire, starts, wire.ends[1:] - starts, wire.words[starts]).tolist()


@settings(max_examples=200)
@given(
    st.lists(NAMES, min_size=1, max_size=25, unique=True),
    st.lists(st.text("aZé", max_size=60), max_size=10),
)
def test_names_are_told_apart_exactly(known, others):
    """Every known name is found at its index and no other text is taken for one."""
    texts = [*known, *others]
    assert find(Names(known), texts) == [known.index(text) if text in known else -1 for text in texts]


@pytest.mark.parametrize("length", range(1, LONGEST_NAME + 1))
def test_names_that_differ_in_one_byte(length):
    """Whatever the length and wherever the difference, a near miss is a miss."""
    name = "n" * length
    misses = [name[:place] + "m" + name[place + 1 :] for place in range(length)]
    assert find(Names([name]), [name, *misses, name + "n", name[:-1]]) == [0] + [-1] * (length + 2)


def test_too_long_names_are_refused():
    with pytest.raises(ValueError, match="longer than 30"):
        Names(["x" * 31])
