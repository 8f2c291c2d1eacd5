"""Findings become draft proposals, each once, and only while nothing holds the swarm.

Over 400 lines because every hold and every interruption is tried on the same small studio.
"""

import json
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import dagster as dg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from policies.errors import DeniedError
from policies.marks import Verdict
from policies.proposals import ProposalState
from resources.clock import FixedClock, SystemClock
from resources.findings import Finding, FindingEvidence, Severity
from resources.postgres.engine import app_engine
from resources.postgres.findings import Findings
from resources.postgres.swarms import Swarms
from resources.raw_store import RawStore
from resources.rows import Completeness
from sensors.swarms import emit
from sensors.swarms.emit import Doors, tick
from sensors.swarms.sensors import build_swarm_sensor
from sensors.swarms.spec import SWARMS, QuietHours, Throttle
from tests.integration.governance.governed import ANA, BEN, OPS_NOTE, STUDIO, WHY
from tests.integration.postgres.samples import make_read

pytestmark = pytest.mark.integration

ALWAYS = QuietHours(time(0), time(0))
OPERATIONS = replace(SWARMS[0], quiet_hours=ALWAYS)
FINANCE = replace(SWARMS[1], quiet_hours=ALWAYS)
_TOLD = {"run_id": "run-1", "code_version": "1"}


def stalled(number=1, **changes):
    """Return the finding of a batch that has not moved."""
    values = {
        "department": "operations",
        "detector": "stalled_batches",
        "kind": "stalled_batch",
        "subject_kind": "batch",
        "subject_id": f"batch-{number}",
        "severity": Severity.MEDIUM,
        "confidence": 0.95,
        "expected": "loaded within 14 open days",
        "observed": "shelved since 2026-10-01",
        "likely_cause": "It was overlooked on the shelf.",
        "next_step": "Look at the shelf, and load it with the next firing.",
        "capability_id": OPS_NOTE,
        "evidence": (FindingEvidence("cloud_truth/batches", "2026-11-21:1", f"batch-{number}"),),
    }
    return Finding(**(values | changes))


def missing(**changes):
    """Return the finding of an order whose payment is short."""
    values = {
        "department": "finance",
        "detector": "reconciliation",
        "kind": "amount_differs",
        "subject_kind": "order",
        "subject_id": "order-1",
        "severity": Severity.HIGH,
        "confidence": 0.99,
        "expected_cents": 12_50,
        "observed_cents": 10_00,
        "currency": "usd",
        "likely_cause": "The price was changed after checkout.",
        "next_step": "Compare the order with the payment.",
        "capability_id": "finance.reconciliation.adjust",
    }
    return Finding(**(values | changes))


class Everybody:
    """Owns every batch but the ninth."""

    def of(self, document_ids):
        return {it: f"uid-of-{it}" for it in document_ids if it != "batch-9"}


class Swarm:
    """A swarm over a governed studio, and its cursor."""

    def __init__(self, governed):
        self.governed = governed
        self._engine = app_engine(governed.url, STUDIO)
        self.findings, self.swarms = Findings(self._engine, STUDIO), Swarms(self._engine, STUDIO)
        self.spec, self.cursor, self.clock = OPERATIONS, 0, SystemClock()
        self._at = datetime.now(UTC) - timedelta(hours=9)

    def close(self):
        self._engine.dispose()

    def find(self, *present, detector="stalled_batches", department="operations"):
        """Let the detector find these, and nothing else, a minute later."""
        self._at += timedelta(minutes=1)
        self.findings.apply(department, detector, present, at=self._at, **_TOLD)

    @property
    def doors(self):
        made = (self.findings, self.swarms, self.governed.gateway, self.governed.ledger)
        return Doors(*made, Everybody(), self.clock)

    def tick(self, doors=None):
        """Tick once; the cursor moves only when the tick ends."""
        done = tick(self.spec, doors or self.doors, after=self.cursor, timezone="America/Phoenix")
        self.cursor = done.number
        return done

    def scores(self):
        """Return the scorecard as analysts see it."""
        with self._engine.connect() as connection:
            rows = connection.execute(text("SELECT * FROM analytics.swarm_scorecard"))
            return [dict(row) for row in rows.mappings()]

    def proposals(self):
        return [it for it in self.governed.ledger.proposals() if it.requester_kind == "system"]


@pytest.fixture
def swarm(governed):
    made = Swarm(governed)
    yield made
    made.close()


