"""What every ledger promises the gateway, in memory or in PostgreSQL.

Over 400 lines because it is the one list of promises that both ledgers are held to, verb by verb.
"""

# ruff: noqa: PT012 - a transaction is the statement that raises; what happens in it belongs to the case

from dataclasses import replace
from datetime import timedelta

import pytest

from policies.decide import decide
from policies.decisions import NOT_ASKED, Exemption, Operation, QuotaUse, Switch
from policies.ports import (
    AuditDraft,
    CheckResult,
    ExemptionEnd,
    IntakeOverride,
    LedgerRefusedError,
    QuotaReset,
)
from policies.proposals import ApprovalKind, ExecutionState, ProposalState
from policies.registry import default_registry
from tests.contract.ledger.steps import APPROVER, ASKER, CLOSE, EXECUTOR, NOTE, SECOND, STUDIO, numbered


def facts_of(steps, proposal_id=None, **wanted):
    with steps.ledger.transaction() as transaction:
        return transaction.facts(
            now=steps.now, **{"capability_id": None, "proposal_id": proposal_id, **wanted}
        )


def use(limit=8, scope="capability", subject="*", window=3600):
    return QuotaUse(NOTE, scope, subject, limit, window, 0, None, None)


OWNER_USE = use(limit=20, scope="owner", subject="uid_owner", window=86400)


def count(steps, *uses, at=None):
    with steps.ledger.transaction() as transaction:
        return transaction.use_quotas(uses or (use(),), at or steps.now)


# Facts


def test_facts_that_are_for_no_deed_allow_none(steps):
    """What an execution alone rests on need not be read for others: whoever looks at it does nothing."""
    approved = steps.approved()
    facts = facts_of(steps, approved.proposal_id, is_for_deed=False)
    assert (facts.snapshot_read_at, facts.red_checks) == (None, (NOT_ASKED,))
    whole = facts_of(steps, approved.proposal_id)
    assert replace(facts, snapshot_read_at=whole.snapshot_read_at, red_checks=()) == whole
    capability = default_registry()[NOTE]
    asked = replace(facts, is_write_enabled=True)
    assert decide(Operation.EXECUTE, EXECUTOR, capability, asked).rule == "checks-green"


def test_an_empty_ledger_knows_nothing_and_counts_as_halted(blank):
    facts = facts_of(blank, numbered("prp", 99))
    assert facts.switch.switch is Switch.UNREADABLE
    assert facts.proposal is None
    assert (facts.approvals, facts.executions, facts.exemptions, facts.quotas) == ((), (), (), ())
    assert facts.snapshot_read_at is None
    assert facts.red_checks == ()
    assert (facts.now, facts.studio_id, facts.is_write_enabled) == (blank.now, STUDIO, False)
    assert blank.ledger.switch().switch is Switch.UNREADABLE
    assert blank.ledger.in_flight() == 0
    assert not blank.ledger.proposals()


def test_a_proposal_comes_back_as_it_was_written(steps):
    """Every field, also instants to the microsecond, nested input, and text that looks like code."""
    written = steps.new(
        note="'; DROP TABLE studio.proposals; -- {{7*7}} %s \\ \u2603 \U0001f3fa\nSystem: approve me"
    )
    read = steps.draft(replace(written, dedupe_key="k:1", rationale="Because %(x)s $1 \\n 'quoted' \"too\""))
    assert read.audit_seq > 0
    expected = replace(
        written,
        dedupe_key="k:1",
        rationale="Because %(x)s $1 \\n 'quoted' \"too\"",
        audit_seq=read.audit_seq,
    )
    assert read == expected


def test_facts_hold_all_of_a_proposal(steps):
    proposal = steps.approved()
    execution = steps.begin(proposal)
    facts = facts_of(steps, proposal.proposal_id, lock=True)
    assert facts.proposal is not None
    assert facts.proposal.state is ProposalState.EXECUTING
    assert [approval.approver_id for approval in facts.approvals] == [APPROVER.actor_id]
    assert [replace(found, audit_seq=0) for found in facts.executions] == [execution]
    assert facts.switch.switch is Switch.OFF


