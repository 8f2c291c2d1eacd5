"""What events say of checks, as rows of the table Dagster keeps of them; and many judged at once.

Used by ``dagster_event_log`` alone: one event at a time the stock log does the same.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from dagster import EventLogEntry
from dagster._core.errors import DagsterInvariantViolationError
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from sqlalchemy.engine import Connection

Row = dict[str, Any]

CHECK = ("asset_key", "check_name", "run_id", "partition")
"""Columns that tell one execution of a check from all others."""
_JUDGE = sa.text(
    """
    UPDATE asset_check_executions AS planned
    SET execution_status = judged.execution_status,
        evaluation_event = judged.evaluation_event,
        evaluation_event_timestamp = judged.evaluation_event_timestamp,
        evaluation_event_storage_id = judged.evaluation_event_storage_id,
        materialization_event_storage_id = judged.materialization_event_storage_id
    FROM unnest(
        CAST(:asset_key AS text[]), CAST(:check_name AS text[]), CAST(:run_id AS text[]),
        CAST(:partition AS text[]), CAST(:execution_status AS text[]), CAST(:evaluation_event AS text[]),
        CAST(:evaluation_event_timestamp AS timestamp[]), CAST(:evaluation_event_storage_id AS bigint[]),
        CAST(:materialization_event_storage_id AS bigint[])
    ) AS judged(
        asset_key, check_name, run_id, partition, execution_status, evaluation_event,
        evaluation_event_timestamp, evaluation_event_storage_id, materialization_event_storage_id
    )
    WHERE planned.asset_key = judged.asset_key AND planned.check_name = judged.check_name
      AND planned.run_id = judged.run_id AND planned.partition IS NOT DISTINCT FROM judged.partition
    RETURNING planned.asset_key, planned.check_name, planned.run_id, planned.partition
    """
)


def planned(event: EventLogEntry, row: Row, number: int) -> list[Row]:
    """Return the rows of checks that are planned by an event that got a number."""
    said = event.get_dagster_event().asset_check_planned_data
    days = said.partitions_subset.get_partition_keys() if said.partitions_subset else [None]
    return [
        {
            "asset_key": said.asset_key.to_string(),
            "check_name": said.check_name,
            "run_id": event.run_id,
            "partition": day,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
            "evaluation_event": row["event"],
            "evaluation_event_timestamp": row["timestamp"],
            "evaluation_event_storage_id": number,
        }
        for day in days
    ]


def judged(event: EventLogEntry, row: Row, number: int) -> Row:
    """Return what an event that got a number says of a check that was executed."""
    said = event.get_dagster_event().asset_check_evaluation_data
    status = AssetCheckExecutionRecordStatus
    target = said.target_materialization_data
    return {
        "asset_key": said.asset_key.to_string(),
        "check_name": said.check_name,
        "run_id": event.run_id,
        "partition": said.partition,
        "execution_status": (status.SUCCEEDED if said.passed else status.FAILED).value,
        "evaluation_event": row["event"],
        "evaluation_event_timestamp": row["timestamp"],
        "evaluation_event_storage_id": number,
        "materialization_event_storage_id": target.storage_id if target else None,
    }


def store_judged(conn: Connection, outcomes: Mapping[tuple[Any, ...], Row]) -> None:
    """Keep what was said of checks, each once, by the columns of ``CHECK``; planned before or not.

    Raises:
        DagsterInvariantViolationError: a check was planned more than once in its run.
    """
    columns = {name: [row[name] for row in outcomes.values()] for name in next(iter(outcomes.values()))}
    updated = Counter(tuple(row) for row in conn.execute(_JUDGE, columns))
    twice = [key for key, times in updated.items() if times > 1]
    if twice:
        raise DagsterInvariantViolationError(f"Checks were planned more than once in their run: {twice}")
    unplanned = [row for key, row in outcomes.items() if key not in updated]
    if unplanned:
        conn.execute(AssetCheckExecutionsTable.insert(), unplanned)
