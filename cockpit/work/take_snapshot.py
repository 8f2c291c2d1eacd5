"""Makes a snapshot of one day: the main job, once, in this process; its result in ``run/snapshot.json``."""

import argparse
import os
import sys
import time
from datetime import date
from typing import Any

from cockpit import summary
from cockpit.home import write_json
from cockpit.parts.python_part import progress_line
from resources.clock import SystemClock, local_date
from resources.logs import configure_logs, known_secrets
from resources.postgres.errors import PostgresError
from resources.settings import Settings, load_settings
from studio_assets.contracts import catalog
from studio_assets.doors import live_history
from studio_assets.run import run_snapshot
from studio_assets.run_book import Progress

SECONDS_BETWEEN_LINES = 0.2
READING = "read"
PHASES = {
    "checks": "checking",
    "snapshot": "counting",
    "diff": "comparing with the last snapshot",
    "drift": "asking the sources to count",
}


def main() -> int:
    """Run the job; return 0 when there is a snapshot, 1 after saying in one line why not."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=["full", "incremental"], default="full")
    parser.add_argument("--day", type=date.fromisoformat)
    given = parser.parse_args()
    settings = load_settings(os.environ)
    configure_logs("snapshot", level=settings.log_level, secrets=known_secrets(settings))
    _say("loading Dagster")
    from dagster import DagsterInstance  # noqa: PLC0415 - a second that the progress line should cover

    from cockpit.work.day import held_day  # noqa: PLC0415 - as above

    day = given.day or local_date(SystemClock().now(), settings.timezone)
    with DagsterInstance.get() as instance, held_day(settings.home / "run", instance, day):
        run = run_snapshot(instance, settings, snapshot_date=day, mode=given.mode, on_progress=_Teller())
    told = summary.of_run(run)
    if not run.success:
        told["lastGood"] = _last_good(settings)
    write_json(settings.home / "run" / "snapshot.json", told)
    if run.success:
        _say(f"{run.snapshot_date}, revision {run.revision}{'' if run.is_new else ' (unchanged)'}")
        return 0
    sys.stdout.write(f"{' '.join(run.errors)}\n")
    return 1


def _last_good(settings: Settings) -> dict[str, Any] | None:
    try:
        with live_history(settings) as history:
            return summary.of_last_good(history.current_snapshot())
    except PostgresError:
        # Then the failed run itself says that the database does not answer.
        return None


class _Teller:
    """Turns the progress of a run into lines, not too many of them."""

    def __init__(self) -> None:
        self._documents: dict[str, int] = {}
        self._read: set[str] = set()
        self._told_at = 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.phase == READING:
            self._documents[progress.name] = progress.done
            if progress.total is not None:
                self._read.add(progress.name)
        now = time.monotonic()
        is_last = progress.phase == READING and len(self._read) == len(catalog.ALL)
        if is_last or now - self._told_at >= SECONDS_BETWEEN_LINES:
            self._told_at = now
            if progress.phase == READING:
                documents = sum(self._documents.values())
                text = f"reading collections, {documents:,} documents"
                _say(text, done=len(self._read), total=len(catalog.ALL))
            else:
                _say(PHASES.get(progress.phase, progress.phase))


def _say(text: str, *, done: int | None = None, total: int | None = None) -> None:
    sys.stdout.write(f"{progress_line(text, done=done, total=total)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
