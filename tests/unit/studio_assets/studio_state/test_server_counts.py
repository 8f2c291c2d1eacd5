"""The questions put to the source mean the same as the counters, under Firestore's rules for comparing."""

import operator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio_assets.contracts import catalog
from studio_assets.contracts.model import Kind
from studio_assets.studio_state.counters import COUNTERS, count_state
from studio_assets.studio_state.server_counts import spellings
from tests.unit.studio_assets.studio_state.tables import studio, table

AS_OF = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
COMPARABLE = [counter for counter in COUNTERS if counter.question]
DISJUNCTIONS_AT_MOST = 30  # Firestore's own limit, after multiplying out every "in"
ORDERING = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def matches(document, where):
    """Answer one condition as Firestore does: absent and null never match, and types do not mix."""
    value = document.get(where.field_path)
    if value is None:
        return False
    if where.operator == "in":
        return value in where.value
    if where.operator == "==":
        return value == where.value
    return isinstance(value, type(where.value)) and ORDERING[where.operator](value, where.value)


def answer(question, documents):
    return sum(
        q.sign * sum(all(matches(d, w) for w in q.where) for d in documents[q.collection]) for q in question
    )


def _value(column):
    if column.kind is Kind.ENUM:
        return st.none() | st.sampled_from([*column.values, *(alias for alias, _ in column.aliases)])
    if column.kind is Kind.INSTANT:
        moved = [AS_OF + timedelta(microseconds=n) for n in (-1, 0, 1)]
        return st.none() | st.sampled_from(moved)
    return st.none() | st.booleans() if column.kind is Kind.BOOLEAN else st.none()


def _rows(counter):
    (name,) = counter.sources
    contract = catalog.collection(name)
    columns = {path.partition(".")[2] for path in counter.columns}
    row = {column.name: _value(column) for column in contract.columns if column.name in columns}
    return st.lists(st.fixed_dictionaries(row), max_size=6)


@pytest.mark.parametrize("counter", COMPARABLE, ids=lambda counter: counter.path)
@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_source_is_asked_exactly_what_is_counted(counter, data):
    """For every known word, missing value and instant on the edge, question and counter agree."""
    (name,) = counter.sources
    rows = data.draw(_rows(counter))
    paths = {column.name: column.path for column in catalog.collection(name).columns}
    documents = {name: [{paths[key]: value for key, value in row.items()} for row in rows]}
    counted = counter.count({name: table(name, rows)}, _moment())
    assert answer(counter.question(AS_OF), documents) == counted


def _moment():
    from studio_assets.studio_state.predicates import Moment

    return Moment(AS_OF, "America/Phoenix")


@pytest.mark.parametrize("counter", COMPARABLE, ids=lambda counter: counter.path)
def test_questions_stay_within_what_firestore_answers(counter):
    """Multiplied out, no query has more than 30 disjunctions; ranges beside others name their index."""
    for query in counter.question(AS_OF):
        size = 1
        for where in query.where:
            size *= len(where.value) if where.operator == "in" else 1
        assert size <= DISJUNCTIONS_AT_MOST
        if len(query.where) > 1 and any(where.operator in ORDERING for where in query.where):
            assert counter.index


def test_spellings_are_the_two_the_cloud_writes():
    assert spellings(["Open", "new"]) == ("NEW", "OPEN", "new", "open")


def test_documents_the_source_cannot_spell_still_count_here():
    """A status in mixed case is counted by us and missed by the source: that is what drift reports."""
    rows = {"community_reports": [{"status": "Open"}]}
    ours = count_state(studio(**rows), AS_OF, "America/Phoenix").flat()["counts.reportsOpen"]
    (counter,) = [c for c in COMPARABLE if c.path == "counts.reportsOpen"]
    assert (ours, answer(counter.question(AS_OF), rows)) == (1, 0)
