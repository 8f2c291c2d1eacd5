"""Dagster's records of a test, in memory, over one connection that stays open.

Dagster's own log in memory opens a connection for every event, tells it how to behave, looks at the shape of
its tables again, and writes the event by itself: a third of what a run costs. Here an event is made ready to
be kept when it is stored, and written with all that waited when somebody looks. What is recorded and what can
be asked stays the same.
"""

from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache

import dagster as dg
import pytest
import sqlalchemy as db
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from dagster import DagsterEventType
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.storage import event_log, runs
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetKeyTable,
    SqlEventLogStorageMetadata,
    SqlEventLogStorageTable,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.pool import StaticPool

_OF_ASSETS = {
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    DagsterEventType.ASSET_OBSERVATION,
}
_RARE = ASSET_EVENTS - _OF_ASSETS
"""Events that change more tables; Dagster's own log writes them, in their turn."""
_OF_ASSET = ("last_materialization", "last_run_id", "last_materialization_timestamp")
_INSERT = SqlEventLogStorageTable.insert()
_LAST_ID = db.select(db.func.coalesce(db.func.max(SqlEventLogStorageTable.c.id), 0))
_INSERT_CHECKS = AssetCheckExecutionsTable.insert()
_CHECK = AssetCheckExecutionsTable.c
_JUDGE = AssetCheckExecutionsTable.update().where(
    _CHECK.asset_key == db.bindparam("of_asset"),
    _CHECK.check_name == db.bindparam("of_check"),
    _CHECK.run_id == db.bindparam("of_run"),
    _CHECK.partition.is_not_distinct_from(db.bindparam("of_partition")),
)


def _upsert_assets():
    row = insert(AssetKeyTable)
    kept = {name: db.func.coalesce(row.excluded[name], AssetKeyTable.c[name]) for name in _OF_ASSET}
    return row.on_conflict_do_update(index_elements=[AssetKeyTable.c.asset_key], set_=kept)


_UPSERT_ASSETS = _upsert_assets()


