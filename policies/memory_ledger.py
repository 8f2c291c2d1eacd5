"""An honest ledger in memory: for unit tests and for thinking a rule through without a database.

It refuses what PostgreSQL refuses (``memory_rules``) and keeps every event with its real hash. One
transaction runs at a time, so nothing here says anything about locks; the contract suite runs on both kinds.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from policies import audit
from policies.decisions import NOT_ASKED, Exemption, Facts, QuotaUse, SwitchState
from policies.marks import Mark, SwarmControl
from policies.memory_expiry import has_run_out
from policies.memory_rules import (
    LIVE_STATES,
    Tables,
    check_rows,
    check_subject,
    is_live_exemption,
    living_exemption,
    switch_state,
)
from policies.ports import (
    AuditDraft,
    CheckResult,
    ExemptionEnd,
    IntakeOverride,
    LedgerRefusedError,
    QuotaReset,
    Row,
    SwitchChange,
)
from policies.proposals import Approval, ApprovalKind, Execution, ExecutionState, Proposal, ProposalState
from policies.registry import Registry


@dataclass(frozen=True, slots=True)
class MemoryEvent:
    """One entry of the log: its number from 1, the event, its canonical payload, and the chain's hashes."""

    seq: int
    draft: AuditDraft
    payload: str
    prev_hash: str
    hash: str


class MemoryLedger:
    """Keeps one studio's proposals and audit log in this process.

    Attributes:
        studio_id: The studio.
        events: The audit log.
        snapshot_read_at: As-of instant of the current StudioState, as a test wants it.
    """

    def __init__(
        self, studio_id: str, registry: Registry, *, snapshot_read_at: datetime | None = None
    ) -> None:
        self.studio_id = studio_id
        self.snapshot_read_at = snapshot_read_at
        self.events: tuple[MemoryEvent, ...] = ()
        self._registry = registry
        self._tables = Tables()
        self._lock = threading.Lock()
        self._holder: int | None = None

    @contextmanager
    def transaction(self) -> Iterator["MemoryTransaction"]:
        """Give one transaction; leaving it normally keeps what it wrote, an exception drops it."""
        if self._holder == threading.get_ident():
            raise RuntimeError("A transaction was begun inside another; PostgreSQL would wait for itself.")
        with self._lock:
            self._holder = threading.get_ident()
            try:
                transaction = MemoryTransaction(
                    self.studio_id, self._registry, self._tables, self.events, self.snapshot_read_at
                )
                yield transaction
                self._tables, self.events = transaction.tables, tuple(transaction.events)
            finally:
                self._holder = None

    def proposals(
        self,
        *,
        states: Sequence[ProposalState] = (),
        capability_id: str | None = None,
        limit: int = 200,
        before: str | None = None,
    ) -> Sequence[Proposal]:
        """Return proposals, newest first."""
        found = [
            row
            for _, row in sorted(self._tables.proposals.items(), reverse=True)
            if (not states or row.state in states)
            and capability_id in {None, row.capability_id}
            and (before is None or row.proposal_id < before)
        ]
        return found[:limit]

    def approvals(self, proposal_id: str) -> Sequence[Approval]:
        """Return all approvals of a proposal, oldest first."""
        return self._tables.approvals_of(proposal_id)

    def executions(self, proposal_id: str) -> Sequence[Execution]:
        """Return all attempts at a proposal, oldest first."""
        return self._tables.executions_of(proposal_id)

    def ready(self, kind: ApprovalKind, limit: int = 100) -> Sequence[str]:
        """Return ids of proposals waiting to be executed (or rolled back), oldest first."""
        is_ready = self._is_executable if kind is ApprovalKind.EXECUTE else self._is_undoable
        found = [row for row in self._tables.proposals.values() if is_ready(row)]
        found.sort(key=lambda row: (row.updated_at, row.proposal_id))
        return [row.proposal_id for row in found[:limit]]

    def abandoned(self, now: datetime, limit: int = 100) -> Sequence[Execution]:
        """Return executions whose lease has ended without a result, oldest first."""
        found = [
            row
            for row in self._tables.executions.values()
            if row.state is ExecutionState.INTENT and row.lease_until <= now
        ]
        return sorted(found, key=lambda row: (row.lease_until, row.execution_id))[:limit]

    def overdue(self, now: datetime, limit: int = 500) -> Sequence[Proposal]:
        """Return live proposals (and approved ones whose approvals have run out) that should expire."""
        return [row for row in self._tables.proposals.values() if self._is_overdue(row, now)][:limit]

    def exemptions(self, *, only_live_at: datetime | None = None) -> Sequence[Exemption]:
        """Return exemptions, newest first; only those live at an instant if given."""
        return [
            row
            for row in reversed(self._tables.exemptions.values())
            if only_live_at is None or is_live_exemption(row, only_live_at)
        ]

    def has_mark(self, row: Mark) -> bool:
        """Say whether just this word of a person, of just this instant, is there."""
        return row in self._tables.swarms.values() or row in self._tables.marks.values()

    def quota_uses(self) -> Sequence[QuotaUse]:
        """Return all quota counters."""
        return list(self._tables.quotas.values())

    def switch(self) -> SwitchState:
        """Return the kill switch."""
        return switch_state(self._tables)

    def in_flight(self) -> int:
        """Return how many executions have an intent and no result yet."""
        return self._tables.in_flight()

    def _is_executable(self, row: Proposal) -> bool:
        capability = self._registry.get(row.capability_id)
        return (
            row.state is ProposalState.APPROVED and capability is not None and capability.adapter is not None
        )

    def _is_undoable(self, row: Proposal) -> bool:
        wanted = [
            approval.at
            for approval in self._tables.approvals_of(row.proposal_id)
            if approval.kind is ApprovalKind.ROLLBACK
        ]
        tried = [
            attempt.started_at
            for attempt in self._tables.executions_of(row.proposal_id)
            if attempt.kind is ApprovalKind.ROLLBACK and attempt.state is not ExecutionState.RELEASED
        ]
        return (
            row.state is ProposalState.EXECUTED and bool(wanted) and (not tried or max(tried) < max(wanted))
        )

    def _is_overdue(self, row: Proposal, now: datetime) -> bool:
        if row.state in {ProposalState.DRAFT, ProposalState.PENDING_APPROVAL}:
            return row.expires_at <= now
        capability = self._registry.get(row.capability_id)
        if row.state is not ProposalState.APPROVED or capability is None:
            return False
        if capability.approvals_required == 0:
            return row.expires_at <= now
        return has_run_out(self._tables, capability, row, now)


