"""The steps of a proposal's life as the gateway takes them, for tests of the ledger alone.

Each step is one or two events with the rows they explain. Time is the test's own: every step is a minute
after the one before it, unless told otherwise.
"""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from policies.actors import Actor, ActorKind, system_actor
from policies.inputs import input_hash
from policies.ports import AuditDraft, Ledger, SwitchChange
from policies.proposals import (
    Approval,
    ApprovalKind,
    Evidence,
    Execution,
    ExecutionState,
    Proposal,
    ProposalState,
)

STUDIO = "monsoonfire"
NOTE = "firestore.ops_note.append"
CLOSE = "firestore.batch.close"
START = datetime(2026, 11, 21, 15, 0, 0, 123456, tzinfo=UTC)
ASKER = Actor(ActorKind.STAFF, "uid_asker", STUDIO, frozenset({"staff"}))
APPROVER = Actor(ActorKind.STAFF, "uid_approver", STUDIO, frozenset({"staff", "approver"}))
SECOND = Actor(ActorKind.STAFF, "uid_second", STUDIO, frozenset({"staff", "approver"}))
EXECUTOR = system_actor("executor", STUDIO)
LEASE = timedelta(seconds=120)
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


def numbered(prefix: str, number: int) -> str:
    """Return an id of the gateway's form that sorts by its number."""
    digits = ""
    for _ in range(26):
        number, digit = divmod(number, 32)
        digits = _DIGITS[digit] + digits
    return f"{prefix}_{digits}"


