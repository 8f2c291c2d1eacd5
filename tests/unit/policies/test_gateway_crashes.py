"""Crashes at every named point, and answers to commits that never came: one effect, no gap, no person.

Here the process dies and the ledger in memory keeps only what was committed. The same points are used with
real processes and connections against PostgreSQL. Over 400 lines because each verb needs its own way to the
point at which it dies.
"""

import contextlib

import pytest

from policies.decisions import Switch
from policies.errors import DeniedError
from policies.gateway_probes import PROBES
from policies.marks import DraftStatus, TriageVerdict, Verdict
from policies.ports import AdapterError, OutcomeUnknownError
from policies.proposals import ExecutionState, ProposalState
from tests.unit.policies.stage import (
    ADMIN,
    APPROVER,
    ASKER,
    EXECUTOR,
    INPUT,
    NOTE,
    READ,
    REASON,
    SECOND,
    SWEEPER,
    Crash,
    Stage,
)

UNDO = "The note was about another batch."


def repaired(stage, proposal):
    """Do what our sensors do, until nothing is left to do: recover, execute and roll back what is ready."""
    for number in range(6):
        stage.clock.move(seconds=120)
        stage.gateway.recover(EXECUTOR, executor_id=f"repair-{number}")
        state = stage.read(proposal).state
        if state is ProposalState.APPROVED:
            stage.execute(proposal, f"again-{number}")
    return stage.read(proposal)


@pytest.mark.parametrize(
    "point", [it for it in PROBES if it.startswith(("execute:", "execute_call:")) and "failed" not in it]
)
def test_an_execution_that_dies_anywhere_has_one_effect_in_the_end(point):
    """Whatever was committed, our own processes bring it to executed, and the target did it once."""
    stage = Stage()
    proposal = stage.approved()
    stage.crash_at = point
    if "released" in point:
        stage.at_probe["execute:commit:after"] = lambda: stage.clock.move(seconds=110)
    with pytest.raises(Crash):
        stage.execute(proposal)
    assert repaired(stage, proposal).state is ProposalState.EXECUTED
    assert stage.target.effects == {proposal.proposal_id: "done"}
    succeeded = [it for it in stage.ledger.executions(proposal.proposal_id) if it.state == "succeeded"]
    assert len(succeeded) == 1
    assert stage.ledger.in_flight() == 0


@pytest.mark.parametrize("point", ["execute_call:failed:before", "execute_call:failed:after"])
def test_a_refusal_that_dies_unrecorded_is_tried_again(point):
    """Certainly no effect, but nobody wrote it down: the look-up finds nothing, the usual way goes on."""
    stage = Stage()
    proposal = stage.approved()
    stage.target.error_before = AdapterError("Gone.", code="GONE", is_certain=True)
    stage.crash_at = point
    with pytest.raises(Crash):
        stage.execute(proposal)
    stage.target.error_before = None
    assert repaired(stage, proposal).state is ProposalState.EXECUTED


@pytest.mark.parametrize(
    "point",
    [it for it in PROBES if it.startswith(("rollback:", "rollback_call:")) and "failed" not in it],
)
def test_a_rollback_that_dies_anywhere_is_undone_in_the_end(point):
    """The target marks it once; the proposal says rolled back."""
    stage = Stage()
    proposal = stage.executed()
    stage.gateway.request_rollback(APPROVER, proposal.proposal_id, UNDO)
    stage.crash_at = point
    if "released" in point:
        stage.at_probe["rollback:commit:after"] = lambda: stage.clock.move(seconds=110)
    with pytest.raises(Crash):
        stage.gateway.rollback(EXECUTOR, proposal.proposal_id, executor_id="run-2")
    for number in range(3):
        stage.clock.move(seconds=120)
        stage.gateway.recover(EXECUTOR, executor_id=f"repair-{number}")
        if stage.read(proposal).state is ProposalState.EXECUTED:
            stage.gateway.rollback(EXECUTOR, proposal.proposal_id, executor_id=f"again-{number}")
    assert stage.read(proposal).state is ProposalState.ROLLED_BACK
    assert stage.target.effects == {proposal.proposal_id: "undone"}


