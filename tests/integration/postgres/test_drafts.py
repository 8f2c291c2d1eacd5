"""Drafts are kept once per text, start their review anew with new words, and are approved by people only."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from policies.actors import STAFF_ROLE, Actor, ActorKind, system_actor
from policies.errors import DeniedError
from policies.gateway import Gateway
from policies.intake import RulesScreener
from policies.marks import DraftStatus
from policies.ports import LedgerRefusedError
from policies.registry import default_registry
from resources.clock import SystemClock
from resources.postgres.drafts import Drafts, NewDraft
from resources.postgres.engine import app_engine as engine_for
from resources.postgres.errors import HistoryRefusedError
from resources.postgres.ledger import PostgresLedger
from resources.postgres.ledger_engine import ledger_engine
from tests.integration.postgres.governance_desk import BOT, NOON, STUDIO
from tests.integration.postgres.samples import sha

pytestmark = pytest.mark.integration
ANN = Actor(ActorKind.STAFF, "ann", STUDIO, frozenset({STAFF_ROLE}))
BEN = Actor(ActorKind.STAFF, "ben", STUDIO, frozenset({STAFF_ROLE}))
WHY = "It reads well and is true."
_TOLD = {"snapshot_revision": 4, "run_id": "run-1", "code_version": "drafts-1"}
DRAFT = NewDraft(
    draft_id="drf_" + "0" * 20,
    channel="instagram",
    variant="kiln_light",
    subject=None,
    body="Clay is patient.",
    facts={"facts": [], "sentences": [], "timezone": "America/Phoenix", "topic": "week:2026-W09"},
    template="instagram_kiln_light",
    template_version="1-abc",
    content_hash=sha("one"),
)
OTHER = replace(DRAFT, body="So are we.", content_hash=sha("two"))


@pytest.fixture
def drafts(app_engine):
    return Drafts(app_engine, STUDIO)


def _keep(drafts, *texts, minutes=0):
    return drafts.keep(texts, snapshot_date=date(2026, 3, 1), at=NOON + timedelta(minutes=minutes), **_TOLD)


def test_a_draft_comes_back_as_it_was_told(drafts):
    (kept,) = _keep(drafts, DRAFT)
    assert drafts.newest() == [kept]
    assert (kept.draft, kept.revision, kept.status) == (DRAFT, 1, "draft")
    assert (kept.snapshot_date, kept.snapshot_revision) == (date(2026, 3, 1), 4)


def test_the_same_text_is_kept_once_and_another_is_the_next_revision(drafts):
    assert len(_keep(drafts, DRAFT)) == 1
    assert _keep(drafts, DRAFT, minutes=1) == []
    (second,) = _keep(drafts, OTHER, minutes=2)
    assert second.revision == 2
    assert [one.draft for one in drafts.revisions(DRAFT.draft_id)] == [DRAFT, OTHER]
    assert [one.revision for one in drafts.newest()] == [2]


def test_an_older_text_is_not_kept_behind_a_newer_one(drafts):
    _keep(drafts, DRAFT, minutes=5)
    assert _keep(drafts, OTHER) == []


def test_what_is_newest_can_be_asked_by_time_and_status(drafts):
    _keep(drafts, DRAFT)
    assert drafts.newest(since=NOON + timedelta(minutes=1)) == []
    assert len(drafts.newest(since=NOON, status="draft")) == 1
    assert drafts.newest(status="approved_for_publish") == []


def test_a_draft_the_database_refuses_keeps_nothing_of_the_others(drafts):
    bad = replace(OTHER, draft_id="Not a name")
    with pytest.raises(HistoryRefusedError):
        _keep(drafts, DRAFT, bad)
    assert drafts.newest() == []


def test_another_studio_sees_nothing(drafts, postgres_url):
    _keep(drafts, DRAFT)
    engine = engine_for(postgres_url, "claycorner")
    assert Drafts(engine, STUDIO).newest() == []
    engine.dispose()


@pytest.fixture
def gateway(postgres_url):
    engine = ledger_engine(postgres_url, STUDIO)
    made = Gateway(
        PostgresLedger(engine, STUDIO), default_registry(), clock=SystemClock(), screener=RulesScreener()
    )
    made.open_studio()
    yield made
    engine.dispose()


def _review(gateway, drafts, to_status, *, actor=ANN):
    seen = drafts.newest()[0]
    return gateway.review_draft(
        actor,
        seen.draft.draft_id,
        revision=seen.revision,
        from_status=DraftStatus(seen.status),
        to_status=to_status,
        before_hash=seen.draft.content_hash,
        reason=WHY,
    )


def test_a_draft_goes_its_way_by_attributable_reviews(drafts, gateway, app_engine):
    """Each step is a review with a name, hashes and an audit event, and a revision of the draft."""
    _keep(drafts, DRAFT)
    _review(gateway, drafts, DraftStatus.NEEDS_REVIEW)
    _review(gateway, drafts, DraftStatus.APPROVED, actor=BEN)
    assert [one.status for one in drafts.revisions(DRAFT.draft_id)] == [
        "draft",
        "needs_review",
        "approved_for_publish",
    ]
    first, second = drafts.reviews(DRAFT.draft_id)
    assert (first.by, second.by, second.reason) == ("ann", "ben", WHY)
    assert second.before_hash == second.after_hash == DRAFT.content_hash
    with app_engine.connect() as connection:
        told = connection.execute(
            text("SELECT name FROM studio.audit_events WHERE subject_kind = 'draft' ORDER BY seq")
        )
        assert [name for (name,) in told] == [
            "draft:needs_review:reviewed",
            "draft:approved_for_publish:reviewed",
        ]


def test_new_words_begin_their_way_again(drafts, gateway):
    """What was approved was another text."""
    _keep(drafts, DRAFT)
    _review(gateway, drafts, DraftStatus.NEEDS_REVIEW)
    _review(gateway, drafts, DraftStatus.APPROVED)
    (kept,) = _keep(drafts, OTHER, minutes=60 * 24 * 3650)
    assert (kept.status, kept.revision) == ("draft", 4)


@pytest.mark.parametrize("actor", [system_actor("swarm_marketing", STUDIO), BOT])
def test_no_machine_reviews(drafts, gateway, actor):
    _keep(drafts, DRAFT)
    with pytest.raises(DeniedError):
        _review(gateway, drafts, DraftStatus.NEEDS_REVIEW, actor=actor)
    assert [one.status for one in drafts.newest()] == ["draft"]


def test_a_draft_is_not_approved_before_somebody_submitted_it(drafts, gateway):
    _keep(drafts, DRAFT)
    with pytest.raises(LedgerRefusedError):
        _review(gateway, drafts, DraftStatus.APPROVED)
    assert drafts.reviews(DRAFT.draft_id) == []


def test_no_bad_text_can_be_approved_by_another_revision(drafts, gateway):
    """A review is bound to the revision and the words that were seen."""
    _keep(drafts, DRAFT)
    seen = drafts.newest()[0]
    _keep(drafts, OTHER, minutes=1)
    with pytest.raises(LedgerRefusedError):
        gateway.review_draft(
            ANN,
            DRAFT.draft_id,
            revision=seen.revision,
            from_status=DraftStatus.DRAFT,
            to_status=DraftStatus.NEEDS_REVIEW,
            before_hash=seen.draft.content_hash,
            reason=WHY,
        )
