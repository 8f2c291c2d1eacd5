"""A simulated year in memory: what the studio's own reads would hold at the end of each day.

The world's plan is walked once. Documents are kept as the plan writes them, Stripe's objects by the twin's
own acts, and every table goes through the reader of the real reads (``RowReader``); only the wire is left
out, and a test compares the two table by table. A day's tables are built on the day before's: what did not
change is not read again, and what changed within some weeks is read in one go.

Tables of a day are what a snapshot made *at* the day's end holds: Stripe's objects as they stood then,
including what a later rebuild of that day could no longer know (``past_payments``).
"""

from bisect import bisect_right
from collections.abc import Collection as Names
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa

from studio_assets.cloud_truth.rows import RowReader
from studio_assets.contracts import catalog
from studio_assets.contracts.arrow import arrow_schema
from studio_assets.contracts.model import Collection
from studio_assets.studio_state.counters import COUNTERS
from studio_assets.studio_state.predicates import Moment
from twins.world import almanac
from twins.world.books import Books
from twins.world.incidents import Label
from twins.world.operations import Document, DocumentWrite, apply_write
from twins.world.plan import Plan
from twins.world.settings import SMALL, Size, WorldSettings

FIRST_DAY = date(2026, 1, 1)
DAYS_OF_A_YEAR = 365
_DAYS_AT_ONCE = 21  # reading columns of many documents costs hardly more than of a few
TIMEZONE = almanac.TIMEZONE
"""Studio-local days and windows are of this zone."""


@dataclass(frozen=True, slots=True)
class Day:
    """The studio at the end of one studio-local day.

    Attributes:
        day: The studio-local day.
        as_of: Its end (the next local midnight), aware UTC; nothing later is known.
        tables: Contract name -> rows in document-id order, in the contract's own schema.
        counters: ``section.name`` -> number, as StudioState counts; only those whose sources were asked for.
    """

    day: date
    as_of: datetime
    tables: Mapping[str, pa.Table]
    counters: Mapping[str, int]


class Year(Iterator[Day]):
    """The days of one simulated world, oldest first; walk it once."""

    def __init__(self, settings: WorldSettings, days: int, names: Sequence[str]) -> None:
        self.settings = settings
        self._plan = Plan(settings, has_archive=False)
        self._days = self._walk(days, names)
        self._until: datetime | None = None

    def __next__(self) -> Day:
        """Return the next day."""
        return next(self._days)

    @property
    def labels(self) -> Sequence[Label]:
        """Return the labels of everything the days handed out so far show, in order of start."""
        return [] if self._until is None else self._plan.labels(self._until)

    def _walk(self, days: int, names: Sequence[str]) -> Iterator[Day]:
        steps = self._plan.steps()
        step = next(steps)
        cloud = _Cloud(names)
        every = [self.settings.first_day + timedelta(days=number) for number in range(days)]
        for start in range(0, days, _DAYS_AT_ONCE):
            block = every[start : start + _DAYS_AT_ONCE]
            for day in block:
                as_of = almanac.day_end(day)
                while step.at < as_of:
                    for call in step.calls:
                        cloud.books.carry_out(call)
                    for write in step.writes:
                        cloud.write(write)
                    step = next(steps)
                cloud.end_day(as_of)
            for day, tables in zip(block, cloud.tables(), strict=True):
                self._until = as_of = almanac.day_end(day)
                yield Day(day, as_of, tables, _count(tables, as_of))


def simulate(
    seed: int,
    days: int = DAYS_OF_A_YEAR,
    *,
    has_incidents: bool = True,
    first_day: date = FIRST_DAY,
    size: Size = SMALL,
    only: Names[str] | None = None,
) -> Year:
    """Return the days of a world, to be walked once; ``labels`` of it tells what really happened.

    Args:
        seed: Any integer; the same seed gives the same days.
        days: How many studio-local days.
        has_incidents: Without them nothing in the studio asks for a person's attention.
        first_day: The first of the days.
        size: How much of a studio.
        only: Contract names to keep tables of, for speed; all when null.

    Raises:
        KeyError: for a name that is no contract.
    """
    wanted = [catalog.collection(name) for name in only] if only is not None else catalog.ALL
    settings = WorldSettings(seed, first_day, size, has_incidents=has_incidents)
    return Year(settings, days, [contract.name for contract in wanted])


