"""Running rules with Great Expectations. The library is imported here, when first needed, and nowhere else.

Its import costs seconds and hundreds of megabytes, so processes that check nothing never pay for it. Results
carry counts only: an unexpected value may be something a member wrote.

Asked in the usual way (context, batch, suite, validate) the library works out for every batch again which
metrics each expectation needs, and that is nearly all of its cost. A suite of ours is prepared once per
process instead: its expectations, their metrics and the order to compute them in. A batch is then only
computed and judged, by the same metrics and the same expectations.
"""

import gc
import hashlib
import sys
import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import pyarrow as pa

from studio_assets.checks.later import loaded_when_used
from studio_assets.checks.rules import Rule

COUNTS = "BOOLEAN_ONLY"
"""Result format of a suite that counts what is unexpected and looks at no value."""
ROWS = "COMPLETE"
"""Result format of a suite that also says which rows."""
ONLY_BATCH = "rows"
REMEMBERED = 256
"""Tables whose verdicts are remembered: a dozen reads of a studio. What is remembered are counts."""


@dataclass(slots=True)
class Outcome:
    """How a check went: it holds while ``broken`` is empty. ``broken`` names rules, never values."""

    rules: int = 0
    broken: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether every rule held."""
        return not self.broken


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one rule went over the rows of a table.

    Attributes:
        rule: Which.
        holds: Whether enough rows keep it; false also when it could not be evaluated.
        unexpected: Rows that do not keep it, or null when it could not be evaluated.
        seen: Rows there are.
        where: Of every such row the column asked for; empty unless one was asked for.
    """

    rule: Rule
    holds: bool
    unexpected: int | None
    seen: int
    where: tuple[str, ...] = ()


_JUDGED: dict[tuple[tuple[Rule, ...], str | None, bytes], tuple[Verdict, ...]] = {}
_REMEMBERING: Final = threading.Lock()  # runs of one process judge at the same time
_IMPORTING: Final = threading.Lock()  # and may all be the first to do so

# Great Expectations draws with the one and compares distributions with the other.
_HARDLY_USED: Final = ("altair", "scipy.stats")


def import_engine() -> None:
    """Import Great Expectations now, so that its cost can be told from the cost of checking.

    A quarter of that cost was looking for garbage among what was just imported. None is looked for meanwhile,
    and what is there by the end of it, which stays as long as the process, is not looked through again.
    Nearly half of what is left was loading two libraries for expectations that nobody here has.

    A thread that comes meanwhile waits: the library's modules import each other in rings, so a part of it
    that is imported before the whole is there is not found.
    """
    with _IMPORTING:
        if "great_expectations" in sys.modules:
            return
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            with warnings.catch_warnings(), loaded_when_used(_HARDLY_USED):
                warnings.simplefilter("ignore", DeprecationWarning)  # old habits of its own imports, not ours
                import great_expectations  # noqa: F401, PLC0415 - paid only by a step that checks
        finally:
            gc.freeze()
            if was_enabled:
                gc.enable()


def judge_rows(rows: pa.Table, rules: Sequence[Rule]) -> dict[str, Outcome]:
    """Return the outcome of every check the rules belong to, over the rows of one table.

    Any table will do, and any rules with expectations about the values of one column. A table without rows
    has nothing that could break a rule; Great Expectations is not asked.

    Args:
        rows: At least the columns the rules name.
        rules: What must hold. Suites are kept by their rules, so no rule may hold a value of the day.
    """
    outcomes: dict[str, Outcome] = {rule.check: Outcome() for rule in rules}
    for rule in rules:
        outcomes[rule.check].rules += 1
    if rows.num_rows:
        for verdict in judge(rows, rules):
            if not verdict.holds:
                outcomes[verdict.rule.check].broken.append(f"{_described(verdict.rule)}: {_extent(verdict)}")
    return outcomes


