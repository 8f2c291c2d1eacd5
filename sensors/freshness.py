"""Silence after a failure is itself an event: the state has become stale, and later that it recovered."""

from datetime import datetime, timedelta

import dagster as dg

from resources.clock import Clock, instant_text
from resources.postgres.history import History
from resources.rows import OperationalEvent
from resources.settings import Settings
from studio_assets.studio_state.events import (
    SNAPSHOT_CONFIRMED,
    SNAPSHOT_RECOVERED,
    SNAPSHOT_STALE,
    confirmed_as_of,
)

INTERVAL_SECONDS = 60
# Rebuilding past days confirms them, too: today's confirmation is among the newest, not always the newest.
CONFIRMATIONS_LOOKED_AT = 300


def build_freshness_sensor(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor that tells of stale state, once per episode, and of its recovery.

    Dedupe key: the instant the stale state describes, kept in the cursor and looked up in the events, so that
    a tick that dies between the two says it once. Skips while the state is fresh and while nothing was ever
    confirmed. Proposes nothing, never does anything outside.
    """

    @dg.sensor(
        name="freshness_sensor",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Records when StudioState becomes stale and when it recovers.",
    )
    def freshness_sensor(
        context: dg.SensorEvaluationContext,
        history: dg.ResourceParam[History],
        clock: dg.ResourceParam[Clock],
    ) -> dg.SkipReason:
        latest = history.events(limit=CONFIRMATIONS_LOOKED_AT, name=SNAPSHOT_CONFIRMED)
        if not latest:
            return dg.SkipReason("No snapshot was ever confirmed.")
        as_of, now = max(confirmed_as_of(event) for event in latest), clock.now()
        told = context.cursor or ""
        if is_stale(as_of, now, settings.snapshot_stale_minutes):
            episode = instant_text(as_of)
            if told != episode:
                _tell(history, SNAPSHOT_STALE, episode, now)
                context.update_cursor(episode)
            return dg.SkipReason(f"The state is as of {episode}, which is stale.")
        if told:
            _tell(history, SNAPSHOT_RECOVERED, told, now)
            context.update_cursor("")
        return dg.SkipReason("The state is fresh.")

    return freshness_sensor


def is_stale(as_of: datetime, now: datetime, stale_minutes: int) -> bool:
    """Say whether state as of ``as_of`` is older than it may be; exactly as old is still fresh."""
    return now - as_of > timedelta(minutes=stale_minutes)


def _tell(history: History, name: str, episode: str, now: datetime) -> None:
    """Record the event unless the newest one of its name is of the same episode."""
    newest = history.events(limit=1, name=name)
    if newest and newest[0].payload.get("staleSince") == episode:
        return
    history.record_event(OperationalEvent(name, now, {"staleSince": episode}))
