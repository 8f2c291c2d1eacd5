"""The studio-local day: the one partition of everything that has history, and whether it is running."""

from datetime import date

import dagster as dg

from resources.clock import Clock, local_date
from resources.settings import Settings

DEFAULT_HISTORY_START = date(2026, 1, 1)
"""First day that can be rebuilt where STUDIO_HISTORY_START does not say otherwise."""


def studio_days(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Return one partition per studio-local day, from the start of history to today, today included."""
    start = settings.history_start or DEFAULT_HISTORY_START
    return dg.DailyPartitionsDefinition(
        start_date=start.isoformat(), timezone=settings.timezone, end_offset=1
    )


def is_today(day: date, clock: Clock, settings: Settings) -> bool:
    """Say whether a day is running; raise ``dg.Failure`` when it has not begun."""
    today = local_date(clock.now(), settings.timezone)
    if day > today:
        raise dg.Failure(
            f"{day} has not begun in the studio, so nothing can be said of it.", allow_retries=False
        )
    return day == today
