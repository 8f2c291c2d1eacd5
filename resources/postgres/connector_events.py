"""What the audit log says about connectors: every call, and every entering and leaving of degraded mode.

Each event is appended in the transaction that makes it true: a call's with its row, a change of mode with
the circuit's row. Both first look at what the log said last, under the log's own lock, and let it say what is
true now; so the log never says of a circuit what its row does not, whenever a process dies.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, text

from policies.actors import system_actor
from policies.audit import payload_of
from policies.ports import AuditDraft
from resources.connectors.circuits import Circuit
from resources.connectors.records import ACTOR_NAME, CallRecord

SUBJECT_KIND: Final = "connector"
IN_ORDER: Final = "in_order"
DEGRADED: Final = "degraded"
CALLED: Final = "called"
ENTERED: Final = "degraded_entered"
LEFT: Final = "degraded_left"

# The lock of append_audit_v1, which takes it again: everybody takes it after the rows it is about.
# Nobody keeps it long: the connection of a process that stands still is ended.
_LOCK: Final = text(
    "SELECT set_config('idle_in_transaction_session_timeout', '30s', true), "
    "pg_advisory_xact_lock(1398030677, hashtext(:studio_id))"
)
_SAID: Final = text(
    "SELECT state FROM studio.audit_events WHERE studio_id = :studio_id "
    "AND subject_kind = 'connector' AND subject_id = :connector_id ORDER BY seq DESC LIMIT 1"
)
_APPEND: Final = text("SELECT studio.append_audit_v1(:payload)")


def lock_log(connection: Connection, studio_id: str) -> None:
    """Let nobody else of the studio append until this transaction ends."""
    connection.execute(_LOCK, {"studio_id": studio_id})


def append_mode(
    connection: Connection, studio_id: str, connector_id: str, circuit: Circuit, *, at: datetime
) -> None:
    """Say that degraded mode was entered or left, if the log does not say so yet; the log is locked."""
    said = connection.scalar(_SAID, {"studio_id": studio_id, "connector_id": connector_id})
    if (said or IN_ORDER) == mode_of(circuit):
        return
    fault = circuit.fault.value if circuit.fault else None
    event = AuditDraft(
        name=f"{SUBJECT_KIND}:{connector_id}:{ENTERED if circuit.is_degraded else LEFT}",
        at=at,
        actor=system_actor(ACTOR_NAME, studio_id),
        subject_kind=SUBJECT_KIND,
        subject_id=connector_id,
        state=mode_of(circuit),
        details={"circuit": circuit.state.value, "failures": circuit.failures, "fault": fault},
    )
    connection.execute(_APPEND, {"payload": payload_of(event, studio_id)})


def append_call(connection: Connection, studio_id: str, record: CallRecord, circuit: Circuit) -> None:
    """Append what is kept of a call besides its row; the log is locked, and says the mode already."""
    details = {
        "attempts": record.attempts,
        "ending": record.ending.value,
        "fault": record.fault.value if record.fault else None,
        "input_hash": record.input_hash,
        "is_dry_run": record.is_dry_run,
        "latency_bucket": record.latency_bucket,
        "operation": record.operation.value,
        "output_hash": record.output_hash,
        "request_id": record.request_id,
        "run_id": record.run_id,
        "version": record.connector_version,
    }
    event = AuditDraft(
        name=f"{SUBJECT_KIND}:{record.connector_id}:{CALLED}",
        at=ended_at(record),
        actor=system_actor(ACTOR_NAME, studio_id),
        subject_kind=SUBJECT_KIND,
        subject_id=record.connector_id,
        state=mode_of(circuit),
        details=details,
    )
    connection.execute(_APPEND, {"payload": payload_of(event, studio_id)})


def mode_of(circuit: Circuit) -> str:
    """Return the state of a connector as events have it."""
    return DEGRADED if circuit.is_degraded else IN_ORDER


def ended_at(record: CallRecord) -> datetime:
    """Return when a call ended, by the clock that says when it began."""
    return record.started_at + timedelta(seconds=record.seconds)
