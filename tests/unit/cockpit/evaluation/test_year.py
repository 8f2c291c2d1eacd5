"""Promises of the simulated year: the same every time, built step by step, calm where it is asked to be."""

import itertools
from datetime import timedelta

import pytest

from cockpit.cli.evaluation.year import simulate
from studio_assets.cloud_truth.rows import RowReader
from studio_assets.contracts import catalog
from twins.world.truth import Truth

DAYS = 16


@pytest.fixture(scope="module")
def days():
    """Return the days of a short world."""
    return list(simulate(3, DAYS))


def test_the_same_seed_gives_the_same_days(days):
    """Tables and counters repeat; another seed gives others."""
    again = list(simulate(3, DAYS))
    assert [(day.day, day.as_of, day.counters) for day in again] == [
        (day.day, day.as_of, day.counters) for day in days
    ]
    assert all(
        one.tables[name].equals(other.tables[name])
        for one, other in zip(days, again, strict=True)
        for name in one.tables
    )
    assert [day.counters for day in simulate(4, DAYS)] != [day.counters for day in days]


def test_days_built_on_one_another_are_what_a_whole_read_gives(days):
    """After two weeks of changes laid over changes, every table is that of the recounted documents."""
    last = days[-1]
    truth = Truth(simulate(3, 1).settings, last.as_of)
    for contract in catalog.FIRESTORE:
        documents = dict(sorted(truth.collection(contract.path, last.as_of).items()))
        rows = RowReader(contract).read(list(documents), list(documents.values()))
        assert last.tables[contract.name].to_pylist() == rows.to_pylist()


def test_a_day_ends_where_the_next_begins(days):
    """One day after another, none left out, each as of its own end."""
    for before, after in itertools.pairwise(days):
        assert after.day - before.day == timedelta(days=1)
        assert after.as_of - before.as_of == timedelta(days=1)


def test_a_day_that_is_kept_stays_as_it_was(days):
    """Later days do not change tables handed out before."""
    first = next(simulate(3, DAYS))
    assert all(first.tables[name].equals(days[0].tables[name]) for name in first.tables)


def test_only_the_wanted_tables_are_built():
    """Counters whose sources were not asked for are left out, not zero."""
    day = next(simulate(3, 1, only=("batches", "charges")))
    assert set(day.tables) == {"batches", "charges"}
    assert day.counters == {
        name: number for name, number in next(simulate(3, 1)).counters.items() if "batches" in name
    }
    with pytest.raises(KeyError, match="no contract is called 'mugs'"):
        simulate(3, 1, only=("mugs",))


def test_labels_reach_as_far_as_the_days_handed_out():
    """Before the first day there are none; they grow with the days; a calm world has none."""
    year = simulate(3, DAYS)
    assert year.labels == []
    for day in year:
        assert all(label.started_at <= day.as_of for label in year.labels)
    assert {label.origin for label in year.labels} == {"incident", "quirk"}
    calm = simulate(3, DAYS, has_incidents=False)
    assert len(list(calm)) == DAYS
    assert calm.labels == []
