"""Great Expectations decides as the rules say: on each threshold, and about the right collection."""

import re
import threading
from dataclasses import replace

import pyarrow as pa
import pytest

from resources.rows import QuarantinedDocument
from studio_assets.checks import expectations
from studio_assets.checks.expectations import judge, judge_facts, judge_rows
from studio_assets.checks.frames import fact_table, facts, has_agreed_columns, witnesses
from studio_assets.checks.rules import Check, Rule, fact_rules, row_rules
from studio_assets.contracts import catalog
from tests.unit.studio_assets.studio_state.reads import READ_AT, full_read
from tests.unit.studio_assets.studio_state.tables import table

HASH = "a" * 64
NO_IDS = pa.array([], pa.string())


def judged(name, rows, ids_of=lambda _: NO_IDS):
    return judge_rows(witnesses(name, rows, ids_of), row_rules(name))


def broken_facts(read, rows, *, schema=None):
    """Return the facts that break a rule, by column."""
    empty = table("kilns", [])
    good = facts(full_read("kilns", documents=0, content_hash=HASH), empty.schema, empty)
    found = facts(read, schema or rows.schema, rows)
    outcomes = judge_facts(fact_table({read.name: found, "kilns": good}), fact_rules(0.2))
    assert outcomes["kilns"][Check.ROWS_MATCH_CONTRACT].holds, "another collection is not to blame"
    outcome = outcomes[read.name][Check.ROWS_MATCH_CONTRACT]
    assert outcome.rules == 5
    return [words.partition(" ")[0] for words in outcome.broken]


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
        Check.ROWS_MATCH_CONTRACT: [],
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
    assert not judged("refunds", table("refunds", rows))[Check.ROWS_MATCH_CONTRACT].holds


def test_facts_of_a_good_read_keep_every_rule():
    rows = batches()
    assert broken_facts(read_of(rows), rows) == []


def test_a_document_that_stands_twice_breaks_uniqueness():
    twice = pa.concat_tables([batches(1), batches(1)])
    assert broken_facts(read_of(twice), twice) == ["duplicate_ids"]


def test_a_file_with_other_columns_breaks_the_schema():
    """Another type, order or set of columns than the contract's is another schema."""
    rows = batches()
    retyped = rows.set_column(
        3, "estimated_cost_cents", rows.column("estimated_cost_cents").cast(pa.float64())
    )
    for other in (rows.drop_columns(["state"]), rows.select(list(reversed(rows.column_names))), retyped):
        assert not has_agreed_columns(catalog.collection("batches"), other.schema)
        assert broken_facts(read_of(rows), rows, schema=other.schema) == ["has_agreed_columns"]


@pytest.mark.parametrize(("aside", "holds"), [(0, True), (1, True), (2, False)])
def test_quarantine_may_hold_up_to_its_limit(aside, holds):
    """One of five is exactly the limit of 0.2; two of six are beyond it."""
    rows = batches(4)
    quarantined = tuple(QuarantinedDocument(f"q{n}", "state", "is not text") for n in range(aside))
    found = broken_facts(read_of(rows, quarantined=quarantined), rows)
    assert found == ([] if holds else ["quarantined_ratio"])


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, []),
        ({"content_hash": None}, ["has_hash"]),
        ({"content_hash": "abc"}, ["has_hash"]),
        ({"documents": 3}, ["missing_rows"]),
        ({"documents": 1}, ["missing_rows"]),
    ],
)
def test_provenance_needs_a_hash_and_a_file_that_agrees(changes, broken):
    rows = batches()
    assert broken_facts(replace(read_of(rows), **changes), rows) == broken


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


def test_a_rule_that_cannot_be_evaluated_does_not_hold():
    """A column that is not there breaks its own rule, in words, and no other."""
    rules = [
        Rule("columns", "expect_column_values_to_not_be_null", {"column": "absent"}),
        Rule("values", "expect_column_values_to_be_between", {"column": "number", "min_value": 0}),
    ]
    outcomes = judge_rows(pa.table({"number": [1, 2]}), rules)
    assert outcomes["columns"].broken == ["absent should not be null: the rule could not be evaluated"]
    assert outcomes["values"].holds


