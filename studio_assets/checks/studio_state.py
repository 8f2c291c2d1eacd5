"""The checks of StudioState in Dagster: the stored snapshot of the day, read back and judged."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from resources.clock import Clock, local_date
from resources.postgres.history import History
from resources.rows import Completeness
from resources.settings import Settings
from studio_assets.checks.judged import judged_result, targets_of
from studio_assets.checks.state_rules import (
    SOURCES_ARE_FRESH,
    SOURCES_ARE_FRESH_SENTENCE,
    STATE_RULES,
    stale_reads,
)
from studio_assets.keys import STUDIO_STATE, studio_state_key
from studio_assets.run_book import CheckOutcome, RunBook


def build_snapshot_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """Return the checks of a studio's snapshot; all but freshness block what is derived from it."""
    key = studio_state_key(settings.studio_id, "snapshot")
    sentences = {rule.name: rule.sentence for rule in STATE_RULES}
    specs = [
        dg.AssetCheckSpec(name, asset=key, description=sentence, blocking=True)
        for name, sentence in sentences.items()
    ]
    fresh = dg.AssetCheckSpec(SOURCES_ARE_FRESH, asset=key, description=SOURCES_ARE_FRESH_SENTENCE)

    @dg.multi_asset_check(name="check_snapshot", specs=[*specs, fresh], can_subset=True)
    def check_snapshot(
        context: dg.AssetCheckExecutionContext,
        history: dg.ResourceParam[History],
        clock: dg.ResourceParam[Clock],
        run_book: dg.ResourceParam[RunBook],
    ) -> Iterator[dg.AssetCheckResult]:
        day = date.fromisoformat(context.partition_key)
        wanted = {check.name for check in context.selected_asset_check_keys}
        with run_book.timed("checks"):
            snapshot = history.current_snapshot(day)
            absent = [f"there is no snapshot of {day}"]
            judged = {
                rule.name: absent
                if snapshot is None
                else rule.broken(snapshot.payload, snapshot.content_hash)
                for rule in STATE_RULES
            }
            is_today = local_date(clock.now(), settings.timezone) == day
            reads = (
                history.latest_reads(completeness=Completeness.FULL, snapshot_date=day) if is_today else []
            )
            judged[SOURCES_ARE_FRESH] = stale_reads(reads, clock.now(), settings.snapshot_stale_minutes)
        targets = targets_of(context.instance, [key], day)
        for name, broken in judged.items():
            if name not in wanted:
                continue
            is_blocking = name != SOURCES_ARE_FRESH
            run_book.checks.append(
                CheckOutcome(f"{STUDIO_STATE}/snapshot", name, not broken, is_blocking, tuple(broken))
            )
            yield judged_result(
                targets,
                asset_key=key,
                check_name=name,
                passed=not broken,
                severity=dg.AssetCheckSeverity.ERROR if is_blocking else dg.AssetCheckSeverity.WARN,
                description="; ".join(broken) or sentences.get(name, SOURCES_ARE_FRESH_SENTENCE),
                metadata={"snapshot_date": day.isoformat(), "broken": len(broken)},
            )

    return check_snapshot
