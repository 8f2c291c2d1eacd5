"""What is on record about one connector besides its circuit: for people who ask how it does."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from resources.connector import Fault
from resources.connectors.records import Ending
from resources.postgres.connector_events import ENTERED, SUBJECT_KIND
from resources.postgres.engine import unreachable

_CALLS: Final = text(
    "SELECT count(*) AS calls, count(*) FILTER (WHERE ending IN ('failed', 'refused')) AS failures, "
    "count(*) FILTER (WHERE ending = 'refused') AS refusals FROM studio.connector_calls "
    "WHERE studio_id = :studio_id AND connector_id = :connector_id AND started_at >= :since"
)
_READ: Final = text(
    "SELECT device_count, failed_device_count FROM studio.connector_calls "
    "WHERE studio_id = :studio_id AND connector_id = :connector_id "
    "AND operation = 'read' AND ending = 'ok' ORDER BY started_at DESC LIMIT 1"
)
_LAST: Final = text(
    "SELECT ending, fault FROM studio.connector_calls "
    "WHERE studio_id = :studio_id AND connector_id = :connector_id ORDER BY started_at DESC LIMIT 1"
)
_ENTERED: Final = text(
    "SELECT at FROM studio.audit_events WHERE studio_id = :studio_id AND subject_kind = :kind "
    "AND subject_id = :connector_id AND name = :name ORDER BY seq DESC LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class ConnectorRecord:
    """One connector, as its calls and the audit log have it.

    Attributes:
        calls: Calls since the given instant, however they ended.
        failures: Of these, those that gave nothing: failed, or refused by ourselves.
        refusals: Of the failures, those refused by ourselves, mostly because the circuit was open.
        devices: Devices of the newest good read; null when there was none.
        unread_devices: Devices it knew of and could not read; null when there was none.
        entered_at: When degraded mode was last entered, UTC; null when it never was.
        last_ending: How the newest call ended, whatever it asked for; null when there was none.
        last_fault: Why it gave nothing; null when it did, or was interrupted.
    """

    calls: int
    failures: int
    refusals: int
    devices: int | None
    unread_devices: int | None
    entered_at: datetime | None
    last_ending: Ending | None
    last_fault: Fault | None


def connector_record(engine: Engine, studio_id: str, connector_id: str, since: datetime) -> ConnectorRecord:
    """Return what is on record about a connector; counts begin at ``since``.

    Raises:
        ServerUnreachableError: when the database cannot be used now.
    """
    of_one = {"studio_id": studio_id, "connector_id": connector_id}
    entered = {"kind": SUBJECT_KIND, "name": f"{SUBJECT_KIND}:{connector_id}:{ENTERED}"}
    try:
        with engine.begin() as connection:
            counts = connection.execute(_CALLS, of_one | {"since": since}).one()
            read = connection.execute(_READ, of_one).one_or_none()
            last = connection.execute(_LAST, of_one).one_or_none()
            at = connection.scalar(_ENTERED, of_one | entered)
    except OperationalError as error:
        raise unreachable(str(engine.url), error) from error
    return ConnectorRecord(
        calls=counts.calls,
        failures=counts.failures,
        refusals=counts.refusals,
        devices=None if read is None else read.device_count,
        unread_devices=None if read is None else read.failed_device_count,
        entered_at=at,
        last_ending=None if last is None else Ending(last.ending),
        last_fault=None if last is None or last.fault is None else Fault(last.fault),
    )
