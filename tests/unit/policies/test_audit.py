"""The bytes of an entry: one canonical text for a value, and nothing that readers could disagree on."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from hashlib import sha256
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.actors import Actor, ActorKind, system_actor
from policies.audit import (
    GENESIS,
    MOST_PAYLOAD_BYTES,
    NotCanonicalError,
    canonical,
    entry_bytes,
    entry_hash,
    payload_of,
    text_hash,
)
from policies.audit_entries import columns_of, is_canonical
from policies.ports import AuditDraft

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))
KEYS = st.text(st.characters(min_codepoint=1, max_codepoint=127))
WHOLE = st.integers(-(2**53) + 1, 2**53 - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | WHOLE | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


class Colour(StrEnum):
    RED = "red"


class Shout(str):
    """Text that says itself louder than it is."""

    __slots__ = ()

    def __str__(self):
        return self.upper()


def draft(**more):
    values = {
        "name": "proposal:firestore.ops_note.append:approved",
        "at": datetime(2026, 11, 21, 15, tzinfo=UTC),
        "actor": Actor(ActorKind.AGENT, "client-1", "monsoonfire", owner_id="uid-1"),
        "subject_kind": "proposal",
        "subject_id": "prp_1",
        "state": "approved",
        "details": {},
    }
    return AuditDraft(**(values | more))


@given(VALUES)
def test_canonical_is_what_json_says(value):
    """The text equals the standard library's with sorted keys and no whitespace, and reads back equal."""
    text = canonical(value)
    assert text == json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert json.loads(text) == value
    assert is_canonical(text)


ODD = st.recursive(
    st.sampled_from([Colour.RED, "\0", "a\0", 2**53, 0.5, b"", Shout("hey")]) | WHOLE | st.text() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "b", "é", "a\0", 1, Colour.RED, Shout("b")]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


def spelt(value):
    """Write a value down as the rules say it, one rule after the other."""
    if isinstance(value, dict):
        if any(not isinstance(name, str) or not name.isascii() or "\0" in name for name in value):
            raise NotCanonicalError
        items = {str.__str__(name): item for name, item in value.items()}
        return "{" + ",".join(f"{json.dumps(name)}:{spelt(items[name])}" for name in sorted(items)) + "}"
    if isinstance(value, list):
        return f"[{','.join(map(spelt, value))}]"
    if isinstance(value, float | bytes) or (isinstance(value, int) and abs(value) >= 2**53):
        raise NotCanonicalError
    if isinstance(value, str):
        if "\0" in value:
            raise NotCanonicalError
        value = str.__str__(value)
    return json.dumps(value, ensure_ascii=False)


@given(ODD)
def test_odd_values_are_written_or_refused_as_the_rules_say(value):
    """Text of other kinds, names that are no ASCII, NUL, halves of characters: never another result."""
    try:
        wanted = spelt(value)
    except NotCanonicalError:
        with pytest.raises(NotCanonicalError):
            canonical(value)
    else:
        assert canonical(value) == wanted


@given(st.dictionaries(KEYS, WHOLE, max_size=6), st.randoms())
def test_order_of_keys_does_not_matter(value, random):
    """The same mapping gives the same bytes whatever order it was made in."""
    items = list(value.items())
    random.shuffle(items)
    assert canonical(dict(items)) == canonical(value)


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        float("inf"),
        2**53,
        -(2**53),
        {1: 2},
        {"é": 1},
        {"a\0": 1},
        {None: 1},
        "a\0b",
        "\ud800",
        b"bytes",
        datetime(2026, 1, 1, tzinfo=UTC),
        object(),
        {1, 2},
        {"a": {"b": [0.5]}},
    ],
)
def test_what_has_no_canonical_form_is_refused(value):
    """Floats, large integers, odd keys, NUL, lone surrogates and foreign types are refused, also inside."""
    for wrapped in (value, [value], {"a": (value,)}):
        with pytest.raises(NotCanonicalError):
            canonical(wrapped)


def test_deep_values_are_refused_not_followed():
    """A value nested beyond measure, or that holds itself, is refused with our own error."""
    endless = []
    endless.append(endless)
    with pytest.raises(NotCanonicalError, match="nested"):
        canonical(endless)


def test_enums_and_tuples():
    """A string enum is its text, a tuple a list."""
    assert canonical({"a": (Colour.RED, True, None)}) == '{"a":["red",true,null]}'


