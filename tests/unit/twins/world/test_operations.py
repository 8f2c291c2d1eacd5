"""Promises of writes, folding and slots."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twins.world.operations import (
    REMOVED,
    SLOT,
    DocumentWrite,
    WriteKind,
    apply_write,
    fold,
    slot_of,
    within_slot,
)

NAMES = st.sampled_from("abc")
VALUES = st.one_of(st.integers(0, 9), st.dictionaries(NAMES, st.integers(0, 9), max_size=2))
FIELD_PATHS = st.one_of(NAMES, st.builds("{}.{}".format, NAMES, NAMES))
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=3)


def _no_overlap(changes):
    """Firestore refuses one update that names both a map and a field inside it."""
    return not any(other.startswith(f"{name}.") for name in changes for other in changes)


CHANGES = st.dictionaries(FIELD_PATHS, st.one_of(VALUES, st.just(REMOVED)), min_size=1, max_size=3).filter(
    _no_overlap
)


@st.composite
def write_sequences(draw):
    """Return writes to one document that is there, each of them legal when its turn comes."""
    writes, exists = [], True
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(WriteKind)) if exists else WriteKind.SET
        data = draw({WriteKind.SET: DOCUMENTS, WriteKind.UPDATE: CHANGES}.get(kind, st.just({})))
        writes.append(DocumentWrite("x/1", kind, data))
        exists = kind is not WriteKind.DELETE
    return writes


@given(DOCUMENTS, write_sequences())
def test_folded_writes_have_the_effect_of_the_writes(start, writes):
    """One write per document is left, one that Firestore accepts, and it ends in the same document."""
    one_by_one, at_once = {"x/1": start}, {"x/1": start}
    for write in writes:
        apply_write(one_by_one, write)
    folded = fold(writes)
    assert len(folded) == 1
    if folded[0].kind is WriteKind.UPDATE:
        assert _no_overlap(folded[0].data)
    apply_write(at_once, folded[0])
    assert at_once == one_by_one


def test_writes_never_change_a_document_in_place():
    """A document taken out before a write still shows what was there then."""
    documents = {"x/1": {"a": {"b": 1}}}
    before = dict(documents)
    apply_write(documents, DocumentWrite("x/1", WriteKind.UPDATE, {"a.b": 2, "c": 3}))
    assert before == {"x/1": {"a": {"b": 1}}}
    assert documents == {"x/1": {"a": {"b": 2}, "c": 3}}


def test_an_update_needs_its_document():
    """Updating what is not there is an error of the plan, as it would be one at Firestore."""
    with pytest.raises(KeyError):
        apply_write({}, DocumentWrite("x/1", WriteKind.UPDATE, {"a": 1}))


INSTANTS = st.integers(0, 6 * 366 * 86_400_000_000).map(
    lambda micros: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
)


@given(INSTANTS)
def test_a_slot_becomes_visible_just_before_its_end(instant):
    """What happens in a slot is visible within it and at most a slot later, never in the next day."""
    visible = slot_of(instant)
    assert instant - timedelta(seconds=1) <= visible <= instant + SLOT
    assert (visible + timedelta(seconds=1) - datetime(1970, 1, 1, tzinfo=UTC)) % SLOT == timedelta(0)
    assert within_slot(instant) <= visible
    assert slot_of(within_slot(instant)) == visible
