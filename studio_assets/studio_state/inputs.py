"""Which reads a snapshot may rest on, and their rows. Anything stale, partial or lost is refused here."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

import pyarrow as pa

from resources.clock import day_end, instant_text
from resources.postgres.history import History
from resources.raw_store import RawStore
from resources.rows import SourceRead
from studio_assets.studio_state.counters import required_columns
from studio_assets.studio_state.snapshot import REQUIRED, IncompleteSourcesError, problems_of


def newest_reads(history: History, day: date, run_id: str) -> list[SourceRead]:
    """Return what a run goes by: its own reads when it read everything, else the newest of each collection.

    Another run may be reading the same day meanwhile; reads of both together would show no state that ever
    was.
    """
    own = history.latest_reads(snapshot_date=day, run_id=run_id)
    if {read.name for read in own}.issuperset(REQUIRED):
        return own
    return history.latest_reads(snapshot_date=day)


def usable_reads(
    newest: Iterable[SourceRead], day: date, *, now: datetime, timezone: str, stale_minutes: int
) -> dict[str, SourceRead]:
    """Return the reads of a day by collection, when all of them may be used.

    Args:
        newest: The newest read of every collection for that day, whatever its completeness.
        day: The studio-local day.
        now: The present, aware.
        timezone: The studio's time zone.
        stale_minutes: Oldest a read of a running day may be. A read of the day's very end is never stale.

    Raises:
        IncompleteSourcesError: with one sentence per collection that is absent, not full, or too old.
    """
    reads = {read.name: read for read in newest}
    problems = [*problems_of(reads, day)]
    end, oldest = day_end(day, timezone), now - timedelta(minutes=stale_minutes)
    problems.extend(
        f"{read.name} was last read at {instant_text(read.read_at)}, more than {stale_minutes} minutes ago."
        for read in reads.values()
        if read.read_at != end and read.read_at < oldest
    )
    if problems:
        raise IncompleteSourcesError(problems)
    return reads


def read_tables(reads: Mapping[str, SourceRead], raw: RawStore) -> dict[str, pa.Table]:
    """Return the rows counters look at, by collection.

    Raises:
        IncompleteSourcesError: when the file of a read is gone. Transient: reading again makes a new one.
    """
    return open_tables(reads, raw, required_columns())


def open_tables(
    reads: Mapping[str, SourceRead], raw: RawStore, wanted: Mapping[str, Iterable[str]]
) -> dict[str, pa.Table]:
    """Return the rows of some collections, with ``document_id`` and the columns wanted of each.

    Raises:
        IncompleteSourcesError: when the file of a read is gone. Transient: reading again makes a new one.
    """
    tables, lost = {}, []
    for name, named in wanted.items():
        columns = ["document_id", *(column for column in named if column != "document_id")]
        url = reads[name].raw_url
        try:
            if url is None:
                raise FileNotFoundError
            tables[name] = raw.open_table(url, columns)
        except (OSError, pa.ArrowInvalid):
            lost.append(f"The file of the read of {name} is gone or damaged.")
    if lost:
        raise IncompleteSourcesError(lost)
    return tables


def spread_warning(reads: Iterable[SourceRead]) -> tuple[str, ...]:
    """Return a warning when the reads show different instants; together they describe the oldest."""
    instants = sorted({read.read_at for read in reads})
    if len(instants) <= 1:
        return ()
    first, last = instant_text(instants[0]), instant_text(instants[-1])
    return (f"The sources were not read at one instant but between {first} and {last}.",)
