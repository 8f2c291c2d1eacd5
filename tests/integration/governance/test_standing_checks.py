"""What reaches past the rules turns its own check red, and nothing is executed until it is right again.

Everything is planted with the owner's rights and triggers switched off: no client of ours could write it.
"""

import pytest

from policies.actors import system_actor
from policies.errors import DeniedError
from policies.proposals import ProposalState
from policies.standing_checks import StandingCheck
from tests.integration.governance.governed import ANA, BEN, NOTES, OPS_NOTE

pytestmark = pytest.mark.integration
Check = StandingCheck

PLANTS = {
    Check.EXECUTIONS_ARE_APPROVED: (
        "approvals",
        "UPDATE studio.approvals SET expires_at = at + interval '1 microsecond' WHERE proposal_id = %(id)s",
        "UPDATE studio.approvals SET expires_at = at + interval '1 day' WHERE proposal_id = %(id)s",
    ),
    Check.NOBODY_APPROVES_THEIR_OWN: (
        "approvals",
        "UPDATE studio.approvals SET approver_id = 'ana' WHERE proposal_id = %(id)s",
        "UPDATE studio.approvals SET approver_id = 'ben' WHERE proposal_id = %(id)s",
    ),
    Check.ROWS_AND_EVENTS_AGREE: (
        "proposals",
        "UPDATE studio.proposals SET state = 'failed' WHERE proposal_id = %(id)s",
        "UPDATE studio.proposals SET state = 'executed' WHERE proposal_id = %(id)s",
    ),
    Check.AUDIT_CHAIN_IS_INTACT: (
        "audit_events",
        (
            "UPDATE studio.audit_events SET payload = replace(payload, '\"fence\":1', '\"fence\":2')"
            " WHERE subject_id = %(id)s AND name LIKE '%%:executing'"
        ),
        (
            "UPDATE studio.audit_events SET payload = replace(payload, '\"fence\":2', '\"fence\":1')"
            " WHERE subject_id = %(id)s AND name LIKE '%%:executing'"
        ),
    ),
    Check.NOTHING_IS_OVERDUE: (
        "proposals",
        (
            "UPDATE studio.proposals SET created_at = created_at - interval '9 days',"
            " expires_at = expires_at - interval '9 days' WHERE proposal_id = %(pending)s"
        ),
        (
            "UPDATE studio.proposals SET expires_at = expires_at + interval '9 days',"
            " created_at = created_at + interval '9 days' WHERE proposal_id = %(pending)s"
        ),
    ),
}


@pytest.fixture
def busy(governed):
    """Return the studio with one executed proposal, one pending, one approved, and all checks green."""
    governed.done = governed.approved("The first note.").proposal_id
    assert all(run.success for run in governed.execute_all())
    governed.pending = governed.propose("The second note.").proposal_id
    governed.waiting = governed.approved("The third note.").proposal_id
    assert governed.observe() == set()
    return governed


def assert_blocked(studio, check):
    """No run is started, one by hand is denied, and nothing was written."""
    assert "red" in studio.tick() or "CHECK" in studio.tick()
    with pytest.raises(DeniedError) as denied:
        studio.gateway.execute(system_actor("executor", "monsoonfire"), studio.waiting, executor_id="r")
    assert denied.value.decision.details["check"] == check.value
    assert len(studio.documents(NOTES)) == 1


ALSO = {Check.NOBODY_APPROVES_THEIR_OWN: {Check.ROWS_AND_EVENTS_AGREE.value}}
"""An approver that was put into the row is not the one of the event, either."""

