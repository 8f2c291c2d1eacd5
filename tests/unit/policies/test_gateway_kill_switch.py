"""open_studio, halt, request_resume, resume: one word halts, two people go on."""

import threading

import pytest

from policies.decisions import Switch
from policies.errors import BadRequestError
from policies.memory_ledger import MemoryLedger
from policies.ports import AdapterError, LedgerRefusedError
from tests.unit.policies.stage import (
    ADMIN,
    AGENT,
    APPROVER,
    ASKER,
    EXECUTOR,
    MEMBER,
    SECOND,
    STRANGER,
    STUDIO,
    Stage,
)

SMOKE = "Something smells of smoke."
TOAST = "It was only the toast."


@pytest.fixture
def halted(stage):
    stage.gateway.halt(ASKER, SMOKE)
    return stage


def test_opening_writes_the_first_event_once(stage):
    """A new studio is open for writes; opening it again, by another process too, changes nothing."""
    assert stage.ledger.switch().switch is Switch.OFF
    stage.gateway.open_studio()
    stage.new_gateway().open_studio()
    assert stage.names() == ["opened"]
    assert stage.ledger.events[0].draft.name == f"kill_switch:{STUDIO}:opened"


def test_of_two_who_open_at_once_one_writes(stage, monkeypatch):
    """The second is refused by the ledger, looks again, and finds it open."""
    ledger = MemoryLedger(STUDIO, stage.registry)
    stage.ledger = ledger
    first, second = stage.new_gateway(), stage.new_gateway()
    transaction = ledger.transaction

    def beaten():
        monkeypatch.setattr(ledger, "transaction", transaction)
        first.open_studio()
        raise LedgerRefusedError("Somebody else was first.", code="STATE_CHANGED")

    monkeypatch.setattr(ledger, "transaction", beaten)
    second.open_studio()
    assert stage.names() == ["opened"]


def test_many_who_open_at_once_write_one_event(stage):
    """However many processes start together."""
    stage.ledger = MemoryLedger(STUDIO, stage.registry)
    gateways = [stage.new_gateway(probe=lambda _: None) for _ in range(8)]
    threads = [threading.Thread(target=gateway.open_studio) for gateway in gateways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stage.names() == ["opened"]


def test_a_ledger_that_refuses_is_not_taken_for_open(stage, monkeypatch):
    """When the first event cannot be written, that is an error and nothing else."""
    stage.ledger = MemoryLedger(STUDIO, stage.registry)
    gateway = stage.new_gateway()

    def refuse():
        raise LedgerRefusedError("No.", code="RULE")

    monkeypatch.setattr(stage.ledger, "transaction", refuse)
    with pytest.raises(LedgerRefusedError):
        gateway.open_studio()


def test_an_unopened_studio_counts_as_halted(stage):
    """No row is unreadable, and unreadable is on."""
    stage.ledger = MemoryLedger(STUDIO, stage.registry, snapshot_read_at=stage.clock.instant)
    stage.gateway = stage.new_gateway()
    proposal = stage.approved()
    stage.refused("KILL_SWITCH_UNREADABLE", "execute", EXECUTOR, proposal.proposal_id, executor_id="run-1")
    stage.refused("KILL_SWITCH_UNREADABLE", "request_resume", ADMIN, TOAST)


def test_halting_works(stage):
    """Any staff member, with a reason that only the row keeps."""
    state = stage.gateway.halt(ASKER, SMOKE)
    assert (state.switch, state.revision, state.by) == (Switch.ON, 2, ASKER.actor_id)
    assert state == stage.ledger.switch()
    assert stage.names()[-1] == "halted"
    assert SMOKE not in stage.ledger.events[-1].payload


def test_calls_in_flight_are_seen(stage):
    """The status counts attempts without a result, and so does the event of the halt."""
    stage.target.error_before = AdapterError("No answer.", code="TIMEOUT", is_certain=False)
    stage.execute(stage.approved())
    stage.gateway.halt(ASKER, SMOKE)
    status = stage.gateway.switch_status()
    assert (status.state.switch, status.in_flight) == (Switch.ON, 1)
    assert stage.ledger.events[-1].draft.details["in_flight"] == 1


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (MEMBER, "STAFF_REQUIRED"),
        (AGENT, "PERSON_REQUIRED"),
        (EXECUTOR, "PERSON_REQUIRED"),
        (STRANGER, "TENANT_MISMATCH"),
    ],
)
@pytest.mark.parametrize("verb", ["halt", "request_resume", "resume"])
def test_the_wrong_actor_is_refused_with_a_reason(stage, verb, actor, code):
    """Neither members nor agents nor processes nor other studios touch the switch."""
    if verb != "halt":
        stage.gateway.halt(ASKER, SMOKE)
    stage.refused(code, verb, actor, TOAST)


def test_resuming_takes_two_people(halted):
    """Asking changes nothing yet; the same person cannot confirm; a plain staff member cannot either."""
    state = halted.gateway.request_resume(APPROVER, TOAST)
    assert (state.switch, state.resume_requested_by) == (Switch.ON, APPROVER.actor_id)
    assert state == halted.ledger.switch()
    halted.refused("SELF_APPROVAL", "resume", APPROVER, TOAST)
    halted.refused("ROLE_MISSING", "resume", ASKER, TOAST)
    assert halted.gateway.resume(SECOND, TOAST).switch is Switch.OFF
    assert halted.ledger.switch().switch is Switch.OFF
    assert halted.names()[-1] == "resumed"


def test_repeating_changes_nothing(halted):
    """Each second time is told what stands already."""
    halted.refused("ALREADY_HALTED", "halt", ADMIN, SMOKE)
    halted.gateway.request_resume(APPROVER, TOAST)
    halted.refused("RESUME_ALREADY_REQUESTED", "request_resume", ADMIN, TOAST)
    halted.gateway.resume(ADMIN, TOAST)
    halted.refused("NOT_HALTED", "resume", SECOND, TOAST)
    halted.refused("NOT_HALTED", "request_resume", SECOND, TOAST)


def test_nobody_confirms_what_was_not_asked(halted):
    """Resuming is a separate act."""
    halted.refused("RESUME_NOT_REQUESTED", "resume", ADMIN, TOAST)


def test_halting_again_takes_a_request_back(halted):
    """The smoke came back before anybody confirmed."""
    halted.gateway.request_resume(APPROVER, TOAST)
    assert halted.gateway.halt(ASKER, SMOKE).resume_requested_by is None
    halted.refused("RESUME_NOT_REQUESTED", "resume", ADMIN, TOAST)


@pytest.mark.parametrize("verb", ["halt", "request_resume", "resume"])
def test_a_reason_is_needed(stage, verb):
    """Words that cannot be kept make no sense; short ones are a rule's no."""
    for reason in ("", "a" * 1_200_001, "\0", None):
        stage.changes_nothing(BadRequestError, verb, ADMIN, reason)
    stage.refused("RATIONALE_TOO_SHORT", verb, ADMIN, "so" if verb == "halt" else "stop")


def test_anchor_mode_does_not_stop_it():
    """The switch is worked whatever else is off."""
    stage = Stage(is_write_enabled=False)
    assert stage.gateway.halt(ASKER, SMOKE).switch is Switch.ON
