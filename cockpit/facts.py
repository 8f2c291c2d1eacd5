"""What the desk knows at one moment: gathered once per request, judged elsewhere.

Gathering never raises for a source that does not answer: what is missing is a fact, too. Judging it
(``health``, ``today``) is pure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from cockpit.home import read_json
from resources.clock import Clock, parse_instant
from resources.logs import logger
from resources.rows import Completeness, DriftMetric, OperationalEvent, Snapshot, SnapshotDiff, SourceRead
from resources.settings import Settings
from studio_assets.devices.events import newest_connector_reads
from studio_assets.devices.section import ConnectorRead
from studio_assets.studio_state.events import SNAPSHOT_CONFIRMED, confirmed_as_of

# Rebuilding past days confirms them, too: today's confirmation is among the newest, not always the newest.
EVENTS_LOOKED_AT = 300


class Remembered(Protocol):
    """The part of the history that the desk reads."""

    def current_snapshot(self) -> Snapshot | None:
        """Return the newest snapshot of the newest day."""

    def latest_reads(self) -> Sequence[SourceRead]:
        """Return the newest read of every collection."""

    def events(self, limit: int = 50, *, name: str | None = None) -> Sequence[OperationalEvent]:
        """Return the newest events of one name, newest first."""

    def diff_for(self, snapshot_date: Any, revision: int) -> SnapshotDiff | None:
        """Return the comparison of a snapshot with the one before it."""

    def drift_for(self, snapshot_date: Any, revision: int) -> Sequence[DriftMetric]:
        """Return the newest check of a snapshot by the source's own counts."""


@dataclass(frozen=True)
class Facts:
    """Everything the pages and the readiness answer are made of.

    Attributes:
        now: When this was gathered, aware UTC.
        timezone: The studio's.
        stale_minutes: Older than this is stale.
        posture: ``read-only`` or ``writes-enabled``.
        problem: Why the database could not be read; empty when it could.
        heartbeat_at: Newest sign of life of the daemon; null when there was none or nobody could tell.
        snapshot: The current one; null before the first.
        newest_reads: The newest read of every collection, whatever became of it.
        confirmed_at: The instant at which the cloud was last seen to say what the snapshot says; null when
            that is not known.
        parts: The supervisor's own account of its parts; empty when it does not run.
        history: Progress of the history filler: ``done``, ``total``, ``oldest``, ``problem``.
        devices: What the newest run for the snapshot's day learnt of each connector; empty when none looked.
        device_stale_minutes: A reading of devices older than this is old.
        governance: The kill switch and what waits, in a sentence or two; empty when nobody could tell.
    """

    now: datetime
    timezone: str
    stale_minutes: int
    posture: str = "read-only"
    problem: str = ""
    heartbeat_at: datetime | None = None
    snapshot: Snapshot | None = None
    diff: SnapshotDiff | None = None
    drift: Sequence[DriftMetric] = ()
    newest_reads: Sequence[SourceRead] = ()
    confirmed_at: datetime | None = None
    parts: Sequence[Mapping[str, Any]] = ()
    history: Mapping[str, Any] = field(default_factory=dict)
    devices: Sequence[ConnectorRead] = ()
    device_stale_minutes: int = 60
    governance: str = ""

    @property
    def as_of(self) -> datetime | None:
        """The instant the current numbers describe.

        An unchanged cloud gives no new snapshot, so the snapshot's own time would grow old although
        somebody looked a minute ago; its newest confirmation does not.
        """
        if self.snapshot is None:
            return None
        return self.confirmed_at or parse_instant(str(self.snapshot.payload["asOf"]))

    @property
    def age_minutes(self) -> float | None:
        """How old the numbers are; null when there are none."""
        return None if self.as_of is None else (self.now - self.as_of).total_seconds() / 60

    @property
    def is_stale(self) -> bool:
        """Whether the numbers are older than the limit."""
        return self.age_minutes is not None and self.age_minutes > self.stale_minutes

    @property
    def broken_reads(self) -> tuple[SourceRead, ...]:
        """The collections whose newest read is not full."""
        return tuple(read for read in self.newest_reads if read.completeness is not Completeness.FULL)


class Desk:
    """Gathers the facts of one studio.

    Args:
        settings: For the zone, the limits and the posture.
        run: Directory with the supervisor's status files.
        history: Opens the history; called again after a failure.
        heartbeat: Returns the daemon's newest sign of life; may raise.
        clock: Tells now.
        governance: Tells of the kill switch and of what waits; may raise.
    """

    def __init__(
        self,
        settings: Settings,
        run: Path,
        *,
        history: Callable[[], Remembered],
        heartbeat: Callable[[], datetime | None],
        clock: Clock,
        governance: Callable[[], str] = str,
    ) -> None:
        self._settings, self._run, self._history = settings, run, history
        self._heartbeat, self._clock, self._governance = heartbeat, clock, governance

    def gather(self) -> Facts:
        """Return what is known now; may block for as long as the database takes to answer or refuse."""
        status = read_json(self._run / "status.json") or {}
        known: dict[str, Any] = {
            "now": self._clock.now(),
            "timezone": self._settings.timezone,
            "stale_minutes": self._settings.snapshot_stale_minutes,
            "device_stale_minutes": self._settings.device_stale_minutes,
            "posture": self._settings.posture,
            "parts": status.get("parts", ()),
            "history": read_json(self._run / "history.json") or {},
        }
        try:
            known |= self._remembered()
        except Exception as error:  # noqa: BLE001 - whatever keeps us from reading is told, never a broken page
            logger("desk").warning("desk:history:unreadable", exc_info=error)
            known["problem"] = "The database does not answer."
        else:
            known["heartbeat_at"] = self._last_heartbeat()
            known["governance"] = self._governed()
        return Facts(**known)

    def _remembered(self) -> dict[str, Any]:
        history = self._history()
        snapshot = history.current_snapshot()
        known: dict[str, Any] = {
            "snapshot": snapshot,
            "newest_reads": history.latest_reads(),
        }
        if snapshot is not None:
            known["confirmed_at"] = confirmed_at(history, snapshot)
            known["devices"] = newest_connector_reads(history, snapshot.snapshot_date)
            known["diff"] = history.diff_for(snapshot.snapshot_date, snapshot.revision)
            known["drift"] = history.drift_for(snapshot.snapshot_date, snapshot.revision)
        return known

    def _last_heartbeat(self) -> datetime | None:
        try:
            return self._heartbeat()
        except Exception as error:  # noqa: BLE001 - Dagster's storage may not be there yet; then nobody can tell
            logger("desk").warning("desk:heartbeat:unreadable", exc_info=error)
            return None

    def _governed(self) -> str:
        try:
            return self._governance()
        except Exception as error:  # noqa: BLE001 - a line that cannot be told is left out, never a broken page
            logger("desk").warning("desk:governance:unreadable", exc_info=error)
            return ""


def confirmed_at(history: Remembered, snapshot: Snapshot) -> datetime | None:
    """Return the newest instant at which the cloud was seen to say this; null when that is not known."""
    said = (snapshot.snapshot_date.isoformat(), snapshot.revision)
    instants = [
        confirmed_as_of(event)
        for event in history.events(EVENTS_LOOKED_AT, name=SNAPSHOT_CONFIRMED)
        if (event.payload.get("snapshotDate"), event.payload.get("revision")) == said
    ]
    return max(instants, default=None)


def instant(seconds: float) -> datetime:
    """Return an instant from seconds since 1970, aware UTC."""
    return datetime.fromtimestamp(seconds, UTC)