def test_a_finding_becomes_exactly_one_draft_whose_evidence_resolves(swarm):
    """The proposal names the finding's revision, which says what was expected; and the rows it rests on."""
    swarm.find(stalled())
    first = swarm.tick()
    assert (len(first.emitted), first.suppressed) == (1, {})
    (proposal,) = swarm.proposals()
    assert proposal.state is ProposalState.DRAFT
    assert (proposal.requester_id, proposal.owner_id) == ("system:swarm_operations", "uid-of-batch-1")
    assert proposal.input["resourceId"] == "batch-1"
    assert "shelved since 2026-10-01" in proposal.input["note"]
    itself, row = proposal.evidence
    stored = next(
        it for it in swarm.findings.revisions(itself.finding_id) if str(it.revision) == itself.revision
    )
    assert (stored.finding.subject_id, stored.finding_id) == ("batch-1", proposal.dedupe_key)
    assert (row.asset, row.revision) == ("cloud_truth/batches", "2026-11-21:1")
    ((name, state, details),) = swarm.governed.events("swarm:%")
    assert (name, state) == ("swarm:operations:emitted", None)
    assert details["proposals"] == [proposal.proposal_id]
    # Nothing repeats: neither the same tick, nor the next, nor when the finding changes.
    swarm.cursor = 0
    assert swarm.tick().suppressed == {"already_proposed": 1}
    swarm.find(stalled(severity=Severity.HIGH))
    assert swarm.tick().suppressed == {"already_proposed": 1}
    assert swarm.tick().seen == 0
    assert len(swarm.proposals()) == 1
    told = [name.rpartition(":")[2] for name, _, _ in swarm.governed.events("swarm:%")]
    assert told == ["emitted", "suppressed", "suppressed"]


def test_what_cannot_be_asked_for_stays_a_finding(swarm):
    swarm.find(
        stalled(1, capability_id=None),
        stalled(2, severity=Severity.LOW),
        stalled(3, confidence=0.5),
        stalled(4, subject_kind="reservation"),
        stalled(5, capability_id="firestore.batch.close"),
        stalled(9),
    )
    done = swarm.tick()
    assert done.emitted == []
    assert done.suppressed == {
        "no_capability": 1,
        "too_mild": 1,
        "too_unsure": 1,
        "does_not_fit": 1,
        "not_of_swarm": 1,
        "owner_unknown": 1,
    }
    assert len(swarm.findings.open()) == 6


def test_money_becomes_a_correction_to_the_cent(swarm):
    swarm.spec = FINANCE
    swarm.find(missing(), detector="reconciliation", department="finance")
    assert len(swarm.tick().emitted) == 1
    (proposal,) = swarm.proposals()
    assert (proposal.input["adjustmentCents"], proposal.input["currency"]) == (-250, "usd")
    assert proposal.input["flagId"] == proposal.dedupe_key


def test_what_was_resolved_before_the_tick_is_not_proposed(swarm):
    """Also when the page that was read still says it is open."""
    swarm.find(stalled())
    swarm.find()
    assert swarm.tick().emitted == []
    swarm.find(stalled())
    emit_page, emit.PAGE = emit.PAGE, 1
    try:
        swarm.cursor = 2
        swarm.find()
        assert swarm.tick().suppressed == {"resolved": 2}
    finally:
        emit.PAGE = emit_page
    assert swarm.proposals() == []


@pytest.mark.parametrize("hold", ["pause", "kill switch", "quiet hours", "throttle"])
def test_what_holds_a_swarm_says_why_and_loses_nothing(swarm, hold):
    gateway = swarm.governed.gateway
    swarm.find(stalled())
    if hold == "pause":
        gateway.pause_swarm(ANA, "operations", "The rules are being mended.")
    elif hold == "kill switch":
        gateway.halt(ANA, "Something smells of smoke.")
    elif hold == "quiet hours":
        swarm.spec = replace(OPERATIONS, quiet_hours=QuietHours(time(22), time(5)))
        swarm.clock = FixedClock(datetime(2026, 11, 21, 5, 0, tzinfo=UTC))  # ten in the evening in Phoenix
    else:
        swarm.spec = replace(OPERATIONS, throttle=Throttle(0, timedelta(days=1)))
    words = {"pause": "Paused", "kill switch": "kill switch is on", "quiet hours": "Quiet hours"}
    for _ in range(2):
        done = swarm.tick()
        assert words.get(hold, "Throttled") in done.held
        assert (done.emitted, done.number) == ([], 0)
    assert swarm.proposals() == []
    if hold == "pause":
        gateway.resume_swarm(BEN, "operations", "They are mended.")
    elif hold == "kill switch":
        gateway.request_resume(ANA, "It was the toaster.")
        gateway.resume(BEN, "It was the toaster.")
    swarm.spec, swarm.clock = OPERATIONS, SystemClock()
    assert len(swarm.tick().emitted) == 1


