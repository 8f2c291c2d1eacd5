"""The operational event a run leaves about the connectors: what it learnt of each, for whoever comes after.

The snapshot, its page and its checks take the status of devices from here; a snapshot that did not change is
not written again, so it cannot tell how old its devices have become since.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Protocol

from resources.rows import OperationalEvent
from studio_assets.devices.section import ConnectorRead, read_from

CONNECTORS_READ = "devices:connectors:read"
# Rebuilding past days tells of them, too: a day's own event is among the newest, not always the newest.
EVENTS_LOOKED_AT = 300


class Events(Protocol):
    """The part of the history that is looked through."""

    def events(self, limit: int = 50, *, name: str | None = None) -> Sequence[OperationalEvent]:
        """Return the newest events of one name, newest first."""


def connectors_read(
    reads: Iterable[ConnectorRead], snapshot_date: date, *, at: datetime, run_id: str
) -> OperationalEvent:
    """Return the event "this is what a run learnt of the connectors for a day"."""
    payload = {
        "snapshotDate": snapshot_date.isoformat(),
        "connectors": {read.connector_id: read.as_payload() for read in reads},
    }
    return OperationalEvent(CONNECTORS_READ, at, payload, run_id)


def newest_connector_reads(
    history: Events, snapshot_date: date, *, run_id: str | None = None
) -> list[ConnectorRead]:
    """Return what is known of the connectors for a day: of this run if it read them, else of the newest.

    Empty when no run has told of that day.
    """
    day = snapshot_date.isoformat()
    found = [
        event
        for event in history.events(EVENTS_LOOKED_AT, name=CONNECTORS_READ)
        if event.payload.get("snapshotDate") == day
    ]
    own = [event for event in found if run_id is not None and event.run_id == run_id]
    newest = next(iter((*own, *found)), None)
    if newest is None:
        return []
    return [read_from(name, told) for name, told in newest.payload["connectors"].items()]