def judge_facts(facts: pa.Table, rules: Sequence[Rule]) -> dict[str, dict[str, Outcome]]:
    """Return name -> check -> outcome, over one row of facts per thing (column ``name``)."""
    names: list[str] = facts.column("name").to_pylist()
    outcomes: dict[str, dict[str, Outcome]] = {name: {} for name in names}
    broken: dict[Rule, set[str]] = {}
    failed = [verdict.rule for verdict in judge(facts, rules) if not verdict.holds]
    if failed:
        for verdict in judge(facts, failed, name_of="name"):
            # A rule that failed by itself: nothing can be said to hold.
            broken[verdict.rule] = set(verdict.where) or set(names)
    for rule in rules:
        for name in names:
            outcome = outcomes[name].setdefault(rule.check, Outcome())
            outcome.rules += 1
            if name in broken.get(rule, ()):
                outcome.broken.append(_described(rule))
    return outcomes


def judge(rows: pa.Table, rules: Iterable[Rule], *, name_of: str | None = None) -> list[Verdict]:
    """Return how each rule went, in the order of the rules.

    How rules went over the very same rows is remembered: of past days that are rebuilt one after the other,
    and of reads a few minutes apart, most collections look alike.

    Args:
        rows: At least one.
        rules: What must hold of them.
        name_of: A column whose value is given for every row that does not keep a rule; costs more.
    """
    asked = (tuple(rules), name_of, _digest(rows))
    found = _JUDGED.get(asked)
    if found is None:
        found = tuple(_suite(*asked[:2]).judge(rows))
        if all(verdict.unexpected is not None for verdict in found):
            with _REMEMBERING:
                while len(_JUDGED) >= REMEMBERED:
                    _JUDGED.pop(next(iter(_JUDGED)))
                _JUDGED[asked] = found
    return list(found)


def _digest(rows: pa.Table) -> bytes:
    """Return a hash of all that rules can see of rows: names, types and values, in order."""
    plain = rows.replace_schema_metadata(None).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, plain.schema) as stream:
        stream.write_table(plain)
    return hashlib.sha256(sink.getvalue()).digest()


@dataclass(frozen=True, slots=True)
class _Suite:
    """Rules with their expectations, the metrics each needs by name, and the order to compute metrics in.

    Attributes:
        rules: What must hold.
        expectations: One of each rule.
        needs: For each rule, name -> metric.
        edges: Which metric needs which others, as the library has it.
        stages: The same as sets of metrics, each of which needs only those before it.
        asked: How results are asked for.
        name_of: The column that names rows, if they are asked for.
    """

    rules: tuple[Rule, ...]
    expectations: tuple[Any, ...]
    needs: tuple[Mapping[str, Any], ...]
    edges: list[Any]
    stages: tuple[tuple[Any, ...], ...]
    asked: Mapping[str, Any]
    name_of: str | None

    def judge(self, rows: pa.Table) -> list[Verdict]:
        from great_expectations.execution_engine import pandas_execution_engine  # noqa: PLC0415 - as above

        frames = {ONLY_BATCH: rows.to_pandas()}
        engine = pandas_execution_engine.PandasExecutionEngine(batch_data_dict=frames)
        metrics = self._metrics(engine)
        return [
            self._verdict(rule, expectation, needs, metrics, engine, rows.num_rows)
            for rule, expectation, needs in zip(self.rules, self.expectations, self.needs, strict=True)
        ]

    def _metrics(self, engine: Any) -> Mapping[Any, Any]:
        """Return metric id -> value; what cannot be computed is absent, and its rule does not hold."""
        from great_expectations.exceptions import GreatExpectationsError  # noqa: PLC0415 - as above
        from great_expectations.validator.validation_graph import ValidationGraph  # noqa: PLC0415 - as above

        metrics: dict[Any, Any] = {}
        try:
            for stage in self.stages:
                metrics.update(engine.resolve_metrics(stage, metrics, dict(self.asked)))
        except GreatExpectationsError:  # the library knows how to go on without some
            graph = ValidationGraph(execution_engine=engine, edges=self.edges)
            metrics, _ = graph.resolve(runtime_configuration=dict(self.asked), show_progress_bars=False)
        return metrics

    def _verdict(  # noqa: PLR0917 - the parts of one comparison, used once
        self,
        rule: Rule,
        expectation: Any,
        needs: Mapping[str, Any],
        metrics: Mapping[Any, Any],
        engine: Any,
        seen: int,
    ) -> Verdict:
        if any(metric.id not in metrics for metric in needs.values()):
            return Verdict(rule, holds=False, unexpected=None, seen=seen)
        found = {name: metrics[metric.id] for name, metric in needs.items()}
        unexpected = int(found[f"{expectation.map_metric}.unexpected_count"])
        if unexpected == 0 and _is_stock(expectation):
            return Verdict(rule, holds=True, unexpected=0, seen=seen)  # whatever share of rows may break it
        result = expectation._validate(  # noqa: SLF001 - what expectations, also people's own, implement
            metrics=found, runtime_configuration=dict(self.asked), execution_engine=engine
        )
        where = result["result"].get("unexpected_index_list") or () if self.name_of else ()
        return Verdict(
            rule,
            holds=bool(result["success"]),
            unexpected=unexpected,
            seen=seen,
            where=tuple(str(row[self.name_of]) for row in where),
        )


