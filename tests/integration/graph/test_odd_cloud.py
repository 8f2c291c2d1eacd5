"""A cloud with odd things in it: nothing crashes a run, nothing is lost without being counted."""

from datetime import UTC, datetime

import pytest

from tests.integration.graph.pretend_studio import PretendStudio

pytestmark = pytest.mark.integration


@pytest.fixture
def bare(history, tmp_path, instance):
    """Return a studio in whose cloud nothing was ever written."""
    made = PretendStudio(history, tmp_path, instance)
    try:
        yield made
    finally:
        made.close()


def test_an_empty_studio_has_a_state_of_zeros(bare):
    """Nothing in the cloud is a state like any other: zero counters, and no change when read again."""
    first, again = bare.run(), bare.run(mode="incremental")
    assert (first.errors, again.errors) == ((), ())
    assert set(first.snapshot["counts"].values()) == {0}
    assert (again.is_new, again.content_hash) == (False, first.content_hash)


ODD = [
    {"text": "x"},
    ["a", 1],
    float("nan"),
    float("inf"),
    -1,
    10**18,
    "y" * 1_000_000,
    "nul\x00inside",
    "2026-03-01T00:00:00+23:59",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    datetime(9999, 12, 31, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=UTC),
    b"\xff\xfe",
    True,
    None,
    "",
    {"seconds": 2**62, "nanoseconds": 5},
    {"seconds": "1"},
]


@pytest.mark.parametrize("field", ["state", "updatedAt", "estimatedCostCents", "isClosed", "ownerUid"])
def test_any_value_in_any_field_is_tolerated_or_set_aside(studio, field):
    """Every document is in the rows or in quarantine, whatever its fields hold; the run never crashes."""
    for number, value in enumerate(ODD):
        studio.put_bare("batches", f"odd{number:02}", **{"updatedAt": studio.clock.now(), field: value})
    studio.put_bare("batches", "é\U0001f3fa", **{field: {"a": 1}})
    run = studio.run()
    read = run.sources["batches"]
    assert read.reason is None, read.reason
    assert read.documents + len(read.quarantined) == read.expected_documents
    studio.clock.advance(minutes=1)
    studio.put("batches", "b000", state="LOADED")
    changed = studio.run(mode="incremental").sources["batches"]
    assert changed.reason is None, changed.reason
    studio.clock.advance(minutes=1)
    assert studio.run().sources["batches"].content_hash == changed.content_hash


def test_any_document_id_is_read_and_may_be_set_aside(studio):
    """Ids that are numbers, hold NUL or come before letters: all are read, whole and by changes alike."""
    for document_id in ("nul\x00id", "__id7__", "__id10__", "__id-5__", "A", "~", "\U0001f3fa"):
        studio.put("batches", document_id, state={"a": 1} if "7" in document_id else "LOADED")
    studio.put_bare("kilns", "nul\x00id", status={"a": 1})
    read = studio.run().sources["batches"]
    assert read.reason is None, read.reason
    assert [aside.document_id for aside in read.quarantined] == ["__id7__"]
    studio.clock.advance(minutes=20)
    studio.put("batches", "B", state="LOADED")
    changed = studio.run(mode="incremental").sources["batches"]
    assert changed.warnings["read whole: some document ids are numbers"] == 1
    assert (changed.documents, changed.expected_documents) == (read.documents + 1, read.documents + 2)
    assert studio.run().sources["batches"].content_hash == changed.content_hash
