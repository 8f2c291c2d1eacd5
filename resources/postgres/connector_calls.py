"""The record of every call to a connector, never changed; each with its event in the audit log."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Engine, desc, insert, select
from sqlalchemy.exc import OperationalError

from resources.connector import Fault
from resources.connectors.records import CallRecord, Ending, Operation
from resources.postgres.breakers import read_circuit
from resources.postgres.connector_events import append_call, append_mode, ended_at, lock_log
from resources.postgres.engine import unreachable
from resources.postgres.tables_connectors import CONNECTOR_CALLS


class PostgresCallLog:
    """The calls of one studio; see ``CallLog``. Safe for threads and processes.

    Raises:
        ServerUnreachableError: from every method, when the database cannot be used now.
    """

    def __init__(self, engine: Engine, studio_id: str) -> None:
        self._engine = engine
        self._studio_id = studio_id

    def append(self, record: CallRecord) -> None:
        """Keep one record, and say so in the audit log, with what the circuit is after the call."""
        studio_id, connector_id = self._studio_id, record.connector_id
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(CONNECTOR_CALLS), {"studio_id": studio_id} | asdict(record))
                lock_log(connection, studio_id)
                circuit = read_circuit(connection, studio_id, connector_id)
                append_mode(connection, studio_id, connector_id, circuit, at=ended_at(record))
                append_call(connection, studio_id, record, circuit)
        except OperationalError as error:
            raise unreachable(str(self._engine.url), error) from error

    def last_good_read_at(self, connector_id: str) -> datetime | None:
        """Return when the newest successful read began, UTC; null when there was none."""
        columns = CONNECTOR_CALLS.c
        query = (
            select(columns.started_at)
            .where(columns.studio_id == self._studio_id, columns.connector_id == connector_id)
            .where(columns.operation == "read", columns.ending == "ok")
            .order_by(desc(columns.started_at))
            .limit(1)
        )
        try:
            with self._engine.begin() as connection:
                found: datetime | None = connection.scalar(query)
        except OperationalError as error:
            raise unreachable(str(self._engine.url), error) from error
        return found

    def newest(self, connector_id: str, limit: int = 50) -> list[CallRecord]:
        """Return the newest calls of a connector, newest first, at most ``limit``."""
        columns = CONNECTOR_CALLS.c
        query = (
            select(CONNECTOR_CALLS)
            .where(columns.studio_id == self._studio_id, columns.connector_id == connector_id)
            .order_by(desc(columns.started_at), desc(columns.recorded_at))
            .limit(limit)
        )
        try:
            with self._engine.begin() as connection:
                rows = connection.execute(query).mappings().all()
        except OperationalError as error:
            raise unreachable(str(self._engine.url), error) from error
        names = CallRecord.__dataclass_fields__
        return [
            CallRecord(
                **{name: row[name] for name in names}
                | {
                    "operation": Operation(row["operation"]),
                    "ending": Ending(row["ending"]),
                    "fault": Fault(row["fault"]) if row["fault"] else None,
                }
            )
            for row in rows
        ]