class OneConnectionLog(event_log.InMemoryEventLogStorage):
    """The log in memory; asked by one thread after the other, as Dagster's own."""

    def __init__(self, *given, **named):
        self._waiting = []
        super().__init__(*given, **named)
        engine = db.create_engine(
            self._engine.url, poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        self._only = engine.connect()
        with self._only.begin():
            self._only.execute(db.text("PRAGMA foreign_keys=ON"))

    @contextmanager
    def _connect(self):
        """Give the connection, on which all that was stored can be seen; everything that asks comes by.

        What waits is written by itself first: it stays when whoever asks fails. What cannot be written waits
        on, so that whoever looks again hears of it again, and nobody sees a log without it.
        """
        with self._db_lock:
            if self._waiting:
                with self._only.begin():
                    self._write(self._only, self._waiting)
                self._waiting = []
            with self._only.begin():
                yield self._only

    def store_event(self, event):
        """Keep an event, at the latest when somebody asks; what cannot be kept is refused here."""
        kind = event.dagster_event_type
        if self._handlers[event.run_id] or kind in _RARE or (kind in ASSET_CHECK_EVENTS and not event.run_id):
            super().store_event(event)
            return
        row, now = self._event_to_row(event), datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        with self._db_lock:
            self._waiting.append((event, row, now))
        self._storage_id += 1

    def _write(self, conn, waiting):
        """Write what waits as Dagster's own log would have, event by event: ids, order and tables."""
        first = conn.execute(_LAST_ID).scalar_one() + 1
        kept = [(event, row, first + number, now) for number, (event, row, now) in enumerate(waiting)]
        conn.execute(_INSERT, [{"id": event_id, **row} for _, row, event_id, _ in kept])
        of_assets = [one for one in kept if one[0].dagster_event_type in _OF_ASSETS and one[1]["asset_key"]]
        self._write_assets(conn, of_assets)
        self._write_checks(conn, [one for one in kept if one[0].dagster_event_type in ASSET_CHECK_EVENTS])

    def _write_assets(self, conn, kept):
        if not kept:
            return
        self._store_asset_event_tags(conn, [one[0] for one in kept], [one[2] for one in kept])
        assets = {}
        for event, row, event_id, now in kept:
            empty = dict.fromkeys(_OF_ASSET) | {"asset_key": row["asset_key"], "create_timestamp": now}
            asset = assets.setdefault(row["asset_key"], empty)
            asset.update(self._get_asset_entry_values(event, event_id, True))
        conn.execute(_UPSERT_ASSETS, list(assets.values()))

    def _write_checks(self, conn, kept):
        planned = []
        for event, row, event_id, now in kept:
            if event.dagster_event_type is DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
                planned += _planned(event, row, event_id, now)
                continue
            if planned:
                conn.execute(_INSERT_CHECKS, planned)
                planned = []
            _judge(conn, event, row, event_id, now)
        if planned:
            conn.execute(_INSERT_CHECKS, planned)

    def has_table(self, table_name):
        """Say whether there is a table; all are made with the log."""
        return table_name in SqlEventLogStorageMetadata.tables

    def _has_asset_key_col_on_connection(self, conn, column_name):
        return column_name in SqlEventLogStorageMetadata.tables["asset_keys"].columns

    def dispose(self):
        """Let go of both connections; what waits is written first, for it may be what cannot be."""
        try:
            if self._waiting:
                with self._connect():
                    pass
        finally:
            self._only.close()
            self._only.engine.dispose()
            super().dispose()


def _planned(event, row, event_id, now):
    """Return the rows of a check that is planned: one a partition."""
    said = event.get_dagster_event().asset_check_planned_data
    return [
        {
            "asset_key": said.asset_key.to_string(),
            "check_name": said.check_name,
            "partition": partition,
            "run_id": event.run_id,
            "execution_status": Status.PLANNED.value,
            "evaluation_event": row["event"],
            "evaluation_event_timestamp": row["timestamp"],
            "evaluation_event_storage_id": event_id,
            "create_timestamp": now,
        }
        for partition in (said.partitions_subset.get_partition_keys() if said.partitions_subset else [None])
    ]


def _judge(conn, event, row, event_id, now):
    """Write how a check came out over what was planned; beside it where nothing was."""
    said = event.get_dagster_event().asset_check_evaluation_data
    target = said.target_materialization_data
    which = (said.asset_key.to_string(), said.check_name, event.run_id, said.partition)
    found = {
        "execution_status": (Status.SUCCEEDED if said.passed else Status.FAILED).value,
        "evaluation_event": row["event"],
        "evaluation_event_timestamp": row["timestamp"],
        "evaluation_event_storage_id": event_id,
        "materialization_event_storage_id": target.storage_id if target else None,
    }
    names = ("of_asset", "of_check", "of_run", "of_partition")
    updated = conn.execute(_JUDGE, {**dict(zip(names, which, strict=True)), **found}).rowcount
    assert updated <= 1, f"{which} was planned {updated} times"
    if not updated:
        columns = ("asset_key", "check_name", "run_id", "partition")
        whole = {**dict(zip(columns, which, strict=True)), **found, "create_timestamp": now}
        conn.execute(_INSERT_CHECKS, whole)


_revisions = cache(ScriptDirectory.from_config)


def _stamp(config, conn):
    """Note the newest revision of the tables, without loading all of Dagster's for every instance."""
    MigrationContext.configure(conn).stamp(_revisions(config), "head")


@contextmanager
def memory_instance():
    """Give a Dagster instance whose records are gone afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        for storage in (event_log, runs):
            patch.setattr(storage.in_memory, "stamp_alembic_rev", _stamp)
        patch.setattr(event_log, "InMemoryEventLogStorage", OneConnectionLog)
        instance = dg.DagsterInstance.ephemeral()
    with instance:
        yield instance