class MemoryTransaction:
    """One transaction on a copy of the tables; ``MemoryLedger`` keeps the copy when it ends well."""

    def __init__(
        self,
        studio_id: str,
        registry: Registry,
        tables: Tables,
        events: Sequence[MemoryEvent],
        snapshot_read_at: datetime | None,
    ) -> None:
        self.tables = _copy(tables)
        self.events = list(events)
        self._studio_id = studio_id
        self._registry = registry
        self._snapshot_read_at = snapshot_read_at
        # Id of a proposal or attempt -> the event that made it what this transaction last saw or wrote.
        self._seen: dict[str, int] = {}

    def facts(
        self,
        *,
        now: datetime,
        capability_id: str | None,
        proposal_id: str | None = None,
        lock: bool = False,  # noqa: ARG002 - one transaction runs at a time: everything is locked
        quotas: Sequence[tuple[str, str]] = (),
        is_for_deed: bool = True,
    ) -> Facts:
        """Return everything a decision rests on."""
        proposal = None if proposal_id is None else self.tables.proposals.get(proposal_id)
        if capability_id is None and proposal is not None:
            capability_id = proposal.capability_id
        if proposal is not None:
            self._see(proposal, *self.tables.executions_of(proposal.proposal_id))
        return Facts(
            now=now,
            studio_id=self._studio_id,
            switch=switch_state(self.tables),
            is_write_enabled=False,
            proposal=proposal,
            approvals=() if proposal is None else self.tables.approvals_of(proposal.proposal_id),
            executions=() if proposal is None else self.tables.executions_of(proposal.proposal_id),
            exemptions=self.tables.exemptions_of(capability_id),
            quotas=tuple(
                use
                for scope, subject in quotas
                if capability_id is not None
                and (use := self.tables.quotas.get((capability_id, scope, subject))) is not None
            ),
            snapshot_read_at=self._snapshot_read_at if is_for_deed else None,
            red_checks=tuple(sorted(check.name for check in self.tables.checks.values() if not check.holds))
            if is_for_deed
            else (NOT_ASKED,),
        )

    def live_duplicate(self, capability_id: str, dedupe_key: str) -> Proposal | None:
        """Return the live proposal with this key; else null."""
        for row in self.tables.proposals.values():
            if (row.capability_id, row.dedupe_key) == (
                capability_id,
                dedupe_key,
            ) and row.state in LIVE_STATES:
                return row
        return None

    def use_quotas(self, uses: Sequence[QuotaUse], at: datetime) -> QuotaUse | None:
        """Count one use against each quota, all or none; return the first that is exhausted, else null."""
        counted = {}
        for use in uses:
            key = (use.capability_id, use.scope, use.subject_id)
            old = self.tables.quotas.get(key)
            began = None if old is None else old.window_started_at
            is_fresh = began is None or at >= began + timedelta(seconds=use.window_seconds)
            used = 0 if is_fresh or old is None else old.used
            if old is not None and used >= use.limit:
                return replace(
                    use,
                    used=used,
                    window_started_at=began,
                    last_used_at=None if old is None else old.last_used_at,
                )
            counted[key] = replace(
                use, used=used + 1, window_started_at=at if is_fresh else began, last_used_at=at
            )
        self.tables.quotas.update(counted)
        return None

    def use_quotas_late(self, uses: Sequence[QuotaUse], at: datetime) -> None:
        """Count now; refused when one is exhausted."""
        if self.use_quotas(uses, at) is not None:
            raise LedgerRefusedError("A quota is used up.", code="STATE_CHANGED")

    def begin_call(
        self,
        execution: Execution,
        proposal: Proposal | None = None,  # noqa: ARG002 - nothing is sent here
    ) -> SwitchState:
        """Check the fence and return the switch; nothing else runs until the transaction ends."""
        current = self.tables.executions.get(execution.execution_id)
        if current is None or current.state is not ExecutionState.INTENT or current.fence != execution.fence:
            raise LedgerRefusedError("Another executor has the lease now.", code="STATE_CHANGED")
        self._see(current)
        return switch_state(self.tables)

    def take_over(self, execution: Execution, executor_id: str, until: datetime, now: datetime) -> Execution:
        """Return the execution with the next fence and a new lease; ``record`` then keeps it."""
        current = self.tables.executions.get(execution.execution_id)
        if (
            current is None
            or current.state is not ExecutionState.INTENT
            or current.fence != execution.fence
            or current.lease_until > now
        ):
            raise LedgerRefusedError("Its executor is still at it, or was quicker.", code="STATE_CHANGED")
        self._see(current)
        return replace(current, executor_id=executor_id, fence=current.fence + 1, lease_until=until)

    def hold_switch(self) -> int:
        """Return how many executions have an intent and no result."""
        return self.tables.in_flight()

    def record(self, event: AuditDraft, *rows: Row) -> int:
        """Append the event and write the rows it explains; return the event's sequence number."""
        try:
            payload = audit.payload_of(event, self._studio_id)
        except audit.NotCanonicalError as error:
            raise LedgerRefusedError(str(error), code="RULE") from error
        seq = len(self.events) + 1
        for row in rows:
            check_subject(event, row, self._studio_id)
            self._check_seen(row)
        before = _copy(self.tables)
        try:
            for row in rows:
                self._put(row, seq)
            check_rows(self.tables, self._registry, before, rows)
        except LedgerRefusedError:
            self.tables = before
            raise
        prev_hash = self.events[-1].hash if self.events else audit.GENESIS
        self.events.append(
            MemoryEvent(seq, event, payload, prev_hash, audit.entry_hash(seq, prev_hash, payload))
        )
        return seq

    def record_late(self, event: AuditDraft, *rows: Row) -> int:
        """Record now: nobody waits here."""
        return self.record(event, *rows)

    @property
    def numbers(self) -> dict[int, int]:
        """Return nothing: no number is provisional here."""
        return {}

    def _see(self, *rows: Proposal | Execution) -> None:
        for row in rows:
            self._seen[_key(row)] = row.audit_seq

    def _check_seen(self, row: Row) -> None:
        """Refuse a change of a row that is another by now than the one its writer saw."""
        if not isinstance(row, Proposal | Execution):
            return
        key = _key(row)
        there = self.tables.proposals.get(key) or self.tables.executions.get(key)
        if self._seen.get(key, row.audit_seq) != (0 if there is None else there.audit_seq):
            raise LedgerRefusedError("It was changed by somebody else.", code="STATE_CHANGED")

    def _put(self, row: Row, seq: int) -> None:
        tables = self.tables
        if isinstance(row, Proposal):
            tables.proposals[row.proposal_id] = replace(row, audit_seq=seq)
            self._seen[row.proposal_id] = seq
        elif isinstance(row, Approval):
            tables.approvals[row.approval_id] = replace(row, audit_seq=seq)
        elif isinstance(row, Execution):
            tables.executions[row.execution_id] = replace(row, audit_seq=seq)
            self._seen[row.execution_id] = seq
        elif isinstance(row, SwitchChange):
            tables.switch[len(tables.switch) + 1] = row
        elif isinstance(row, Exemption):
            tables.exemptions[row.exemption_id] = replace(row, audit_seq=seq)
        elif isinstance(row, ExemptionEnd):
            old = living_exemption(tables, row.exemption_id)
            tables.exemptions[row.exemption_id] = replace(old, ended_at=row.at, ended_by_kind=row.kind)
        else:
            self._put_small(row, seq)

    def _put_small(self, row: IntakeOverride | QuotaReset | CheckResult | Mark, seq: int) -> None:
        if isinstance(row, IntakeOverride):
            self.tables.overrides[row.proposal_id, row.version] = row
        elif isinstance(row, QuotaReset):
            self.tables.quotas.pop((row.capability_id, row.scope, row.subject_id), None)
        elif isinstance(row, CheckResult):
            self.tables.checks[row.name] = row
        elif isinstance(row, SwarmControl):
            self.tables.swarms[row.department] = row
        else:
            self.tables.marks[seq] = row


def _key(row: Proposal | Execution) -> str:
    return row.proposal_id if isinstance(row, Proposal) else row.execution_id


def _copy(tables: Tables) -> Tables:
    return Tables(**{name: dict(getattr(tables, name)) for name in Tables.__dataclass_fields__})
