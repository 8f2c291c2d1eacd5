"""One day, one worker: two runs of the same day started by hand would read the same thing twice.

Holding a day also says something about the past: a run of that day that still counts as under way was cut
off by a kill, and would keep the schedule from refreshing the day until Dagster gives it up.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from resources.logs import logger

BY_HAND = {"studio/reason": "by hand"}
PARTITION = "dagster/partition"
_UNDER_WAY = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]


@contextmanager
def held_day(run: Path, instance: DagsterInstance, day: date) -> Iterator[None]:
    """Hold a day for a run by hand; waits while another process holds it.

    Args:
        run: The home's directory for the running instance.
        instance: Where runs of the day that were cut off are told to be over.
        day: The studio-local day.
    """
    descriptor = os.open(run / "days.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        # One byte of the file per day; the kernel lets go of it with the process.
        fcntl.lockf(descriptor, fcntl.LOCK_EX, 1, day.toordinal())
        end_cut_off_runs(instance, {**BY_HAND, PARTITION: day.isoformat()})
        yield
    finally:
        os.close(descriptor)


def end_cut_off_runs(instance: DagsterInstance, tags: dict[str, str]) -> int:
    """Tell Dagster that runs with these tags, whose process is gone, are over; return how many."""
    records = instance.get_run_records(RunsFilter(statuses=_UNDER_WAY, tags=tags))
    for record in records:
        logger("work").warning("run:process:gone", run_id=record.dagster_run.run_id)
        instance.report_run_canceled(record.dagster_run, message="Its process is gone; it was cut off.")
    return len(records)
