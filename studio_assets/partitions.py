"""The studio-local day: the one partition of everything that has history."""

from datetime import date

import dagster as dg

from resources.settings import Settings

DEFAULT_HISTORY_START = date(2026, 1, 1)
"""First day that can be rebuilt where STUDIO_HISTORY_START does not say otherwise."""


def studio_days(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Return one partition per studio-local day, from the start of history to today, today included."""
    start = settings.history_start or DEFAULT_HISTORY_START
    return dg.DailyPartitionsDefinition(
        start_date=start.isoformat(), timezone=settings.timezone, end_offset=1
    )