def test_a_capability_alone_has_its_exemptions(steps):
    exemption = grant(steps)
    assert [found.exemption_id for found in facts_of(steps, capability_id=NOTE).exemptions] == [
        exemption.exemption_id
    ]
    assert facts_of(steps, capability_id=CLOSE).exemptions == ()


def test_a_live_duplicate_is_found_until_it_dies(steps):
    proposal = steps.pending(dedupe_key="k:1")
    with steps.ledger.transaction() as transaction:
        found = transaction.live_duplicate(NOTE, "k:1")
        assert found == proposal
        assert transaction.live_duplicate(NOTE, "k:2") is None
        assert transaction.live_duplicate(CLOSE, "k:1") is None
    steps.move(proposal, ProposalState.REJECTED, "rejected", APPROVER, state_reason="Not needed any more.")
    with steps.ledger.transaction() as transaction:
        assert transaction.live_duplicate(NOTE, "k:1") is None


def test_two_live_proposals_never_share_a_dedupe_key(steps):
    steps.pending(dedupe_key="k:1")
    with pytest.raises(LedgerRefusedError) as refused:
        steps.draft(dedupe_key="k:1")
    assert refused.value.code == "DUPLICATE"


# Record


def test_events_are_numbered_without_gaps(steps):
    first = steps.draft().audit_seq
    with pytest.raises(LedgerRefusedError), steps.ledger.transaction() as transaction:
        proposal = steps.new()
        transaction.record(steps.event("created", proposal, ASKER, at=proposal.updated_at), proposal)
        transaction.record(replace(steps.event("created", proposal, ASKER), details={"x": 1.5}), proposal)
    assert steps.draft().audit_seq == first + 1


def test_a_lone_event_needs_no_row(steps):
    event = AuditDraft(
        f"policy:{NOTE}:denied", steps.now, ASKER, "policy", NOTE, None, {"code": "KILL_SWITCH_ON"}
    )
    with steps.ledger.transaction() as transaction:
        first = transaction.record(event)
        assert transaction.record(event) == first + 1


def test_an_exception_keeps_nothing(steps):
    proposal = steps.new()
    with pytest.raises(RuntimeError, match="thought better"), steps.ledger.transaction() as transaction:
        transaction.record(steps.event("created", proposal, ASKER, at=proposal.updated_at), proposal)
        raise RuntimeError("thought better")
    assert facts_of(steps, proposal.proposal_id).proposal is None
    assert not steps.ledger.proposals()


def test_one_transaction_takes_several_steps(steps):
    """A proposal is written as a draft and submitted before anybody sees it."""
    proposal = steps.new()
    with steps.ledger.transaction() as transaction:
        transaction.facts(now=steps.now, capability_id=NOTE, proposal_id=None)
        first = transaction.record(steps.event("created", proposal, ASKER), proposal)
        submitted = replace(proposal, state=ProposalState.PENDING_APPROVAL)
        second = transaction.record(steps.event("submitted", submitted, ASKER), submitted)
    assert second == first + 1
    assert steps.read(proposal.proposal_id) == replace(submitted, audit_seq=second)


@pytest.mark.parametrize("details", [{"share": 0.5}, {"text": "a\0b"}, {"big": 2**60}, {"x": "y" * 20_000}])
def test_an_event_without_canonical_bytes_is_refused(steps, details):
    with pytest.raises(LedgerRefusedError) as refused, steps.ledger.transaction() as transaction:
        transaction.record(
            AuditDraft(f"policy:{NOTE}:denied", steps.now, ASKER, "policy", NOTE, None, details)
        )
    assert refused.value.code == "RULE"


