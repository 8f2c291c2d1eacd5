"""The checks of cloud truth in Dagster: one step judges every collection that was read.

What must hold is data (``rules``), what is looked at is prepared by ``frames``, and Great Expectations is
imported only while this step runs (``expectations``).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache

import dagster as dg
import pyarrow as pa

from resources.postgres.history import History
from resources.raw_store import RawStore
from resources.rows import Completeness, SourceRead
from resources.settings import Settings
from studio_assets.checks.expectations import Outcome, import_engine, judge_facts, judge_rows
from studio_assets.checks.frames import fact_table, facts, witnesses
from studio_assets.checks.judged import Targets, judged_result, targets_of
from studio_assets.checks.rules import (
    BLOCKING,
    SENTENCES,
    Check,
    checks_of,
    fact_rules,
    needed_columns,
    row_rules,
)
from studio_assets.contracts import catalog
from studio_assets.keys import CLOUD_TRUTH, cloud_truth_key
from studio_assets.run_book import CheckOutcome, RunBook

NOTES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcome of one check of one collection."""

    collection: str
    check: Check
    outcome: Outcome


def build_cloud_truth_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """Return the checks of every collection of a studio, as one step that can be subset."""

    @dg.multi_asset_check(name="check_cloud_truth", specs=_specs(settings), can_subset=True)
    def check_cloud_truth(
        context: dg.AssetCheckExecutionContext,
        history: dg.ResourceParam[History],
        raw: dg.ResourceParam[RawStore],
        run_book: dg.ResourceParam[RunBook],
    ) -> Iterator[dg.AssetCheckResult]:
        day = date.fromisoformat(context.partition_key)
        wanted = {(key.asset_key, key.name) for key in context.selected_asset_check_keys}
        names = {key.path[-1] for key, _ in wanted}
        with run_book.timed("import"):
            import_engine()
        run_id = context.op_execution_context.run_id
        newest = history.latest_reads(completeness=Completeness.FULL, snapshot_date=day)
        own = history.latest_reads(completeness=Completeness.FULL, snapshot_date=day, run_id=run_id)
        reads = {read.name: read for read in (*newest, *own) if read.name in names}
        targets = targets_of(context.instance, {key for key, _ in wanted}, day, run_id)
        judgements = run_book.timed_each("checks", judge(reads, raw, settings))
        for done, judged in enumerate(judgements, start=1):
            key = cloud_truth_key(settings.studio_id, judged.collection)
            if (key, judged.check.value) in wanted:
                run_book.checks.append(_noted(judged))
                run_book.tell("checks", judged.collection, done, len(wanted))
                yield _result(key, judged, reads[judged.collection], day, targets)

    return check_cloud_truth


def judge(reads: Mapping[str, SourceRead], raw: RawStore, settings: Settings) -> Iterator[Judged]:
    """Yield the outcome of every check of the reads, ``read_is_complete`` excepted.

    Args:
        reads: Full reads by collection name, whose files are still there.
        raw: Where the files are.
        settings: For the thresholds.
    """

    @cache
    def ids_of(collection: str) -> pa.Array:
        read = reads.get(collection)
        if read is None or read.raw_url is None:
            return pa.array([], pa.string())
        return raw.open_table(read.raw_url, ["document_id"]).column("document_id").combine_chunks()

    all_facts, looked_at = {}, {}
    for name, read in sorted(reads.items()):
        assert read.raw_url is not None  # noqa: S101 - a full read always has a file; the type cannot say so
        schema, _ = raw.schema(read.raw_url)
        columns = [column for column in needed_columns(name) if column in schema.names]
        rows = raw.open_table(read.raw_url, columns)
        all_facts[name] = facts(read, schema, rows)
        if all_facts[name]["has_agreed_columns"]:
            looked_at[name] = witnesses(name, rows, ids_of)
    if not all_facts:
        return
    by_facts = judge_facts(fact_table(all_facts), fact_rules(settings.quarantine_limit_ratio))
    for name in all_facts:
        outcomes = dict(by_facts[name])
        if name in looked_at:
            for check, outcome in judge_rows(looked_at[name], row_rules(name)).items():
                outcomes[check] = _joined(outcomes.get(check), outcome)
        for check in checks_of(name):
            if check is not Check.READ_IS_COMPLETE:
                yield Judged(name, check, outcomes.get(check, Outcome()))


def _joined(first: Outcome | None, second: Outcome) -> Outcome:
    if first is None:
        return second
    return Outcome(first.rules + second.rules, [*first.broken, *second.broken])


def _specs(settings: Settings) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            check.value,
            asset=cloud_truth_key(settings.studio_id, contract.name),
            description=SENTENCES[check],
            blocking=check in BLOCKING,
        )
        for contract in catalog.ALL
        for check in checks_of(contract.name)
        if check is not Check.READ_IS_COMPLETE
    ]


def _noted(judged: Judged) -> CheckOutcome:
    return CheckOutcome(
        asset=f"{CLOUD_TRUTH}/{judged.collection}",
        check=judged.check.value,
        holds=judged.outcome.holds,
        is_blocking=judged.check in BLOCKING,
        notes=tuple(judged.outcome.broken),
    )


def _result(
    key: dg.AssetKey, judged: Judged, read: SourceRead, day: date, targets: Targets
) -> dg.AssetCheckResult:
    is_blocking = judged.check in BLOCKING
    broken = judged.outcome.broken[:NOTES_SHOWN]
    return judged_result(
        targets,
        asset_key=key,
        check_name=judged.check.value,
        passed=judged.outcome.holds,
        severity=dg.AssetCheckSeverity.ERROR if is_blocking else dg.AssetCheckSeverity.WARN,
        description="; ".join(broken) or SENTENCES[judged.check],
        metadata={
            "rules": judged.outcome.rules,
            "broken": len(judged.outcome.broken),
            "snapshot_date": day.isoformat(),
            "as_of": dg.MetadataValue.timestamp(read.read_at),
        },
    )
