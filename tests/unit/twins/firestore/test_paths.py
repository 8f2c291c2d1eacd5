import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.twins.firestore.strategies import IDS, NAMES, PATIENT
from twins.firestore.errors import RefusedError
from twins.firestore.paths import (
    check_collection_id,
    check_document_name,
    check_parent,
    document_name,
    order_id,
    order_name,
    parse_field_path,
    write_field_path,
)

ROOT = "projects/p/databases/(default)/documents"


@PATIENT
@given(st.lists(NAMES, min_size=1, max_size=4))
def test_a_written_field_path_reads_back(parts):
    """Any field name survives being written as a path, whatever characters it has."""
    assert parse_field_path(write_field_path(tuple(parts))) == tuple(parts)


@pytest.mark.parametrize("text", ["", "a..b", ".a", "a.", "1a", "a-b", "`a", "``", "a b", "é", "a[0]", "a\n"])
def test_a_malformed_field_path_is_refused(text):
    """What the service cannot read is refused, never guessed."""
    with pytest.raises(RefusedError):
        parse_field_path(text)


@PATIENT
@given(st.lists(IDS, min_size=2, max_size=8))
def test_ids_sort_by_their_bytes(ids):
    """Plain ids are in the order of their UTF-8 bytes."""
    assert sorted(ids, key=order_id) == sorted(ids, key=str.encode)


def test_numbered_ids_come_first_and_by_number():
    """Numbered ids sort as numbers, before every other id; a leading zero makes an ordinary id."""
    ids = ["__id10__", "!", "__id9__", "__id-1__", "__id09__", "__id__"]
    assert sorted(ids, key=order_id) == ["__id-1__", "__id9__", "__id10__", "!", "__id09__", "__id__"]


def test_a_parent_sorts_before_what_is_below_it():
    """Names sort segment by segment, so ``a/b`` comes before ``a/b/c/d`` and that before ``a/b!``."""
    names = [f"{ROOT}/a/b!", f"{ROOT}/a/b/c/d", f"{ROOT}/a/b"]
    assert sorted(names, key=order_name) == [names[2], names[1], names[0]]


@pytest.mark.parametrize("path", ["a/b", "a/b/c/d", "a/__id7__", "a/" + "x" * 1500])
def test_a_full_name_is_accepted(path):
    check_document_name(document_name("p", path))
    check_parent(document_name("p", path))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x",
        ROOT,
        f"{ROOT}/a",
        f"{ROOT}/a/b/c",
        f"{ROOT}/a/",
        f"{ROOT}//b",
        f"{ROOT}/a/.",
        f"{ROOT}/__a__/b",
        f"{ROOT}/a/__b__",
        f"{ROOT}/a/" + "é" * 751,
        "projects//databases/d/documents/a/b",
        "project/p/databases/d/documents/a/b",
    ],
)
def test_what_is_not_a_document_name_is_refused(name):
    with pytest.raises(RefusedError):
        check_document_name(name)


def test_a_parent_is_the_root_or_a_document():
    check_parent(ROOT)
    with pytest.raises(RefusedError):
        check_parent(f"{ROOT}/a")
    with pytest.raises(RefusedError):
        check_collection_id("a/b")
    with pytest.raises(RefusedError):
        check_collection_id("__a__")
    check_collection_id("a")