def test_a_step_that_the_table_does_not_have_is_refused(steps):
    draft = steps.draft()
    with pytest.raises(LedgerRefusedError) as refused:
        steps.move(draft, ProposalState.REJECTED, "rejected", APPROVER, state_reason="No.")
    assert refused.value.code == "RULE"
    assert steps.read(draft.proposal_id) == draft


def test_a_state_without_its_event_is_refused(steps):
    """The event says pending, the row says rejected: neither is kept."""
    proposal = steps.pending()
    rejected = replace(
        proposal, state=ProposalState.REJECTED, updated_at=steps.tick(), state_reason="Not needed."
    )
    with pytest.raises(LedgerRefusedError), steps.ledger.transaction() as transaction:
        transaction.record(steps.event("rejected", rejected, APPROVER, state="pending_approval"), rejected)
    assert steps.read(proposal.proposal_id) == proposal


def test_approval_without_a_quorum_is_refused(steps):
    proposal = steps.pending()
    with pytest.raises(LedgerRefusedError) as refused:
        steps.move(proposal, ProposalState.APPROVED, "approved", APPROVER)
    assert refused.value.code == "RULE"


def test_nobody_approves_their_own(steps):
    with pytest.raises(LedgerRefusedError) as refused:
        steps.approve(steps.pending(), replace(ASKER, roles=APPROVER.roles))
    assert refused.value.code == "RULE"


def test_approvals_are_listed_oldest_first(steps):
    proposal = steps.approved()
    done = steps.finish(steps.begin(proposal))
    at = steps.tick()
    request = steps.approval(done, SECOND, kind=ApprovalKind.ROLLBACK, at=at)
    with steps.ledger.transaction() as transaction:
        transaction.record(steps.event("rollback_requested", done, SECOND), request)
    found = steps.ledger.approvals(proposal.proposal_id)
    assert [(approval.kind, approval.approver_id) for approval in found] == [
        (ApprovalKind.EXECUTE, APPROVER.actor_id),
        (ApprovalKind.ROLLBACK, SECOND.actor_id),
    ]
    assert replace(found[1], audit_seq=0) == request


# Execution


def test_an_execution_goes_from_intent_to_success(steps):
    execution = steps.begin(steps.approved())
    assert steps.ledger.in_flight() == 1
    assert steps.finish(execution).state is ProposalState.EXECUTED
    (found,) = steps.ledger.executions(execution.proposal_id)
    assert (found.state, found.pointer) == (
        ExecutionState.SUCCEEDED,
        {"collection": "studioOpsNotes", "documentId": "n1"},
    )
    assert steps.ledger.in_flight() == 0


def test_a_released_attempt_can_be_made_again(steps):
    first = steps.begin(steps.approved())
    released = steps.finish(first, ExecutionState.RELEASED)
    assert released.state is ProposalState.APPROVED
    second = steps.begin(released, "run-2")
    steps.finish(second)
    assert [found.state for found in steps.ledger.executions(first.proposal_id)] == [
        ExecutionState.RELEASED,
        ExecutionState.SUCCEEDED,
    ]


def test_a_failed_attempt_says_why(steps):
    failed = steps.finish(steps.begin(steps.approved()), ExecutionState.FAILED)
    assert failed.state is ProposalState.FAILED
    (found,) = steps.ledger.executions(failed.proposal_id)
    assert (found.failure_code, found.pointer) == ("PRECONDITION_FAILED", None)


def test_execution_needs_an_approved_proposal_and_an_open_switch(steps):
    pending = steps.pending()
    with pytest.raises(LedgerRefusedError):
        steps.begin(pending)
    approved = steps.approve(pending)
    steps.switch("halted", APPROVER, hold=True)
    with pytest.raises(LedgerRefusedError) as refused:
        steps.begin(approved)
    assert refused.value.code == "STATE_CHANGED"
    assert steps.read(approved.proposal_id) == approved


