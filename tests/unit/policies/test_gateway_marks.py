"""A person's word on swarms, findings, drafts and reports: staff only, with a reason, told by the log."""

from contextlib import contextmanager
from dataclasses import replace

import pytest

from policies.actors import system_actor
from policies.errors import BadRequestError, DeniedError
from policies.marks import DraftStatus, SwarmState, TriageVerdict, Verdict
from policies.ports import LedgerRefusedError, OutcomeUnknownError
from tests.unit.policies.stage import ADMIN, AGENT, ASKER, EXECUTOR, MEMBER, STRANGER, STUDIO, Stage

SWARM = system_actor("swarm_operations", STUDIO)
FINDING = "fnd_" + "0" * 26
WHY = "It was looked at this morning."
SAME = "a" * 64

WORDS = {
    "pause_swarm": lambda gateway, actor, why: gateway.pause_swarm(actor, "operations", why),
    "mark_finding": lambda gateway, actor, why: gateway.mark_finding(actor, FINDING, 1, Verdict.USEFUL, why),
    "review_draft": lambda gateway, actor, why: gateway.review_draft(
        actor,
        "drf_1",
        revision=1,
        from_status=DraftStatus.NEEDS_REVIEW,
        to_status=DraftStatus.APPROVED,
        before_hash=SAME,
        reason=why,
    ),
    "decide_triage": lambda gateway, actor, why: gateway.decide_triage(
        actor,
        "report-1",
        category="safety",
        severity="high",
        verdict=TriageVerdict.CONFIRMED,
        reason=why,
    ),
}


@pytest.mark.parametrize("verb", WORDS)
@pytest.mark.parametrize("actor", [SWARM, EXECUTOR, AGENT, MEMBER, STRANGER], ids=lambda it: it.actor_id)
def test_only_staff_have_a_word(verb, actor):
    """No swarm, executor, agent, member or stranger; the attempt is in the log."""
    stage = Stage()
    with pytest.raises(DeniedError):
        WORDS[verb](stage.gateway, actor, WHY)
    assert stage.ledger.events[-1].draft.name == f"policy:{verb}:denied"
    assert stage.ledger._tables.swarms == {}
    assert stage.ledger._tables.marks == {}


@pytest.mark.parametrize("verb", WORDS)
def test_a_word_comes_with_its_reason_and_its_event(verb):
    """The event holds the hash of the reason, never the reason; a short one is refused."""
    stage = Stage()
    with pytest.raises(DeniedError):
        WORDS[verb](stage.gateway, ASKER, "no")
    row = WORDS[verb](stage.gateway, ASKER, WHY)
    event = stage.ledger.events[-1]
    assert (row.by, row.reason, row.at) == (ASKER.actor_id, WHY, event.draft.at)
    assert event.draft.actor == ASKER
    assert WHY not in event.payload
    assert "reason_hash" in event.draft.details


def test_a_pause_is_ended_by_a_person_and_no_pause_is_given_twice():
    stage = Stage()
    with pytest.raises(LedgerRefusedError, match="resumed already"):
        stage.gateway.resume_swarm(ADMIN, "operations", WHY)
    assert stage.gateway.pause_swarm(ADMIN, "operations", WHY).kind is SwarmState.PAUSED
    with pytest.raises(LedgerRefusedError, match="paused already"):
        stage.gateway.pause_swarm(ASKER, "operations", WHY)
    stage.gateway.pause_swarm(ASKER, "finance", WHY)
    with pytest.raises(DeniedError):
        stage.gateway.resume_swarm(SWARM, "operations", WHY)
    assert stage.gateway.resume_swarm(ASKER, "operations", WHY).kind is SwarmState.RESUMED


@pytest.mark.parametrize(
    "changes",
    [
        {"after_hash": "b" * 64},
        {"body": "Other words."},
        {"before_hash": "nonsense"},
        {"revision": 0},
        {"body": "", "after_hash": "b" * 64},
    ],
)
def test_a_review_binds_words_and_hashes_together(changes):
    stage = Stage()
    values = {
        "revision": 1,
        "from_status": DraftStatus.DRAFT,
        "to_status": DraftStatus.NEEDS_REVIEW,
        "before_hash": SAME,
        "reason": WHY,
    }
    with pytest.raises(BadRequestError):
        stage.gateway.review_draft(ASKER, "drf_1", **values | changes)
    edited = {"body": "Other words.", "after_hash": "b" * 64}
    assert stage.gateway.review_draft(ASKER, "drf_1", **values | edited).after_hash == "b" * 64


@pytest.mark.parametrize("verb", WORDS)
def test_a_word_whose_answer_was_lost_is_found_and_not_given_twice(verb):
    """Nobody is told that their own pause was there already, and no finding is marked two times."""
    stage = Stage()
    transaction = stage.ledger.transaction

    @contextmanager
    def lost():
        with transaction() as session:
            yield session
        stage.ledger.transaction = transaction
        raise OutcomeUnknownError("The answer never came.")

    stage.ledger.transaction = lost
    before = len(stage.ledger.events)
    row = WORDS[verb](stage.gateway, ASKER, WHY)
    assert len(stage.ledger.events) == before + 1
    assert stage.ledger.has_mark(row)
    assert not stage.ledger.has_mark(replace(row, reason="Something else entirely."))
