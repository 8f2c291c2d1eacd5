"""Differences between snapshots: signed, mirrored, and silent where nothing changed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from resources.rows import CounterChange
from studio_assets.studio_state.counters import COUNTERS
from studio_assets.studio_state.diff import compare
from tests.unit.studio_assets.studio_state.reads import DAY, READ_AT, full_read, full_reads, payload, snapshot

PATHS = [counter.path for counter in COUNTERS]
NUMBERS = st.dictionaries(st.sampled_from(PATHS), st.integers(0, 3))


def with_numbers(numbers, revision=1):
    document = payload()
    for path, value in numbers.items():
        section, _, name = path.partition(".")
        document[section][name] = value
    return snapshot(document, revision=revision)


@given(NUMBERS)
@settings(deadline=None)
def test_a_snapshot_does_not_differ_from_itself(numbers):
    one = with_numbers(numbers)
    found = compare(one, one)
    assert found.changes == ()
    assert found.sources_changed == ()


@given(NUMBERS, NUMBERS)
@settings(deadline=None)
def test_comparing_the_other_way_round_mirrors_every_change(first, second):
    """Old and new trade places and every delta changes its sign; nothing else differs."""
    a, b = with_numbers(first), with_numbers(second, revision=2)
    forth, back = compare(a, b), compare(b, a)
    assert [(c.counter, c.old, c.new) for c in forth.changes] == [
        (c.counter, c.new, c.old) for c in back.changes
    ]
    assert [c.delta for c in forth.changes] == [-c.delta for c in back.changes]
    assert all(change.delta for change in forth.changes)
    assert forth.sources_changed == back.sources_changed


def test_a_change_is_new_minus_old_and_carries_both_times():
    found = compare(with_numbers({"ops.agentOrdersOpen": 5}), with_numbers({"ops.agentOrdersOpen": 3}, 2))
    assert found.changes == (CounterChange("ops.agentOrdersOpen", old=5, new=3),)
    assert found.changes[0].delta == -2
    assert (found.from_date, found.from_revision, found.from_read_at) == (DAY, 1, READ_AT)
    assert (found.to_date, found.to_revision, found.to_read_at) == (DAY, 2, READ_AT)


def test_sources_that_changed_are_named_even_when_no_counter_moved():
    changed = payload(full_reads(kilns=full_read("kilns", content_hash="other")))
    found = compare(snapshot(), snapshot(changed, revision=2))
    assert found.changes == ()
    assert found.sources_changed == ("kilns",)


def test_the_first_snapshot_ever_has_nothing_to_differ_from():
    found = compare(None, with_numbers({"ops.agentOrdersOpen": 5}))
    assert (found.from_date, found.from_revision, found.from_read_at) == (None, None, None)
    assert found.changes == ()


def test_a_counter_an_older_schema_did_not_know_is_not_a_change():
    older = payload()
    del older["finance"]["disputesLast30Days"]
    assert compare(snapshot(older), with_numbers({"finance.disputesLast30Days": 7}, 2)).changes == ()
