"""A simulated year in memory: what the studio's own reads would hold at the end of each day.

The world's plan is walked once. Documents are kept as the plan writes them, Stripe's objects by the twin's
own acts, and every table goes through the reader of the real reads (``RowReader``); only the wire is left
out, and a test compares the two table by table. A day's tables are built on the day before's: what did not
change is not read again.

Tables of a day are what a snapshot made *at* the day's end holds: Stripe's objects as they stood then,
including what a later rebuild of that day could no longer know (``past_payments``).
"""

from collections.abc import Collection as Names
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from studio_assets.cloud_truth.rows import RowReader
from studio_assets.contracts import catalog
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
        for number in range(days):
            day = self.settings.first_day + timedelta(days=number)
            as_of = almanac.day_end(day)
            while step.at < as_of:
                for call in step.calls:
                    cloud.books.carry_out(call)
                for write in step.writes:
                    cloud.write(write)
                step = next(steps)
            tables = cloud.tables(as_of)
            self._until = as_of
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
        self._tables = {contract.name: _Rows(contract) for contract in contracts}

    def write(self, write: DocumentWrite) -> None:
        """Take one write into account; collections no table is wanted of are passed over."""
        collection, _, document_id = write.path.partition("/")
        documents = self._documents.get(collection)
        if documents is None or "/" in document_id:
            return
        apply_write(documents, DocumentWrite(document_id, write.kind, write.data))
        self._touched[collection].add(document_id)

    def tables(self, as_of: datetime) -> Mapping[str, pa.Table]:
        """Return every table as of an instant; those of unchanged collections are the same objects again."""
        paid = self.books.changed(as_of)
        for rows in self._tables.values():
            path = rows.contract.path
            if rows.contract.source == "stripe":
                rows.update(paid.get(path, {}))
            else:
                documents = self._documents[path]
                rows.update({name: documents.get(name) for name in self._touched[path]})
        self._touched = {path: set() for path in self._documents}
        return {name: rows.table for name, rows in self._tables.items()}


class _Rows:
    """The rows of one contract, brought up to date by what changed."""

    def __init__(self, contract: Collection) -> None:
        self.contract = contract
        self._reader = RowReader(contract)
        self.table: pa.Table = self._reader.schema.empty_table()

    def update(self, changed: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Lay changed documents over the rows; null stands for a document that is gone."""
        if not changed:
            return
        present = {name: record for name, record in changed.items() if record is not None}
        fresh = self._reader.read(list(present), list(present.values()))
        self._reader.quarantined.clear()
        touched = pa.array(list(changed), pa.string())
        kept = self.table.filter(pc.invert(pc.is_in(self.table.column("document_id"), value_set=touched)))
        merged = pa.concat_tables([kept, pa.Table.from_batches([fresh])])
        self.table = merged.sort_by("document_id").combine_chunks()


def _count(tables: Mapping[str, pa.Table], as_of: datetime) -> Mapping[str, int]:
    moment = Moment(as_of, TIMEZONE)
    return {
        counter.path: counter.count(tables, moment)
        for counter in COUNTERS
        if all(name in tables for name in counter.sources)
    }
