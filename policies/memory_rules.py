"""What the database refuses, said once more in Python: the rules of the in-memory ledger.

Every function raises ``LedgerRefusedError`` with code ``RULE`` (or ``DUPLICATE``) for a row that PostgreSQL
would not take. They look only at rows and the registry, never at who asks: a gateway with a mistake in it
must fail here exactly as it fails there.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from policies.decisions import Exemption, QuotaUse, Switch, SwitchState
from policies.kill_switch import RESUME_REQUESTED, RESUMED, require_change, switch_after
from policies.marks import DraftReview, FindingMark, SwarmControl, SwarmState, TriageDecision
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
from policies.proposals import (
    Approval,
    ApprovalKind,
    Execution,
    ExecutionState,
    Proposal,
    ProposalState,
    UnknownTransitionError,
    require_transition,
)
from policies.registry import Capability, Registry, Risk

S = TypeVar("S")
T = TypeVar("T")

LIVE_STATES = frozenset(
    {
        ProposalState.DRAFT,
        ProposalState.PENDING_APPROVAL,
        ProposalState.APPROVED,
        ProposalState.EXECUTING,
        ProposalState.EXECUTED,
    }
)
"""A proposal in one of these keeps its dedupe key to itself."""

LIVE_EXECUTIONS = frozenset({ExecutionState.INTENT, ExecutionState.SUCCEEDED})
MOST_APPROVAL_SECONDS = timedelta(days=366)


@dataclass
class Tables:
    """All rows of one studio, by key. ``switch`` and ``overrides`` are append-only."""

    proposals: dict[str, Proposal] = field(default_factory=dict)
    approvals: dict[str, Approval] = field(default_factory=dict)
    executions: dict[str, Execution] = field(default_factory=dict)
    exemptions: dict[str, Exemption] = field(default_factory=dict)
    overrides: dict[tuple[str, int], IntakeOverride] = field(default_factory=dict)
    quotas: dict[tuple[str, str, str], QuotaUse] = field(default_factory=dict)
    switch: dict[int, SwitchChange] = field(default_factory=dict)
    checks: dict[str, CheckResult] = field(default_factory=dict)
    swarms: dict[str, SwarmControl] = field(default_factory=dict)
    marks: dict[int, FindingMark | DraftReview | TriageDecision] = field(default_factory=dict)

    def approvals_of(self, proposal_id: str) -> tuple[Approval, ...]:
        """Return all approvals of a proposal, oldest first."""
        return tuple(row for row in self.approvals.values() if row.proposal_id == proposal_id)

    def executions_of(self, proposal_id: str) -> tuple[Execution, ...]:
        """Return all attempts at a proposal, oldest first."""
        return tuple(row for row in self.executions.values() if row.proposal_id == proposal_id)

    def exemptions_of(self, capability_id: str | None) -> tuple[Exemption, ...]:
        """Return all exemptions of a capability, oldest first."""
        return tuple(row for row in self.exemptions.values() if row.capability_id == capability_id)

    def in_flight(self) -> int:
        """Return how many executions have an intent and no result."""
        return sum(row.state is ExecutionState.INTENT for row in self.executions.values())


def switch_state(tables: Tables) -> SwitchState:
    """Return the kill switch as its changes say; ``unreadable`` where nothing was ever written."""
    if not tables.switch:
        return SwitchState(Switch.UNREADABLE)
    revision = max(tables.switch)
    last = tables.switch[revision]
    asked = last.actor_id if last.kind == RESUME_REQUESTED else None
    return SwitchState(switch_after(last.kind), revision, last.actor_id, last.at, last.reason, asked)


def is_live_exemption(exemption: Exemption, at: datetime) -> bool:
    """Say whether an exemption has begun and not ended."""
    return exemption.ended_at is None and exemption.granted_at <= at < exemption.expires_at


def is_exempt(exemption: Exemption, proposal: Proposal, at: datetime) -> bool:
    """Say whether an exemption covers a proposal at an instant; nobody exempts what they asked for."""
    return (
        is_live_exemption(exemption, at)
        and exemption.owner_id in {None, proposal.owner_id}
        and exemption.granted_by not in {proposal.requester_id, proposal.requester_principal_id}
    )


def has_quorum(tables: Tables, capability: Capability, proposal: Proposal, at: datetime) -> bool:
    """Say whether enough different people have a live approval of exactly this version, or need not."""
    people = {
        row.approver_id
        for row in tables.approvals_of(proposal.proposal_id)
        if row.kind is ApprovalKind.EXECUTE
        and row.version == proposal.version
        and row.input_hash == proposal.input_hash
        and row.at <= at < row.expires_at
    }
    return (
        capability.approvals_required == 0
        or len(people) >= capability.approvals_required
        or any(
            is_exempt(row, proposal, at)
            for row in tables.exemptions_of(capability.capability_id)
            if capability.is_exemptable
        )
    )


def check_subject(event: AuditDraft, row: Row, studio_id: str) -> None:
    """Refuse a row that its event does not explain: another subject, or another state."""
    kind, subject, state = _subject_of(row, studio_id)
    _require(
        (event.subject_kind, event.subject_id) == (kind, subject),
        f"The event {event.name} is about something else than the row it comes with.",
    )
    _require(
        state is None or event.state == state,
        f"The event {event.name} says {event.state}, its row says {state}.",
    )


def check_rows(tables: Tables, registry: Registry, before: Tables, rows: Iterable[Row]) -> None:
    """Refuse rows just put into ``tables`` that PostgreSQL would refuse; ``before`` is what stood there."""
    placed = tuple(rows)
    for row in placed:
        if isinstance(row, Proposal):
            capability = _capability(registry, row.capability_id)
            old = before.proposals.get(row.proposal_id)
            _check_new_proposal(tables, row) if old is None else _check_step(
                tables, capability, old, row, placed
            )
        elif isinstance(row, Approval):
            proposal = _proposal(tables, row.proposal_id)
            _check_approval(before, _capability(registry, proposal.capability_id), proposal, row)
        elif isinstance(row, Execution):
            _check_execution(tables, before.executions.get(row.execution_id), row)
        elif isinstance(row, SwitchChange):
            _check_switch(before, row)
        elif isinstance(row, Exemption):
            _check_exemption(before, _capability(registry, row.capability_id), row)
        elif isinstance(row, IntakeOverride):
            proposal = _proposal(tables, row.proposal_id)
            _require(row.version == proposal.version, "An override is for the current version only.")
            _require(
                (row.proposal_id, row.version) not in before.overrides, "That version was overridden before."
            )
        elif isinstance(row, QuotaReset):
            _capability(registry, row.capability_id)
        elif isinstance(row, SwarmControl):
            _check_control(before, row)


def living_exemption(tables: Tables, exemption_id: str) -> Exemption:
    """Return an exemption that can still be ended; refuse one that is unknown or has ended."""
    exemption = tables.exemptions.get(exemption_id)
    if exemption is None or exemption.ended_at is not None:
        raise LedgerRefusedError("There is no such exemption, or it has ended.", code="RULE")
    return exemption


def _check_new_proposal(tables: Tables, row: Proposal) -> None:
    _require(row.version == 1, "A proposal begins with version 1.")
    _require(row.state is ProposalState.DRAFT, "A proposal begins as a draft.")
    _check_dedupe(tables, row)


def _check_dedupe(tables: Tables, row: Proposal) -> None:
    if row.dedupe_key is None or row.state not in LIVE_STATES:
        return
    for other in tables.proposals.values():
        if (
            other.proposal_id != row.proposal_id
            and other.dedupe_key == row.dedupe_key
            and other.capability_id == row.capability_id
            and other.state in LIVE_STATES
        ):
            raise LedgerRefusedError("A live proposal has the same dedupe key.", code="DUPLICATE")


def _check_step(
    tables: Tables, capability: Capability, old: Proposal, row: Proposal, placed: tuple[Row, ...]
) -> None:
    lasting = (
        "capability_id",
        "requester_id",
        "requester_kind",
        "requester_principal_id",
        "owner_id",
        "dedupe_key",
        "created_at",
        "studio_id",
    )
    _require(
        all(getattr(old, name) == getattr(row, name) for name in lasting),
        "Who asked for what, for whom and when never changes.",
    )
    if row.version == old.version:
        _require(
            (row.input_hash, row.input, row.rationale) == (old.input_hash, old.input, old.rationale),
            "Words and input change only with a new version.",
        )
    else:
        _require(row.version == old.version + 1, "Versions count by one.")
        _require(row.state is ProposalState.PENDING_APPROVAL, "A new version awaits approval.")
    is_step = row.state is not old.state or row.version != old.version
    if is_step:
        _require_known(require_transition, old.state, row.state)
    if old.is_intake_blocked and not row.is_intake_blocked and row.version == old.version:
        _require(
            (row.proposal_id, row.version) in tables.overrides, "Only an override lifts a block of screening."
        )
    _check_dedupe(tables, row)
    if row.state is not old.state:
        _check_arrival(tables, capability, old, row, placed)


def _check_arrival(
    tables: Tables, capability: Capability, old: Proposal, row: Proposal, placed: tuple[Row, ...]
) -> None:
    attempts = {
        (attempt.kind, attempt.state)
        for attempt in placed
        if isinstance(attempt, Execution) and attempt.proposal_id == row.proposal_id
    }
    forward, backward = ApprovalKind.EXECUTE, ApprovalKind.ROLLBACK
    needed = {
        ProposalState.EXECUTING: (forward, ExecutionState.INTENT),
        ProposalState.EXECUTED: (forward, ExecutionState.SUCCEEDED),
        ProposalState.FAILED: (forward, ExecutionState.FAILED),
        ProposalState.ROLLED_BACK: (backward, ExecutionState.SUCCEEDED),
    }.get(row.state)
    if old.state is ProposalState.EXECUTING and row.state is ProposalState.APPROVED:
        needed = (forward, ExecutionState.RELEASED)
    elif row.state is ProposalState.APPROVED:
        _require(not row.is_intake_blocked, "Screening wants a person's override first.")
        _require(has_quorum(tables, capability, row, row.updated_at), "The quorum is not reached.")
    _require(needed is None or needed in attempts, f"To become {row.state} takes an attempt that says so.")
    if row.state is ProposalState.EXECUTING:
        _require(not row.is_intake_blocked, "Screening wants a person's override first.")
        if switch_state(tables).switch is not Switch.OFF:
            # Somebody threw it since the decision.
            raise LedgerRefusedError("The kill switch is on.", code="STATE_CHANGED")
        _require(has_quorum(tables, capability, row, row.updated_at), "The approvals have run out.")
        _require(capability.adapter is not None, "Nothing here carries this capability out.")


def _check_approval(before: Tables, capability: Capability, proposal: Proposal, row: Approval) -> None:
    wanted = {
        ApprovalKind.EXECUTE: ProposalState.PENDING_APPROVAL,
        ApprovalKind.ROLLBACK: ProposalState.EXECUTED,
    }[row.kind]
    old = before.proposals.get(row.proposal_id)
    _require(old is not None and old.state is wanted, f"What is approved must be {wanted}.")
    _require(row.approval_id not in before.approvals, "An approval is never written again.")
    _require(
        (row.version, row.input_hash) == (proposal.version, proposal.input_hash),
        "An approval is for the current version and its hash.",
    )
    _require(
        row.kind is ApprovalKind.ROLLBACK
        or row.approver_id not in {proposal.requester_id, proposal.requester_principal_id},
        "Nobody approves what they asked for.",
    )
    _require(row.role in capability.approver_roles, "That role may not approve this.")
    longest = min(timedelta(seconds=capability.approval_ttl_seconds), MOST_APPROVAL_SECONDS)
    _require(row.at < row.expires_at <= row.at + longest, "The approval is good for too long.")
    _require(
        row.kind is ApprovalKind.ROLLBACK
        or not any(
            (other.approver_id, other.version, other.kind) == (row.approver_id, row.version, row.kind)
            and other.at <= row.at < other.expires_at
            for other in before.approvals_of(row.proposal_id)
        ),
        "That person has approved this version.",
    )


def _check_execution(tables: Tables, old: Execution | None, row: Execution) -> None:
    if old is None:
        _require(row.state is ExecutionState.INTENT, "An attempt begins with its intent.")
    else:
        _require(old.state is ExecutionState.INTENT, "The attempt has its result.")
        _require(row.fence >= old.fence, "A fence never falls.")
        _require(
            (row.kind, row.idempotency_key, row.proposal_id, row.started_at)
            == (old.kind, old.idempotency_key, old.proposal_id, old.started_at),
            "What an attempt is for never changes.",
        )
    if row.state in LIVE_EXECUTIONS:
        live = [
            other
            for other in tables.executions_of(row.proposal_id)
            if other.kind is row.kind and other.state in LIVE_EXECUTIONS
        ]
        _require(len(live) == 1, "There is one live attempt of a kind at a time.")


def _check_switch(before: Tables, row: SwitchChange) -> None:
    revision = max(before.switch, default=None)
    last = None if revision is None else before.switch[revision]
    _require_known(require_change, None if last is None else last.kind, row.kind)
    if row.kind == RESUMED and last is not None:
        _require(last.actor_id != row.actor_id, "Another person confirms a request to resume.")


def _check_control(before: Tables, row: SwarmControl) -> None:
    last = before.swarms.get(row.department)
    if row.kind is (SwarmState.RESUMED if last is None else last.kind):
        raise LedgerRefusedError(f"The swarm is {row.kind} already.", code="STATE_CHANGED")


def _check_exemption(before: Tables, capability: Capability, row: Exemption) -> None:
    _require(row.exemption_id not in before.exemptions, "An exemption is never written again.")
    _require(
        capability.is_exemptable and capability.risk is not Risk.CRITICAL,
        "That is never exempt from approval.",
    )
    longest = timedelta(seconds=capability.longest_exemption_seconds)
    _require(
        row.granted_at < row.expires_at <= row.granted_at + longest, "The exemption would last too long."
    )
    _require(row.ended_at is None, "An exemption begins alive.")


def _subject_of(row: Row, studio_id: str) -> tuple[str, str, str | None]:
    """Return subject kind, subject id and, where the table has states, the row's state."""
    match row:
        case Proposal():
            subject = ("proposal", row.proposal_id, row.state.value)
        case Approval() | Execution() | IntakeOverride():
            return "proposal", row.proposal_id, None
        case SwitchChange():
            subject = ("kill_switch", studio_id, switch_after(row.kind).value)
        case Exemption():
            subject = ("exemption", row.exemption_id, "live")
        case ExemptionEnd():
            subject = ("exemption", row.exemption_id, row.kind)
        case QuotaReset():
            return "quota", f"{row.capability_id}|{row.scope}|{row.subject_id}", None
        case CheckResult():
            return "check", row.name, None
        case SwarmControl():
            subject = ("swarm", row.department, row.kind.value)
        case FindingMark():
            return "finding", row.finding_id, None
        case DraftReview():
            subject = ("draft", row.draft_id, row.to_status.value)
        case TriageDecision():
            return "triage", row.report_id, None
    return subject


def _capability(registry: Registry, capability_id: str) -> Capability:
    capability = registry.get(capability_id)
    if capability is None:
        raise LedgerRefusedError("The registry does not know that capability.", code="RULE")
    return capability


def _proposal(tables: Tables, proposal_id: str) -> Proposal:
    proposal = tables.proposals.get(proposal_id)
    if proposal is None:
        raise LedgerRefusedError("There is no such proposal.", code="RULE")
    return proposal


def _require_known(require: Callable[[S, T], None], before: S, after: T) -> None:
    try:
        require(before, after)
    except UnknownTransitionError as error:
        raise LedgerRefusedError(str(error), code="RULE") from error


def _require(holds: bool, sentence: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not holds:
        raise LedgerRefusedError(sentence, code="RULE")
