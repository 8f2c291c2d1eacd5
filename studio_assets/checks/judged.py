"""Check results that know which materialization they judged.

Dagster looks that up for every single result, several statements each. A step that judges many assets of a
day asks once for all of them, and gets what Dagster would have found: an asset's newest materialization,
where that is one of the day. For any other it leaves the looking up to Dagster.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,  # what Dagster stores with an evaluation
)

Targets = Mapping[dg.AssetKey, Target]


def targets_of(instance: dg.DagsterInstance, keys: Iterable[dg.AssetKey], day: date) -> Targets:
    """Return asset -> its newest materialization, for those whose newest is one of a studio-local day."""
    found: dict[dg.AssetKey, Target] = {}
    for record in instance.get_asset_records(list(keys)):
        newest = record.asset_entry.last_materialization_record
        if newest is not None and newest.partition_key == day.isoformat():
            found[record.asset_entry.asset_key] = Target(
                run_id=newest.run_id, storage_id=newest.storage_id, timestamp=newest.timestamp
            )
    return found


class JudgedResult(dg.AssetCheckResult):
    """A check result with the materialization it judged; without one it is as any other."""

    target: Target | None = None

    def _get_target_materialization_data(
        self, step_context: Any, check_key: dg.AssetCheckKey
    ) -> Target | None:
        if self.target is not None:
            return self.target
        return super()._get_target_materialization_data(step_context, check_key)


def judged_result(targets: Targets, *, asset_key: dg.AssetKey, **more: Any) -> JudgedResult:
    """Return a check result of an asset; ``more`` is what ``dg.AssetCheckResult`` takes."""
    result = JudgedResult(asset_key=asset_key, **more)
    result.target = targets.get(asset_key)
    return result