FORGERIES = {
    "approver": ("approvals", "approver_id = 'cat'", "approver_id = 'ben'"),
    "reason": ("approvals", "reason = reason || '!'", "reason = left(reason, -1)"),
    "hash of an approval": (
        "approvals", "input_hash = reverse(input_hash)", "input_hash = reverse(input_hash)",
    ),
    "hash of a proposal": (
        "proposals", "input_hash = reverse(input_hash)", "input_hash = reverse(input_hash)",
    ),
    "requester": ("proposals", "requester_id = requester_id || '!'", "requester_id = left(requester_id, -1)"),
    "owner": ("proposals", "owner_id = owner_id || '!'", "owner_id = left(owner_id, -1)"),
}  # fmt: skip


@pytest.mark.parametrize("what", FORGERIES)
def test_a_row_that_says_something_else_than_its_event_is_seen(busy, what):
    """Who asked, for whom, who approved, why and what: the owner can change rows, but not what events say."""
    table, *changes = FORGERIES[what]
    forge, repair = (
        f"UPDATE studio.{table} SET {change} WHERE proposal_id = %(id)s"  # noqa: S608 - our own words
        for change in changes
    )
    busy.plant(table, forge, id=busy.waiting)
    assert Check.ROWS_AND_EVENTS_AGREE.value in busy.observe(is_full=True)
    with pytest.raises(DeniedError):
        busy.gateway.execute(system_actor("executor", "monsoonfire"), busy.waiting, executor_id="r")
    busy.plant(table, repair, id=busy.waiting)
    assert busy.observe() == set()


@pytest.mark.parametrize("check", list(PLANTS))
def test_a_planted_violation_turns_its_check_red_and_blocks_until_it_is_repaired(busy, check):
    """Exactly that check, recorded once with an event; repaired, it is green and the proposal is executed."""
    table, plant, repair = PLANTS[check]
    ids = {"id": busy.done, "pending": busy.pending}
    busy.plant(table, plant, **ids)
    for _ in range(2):
        assert busy.observe(is_full=True) == {check.value} | ALSO.get(check, set())
    assert_blocked(busy, check)
    reds = [name for name, *_ in busy.events("check:%")]
    assert sorted(reds) == sorted(f"check:{each}:red" for each in {check.value} | ALSO.get(check, set()))
    busy.plant(table, repair, **ids)
    assert busy.observe() == set()
    assert f"check:{check.value}:green" in [name for name, *_ in busy.events("check:%")][len(reds) :]
    (run,) = busy.execute_all()
    assert run.success
    assert busy.proposal(busy.waiting).state is ProposalState.EXECUTED
    assert len(busy.documents(NOTES)) == 2


def append(studio, name, subject_id, state):
    """Append a forged event by the log's own function, with the owner's rights."""
    import json
    from datetime import UTC, datetime

    import psycopg2

    payload = {
        "actor": {"id": "mallory", "kind": "staff", "owner": None},
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "details": {"input_hash": studio.proposal(subject_id).input_hash},
        "name": name,
        "state": state,
        "studio": "monsoonfire",
        "subject": {"id": subject_id, "kind": "proposal"},
        "v": 1,
    }
    with psycopg2.connect(studio.url.replace("postgresql+psycopg2", "postgresql")) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT set_config('studio.studio_id', 'monsoonfire', false)")
        cursor.execute(
            "SELECT studio.append_audit_v1(%s)", (json.dumps(payload, sort_keys=True, separators=(",", ":")),)
        )
        (seq,) = cursor.fetchone()
    connection.close()
    return seq


def test_a_step_that_the_table_does_not_have_is_seen_in_the_events_alone(busy):
    """Executed, then rejected, then executed: the rows are right again, the history is not."""
    for action, state in (("rejected", "rejected"), ("executed", "executed")):
        append(busy, f"proposal:{OPS_NOTE}:{action}", busy.done, state)
    assert busy.observe(is_full=True) == {Check.TRANSITIONS_ARE_LEGAL.value}
    assert_blocked(busy, Check.TRANSITIONS_ARE_LEGAL)


