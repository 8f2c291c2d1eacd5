"""grant_exemption and revoke_exemption: written, bounded, and ended with an event."""

from datetime import timedelta

import pytest

from policies.errors import BadRequestError, UnknownSubjectError
from tests.unit.policies.stage import (
    ADJUST,
    ADMIN,
    AGENT,
    APPROVER,
    ASKER,
    CLOSE,
    EXECUTOR,
    MEMBER,
    NOTE,
    OWNER,
    STRANGER,
    Stage,
)

BUSY = "A busy weekend with many notes."
OVER = "The weekend is over."


def grant(stage, actor=ADMIN, capability_id=NOTE, **fields):
    given = {"owner_id": None, "seconds": 3600, "justification": BUSY} | fields
    return stage.gateway.grant_exemption(actor, capability_id, **given)


def test_granting_works(stage):
    """One capability, one owner, until an instant; the words only in the row."""
    exemption = grant(stage, owner_id=OWNER)
    assert (exemption.capability_id, exemption.owner_id, exemption.granted_by) == (NOTE, OWNER, "uid_admin")
    assert exemption.expires_at == stage.clock.instant + timedelta(hours=1)
    assert list(stage.ledger.exemptions()) == [exemption]
    event = stage.ledger.events[-1]
    assert (event.draft.name, event.draft.state) == (f"exemption:{NOTE}:granted", "live")
    assert BUSY not in event.payload


def test_it_is_for_its_owner_only(stage):
    """Another member's note still waits for a person."""
    grant(stage, owner_id="uid_other")
    assert stage.propose().state == "pending_approval"
    assert stage.propose(owner_id="uid_other").state == "approved"


@pytest.mark.parametrize("capability_id", [CLOSE, ADJUST, "support.access.exception"])
def test_what_is_never_exempt_stays_so(stage, capability_id):
    """High, critical and money: always a person."""
    stage.refused(
        "EXEMPTION_FORBIDDEN",
        "grant_exemption",
        ADMIN,
        capability_id,
        owner_id=None,
        seconds=60,
        justification=BUSY,
    )


@pytest.mark.parametrize("seconds", [0, -1, 7 * 86_400 + 1])
def test_the_length_is_bounded(stage, seconds):
    """Seven days at most, and at least a second."""
    stage.refused(
        "EXEMPTION_TOO_LONG",
        "grant_exemption",
        ADMIN,
        NOTE,
        owner_id=None,
        seconds=seconds,
        justification=BUSY,
    )
    assert grant(stage, seconds=7 * 86_400).expires_at


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (APPROVER, "ROLE_MISSING"),
        (ASKER, "ROLE_MISSING"),
        (MEMBER, "STAFF_REQUIRED"),
        (AGENT, "PERSON_REQUIRED"),
        (EXECUTOR, "PERSON_REQUIRED"),
        (STRANGER, "TENANT_MISMATCH"),
    ],
)
def test_only_an_admin_grants_and_revokes(stage, actor, code):
    """Everybody else is refused with a reason."""
    exemption = grant(stage)
    stage.refused(code, "grant_exemption", actor, NOTE, owner_id=None, seconds=60, justification=BUSY)
    stage.refused(code, "revoke_exemption", actor, exemption.exemption_id, OVER)


def test_revoking_works_at_once(stage):
    """The next proposal waits for a person again."""
    exemption = grant(stage)
    ended = stage.gateway.revoke_exemption(ADMIN, exemption.exemption_id, OVER)
    assert (ended.ended_at, ended.ended_by_kind) == (stage.clock.instant, "revoked")
    assert stage.names()[-1] == "revoked"
    assert stage.propose().state == "pending_approval"


def test_revoking_again_changes_nothing(stage):
    """It has ended; another live one is not touched."""
    first, second = grant(stage), grant(stage)
    stage.gateway.revoke_exemption(ADMIN, first.exemption_id, OVER)
    stage.refused("EXEMPTION_UNKNOWN", "revoke_exemption", ADMIN, first.exemption_id, OVER)
    live = stage.ledger.exemptions(only_live_at=stage.clock.instant)
    assert [it.exemption_id for it in live] == [second.exemption_id]


def test_requests_without_sense(stage):
    """Words that cannot be kept, half seconds, unknown ids."""
    for fields in ({"justification": ""}, {"seconds": 1.5}, {"seconds": True}, {"owner_id": "\0"}):
        given = {"owner_id": None, "seconds": 60, "justification": BUSY} | fields
        stage.changes_nothing(BadRequestError, "grant_exemption", ADMIN, NOTE, **given)
    stage.changes_nothing(UnknownSubjectError, "revoke_exemption", ADMIN, "exm_nothing", OVER)
    stage.refused(
        "RATIONALE_TOO_SHORT",
        "grant_exemption",
        ADMIN,
        NOTE,
        owner_id=None,
        seconds=60,
        justification="busy",
    )


def test_anchor_mode_and_kill_switch_do_not_stop_them():
    """They do nothing outside."""
    stage = Stage(is_write_enabled=False)
    stage.gateway.halt(ADMIN, "Something smells of smoke.")
    exemption = grant(stage)
    assert stage.gateway.revoke_exemption(ADMIN, exemption.exemption_id, OVER).ended_at
