"""What happens by itself: expiry, and looking again while something is red."""

import dagster as dg
import pytest

from policies.actors import system_actor
from policies.ports import AuditDraft, CheckResult
from policies.proposals import ProposalState
from resources.clock import SystemClock
from sensors.expiry import build_expiry_sensor
from sensors.governance import build_governance_schedules, build_red_checks_sensor
from studio_assets.governance.assets import FULL, SCOPE_TAG
from studio_assets.jobs import OBSERVE_GOVERNANCE_JOB
from tests.integration.governance.governed import QUIET

pytestmark = pytest.mark.integration


def turn(governed, *, holds):
    """Turn a check red or green."""
    now = SystemClock().now()
    event = AuditDraft(
        f"check:nothing_is_overdue:{'green' if holds else 'red'}",
        now,
        system_actor("governance", "monsoonfire"),
        "check",
        "nothing_is_overdue",
        None,
        {},
    )
    with governed.ledger.transaction() as transaction:
        transaction.record(event, CheckResult("nothing_is_overdue", holds, now))


def test_a_new_house_is_looked_at_at_once_and_again_soon_while_a_check_is_red(governed):
    """Nobody waits five minutes to see proposals and audit log in Dagster."""
    sensor = build_red_checks_sensor(governed.settings)

    def tick():
        resources = {"ledger": governed.ledger, "clock": SystemClock()}
        with dg.build_sensor_context(instance=governed.instance, resources=resources) as context:
            return sensor(context)

    first = tick()
    assert first.tags["studio/reason"] == "first"
    job = governed.definitions.resolve_job_def(OBSERVE_GOVERNANCE_JOB)
    assert job.execute_in_process(instance=governed.instance, run_config=QUIET, tags=first.tags).success
    assert isinstance(tick(), dg.SkipReason)
    turn(governed, holds=False)
    assert tick().tags["studio/reason"] == "red"
    turn(governed, holds=True)
    assert isinstance(tick(), dg.SkipReason)


def test_a_red_check_stops_executions_and_not_rollbacks(governed):
    """Undoing must stay possible when something is wrong."""
    from tests.integration.governance.governed import CAT

    done = governed.approved("The first note.").proposal_id
    assert all(run.success for run in governed.execute_all())
    governed.approved("The second note.")
    governed.gateway.request_rollback(CAT, done, "It was about another batch.")
    turn(governed, holds=False)
    (request,) = governed.tick()
    assert request.run_key == f"{done}:rollback:1"


def test_what_is_overdue_expires_by_itself(governed):
    proposal = governed.propose()
    sensor = build_expiry_sensor(governed.settings)

    def tick():
        with dg.build_sensor_context(
            instance=governed.instance, resources={"gateway": governed.gateway}
        ) as context:
            return sensor(context).skip_message

    assert tick() == "Nothing is overdue."
    governed.plant(
        "proposals",
        "UPDATE studio.proposals SET created_at = created_at - interval '9 days',"
        " expires_at = expires_at - interval '9 days' WHERE proposal_id = %(id)s",
        id=proposal.proposal_id,
    )
    assert tick() == "1 expired."
    assert governed.proposal(proposal.proposal_id).state is ProposalState.EXPIRED
    assert tick() == "Nothing is overdue."


def test_once_a_day_everything_is_recomputed(governed):
    often, daily = build_governance_schedules(governed.settings)
    assert SCOPE_TAG not in often.tags
    assert daily.tags[SCOPE_TAG] == FULL
    for schedule in (often, daily):
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
