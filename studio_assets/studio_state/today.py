"""The state of today as departments look at it: whole reads, their rows, and the snapshot they rest on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa

from resources.clock import Clock
from resources.postgres.history import History
from resources.raw_store import RawStore
from resources.rows import Snapshot, SourceRead
from resources.settings import Settings
from studio_assets.studio_state.inputs import newest_reads, open_tables, usable_reads
from studio_assets.studio_state.snapshot import IncompleteSourcesError, as_of_reads


class NothingToRestOnError(Exception):
    """There is no snapshot of the day, or not every source was read whole and lately; the text says which."""


@dataclass(frozen=True, slots=True)
class Today:
    """A day that may be looked at.

    Attributes:
        snapshot: Its newest snapshot.
        reads: Collection -> the read that may be used, all of one run where it read everything.
    """

    snapshot: Snapshot
    reads: Mapping[str, SourceRead]

    @property
    def revision(self) -> str:
        """Return where evidence lies: ``2026-03-01.2``."""
        return f"{self.snapshot.snapshot_date}.{self.snapshot.revision}"

    @property
    def as_of(self) -> datetime:
        """Return the instant the rows show."""
        return as_of_reads(self.reads.values())

    def tables(self, raw: RawStore, columns: Mapping[str, Iterable[str]]) -> dict[str, pa.Table]:
        """Return the rows of some collections, with ``document_id`` and the columns wanted of each.

        Raises:
            NothingToRestOnError: when the file of a read is gone; the next run reads again.
        """
        try:
            return open_tables(self.reads, raw, columns)
        except IncompleteSourcesError as error:
            raise NothingToRestOnError(str(error)) from error


def todays_state(settings: Settings, history: History, clock: Clock, day: date, run_id: str) -> Today:
    """Return today's state for a run.

    Raises:
        NothingToRestOnError: when nothing may be derived from it.
    """
    snapshot = history.current_snapshot(day)
    if snapshot is None:
        raise NothingToRestOnError(f"There is no snapshot of {day} yet.")
    try:
        reads = usable_reads(
            newest_reads(history, day, run_id),
            day,
            now=clock.now(),
            timezone=settings.timezone,
            stale_minutes=settings.snapshot_stale_minutes,
        )
    except IncompleteSourcesError as error:
        raise NothingToRestOnError(str(error)) from error
    return Today(snapshot, reads)
