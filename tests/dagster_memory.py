"""Dagster's records of a test, in memory, over one connection that stays open.

Dagster's own log in memory opens a connection for every event, tells it how to behave, and looks at the shape
of its tables again: a third of what a run costs. What is recorded and what can be asked stays the same.
"""

from contextlib import contextmanager

import dagster as dg
import pytest
import sqlalchemy as db
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.storage import event_log
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata, SqlEventLogStorageTable
from sqlalchemy.pool import StaticPool

_INSERT = SqlEventLogStorageTable.insert()


class OneConnectionLog(event_log.InMemoryEventLogStorage):
    """The log in memory; asked by one thread after the other, as Dagster's own."""

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        engine = db.create_engine(
            self._engine.url, poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        self._only = engine.connect()
        with self._only.begin():
            self._only.execute(db.text("PRAGMA foreign_keys=ON"))

    @contextmanager
    def _connect(self):
        with self._db_lock, self._only.begin():
            yield self._only

    def store_event(self, event):
        """Keep an event, with one statement that is made once for all of them."""
        if self._handlers[event.run_id]:
            super().store_event(event)
            return
        told = event.dagster_event
        with self._connect() as conn:
            kept = conn.execute(_INSERT, self._event_to_row(event))
            (event_id,) = kept.inserted_primary_key
            if told is not None and told.event_type in ASSET_EVENTS and told.asset_key:
                self._store_asset_event_tags(conn, [event], [event_id])
                self._store_asset_event(conn, event, event_id)
        if told is not None and told.event_type in ASSET_CHECK_EVENTS:
            self.store_asset_check_event(event, event_id)
        self._storage_id += 1

    def has_table(self, table_name):
        """Say whether there is a table; all are made with the log."""
        return table_name in SqlEventLogStorageMetadata.tables

    def _has_asset_key_col_on_connection(self, conn, column_name):
        return column_name in SqlEventLogStorageMetadata.tables["asset_keys"].columns

    def dispose(self):
        """Let go of both connections."""
        self._only.close()
        self._only.engine.dispose()
        super().dispose()


@contextmanager
def memory_instance():
    """Give a Dagster instance whose records are gone afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_log, "InMemoryEventLogStorage", OneConnectionLog)
        instance = dg.DagsterInstance.ephemeral()
    with instance:
        yield instance
