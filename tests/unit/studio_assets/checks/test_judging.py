"""Great Expectations decides as the rules say: on each threshold, and about the right collection."""

import re
from datetime import timedelta

import pyarrow as pa
import pytest

from resources.rows import QuarantinedDocument
from studio_assets.checks.expectations import judge_facts, judge_rows
from studio_assets.checks.frames import fact_table, facts, has_agreed_columns, witnesses
from studio_assets.checks.rules import Check, fact_rules, row_rules
from studio_assets.contracts import catalog
from tests.unit.studio_assets.studio_state.reads import READ_AT, full_read
from tests.unit.studio_assets.studio_state.tables import table

HASH = "a" * 64
NO_IDS = pa.array([], pa.string())


def judged(name, rows, ids_of=lambda _: NO_IDS):
    return judge_rows(witnesses(name, rows, ids_of), row_rules(name))


def fact_outcome(read, rows, *, now=None, schema=None):
    rules = fact_rules(0.2, 60)
    found = facts(read, schema or rows.schema, rows, now)
    good = facts(
        full_read("kilns", documents=0, content_hash=HASH),
        table("kilns", []).schema,
        table("kilns", []),
        None,
    )
    outcomes = judge_facts(fact_table({read.name: found, "kilns": good}), rules)
    assert all(outcome.holds for outcome in outcomes["kilns"].values()), "another collection is not to blame"
    return {check: outcome.holds for check, outcome in outcomes[read.name].items()}


def batches(count=2, **first):
    rows = [{"state": "LOADED", "estimated_cost_cents": 5, "is_closed": False} for _ in range(count)]
    if rows:
        rows[0] |= first
    return table("batches", rows)


def read_of(rows, **changes):
    return full_read("batches", documents=rows.num_rows, content_hash=HASH, **changes)


def test_good_rows_keep_every_rule():
    outcomes = judged("batches", batches())
    assert {check: outcome.broken for check, outcome in outcomes.items()} == {
        Check.COLUMNS_MATCH_CONTRACT: [],
        Check.VALUES_ARE_AS_AGREED: [],
    }


def test_an_empty_collection_keeps_every_rule():
    for contract in catalog.ALL:
        outcomes = judged(contract.name, table(contract.name, []))
        assert all(outcome.holds for outcome in outcomes.values())
        assert sum(outcome.rules for outcome in outcomes.values()) == len(row_rules(contract.name))


@pytest.mark.parametrize(("cents", "holds"), [(-1, False), (0, True), (1, True), (None, True)])
def test_a_range_holds_on_its_end_and_breaks_below(cents, holds):
    """Absurd amounts never get past the reader; should one, the check sees it."""
    outcome = judged("batches", batches(estimated_cost_cents=cents))[Check.VALUES_ARE_AS_AGREED]
    assert outcome.holds is holds


@pytest.mark.parametrize(("unknown", "holds"), [(0, True), (1, True), (2, False)])
def test_unknown_words_are_tolerated_up_to_a_tenth(unknown, holds):
    rows = [{"status": "free words" if n < unknown else "open"} for n in range(10)]
    outcome = judged("community_reports", table("community_reports", rows))[Check.VALUES_ARE_AS_AGREED]
    assert outcome.holds is holds
    assert "free words" not in " ".join(outcome.broken)


@pytest.mark.parametrize(("lost", "holds"), [(0, True), (1, True), (2, False)])
def test_references_must_mostly_resolve(lost, holds):
    """A missing reference is null and not asked about; a dangling one is counted."""
    rows = [{"event_id": "gone" if n < lost else "e1"} for n in range(10)] + [{"event_id": None}] * 5
    outcomes = judged("event_signups", table("event_signups", rows), lambda _: pa.array(["e1"]))
    assert outcomes[Check.REFERENCES_RESOLVE].holds is holds


def test_a_required_column_with_a_gap_breaks_the_schema():
    rows = [
        {"amount_cents": 1, "currency": "USD", "created_at": READ_AT},
        {"amount_cents": None},
    ]
    assert not judged("refunds", table("refunds", rows))[Check.COLUMNS_MATCH_CONTRACT].holds


def test_facts_of_a_good_read_keep_every_rule():
    rows = batches()
    assert all(fact_outcome(read_of(rows), rows).values())


def test_a_document_that_stands_twice_breaks_uniqueness():
    twice = pa.concat_tables([batches(1), batches(1)])
    found = fact_outcome(read_of(twice), twice)
    assert [check for check, holds in found.items() if not holds] == [Check.IDS_ARE_UNIQUE]


def test_a_file_with_other_columns_breaks_the_schema():
    """Another type, order or set of columns than the contract's is another schema."""
    rows = batches()
    retyped = rows.set_column(
        3, "estimated_cost_cents", rows.column("estimated_cost_cents").cast(pa.float64())
    )
    for other in (rows.drop_columns(["state"]), rows.select(list(reversed(rows.column_names))), retyped):
        assert not has_agreed_columns(catalog.collection("batches"), other.schema)
        found = fact_outcome(read_of(rows), rows, schema=other.schema)
        assert [check for check, holds in found.items() if not holds] == [Check.COLUMNS_MATCH_CONTRACT]


@pytest.mark.parametrize(("aside", "holds"), [(0, True), (1, True), (2, False)])
def test_quarantine_may_hold_up_to_its_limit(aside, holds):
    """One of five is exactly the limit of 0.2; two of six are beyond it."""
    rows = batches(4)
    quarantined = tuple(QuarantinedDocument(f"q{n}", "state", "is not text") for n in range(aside))
    assert fact_outcome(read_of(rows, quarantined=quarantined), rows)[Check.QUARANTINE_IS_SMALL] is holds


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({}, True),
        ({"content_hash": None}, False),
        ({"content_hash": "abc"}, False),
        ({"documents": 3}, False),
    ],
)
def test_provenance_needs_a_hash_and_a_file_that_agrees(changes, holds):
    from dataclasses import replace

    rows = batches()
    assert fact_outcome(replace(read_of(rows), **changes), rows)[Check.PROVENANCE_IS_STATED] is holds


@pytest.mark.parametrize(("minutes", "holds"), [(59, True), (60, True), (61, False)])
def test_a_read_is_fresh_up_to_its_limit(minutes, holds):
    rows = batches()
    now = READ_AT + timedelta(minutes=minutes)
    assert fact_outcome(read_of(rows), rows, now=now)[Check.READ_IS_FRESH] is holds


def test_a_read_of_a_past_day_is_as_old_as_it_is():
    rows = batches()
    assert fact_outcome(read_of(rows), rows, now=None)[Check.READ_IS_FRESH]


def test_large_tables_are_reduced_without_losing_what_breaks_a_range():
    """Of 100,000 rows a bounded sample is judged, and the one absurd amount is in it."""
    rows = batches(100_000)
    amounts = rows.column("estimated_cost_cents").to_pylist()
    amounts[54_321] = -1
    rows = rows.set_column(3, rows.schema.field("estimated_cost_cents"), pa.array(amounts, pa.int64()))
    chosen = witnesses("batches", rows, lambda _: NO_IDS, at_most=1000)
    assert chosen.num_rows <= 1100
    outcome = judge_rows(chosen, row_rules("batches"))[Check.VALUES_ARE_AS_AGREED]
    assert not outcome.holds
    assert re.search(r"estimated_cost_cents should be between: 1 of \d+ rows do not", outcome.broken[0])