@pytest.mark.parametrize("point", [it for it in PROBES if it.startswith(("take_over:", "recover:"))])
def test_a_recovery_that_dies_is_repeated(point):
    """Nothing depends on who finishes it."""
    stage = Stage()
    proposal = stage.approved()
    if "rolled_back" in point or "rollback_failed" in point:
        stage.execute(proposal)
        stage.gateway.request_rollback(APPROVER, proposal.proposal_id, UNDO)
        stage.target.error_after = AdapterError("No answer.", code="TIMEOUT", is_certain=False)
        stage.gateway.rollback(EXECUTOR, proposal.proposal_id, executor_id="run-1")
        if "rollback_failed" in point:
            stage.target.effects.clear()
    else:
        where = "error_before" if "released" in point else "error_after"
        setattr(stage.target, where, AdapterError("No answer.", code="TIMEOUT", is_certain=False))
        stage.execute(proposal)
    stage.target.error_before = stage.target.error_after = None
    stage.clock.move(seconds=120)
    stage.crash_at = point
    with pytest.raises(Crash):
        stage.gateway.recover(EXECUTOR, executor_id="run-2")
    stage.clock.move(seconds=120)
    stage.gateway.recover(EXECUTOR, executor_id="run-3")
    assert stage.ledger.in_flight() == 0


def changes(stage):
    """Return ways to make a change by every other verb: the steps before it, then the change itself."""
    gateway = stage.gateway
    pending, draft, rejected = stage.propose(), stage.propose(is_draft=True), stage.propose()
    gateway.reject(APPROVER, rejected.proposal_id, REASON)
    risky = stage.propose(input_=INPUT | {"note": "Customer asks for a working firearm mold"})
    executed = stage.executed()
    exemption = gateway.grant_exemption(
        ADMIN, NOTE, owner_id="uid_busy", seconds=60, justification="A busy weekend with many notes."
    )
    busy = stage.propose(owner_id="uid_busy", is_draft=True)
    busy_rejected = stage.propose(owner_id="uid_busy")
    gateway.reject(APPROVER, busy_rejected.proposal_id, REASON)
    busy_edit = stage.propose(owner_id="uid_busy")
    busy_risky = stage.propose(
        owner_id="uid_busy", input_=INPUT | {"note": "Customer asks for a working firearm mold"}
    )

    def halt():
        return gateway.halt(ADMIN, "Something smells of smoke.")

    made = {
        "propose": [lambda: stage.propose(capability_id=READ, input_={}, owner_id=None)],
        "submit": [
            lambda: gateway.submit(ASKER, draft.proposal_id),
            lambda: gateway.submit(ASKER, busy.proposal_id),
        ],
        "edit": [
            lambda: gateway.edit(ASKER, busy_edit.proposal_id, version=1, rationale="A better reason now."),
        ],
        "dry_run": [lambda: gateway.dry_run(ASKER, pending.proposal_id)],
        "approve": [
            lambda: gateway.approve(SECOND, pending.proposal_id, REASON, input_hash=pending.input_hash)
        ],
        "reject": [lambda: gateway.reject(APPROVER, pending.proposal_id, REASON)],
        "reopen": [
            lambda: gateway.reopen(ADMIN, busy_rejected.proposal_id, REASON),
        ],
        "override_intake": [
            lambda: gateway.override_intake(APPROVER, risky.proposal_id, "false_positive", REASON),
            lambda: gateway.override_intake(APPROVER, busy_risky.proposal_id, "false_positive", REASON),
        ],
        "request_rollback": [lambda: gateway.request_rollback(APPROVER, executed.proposal_id, UNDO)],
        "halt": [halt],
        "request_resume": [
            (halt, lambda: gateway.request_resume(ADMIN, "It was the toast.")),
        ],
        "resume": [
            (
                halt,
                lambda: gateway.request_resume(ADMIN, "It was the toast."),
                lambda: gateway.resume(APPROVER, "It was the toast."),
            ),
        ],
        "grant_exemption": [
            lambda: gateway.grant_exemption(
                ADMIN, NOTE, owner_id=None, seconds=60, justification="A busy weekend."
            )
        ],
        "revoke_exemption": [
            lambda: gateway.revoke_exemption(ADMIN, exemption.exemption_id, "The weekend is over.")
        ],
        "reset_quota": [lambda: gateway.reset_quota(ADMIN, NOTE, "capability", "*", "Counted by mistake.")],
        "pause_swarm": [lambda: gateway.pause_swarm(ADMIN, "operations", "Too much noise today.")],
        "resume_swarm": [
            (
                lambda: gateway.pause_swarm(ADMIN, "operations", "Too much noise today."),
                lambda: gateway.resume_swarm(ADMIN, "operations", "Its limits were mended."),
            )
        ],
        "mark_finding": [
            lambda: gateway.mark_finding(ASKER, "fnd_" + "0" * 26, 1, Verdict.NOISE, "Seen it before.")
        ],
        "review_draft": [
            lambda: gateway.review_draft(
                ASKER,
                "drf_1",
                revision=1,
                from_status=DraftStatus.DRAFT,
                to_status=DraftStatus.NEEDS_REVIEW,
                before_hash="a" * 64,
                reason="Ready to be looked at.",
            )
        ],
        "decide_triage": [
            lambda: gateway.decide_triage(
                ASKER,
                "report-1",
                category="safety",
                severity="high",
                verdict=TriageVerdict.EDITED,
                reason="It is worse than it reads.",
            )
        ],
        "deny": [lambda: gateway.approve(ASKER, pending.proposal_id, REASON, input_hash="0" * 64)],
    }
    return {verb: [way if isinstance(way, tuple) else (way,) for way in ways] for verb, ways in made.items()}


