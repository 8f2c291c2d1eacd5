"""``studio drafts`` on the real gateway and database: who reviews what, and what cannot be reviewed."""

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from cockpit.cli import drafts as command
from cockpit.cli.main import main
from cockpit.desk import Desk
from policies.actors import STAFF_ROLE, Actor, ActorKind
from policies.gateway import Gateway
from policies.intake import RulesScreener
from policies.registry import default_registry
from resources.clock import SystemClock
from resources.postgres.audit_log import AuditLog
from resources.postgres.drafts import Drafts
from resources.postgres.ledger import PostgresLedger
from resources.postgres.ledger_engine import ledger_engine
from studio_assets.marketing.assets import new_draft
from studio_assets.marketing.drafts import write_drafts
from tests.integration.postgres.governance_desk import STUDIO
from tests.unit.studio_assets.marketing.studio_rows import event, sheet

pytestmark = pytest.mark.integration
WHY = "It reads well and is true."
ANN = Actor(ActorKind.STAFF, "ann", STUDIO, frozenset({STAFF_ROLE}))
BEN = Actor(ActorKind.STAFF, "ben", STUDIO, frozenset({STAFF_ROLE}))
MEMBER = Actor(ActorKind.HUMAN, "mia", STUDIO)


@pytest.fixture
def house(app_engine, postgres_url, monkeypatch):
    """Return the drafts under the commands; ``actor`` is who the token speaks for."""
    engine = ledger_engine(postgres_url, STUDIO)
    ledger = PostgresLedger(engine, STUDIO)
    gateway = Gateway(ledger, default_registry(), clock=SystemClock(), screener=RulesScreener())
    gateway.open_studio()
    made = SimpleNamespace(drafts=Drafts(app_engine, STUDIO), actor=ANN, audit=AuditLog(app_engine, STUDIO))
    settings = SimpleNamespace(studio_id=STUDIO, timezone="America/Phoenix")

    @contextmanager
    def opened(home, actor):
        yield Desk(gateway, ledger, made.audit, settings, actor)

    @contextmanager
    def kept(settings):
        yield made.drafts

    monkeypatch.setattr(command, "open_desk", opened)
    monkeypatch.setattr(command, "live_drafts", kept)
    monkeypatch.setattr("cockpit.cli.identity_option.actor_here", lambda *_: made.actor)
    monkeypatch.setattr("cockpit.cli.identity_option.settings_of", lambda _: None)
    yield made
    engine.dispose()


