"""Makes a snapshot of one day: the main job, once, in this process; its result in ``run/snapshot.json``."""

import argparse
import os
import sys
import time
from datetime import date

from cockpit import summary
from cockpit.home import write_json
from cockpit.parts.python_part import progress_line
from resources.logs import configure_logs, known_secrets
from resources.settings import load_settings
from studio_assets.run import run_snapshot
from studio_assets.run_book import Progress

SECONDS_BETWEEN_LINES = 0.2


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

    with DagsterInstance.get() as instance:
        run = run_snapshot(
            instance, settings, snapshot_date=given.day, mode=given.mode, on_progress=_Teller()
        )
    write_json(settings.home / "run" / "snapshot.json", summary.of_run(run))
    if run.success:
        _say(f"{run.snapshot_date}, revision {run.revision}")
        return 0
    sys.stdout.write(f"{' '.join(run.errors)}\n")
    return 1


class _Teller:
    """Turns the progress of a run into lines, not too many of them."""

    def __init__(self) -> None:
        self._documents: dict[str, int] = {}
        self._told_at = 0.0

    def __call__(self, progress: Progress) -> None:
        self._documents[progress.name] = progress.done
        now = time.monotonic()
        if now - self._told_at >= SECONDS_BETWEEN_LINES:
            self._told_at = now
            _say(f"{progress.phase} {progress.name.replace('_', ' ')}")


def _say(text: str) -> None:
    sys.stdout.write(f"{progress_line(text)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
