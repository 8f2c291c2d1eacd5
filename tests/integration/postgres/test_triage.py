"""Suggestions are kept once per meaning; people's decisions on them are counted as agreement."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from policies.actors import STAFF_ROLE, Actor, ActorKind
from policies.gateway import Gateway
from policies.intake import RulesScreener
from policies.marks import TriageVerdict
from policies.ports import LedgerRefusedError
from policies.registry import default_registry
from resources.clock import SystemClock
from resources.postgres.errors import HistoryRefusedError
from resources.postgres.ledger import PostgresLedger
from resources.postgres.ledger_engine import ledger_engine
from resources.postgres.triage import Agreement, NewSuggestion, TriageSuggestions
from tests.integration.postgres.governance_desk import NOON, STUDIO
from tests.integration.postgres.samples import sha

pytestmark = pytest.mark.integration
SURE = NewSuggestion("r1", "safety", "high", "hazard_equipment", 0.97, False, "triage-1+abc", sha("one"))
UNSURE = NewSuggestion("r2", None, None, "other_language", 0.0, True, "triage-1+abc", sha("two"))


@pytest.fixture
def triage(app_engine):
    return TriageSuggestions(app_engine, STUDIO)


def _keep(triage, *suggestions, minutes=0):
    return triage.keep(suggestions, at=NOON + timedelta(minutes=minutes), run_id="run-1")


def test_suggestions_come_back_as_they_were_told(triage):
    """What was kept is what is read, abstentions too."""
    kept = _keep(triage, SURE, UNSURE)
    assert triage.newest() == kept
    assert [(one.suggestion, one.revision) for one in kept] == [(SURE, 1), (UNSURE, 1)]


def test_saying_the_same_again_keeps_nothing(triage):
    """Only a suggestion that says something new is the next revision, and none goes in behind a newer one."""
    _keep(triage, SURE, minutes=1)
    assert _keep(triage, SURE, minutes=2) == []
    changed = replace(SURE, text_hash=sha("edited"), confidence=0.8)
    assert _keep(triage, changed, minutes=0) == []
    (second,) = _keep(triage, changed, UNSURE, minutes=3)[:1]
    assert second.revision == 2
    assert {one.suggestion for one in triage.newest()} == {changed, UNSURE}


def test_unlawful_suggestions_are_refused_whole(triage):
    """A suggestion without a category that is no abstention is refused, and what came with it."""
    with pytest.raises(HistoryRefusedError):
        _keep(triage, replace(UNSURE, report_id="r3"), replace(SURE, category=None))
    assert triage.newest() == []
    with pytest.raises(ValueError, match="two suggestions"):
        _keep(triage, SURE, SURE)
    with pytest.raises(ValueError, match="time zone"):
        triage.keep([SURE], at=datetime(2026, 3, 1), run_id="run-1")  # noqa: DTZ001 - what is refused


@pytest.fixture
def gateway(postgres_url):
    engine = ledger_engine(postgres_url, STUDIO)
    made = Gateway(
        PostgresLedger(engine, STUDIO), default_registry(), clock=SystemClock(), screener=RulesScreener()
    )
    made.open_studio()
    yield made
    engine.dispose()


def _decide(gateway, report_id, category, severity, verdict):
    ann = Actor(ActorKind.STAFF, "ann", STUDIO, frozenset({STAFF_ROLE}))
    gateway.decide_triage(
        ann, report_id, category=category, severity=severity, verdict=verdict, reason="I read it."
    )


def test_decisions_are_counted_as_agreement(triage, gateway):
    """The newest decision of each report counts, by what had been suggested; abstentions on their own."""
    _keep(triage, SURE, replace(SURE, report_id="r4"), UNSURE)
    assert triage.agreement() == []
    _decide(gateway, "r1", "spam", "low", TriageVerdict.EDITED)
    _decide(gateway, "r1", "safety", "high", TriageVerdict.CONFIRMED)
    _decide(gateway, "r4", "other", "low", TriageVerdict.EDITED)
    _decide(gateway, "r2", "other", "low", TriageVerdict.EDITED)
    assert triage.agreement() == [Agreement("safety", 1, 1), Agreement(None, 0, 1)]
    assert triage.agreement()[0].mismatch_rate == pytest.approx(0.5)


def test_a_decision_is_held_against_the_suggestion(triage, gateway):
    """Nothing is confirmed that was not suggested, and no report without a suggestion is decided on."""
    _keep(triage, SURE)
    for report_id, category in (("r1", "spam"), ("r9", "safety")):
        with pytest.raises(LedgerRefusedError):
            _decide(gateway, report_id, category, "high", TriageVerdict.CONFIRMED)
    assert triage.agreement() == []
