"""Running rules with Great Expectations. The library is imported here, when first needed, and nowhere else.

Its import costs seconds and hundreds of megabytes, so processes that check nothing never pay for it. Results
carry counts only: an unexpected value may be something a member wrote.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pyarrow as pa

from studio_assets.checks.rules import Check, Rule


@dataclass(slots=True)
class Outcome:
    """How a check went: it holds while ``broken`` is empty. ``broken`` names rules, never values."""

    rules: int = 0
    broken: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether every rule held."""
        return not self.broken


@cache
def _engine() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old habits of its own imports, not ours
        import great_expectations as gx  # noqa: PLC0415 - seconds of import, paid only by the step that checks

    context = gx.get_context(mode="ephemeral")
    quiet: Any = {"globally": False, "metric_calculations": False}
    context.variables.progress_bars = quiet
    asset = context.data_sources.add_pandas("reads").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("all")


def import_engine() -> None:
    """Import Great Expectations now, so that its cost can be told from the cost of checking."""
    _engine()


def judge_rows(rows: pa.Table, rules: Sequence[Rule]) -> dict[Check, Outcome]:
    """Return the outcome of every check the rules belong to, over the rows of one collection.

    A collection without rows has nothing that could break a rule; Great Expectations is not asked.
    """
    outcomes: dict[Check, Outcome] = {}
    if not rows.num_rows:
        for rule in rules:
            outcomes.setdefault(rule.check, Outcome()).rules += 1
        return outcomes
    for rule, result in _results(rows, rules, {"result_format": "BASIC"}):
        outcome = outcomes.setdefault(rule.check, Outcome())
        outcome.rules += 1
        if not result.success:
            outcome.broken.append(f"{_described(rule)}: {_extent(result)}")
    return outcomes


def judge_facts(facts: pa.Table, rules: Sequence[Rule]) -> dict[str, dict[Check, Outcome]]:
    """Return collection -> check -> outcome, over one row of facts per collection (column ``name``)."""
    names: list[str] = facts.column("name").to_pylist()
    outcomes: dict[str, dict[Check, Outcome]] = {name: {} for name in names}
    wanted = {"result_format": "COMPLETE", "unexpected_index_column_names": ["name"]}
    for rule, result in _results(facts, rules, wanted):
        broken = {row["name"] for row in result.result.get("unexpected_index_list") or ()}
        if not result.success and not broken:  # the rule itself failed: no collection can be said to hold
            broken = set(names)
        for name in names:
            outcome = outcomes[name].setdefault(rule.check, Outcome())
            outcome.rules += 1
            if name in broken:
                outcome.broken.append(_described(rule))
    return outcomes


def _results(rows: pa.Table, rules: Sequence[Rule], result_format: dict[str, Any]) -> list[tuple[Rule, Any]]:
    engine = _engine()
    import great_expectations as gx  # noqa: PLC0415 - as above, and only after its warnings were silenced
    from great_expectations.expectations.registry import get_expectation_impl  # noqa: PLC0415 - as above

    suite = gx.ExpectationSuite(
        "rules",
        expectations=[
            get_expectation_impl(rule.expectation)(**rule.arguments, meta={"rule": number})
            for number, rule in enumerate(rules)
        ],
    )
    batch = engine.get_batch(batch_parameters={"dataframe": rows.to_pandas()})
    # Great Expectations groups results by column, so the number says which rule a result belongs to.
    found = batch.validate(suite, result_format=result_format).results
    return [(rules[result.expectation_config.meta["rule"]], result) for result in found]


def _described(rule: Rule) -> str:
    words = rule.expectation.removeprefix("expect_column_values_to_").replace("_", " ")
    return f"{rule.arguments.get('column', 'table')} should {words}"


def _extent(result: Any) -> str:
    if result.exception_info and result.exception_info.get("raised_exception"):
        return "the rule could not be evaluated"
    unexpected, seen = result.result.get("unexpected_count"), result.result.get("element_count")
    return f"{unexpected} of {seen} rows do not"