class _Cloud:
    """Documents and payments as they stand, and the tables of them as of the last look."""

    def __init__(self, names: Sequence[str]) -> None:
        contracts = [catalog.collection(name) for name in names]
        self.books = Books()
        self._documents: dict[str, dict[str, Document]] = {
            contract.path: {} for contract in contracts if contract.source == "firestore"
        }
        self._touched: dict[str, set[str]] = {path: set() for path in self._documents}
        self._tables = [_Rows(contract) for contract in contracts]

    def write(self, write: DocumentWrite) -> None:
        """Take one write into account; collections no table is wanted of are passed over."""
        collection, _, document_id = write.path.partition("/")
        documents = self._documents.get(collection)
        if documents is None or "/" in document_id:
            return
        apply_write(documents, DocumentWrite(document_id, write.kind, write.data))
        self._touched[collection].add(document_id)

    def end_day(self, as_of: datetime) -> None:
        """Note what changed since the last day's end; null stands for a document that is gone."""
        paid = self.books.changed(as_of)
        for rows in self._tables:
            path = rows.contract.path
            if rows.contract.source == "stripe":
                rows.note(paid.get(path, {}))
            else:
                documents = self._documents[path]
                rows.note({name: documents.get(name) for name in self._touched[path]})
        self._touched = {path: set() for path in self._documents}

    def tables(self) -> Iterator[Mapping[str, pa.Table]]:
        """Yield the tables of every day noted since the last call; unchanged ones are the same objects."""
        days = [rows.days() for rows in self._tables]
        names = [rows.contract.name for rows in self._tables]
        for tables in zip(*days, strict=True):
            yield dict(zip(names, tables, strict=True))


_Changes = Mapping[str, Mapping[str, Any] | None]


class _Rows:
    """The rows of one contract, brought up to date day by day with what changed."""

    def __init__(self, contract: Collection) -> None:
        self.contract = contract
        self._table: pa.Table = arrow_schema(contract).empty_table()
        self._noted: list[_Changes] = []

    def note(self, changes: _Changes) -> None:
        """Note what changed on one more day."""
        self._noted.append(changes)

    def days(self) -> Iterator[pa.Table]:
        """Yield the table of each day noted; changed documents of all of them are read together."""
        noted, self._noted = self._noted, []
        ids, ends, fresh = self._read(noted)
        start = 0
        for changes, end in zip(noted, ends, strict=True):
            if changes:
                self._lay_over(changes, fresh.slice(start, end - start), ids[start:end])
            start = end
            yield self._table

    def _read(self, noted: Sequence[_Changes]) -> tuple[list[str], list[int], pa.Table]:
        """Return ids, where each day's rows end, and the rows; documents set aside have none."""
        versions = [
            (number, name, record)
            for number, changes in enumerate(noted)
            for name, record in sorted(changes.items())
            if record is not None
        ]
        # A document may change on several days, so rows are told apart by their place.
        places = [str(place) for place in range(len(versions))]
        rows = RowReader(self.contract).read(places, [record for _, _, record in versions])
        kept = [versions[int(place)][:2] for place in rows.column(0).to_pylist()]
        ids = [name for _, name in kept]
        numbers = [number for number, _ in kept]
        ends = [bisect_right(numbers, number) for number in range(len(noted))]
        named = [pa.array(ids, pa.string()), *rows.columns[1:]]
        return ids, ends, pa.Table.from_arrays(named, schema=rows.schema)

    def _lay_over(self, changes: _Changes, fresh: pa.Table, ids: Sequence[str]) -> None:
        """Replace the rows of changed documents; both sides are in order of ids, and so is the result."""
        before = self._table.column("document_id").to_pylist()
        order = [(name, place) for place, name in enumerate(before) if name not in changes]
        order.extend((name, len(before) + place) for place, name in enumerate(ids))
        order.sort()
        both = pa.concat_tables([self._table, fresh]).combine_chunks()
        self._table = both.take(pa.array([place for _, place in order], pa.int64()))


def _count(tables: Mapping[str, pa.Table], as_of: datetime) -> Mapping[str, int]:
    moment = Moment(as_of, TIMEZONE)
    return {
        counter.path: counter.count(tables, moment)
        for counter in COUNTERS
        if all(name in tables for name in counter.sources)
    }
