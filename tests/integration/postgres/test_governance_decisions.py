"""Forged proposals and approvals, illegal steps, changes without their event: PostgreSQL refuses them."""

# ruff: noqa: S608 - the SQL is made of tests' own names

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from policies.actors import Actor, ActorKind
from policies.proposals import TRANSITIONS, ProposalState
from tests.integration.postgres.governance_desk import (
    ANN,
    BEN,
    BOT,
    CLEO,
    CLOSE,
    EXECUTOR,
    NOTE,
    OTHER_HASH,
    STATES,
    STUDIO,
    proposal_id,
)

pytestmark = pytest.mark.integration


# A change and its event


def test_a_change_without_an_event_is_refused(desk, pending):
    with desk.refused("event-of-this-transaction") as connection:
        desk.update(connection, "proposals", pending, state="rejected", state_reason="no", audit_seq=10**9)
    with desk.refused("event-of-this-transaction") as connection:  # still the event of its creation
        desk.update(connection, "proposals", pending, state="rejected", state_reason="no")


def test_an_event_of_an_earlier_transaction_explains_nothing(desk, pending):
    with desk.engine.begin() as connection:
        seq = desk.of_proposal(connection, pending, "rejected", "rejected")
    with desk.refused("event-of-this-transaction") as connection:
        desk.update(
            connection, "proposals", pending, state="rejected", state_reason="no", audit_seq=seq,
            updated_at=desk.now,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"subject_id": proposal_id(999)}, "event-of-this-subject"),
        ({"subject_kind": "policy"}, "event-of-this-subject"),
        ({"state": "approved"}, "event-of-this-state"),
        ({"state": None}, "event-of-this-state"),
        ({"name": f"proposal:{CLOSE}:rejected"}, "event-of-this-capability"),
        ({"name": f"policy:{NOTE}:denied"}, "event-of-this-capability"),
    ],
)
def test_an_event_about_something_else_explains_nothing(desk, pending, changes, rule):
    with desk.refused(rule) as connection:
        seq = desk.of_proposal(connection, pending, "rejected", "rejected", changes=changes)
        desk.update(
            connection, "proposals", pending, state="rejected", state_reason="no", audit_seq=seq,
            updated_at=desk.now,
        )  # fmt: skip


def test_one_event_explains_one_change(desk, pending):
    """An event that has made a row what it is cannot make it something else in the same transaction."""
    with desk.refused("event-newer") as connection:
        seq = desk.of_proposal(connection, pending, "edited", "pending_approval")
        for version in (2, 3):
            desk.update(connection, "proposals", pending, version=version, audit_seq=seq, updated_at=desk.now)


def test_an_instant_is_the_logs(desk, pending):
    """Nobody dates a change otherwise than the log does."""
    with desk.refused("event-of-this-instant") as connection:
        seq = desk.of_proposal(connection, pending, "rejected", "rejected")
        long_ago = desk.now - timedelta(days=9)
        desk.update(
            connection, "proposals", pending, state="rejected", state_reason="no", audit_seq=seq,
            updated_at=long_ago,
        )  # fmt: skip


# Proposals


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"capability": "firestore.everything.delete"}, "capability-known"),
        ({"version": 2}, "proposal-begins"),
        ({"requester_id": "ben"}, "proposal-requester"),
        ({"requester_kind": "system"}, "proposal-requester"),
        ({"requester_principal_id": "nobody"}, "proposal-requester"),
        ({"actor": Actor(ActorKind.HUMAN, "dee", STUDIO)}, "proposal-requester-kind"),
        ({"input_hash": "xyz"}, "proposals_input_hash_check"),
        ({"studio_id": "claycorner"}, "one-studio"),
        *(({"state": state}, "proposal-begins") for state in STATES[2:] if state != "rejected"),
        ({"state": "unheard_of"}, "proposal"),
    ],
)
def test_a_forged_proposal_is_refused(desk, changes, rule):
    with desk.refused(rule) as connection:
        desk.new_proposal(connection, proposal_id(500), **changes)


def test_a_proposal_cannot_wait_for_ever(desk, pending):
    with desk.refused("proposal-expiry") as connection:
        long = desk.now + timedelta(days=7, minutes=2)
        desk.new_proposal(connection, proposal_id(500), expires_at=long)
    with desk.refused("proposal-expiry") as connection:
        desk.step(connection, pending, "pending_approval", expires_at=desk.now + timedelta(days=1))


def test_a_live_dedupe_key_is_used_once(desk):
    desk.propose(dedupe_key="tick-1")
    with desk.refused("proposals_live_dedupe") as connection:
        desk.new_proposal(connection, proposal_id(500), dedupe_key="tick-1")


