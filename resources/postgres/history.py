"""History: what the cloud said and when we knew it. Rows are appended, never changed.

Every method is one transaction on one studio. A row that says the same as the newest one of its kind is
not written again, also when two writers arrive together.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Select,
    Table,
    column,
    desc,
    func,
    insert,
    select,
    table,
    text,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import distinct_on

from resources.postgres.history_rows import (
    change_values,
    counter_values,
    diff_from,
    diff_values,
    drift_from,
    drift_hash,
    drift_values,
    event_from,
    read_from,
    read_values,
    shows_later,
    snapshot_from,
)
from resources.postgres.tables import (
    COUNTERS,
    DIFF_CHANGES,
    DIFFS,
    DRIFT,
    OPERATIONAL_EVENTS,
    QUARANTINED_DOCUMENTS,
    SCHEMA,
    SNAPSHOTS,
    SOURCE_READS,
)
from resources.postgres.transactions import kept
from resources.rows import (
    Completeness,
    DriftMetric,
    OperationalEvent,
    QuarantinedDocument,
    Snapshot,
    SnapshotDiff,
    SourceRead,
)

_COLLECTIONS = table("collections", *(column(n) for n in ("studio_id", "source", "name")), schema=SCHEMA)
_READ_KEY = ("source", "name", "read_at", "revision")


class History:
    """The history of one studio, over an engine of ``engine.app_engine`` for the same studio.

    Methods raise ``ServerUnreachableError`` when PostgreSQL does not answer (transient) and
    ``HistoryRefusedError`` when a rule of the database is broken (permanent); either way nothing is kept.
    """

    def __init__(self, engine: Engine, studio_id: str) -> None:
        self._engine = engine
        self.studio_id = studio_id

    # Reads

    def record_read(self, read: SourceRead, run_id: str, code_version: str) -> int:
        """Keep one read with its quarantined documents; return its revision (1 unless read_at repeats)."""
        with self._transaction(f"the read of {read.name}") as connection:
            key = {"source": read.source, "name": read.name, "read_at": read.read_at}
            revision = self._next_revision(connection, SOURCE_READS, key)
            provenance = {"run_id": run_id, "code_version": code_version}
            mine = {"studio_id": self.studio_id, "revision": revision}
            connection.execute(insert(SOURCE_READS), mine | read_values(read) | provenance)
            if read.quarantined:
                connection.execute(
                    insert(QUARANTINED_DOCUMENTS),
                    [
                        mine
                        | key
                        | {
                            "position": position,
                            "document_id": found.document_id,
                            "field_path": found.field_path,
                            "reason": found.reason,
                        }
                        for position, found in enumerate(read.quarantined, start=1)
                    ],
                )
            return revision

    def latest_read(
        self,
        source: str,
        name: str,
        *,
        completeness: Completeness | None = None,
        snapshot_date: date | None = None,
    ) -> SourceRead | None:
        """Return the newest read of a collection, by the instant it shows; None when there is none."""
        columns = SOURCE_READS.c
        query = self._reads(completeness, snapshot_date).where(columns.source == source, columns.name == name)
        found = self._read_all(query.order_by(desc(columns.read_at), desc(columns.revision)).limit(1))
        return found[0] if found else None

    def latest_reads(
        self,
        *,
        completeness: Completeness | None = None,
        snapshot_date: date | None = None,
        run_id: str | None = None,
    ) -> list[SourceRead]:
        """Return the newest read of every collection, in order of source and name; of one run if given."""
        columns, reads = SOURCE_READS.c, self._reads(completeness, snapshot_date, run_id)
        newest = (
            reads.where(columns.source == _COLLECTIONS.c.source, columns.name == _COLLECTIONS.c.name)
            .order_by(desc(columns.read_at), desc(columns.revision))
            .limit(1)
            .lateral()
        )
        mine = _COLLECTIONS.c.studio_id == self.studio_id
        query = select(newest).select_from(_COLLECTIONS).join(newest, true()).where(mine)
        return self._read_all(query.order_by(newest.c.source, newest.c.name))

    def _reads(
        self, completeness: Completeness | None, snapshot_date: date | None, run_id: str | None = None
    ) -> Select[Any]:
        wanted = {"completeness": completeness, "snapshot_date": snapshot_date, "run_id": run_id}
        return self._mine(
            SOURCE_READS, **{name: value for name, value in wanted.items() if value is not None}
        )

    def _read_all(self, query: Select[Any]) -> list[SourceRead]:
        with self._transaction("a look at the reads") as connection:
            rows = connection.execute(query).mappings().all()
            keys = [tuple(row[part] for part in _READ_KEY) for row in rows if row["quarantined"]]
            aside: dict[tuple[Any, ...], list[QuarantinedDocument]] = {key: [] for key in keys}
            if keys:
                columns = QUARANTINED_DOCUMENTS.c
                found = (
                    self._mine(QUARANTINED_DOCUMENTS)
                    .where(tuple_(*(columns[part] for part in _READ_KEY)).in_(keys))
                    .order_by(columns.position)
                )
                for row in connection.execute(found).mappings():
                    document = QuarantinedDocument(row["document_id"], row["field_path"], row["reason"])
                    aside[tuple(row[part] for part in _READ_KEY)].append(document)
            return [
                read_from(row, tuple(aside.get(tuple(row[part] for part in _READ_KEY), ()))) for row in rows
            ]

    # Snapshots

    def append_snapshot(
        self,
        snapshot_date: date,
        content_hash: str,
        payload: Mapping[str, Any],
        counters: Mapping[str, tuple[int, str]],
        *,
        observed_at: datetime,
        run_id: str,
        code_version: str,
    ) -> tuple[Snapshot, bool]:
        """Keep the state of a day unless its newest revision says the same, or shows a later instant.

        Args:
            snapshot_date: Studio-local day.
            content_hash: SHA-256 (hex) over what the cloud says; decides whether this is new.
            payload: The whole StudioState document.
            counters: Counter name -> (value, unit).
            observed_at: When the state was computed, aware.
            run_id: Dagster run.
            code_version: Version of the computing code.

        Returns:
            The current snapshot of the day, and whether this call made it.
        """
        with self._transaction(f"the snapshot of {snapshot_date}") as connection:
            key = {"snapshot_date": snapshot_date}
            revision = self._next_revision(connection, SNAPSHOTS, key)
            if revision > 1:
                row = connection.execute(self._mine(SNAPSHOTS, **key, revision=revision - 1)).mappings().one()
                if row["content_hash"] == content_hash or shows_later(row["payload"], payload):
                    return snapshot_from(row), False
            mine = {"studio_id": self.studio_id, "revision": revision, **key}
            snapshot = Snapshot(
                snapshot_date, revision, content_hash, dict(payload), observed_at, run_id, code_version
            )
            connection.execute(
                insert(SNAPSHOTS),
                mine
                | {
                    "content_hash": content_hash,
                    "payload": snapshot.payload,
                    "observed_at": observed_at,
                    "run_id": run_id,
                    "code_version": code_version,
                },
            )
            if counters:
                connection.execute(insert(COUNTERS), [mine | row for row in counter_values(counters)])
            return snapshot, True

    def snapshot(self, snapshot_date: date, revision: int | None = None) -> Snapshot | None:
        """Return one revision of a day's snapshot, the newest by default; None when there is none."""
        query = self._mine(SNAPSHOTS, snapshot_date=snapshot_date)
        if revision is not None:
            query = query.where(SNAPSHOTS.c.revision == revision)
        return self._first_snapshot(query)

    def current_snapshot(self, snapshot_date: date | None = None) -> Snapshot | None:
        """Return the newest snapshot of a day, by default of the newest day; None when there is none."""
        key = {} if snapshot_date is None else {"snapshot_date": snapshot_date}
        return self._first_snapshot(self._mine(SNAPSHOTS, **key))

    def previous_snapshot(self, before: Snapshot) -> Snapshot | None:
        """Return the latest snapshot of an earlier revision or an earlier day; None for the first."""
        order = tuple_(SNAPSHOTS.c.snapshot_date, SNAPSHOTS.c.revision)
        return self._first_snapshot(
            self._mine(SNAPSHOTS).where(order < tuple_(before.snapshot_date, before.revision))
        )

    def as_of(self, instant: datetime, snapshot_date: date | None = None) -> Snapshot | None:
        """Return the snapshot that was current at ``instant`` (of a day, or of the newest day known then)."""
        query = self._mine(SNAPSHOTS).where(SNAPSHOTS.c.observed_at <= instant)
        if snapshot_date is not None:
            query = query.where(SNAPSHOTS.c.snapshot_date == snapshot_date)
        return self._first_snapshot(query)

    def snapshots(self, limit: int = 60, *, before: date | None = None) -> list[Snapshot]:
        """Return the newest revision of each day, newest day first; at most ``limit``, ``before`` a day."""
        days = SNAPSHOTS.c.snapshot_date
        query = self._mine(SNAPSHOTS).ext(distinct_on(days)).order_by(desc(days), desc(SNAPSHOTS.c.revision))
        return self._snapshots(query.where(days < before) if before else query, limit)

    def revisions(self, snapshot_date: date) -> list[Snapshot]:
        """Return every revision of a day's snapshot, oldest first."""
        query = self._mine(SNAPSHOTS, snapshot_date=snapshot_date).order_by(SNAPSHOTS.c.revision)
        return self._snapshots(query)

    def counters(self, snapshot: Snapshot) -> dict[str, tuple[int, str]]:
        """Return counter name -> (value, unit) of one snapshot revision, in name order."""
        key = {"snapshot_date": snapshot.snapshot_date, "revision": snapshot.revision}
        query = self._mine(COUNTERS, **key).order_by(COUNTERS.c.counter)
        with self._transaction("a look at the counters") as connection:
            rows = connection.execute(query).mappings()
            return {row["counter"]: (row["value"], row["unit"]) for row in rows}

    def missing_days(self, first: date, last: date) -> list[date]:
        """Return the days from ``first`` to ``last``, both included, that have no snapshot; newest last."""
        days = SNAPSHOTS.c.snapshot_date
        query = select(days).where(SNAPSHOTS.c.studio_id == self.studio_id, days.between(first, last))
        with self._transaction("a look at the days") as connection:
            present = set(connection.scalars(query))
        every = (first + timedelta(days=number) for number in range((last - first).days + 1))
        return [day for day in every if day not in present]

    def _first_snapshot(self, query: Select[Any]) -> Snapshot | None:
        ordered = query.order_by(desc(SNAPSHOTS.c.snapshot_date), desc(SNAPSHOTS.c.revision))
        found = self._snapshots(ordered, 1)
        return found[0] if found else None

    def _snapshots(self, query: Select[Any], limit: int | None = None) -> list[Snapshot]:
        with self._transaction("a look at the snapshots") as connection:
            return [snapshot_from(row) for row in connection.execute(query.limit(limit)).mappings()]

    # Diff and drift

    def append_diff(self, diff: SnapshotDiff, observed_at: datetime, run_id: str, code_version: str) -> bool:
        """Keep a comparison unless the newest one of the same snapshot says the same; return whether kept."""
        with self._transaction(f"the comparison of {diff.to_date}") as connection:
            key = {"to_date": diff.to_date, "to_revision": diff.to_revision}
            values = diff_values(diff)
            revision = self._next_revision(connection, DIFFS, key)
            if self._says_same(connection, DIFFS, key, revision, values["content_hash"]):
                return False
            mine = {"studio_id": self.studio_id, "revision": revision}
            provenance = {"observed_at": observed_at, "run_id": run_id, "code_version": code_version}
            connection.execute(insert(DIFFS), mine | values | provenance)
            if diff.changes:
                connection.execute(insert(DIFF_CHANGES), [mine | key | row for row in change_values(diff)])
            return True

    def diff_for(self, snapshot_date: date, revision: int) -> SnapshotDiff | None:
        """Return the newest comparison of a snapshot with the one before it; None when never compared."""
        query = self._mine(DIFFS, to_date=snapshot_date, to_revision=revision)
        with self._transaction("a look at the comparisons") as connection:
            row = connection.execute(query.order_by(desc(DIFFS.c.revision)).limit(1)).mappings().first()
            if row is None:
                return None
            key = {name: row[name] for name in ("to_date", "to_revision", "revision")}
            changes = self._mine(DIFF_CHANGES, **key).order_by(DIFF_CHANGES.c.counter)
            return diff_from(row, connection.execute(changes).mappings())

    def append_drift(
        self,
        snapshot: Snapshot,
        metrics: Sequence[DriftMetric],
        observed_at: datetime,
        run_id: str,
        code_version: str,
    ) -> bool:
        """Keep a check of a snapshot unless the newest check of it says the same; return whether kept."""
        if not metrics:
            return False
        with self._transaction(f"the drift of {snapshot.snapshot_date}") as connection:
            key = {"snapshot_date": snapshot.snapshot_date, "snapshot_revision": snapshot.revision}
            content_hash = drift_hash(metrics)
            revision = self._next_revision(connection, DRIFT, key)
            if self._says_same(connection, DRIFT, key, revision, content_hash):
                return False
            mine = {"studio_id": self.studio_id, "revision": revision, "content_hash": content_hash, **key}
            mine |= {"observed_at": observed_at, "run_id": run_id, "code_version": code_version}
            connection.execute(insert(DRIFT), [mine | drift_values(metric) for metric in metrics])
            return True

    def drift_for(self, snapshot_date: date, revision: int) -> list[DriftMetric]:
        """Return the newest check of a snapshot, in metric order; empty when never checked."""
        key = {"snapshot_date": snapshot_date, "snapshot_revision": revision}
        newest = select(func.max(DRIFT.c.revision)).where(*self._conditions(DRIFT, key)).scalar_subquery()
        query = self._mine(DRIFT, **key).where(DRIFT.c.revision == newest).order_by(DRIFT.c.metric)
        with self._transaction("a look at the drift") as connection:
            return [drift_from(row) for row in connection.execute(query).mappings()]

    # Events

    def record_event(self, event: OperationalEvent) -> None:
        """Keep one event."""
        with self._transaction(f"the event {event.name}") as connection:
            values = {"name": event.name, "at": event.at, "payload": event.payload, "run_id": event.run_id}
            connection.execute(insert(OPERATIONAL_EVENTS), {"studio_id": self.studio_id} | values)

    def events(self, limit: int = 50, *, name: str | None = None) -> list[OperationalEvent]:
        """Return the newest events, newest first, at most ``limit``; only those called ``name`` if given."""
        columns = OPERATIONAL_EVENTS.c
        query = self._mine(OPERATIONAL_EVENTS).order_by(desc(columns.at), desc(columns.event_id)).limit(limit)
        with self._transaction("a look at the events") as connection:
            rows = connection.execute(query.where(columns.name == name) if name else query).mappings()
            return [event_from(row) for row in rows]

    # Shared

    def _conditions(self, table: Table, key: Mapping[str, Any]) -> list[Any]:
        return [table.c.studio_id == self.studio_id, *(table.c[name] == value for name, value in key.items())]

    def _mine(self, table: Table, **key: Any) -> Select[Any]:
        return select(table).where(*self._conditions(table, key))

    def _next_revision(self, connection: Connection, table: Table, key: Mapping[str, Any]) -> int:
        """Return the next revision of a key; until the transaction ends, others wait for theirs."""
        name = "/".join((table.name, self.studio_id, *(str(value) for value in key.values())))
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})
        newest = connection.scalar(select(func.max(table.c.revision)).where(*self._conditions(table, key)))
        return (newest or 0) + 1

    def _says_same(
        self, connection: Connection, table: Table, key: Mapping[str, Any], revision: int, content_hash: str
    ) -> bool:
        newest = self._conditions(table, {**key, "revision": revision - 1})
        return connection.scalar(select(table.c.content_hash).where(*newest).limit(1)) == content_hash

    def _transaction(self, what: str) -> AbstractContextManager[Connection]:
        return kept(self._engine, what)
