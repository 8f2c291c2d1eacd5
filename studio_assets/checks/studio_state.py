"""The checks of StudioState in Dagster: the stored snapshot of the day, read back and judged."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from resources.postgres.history import History
from resources.settings import Settings
from studio_assets.checks.state_rules import STATE_RULES
from studio_assets.keys import STUDIO_STATE, studio_state_key
from studio_assets.run_book import CheckOutcome, RunBook


def build_snapshot_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """Return the checks of a studio's snapshot; all of them block what is derived from it."""
    key = studio_state_key(settings.studio_id, "snapshot")
    specs = [
        dg.AssetCheckSpec(rule.name, asset=key, description=rule.sentence, blocking=True)
        for rule in STATE_RULES
    ]

    @dg.multi_asset_check(name="check_snapshot", specs=specs, can_subset=True)
    def check_snapshot(
        context: dg.AssetCheckExecutionContext,
        history: dg.ResourceParam[History],
        run_book: dg.ResourceParam[RunBook],
    ) -> Iterator[dg.AssetCheckResult]:
        day = date.fromisoformat(context.partition_key)
        wanted = {check.name for check in context.selected_asset_check_keys}
        with run_book.timed("checks"):
            snapshot = history.current_snapshot(day)
            for rule in STATE_RULES:
                if rule.name not in wanted:
                    continue
                broken = (
                    [f"there is no snapshot of {day}"]
                    if snapshot is None
                    else rule.broken(snapshot.payload, snapshot.content_hash)
                )
                run_book.checks.append(
                    CheckOutcome(f"{STUDIO_STATE}/snapshot", rule.name, not broken, True, tuple(broken))
                )
                yield dg.AssetCheckResult(
                    asset_key=key,
                    check_name=rule.name,
                    passed=not broken,
                    severity=dg.AssetCheckSeverity.ERROR,
                    description="; ".join(broken) or rule.sentence,
                    metadata={"snapshot_date": day.isoformat(), "broken": len(broken)},
                )

    return check_snapshot