@pytest.fixture
def ask(house, capsys):
    """Run a command as somebody; return its exit code and its one JSON object."""

    def asked(who, *arguments):
        house.actor = who
        code = main(["drafts", *arguments, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return asked


def _keep(house, drafts, minutes=0):
    now = datetime.now(UTC) + timedelta(minutes=minutes)
    told = {"snapshot_date": now.date(), "snapshot_revision": 1, "run_id": "r", "code_version": "1"}
    return house.drafts.keep(drafts, at=now, **told)


def _event_draft(in_days=3, **changes):
    now = datetime.now(UTC)
    begins = {"start_at": now + timedelta(days=in_days), "end_at": None}
    rows = sheet([event("e1", "Raku night", **begins | changes)], as_of=now - timedelta(days=1))
    return next(new_draft(one) for one in write_drafts(rows).drafts if one.channel.value == "event_promotion")


def test_a_draft_is_listed_shown_submitted_and_approved(house, ask):
    (kept,) = _keep(house, [_event_draft()])
    id_ = kept.draft.draft_id
    code, listed = ask(ANN, "list", "--status", "draft", "--channel", "event_promotion")
    assert (code, [one["id"] for one in listed["drafts"]]) == (0, [id_])
    code, shown = ask(ANN, "show", id_[-8:])
    assert (code, shown["problems"], shown["reviews"]) == (0, [], [])
    assert {fact["asset"] for fact in shown["facts"]} == {"cloud_truth/events"}
    assert ask(ANN, "submit", id_, "--reason", WHY)[1]["status"] == "needs_review"
    code, approved = ask(BEN, "approve", id_, "--reason", WHY, "--revision", "2")
    assert (code, approved["status"], approved["revision"]) == (0, "approved_for_publish", 3)
    first, second = approved["reviews"]
    assert (first["by"], second["by"]) == ("ann", "ben")
    assert second["beforeHash"] == second["afterHash"] == kept.draft.content_hash
    with house.audit.view() as view:
        told = list(view.search(subject_kind="draft", subject_id=id_, limit=10))
    assert len(told) == 2


def test_a_draft_is_rejected_with_a_reason(house, ask):
    (kept,) = _keep(house, [_event_draft()])
    code, told = ask(ANN, "reject", kept.draft.draft_id, "--reason", "We told this last week.")
    assert (code, told["status"]) == (0, "rejected")
    assert told["reviews"][0]["reason"] == "We told this last week."
    code, told = ask(BEN, "review", kept.draft.draft_id, "--to", "needs_review", "--reason", WHY)
    assert (code, told["status"], [each["by"] for each in told["reviews"]]) == (
        0,
        "needs_review",
        ["ann", "ben"],
    )


def test_a_member_sees_and_reviews_nothing(house, ask):
    (kept,) = _keep(house, [_event_draft()])
    assert ask(MEMBER, "list")[0] == 1
    assert ask(MEMBER, "show", kept.draft.draft_id)[0] == 1
    code, told = ask(MEMBER, "submit", kept.draft.draft_id, "--reason", WHY)
    assert (code, told["decision"]["code"]) == (1, "STAFF_REQUIRED")
    assert "Raku" not in str(told)
    assert house.drafts.newest()[0].status == "draft"


def test_a_short_reason_and_an_old_revision_change_nothing(house, ask):
    (kept,) = _keep(house, [_event_draft()])
    id_ = kept.draft.draft_id
    assert ask(ANN, "submit", id_, "--reason", "ok")[0] == 1
    code, told = ask(ANN, "approve", id_, "--reason", WHY)  # nobody has asked for a review
    assert (code, "error" in told) == (1, True)
    for wrong in (["--to", "draft"], ["--to", "published"], ["--to", "rejected", "--revision", "0"], []):
        assert ask(ANN, "review", id_, *wrong, "--reason", WHY)[0] == 2
    _keep(house, [_event_draft(ticketed_count=4)], minutes=1)
    code, told = ask(ANN, "submit", id_, "--reason", WHY, "--revision", "1")
    assert (code, "not the newest" in told["error"]) == (1, True)
    assert house.drafts.newest()[0].status == "draft"


def test_a_text_that_is_not_its_facts_cannot_be_reviewed(house, ask):
    """Somebody put another number into the stored words."""
    draft = _event_draft()
    (kept,) = _keep(house, [replace(draft, body=draft.body.replace("13 places", "14 places"))])
    code, told = ask(ANN, "submit", kept.draft.draft_id, "--reason", WHY)
    assert (code, "cannot be reviewed" in told["error"]) == (1, True)
    assert ask(ANN, "show", kept.draft.draft_id)[1]["problems"]
    assert ask(ANN, "reject", kept.draft.draft_id, "--reason", WHY)[0] == 0


def test_an_event_that_has_begun_cannot_be_approved_any_more(house, ask):
    (kept,) = _keep(house, [_event_draft(in_days=-0.5)])
    code, told = ask(ANN, "submit", kept.draft.draft_id, "--reason", WHY)
    assert (code, "have begun" in told["error"]) == (1, True)


def test_a_step_that_cannot_be_taken_says_which_can(house, ask):
    """Approved without having been submitted, or twice: nothing is written, and the next step is named."""
    (kept,) = _keep(house, [_event_draft()])
    id_ = kept.draft.draft_id
    code, told = ask(BEN, "approve", id_, "--reason", WHY)
    assert (code, "ask for its review first" in told["error"], id_ in told["remedy"]) == (1, True, True)
    for step, who in (("submit", ANN), ("approve", BEN)):
        assert ask(who, step, id_, "--reason", WHY)[0] == 0
        code, told = ask(who, step, id_, "--reason", WHY)
        assert (code, "already" in told["error"]) == (1, True)
    assert len(house.drafts.reviews(id_)) == 2


def test_a_member_learns_of_no_draft(house, ask):
    """A draft that is there and one that is not get the same no, of the gateway."""
    (kept,) = _keep(house, [_event_draft()])
    told = [ask(MEMBER, "reject", id_, "--reason", WHY) for id_ in (kept.draft.draft_id, "drf_nothing")]
    assert told[0] == told[1]
    assert told[0][1]["decision"]["code"] == "STAFF_REQUIRED"


def test_no_word_moves_the_cursor_of_who_reads(house, capsys):
    """Neither what the cloud calls things nor what people gave as their reason."""
    draft = _event_draft()
    _keep(house, [replace(draft, subject="Raku \x1b[2J night", body=f"\x1b]0;x\x07{draft.body}")])
    assert main(["drafts", "reject", draft.draft_id, "--reason", f"{WHY} \x1b[2J\x9b1A"]) == 0
    assert main(["drafts", "list"]) == 0
    said = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\x9b"} & set(said)
    assert "It reads well and is true. \\x1b[2J\\x9b1A" in said


def test_an_unknown_draft_is_told_plainly(house, ask):
    assert ask(ANN, "show", "drf_nothing") == (
        1,
        {"error": "There is no such draft here.", "remedy": "./studio drafts list shows them."},
    )


def test_people_read_the_text_its_facts_and_its_reviews(house, capsys):
    (kept,) = _keep(house, [_event_draft()])
    assert main(["drafts", "submit", kept.draft.draft_id, "--reason", WHY]) == 0
    said = capsys.readouterr().out
    assert "Rests on:" in said
    assert "ann: draft -> needs_review" in said
    assert "Nothing is published from here." in said
