"""Operational events StudioState tells of: a snapshot confirmed or blocked. Drift has its own module.

A confirmed snapshot is not always a new revision: an unchanged cloud confirms the revision that stands. Who
asks how fresh the state is asks for the newest confirmation.
"""

from collections.abc import Iterable
from datetime import datetime

from resources.clock import instant_text, parse_instant
from resources.rows import OperationalEvent, Snapshot

SNAPSHOT_CONFIRMED = "studio_state:snapshot:confirmed"
SNAPSHOT_BLOCKED = "studio_state:snapshot:blocked"
SNAPSHOT_STALE = "studio_state:snapshot:stale"
SNAPSHOT_RECOVERED = "studio_state:snapshot:recovered"


def confirmed(
    snapshot: Snapshot, *, as_of: datetime, is_new: bool, at: datetime, run_id: str
) -> OperationalEvent:
    """Return the event "the cloud was read whole at ``as_of`` and says this revision"."""
    payload = {
        "snapshotDate": snapshot.snapshot_date.isoformat(),
        "revision": snapshot.revision,
        "contentHash": snapshot.content_hash,
        "asOf": instant_text(as_of),
        "isNew": is_new,
    }
    return OperationalEvent(SNAPSHOT_CONFIRMED, at, payload, run_id)


def blocked(snapshot_date: str, problems: Iterable[str], *, at: datetime, run_id: str) -> OperationalEvent:
    """Return the event "no snapshot was made", with one sentence per problem."""
    return OperationalEvent(
        SNAPSHOT_BLOCKED, at, {"snapshotDate": snapshot_date, "problems": list(problems)}, run_id
    )


def confirmed_as_of(event: OperationalEvent) -> datetime:
    """Return the instant a confirmation describes."""
    return parse_instant(str(event.payload["asOf"]))
