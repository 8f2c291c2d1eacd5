"""The circuits of the connectors in PostgreSQL: every process of a house sees the same state.

Every method is one short transaction. The database's clock decides when a rest is over, and its row lock
decides who probes: an update that waited sees what the one before it wrote. A change of degraded mode is in
the audit log with the same transaction: nobody can see the one without the other.
"""

from typing import Any, Final

from sqlalchemy import Connection, Engine, RowMapping, TextClause, text
from sqlalchemy.exc import OperationalError

from resources.connector import Fault
from resources.connectors.circuits import Circuit, CircuitState
from resources.postgres.connector_events import append_mode, lock_log
from resources.postgres.engine import unreachable

_COLUMNS: Final = "state, failures, opened_at, retry_at, fault"
_ENSURE: Final = text(
    "INSERT INTO studio.connector_breakers (studio_id, circuit, state, failures) "
    "VALUES (:studio_id, :circuit, 'closed', 0) ON CONFLICT DO NOTHING"
)
_WHERE: Final = "WHERE studio_id = :studio_id AND circuit = :circuit"
_LOOK: Final = text(f"SELECT {_COLUMNS} FROM studio.connector_breakers {_WHERE}")  # noqa: S608 - our own words
_CLAIM: Final = text(
    "UPDATE studio.connector_breakers SET state = 'half-opened', changed_at = clock_timestamp(), "  # noqa: S608 - as above
    "retry_at = clock_timestamp() + make_interval(secs => :probe_seconds) "
    f"{_WHERE} AND state <> 'closed' AND retry_at <= clock_timestamp() RETURNING {_COLUMNS}"
)
_RELEASE: Final = text(
    "UPDATE studio.connector_breakers SET state = 'opened', retry_at = clock_timestamp(), "  # noqa: S608 - as above
    f"changed_at = clock_timestamp() {_WHERE} AND state = 'half-opened'"
)
_FAIL: Final = text(
    "UPDATE studio.connector_breakers SET failures = failures + 1, changed_at = clock_timestamp() "  # noqa: S608 - as above
    f"{_WHERE} RETURNING failures"
)


def _changing(assignments: str) -> TextClause:
    # The row is locked before it is looked at, so that of several processes one alone sees the change.
    return text(
        "WITH before AS (SELECT state <> 'closed' OR fault IS NOT NULL AS was_degraded "  # noqa: S608 - our own words
        f"FROM studio.connector_breakers {_WHERE} FOR UPDATE) "
        f"UPDATE studio.connector_breakers SET {assignments}, changed_at = clock_timestamp() "
        f"FROM before {_WHERE} RETURNING before.was_degraded, {_COLUMNS}, changed_at"
    )


_OPEN: Final = _changing(
    "state = 'opened', fault = :fault, opened_at = COALESCE(opened_at, clock_timestamp()), "
    "retry_at = clock_timestamp() + make_interval(secs => :open_seconds)"
)
_NOTE: Final = _changing("fault = :fault")
_RECOVER: Final = _changing("state = 'closed', failures = 0, opened_at = NULL, retry_at = NULL, fault = NULL")


class PostgresBreakerStore:
    """The circuits of one studio; see ``BreakerStore``. Safe for threads and processes.

    Raises:
        ServerUnreachableError: from every method, when the database cannot be used now.
    """

    def __init__(self, engine: Engine, studio_id: str) -> None:
        self._engine = engine
        self._studio_id = studio_id

    def admit(self, name: str, probe_seconds: float) -> Circuit:
        """Return the circuit as it is for this caller; half-opened for one prober only."""
        if claimed := self._row(_CLAIM, name, probe_seconds=probe_seconds):
            return circuit_of(claimed)
        circuit = self.look(name)
        is_probed = circuit.state is CircuitState.HALF_OPENED
        return Circuit(
            CircuitState.OPENED if is_probed else circuit.state,
            circuit.failures,
            circuit.opened_at,
            circuit.retry_at,
            circuit.fault,
        )

    def look(self, name: str) -> Circuit:
        """Return the circuit without asking to pass; closed when never heard of."""
        row = self._row(_LOOK, name)
        return Circuit() if row is None else circuit_of(row)

    def add_failure(self, name: str) -> int:
        """Count a failure; return how many there are in a row."""
        row = self._row(_FAIL, name, ensure=True)
        return 1 if row is None else int(row["failures"])

    def open(self, name: str, fault: Fault, open_seconds: float) -> bool:
        """Refuse calls for a while; return whether the circuit was not degraded before."""
        return not self._was_degraded(_OPEN, name, fault=fault.value, open_seconds=open_seconds)

    def note(self, name: str, fault: Fault) -> bool:
        """Remember a fault that does not open the circuit; return whether it was not degraded before."""
        return not self._was_degraded(_NOTE, name, fault=fault.value)

    def recover(self, name: str) -> bool:
        """Close the circuit and forget its failures; return whether it was degraded before."""
        return self._was_degraded(_RECOVER, name)

    def release(self, name: str) -> None:
        """Give a probe back that learnt nothing."""
        self._row(_RELEASE, name)

    def _was_degraded(self, statement: TextClause, name: str, **values: Any) -> bool:
        row = self._row(statement, name, ensure=True, told=True, **values)
        return row is not None and bool(row["was_degraded"])

    def _row(
        self, statement: TextClause, name: str, *, ensure: bool = False, told: bool = False, **values: Any
    ) -> RowMapping | None:
        mine = {"studio_id": self._studio_id, "circuit": name}
        try:
            with self._engine.begin() as connection:
                if ensure:
                    connection.execute(_ENSURE, mine)
                result = connection.execute(statement, mine | values)
                row = result.mappings().first() if result.returns_rows else None
                if told and row is not None:
                    self._tell(connection, name, row)
                return row
        except OperationalError as error:
            raise unreachable(str(self._engine.url), error) from error

    def _tell(self, connection: Connection, name: str, row: RowMapping) -> None:
        """Let the audit log say what has changed, if anything has."""
        circuit = circuit_of(row)
        if circuit.is_degraded != row["was_degraded"]:
            lock_log(connection, self._studio_id)
            append_mode(connection, self._studio_id, name, circuit, at=row["changed_at"])


def read_circuit(connection: Connection, studio_id: str, name: str) -> Circuit:
    """Return a circuit within a transaction; closed when never heard of."""
    row = connection.execute(_LOOK, {"studio_id": studio_id, "circuit": name}).mappings().first()
    return Circuit() if row is None else circuit_of(row)


def circuit_of(row: RowMapping) -> Circuit:
    """Return the circuit in a row of the table."""
    return Circuit(
        CircuitState(row["state"]),
        row["failures"],
        row["opened_at"],
        row["retry_at"],
        Fault(row["fault"]) if row["fault"] else None,
    )