@cache
def _suite(rules: tuple[Rule, ...], name_of: str | None) -> _Suite:
    import_engine()
    from great_expectations.execution_engine import pandas_execution_engine  # noqa: PLC0415 - as above
    from great_expectations.expectations.registry import get_expectation_impl  # noqa: PLC0415 - as above
    from great_expectations.validator.validation_graph import ValidationGraph  # noqa: PLC0415 - as above

    wanted: dict[str, Any] = {"result_format": COUNTS}
    if name_of is not None:
        wanted = {"result_format": ROWS, "unexpected_index_column_names": [name_of]}
    asked = {"result_format": wanted}
    engine = pandas_execution_engine.PandasExecutionEngine()
    graph = ValidationGraph(execution_engine=engine)
    expectations = tuple(get_expectation_impl(rule.expectation)(**rule.arguments) for rule in rules)
    needs = []
    for expectation in expectations:
        found = expectation.get_validation_dependencies(execution_engine=engine, runtime_configuration=asked)
        needs.append(found.metric_configurations)
        for metric in found.metric_configurations.values():
            graph.build_metric_dependency_graph(metric_configuration=metric, runtime_configuration=asked)
    return _Suite(rules, expectations, tuple(needs), graph.edges, _stages(graph.edges), asked, name_of)


def _stages(edges: Iterable[Any]) -> tuple[tuple[Any, ...], ...]:
    """Return metrics in sets, each of which needs only those of earlier ones; each metric once, in order."""
    needs: dict[Any, set[Any]] = {}
    metrics: dict[Any, Any] = {}
    for edge in edges:
        metrics[edge.left.id] = edge.left
        needs.setdefault(edge.left.id, set()).update(() if edge.right is None else (edge.right.id,))
    stages: list[tuple[Any, ...]] = []
    done: set[Any] = set()
    while len(done) < len(needs):
        ready = [name for name, needed in needs.items() if name not in done and needed <= done]
        if not ready:
            raise ValueError("Metrics need each other in a ring.")
        stages.append(tuple(metrics[name] for name in ready))
        done.update(ready)
    return tuple(stages)


def _is_stock(expectation: Any) -> bool:
    """Say whether the library itself judges by counts of what is unexpected; people's own may not."""
    from great_expectations.expectations.expectation import ColumnMapExpectation  # noqa: PLC0415 - as above

    return type(expectation)._validate is ColumnMapExpectation._validate  # noqa: SLF001 - what judges


def _described(rule: Rule) -> str:
    words = rule.expectation.removeprefix("expect_column_values_to_").replace("_", " ")
    return f"{rule.arguments.get('column', 'table')} should {words}"


def _extent(verdict: Verdict) -> str:
    if verdict.unexpected is None:
        return "the rule could not be evaluated"
    return f"{verdict.unexpected} of {verdict.seen} rows do not"