OTHERS = [
    it
    for it in PROBES
    if not it.startswith(("execute", "rollback", "take_over:", "recover:", "expire:", "open_studio:"))
]


@pytest.mark.parametrize("point", OTHERS)
def test_a_change_that_dies_is_there_whole_or_not_at_all(point):
    """Before the commit nothing of it is kept, after it everything: rows and events together."""
    stage = Stage()
    verb = point.partition(":")[0]
    for *first, change in changes(stage)[verb]:
        for step in first:
            step()
        before = stage.ledger.events, stage.ledger._tables
        stage.crash_at = point
        with contextlib.suppress(Crash, DeniedError):
            change()
        if stage.crash_at is None:
            break
    else:
        pytest.fail(f"{point} was never reached.")
    after = stage.ledger.events, stage.ledger._tables
    if point.endswith("commit:after"):
        assert len(after[0]) > len(before[0])
    else:
        assert after == before


class LostAnswers:
    """Wraps a ledger: the answer to a commit is lost, once, after it was kept or before."""

    def __init__(self, ledger, *, is_kept, number=1):
        self._ledger = ledger
        self._is_kept = is_kept
        self._left = number

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    def transaction(self):
        from contextlib import contextmanager

        @contextmanager
        def lossy():
            length = len(self._ledger.events)
            with self._ledger.transaction() as transaction:
                yield transaction
                if not self._is_kept and len(transaction.events) > length and self._loses():
                    raise OutcomeUnknownError("No answer.")
            if self._is_kept and len(self._ledger.events) > length and self._loses():
                raise OutcomeUnknownError("No answer.")

        return lossy()

    def _loses(self):
        self._left -= 1
        return self._left >= 0


# These have no id of their own to be found by: done again they say that it is so already, or write it twice.
_UNNAMED = {
    "deny",
    "reset_quota",
    "pause_swarm",
    "resume_swarm",
    "mark_finding",
    "review_draft",
    "decide_triage",
}


@pytest.mark.parametrize("is_kept", [True, False])
@pytest.mark.parametrize("verb", [verb for verb in changes(Stage()) if verb not in _UNNAMED])
def test_a_lost_answer_is_cleared_up_by_reading_again(verb, is_kept):
    """Kept: the result is found and returned. Not kept: it is done once more. Never twice."""

    def events_written(*, is_lossy):
        stage = Stage()
        *first, change = changes(stage)[verb][0]
        for step in first:
            step()
        before = len(stage.ledger.events)
        if is_lossy:
            stage.gateway._ledger = LostAnswers(stage.ledger, is_kept=is_kept)
        result = change()
        return result, [event.payload for event in stage.ledger.events[before:]]

    result, written = events_written(is_lossy=True)
    usual_result, usually_written = events_written(is_lossy=False)
    assert len(written) == len(usually_written)
    assert type(result) is type(usual_result)
    if is_kept:
        assert (result, written) == (usual_result, usually_written)


def test_no_call_rests_on_an_intent_whose_answer_was_lost():
    """It may not be durable yet: recovery finds out that nothing happened, and it is done the usual way."""
    stage = Stage()
    proposal = stage.approved()
    stage.gateway._ledger = LostAnswers(stage.ledger, is_kept=True)
    assert stage.execute(proposal).state is ExecutionState.INTENT
    assert stage.target.calls == []
    assert repaired(stage, proposal).state is ProposalState.EXECUTED


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_result_whose_answer_was_lost_is_read_again(is_kept):
    """Kept: succeeded. Not kept: the intent stays, and recovery writes the effect down."""
    stage = Stage()
    proposal = stage.approved()
    real = stage.ledger
    stage.at_probe["execute:commit:after"] = lambda: setattr(
        stage.gateway, "_ledger", LostAnswers(real, is_kept=is_kept)
    )
    execution = stage.execute(proposal)
    assert execution.state is (ExecutionState.SUCCEEDED if is_kept else ExecutionState.INTENT)
    assert repaired(stage, proposal).state is ProposalState.EXECUTED
    assert stage.target.calls.count("execute") == 1


