"""One lawful row in each table that swarms and the people who watch them fill; by plain SQL."""

from resources.postgres.engine import app_engine
from resources.postgres.findings import Findings
from tests.integration.postgres.governance_desk import ANN, NOON, Desk
from tests.integration.postgres.samples import make_finding, sha

DRAFT = {
    "draft_id": "drf_1",
    "revision": 1,
    "channel": "instagram",
    "variant": "short",
    "status": "draft",
    "body": "Ten kilns are warm.",
    "facts": [{"path": "counts.kilns", "value": 10}],
    "template": "weekly",
    "template_version": "1",
    "content_hash": sha("words"),
    "snapshot_date": "2026-03-01",
    "snapshot_revision": 1,
    "at": NOON,
    "run_id": "run-1",
    "code_version": "1",
}
SUGGESTION = {
    "report_id": "report-1",
    "revision": 1,
    "category": "safety",
    "severity": "high",
    "reason_code": "names_a_hazard",
    "confidence": 0.9,
    "is_abstained": False,
    "classifier": "triage/1",
    "text_hash": sha("text"),
    "at": NOON,
    "run_id": "run-1",
}


def decide(desk, table, name, subject, state=None, *, actor=ANN, changes=None, **values):
    """Append the event of a person's decision and insert its row, as one transaction."""
    with desk.engine.begin() as connection:
        seq = desk.event(connection, name, subject, state, actor, changes)
        told = {"by": actor.actor_id, "reason": "Because.", "at": desk.now, "audit_seq": seq}
        desk.insert(connection, table, **told | values)


def insert(desk, table, row):
    """Insert one row that needs no event."""
    with desk.engine.begin() as connection:
        desk.insert(connection, table, **row)


def pause(desk, kind="paused", department="operations", **more):
    """Pause a swarm, or let it go on."""
    values = {"department": department, "kind": kind}
    decide(desk, "swarm_controls", f"swarm:{department}:{kind}", f"swarm/{department}", kind, **values | more)


def dispose(desk, finding_id, verdict="useful", **more):
    """Mark a finding."""
    values = {"finding_id": finding_id, "revision": 1, "verdict": verdict}
    name = f"finding:{verdict}:marked"
    decide(desk, "finding_dispositions", name, f"finding/{finding_id}", **values | more)


def review(desk, to_status="needs_review", **more):
    """Review the draft."""
    values = {
        "draft_id": "drf_1",
        "revision": 1,
        "from_status": "draft",
        "to_status": to_status,
        "before_hash": sha("words"),
        "after_hash": sha("words"),
    }
    decide(desk, "draft_reviews", f"draft:{to_status}:reviewed", "draft/drf_1", to_status, **values | more)


def triage(desk, verdict="confirmed", **more):
    """Decide on the report."""
    values = {
        "report_id": "report-1",
        "revision": 1,
        "category": "safety",
        "severity": "high",
        "verdict": verdict,
    }
    decide(desk, "triage_decisions", f"triage:{verdict}:decided", "triage/report-1", **values | more)


def add_finding(url, studio):
    """Keep the finding of a low battery; return its id."""
    engine = app_engine(url, studio)
    finding_id = _found(engine, studio)
    engine.dispose()
    return finding_id


def add_draft(url, studio):
    """Keep the draft."""
    _add(url, studio, "marketing_drafts", DRAFT)


def add_suggestion(url, studio):
    """Keep the suggestion for the report."""
    _add(url, studio, "triage_suggestions", SUGGESTION)


def _add(url, studio, table, row):
    engine = app_engine(url, studio)
    insert(Desk(engine, None, studio), table, row)
    engine.dispose()


def _found(engine, studio):
    finding = make_finding()
    told = {"at": NOON, "run_id": "run-1", "code_version": "1"}
    Findings(engine, studio).apply("operations", "devices", [finding], **told)
    return finding.finding_id


def fill(desk):
    """Put one row into each table; return the id of the finding."""
    finding_id = _found(desk.engine, desk.studio)
    pause(desk)
    dispose(desk, finding_id)
    insert(desk, "marketing_drafts", DRAFT)
    review(desk)
    insert(desk, "triage_suggestions", SUGGESTION)
    triage(desk)
    return finding_id