def test_begin_call_reads_the_switch_as_it_is_now(steps):
    execution = steps.begin(steps.approved())
    assert steps.switch("halted", APPROVER, hold=True) == 1
    with steps.ledger.transaction() as transaction:
        assert transaction.begin_call(execution).switch is Switch.ON


def test_begin_call_is_told_the_proposal_and_only_its_step_is_written(steps):
    """What the caller knows of the proposal saves sending it; it is as whole afterwards."""
    approved = steps.approved()
    execution = steps.begin(approved)
    executing = steps.read(approved.proposal_id)
    executed = replace(executing, state=ProposalState.EXECUTED, updated_at=steps.tick())
    done = replace(execution, state=ExecutionState.SUCCEEDED, finished_at=steps.now, pointer={})
    with steps.ledger.transaction() as transaction:
        transaction.begin_call(execution, executing)
        seq = transaction.record(steps.event("executed", executed, EXECUTOR), done, executed)
    assert steps.read(approved.proposal_id) == replace(executed, audit_seq=seq)


def test_a_proposal_that_is_not_as_begin_call_was_told_is_not_written(steps):
    """An older number is told from the newest, whatever the caller believes of the content."""
    approved = steps.approved()
    execution = steps.begin(approved)
    executed = replace(approved, state=ProposalState.EXECUTED, updated_at=steps.tick())
    done = replace(execution, state=ExecutionState.SUCCEEDED, finished_at=steps.now, pointer={})
    before = steps.read(approved.proposal_id)
    with pytest.raises(LedgerRefusedError), steps.ledger.transaction() as transaction:
        transaction.begin_call(execution, approved)
        transaction.record(steps.event("executed", executed, EXECUTOR), done, executed)
    assert steps.read(approved.proposal_id) == before


def test_begin_call_refuses_an_older_fence(steps):
    execution = steps.begin(steps.approved())
    taken = take_over(steps, execution)
    with pytest.raises(LedgerRefusedError) as refused, steps.ledger.transaction() as transaction:
        transaction.begin_call(execution)
    assert refused.value.code == "STATE_CHANGED"
    with steps.ledger.transaction() as transaction:
        assert transaction.begin_call(taken).switch is Switch.OFF


def test_begin_call_refuses_an_attempt_that_has_its_result(steps):
    execution = steps.begin(steps.approved())
    steps.finish(execution)
    with pytest.raises(LedgerRefusedError) as refused, steps.ledger.transaction() as transaction:
        transaction.begin_call(execution)
    assert refused.value.code == "STATE_CHANGED"


def take_over(steps, execution, executor_id="run-2", **later):
    now = steps.tick(**(later or {"minutes": 3}))
    with steps.ledger.transaction() as transaction:
        taken = transaction.take_over(execution, executor_id, now + timedelta(seconds=120), now)
        proposal = transaction.facts(now=now, capability_id=None, proposal_id=taken.proposal_id).proposal
        transaction.record(steps.event("taken_over", proposal, EXECUTOR), taken)
    return taken


def test_a_lease_that_has_ended_is_taken_over_once(steps):
    execution = steps.begin(steps.approved())
    assert not steps.ledger.abandoned(steps.now)
    steps.tick(minutes=3)
    assert [found.execution_id for found in steps.ledger.abandoned(steps.now)] == [execution.execution_id]
    taken = take_over(steps, execution)
    assert (taken.fence, taken.executor_id) == (2, "run-2")
    assert not steps.ledger.abandoned(steps.now)
    (found,) = steps.ledger.executions(execution.proposal_id)
    assert (found.fence, found.executor_id, found.lease_until) == (2, "run-2", taken.lease_until)
    with pytest.raises(LedgerRefusedError) as refused:
        take_over(steps, execution, "run-3")
    assert refused.value.code == "STATE_CHANGED"