def test_a_throttle_counts_what_was_really_proposed(swarm):
    swarm.spec = replace(OPERATIONS, throttle=Throttle(2, timedelta(days=1)))
    swarm.find(*[stalled(number) for number in range(1, 5)])
    done = swarm.tick()
    assert (len(done.emitted), done.number) == (2, 2)
    assert "Throttled: 2 proposals" in done.held
    swarm.cursor = 0
    assert swarm.tick().emitted == []
    swarm.clock = FixedClock(datetime.now(UTC) + timedelta(days=2))
    assert len(swarm.tick().emitted) == 2
    assert len(swarm.proposals()) == 4


class CutOffError(Exception):
    """The process died."""


class Dying:
    """A gateway or ledger that dies at its n-th call of something."""

    def __init__(self, inner, name, left, *, is_after):
        self._inner, self._name, self._left, self._is_after = inner, name, left, is_after

    def __getattr__(self, name):
        inner = getattr(self._inner, name)
        if name != self._name:
            return inner

        def dying(*arguments, **more):
            self._left -= 1
            if self._left == 0 and not self._is_after:
                raise CutOffError
            result = inner(*arguments, **more)
            if self._left == 0:
                raise CutOffError
            return result

        return dying


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sets(st.integers(1, 4)),
            st.sampled_from(["whole", "again", "before", "after", "untold"]),
            st.integers(1, 3),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_however_often_and_wherever_ticks_are_cut_off_nothing_is_proposed_twice(swarm, steps):
    """At most one proposal per finding, and after a whole tick every open finding has its one."""
    for present, ending, left in steps:
        swarm.find(*[stalled(number) for number in sorted(present)])
        doors, before = swarm.doors, swarm.cursor
        if ending in {"before", "after"}:
            gateway = Dying(doors.gateway, "propose", left, is_after=ending == "after")
            doors = replace(doors, gateway=gateway)
        elif ending == "untold":
            doors = replace(doors, ledger=Dying(doors.ledger, "transaction", 1, is_after=False))
        with suppress(CutOffError):
            swarm.tick(doors)
        if ending == "again":
            swarm.cursor = before
            assert swarm.tick().emitted == []
    swarm.tick()
    keys = [it.dedupe_key for it in swarm.proposals()]
    assert len(keys) == len(set(keys))
    assert {it.finding_id for it in swarm.findings.open()} <= set(keys)


def test_what_people_declined_comes_back_only_when_it_went_away_between(swarm):
    swarm.find(stalled())
    swarm.tick()
    (proposal,) = swarm.proposals()
    swarm.governed.plant(
        "proposals",
        "UPDATE studio.proposals SET state = 'expired' WHERE proposal_id = %(id)s",
        id=proposal.proposal_id,
    )
    swarm.find(stalled(severity=Severity.HIGH))
    assert swarm.tick().suppressed == {"already_proposed": 1}
    swarm.find()
    swarm._at = datetime.now(UTC)
    swarm.find(stalled())
    assert len(swarm.tick().emitted) == 1


def test_a_swarm_can_propose_and_nothing_else(swarm):
    """Its actor is refused every decision, on its own proposals and on others."""
    swarm.find(stalled())
    swarm.tick()
    (draft,) = swarm.proposals()
    actor, gateway = OPERATIONS.actor(STUDIO), swarm.governed.gateway
    others = swarm.governed.propose()
    done = swarm.governed.approved("Another note.")
    acts = [
        lambda: gateway.approve(actor, others.proposal_id, WHY, input_hash=others.input_hash),
        lambda: gateway.approve(actor, draft.proposal_id, WHY, input_hash=draft.input_hash),
        lambda: gateway.reject(actor, others.proposal_id, WHY),
        lambda: gateway.execute(actor, done.proposal_id, executor_id="run-1"),
        lambda: gateway.request_rollback(actor, done.proposal_id, WHY),
        lambda: gateway.halt(actor, WHY),
        lambda: gateway.grant_exemption(actor, OPS_NOTE, owner_id=None, seconds=60, justification=WHY),
        lambda: gateway.resume_swarm(actor, "operations", WHY),
        lambda: gateway.mark_finding(actor, draft.dedupe_key, 1, Verdict.USEFUL, WHY),
    ]
    for act in acts:
        with pytest.raises(DeniedError):
            act()
    with pytest.raises(ValueError, match="draft-only"):
        replace(OPERATIONS, is_draft_only=False)


