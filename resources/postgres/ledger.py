"""The gateway's storage in PostgreSQL: proposals, approvals, attempts, policies, and the log of why.

What may follow what is the database's own business (triggers, constraints); here is how little has to be said
to it. A transaction is two or three messages: the first begins it, the last writes, commits and flushes. How
that is durable although nobody waits for the disk in line is told in ``ledger_wire``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any, Final, TypeVar

from sqlalchemy import Engine

from policies import audit
from policies.decisions import Exemption, Facts, QuotaUse, Switch, SwitchState
from policies.marks import Mark
from policies.ports import AuditDraft, LedgerRefusedError, QuotaReset, Row, SwitchChange
from policies.proposals import Approval, ApprovalKind, Execution, ExecutionState, Proposal, ProposalState
from resources.postgres import ledger_record as rows_to
from resources.postgres import ledger_rows as rows_of
from resources.postgres import ledger_statements as sql
from resources.postgres.errors import PostgresError
from resources.postgres.ledger_connections import Connections
from resources.postgres.ledger_engine import connections_of
from resources.postgres.ledger_errors import RULE, STATE_CHANGED
from resources.postgres.ledger_late import Late
from resources.postgres.ledger_wire import Call, Wire

_Row = TypeVar("_Row")

HOLD_SECONDS: Final = 2  # how long a halt waits for calls that have begun; it halts whether they end or not
_HOLD: Final = f"SAVEPOINT hold;SET LOCAL lock_timeout TO '{HOLD_SECONDS}s'"
_HELD: Final = "RELEASE hold;SET LOCAL lock_timeout TO DEFAULT"
_NOT_HELD: Final = "ROLLBACK TO hold;RELEASE hold"


class LedgerSession:
    """One transaction of ``PostgresLedger``; implements ``policies.ports.LedgerTransaction``.

    A refusal ends it: whatever is tried afterwards raises the same error, and leaving keeps nothing.
    """

    __slots__ = ("_contents", "_is_visible_late", "_late", "_locked", "_seen", "_studio_id", "_wire")

    def __init__(self, wire: Wire, studio_id: str) -> None:
        self._wire = wire
        self._studio_id = studio_id
        self._is_visible_late = False
        self._late = Late()
        # Id of a proposal or attempt -> the event that made it what this transaction last saw or wrote.
        self._seen: dict[str, int] = {}
        # Id of a proposal -> the proposal as that event made it, where this transaction knows.
        self._contents: dict[str, Proposal] = {}
        self._locked: set[str] = set()  # of those, the ones whose rows are locked

    def facts(
        self,
        *,
        now: datetime,
        capability_id: str | None,
        proposal_id: str | None = None,
        lock: bool = False,
        quotas: Sequence[tuple[str, str]] = (),
        is_for_deed: bool = True,
    ) -> Facts:
        """Return everything a decision rests on, read by one statement (after another's wait for the lock).

        ``is_write_enabled`` is false and ``delegation`` null: they are not the database's to know.
        """
        call = sql.facts_call(self._studio_id, capability_id, proposal_id, quotas, is_for_deed=is_for_deed)
        if lock and proposal_id is not None:
            found = self._ask((sql.LOCK_PROPOSAL, (self._studio_id, proposal_id)), call)
            self._locked.add(proposal_id)
        else:
            found = self._ask(call)
        facts = rows_of.facts_from(rows_of.parse(found[0] if found else None), now, self._studio_id)
        self._see(facts.proposal, *facts.executions)
        return facts

    def live_duplicate(self, capability_id: str, dedupe_key: str) -> Proposal | None:
        """Return the live proposal with this key; null when there is none."""
        found = self._ask((sql.LIVE_DUPLICATE, (self._studio_id, capability_id, dedupe_key)))
        if found is None:
            return None
        proposal = rows_of.proposal_from(rows_of.parse(found[0]))
        self._see(proposal)
        return proposal

    def use_quotas(self, uses: Sequence[QuotaUse], at: datetime) -> QuotaUse | None:
        """Count one use against each quota, all or none; return the first that is exhausted, else null."""
        if not uses:
            return None
        arguments = rows_of.quota_arguments(self._studio_id, uses, at)
        self._wire.wrote = True
        spent, counted = self._ask((sql.USE_QUOTAS, (*arguments, False))) or (None, 0)
        if spent is None and counted == 0:
            lock = (sql.LOCK_NEW_QUOTAS, (self._studio_id,))
            spent, counted = self._ask(lock, (sql.USE_QUOTAS, (*arguments, True))) or (None, 0)
        if spent is not None:
            return rows_of.exhausted(uses, rows_of.parse(spent))
        if counted != len(uses):
            raise self._refuse("The quotas could not be counted", RULE)
        return None

    def use_quotas_late(self, uses: Sequence[QuotaUse], at: datetime) -> None:
        """Count one use against each quota with the next message; refused then unless all have room."""
        if uses:
            self._wire.wrote = True
            self._late.add((sql.USE_QUOTAS_LATE, rows_of.quota_arguments(self._studio_id, uses, at)))

    def begin_call(self, execution: Execution, proposal: Proposal | None = None) -> SwitchState:
        """Hold the attempt and the kill switch still until the transaction ends, and return the switch.

        Raises ``LedgerRefusedError`` ``STATE_CHANGED`` when the lease was taken over or a result is there.
        """
        key = (self._studio_id, execution.execution_id)
        found = self._ask(
            (sql.LOCK_EXECUTION, key), (sql.SHARE_SWITCH, (self._studio_id,)), (sql.BEGIN_CALL, key)
        )
        current = None if found is None else rows_of.execution_from(rows_of.parse(found[0]))
        if current is None or current.state is not ExecutionState.INTENT or current.fence != execution.fence:
            raise self._refuse("Another executor has the lease now, or the attempt has ended", STATE_CHANGED)
        self._see(current)
        self._locked.add(current.execution_id)
        if proposal is not None:
            self._contents[proposal.proposal_id] = proposal  # its number says whether it still is so
        return rows_of.switch_from(rows_of.parse(found[1] if found else None))

    def take_over(self, execution: Execution, executor_id: str, until: datetime, now: datetime) -> Execution:
        """Return the attempt with the next fence and a new lease, locked; ``record`` then writes it.

        Raises ``LedgerRefusedError`` ``STATE_CHANGED`` when its executor is still at it or was quicker.
        """
        found = self._ask((sql.TAKE_OVER, (self._studio_id, execution.execution_id)))
        current = None if found is None else rows_of.execution_from(rows_of.parse(found[0]))
        if (
            current is None
            or current.state is not ExecutionState.INTENT
            or current.fence != execution.fence
            or current.lease_until > now
        ):
            raise self._refuse("Its executor is still at it, or was quicker", STATE_CHANGED)
        self._see(current)
        self._locked.add(current.execution_id)
        return replace(current, executor_id=executor_id, fence=current.fence + 1, lease_until=until)

    def hold_switch(self) -> int:
        """Wait for calls that have begun, at most ``HOLD_SECONDS``; return how many attempts have no result.

        New calls wait until the transaction ends, unless the wait ran out: then those that go on began
        before the switch changes.
        """
        self._ask((sql.IN_FLIGHT, (self._studio_id,)))
        self._wire.run(_HOLD)
        try:
            self._ask((sql.HOLD_SWITCH, (self._studio_id,)))
        except LedgerRefusedError as error:
            if error.code != STATE_CHANGED:
                raise
            self._wire.forget()
            self._wire.run(_NOT_HELD)
        else:
            self._wire.run(_HELD)
        found = self._ask((sql.IN_FLIGHT, (self._studio_id,)))
        return int(found[0]) if found else 0

    def record(self, event: AuditDraft, *rows: Row) -> int:
        """Append the event and write the rows it explains, in one statement; return the event's number.

        A proposal or attempt is new unless this transaction has seen it or its ``audit_seq`` says where it
        is from. Raises ``LedgerRefusedError``: ``STATE_CHANGED`` when it is another by now.
        """
        number = self.record_late(event, *rows)
        self._send_late()
        return self._late.numbers[number]

    def record_late(self, event: AuditDraft, *rows: Row) -> int:
        """Record with the transaction's next message, the commit if there is no other.

        Nobody waits for the head of the log, which the event locks, longer than the server needs. The number
        is provisional, below zero; ``numbers`` knows the real one. What ``record`` raises is raised then.
        """
        try:
            payload = audit.payload_of(event, self._studio_id)
        except audit.NotCanonicalError as error:
            raise self._refuse(str(error).rstrip("."), RULE) from error
        self._wire.wrote = True
        number = self._late.next_number()
        if not rows:
            self._late.add_event((), (rows_to.LONE_EVENT, (self._studio_id, payload)))
            return number
        seen = [self._seen_with(row) for row in rows]
        written = [
            (rows_to.written_as(row, self._contents.get(str(rows_to.row_key(row)))) if since else row, since)
            for row, since in zip(rows, seen, strict=True)
        ]
        statement = rows_to.record_statement([(row, since != 0) for row, since in written])
        arguments: list[Any] = [self._studio_id, payload]
        for row, since in written:
            arguments += rows_to.row_arguments(row, is_change=since != 0)
            if since:
                # What this transaction has yet to send is known by how many events ago it is.
                arguments.append(since if since > 0 else number - since)
        if any(isinstance(row, SwitchChange) for row in rows):
            # A call may begin on what it reads of the switch: nobody may read what a crash could take back.
            self._is_visible_late = True
        locks = [lock for row, since in zip(rows, seen, strict=True) if (lock := self._lock_for(row, since))]
        self._late.add_event(locks, (statement, arguments))
        for row in rows:
            key = rows_to.row_key(row)
            if key is not None:
                self._seen[key] = number
                self._locked.add(key)
            if isinstance(row, Proposal):
                self._contents[row.proposal_id] = row
        return number

    @property
    def numbers(self) -> Mapping[int, int]:
        """Provisional numbers of ``record_late`` -> the real ones, of what was sent."""
        return self._late.numbers

    def take_late(self) -> Sequence[Call]:
        """Return what is yet to be sent, for the commit to send it."""
        return self._late.calls()

    def number_late(self, newest: int) -> None:
        """Learn the number of the newest event, now that everything was sent."""
        real = self._late.sent(newest)
        if self._seen:
            self._seen = {key: real.get(seq, seq) for key, seq in self._seen.items()}

    def _send_late(self) -> None:
        calls = self._late.calls()
        if calls:
            found = self._wire.ask(*calls)
            self.number_late(int(found[0] or 0) if found and self._late.has_events else 0)

    def _ask(self, *calls: Call) -> tuple[Any, ...] | None:
        self._send_late()
        return self._wire.ask(*calls)

    @property
    def is_visible_late(self) -> bool:
        """Whether others may see this transaction's changes only when they are durable."""
        return self._is_visible_late

    def _seen_with(self, row: Row) -> int:
        """Return the event a row that changes was seen with; 0 for a new row."""
        key = rows_to.row_key(row)
        if key is None or isinstance(row, QuotaReset | SwitchChange):
            return 0
        return self._seen.get(key) or int(getattr(row, "audit_seq", 0))

    def _lock_for(self, row: Row, since: int) -> tuple[sql.Statement, Sequence[Any]] | None:
        """Return what locks a row that will change; null where that is done or nothing is to lock.

        Everybody locks rows before the head of the log, so nobody waits in a circle.
        """
        if isinstance(row, QuotaReset):
            return sql.LOCK_QUOTA, (self._studio_id, row.capability_id, row.scope, row.subject_id)
        key = rows_to.row_key(row)
        if key is None or not since or key in self._locked:
            return None
        return sql.LOCK_PROPOSAL if isinstance(row, Proposal) else sql.LOCK_EXECUTION, (self._studio_id, key)

    def _see(self, *rows: Proposal | Execution | None) -> None:
        for row in rows:
            if isinstance(row, Execution):
                self._seen[row.execution_id] = row.audit_seq
            elif row is not None:
                self._seen[row.proposal_id] = row.audit_seq
                self._contents[row.proposal_id] = row

    def _refuse(self, what: str, code: str) -> LedgerRefusedError:
        again = " Look at it again and decide again." if code == STATE_CHANGED else ""
        return self._wire.refuse(LedgerRefusedError(f"{what}. Nothing was changed.{again}", code=code))


class _Transaction:
    """Begins with the first statement, ends with the ``with`` block."""

    __slots__ = ("_connections", "_session", "_studio_id", "_wire")

    def __init__(self, connections: Connections, studio_id: str) -> None:
        self._connections = connections
        self._studio_id = studio_id

    def __enter__(self) -> LedgerSession:
        self._wire = Wire(self._connections)
        self._session = LedgerSession(self._wire, self._studio_id)
        return self._session

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            late, is_visible_late = self._session.take_late(), self._session.is_visible_late
            self._session.number_late(self._wire.commit(late, is_visible_late=is_visible_late))
        else:
            self._wire.rollback()


class PostgresLedger:
    """The ledger of one studio; implements ``policies.ports.Ledger``.

    Methods raise ``ServerUnreachableError`` when PostgreSQL does not answer (transient, nothing was kept),
    ``DatabaseRefusedError`` when the database is not set up, ``LedgerRefusedError`` when a rule is broken.

    Args:
        engine: Of ``ledger_engine`` for the same studio.
        studio_id: The studio.
    """

    def __init__(self, engine: Engine, studio_id: str) -> None:
        self._connections = connections_of(engine, studio_id)
        self.studio_id = studio_id

    def transaction(self) -> _Transaction:
        """Give one transaction: ``with ledger.transaction() as session``.

        Leaving it raises ``LedgerRefusedError`` or ``LedgerOutcomeUnknownError`` when it cannot be kept, or
        when nobody can tell.
        """
        return _Transaction(self._connections, self.studio_id)

    def proposals(
        self,
        *,
        states: Sequence[ProposalState] = (),
        capability_id: str | None = None,
        limit: int = 200,
        before: str | None = None,
    ) -> Sequence[Proposal]:
        """Return proposals, newest first; ``before`` is the proposal id the previous page ended with."""
        wanted = [state.value for state in states]
        return self._rows(rows_of.proposal_from, sql.PROPOSALS, wanted, capability_id, before, limit)

    def approvals(self, proposal_id: str) -> Sequence[Approval]:
        """Return all approvals of a proposal, oldest first."""
        return self._rows(rows_of.approval_from, sql.APPROVALS, proposal_id)

    def executions(self, proposal_id: str) -> Sequence[Execution]:
        """Return all attempts at a proposal, oldest first."""
        return self._rows(rows_of.execution_from, sql.EXECUTIONS, proposal_id)

    def ready(self, kind: ApprovalKind, limit: int = 100) -> Sequence[str]:
        """Return ids of proposals waiting to be executed (or rolled back), oldest first.

        A rollback waits until an attempt was made after its newest approval. Proposal-only capabilities
        have nobody to wait for.
        """
        is_execute = kind is ApprovalKind.EXECUTE
        return self._rows(str, sql.READY_TO_EXECUTE if is_execute else sql.READY_TO_ROLL_BACK, limit)

    def abandoned(self, now: datetime, limit: int = 100) -> Sequence[Execution]:
        """Return executions whose lease has ended without a result, oldest first."""
        return self._rows(rows_of.execution_from, sql.ABANDONED, now, limit)

    def overdue(self, now: datetime, limit: int = 500) -> Sequence[Proposal]:
        """Return live proposals (and approved ones whose approvals have run out) that should expire."""
        return self._rows(rows_of.proposal_from, sql.OVERDUE, now, limit)

    def exemptions(self, *, only_live_at: datetime | None = None) -> Sequence[Exemption]:
        """Return exemptions, newest first; only those live at an instant if given."""
        return self._rows(rows_of.exemption_from, sql.EXEMPTIONS, only_live_at)

    def has_mark(self, row: Mark) -> bool:
        """Say whether just this word of a person, of just this instant, is there."""
        word = rows_to.row_arguments(row, is_change=False)
        return self._ask(rows_to.mark_statement(type(row)), *word) is not None

    def quota_uses(self) -> Sequence[QuotaUse]:
        """Return all quota counters that count something."""
        return self._rows(rows_of.quota_from, sql.QUOTA_USES)

    def switch(self) -> SwitchState:
        """Return the kill switch; ``unreadable`` instead of an error."""
        try:
            found = self._ask(sql.SWITCH)
        except (PostgresError, LedgerRefusedError):
            return SwitchState(Switch.UNREADABLE)
        return rows_of.switch_from(rows_of.parse(found))

    def in_flight(self) -> int:
        """Return how many executions have an intent and no result yet."""
        return int(self._ask(sql.IN_FLIGHT) or 0)

    def _rows(self, made_of: Callable[[Any], _Row], statement: sql.Statement, *arguments: Any) -> list[_Row]:
        return [made_of(row) for row in rows_of.parse(self._ask(statement, *arguments)) or ()]

    def _ask(self, statement: sql.Statement, *arguments: Any) -> Any:
        wire = Wire(self._connections)
        try:
            found = wire.ask((statement, (self.studio_id, *arguments)), is_lone=True)
        finally:
            wire.release()
        return found[0] if found else None