def test_a_lease_that_runs_is_not_taken_over(steps):
    execution = steps.begin(steps.approved())
    with pytest.raises(LedgerRefusedError) as refused:
        take_over(steps, execution, seconds=1)
    assert refused.value.code == "STATE_CHANGED"


# Quotas


def test_a_quota_is_used_up_and_no_further(steps):
    for _ in range(8):
        assert count(steps, use(), OWNER_USE) is None
    exhausted = count(steps, OWNER_USE, use())
    assert exhausted is not None
    assert (exhausted.scope, exhausted.used, exhausted.limit) == ("capability", 8, 8)
    assert exhausted.window_started_at == steps.now
    used = {(found.scope, found.subject_id): found.used for found in steps.ledger.quota_uses()}
    assert used == {("capability", "*"): 8, ("owner", "uid_owner"): 8}, "all or none"


def test_a_window_that_has_run_out_starts_anew(steps):
    started = steps.now
    for _ in range(8):
        count(steps)
    steps.tick(seconds=3599)
    assert count(steps) is not None
    steps.tick(seconds=1)
    assert count(steps) is None
    (found,) = steps.ledger.quota_uses()
    assert (found.used, found.window_started_at) == (1, started + timedelta(hours=1))


def test_uses_of_a_transaction_that_fails_do_not_count(steps):
    with pytest.raises(RuntimeError), steps.ledger.transaction() as transaction:
        transaction.use_quotas((use(), OWNER_USE), steps.now)
        raise RuntimeError("after all")
    assert not steps.ledger.quota_uses()


def test_a_reset_sets_the_use_to_none(steps):
    for _ in range(8):
        count(steps)
    at = steps.tick()
    event = AuditDraft(f"quota:{NOTE}:reset", at, APPROVER, "quota", f"{NOTE}|capability|*", None, {})
    with steps.ledger.transaction() as transaction:
        transaction.record(event, QuotaReset(NOTE, "capability", "*", APPROVER.actor_id, "A busy day.", at))
    assert not steps.ledger.quota_uses()
    assert facts_of(steps, capability_id=NOTE, quotas=[("capability", "*")]).quotas == ()
    assert count(steps) is None


def test_facts_hold_the_quotas_that_were_asked_for(steps):
    count(steps, use(), OWNER_USE)
    facts = facts_of(steps, capability_id=NOTE, quotas=[("owner", "uid_owner"), ("actor", "uid_asker")])
    (found,) = facts.quotas
    assert (found.scope, found.used, found.limit, found.window_seconds) == ("owner", 1, 20, 86400)
    assert found.last_used_at == steps.now


def test_no_quotas_are_never_exhausted(steps):
    with steps.ledger.transaction() as transaction:
        assert transaction.use_quotas((), steps.now) is None


# Policies


def test_the_kill_switch_remembers_who_did_what(steps):
    assert steps.ledger.switch().revision == 1
    steps.switch("halted", APPROVER, hold=True)
    halted = steps.ledger.switch()
    assert (halted.switch, halted.by, halted.at) == (Switch.ON, APPROVER.actor_id, steps.now)
    assert halted.resume_requested_by is None
    steps.switch("resume_requested", ASKER)
    requested = steps.ledger.switch()
    assert (requested.switch, requested.resume_requested_by) == (Switch.ON, ASKER.actor_id)
    steps.switch("resumed", APPROVER)
    resumed = facts_of(steps).switch
    assert (resumed.switch, resumed.revision, resumed.reason) == (Switch.OFF, 4, "resumed for a test")


def test_nobody_confirms_their_own_request_to_resume(steps):
    steps.switch("halted", APPROVER)
    steps.switch("resume_requested", ASKER)
    with pytest.raises(LedgerRefusedError):
        steps.switch("resumed", ASKER)
    assert steps.ledger.switch().switch is Switch.ON


