"""What the gateway needs from the world, as interfaces. Doors implement them; tests bring their own.

A ``Ledger`` keeps proposals and the audit log. Every change goes through ``record``: the event and the rows
it explains are written by one call in one transaction, so neither exists without the other.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from policies.actors import Actor
from policies.decisions import Exemption, Facts, QuotaUse, SwitchState
from policies.delegation import DelegationFacts
from policies.marks import DraftReview, FindingMark, Mark, SwarmControl, TriageDecision
from policies.proposals import Approval, ApprovalKind, Execution, Proposal, ProposalState


@dataclass(frozen=True, slots=True)
class AuditDraft:
    """An event before it has a place in the log.

    Attributes:
        name: ``subject:object:action``, such as ``proposal:firestore.ops_note.append:approved``.
        at: When it happened, UTC, by the gateway's clock.
        actor: Who did it.
        subject_kind: ``proposal``, ``kill_switch``, ``exemption``, ``quota``, ``policy``, ``connector``,
            ``audit``, ``swarm``, ``finding``, ``draft`` or ``triage``.
        subject_id: Which one.
        state: The state the subject is in after the event; null for events that change none.
        details: Plain values and hashes; never free text, personal data or secrets.
    """

    name: str
    at: datetime
    actor: Actor
    subject_kind: str
    subject_id: str
    state: str | None
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SwitchChange:
    """A change of the kill switch. ``kind``: opened, halted, resume_requested or resumed."""

    kind: str
    actor_id: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ExemptionEnd:
    """The end of an exemption. ``kind``: revoked or expired."""

    exemption_id: str
    kind: str
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class IntakeOverride:
    """A person's word that a screened proposal may go on."""

    proposal_id: str
    version: int
    reason_code: str
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class QuotaReset:
    """Sets the use of one quota to none."""

    capability_id: str
    scope: str
    subject_id: str
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A governance check turned red or green again."""

    name: str
    holds: bool
    at: datetime


Row = (
    Proposal
    | Approval
    | Execution
    | SwitchChange
    | Exemption
    | ExemptionEnd
    | IntakeOverride
    | QuotaReset
    | CheckResult
    | SwarmControl
    | FindingMark
    | DraftReview
    | TriageDecision
)
"""What an event may explain. Proposals and executions are written as they shall be from now on; the ledger
knows by their id whether they are new."""


class LedgerRefusedError(Exception):
    """The ledger did not take a change: another decision was first, or a rule of the database is broken.

    Attributes:
        code: ``STATE_CHANGED`` when somebody else was first (read again, decide again), ``DUPLICATE`` when a
            live proposal has the dedupe key, ``RULE`` for anything the database refuses.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class OutcomeUnknownError(Exception):
    """A commit was sent and its answer never came: the change is there whole, or not at all.

    Whoever gets it reads again before doing anything else. ``transaction`` raises it on leaving; doors may
    raise a subclass that says more.
    """


