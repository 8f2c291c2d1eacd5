"""What people decide about swarms, findings, drafts and reports: taken with its event, or not at all."""

# ruff: noqa: S608 - the SQL is made of tests' own names

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from policies.actors import system_actor
from resources.postgres.engine import analyst_url
from resources.postgres.urls import normalise_url
from tests.integration.postgres import swarm_rows as rows
from tests.integration.postgres.governance_desk import STUDIO, Desk
from tests.integration.postgres.samples import sha

pytestmark = pytest.mark.integration

SWARM = system_actor("swarm_operations", STUDIO)


@pytest.fixture
def desk(app_engine):
    return Desk(app_engine, None)


def _rule(act, *arguments, **more):
    """Return the rule that refuses an act."""
    with pytest.raises(DBAPIError) as refused:
        act(*arguments, **more)
    return refused.value.orig.diag.constraint_name


def _all(desk, sql):
    with desk.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def test_every_table_takes_a_lawful_row(desk):
    rows.fill(desk)
    for table in ("swarm_controls", "finding_dispositions", "draft_reviews", "triage_decisions"):
        assert _all(desk, f"SELECT by FROM studio.{table}") == [("ann",)]


@pytest.mark.parametrize("act", [rows.pause, rows.review, rows.triage, "dispose"])
def test_only_people_decide_and_each_decision_has_its_event(desk, act):
    """No machine pauses, marks, reviews or decides; an event of another act explains nothing."""
    finding_id = rows.fill(desk)
    if act == "dispose":

        def act(desk, **more):
            rows.dispose(desk, finding_id, **more)

    elif act is rows.pause:

        def act(desk, **more):
            rows.pause(desk, "resumed", **more)

    elif act is rows.review:

        def act(desk, **more):
            values = {"revision": 2, "from_status": "needs_review"}
            rows.review(desk, "approved_for_publish", **values | more)

    assert _rule(act, desk, actor=SWARM) == "decision-people"
    assert _rule(act, desk, by="somebody") == "decision-event"
    assert _rule(act, desk, changes={"name": "swarm:operations:forgotten"}) == "decision-event"
    assert _rule(act, desk, changes={"subject_id": "another"}) == "event-of-this-subject"
    assert _rule(act, desk, audit_seq=1) == "event-of-this-transaction"
    act(desk)


def test_a_paused_swarm_is_not_paused_again(desk):
    assert _rule(rows.pause, desk, "resumed") == "swarm-control-step"
    rows.pause(desk)
    assert _rule(rows.pause, desk) == "swarm-control-step"
    rows.pause(desk, department="finance")
    rows.pause(desk, "resumed")
    held = _all(desk, "SELECT department, kind FROM studio.swarm_controls_current ORDER BY 1")
    assert held == [("finance", "paused"), ("operations", "resumed")]


def test_a_mark_is_of_a_revision_that_exists_and_the_newest_counts(desk):
    finding_id = rows.fill(desk)
    assert _rule(rows.dispose, desk, finding_id, revision=2) == "finding_dispositions_finding"
    rows.dispose(desk, finding_id, "wrong")
    rate = _all(desk, "SELECT kind, marked, useful, wrong, acceptance_rate FROM analytics.finding_acceptance")
    assert rate == [("battery_low", 1, 0, 1, 0)]
    columns = "marked, wrong, acceptance_rate, proposed, suppressed, hours_to_proposal"
    scores = _all(desk, f"SELECT {columns} FROM analytics.swarm_scorecard WHERE marked > 0")
    assert scores == [(1, 1, 0, 0, {}, None)]


def test_nothing_is_approved_without_a_review(desk):
    """A machine writes drafts; only a review approves one, exactly the words that were seen."""
    rows.insert(desk, "marketing_drafts", rows.DRAFT)
    first = rows.DRAFT | {"draft_id": "drf_2", "status": "approved_for_publish"}
    assert _rule(rows.insert, desk, "marketing_drafts", first) == "draft-reviewed"
    for status in ("needs_review", "approved_for_publish", "rejected"):
        second = rows.DRAFT | {"revision": 2, "status": status, "content_hash": sha("other")}
        assert _rule(rows.insert, desk, "marketing_drafts", second) == "draft-reviewed"
    assert _rule(rows.review, desk, "approved_for_publish") == "draft-step"
    assert _rule(rows.review, desk, before_hash=sha("x"), after_hash=sha("x")) == "draft-as-seen"
    rows.review(desk)
    assert _rule(rows.review, desk) == "draft-as-seen"
    edited = {"body": "Nine kilns are warm.", "after_hash": sha("edited")}
    rows.review(desk, "approved_for_publish", revision=2, from_status="needs_review", **edited)
    told = _all(desk, "SELECT revision, status, body, content_hash FROM studio.marketing_drafts_current")
    assert told == [(3, "approved_for_publish", "Nine kilns are warm.", sha("edited"))]


def test_a_machine_takes_no_decision_back_by_saying_the_same_again(desk):
    """New words wait for a review again; the same words do not undo a rejection."""
    rows.insert(desk, "marketing_drafts", rows.DRAFT)
    again = rows.DRAFT | {"revision": 2}
    assert _rule(rows.insert, desk, "marketing_drafts", again) == "draft-says-something-new"
    rows.review(desk, "rejected")
    again = rows.DRAFT | {"revision": 3, "at": desk.now}
    assert _rule(rows.insert, desk, "marketing_drafts", again) == "draft-says-something-new"
    rows.insert(desk, "marketing_drafts", again | {"content_hash": sha("new words")})


def test_a_decision_on_a_report_is_bound_to_the_suggestion(desk):
    """Confirmed is what was suggested, edited is anything else; which suggestion, the database says."""
    assert _rule(rows.triage, desk) == "triage-suggested"
    rows.insert(desk, "triage_suggestions", rows.SUGGESTION)
    assert _rule(rows.triage, desk, category="spam") == "triage-as-seen"
    assert _rule(rows.triage, desk, "edited") == "triage-as-seen"
    newer = rows.SUGGESTION | {"revision": 2, "category": None, "severity": None, "is_abstained": True}
    rows.insert(desk, "triage_suggestions", newer)
    assert _rule(rows.triage, desk) == "triage-as-seen"
    rows.triage(desk, "edited", revision=1)
    assert _all(desk, "SELECT revision FROM studio.triage_decisions") == [(2,)]
    told = _all(desk, "SELECT verdict, decided_category, decided_revision FROM analytics.triage")
    assert told == [("edited", "safety", 2)]
    same = newer | {"revision": 3}
    assert _rule(rows.insert, desk, "triage_suggestions", same) == "triage-says-something-new"


def test_analysts_see_decisions_and_no_words(desk, postgres_url):
    rows.fill(desk)
    engine = create_engine(normalise_url(analyst_url(postgres_url, STUDIO)))
    for view in ("swarm_controls", "finding_dispositions", "marketing_drafts", "draft_reviews", "triage"):
        with engine.connect() as connection:
            seen = connection.execute(text(f"SELECT * FROM analytics.{view}")).mappings().all()
        assert seen
        assert not {"reason", "body", "subject"} & set(seen[0])
    engine.dispose()
