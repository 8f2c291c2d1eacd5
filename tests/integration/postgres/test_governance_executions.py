"""Attempts, kill switch, checks, screening, exemptions, quotas: what a bad client cannot make of them."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.integration.postgres.governance_desk import (
    ANN,
    CLEO,
    CLOSE,
    EXECUTOR,
    NOTE,
    OTHER_HASH,
    STATES,
    Desk,
)

pytestmark = pytest.mark.integration


# Executions


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"version": 2}, "execution-version"),
        ({"input_hash": OTHER_HASH}, "execution-version"),
        ({"state": "succeeded"}, "execution-begins"),
        ({"fence": 2}, "execution-begins"),
        ({"idempotency_key": "another-key"}, "executions_check"),
        ({"kind": "rollback"}, "execution-state"),
        ({"actor": CLEO}, "execution-executor"),
        ({"seq": 1}, "event-of-this-transaction"),
        ({"studio_id": "claycorner"}, "one-studio"),
    ],
)
def test_a_forged_intent_is_refused(desk, approved, changes, rule):
    with desk.refused(rule) as connection:
        desk.new_execution(connection, approved, **changes)


def test_an_intent_goes_with_its_proposals_step(desk, approved):
    """Each alone is refused when it commits."""
    with desk.refused("proposal-and-attempts") as connection:
        desk.new_execution(connection, approved)


@pytest.mark.parametrize("state", [state for state in STATES if state not in {"approved", "executing"}])
def test_nothing_unapproved_is_executed(desk, standing, state):
    with desk.refused("execution-state") as connection:
        desk.new_execution(connection, standing[state])


def test_approvals_that_have_run_out_execute_nothing(desk, approved):
    desk.now += timedelta(hours=2)
    with desk.refused("execution-quorum") as connection:
        desk.start(approved, connection)


@pytest.mark.parametrize("state", ["executing", "executed"])
def test_a_second_live_attempt_is_refused(desk, state):
    which = desk.in_state(state)
    rule = {"executing": "executions_one_live", "executed": "execution-state"}[state]
    with desk.refused(rule) as connection:
        desk.new_execution(connection, which, execution_id="exe_second")


def test_two_executors_at_once_make_one_attempt(desk, approved):
    """Both pass every check before the other commits; the index lets one of them through."""
    results = []
    gate = threading.Barrier(4)

    def run(number):
        gate.wait()
        try:
            desk.start(approved, execution_id=f"exe_racer_{number}")
        except DBAPIError as error:
            results.append(error.orig.diag.constraint_name or error.orig.pgcode)
        else:
            results.append("begun")

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count("begun") == 1, results


def test_an_attempt_that_has_a_result_keeps_it(desk, approved):
    execution = desk.start(approved)
    desk.finish(approved, execution)
    for state in ("intent", "failed", "released"):
        with desk.refused("execution-finished") as connection:
            seq = desk.of_proposal(connection, approved, "result", "executed", EXECUTOR)
            desk.update(connection, "executions", execution, state=state, audit_seq=seq)


def test_a_proposal_keeps_one_key_for_ever(desk, approved):
    """A second attempt under another key could have a second effect."""
    desk.finish(approved, desk.start(approved), "released", "approved")
    with desk.refused("execution-key") as connection:
        desk.start(approved, connection, idempotency_key=f"{approved}_again")
    desk.start(approved)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"executor_id": "thief"}, "execution-lease"),
        ({"lease_until": "2099-01-01T00:00:00Z"}, "execution-lease"),
        ({"fence": 0}, "execution-fence"),
        ({"fence": 3, "executor_id": "thief"}, "execution-fence"),
        (
            {"fence": 2, "executor_id": "thief", "lease_until": "2099-01-01T00:00:00Z"},
            "execution-lease-ended",
        ),
    ],
)
def test_a_lease_is_not_stolen(desk, approved, changes, rule):
    """Before it has ended nobody takes it, whatever fence they write; nothing changes without an event."""
    execution = desk.start(approved)
    with desk.refused("event-of-this-transaction") as connection:
        desk.update(connection, "executions", execution, **changes)
    with desk.refused(rule) as connection:
        seq = desk.of_proposal(connection, approved, "taken_over", "executing", EXECUTOR)
        desk.update(connection, "executions", execution, **changes, audit_seq=seq)
    with desk.refused("execution-executor") as connection:
        seq = desk.of_proposal(connection, approved, "result", "executed", ANN)
        desk.update(
            connection, "executions", execution, state="succeeded", finished_at=desk.now, audit_seq=seq
        )


def test_proposal_only_capabilities_are_never_executed(desk):
    with desk.engine.connect() as connection:
        query = text("SELECT capability_id, approver_roles[1] AS role, approvals_required FROM "
                     "studio.capabilities WHERE adapter IS NULL AND approvals_required = 1 "
                     "AND 'staff' = ANY (requester_kinds) LIMIT 1")  # fmt: skip
        row = connection.execute(query).one_or_none()
    if row is None:
        pytest.skip("the registry has no such capability")
    which = desk.propose(capability=row.capability_id)
    with desk.engine.begin() as connection:
        desk.new_approval(connection, which, role=row.role, capability=row.capability_id)
        desk.step(connection, which, "approved", capability=row.capability_id)
    with desk.refused("execution-proposal-only") as connection:
        desk.new_execution(connection, which)


# Kill switch, checks, screening


def test_the_switch_stops_attempts_until_two_people_resume(desk, approved):
    with desk.engine.begin() as connection:
        desk.switch(connection, "halted")
    with desk.refused("execution-kill-switch") as connection:
        desk.start(approved, connection)
    with desk.refused("switch-step") as connection:
        desk.switch(connection, "resumed", CLEO)
    with desk.refused("switch-people") as connection:
        desk.switch(connection, "resume_requested", EXECUTOR)
    with desk.engine.begin() as connection:
        desk.switch(connection, "resume_requested")
    with desk.refused("execution-kill-switch") as connection:
        desk.start(approved, connection)
    with desk.refused("switch-second-person") as connection:
        desk.switch(connection, "resumed")
    with desk.refused("switch-person") as connection:
        desk.switch(connection, "resumed", ANN, actor_id="cleo")
    with desk.engine.begin() as connection:
        desk.switch(connection, "resumed", CLEO)
    desk.start(approved)


def test_the_switch_is_opened_once(desk):
    with desk.refused("switch-step") as connection:
        desk.switch(connection, "opened")


def test_a_switch_that_was_never_set_is_on(neighbour, desk):
    """Without any row nobody knows: nothing is executed, though everything else is in order."""
    with neighbour.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM studio.kill_switch_current")) == 0
    closed = Desk(neighbour, desk.superuser, "claycorner")
    which = closed.in_state("approved")
    with closed.refused("execution-kill-switch") as connection:
        closed.start(which, connection)


def test_a_red_check_stops_attempts(desk, approved):
    def turn(connection, word):
        seq = desk.event(connection, f"check:no_orphan:{word}", "check/no_orphan", None, EXECUTOR)
        desk.insert(
            connection,
            "governance_checks",
            name="no_orphan",
            holds=word == "green",
            at=desk.now,
            audit_seq=seq,
        )

    with desk.engine.begin() as connection:
        turn(connection, "red")
    with desk.refused("execution-red-check") as connection:
        desk.start(approved, connection)
    with desk.refused("check-event") as connection:  # the log would say red, the row green
        seq = desk.event(connection, "check:no_orphan:red", "check/no_orphan", None, EXECUTOR)
        desk.insert(connection, "governance_checks", name="no_orphan", holds=True, at=desk.now, audit_seq=seq)
    with desk.engine.begin() as connection:
        turn(connection, "green")
    desk.start(approved)


def test_what_screening_holds_back_waits_for_a_person(desk):
    which = desk.propose(is_intake_blocked=True, intake="weaponisation")
    with desk.refused("proposal-intake-blocked") as connection:
        desk.new_approval(connection, which)
        desk.step(connection, which, "approved")
    with desk.refused("proposal-intake") as connection:
        desk.step(connection, which, "pending_approval", is_intake_blocked=False)
    with desk.refused("override-version") as connection:  # that version is not there yet
        seq = desk.of_proposal(connection, which, "intake_overridden", "pending_approval", CLEO)
        row = {"proposal_id": which, "version": 2, "reason_code": "seen", "reason": "it is a teapot"}
        desk.insert(connection, "intake_overrides", **row, by="cleo", at=desk.now, audit_seq=seq)
    override = {"proposal_id": which, "version": 1, "reason_code": "seen", "reason": "it is a teapot"}
    with desk.refused("override-person") as connection:
        seq = desk.of_proposal(connection, which, "intake_overridden", "pending_approval", EXECUTOR)
        desk.insert(
            connection, "intake_overrides", **override, by="system:executor", at=desk.now, audit_seq=seq
        )
    with desk.engine.begin() as connection:
        seq = desk.of_proposal(connection, which, "intake_overridden", "pending_approval", CLEO)
        desk.insert(connection, "intake_overrides", **override, by="cleo", at=desk.now, audit_seq=seq)
        desk.update(
            connection, "proposals", which, is_intake_blocked=False, audit_seq=seq, updated_at=desk.now
        )
    desk.approve(which)


# Exemptions and quotas


def _exemption(desk, connection, number, actor=CLEO, capability=NOTE, **changes):
    which = f"exm_{number}"
    seq = desk.event(connection, f"exemption:{capability}:granted", f"exemption/{which}", "live", actor)
    row = {"exemption_id": which, "capability_id": capability, "justification": "fair week", "audit_seq": seq}
    row |= {"granted_by": actor.actor_id, "granted_at": desk.now, "expires_at": desk.now + timedelta(days=1)}
    desk.insert(connection, "exemptions", **row | changes)
    return which


def test_an_exemption_stands_in_while_it_lives(desk):
    which = desk.propose(owner_id="uid-1")
    with desk.engine.begin() as connection:
        other = _exemption(desk, connection, "other", owner_id="uid-2")
    with desk.refused("proposal-quorum") as connection:
        desk.step(connection, which, "approved")
    with desk.engine.begin() as connection:
        mine = _exemption(desk, connection, "mine", owner_id="uid-1")
        desk.step(connection, which, "approved")
    for name in (None, other, "exm_nowhere"):
        with desk.refused("execution-quorum") as connection:
            desk.start(which, connection, exemption_id=name)
    with desk.refused("exemption-expired") as connection:
        _end(desk, connection, mine, "expired")
    with desk.engine.begin() as connection:
        _end(desk, connection, mine, "revoked")
    with desk.refused("execution-quorum") as connection:
        desk.start(which, connection, exemption_id=mine)
    with desk.refused("exemption_ends_pkey") as connection:
        _end(desk, connection, mine, "revoked")


def _end(desk, connection, which, kind):
    seq = desk.event(connection, f"exemption:{NOTE}:{kind}", f"exemption/{which}", kind, CLEO)
    desk.insert(
        connection, "exemption_ends", exemption_id=which, kind=kind, by="cleo", reason="over", at=desk.now,
        audit_seq=seq,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"capability": CLOSE}, "exemption-allowed"),
        ({"capability": "nothing.known"}, "exemption-allowed"),
        ({"actor": EXECUTOR}, "exemption-person"),
        ({"granted_by": "ben"}, "exemption-person"),
        ({"justification": ""}, "exemptions_justification_check"),
    ],
)
def test_a_forged_exemption_is_refused(desk, changes, rule):
    with desk.refused(rule) as connection:
        _exemption(desk, connection, "forged", **changes)
    with desk.refused("exemption-expiry") as connection:
        _exemption(desk, connection, "long", expires_at=desk.now + timedelta(days=8))


def _use(desk, connection, used, **changes):
    row = {"capability_id": NOTE, "scope": "capability", "subject_id": NOTE, "limit_count": 8}
    row |= {"window_seconds": 3600, "used": used, "window_started_at": desk.now, "last_used_at": desk.now}
    desk.insert(connection, "quota_buckets", **row | changes)


@pytest.mark.parametrize(
    ("used", "changes", "rule"),
    [
        (0, {}, "quota-window"),
        (2, {}, "quota-window"),
        (-5, {}, "quota-window"),
        (1, {"limit_count": 9}, "quota-registry"),
        (1, {"window_seconds": 1}, "quota-registry"),
        (1, {"scope": "owner"}, "quota-registry"),
        (1, {"capability_id": "nothing.known"}, "quota-registry"),
        (1, {"studio_id": "claycorner"}, "one-studio"),
        (1, {"audit_seq": 1}, "event-of-this-transaction"),
    ],
)
def test_a_forged_quota_is_refused(desk, used, changes, rule):
    with desk.refused(rule) as connection:
        _use(desk, connection, used, **changes)


def test_a_quota_counts_up_to_its_limit_and_falls_only_by_a_reset(desk):
    subject = {"scope": "capability", "subject_id": "counted"}
    with desk.engine.begin() as connection:
        _use(desk, connection, 1, **subject)
    count = text("UPDATE studio.quota_buckets SET used = used + :n WHERE subject_id = 'counted'")
    for _ in range(7):
        with desk.engine.begin() as connection:
            connection.execute(count, {"n": 1})
    with desk.refused("quota_buckets_within_limit") as connection:
        connection.execute(count, {"n": 1})
    for number in (-1, 0, -8):
        with desk.refused("quota-counts-up") as connection:
            connection.execute(count, {"n": number})
    start_again = "UPDATE studio.quota_buckets SET used = {}, window_started_at = window_started_at + {}, "
    start_again += "last_used_at = window_started_at + {} WHERE subject_id = 'counted'"
    early, late = "interval '59 minutes'", "interval '1 hour'"
    with desk.refused("quota-counts-up") as connection:
        connection.execute(text(start_again.format(1, early, early)))
    with desk.refused("quota-window") as connection:
        connection.execute(text(start_again.format(0, late, late)))
    reset = text("UPDATE studio.quota_buckets SET used = :n, audit_seq = :seq WHERE subject_id = 'counted'")
    for number, about, rule in ((0, "someone", "event-of-this-subject"), (3, "counted", "quota-reset")):
        with desk.refused(rule) as connection:
            seq = desk.event(connection, f"quota:{NOTE}:reset", f"quota/{NOTE}|capability|{about}", None)
            connection.execute(reset, {"n": number, "seq": seq})
    with desk.engine.begin() as connection:
        connection.execute(text(start_again.format(1, late, late)))
    with desk.engine.begin() as connection:
        seq = desk.event(connection, f"quota:{NOTE}:reset", f"quota/{NOTE}|capability|counted", None)
        connection.execute(reset, {"n": 0, "seq": seq})


def test_a_cooldown_is_waited_for(desk):
    """Two uses of a quota with a cooldown are never closer than it."""
    with desk.superuser.begin() as connection:
        query = (
            "SELECT * FROM studio.capability_quotas WHERE cooldown_seconds > 1 AND limit_count > 1 LIMIT 1"
        )
        quota = connection.execute(text(query)).first()
    row = {"capability_id": quota.capability_id, "scope": quota.scope, "subject_id": "hasty"}
    row |= {"limit_count": quota.limit_count, "window_seconds": quota.window_seconds}
    with desk.engine.begin() as connection:
        _use(desk, connection, 1, **row)
    again = "UPDATE studio.quota_buckets SET used = 2, last_used_at = last_used_at + interval '{} seconds' "
    again += "WHERE subject_id = 'hasty'"
    with desk.refused("quota-cooldown") as connection:
        connection.execute(text(again.format(quota.cooldown_seconds - 1)))
    with desk.engine.begin() as connection:
        connection.execute(text(again.format(quota.cooldown_seconds)))


def test_a_checkpoint_is_of_entries_there_are(desk):
    row = {"root_hash": b"\0" * 32, "note": "x", "signed_at": desk.now}
    with desk.refused("checkpoint-size") as connection:
        desk.insert(connection, "audit_checkpoints", tree_size=10**9, **row)
    with desk.refused("event-of-this-transaction") as connection:
        desk.insert(connection, "audit_checkpoints", tree_size=1, audit_seq=1, **row)