def test_the_same_rows_are_judged_once(monkeypatch):
    """Another value, another type, another order or another rule is another question."""
    asked, really = [], expectations._Suite.judge
    monkeypatch.setattr(expectations, "_JUDGED", {})
    monkeypatch.setattr(expectations._Suite, "judge", lambda *told: asked.append(told) or really(*told))
    rules = [Rule("values", "expect_column_values_to_be_between", {"column": "number", "min_value": 0})]
    first = judge(pa.table({"number": [1, 2]}), rules)
    assert judge(pa.table({"number": pa.chunked_array([[1], [2]])}), rules) == first
    assert len(asked) == 1
    for times, (rows, more, holds) in enumerate(
        [
            (pa.table({"number": [1, -2]}), rules, False),
            (pa.table({"number": [-2, 1]}), rules, False),
            (pa.table({"number": [1.0, 2.0]}), rules, True),
            (pa.table({"number": [1, None]}), rules, True),
            (
                pa.table({"number": [1, 2]}),
                [replace(rules[0], arguments={**rules[0].arguments, "min_value": 2})],
                False,
            ),
        ],
        start=2,
    ):
        assert [verdict.holds for verdict in judge(rows, more)] == [holds]
        assert len(asked) == times


def test_what_could_not_be_evaluated_is_asked_again_and_little_is_remembered(monkeypatch):
    """An outage is no verdict; and a process that lives for months does not grow by its checks."""
    monkeypatch.setattr(expectations, "_JUDGED", {})
    monkeypatch.setattr(expectations, "REMEMBERED", 3)
    absent = [Rule("columns", "expect_column_values_to_not_be_null", {"column": "absent"})]
    judge(pa.table({"number": [1]}), absent)
    assert not expectations._JUDGED
    present = [Rule("columns", "expect_column_values_to_not_be_null", {"column": "number"})]
    for number in range(5):
        judge(pa.table({"number": [number]}), present)
    assert len(expectations._JUDGED) == 3


def test_two_threads_forget_at_once(monkeypatch):
    """Neither meets what the other is in the middle of; both remember."""
    forgotten_or_waiting, over = threading.Event(), threading.Event()

    class Memory(dict):
        def __iter__(self):
            oldest = super().__iter__()
            if other.ident is None:
                other.start()
                forgotten_or_waiting.wait(60)
            return oldest

        def pop(self, *key):
            popped = super().pop(*key)
            if threading.current_thread() is other:
                forgotten_or_waiting.set()
                over.wait(60)
            return popped

    class Lock:
        def __init__(self):
            self._lock = threading.Lock()

        def __enter__(self):
            if not self._lock.acquire(blocking=False):
                forgotten_or_waiting.set()
                self._lock.acquire()

        def __exit__(self, *_):
            self._lock.release()

    rules = [Rule("columns", "expect_column_values_to_not_be_null", {"column": "number"})]
    other = threading.Thread(target=judge, args=(pa.table({"number": [2]}), rules))
    memory = Memory()
    monkeypatch.setattr(expectations, "_JUDGED", memory)
    monkeypatch.setattr(expectations, "_REMEMBERING", Lock(), raising=False)
    monkeypatch.setattr(expectations, "REMEMBERED", 2)
    for number in (0, 1):
        judge(pa.table({"number": [number]}), rules)
    try:
        judge(pa.table({"number": [3]}), rules)
    finally:
        over.set()
        other.join()
    assert len(memory) == 2


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("community_reports", [{"status": "free words", "severity": "high"}, {"status": "open"}, {}]),
        ("refunds", [{"amount_cents": -5, "currency": "USD", "created_at": READ_AT}, {"amount_cents": None}]),
        ("batches", [{"state": "LOADED", "estimated_cost_cents": -1}, {"is_closed": None}] * 20),
    ],
)
def test_prepared_suites_decide_as_great_expectations_does_when_asked_in_the_usual_way(
    name, rows, monkeypatch
):
    """Context, batch, suite, validate: rule by rule the same answer and the same number of rows."""
    import great_expectations as gx
    from great_expectations.expectations.registry import get_expectation_impl

    looked_at, rules = witnesses(name, table(name, rows), lambda _: NO_IDS), row_rules(name)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("reads").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": looked_at.to_pandas()})
    suite = [
        get_expectation_impl(rule.expectation)(**rule.arguments, meta={"rule": number})
        for number, rule in enumerate(rules)
    ]
    usual = {
        result.expectation_config.meta["rule"]: (result.success, result.result["unexpected_count"])
        for result in batch.validate(gx.ExpectationSuite("rules", suite), result_format="BASIC").results
    }
    monkeypatch.setattr(expectations, "_JUDGED", {})
    ours = {number: (one.holds, one.unexpected) for number, one in enumerate(judge(looked_at, rules))}
    assert ours == usual
    assert {holds for holds, _ in ours.values()} == {True, False}