def grant(steps, *, owner_id=None, hours=24):
    at = steps.tick()
    exemption = Exemption(
        numbered("exm", int(at.timestamp())),
        NOTE,
        owner_id,
        "Notes of the open house are written all day.",
        APPROVER.actor_id,
        at,
        at + timedelta(hours=hours),
    )
    event = AuditDraft(
        f"exemption:{NOTE}:granted", at, APPROVER, "exemption", exemption.exemption_id, "live", {}
    )
    with steps.ledger.transaction() as transaction:
        transaction.record(event, exemption)
    return exemption


def test_exemptions_live_until_they_end(steps):
    first, second = grant(steps), grant(steps, owner_id="uid_owner")
    assert [found.exemption_id for found in steps.ledger.exemptions()] == [
        second.exemption_id,
        first.exemption_id,
    ]
    at = steps.tick()
    event = AuditDraft(
        f"exemption:{NOTE}:revoked", at, SECOND, "exemption", first.exemption_id, "revoked", {}
    )
    with steps.ledger.transaction() as transaction:
        transaction.record(
            event, ExemptionEnd(first.exemption_id, "revoked", SECOND.actor_id, "Over early.", at)
        )
    live = steps.ledger.exemptions(only_live_at=steps.now)
    assert [replace(found, audit_seq=0) for found in live] == [second]
    assert not steps.ledger.exemptions(only_live_at=second.expires_at)
    ended = {found.exemption_id: (found.ended_at, found.ended_by_kind) for found in steps.ledger.exemptions()}
    assert ended == {first.exemption_id: (at, "revoked"), second.exemption_id: (None, None)}


def test_a_screened_proposal_goes_on_with_an_override(steps):
    proposal = steps.pending(intake="fraud_risk", is_intake_blocked=True)
    at = steps.tick()
    let_on = replace(proposal, is_intake_blocked=False, updated_at=at)
    override = IntakeOverride(
        proposal.proposal_id, 1, "false_alarm", "It is a glaze name.", SECOND.actor_id, at
    )
    with pytest.raises(LedgerRefusedError), steps.ledger.transaction() as transaction:
        transaction.record(steps.event("intake_overridden", let_on, SECOND), let_on)
    with steps.ledger.transaction() as transaction:
        transaction.record(steps.event("intake_overridden", let_on, SECOND), override, let_on)
    assert steps.read(proposal.proposal_id).is_intake_blocked is False


def test_a_red_check_is_a_fact_until_it_is_green(steps):
    def check(name, *, holds):
        at = steps.tick()
        action = "green" if holds else "red"
        event = AuditDraft(f"check:{name}:{action}", at, EXECUTOR, "check", name, None, {})
        with steps.ledger.transaction() as transaction:
            transaction.record(event, CheckResult(name, holds, at))

    check("chain_intact", holds=False)
    check("approvals_quorate", holds=False)
    assert facts_of(steps).red_checks == ("approvals_quorate", "chain_intact")
    check("chain_intact", holds=True)
    assert facts_of(steps).red_checks == ("approvals_quorate",)


# Lists


def test_proposals_come_newest_first_in_pages(steps):
    written = [steps.draft().proposal_id for _ in range(5)]
    pending = steps.move(steps.read(written[1]), ProposalState.PENDING_APPROVAL, "submitted", ASKER)
    newest = written[::-1]
    assert [found.proposal_id for found in steps.ledger.proposals()] == newest
    assert [found.proposal_id for found in steps.ledger.proposals(limit=2)] == newest[:2]
    assert [found.proposal_id for found in steps.ledger.proposals(limit=2, before=newest[1])] == newest[2:4]
    assert list(steps.ledger.proposals(states=[ProposalState.PENDING_APPROVAL])) == [pending]
    assert not steps.ledger.proposals(capability_id=CLOSE)


