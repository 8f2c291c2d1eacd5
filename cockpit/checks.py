"""The checks that were judged in one run, from Dagster's own records."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

_STORAGE: Final = ("DAGSTER_HOME", "DAGSTER_PG_URL")


def checks_of_run(run_id: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return how many checks of a run held, in the shape of ``summary.of_checks``.

    Args:
        run_id: Dagster's id of the run.
        environment: Tells Dagster where its storage is.

    A run that Dagster has forgotten has no known checks: then the counts are 0 and ``known`` is false.
    """
    from dagster import DagsterEventType, DagsterInstance  # noqa: PLC0415 - takes a second, few commands need it

    with _told(environment), DagsterInstance.get() as instance:
        records = instance.get_records_for_run(
            run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION
        ).records
    judged = [
        record.event_log_entry.dagster_event.asset_check_evaluation_data
        for record in records
        if record.event_log_entry.dagster_event is not None
    ]
    failures = [
        {
            "asset": "/".join(each.asset_key.path[1:]),
            "check": each.check_name,
            "blocking": each.blocking,
            "notes": [each.description] if each.description else [],
        }
        for each in judged
        if not each.passed
    ]
    return {
        "passed": len(judged) - len(failures),
        "failed": len(failures),
        "failures": failures,
        "known": bool(judged),
    }


@contextmanager
def _told(environment: Mapping[str, str]) -> Iterator[None]:
    """Tell Dagster where its storage is, the only way it listens, and leave our environment as it was."""
    before = {name: os.environ.get(name) for name in _STORAGE}
    os.environ.update({name: environment[name] for name in _STORAGE})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