class Steps:
    """Takes a ledger through the steps; ``now`` is the instant of the last one."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.now = START
        self._numbers = itertools.count(1)

    def tick(self, **more: int) -> datetime:
        """Let a minute pass, or as long as is said, and return the new instant."""
        self.now += timedelta(**(more or {"minutes": 1}))
        return self.now

    def event(
        self,
        action: str,
        proposal: Proposal,
        actor: Actor,
        *,
        state: str | None = None,
        at: datetime | None = None,
    ) -> AuditDraft:
        """Return the event of a step of a proposal."""
        return AuditDraft(
            f"proposal:{proposal.capability_id}:{action}",
            at or self.now,
            actor,
            "proposal",
            proposal.proposal_id,
            state or proposal.state.value,
            {"input_hash": proposal.input_hash, "version": proposal.version},
        )

    def open(self) -> None:
        """Write the switch's first state."""
        self.switch("opened", EXECUTOR)

    def switch(self, kind: str, actor: Actor, *, hold: bool = False) -> int:
        """Change the switch; return how many attempts had no result, if it was held."""
        at = self.tick(seconds=1)
        state = "off" if kind in {"opened", "resumed"} else "on"
        event = AuditDraft(f"kill_switch:{STUDIO}:{kind}", at, actor, "kill_switch", STUDIO, state, {})
        with self.ledger.transaction() as transaction:
            running = transaction.hold_switch() if hold else 0
            transaction.record(event, SwitchChange(kind, actor.actor_id, f"{kind} for a test", at))
        return running

    def new(self, *, capability_id: str = NOTE, note: str = "Kiln shelf is cracked", **fields) -> Proposal:
        """Return a draft that no ledger knows yet."""
        at = self.tick()
        input_ = {"resourceCollection": "batches", "resourceId": "b1", "note": note}
        proposal = Proposal(
            proposal_id=numbered("prp", next(self._numbers)),
            studio_id=STUDIO,
            capability_id=capability_id,
            state=ProposalState.DRAFT,
            version=1,
            rationale="The shelf was seen cracked this morning.",
            predicted_effects=("A note appears at the batch.",),
            evidence=(Evidence("studio_state/snapshot", "2026-11-21/1"), Evidence("a/b", "2", "f1")),
            input=input_,
            input_hash=input_hash(capability_id, input_),
            requester_id=ASKER.actor_id,
            requester_kind=ASKER.kind.value,
            requester_principal_id=ASKER.principal_id,
            owner_id="uid_owner",
            dedupe_key=None,
            dry_run=None,
            created_at=at,
            updated_at=at,
            expires_at=at + timedelta(days=2),
            intake="clear",
            is_intake_blocked=False,
            intake_classifier="rules-1",
        )
        return replace(proposal, **fields)

    def draft(self, proposal: Proposal | None = None, **fields) -> Proposal:
        """Write a draft and return it as it is stored."""
        proposal = proposal or self.new(**fields)
        with self.ledger.transaction() as transaction:
            transaction.record(self.event("created", proposal, ASKER, at=proposal.updated_at), proposal)
        return self.read(proposal.proposal_id)

    def read(self, proposal_id: str) -> Proposal:
        """Return a proposal as it stands."""
        with self.ledger.transaction() as transaction:
            found = transaction.facts(now=self.now, capability_id=None, proposal_id=proposal_id).proposal
        assert found is not None
        return found

    def move(self, proposal: Proposal, state: ProposalState, action: str, actor: Actor, **fields) -> Proposal:
        """Take a proposal to another state with one event."""
        moved = replace(proposal, state=state, updated_at=self.tick(), **fields)
        with self.ledger.transaction() as transaction:
            transaction.facts(now=self.now, capability_id=None, proposal_id=proposal.proposal_id, lock=True)
            transaction.record(self.event(action, moved, actor), moved)
        return self.read(proposal.proposal_id)

    def pending(self, **fields) -> Proposal:
        """Return a proposal that awaits approval."""
        return self.move(self.draft(**fields), ProposalState.PENDING_APPROVAL, "submitted", ASKER)

    def approval(self, proposal: Proposal, approver: Actor = APPROVER, **fields) -> Approval:
        """Return an approval of a proposal as it stands, given now."""
        approval = Approval(
            approval_id=numbered("apr", next(self._numbers)),
            proposal_id=proposal.proposal_id,
            version=proposal.version,
            kind=ApprovalKind.EXECUTE,
            input_hash=proposal.input_hash,
            approver_id=approver.actor_id,
            role="approver",
            reason="Looks right to me.",
            at=self.now,
            expires_at=self.now + timedelta(hours=3),
        )
        return replace(approval, **fields)

    def approve(self, proposal: Proposal, approver: Actor = APPROVER, *, is_last: bool = True) -> Proposal:
        """Give one approval and, if it is the last one needed, let the proposal be approved."""
        at = self.tick()
        with self.ledger.transaction() as transaction:
            transaction.facts(now=at, capability_id=None, proposal_id=proposal.proposal_id, lock=True)
            approval = self.approval(proposal, approver)
            transaction.record(self.event("approval_given", proposal, approver), approval)
            if is_last:
                approved = replace(proposal, state=ProposalState.APPROVED, updated_at=at)
                transaction.record(self.event("approved", approved, approver), approved)
        return self.read(proposal.proposal_id)

    def approved(self, **fields) -> Proposal:
        """Return an approved proposal."""
        return self.approve(self.pending(**fields))

    def intent(self, proposal: Proposal, executor_id: str = "run-1") -> Execution:
        """Return the intent to execute a proposal, from now."""
        return Execution(
            execution_id=numbered("exe", next(self._numbers)),
            proposal_id=proposal.proposal_id,
            version=proposal.version,
            kind=ApprovalKind.EXECUTE,
            state=ExecutionState.INTENT,
            input_hash=proposal.input_hash,
            idempotency_key=proposal.proposal_id,
            executor_id=executor_id,
            fence=1,
            lease_until=self.now + LEASE,
            started_at=self.now,
        )

    def begin(self, proposal: Proposal, executor_id: str = "run-1") -> Execution:
        """Commit the intent to execute."""
        at = self.tick()
        executing = replace(proposal, state=ProposalState.EXECUTING, updated_at=at)
        execution = self.intent(proposal, executor_id)
        with self.ledger.transaction() as transaction:
            transaction.facts(now=at, capability_id=None, proposal_id=proposal.proposal_id, lock=True)
            transaction.record(self.event("executing", executing, EXECUTOR), executing, execution)
        return execution

    def finish(self, execution: Execution, state: ExecutionState = ExecutionState.SUCCEEDED) -> Proposal:
        """Begin the call, and write its result."""
        with self.ledger.transaction() as transaction:
            transaction.begin_call(execution)
            self.result(transaction, execution, state)
        return self.read(execution.proposal_id)

    def result(self, transaction, execution: Execution, state: ExecutionState) -> None:
        """Write the result of an attempt inside a transaction."""
        at = self.tick()
        proposal = transaction.facts(now=at, capability_id=None, proposal_id=execution.proposal_id).proposal
        after, action = {
            ExecutionState.SUCCEEDED: (ProposalState.EXECUTED, "executed"),
            ExecutionState.FAILED: (ProposalState.FAILED, "failed"),
            ExecutionState.RELEASED: (ProposalState.APPROVED, "released"),
        }[state]
        is_done = state is ExecutionState.SUCCEEDED
        done = replace(
            execution,
            state=state,
            finished_at=at,
            pointer={"collection": "studioOpsNotes", "documentId": "n1"} if is_done else None,
            failure_code="PRECONDITION_FAILED" if state is ExecutionState.FAILED else None,
        )
        moved = replace(proposal, state=after, updated_at=at)
        transaction.record(self.event(action, moved, EXECUTOR), moved, done)