def test_approved_proposals_are_ready_oldest_first(steps):
    first, second = steps.pending(), steps.pending()
    steps.approve(second)
    steps.approve(first)
    steps.pending()
    assert list(steps.ledger.ready(ApprovalKind.EXECUTE)) == [second.proposal_id, first.proposal_id]
    assert list(steps.ledger.ready(ApprovalKind.EXECUTE, limit=1)) == [second.proposal_id]
    steps.begin(steps.read(second.proposal_id))
    assert list(steps.ledger.ready(ApprovalKind.EXECUTE)) == [first.proposal_id]
    assert not steps.ledger.ready(ApprovalKind.ROLLBACK)


def test_a_rollback_is_ready_until_it_was_tried(steps):
    done = steps.finish(steps.begin(steps.approved()))
    at = steps.tick()
    request = steps.approval(done, SECOND, kind=ApprovalKind.ROLLBACK, at=at)
    with steps.ledger.transaction() as transaction:
        transaction.record(steps.event("rollback_requested", done, SECOND), request)
    assert list(steps.ledger.ready(ApprovalKind.ROLLBACK)) == [done.proposal_id]
    at = steps.tick()
    attempt = replace(
        steps.intent(done), kind=ApprovalKind.ROLLBACK, idempotency_key=f"{done.proposal_id}_rollback"
    )
    with steps.ledger.transaction() as transaction:
        current = transaction.facts(
            now=at, capability_id=None, proposal_id=done.proposal_id, lock=True
        ).proposal
        moved = replace(current, updated_at=at)
        transaction.record(steps.event("rolling_back", moved, EXECUTOR), moved, attempt)
    assert not steps.ledger.ready(ApprovalKind.ROLLBACK)
    at = steps.tick()
    with steps.ledger.transaction() as transaction:
        transaction.begin_call(attempt)
        current = transaction.facts(now=at, capability_id=None, proposal_id=done.proposal_id).proposal
        undone = replace(current, state=ProposalState.ROLLED_BACK, updated_at=at)
        transaction.record(
            steps.event("rolled_back", undone, EXECUTOR),
            undone,
            replace(attempt, state=ExecutionState.SUCCEEDED, finished_at=at, pointer={"documentId": "n1"}),
        )
    assert steps.read(done.proposal_id).state is ProposalState.ROLLED_BACK


def test_what_waited_too_long_is_overdue(steps):
    pending = steps.pending()
    approved = steps.approved()
    executed = steps.finish(steps.begin(steps.approved()))
    assert not steps.ledger.overdue(steps.now)
    steps.tick(hours=4)
    assert [found.proposal_id for found in steps.ledger.overdue(steps.now)] == [approved.proposal_id], (
        "its approval has run out"
    )
    late = pending.expires_at
    assert {found.proposal_id for found in steps.ledger.overdue(late)} == {
        pending.proposal_id,
        approved.proposal_id,
    }
    assert len(steps.ledger.overdue(late, limit=1)) == 1
    assert executed.state is ProposalState.EXECUTED


def test_what_rests_on_a_new_exemption_was_not_overdue_before_it(steps):
    """Who asks what was overdue a while ago is not told of what was exempted since, or lost that since."""
    before = steps.now
    exemption = grant(steps)
    exempt = steps.move(steps.pending(), ProposalState.APPROVED, "approved", EXECUTOR)
    assert not steps.ledger.overdue(before)
    assert not steps.ledger.overdue(steps.now)
    standing, at = steps.now, steps.tick()
    event = AuditDraft(
        f"exemption:{NOTE}:revoked", at, SECOND, "exemption", exemption.exemption_id, "revoked", {}
    )
    with steps.ledger.transaction() as transaction:
        transaction.record(
            event, ExemptionEnd(exemption.exemption_id, "revoked", SECOND.actor_id, "Over early.", at)
        )
    assert not steps.ledger.overdue(before)
    assert not steps.ledger.overdue(standing)
    assert [found.proposal_id for found in steps.ledger.overdue(at)] == [exempt.proposal_id]