def test_answers_lost_twice_are_told():
    """Nobody claims to know: the caller reads for themselves."""
    stage = Stage()
    proposal = stage.propose()
    stage.gateway._ledger = LostAnswers(stage.ledger, is_kept=False, number=2)
    with pytest.raises(OutcomeUnknownError):
        stage.gateway.reject(APPROVER, proposal.proposal_id, REASON)
    assert stage.read(proposal).state is ProposalState.PENDING_APPROVAL


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_denial_whose_answer_was_lost_is_written_again(is_kept):
    """Twice in the log is better than not at all."""
    stage = Stage()
    proposal = stage.propose()
    stage.gateway._ledger = LostAnswers(stage.ledger, is_kept=is_kept)
    with pytest.raises(DeniedError):
        stage.gateway.reject(ASKER, proposal.proposal_id, REASON)
    assert stage.names().count("denied") == (2 if is_kept else 1)


@pytest.mark.parametrize("is_kept", [True, False])
def test_sweeping_and_recovering_survive_a_lost_answer(is_kept):
    """What is not clear now is clear at the next tick."""
    stage = Stage()
    stage.propose(is_draft=True)
    stage.gateway.grant_exemption(
        ADMIN, NOTE, owner_id="uid_busy", seconds=60, justification="A busy weekend with many notes."
    )
    lost = stage.approved()
    stage.target.error_after = AdapterError("No answer.", code="TIMEOUT", is_certain=False)
    stage.execute(lost)
    stage.target.error_after = None
    stage.clock.move(days=7)
    real = stage.ledger
    for number in (1, 1, 0, 0):
        stage.gateway._ledger = LostAnswers(real, is_kept=is_kept, number=number)
        stage.gateway.expire(SWEEPER)
        stage.gateway._ledger = LostAnswers(real, is_kept=is_kept, number=number)
        stage.gateway.recover(EXECUTOR, executor_id="run-2")
        stage.clock.move(seconds=120)
    assert stage.read(lost).state is ProposalState.EXECUTED
    assert not stage.ledger.overdue(stage.clock.instant)
    assert stage.ledger.exemptions()[0].ended_by_kind == "expired"


@pytest.mark.parametrize("is_kept", [True, False])
def test_opening_survives_a_lost_answer(is_kept):
    """The studio is open once, and its first event is there once."""
    from policies.memory_ledger import MemoryLedger

    stage = Stage()
    stage.ledger = MemoryLedger("monsoonfire", stage.registry)
    gateway = stage.new_gateway()
    gateway._ledger = LostAnswers(stage.ledger, is_kept=is_kept)
    gateway.open_studio()
    assert stage.ledger.switch().switch is Switch.OFF
    assert stage.names() == ["opened"]


@pytest.mark.parametrize("point", [it for it in PROBES if it.startswith(("expire:", "open_studio:"))])
def test_opening_and_sweeping_that_die_are_repeated(point):
    """Both are safe to begin again."""
    stage = Stage()
    stage.propose(is_draft=True)
    stage.clock.move(days=7)
    if point.startswith("open_studio:"):
        from policies.memory_ledger import MemoryLedger

        stage.ledger = MemoryLedger("monsoonfire", stage.registry)
        stage.gateway = stage.new_gateway()
    stage.crash_at = point
    sweep = stage.gateway.open_studio if point.startswith("open_studio:") else stage.gateway.expire
    arguments = () if point.startswith("open_studio:") else (SWEEPER,)
    with pytest.raises(Crash):
        sweep(*arguments)
    stage.gateway.open_studio()
    stage.gateway.expire(SWEEPER)
    assert stage.ledger.overdue(stage.clock.instant) == []
    assert stage.ledger.switch().switch is Switch.OFF


def test_every_point_has_a_name_of_its_own():
    """Crash tests go through this list; a point that is not in it fails every test that passes it."""
    assert len(set(PROBES)) == len(PROBES)
    assert all(len(point.split(":")) == 3 for point in PROBES)