@pytest.mark.parametrize("before", [*STATES, "unheard_of"])
@pytest.mark.parametrize("after", [*STATES, "unheard_of", ""])
def test_the_databases_transitions_are_pythons(desk, before, after):
    """Every pair of states, known or not, both ways: allowed in one exactly when in the other."""
    with desk.engine.connect() as connection:
        query = text("SELECT studio.may_become(:before, :after)")
        if before in STATES and after in STATES:
            allowed = ProposalState(after) in TRANSITIONS[ProposalState(before)]
            assert connection.scalar(query, {"before": before, "after": after}) is allowed
        else:
            with pytest.raises(DBAPIError, match="is no state of a proposal"):
                connection.execute(query, {"before": before, "after": after})


_ILLEGAL = [
    (before, after)
    for before in STATES
    for after in [*STATES, "unheard_of"]
    if after != before
    and (after not in STATES or ProposalState(after) not in TRANSITIONS[ProposalState(before)])
]


@pytest.mark.parametrize(("before", "after"), _ILLEGAL)
def test_an_illegal_transition_is_refused(desk, standing, before, after):
    """Even with its own event, a proposal goes no way that the table does not have."""
    rule = "proposal-transition" if after in STATES else "proposal-state-known"
    with desk.refused(rule) as connection:
        desk.step(connection, standing[before], after, state_reason="no")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("approved", "executing"),
        ("executing", "executed"),
        ("executing", "failed"),
        ("executing", "approved"),
        ("executed", "rolled_back"),
    ],
)
def test_a_state_its_attempts_do_not_bear_out_is_refused(desk, standing, before, after):
    """Legal in the table, but nothing was attempted, or it went otherwise: refused when it commits."""
    with desk.refused("proposal-and-attempts") as connection:
        desk.step(connection, standing[before], after)


def test_content_changes_only_with_a_new_version(desk, pending):
    for change in ({"input": {"note": "x"}}, {"input_hash": OTHER_HASH}, {"rationale": "other"}):
        with desk.refused("proposal-content") as connection:
            desk.step(connection, pending, "pending_approval", **change)
    with desk.refused("proposal-version") as connection:
        desk.step(connection, pending, "pending_approval", version=3)
    with desk.refused("proposal-version-awaits") as connection:
        desk.new_approval(connection, pending)
        desk.step(connection, pending, "approved", version=2)


def test_only_who_asked_edits(desk, pending, standing):
    """Another person's words under the requester's name could be approved by that same person."""
    words = {"version": 2, "input_hash": OTHER_HASH, "input": {"note": "x"}}
    with desk.refused("proposal-editor") as connection:
        desk.step(connection, pending, "pending_approval", actor=CLEO, **words)
    for state in ("rejected", "failed", "expired"):
        with desk.refused("proposal-editor") as connection:
            desk.step(connection, standing[state], "pending_approval", actor=CLEO, **words)
    which = desk.in_state("rejected")
    with desk.engine.begin() as connection:  # reopened as it was
        desk.step(connection, which, "pending_approval", actor=CLEO, version=2)
        desk.step(connection, which, "pending_approval", **words | {"version": 3})


def test_what_was_foreseen_is_not_changed_afterwards(desk, standing):
    with desk.refused("proposal-dry-run") as connection:
        desk.step(connection, standing["executed"], "executed", dry_run={"summary": "as it turned out"})


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("proposals SET requester_principal_id = 'nobody', updated_at = :at", "proposal-origin"),
        ("executions SET idempotency_key = idempotency_key || '_2'", "execution-origin"),
        ("quota_buckets SET subject_id = 'somebody'", "quota-origin"),
    ],
)
def test_not_even_with_all_rights_is_an_origin_rewritten(desk, standing, change, rule):
    """A superuser passes grants and row-level security, but not the rules."""
    with desk.engine.begin() as connection:
        row = {"capability_id": NOTE, "scope": "capability", "limit_count": 8, "window_seconds": 3600}
        now = {"used": 1, "window_started_at": desk.now, "last_used_at": desk.now}
        desk.insert(connection, "quota_buckets", subject_id=f"own-{rule}", **row, **now)
    with desk.refused(rule, engine=desk.superuser) as connection:
        connection.execute(text("SELECT set_config('studio.studio_id', 'monsoonfire', true)"))
        seq = desk.of_proposal(connection, standing["executing"], "step", "executing", EXECUTOR)
        event = "" if "quota" in rule else ", audit_seq = :seq"
        where = f"subject_id = 'own-{rule}'" if "quota" in rule else "state IN ('executing', 'intent')"
        connection.execute(text(f"UPDATE studio.{change}{event} WHERE {where}"), {"seq": seq, "at": desk.now})


