"""Dagster's event log in PostgreSQL, written many events at a time.

A run of ours is some three hundred events. The stock log writes each by itself, in two statements for a plain
one and more for one of an asset or a check. Here the events of a step wait until somebody looks, the step or
the run ends, enough have come together, or ``LONGEST_WAIT_SECONDS`` are over. Then they are written in their
order, by one transaction of a handful of statements. The tables hold what the stock log would have put there.
That costs private names of Dagster's, pinned by tests.

INVARIANT: What says how a step or a run ended never waits, and is written with all that came before it, so
the log of a run that is over is whole; and who reads through the same object reads all that it was given. A
process that is killed loses what waited, as if it had been killed that much earlier. A batch whose commit was
never answered is looked for before it is written again, so it stands there once.

A batch that the server refuses, or cancels because it took too long, is halved until every event that can be
written is. One that cannot be written by itself is set aside, and a line of the log says which; where the
server cancels whatever it is given, no event is at fault, and all wait.
"""

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from dagster import DagsterEventType, EventLogEntry
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.storage.event_log.migration import ASSET_KEY_INDEX_COLS
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster_postgres.event_log import PostgresEventLogStorage
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from resources.dagster_check_rows import CHECK, judged, planned, store_judged
from resources.dagster_log_faults import CANCELLED, NotItsTurnError, is_away, is_cancelled

LONGEST_WAIT_SECONDS = 0.5
MOST_WAITING = 200

_LOG = logging.getLogger("dagster")
_Row = dict[str, Any]
_OF_ASSETS = frozenset(
    {
        DagsterEventType.ASSET_MATERIALIZATION,
        DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        DagsterEventType.ASSET_OBSERVATION,
    }
)
_ALONE = ASSET_EVENTS - _OF_ASSETS
"""Rare events that change more tables; the stock log writes them, in their turn."""
_MAY_WAIT = (
    _OF_ASSETS
    | ASSET_CHECK_EVENTS
    | {
        *(DagsterEventType.RESOURCE_INIT_STARTED, DagsterEventType.RESOURCE_INIT_SUCCESS),
        *(DagsterEventType.STEP_START, DagsterEventType.LOGS_CAPTURED),
        *(DagsterEventType.STEP_INPUT, DagsterEventType.LOADED_INPUT),
        *(DagsterEventType.STEP_OUTPUT, DagsterEventType.HANDLED_OUTPUT),
    }
)
_QUEUE = sa.text(
    "SELECT pg_advisory_xact_lock(7236833186013407316),"
    " set_config('idle_in_transaction_session_timeout', '60s', true)"
)
"""Events come out in the order of their numbers: sensors keep the newest number they saw, and would never
look at one below it that came out later. Whoever has the lock also knows that no batch is half written.
A process that is frozen while it has the lock loses it after a minute, so it holds up no other for long."""
_INSERT_EVENTS = SqlEventLogStorageTable.insert().returning(
    SqlEventLogStorageTable.c.id, sort_by_parameter_order=True
)
_TRIAL = SqlEventLogStorageTable.insert().values(run_id="", event="{}", timestamp=sa.func.now())
"""A row that nobody sees: where even this one cannot be written, no event is at fault."""
_TEXT_OF = sa.select(SqlEventLogStorageTable.c.event).where(
    SqlEventLogStorageTable.c.id == sa.bindparam("number")
)
_OF_ASSET_KEY = ("last_materialization", "last_run_id", "last_materialization_timestamp")


def _upsert_assets() -> Any:
    insert = postgresql.insert(AssetKeyTable)
    kept = {name: sa.func.coalesce(insert.excluded[name], AssetKeyTable.c[name]) for name in _OF_ASSET_KEY}
    return insert.on_conflict_do_update(index_elements=[AssetKeyTable.c.asset_key], set_=kept)


_UPSERT_ASSETS = _upsert_assets()


@dataclass(frozen=True)
class _Batch:
    """Events that were sent together. Their first number and its text tell them from all others.

    The number alone does not: a server that crashed may give one again that nobody but us had seen.
    """

    events: Sequence[EventLogEntry]
    number: int
    text: str


