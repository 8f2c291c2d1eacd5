"""What connectors read: one row per change of what the devices said, one small row per read that agreed.

Failed reads are not here; they are calls. So the newest reading is always the newest *good* one, with the
instant at which it was last confirmed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, Select, desc, func, insert, select

from resources.connector import Reading
from resources.postgres.device_rows import moved_instants, reading_from, reading_values
from resources.postgres.tables_findings import CONNECTOR_CONFIRMATIONS, CONNECTOR_READINGS
from resources.postgres.transactions import kept

# "STRD": held while one connector's reading is compared with the newest one and kept.
READINGS_LOCK: Final = 0x5354_5244


@dataclass(frozen=True, slots=True)
class StoredReading:
    """A good reading as it was kept.

    Attributes:
        connector_id: Of which connector.
        revision: Counts from 1 per connector; a new one only when the devices said something else.
        content_hash: SHA-256 of what the devices said, without times of reading.
        read_at: When a good read last said so, UTC; the reading's own ``read_at`` is the same.
        first_read_at: When a good read first said so, UTC.
        reading: What was said, devices in order of id.
        is_new: Whether the call that returned it made a new revision.
        run_id: Dagster run that made the revision.
        code_version: Of the code that made the revision.
    """

    connector_id: str
    revision: int
    content_hash: str
    read_at: datetime
    first_read_at: datetime
    reading: Reading
    is_new: bool
    run_id: str
    code_version: str


class DeviceReadings:
    """The readings of one studio's connectors, over an engine of ``engine.app_engine`` for the same studio.

    Methods raise ``ServerUnreachableError`` when PostgreSQL does not answer (transient) and
    ``HistoryRefusedError`` when a rule of the database is broken (permanent); either way nothing is kept.
    """

    def __init__(self, engine: Engine, studio_id: str) -> None:
        self._engine = engine
        self.studio_id = studio_id

    def keep(self, connector_id: str, reading: Reading, *, run_id: str, code_version: str) -> StoredReading:
        """Keep a good reading: as a new revision if it says something else, else as a confirmation.

        A reading that is not later than the newest one is not kept: reads overtake one another, and what is
        known never goes back. So keeping the same reading twice changes nothing.

        Returns:
            What is the newest reading now.
        """
        values = reading_values(reading)
        mine = {"studio_id": self.studio_id, "connector_id": connector_id, "read_at": reading.read_at}
        mine |= {"run_id": run_id, "code_version": code_version}
        with kept(self._engine, f"the reading of {connector_id}") as connection:
            name = func.hashtext(f"{self.studio_id}/{connector_id}")
            connection.execute(select(func.pg_advisory_xact_lock(READINGS_LOCK, name)))
            newest = self._row(connection, connector_id, None)
            confirmed = None if newest is None else self._confirmation(connection, newest, None)
            if newest is not None and reading.read_at <= (confirmed or newest)["read_at"]:
                return _stored(newest, confirmed)
            if newest is not None and newest["content_hash"] == values["content_hash"]:
                confirmation = mine | {
                    "revision": newest["revision"],
                    "observed": moved_instants(reading, newest),
                }
                connection.execute(insert(CONNECTOR_CONFIRMATIONS), confirmation)
                return _stored(newest, confirmation)
            row = mine | values | {"revision": 1 if newest is None else newest["revision"] + 1}
            connection.execute(insert(CONNECTOR_READINGS), row)
            return _stored(row, None, is_new=True)

    def newest(self, connector_id: str, *, before: datetime | None = None) -> StoredReading | None:
        """Return the newest good reading, as last confirmed; None when there is none.

        Args:
            connector_id: Of which connector.
            before: Only what was read before this instant; null for all.
        """
        with kept(self._engine, f"a look at the readings of {connector_id}") as connection:
            row = self._row(connection, connector_id, before)
            return None if row is None else _stored(row, self._confirmation(connection, row, before))

    def _row(
        self, connection: Connection, connector_id: str, before: datetime | None
    ) -> dict[str, Any] | None:
        columns = CONNECTOR_READINGS.c
        query = select(CONNECTOR_READINGS).where(
            columns.studio_id == self.studio_id, columns.connector_id == connector_id
        )
        if before is not None:
            query = query.where(columns.read_at < before)
        return _first(connection, query.order_by(desc(columns.read_at)))

    def _confirmation(
        self, connection: Connection, row: Mapping[str, Any], before: datetime | None
    ) -> dict[str, Any] | None:
        columns = CONNECTOR_CONFIRMATIONS.c
        query = select(columns.read_at, columns.observed).where(
            columns.studio_id == self.studio_id,
            columns.connector_id == row["connector_id"],
            columns.revision == row["revision"],
        )
        if before is not None:
            query = query.where(columns.read_at < before)
        return _first(connection, query.order_by(desc(columns.read_at)))


def _first(connection: Connection, query: Select[Any]) -> dict[str, Any] | None:
    row = connection.execute(query.limit(1)).mappings().first()
    return None if row is None else dict(row)


def _stored(
    row: Mapping[str, Any], confirmed: Mapping[str, Any] | None, *, is_new: bool = False
) -> StoredReading:
    read_at = row["read_at"] if confirmed is None else confirmed["read_at"]
    return StoredReading(
        connector_id=row["connector_id"],
        revision=row["revision"],
        content_hash=row["content_hash"],
        read_at=read_at,
        first_read_at=row["read_at"],
        reading=reading_from(row, read_at, {} if confirmed is None else confirmed["observed"]),
        is_new=is_new,
        run_id=row["run_id"],
        code_version=row["code_version"],
    )