@pytest.mark.parametrize("column", ["requester_id", "requester_principal_id", "capability_id", "created_at"])
def test_where_a_proposal_comes_from_never_changes(desk, pending, column):
    with desk.refused("permission denied") as connection:
        connection.execute(text(f"UPDATE studio.proposals SET {column} = {column}"))


# Approvals


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"actor": ANN}, "approval-four-eyes"),
        ({"actor": EXECUTOR}, "approval-person"),
        ({"actor": BOT}, "approval-person"),
        ({"approver_id": "ben"}, "approval-person"),
        ({"actor": Actor(ActorKind.HUMAN, "dee", STUDIO)}, "approval-staff"),
        ({"input_hash": OTHER_HASH}, "approval-version"),
        ({"version": 2}, "approval-version"),
        ({"version": 0}, "approval-version"),
        ({"role": "staff"}, "approval-role"),
        ({"role": "owner"}, "approval-role"),
        ({"kind": "rollback"}, "approval-state"),
        ({"kind": "anything"}, "approval-state"),
        ({"reason": ""}, "approvals_reason_check"),
        ({"proposal_id": proposal_id(999)}, "event-of-this-subject"),
        ({"studio_id": "claycorner"}, "one-studio"),
        ({"seq": 1}, "event-of-this-transaction"),
    ],
)
def test_a_forged_approval_is_refused(desk, pending, changes, rule):
    with desk.refused(rule) as connection:
        desk.new_approval(connection, pending, **changes)


def test_an_agents_owner_does_not_approve_what_the_agent_asked_for(desk):
    which = desk.propose(actor=BOT)
    with desk.refused("approval-four-eyes") as connection:
        desk.new_approval(connection, which, actor=BEN)
    desk.approve(which)


@pytest.mark.parametrize(
    ("at", "until", "rule"),
    [
        (timedelta(0), timedelta(hours=24, seconds=1), "approval-expiry"),
        (timedelta(0), timedelta(0), "approvals_expire_later"),
        (timedelta(days=-3), timedelta(days=-2), "event-of-this-instant"),
    ],
)
def test_an_approval_lives_no_longer_than_the_registry_lets_it(desk, pending, at, until, rule):
    with desk.refused(rule) as connection:
        seq = desk.of_proposal(connection, pending, "approval_given", "pending_approval", CLEO)
        desk.new_approval(connection, pending, seq=seq, at=desk.now + at, expires_at=desk.now + until)


def test_an_expired_proposal_is_not_approved(desk, pending):
    desk.now += timedelta(days=8)
    with desk.refused("approval-too-late") as connection:
        desk.new_approval(connection, pending)


@pytest.mark.parametrize("state", [state for state in STATES if state != "pending_approval"])
def test_only_what_waits_is_approved(desk, standing, state):
    with desk.refused("approval-state") as connection:
        desk.new_approval(connection, standing[state])


def test_one_person_is_no_quorum_of_two(desk):
    which = desk.propose(capability=CLOSE)
    with desk.refused("approval-once") as connection:
        for _ in range(2):
            desk.new_approval(connection, which, capability=CLOSE)
    with desk.refused("proposal-quorum") as connection:
        desk.new_approval(connection, which, capability=CLOSE)
        desk.step(connection, which, "approved", actor=CLEO, capability=CLOSE)
    desk.approve(which, (BEN, CLEO), CLOSE)


def test_what_is_not_there_is_not_approved(desk):
    with desk.refused("proposal-known") as connection:
        desk.new_approval(connection, proposal_id(999))


def test_a_lapsed_yes_may_be_given_again(desk):
    """While it counts it counts once; afterwards the same person may say yes anew."""
    which = desk.propose(capability=CLOSE)
    with desk.engine.begin() as connection:
        desk.new_approval(connection, which, actor=BEN, capability=CLOSE)
    desk.now += timedelta(hours=2)
    with desk.refused("proposal-quorum") as connection:
        desk.new_approval(connection, which, capability=CLOSE)
        desk.step(connection, which, "approved", capability=CLOSE)
    desk.approve(which, (BEN, CLEO), CLOSE)


def test_nothing_is_approved_without_approval(desk, pending):
    with desk.refused("proposal-quorum") as connection:
        desk.step(connection, pending, "approved", actor=CLEO)
