"""reset_quota: an admin's audited act; and explain, which changes nothing."""

import pytest

from policies.decisions import Operation
from policies.errors import BadRequestError, UnknownSubjectError
from tests.unit.policies.stage import (
    ADMIN,
    AGENT,
    APPROVER,
    ASKER,
    EXECUTOR,
    NOTE,
    STRANGER,
    Stage,
)

WRONG = "A test was counted by mistake."


def reset(stage, scope="capability", subject="*"):
    return stage.gateway.reset_quota(ADMIN, NOTE, scope, subject, WRONG)


@pytest.fixture
def used_up(stage):
    for _ in range(8):
        stage.executed()
    return stage


def test_it_works(used_up):
    """After the reset there is room again, and the log says who made it."""
    ninth = used_up.approved()
    used_up.refused("QUOTA_EXCEEDED", "execute", EXECUTOR, ninth.proposal_id, executor_id="run-1")
    use = reset(used_up)
    assert (use.limit, use.used) == (8, 0)
    event = used_up.ledger.events[-1]
    assert (event.draft.name, event.draft.subject_id) == (f"quota:{NOTE}:reset", f"{NOTE}|capability|*")
    assert WRONG not in event.payload
    assert used_up.execute(ninth).state == "succeeded"


def test_only_that_quota_is_reset(used_up):
    """The owner's and the actor's count on."""
    reset(used_up)
    assert {use.scope: use.used for use in used_up.ledger.quota_uses()} == {"actor": 8, "owner": 8}


def test_repeating_changes_no_use(used_up):
    """None stays none; each act is in the log."""
    reset(used_up)
    assert reset(used_up).used == 0


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (APPROVER, "ROLE_MISSING"),
        (ASKER, "ROLE_MISSING"),
        (EXECUTOR, "PERSON_REQUIRED"),
        (AGENT, "PERSON_REQUIRED"),
        (STRANGER, "TENANT_MISMATCH"),
    ],
)
def test_only_an_admin_resets(stage, actor, code):
    """Everybody else is refused with a reason."""
    stage.refused(code, "reset_quota", actor, NOTE, "capability", "*", WRONG)


def test_requests_without_sense(stage):
    """A scope that there is not, words that cannot be kept; an unknown capability is a no."""
    stage.changes_nothing(UnknownSubjectError, "reset_quota", ADMIN, NOTE, "planet", "*", WRONG)
    stage.changes_nothing(BadRequestError, "reset_quota", ADMIN, NOTE, "capability", "\0", WRONG)
    stage.changes_nothing(BadRequestError, "reset_quota", ADMIN, NOTE, "capability", "*", "")
    stage.refused("CAPABILITY_UNKNOWN", "reset_quota", ADMIN, "no.such", "capability", "*", WRONG)
    stage.refused("RATIONALE_TOO_SHORT", "reset_quota", ADMIN, NOTE, "capability", "*", "oops")


def test_explain_says_what_the_verb_would_say(used_up):
    """For every operation, quotas included, and without any trace."""
    proposal = used_up.approved()
    events, tables = used_up.ledger.events, used_up.ledger._tables
    explain = used_up.gateway.explain
    assert explain(EXECUTOR, Operation.EXECUTE, NOTE, proposal.proposal_id).code == "QUOTA_EXCEEDED"
    assert explain(ASKER, Operation.EXECUTE, NOTE, proposal.proposal_id).code == "EXECUTOR_ONLY"
    assert explain(APPROVER, Operation.APPROVE, NOTE, proposal.proposal_id).code == "ALREADY_APPROVED"
    assert explain(APPROVER, Operation.REJECT, NOTE, proposal.proposal_id).is_allowed
    assert explain(ASKER, Operation.PROPOSE, NOTE).is_allowed
    assert explain(ASKER, Operation.PROPOSE, "no.such").code == "CAPABILITY_UNKNOWN"
    assert explain(ASKER, Operation.HALT, NOTE).is_allowed
    assert explain(AGENT, Operation.PROPOSE, NOTE).code == "DELEGATION_UNREADABLE"
    assert (used_up.ledger.events, used_up.ledger._tables) == (events, tables)


def test_explain_approves_a_pending_proposal_in_thought_only(stage):
    """The hash is taken to be the one that was looked at."""
    proposal = stage.propose()
    assert stage.gateway.explain(APPROVER, Operation.APPROVE, NOTE, proposal.proposal_id).is_allowed
    assert stage.read(proposal) == proposal
    with pytest.raises(UnknownSubjectError):
        stage.gateway.explain(APPROVER, Operation.APPROVE, NOTE, "prp_nothing")


def test_explain_looks_an_agent_up_at_execution(stage):
    """As the execution would: its requester's delegation."""
    stage.cloud.delegate(NOTE)
    proposal = stage.approved(actor=AGENT)
    stage.cloud.facts = None
    decision = stage.gateway.explain(EXECUTOR, Operation.EXECUTE, NOTE, proposal.proposal_id)
    assert decision.code == "DELEGATION_UNREADABLE"


def test_anchor_mode_and_kill_switch_do_not_stop_a_reset():
    """It does nothing outside."""
    stage = Stage(is_write_enabled=False)
    stage.gateway.halt(ADMIN, "Something smells of smoke.")
    assert reset(stage).used == 0