class BatchedEventLog(PostgresEventLogStorage):
    """Event log whose writes are put together, and that remembers which tables and columns there are."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._tables: set[str] = set()
        self._columns: set[str] = set()
        self._waiting: list[EventLogEntry] = []
        self._in_doubt: _Batch | None = None  # sent, and not yet known to be kept or not
        self._is_writing = self._is_closed = False
        self._lock = threading.RLock()  # who writes connects, and connecting writes what waits
        self._writer: threading.Thread | None = None
        self._closing = threading.Event()
        super().__init__(*args, **kwargs)

    def has_table(self, table_name: str) -> bool:
        """Say whether there is a table; what is there does not go away."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def has_asset_key_col(self, column_name: str) -> bool:
        """Say whether there is a column of assets; without a connection, once it is known."""
        return column_name in self._columns or bool(super().has_asset_key_col(column_name))

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        if column_name not in self._columns and super()._has_asset_key_col_on_connection(conn, column_name):
            self._columns.add(column_name)
        return column_name in self._columns

    def _connect(self) -> AbstractContextManager[Connection]:
        """Give a connection, which sees all events that were stored; everything that asks comes by here."""
        self.write_waiting()
        connection: AbstractContextManager[Connection] = super()._connect()
        return connection

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event, by itself or soon with others."""
        kind = event.dagster_event_type
        is_alone = kind in _ALONE or (kind in ASSET_CHECK_EVENTS and not event.run_id)
        with self._lock:
            if is_alone:
                self.write_waiting()
                self._store_alone(event)
                return
            # Outside of a run nobody says that it is over: whoever reports something may be gone at once.
            if kind in _MAY_WAIT and event.run_id and not self._is_closed:
                self._waiting.append(event)
                self._expect_writer()
                if len(self._waiting) >= MOST_WAITING:
                    self._write([])
            else:
                self._write([event])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events, each of which may wait or not as any other."""
        for event in events:
            self.store_event(event)

    def write_waiting(self) -> None:
        """Write what waits; returns when it is stored, also by another thread."""
        with self._lock:
            if not self._is_writing:
                self._write([])

    def dispose(self) -> None:
        """Write what waits and let go."""
        with self._lock:
            self._is_closed = True
            self._closing.set()
            try:
                self._write([])
            except Exception as error:
                if not (is_away(error) or is_cancelled(error)):
                    raise
                _LOG.warning("%d events of a run were lost.", len(self._waiting))
            finally:  # also when an event cannot be stored at all, whose error is raised
                super().dispose()

    def _expect_writer(self) -> None:
        if self._writer is None:
            self._writer = threading.Thread(target=self._write_later, name="event-log", daemon=True)
            self._writer.start()

    def _write_later(self) -> None:
        while not self._closing.wait(LONGEST_WAIT_SECONDS):
            with self._lock:
                if not self._waiting:
                    self._writer = None
                    return
                try:
                    self._write([])
                except Exception as error:  # noqa: BLE001 - whoever stores next meets it, if it is still there
                    # Not in the error's own words: they repeat what was to be written.
                    _LOG.warning("Events could not be written yet (%s).", type(error).__name__)

    def _write(self, more: Sequence[EventLogEntry]) -> None:
        """Write what waits, and more after it.

        Raises:
            Exception: of the database. What waited waits on while the server is away, or cancels whatever is
                written; an event that cannot be stored at all is lost alone, as with the stock log, and its
                error raised, but for one that waited and was cancelled. ``more`` never waits.
        """
        if not (self._waiting or more):
            return
        self._is_writing = True
        try:
            more = self._not_kept(more)
            faults = self._store_part([*self._waiting, *more])
        finally:
            self._is_writing = False
        for event, fault in faults:
            if not is_cancelled(fault) or any(event is one for one in more):
                raise fault

    def _not_kept(self, more: Sequence[EventLogEntry]) -> Sequence[EventLogEntry]:
        """Let no event wait that was kept though nobody said so; return those of ``more`` that were not."""
        batch = self._in_doubt
        if batch is None:
            return more
        with self.index_transaction() as conn:
            _take_turn(conn)  # when the batch is over, if the server is still at it
            there = conn.execute(_TEXT_OF, {"number": batch.number}).scalar()
        self._in_doubt = None
        if there != batch.text:
            return more
        times = Counter(map(id, batch.events))

        def is_new(event: EventLogEntry) -> bool:
            times[id(event)] -= 1
            return times[id(event)] < 0

        self._waiting = [event for event in self._waiting if is_new(event)]
        return [event for event in more if is_new(event)]

    def _store_part(self, events: Sequence[EventLogEntry]) -> list[tuple[EventLogEntry, Exception]]:
        """Store events in their order: together, or by halves where together they are refused.

        Returns:
            Those that cannot be stored by themselves, and why.

        Raises:
            Exception: of the database, when it is away or cancels whatever is written.
        """
        faults: list[tuple[EventLogEntry, Exception]] = []
        try:
            self._store_together(events)
        except Exception as error:
            if is_away(error) or (is_cancelled(error) and not self._can_write()):
                raise
            self._in_doubt = None  # nothing was kept, and some are at fault, or all together too much
            if len(events) > 1:
                half = len(events) // 2
                return [*self._store_part(events[:half]), *self._store_part(events[half:])]
            try:
                self._store_alone(events[0])  # the stock log keeps what can be kept, and says what cannot
            except Exception as fault:
                if is_away(fault):
                    raise
                self._tell_of(events[0], fault)
                faults.append((events[0], fault))
        del self._waiting[: len(events)]  # they are its first ones, but for the last that did not wait
        return faults

    def _can_write(self) -> bool:
        """Say whether the server takes any event at all; where it takes none, no event is at fault.

        Raises:
            Exception: of the database, when the server is away.
        """
        try:
            with self.index_transaction() as conn:
                _take_turn(conn)
                trial = conn.begin_nested()
                conn.execute(_TRIAL)
                trial.rollback()
        except Exception as error:
            if is_away(error):
                raise
            return not is_cancelled(error)
        return True

    def _tell_of(self, event: EventLogEntry, fault: Exception) -> None:
        """Say which event is lost and how large it is, never what it says."""
        size = "of unknown size"
        with suppress(Exception):  # what cannot even be put into words is lost like any other
            size = f"{len(self._event_to_row(event)['event'])} characters"
        kind = event.dagster_event_type
        _LOG.error(
            "An event was set aside, for it could not be stored: %s of run %r, %s (%s). What came before and "
            "after it is stored.",
            *(kind.value if kind else "a message", event.run_id, size),
            f"cancelled by the server, {CANCELLED}" if is_cancelled(fault) else type(fault).__name__,
        )

    def _store_alone(self, event: EventLogEntry) -> None:
        """Let the stock log store an event, while no batch can come out beside it."""
        was_writing, self._is_writing = self._is_writing, True
        try:
            with self.index_transaction() as conn:
                _take_turn(conn)
                super().store_event(event)
        finally:
            self._is_writing = was_writing

    def _store_together(self, events: Sequence[EventLogEntry]) -> None:
        if not events:
            return
        rows: list[_Row] = [self._event_to_row(event) for event in events]
        with self.index_transaction() as conn:
            _take_turn(conn)
            ids = [int(number) for number in conn.execute(_INSERT_EVENTS, rows).scalars()]
            self._in_doubt = _Batch(events, ids[0], rows[0]["event"])
            stored = list(zip(events, rows, ids, strict=True))
            planned_rows = [
                each
                for event, row, number in stored
                if event.dagster_event_type is DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
                for each in planned(event, row, number)
            ]
            if planned_rows:
                conn.execute(AssetCheckExecutionsTable.insert(), planned_rows)
            outcomes = {
                tuple(each[name] for name in CHECK): each
                for each in (
                    judged(event, row, number)
                    for event, row, number in stored
                    if event.dagster_event_type is DagsterEventType.ASSET_CHECK_EVALUATION
                )
            }
            if outcomes:
                store_judged(conn, outcomes)
            of_assets = [one for one in stored if one[0].dagster_event_type in _OF_ASSETS]
            if of_assets:
                told, numbers = [event for event, _, _ in of_assets], [number for _, _, number in of_assets]
                self._store_asset_event_tags(conn, told, numbers)
                self._store_assets(conn, of_assets)
        self._in_doubt = None

    def _store_assets(self, conn: Connection, stored: Sequence[tuple[EventLogEntry, _Row, int]]) -> None:
        has_columns = self.has_secondary_index(ASSET_KEY_INDEX_COLS)
        found: dict[str, _Row] = {}
        for event, row, number in stored:
            empty = {"asset_key": row["asset_key"], **dict.fromkeys(_OF_ASSET_KEY)}
            asset = found.setdefault(row["asset_key"], empty)
            asset.update(self._get_asset_entry_values(event, number, has_columns))
        # In one order everywhere, so that runs that end together do not wait for each other in a ring.
        conn.execute(_UPSERT_ASSETS, [found[asset_key] for asset_key in sorted(found)])


def _take_turn(conn: Connection) -> None:
    """Let a transaction be the only one that writes events, until it ends.

    Raises:
        NotItsTurnError: it waited so long that the server cancelled it: no event is at fault.
    """
    try:
        conn.execute(_QUEUE)
    except DBAPIError as error:
        if is_cancelled(error):
            raise NotItsTurnError("Another process was writing events for too long.") from error
        raise
