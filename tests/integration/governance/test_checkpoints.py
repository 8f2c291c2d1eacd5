"""The log is signed when it grew, and what contradicts a signature stays red until it is put right."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from policies.standing_checks import StandingCheck
from sensors.governance import build_checkpoint_schedule
from studio_assets.doors import live_audit_log
from studio_assets.governance.checkpoints import has_grown, problem_with_checkpoints
from tests.integration.governance.governed import QUIET

pytestmark = pytest.mark.integration


@pytest.fixture
def audit(governed):
    with live_audit_log(governed.settings) as log:
        yield log


def sign(governed):
    """Run the job that signs; return its run and what it tells."""
    run = governed.definitions.resolve_job_def("sign_checkpoint_job").execute_in_process(
        instance=governed.instance, run_config=QUIET, raise_on_error=False
    )
    outputs = [e.step_output_data for e in run.all_events if e.event_type_value == "STEP_OUTPUT"]
    return run, {name: value.value for output in outputs for name, value in output.metadata.items()}


def test_a_log_is_signed_once_for_what_is_new(governed, audit):
    """The news of a checkpoint is no reason for the next one; anything else is."""
    assert has_grown(audit)
    run, told = sign(governed)
    assert run.success
    assert told["signed"]
    assert told["not_taken_by"] == "nobody"
    assert governed.events("audit:%:checkpoint_signed")
    assert not has_grown(audit)
    assert sign(governed)[1] == {"signed": False, "reason": "nothing new since the last checkpoint"}
    governed.propose()
    assert has_grown(audit)
    assert sign(governed)[1]["signed"]
    assert problem_with_checkpoints(audit, governed.settings) == ""
    assert governed.observe(is_full=True) == set()


def test_the_schedule_asks_only_when_the_log_grew(governed, audit):
    schedule = build_checkpoint_schedule(governed.settings)

    def evaluate():
        with dg.build_schedule_context(
            scheduled_execution_time=datetime(2026, 11, 21, 12, 2, tzinfo=UTC), resources={"audit": audit}
        ) as context:
            return schedule(context)

    assert evaluate().run_key == "checkpoint/2026-11-21T12:02Z"
    sign(governed)
    assert isinstance(evaluate(), dg.SkipReason)


def test_a_history_that_was_written_anew_contradicts_its_signature(governed, audit):
    """The chain is perfect again; the checkpoint is not. Nothing is signed, and the check is red."""
    import hashlib

    import psycopg2

    governed.propose()
    sign(governed)

    def rewrite(old, new):
        governed.plant(
            "audit_events",
            "UPDATE studio.audit_events SET payload = replace(payload, %(old)s, %(new)s) WHERE seq = 2",
            old=old,
            new=new,
        )
        with psycopg2.connect(governed.url.replace("postgresql+psycopg2", "postgresql")) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT seq, payload FROM studio.audit_events ORDER BY seq")
            rows = cursor.fetchall()
        connection.close()
        last = bytes(32)
        for seq, payload in rows:
            leaf = hashlib.sha256(b"\0" + f"{seq}\n{last.hex()}\n{payload}".encode()).digest()
            governed.plant(
                "audit_events",
                "UPDATE studio.audit_events SET prev_hash = %(prev)s, hash = %(hash)s WHERE seq = %(seq)s",
                prev=last, hash=leaf, seq=seq,
            )  # fmt: skip
            last = leaf

    rewrite('"version":1', '"version":9')
    assert governed.reads.verify_chain().broken == []
    assert governed.observe(is_full=True) == {StandingCheck.AUDIT_CHAIN_IS_INTACT.value}
    assert governed.observe() == {StandingCheck.AUDIT_CHAIN_IS_INTACT.value}, "it stays red until put right"
    governed.propose("Another note.")
    run, _ = sign(governed)
    assert not run.success