def test_payload():
    """A payload is exactly these bytes: changing them breaks every log that exists."""
    assert payload_of(draft(details={"version": 2}), "monsoonfire") == (
        '{"actor":{"id":"client-1","kind":"agent","owner":"uid-1"},"at":"2026-11-21T15:00:00.000000Z",'
        '"details":{"version":2},"name":"proposal:firestore.ops_note.append:approved","state":"approved",'
        '"studio":"monsoonfire","subject":{"id":"prp_1","kind":"proposal"},"v":1}'
    )
    phoenix = draft(at=datetime(2026, 11, 21, 8, tzinfo=timezone(timedelta(hours=-7))))
    assert payload_of(phoenix, "m") == payload_of(draft(), "m")
    assert columns_of(payload_of(draft(), "m"))[1:5] == (
        "2026-11-21T15:00:00.000000Z",
        "client-1",
        "agent",
        "uid-1",
    )


@pytest.mark.parametrize(
    ("at", "written"),
    [
        (datetime(999, 1, 2, 3, 4, 5, tzinfo=UTC), "0999-01-02T03:04:05.000000Z"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(0), "GMT")), "0001-01-01T00:00:00.000000Z"),
        (datetime(2026, 3, 29, 3, 0, 0, 5, tzinfo=ZoneInfo("Europe/Berlin")), "2026-03-29T01:00:00.000005Z"),
        (datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")), "2026-01-01T00:00:00.000000Z"),
        (datetime(2026, 1, 1, tzinfo=timezone(timedelta(seconds=1))), "2025-12-31T23:59:59.000000Z"),
    ],
)
def test_instants_are_written_in_one_form(at, written):
    assert f'"at":"{written}"' in payload_of(draft(at=at), "m")


ANYTHING = st.one_of(
    st.text(st.characters(), max_size=5),
    st.sampled_from(["a\0", "\\u0000", "\ud800", Colour.RED, Shout("a"), Shout("\0"), "é" * 9000]),
    st.sampled_from([None, True, 7, 2**53, 0.5, b"a", datetime(2026, 1, 1, tzinfo=UTC), ["a"], {"b": "c"}]),
    st.uuids(),
)


@given(ANYTHING, st.sampled_from(["name", "subject_kind", "subject_id", "state", "actor", "owner", "studio"]))
def test_a_payload_is_the_canonical_text_of_what_it_says(given_, place):
    """Also of what is no text although it ought to be: JSON has a form for much that is refused here."""
    said = draft(details={"version": 2})
    if place in {"actor", "owner"}:
        changes = {"actor_id" if place == "actor" else "owner_id": given_}
        said = replace(said, actor=replace(said.actor, **changes))
    elif place != "studio":
        said = replace(said, **{place: given_})
    studio_id = given_ if place == "studio" else "m"
    words = {
        "actor": {"id": said.actor.actor_id, "kind": "agent", "owner": said.actor.owner_id},
        "at": "2026-11-21T15:00:00.000000Z",
        "details": {"version": 2},
        "name": said.name,
        "state": said.state,
        "studio": studio_id,
        "subject": {"id": said.subject_id, "kind": said.subject_kind},
        "v": 1,
    }
    try:
        expected = canonical(words)
    except NotCanonicalError:
        expected = None
    if expected is None or len(expected.encode()) > MOST_PAYLOAD_BYTES:
        with pytest.raises(NotCanonicalError):
            payload_of(said, studio_id)
    else:
        assert payload_of(said, studio_id) == expected


def test_payload_limits():
    """An instant without zone and an event with contents instead of hashes are refused."""
    with pytest.raises(NotCanonicalError, match="time zone"):
        payload_of(draft(at=datetime(2026, 1, 1)), "m")  # noqa: DTZ001 - that is the point
    with pytest.raises(NotCanonicalError, match="larger"):
        payload_of(draft(details={"words": "x" * MOST_PAYLOAD_BYTES}), "m")
    with pytest.raises(NotCanonicalError, match="larger"):
        payload_of(draft(details={"words": "é" * (MOST_PAYLOAD_BYTES // 2)}), "m")
    payload_of(draft(actor=system_actor("executor", "m"), details={"words": "x" * 15_000}), "m")


def test_entry():
    """An entry is number, previous hash and payload; its hash is the RFC 6962 leaf hash of those bytes."""
    assert entry_bytes(1, GENESIS, "{}") == b"1\n" + b"0" * 64 + b"\n{}"
    assert entry_hash(1, GENESIS, "{}") == sha256(b"\0" + b"1\n" + b"0" * 64 + b"\n{}").hexdigest()


def test_any_text_has_a_hash():
    """Free text is told by its hash, whatever is in it."""
    assert text_hash("") == sha256(b"").hexdigest()
    assert len({text_hash(text) for text in ("a\0", "\ud800", "a", "\ufffd")}) == 4