def test_marks_become_acceptance_rates(swarm):
    """The newest mark of a finding counts; findings nobody marked do not."""
    swarm.find(*[stalled(number) for number in range(1, 5)])
    gateway = swarm.governed.gateway
    for number, verdict in ((1, Verdict.USEFUL), (2, Verdict.NOISE), (3, Verdict.WRONG), (2, Verdict.USEFUL)):
        gateway.mark_finding(ANA, stalled(number).finding_id, 1, verdict, "It was looked at.")
    (told,) = swarm.swarms.acceptance()
    assert (told.kind, told.useful, told.noise, told.wrong) == ("stalled_batch", 2, 0, 1)
    assert round(told.rate, 2) == 0.67
    assert [it.verdict for it in swarm.swarms.marks(stalled(2).finding_id)] == ["noise", "useful"]


def test_the_sensor_reads_owners_from_the_newest_read_and_keeps_its_cursor(swarm, tmp_path):
    """The whole way, as Dagster evaluates it; the cursor tells what the tick did."""
    raw, read = RawStore(str(tmp_path / "raw")), make_read()
    url = raw.url_for(STUDIO, "firestore", "batches", read.snapshot_date, read.read_at)
    table = pa.table({"document_id": ["batch-1", "batch-2"], "owner_uid": ["member-1", None]})
    with raw.writer(url, table.schema) as writer:
        writer.write(table.to_batches()[0])
    kept = replace(read, raw_url=url, completeness=Completeness.FULL)
    swarm.governed.history.record_read(kept, "run-1", "1")
    swarm.find(stalled(1), stalled(2))
    sensor = build_swarm_sensor(swarm.governed.settings, OPERATIONS)
    doors = {
        "findings": swarm.findings,
        "swarms": swarm.swarms,
        "gateway": swarm.governed.gateway,
        "ledger": swarm.governed.ledger,
        "history": swarm.governed.history,
        "raw": raw,
        "clock": SystemClock(),
    }

    @contextmanager
    def evaluated(cursor):
        with dg.build_sensor_context(
            instance=swarm.governed.instance, resources=doors, cursor=cursor
        ) as context:
            yield sensor(context).skip_message, context.cursor

    with evaluated(None) as (said, cursor):
        assert said == "1 proposed; 1 owner unknown"
        assert json.loads(cursor)["number"] == 2
    with evaluated(cursor) as (said, again):
        assert said == "No new finding."
        assert json.loads(again)["number"] == 2
    (proposal,) = swarm.proposals()
    assert proposal.owner_id == "member-1"


def test_staff_take_a_draft_on_from_there(swarm):
    """Somebody submits it, somebody approves it; the swarm had no part in it. Analysts see how it went."""
    swarm.find(stalled(), stalled(2, capability_id=None))
    swarm.tick()
    (draft,) = swarm.proposals()
    gateway = swarm.governed.gateway
    assert gateway.submit(ANA, draft.proposal_id).state is ProposalState.PENDING_APPROVAL
    approved = gateway.approve(BEN, draft.proposal_id, WHY, input_hash=draft.input_hash)
    assert approved.state is ProposalState.APPROVED
    assert swarm.tick().emitted == []
    (score,) = swarm.scores()
    counts = ("department", "findings", "proposed", "approved", "rejected", "suppressed", "acceptance_rate")
    assert [score[name] for name in counts] == ["operations", 2, 1, 1, 0, {"no_capability": 1}, None]
    assert score["hours_to_proposal"] > 8  # it was found nine hours ago
    assert 0 <= score["hours_to_decision"] < 1


def test_a_word_without_its_event_is_seen_and_a_tick_is_no_word(swarm):
    """What was said by nobody turns the check red; the events of ticks and of words keep it green.

    That of a tick that passed everything over, too: it was once taken for a pause that nobody had written.
    """
    swarm.find(stalled())
    swarm.tick()
    swarm.cursor = 0
    assert swarm.tick().suppressed == {"already_proposed": 1}
    gateway = swarm.governed.gateway
    gateway.mark_finding(ANA, stalled().finding_id, 1, Verdict.USEFUL, "It was looked at.")
    gateway.pause_swarm(ANA, "operations", "The rules are being mended.")
    assert swarm.governed.observe() == set()
    forge = "UPDATE studio.{} SET by = %(by)s"
    for table in ("swarm_controls", "finding_dispositions"):
        swarm.governed.plant(table, forge.format(table), by="somebody")
        assert swarm.governed.observe() == {"rows_and_events_agree"}
        swarm.governed.plant(table, forge.format(table), by="ana")
    assert swarm.governed.observe() == set()
