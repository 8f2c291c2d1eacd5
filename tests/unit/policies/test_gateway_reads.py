"""Promises of ``permit_read``: a yes writes nothing, a no is in the audit, a halt does not blind us."""

import pytest

from policies.actors import system_actor
from policies.decisions import Operation
from policies.errors import BadRequestError
from policies.reads import ReadPermit
from tests.unit.policies.stage import (
    ADMIN,
    AGENT,
    ASKER,
    MEMBER,
    NOTE,
    READ,
    REASON,
    STRANGER,
    STUDIO,
)

CONNECTORS = system_actor("connectors", STUDIO)


@pytest.mark.parametrize("actor", [CONNECTORS, ASKER])
def test_a_permit_says_who_may_read_what(stage, actor):
    """A yes is for one actor and one capability, and leaves no event: the call that follows does."""
    before = stage.names()
    permit = stage.gateway.permit_read(actor, READ)
    assert permit == ReadPermit(STUDIO, READ, actor.actor_id, stage.clock.now())
    assert stage.names() == before


@pytest.mark.parametrize(
    ("actor", "capability_id", "code"),
    [
        (MEMBER, READ, "READER_NOT_ALLOWED"),
        (AGENT, READ, "READER_NOT_ALLOWED"),
        (STRANGER, READ, "TENANT_MISMATCH"),
        (CONNECTORS, NOTE, "NOT_A_READ"),
        (CONNECTORS, "roborock.clean.start_full", "NOT_A_READ"),
        (CONNECTORS, "hubitat.devices.write", "CAPABILITY_UNKNOWN"),
    ],
)
def test_a_no_is_in_the_audit(stage, actor, capability_id, code):
    """Every no leaves its event, with the code and what was asked for."""
    stage.refused(code, "permit_read", actor, capability_id)
    event = stage.ledger.events[-1].draft
    assert (event.details["operation"], event.actor) == ("permit_read", actor)


def test_a_halt_does_not_stop_reading(stage):
    """While nothing may be written, people must still see what devices do."""
    stage.gateway.halt(ADMIN, REASON)
    assert stage.gateway.permit_read(CONNECTORS, READ).capability_id == READ


def test_words_that_are_no_id_are_refused(stage):
    """What cannot be a capability's id is no question at all."""
    for wrong in ("", " ", "x" * 201, "a\x00b"):
        stage.changes_nothing(BadRequestError, "permit_read", CONNECTORS, wrong)


def test_explaining_gives_the_same_answer(stage):
    """What ``policy explain`` says is what a permit would get."""
    assert stage.gateway.explain(CONNECTORS, Operation.READ, READ).is_allowed
    assert stage.gateway.explain(MEMBER, Operation.READ, READ).code == "READER_NOT_ALLOWED"
    assert stage.gateway.explain(ASKER, Operation.READ, NOTE).code == "NOT_A_READ"
