"""Fills the history: rebuilds the past days that have no snapshot, newest first, in one warm process.

What is done is kept day by day, so a killed filler goes on where it was. It works at low priority: people
and today's refresh come first. A source that no longer has a day ends the work; the older ones are gone, too.
"""

import os
import sys
from collections.abc import Sequence
from datetime import date, timedelta

from cockpit.home import write_json
from cockpit.parts.python_part import progress_line
from resources.clock import SystemClock, local_date
from resources.logs import configure_logs, known_secrets, logger
from resources.settings import Settings, load_settings
from studio_assets.doors import live_history
from studio_assets.run import run_snapshot

NICENESS = 10
GIVE_UP_AFTER = 3


def main() -> int:
    """Rebuild every missing day; return 0 when nothing more can be done, 1 when it should be tried again."""
    os.nice(NICENESS)
    settings = load_settings(os.environ)
    configure_logs("history", level=settings.log_level, secrets=known_secrets(settings))
    today = local_date(SystemClock().now(), settings.timezone)
    first = settings.history_start or today
    total = (today - first).days
    with live_history(settings) as history:
        missing = history.missing_days(first, today - timedelta(days=1)) if total else []
    return _Filler(settings, total).fill(sorted(missing, reverse=True))


class _Filler:
    """Rebuilds days and tells how far it is."""

    def __init__(self, settings: Settings, total: int) -> None:
        self._settings, self._total = settings, total

    def fill(self, days: Sequence[date]) -> int:
        """Rebuild days in this order."""
        done, failures = self._total - len(days), 0
        self._tell(done)
        if not days:
            return 0
        from dagster import DagsterInstance  # noqa: PLC0415 - takes a second, and often there is nothing to do

        from cockpit.work.day import held_day  # noqa: PLC0415 - as above

        with DagsterInstance.get() as instance:
            for day in days:
                with held_day(self._settings.home / "run", instance, day):
                    run = run_snapshot(instance, self._settings, snapshot_date=day)
                if run.success:
                    done, failures = done + 1, 0
                    self._tell(done, day=day)
                    continue
                if run.is_interrupted:
                    return 1
                failures += 1
                problem = f"{day} could not be rebuilt: {' '.join(run.errors[:2])}"
                logger("history").warning("history:day:failed", day=str(day), errors=list(run.errors))
                self._tell(done, day=day, problem=problem)
                if failures >= GIVE_UP_AFTER:
                    return 0 if _are_gone(run.errors) else 1
        return 0 if failures == 0 else 1

    def _tell(self, done: int, *, day: date | None = None, problem: str = "") -> None:
        said = {"done": done, "total": self._total, "day": str(day) if day else None, "problem": problem}
        write_json(self._settings.home / "run" / "history.json", said)
        text = problem or "past days rebuilt"
        sys.stdout.write(f"{progress_line(text, done=done, total=self._total)}\n")
        sys.stdout.flush()


def _are_gone(errors: Sequence[str]) -> bool:
    return any("read-time-too-old" in error or "no longer" in error for error in errors)


if __name__ == "__main__":
    sys.exit(main())
