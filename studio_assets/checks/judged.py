"""Check results that know which materialization they judged.

Dagster looks that up for every single result, several statements each. A step that judges many assets of a
day asks once for all of them, and gets what Dagster would have found: an asset's newest materialization,
where that is one of the day. For any other it leaves the looking up to Dagster.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,  # what Dagster stores with an evaluation
)

Targets = Mapping[dg.AssetKey, Target]


def targets_of(
    instance: dg.DagsterInstance, keys: Iterable[dg.AssetKey], day: date, run_id: str | None = None
) -> Targets:
    """Return asset -> its newest materialization, for those whose newest is one of a studio-local day.

    Args:
        instance: Who is asked.
        keys: Of which assets.
        day: The studio-local day.
        run_id: The run that asks: what it made itself is what it judges, and is asked for once.
    """
    own = {} if run_id is None else _made_by(run_id)
    wanted = list(keys)
    found = {key: own[key] for key in wanted if key in own}
    unknown = [key for key in wanted if key not in own]
    for record in instance.get_asset_records(unknown) if unknown else ():
        newest = record.asset_entry.last_materialization_record
        if newest is not None and newest.partition_key == day.isoformat():
            target = Target(run_id=newest.run_id, storage_id=newest.storage_id, timestamp=newest.timestamp)
            found[record.asset_entry.asset_key] = target
            if target.run_id == run_id:
                own[record.asset_entry.asset_key] = target
    return found


@lru_cache(maxsize=8)
def _made_by(run_id: str) -> dict[dg.AssetKey, Target]:
    """Return what is known of the materializations of a run; filled by who asks."""
    del run_id
    return {}


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