def test_an_execution_that_began_while_the_switch_was_on_is_seen(busy):
    """A rogue executor with the owner's rights writes perfect rows and events; the switch was on."""
    busy.gateway.halt(ANA, "Something looks wrong here.")
    append(busy, f"proposal:{OPS_NOTE}:executing", busy.waiting, "executing")
    seq = append(busy, f"proposal:{OPS_NOTE}:executed", busy.waiting, "executed")
    busy.plant(
        "executions",
        "INSERT INTO studio.executions SELECT studio_id, 'exe_' || repeat('z', 26), %(waiting)s, version,"
        " kind, state, (SELECT input_hash FROM studio.proposals WHERE proposal_id = %(waiting)s),"
        " %(waiting)s,"
        " executor_id, fence, now() + interval '1 minute', now(), now(), pointer, NULL, NULL, NULL,"
        " %(seq)s, now() FROM studio.executions WHERE proposal_id = %(id)s",
        waiting=busy.waiting, id=busy.done, seq=seq,
    )  # fmt: skip
    busy.plant(
        "proposals",
        "UPDATE studio.proposals SET state = 'executed', audit_seq = %(seq)s WHERE proposal_id = %(id)s",
        seq=seq,
        id=busy.waiting,
    )
    assert busy.observe(is_full=True) == {Check.NOTHING_EXECUTES_WHILE_HALTED.value}


def test_a_log_cut_off_at_its_end_is_seen_although_what_is_left_is_intact(busy):
    """What was verified before is remembered."""
    busy.plant(
        "audit_events",
        "DELETE FROM studio.audit_events WHERE seq > (SELECT max(seq) - 1 FROM studio.audit_events)",
    )
    assert Check.AUDIT_CHAIN_IS_INTACT.value in busy.observe()
    assert busy.reads.verify_chain().broken == []


def test_a_healthy_studio_is_green_through_everything_people_do(busy):
    """Edits, rejections, halts, denials and rollbacks are no violations: no false alarm."""
    proposal = busy.propose("A note to be edited.")
    busy.gateway.edit(ANA, proposal.proposal_id, version=1, rationale="Another reason that is long enough.")
    busy.gateway.reject(BEN, proposal.proposal_id, "Not needed after all.")
    with pytest.raises(DeniedError):
        busy.gateway.approve(ANA, busy.pending, "I would like that.", input_hash="0" * 64)
    busy.gateway.request_rollback(BEN, busy.done, "It was about another batch.")
    busy.execute_all()
    busy.gateway.halt(ANA, "Something looks wrong here.")
    busy.gateway.request_resume(ANA, "It was a false alarm.")
    busy.gateway.resume(BEN, "Agreed, nothing is wrong.")
    assert busy.observe(is_full=True) == set()
    assert busy.events("check:%") == []


def test_observations_tell_version_and_size(busy):
    """The same ledger has the same version; a change of it another one."""
    import dagster as dg

    def observed(thing):
        key = dg.AssetKey(["monsoonfire", "governance", thing])
        record = busy.instance.fetch_observations(key, limit=1).records[0]
        return record.asset_observation

    before = observed("proposals")
    assert before.metadata["executed"].value == 1
    assert before.metadata["waiting_for_execution"].value == 1
    assert before.metadata["kill_switch"].value == "off"
    assert observed("audit_log").metadata["verified_seq"].value == busy.reads.audit_head().seq
    busy.observe()
    assert observed("proposals").tags == before.tags
    busy.propose("One more note.")
    busy.observe()
    assert observed("proposals").tags != before.tags


def test_a_quorum_that_is_raised_later_makes_nothing_wrong_that_was_right(governed):
    """The announcement of an execution says how many approvals were needed then."""
    governed.approved("The first note.")
    assert all(run.success for run in governed.execute_all())
    governed.plant(
        "capabilities",
        "UPDATE studio.capabilities SET approvals_required = 2 WHERE capability_id = %(id)s",
        id=OPS_NOTE,
    )
    assert governed.observe(is_full=True) == set()