class Clock(Protocol):
    """Tells the current instant."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""


class LedgerTransaction(Protocol):
    """One transaction. Leaving it normally commits durably; leaving it by an exception changes nothing."""

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
        """Return everything a decision rests on, in one statement where possible.

        Args:
            now: Put into the facts.
            capability_id: Whose exemptions and quotas are wanted; null takes the proposal's.
            proposal_id: The proposal; ``facts.proposal`` is null if there is none.
            lock: Keep the proposal from changing until the transaction ends.
            quotas: (scope, subject id) pairs whose use is wanted.
            is_for_deed: False where nothing is carried out: ``snapshot_read_at`` and ``red_checks`` may then
                be what allows no execution (null, and ``decisions.NOT_ASKED``).
        """

    def live_duplicate(self, capability_id: str, dedupe_key: str) -> Proposal | None:
        """Return the live proposal (not rejected, failed, expired, rolled back) with this key; else null."""

    def use_quotas(self, uses: Sequence[QuotaUse], at: datetime) -> QuotaUse | None:
        """Count one use against each quota, all or none; return the first that is exhausted, else null.

        ``limit`` and ``window_seconds`` of ``uses`` are the registry's; the other fields are ignored.
        """

    def use_quotas_late(self, uses: Sequence[QuotaUse], at: datetime) -> None:
        """Count as ``use_quotas`` does, but as late as can be, so that others wait for nobody's answer.

        Refused with ``STATE_CHANGED``, perhaps not before the transaction is left, when one is exhausted or
        has never been used: ``use_quotas`` then says which.
        """

    def begin_call(self, execution: Execution, proposal: Proposal | None = None) -> SwitchState:
        """Hold the execution and the kill switch still until the transaction ends, and return the switch.

        ``proposal``: what it is of, as the caller last saw or wrote it; less has to be sent then.

        Raises ``LedgerRefusedError`` ``STATE_CHANGED`` when the lease was taken over (the fence moved on).
        While the transaction is open nobody can take the lease over, and a halt waits for it (a short
        while).
        """

    def take_over(self, execution: Execution, executor_id: str, until: datetime, now: datetime) -> Execution:
        """Return the execution with the next fence and a new lease.

        Raises ``LedgerRefusedError`` ``STATE_CHANGED`` when its executor is still at it or its lease has
        not ended.
        """

    def hold_switch(self) -> int:
        """Wait (briefly) for calls that have begun, keep new ones out, and return how many still run."""

    def record(self, event: AuditDraft, *rows: Row) -> int:
        """Append the event and write the rows it explains; return the event's sequence number.

        Raises ``LedgerRefusedError``.
        """

    def record_late(self, event: AuditDraft, *rows: Row) -> int:
        """Record as late as can be, so that others wait for nobody's answer: with the commit, mostly.

        Returns the number, or a provisional one below zero: ``numbers`` has the real one after the
        transaction was left. What ``record`` raises may be raised on leaving.
        """

    @property
    def numbers(self) -> Mapping[int, int]:
        """Provisional numbers of ``record_late`` -> the numbers the events have got."""


class Ledger(Protocol):
    """The gateway's storage, for one studio."""

    studio_id: str

    def transaction(self) -> AbstractContextManager[LedgerTransaction]:
        """Give one transaction. Raises the door's own error when the database does not answer.

        Leaving raises ``OutcomeUnknownError`` when the answer to the commit was lost.
        """

    def proposals(
        self,
        *,
        states: Sequence[ProposalState] = (),
        capability_id: str | None = None,
        limit: int = 200,
        before: str | None = None,
    ) -> Sequence[Proposal]:
        """Return proposals, newest first; ``before`` is the proposal id the previous page ended with."""

    def approvals(self, proposal_id: str) -> Sequence[Approval]:
        """Return all approvals of a proposal, oldest first."""

    def executions(self, proposal_id: str) -> Sequence[Execution]:
        """Return all attempts at a proposal, oldest first."""

    def ready(self, kind: ApprovalKind, limit: int = 100) -> Sequence[str]:
        """Return ids of proposals waiting to be executed (or rolled back), oldest first."""

    def abandoned(self, now: datetime, limit: int = 100) -> Sequence[Execution]:
        """Return executions whose lease has ended without a result, oldest first."""

    def overdue(self, now: datetime, limit: int = 500) -> Sequence[Proposal]:
        """Return live proposals (and approved ones whose approvals have run out) that should expire.

        ``now`` may lie in the past: then those that should have expired by then. What was approved or
        exempted since is not among them, nor what rested until after ``now`` on an exemption that has ended.
        """

    def exemptions(self, *, only_live_at: datetime | None = None) -> Sequence[Exemption]:
        """Return exemptions, newest first; only those live at an instant if given."""

    def has_mark(self, row: Mark) -> bool:
        """Say whether just this word of a person, of just this instant, is there."""

    def quota_uses(self) -> Sequence[QuotaUse]:
        """Return all quota counters."""

    def switch(self) -> SwitchState:
        """Return the kill switch; ``unreadable`` instead of an error."""

    def in_flight(self) -> int:
        """Return how many executions have an intent and no result yet."""


class AdapterError(Exception):
    """The target did not do it.

    Attributes:
        code: Stable code, such as ``PRECONDITION_FAILED`` or ``UNAVAILABLE``.
        is_certain: True when there is certainly no effect; False when only a look-up can tell.
    """

    def __init__(self, message: str, *, code: str, is_certain: bool) -> None:
        super().__init__(message)
        self.code = code
        self.is_certain = is_certain


class Found(StrEnum):
    """What a look-up found under an idempotency key."""

    NOTHING = "nothing"
    EFFECT = "effect"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True, slots=True)
class Lookup:
    """The target's own answer; ``pointer`` says where the effect is, null when there is none."""

    found: Found
    pointer: Mapping[str, Any] | None = None


class Adapter(Protocol):
    """Carries out one capability at its target. Every call ends within ``deadline_seconds``."""

    deadline_seconds: float

    def dry_run(self, proposal: Proposal) -> Mapping[str, Any]:
        """Return what would be done: ``summary`` (one sentence), ``writes`` (exact fields), ``before``.

        Writes nothing. ``token`` in the result binds execution to what was seen. Raises ``AdapterError``.
        """

    def execute(self, proposal: Proposal, idempotency_key: str, at: datetime) -> Mapping[str, Any]:
        """Do it once under the key and return its pointer; again under the same key changes nothing more.

        Raises ``AdapterError``.
        """

    def look_up(self, proposal: Proposal, idempotency_key: str) -> Lookup:
        """Ask the target what happened under the key. Raises ``AdapterError`` when it cannot be asked."""

    def rollback(
        self, proposal: Proposal, idempotency_key: str, reason: str, at: datetime
    ) -> Mapping[str, Any]:
        """Undo the effect under the key; again changes nothing more. Raises ``AdapterError``."""


class DelegationSource(Protocol):
    """Looks agents up in the cloud."""

    def look_up(self, agent_client_id: str) -> DelegationFacts:
        """Return what the cloud says about an agent now. Raises ``LookupError`` when it cannot be asked."""


@dataclass(frozen=True, slots=True)
class Screening:
    """What intake screening says: a category, whether a person must look, and which classifier said so."""

    category: str
    is_blocked: bool
    classifier: str


class Screener(Protocol):
    """Screens the words of a proposal."""

    def screen(self, capability_id: str, rationale: str, input_: Mapping[str, Any]) -> Screening:
        """Return the screening; deterministic, and never raises for any text."""
