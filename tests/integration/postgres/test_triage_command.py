"""``studio triage`` on the real gateway and database: who decides, on what, and how often people disagree."""

import json
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest

from cockpit.cli import triage as command
from cockpit.cli.main import main
from cockpit.desk import Desk
from policies.actors import STAFF_ROLE, Actor, ActorKind
from policies.gateway import Gateway
from policies.intake import RulesScreener
from policies.registry import default_registry
from resources.clock import SystemClock
from resources.postgres.audit_log import AuditLog
from resources.postgres.ledger import PostgresLedger
from resources.postgres.ledger_engine import ledger_engine
from resources.postgres.triage import NewSuggestion, TriageSuggestions
from tests.integration.postgres.governance_desk import NOON, STUDIO
from tests.integration.postgres.samples import sha

pytestmark = pytest.mark.integration
WHY = "I have read the report in the portal."
ANN = Actor(ActorKind.STAFF, "ann", STUDIO, frozenset({STAFF_ROLE}))
MEMBER = Actor(ActorKind.HUMAN, "mia", STUDIO)
SURE = NewSuggestion(
    "report-1", "safety", "high", "hazard_equipment", 0.97, False, "triage-2+abc", sha("one")
)
UNSURE = NewSuggestion("report-2", None, None, "other_language", 0.0, True, "triage-2+abc", sha("two"))


@pytest.fixture
def ask(app_engine, postgres_url, monkeypatch, capsys):
    """Run a command as somebody; return its exit code and its one JSON object."""
    engine = ledger_engine(postgres_url, STUDIO)
    ledger = PostgresLedger(engine, STUDIO)
    gateway = Gateway(ledger, default_registry(), clock=SystemClock(), screener=RulesScreener())
    gateway.open_studio()
    kept, audit = TriageSuggestions(app_engine, STUDIO), AuditLog(app_engine, STUDIO)
    kept.keep([SURE, UNSURE], at=NOON, run_id="run-1")
    settings = SimpleNamespace(studio_id=STUDIO, timezone="America/Phoenix")
    acting = []

    @contextmanager
    def opened(home, actor):
        yield Desk(gateway, ledger, audit, settings, actor)

    @contextmanager
    def door(settings):
        yield kept

    monkeypatch.setattr(command, "open_desk", opened)
    monkeypatch.setattr(command, "live_triage_suggestions", door)
    monkeypatch.setattr("cockpit.cli.identity_option.actor_here", lambda *_: acting[-1])
    monkeypatch.setattr("cockpit.cli.identity_option.settings_of", lambda _: None)

    def asked(who, *arguments, is_json=True):
        acting.append(who)
        code = main(["triage", *arguments, *(["--json"] if is_json else [])])
        said = capsys.readouterr().out
        return code, json.loads(said) if is_json else said

    asked.kept, asked.audit = kept, audit
    yield asked
    engine.dispose()


def test_suggestions_are_listed_shown_confirmed_and_edited(ask):
    """What, how sure, why and by which version; then what people said, and how often they disagreed."""
    code, listed = ask(ANN, "list", "--undecided")
    assert code == 0
    assert {one["reportId"] for one in listed["suggestions"]} == {"report-1", "report-2"}
    assert listed["agreement"]["mismatchRate"] is None
    code, shown = ask(ANN, "show", "rt-1")
    assert (code, shown["category"], shown["confidence"]) == (0, "safety", 0.97)
    assert (shown["classifier"], "hurt" in shown["why"]) == ("triage-2+abc", True)

    code, made = ask(ANN, "confirm", "report-1", "--reason", WHY, "--revision", "1")
    assert (code, made["decision"]["verdict"], made["decision"]["by"]) == (0, "confirmed", "ann")
    code, made = ask(ANN, "edit", "report-2", "--category", "spam", "--severity", "low", "--reason", WHY)
    assert (code, made["decision"]["verdict"], made["decision"]["category"]) == (0, "edited", "spam")
    ask(ANN, "edit", "report-1", "--severity", "medium", "--reason", WHY)
    _, listed = ask(ANN, "list", "--undecided")
    assert listed["suggestions"] == []
    assert listed["agreement"] == {
        "confirmed": 0,
        "edited": 1,
        "mismatchRate": 1.0,
        "unsuggested": 1,
        "byCategory": {"safety": {"confirmed": 0, "edited": 1, "mismatchRate": 1.0}},
    }
    with ask.audit.view() as view:
        events = [one.name for one in view.search(subject_kind="triage", limit=10)]
    assert sorted(events) == ["triage:confirmed:decided", "triage:edited:decided", "triage:edited:decided"]
    code, told = ask(ANN, "show", "report-1", is_json=False)
    assert code == 0
    assert "Heat, fire, gas" in told
    assert "otherwise on 1 of 1 (100%)" in told


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("confirm", "report-2"), 1, "Nothing is suggested for this report: It is not in English"),
        (("edit", "report-2", "--category", "spam"), 2, "both have to be said"),
        (("edit", "report-1", "--category", "safety"), 1, "That is what is suggested: safety, high"),
        (("confirm", "report-9"), 1, "There is no suggestion for such a report"),
        (("confirm", "report"), 1, "2 reports match"),
        (("confirm", "report-1", "--revision", "7"), 1, "Revision 7 is not the newest"),
        (("edit", "report-1", "--severity", "awful"), 2, "awful"),
    ],
)
def test_what_cannot_be_decided_says_why_and_changes_nothing(ask, arguments, code, said):
    refused, told = ask(ANN, *arguments, "--reason", WHY)
    assert refused == code
    assert said in told["error"]
    assert ask.kept.decisions() == []


def test_only_staff_look_and_decide(ask):
    """A member sees nothing, and is refused by the gateway."""
    assert ask(MEMBER, "list")[0] == 1
    for arguments in (("confirm", "report-2"), ("edit", "report-1", "--severity", "high"), ("confirm", "r9")):
        code, told = ask(MEMBER, *arguments, "--reason", WHY)
        assert code != 0
        assert "decision" in told
        assert "suggest" not in told["error"]
    assert ask.kept.decisions() == []


def test_what_was_seen_is_what_is_decided_on(ask):
    """A newer suggestion does not slip in under the revision that was seen."""
    newer = NewSuggestion(
        **{**{f: getattr(SURE, f) for f in NewSuggestion.__dataclass_fields__}, "severity": "low"}
    )
    ask.kept.keep([newer], at=NOON + timedelta(hours=1), run_id="run-2")
    assert ask(ANN, "confirm", "report-1", "--reason", WHY, "--revision", "1")[0] == 1
    assert ask.kept.decisions() == []
