"""Promises of what commands say: hostile text is made visible, and JSON has the agreed shapes."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit.cli.desk_words import (
    approval_told,
    decision_told,
    entry_told,
    execution_told,
    exemption_told,
    proposal_line,
    proposal_lines,
    proposal_told,
    quota_told,
    switch_lines,
    switch_told,
    visible,
)
from policies.decisions import Decision, Switch, SwitchState
from policies.gateway import SwitchStatus
from policies.proposals import Evidence
from tests.unit.cockpit.desk_stage import DeskStage, entry_of
from tests.unit.policies.stage import ADMIN, APPROVER, ASKER, NOTE, REASON, START

EVIL = "\x1b[2J\x1b[1;1Hexecuted\r\n\u202eevil\u2066\u200b\x9b\ud800\u2028{{7*7}}"
ZONE = "America/Phoenix"


@given(st.text(st.characters(), max_size=40))
def test_whatever_is_shown_stays_on_its_line_and_moves_no_cursor(text):
    """Every character of what is shown is printable and can be written, whatever it was."""
    shown = visible(text)
    assert shown.isprintable()
    shown.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Müsli 釉 🏺", "Müsli 釉 🏺"),
        ("a\nb", "a⏎b"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u202e", "\\u202e"),
        ("\ud800", "\\ud800"),
        ("\x00", "\\x00"),
    ],
)
def test_what_people_write_is_kept_readable(text, shown):
    assert visible(text) == shown


@pytest.fixture(scope="module")
def told():
    """A proposal that was carried out, with everything about it."""
    stage = DeskStage(ASKER)
    proposal = stage.executed(evidence=[Evidence("a", "b", "c")], predicted_effects=["A note."])
    id_ = proposal.proposal_id
    events = [entry_of(each) for each in stage.ledger.events if each.draft.subject_id == id_]
    return proposal, stage.ledger.approvals(id_), stage.ledger.executions(id_), events


def test_no_word_of_a_proposal_can_forge_a_line(told):
    """Every text that a person, a target or a cloud gave is filled with control characters."""
    proposal, approvals, executions, events = told
    hostile = replace(
        proposal,
        rationale=EVIL,
        input={EVIL: EVIL},
        state_reason=EVIL,
        predicted_effects=[EVIL],
        evidence=[Evidence(EVIL, EVIL, EVIL)],
        requester_id=EVIL,
        owner_id=EVIL,
        dry_run={"summary": EVIL, "writes": [{EVIL: EVIL}]},
    )
    said = [replace(approvals[0], approver_id=EVIL, reason=EVIL)]
    done = [
        replace(
            executions[0], pointer={EVIL: EVIL}, executor_id=EVIL, failure_code="UNAVAILABLE", failure=EVIL
        )
    ]
    lines = [*proposal_lines(hostile, said, done, events, ZONE), proposal_line(hostile, ZONE)]
    status = SwitchStatus(SwitchState(Switch.ON, 2, EVIL, START, EVIL, EVIL), 1)
    lines += switch_lines(status, ZONE)
    plain = [*proposal_lines(proposal, approvals, executions, events, ZONE)]
    assert len(plain) > 10
    for line in lines:
        assert line.isprintable(), line


def test_everything_about_a_proposal_is_in_its_lines(told):
    """Who asked, who said yes to what and why, where the effect is, and each event."""
    text = "\n".join(proposal_lines(*told, ZONE))
    for words in (
        "executed", NOTE, told[0].input_hash, "note = Kiln shelf is cracked",
        "uid_asker (staff), for uid_owner",
        "uid_approver as approver", REASON, "succeeded, collection notes", "a revision b, finding c",
        f"proposal:{NOTE}:approved", "21 November 2026, 08:00",
    ):  # fmt: skip
        assert words in text, words
    older = "\n".join(proposal_lines(replace(told[0], version=2), *told[1:], ZONE))
    assert "binds nothing" in older
    assert "binds nothing" not in text


def test_json_has_the_agreed_shapes(told):
    """What other programs rely on; every value can be written as JSON, instants in UTC."""
    proposal, approvals, executions, events = told
    shown = proposal_told(proposal)
    assert {"id", "state", "capabilityId", "inputHash", "version", "dryRun", "intake"} <= set(shown)
    assert shown["createdAt"] == "2026-11-21T15:00:00Z"
    assert {"approver", "role", "reason", "inputHash", "expiresAt"} <= set(approval_told(approvals[0]))
    execution = execution_told(executions[0])
    assert {"state", "idempotencyKey", "executor", "fence", "pointer", "failureCode"} <= set(execution)
    entry = entry_told(events[-1])
    assert (entry["name"], entry["state"]) == (f"proposal:{NOTE}:executed", "executed")
    json.dumps([shown, execution, entry], allow_nan=False)


def test_json_of_policies_has_the_agreed_shapes():
    stage = DeskStage(ASKER)
    stage.executed()
    given = stage.gateway.grant_exemption(
        ADMIN, NOTE, owner_id=None, seconds=60, justification="Nobody needs to look at these."
    )
    stage.gateway.halt(APPROVER, REASON)
    status = switch_told(stage.gateway.switch_status())
    assert (status["switch"], status["by"], status["inFlight"]) == ("on", "uid_approver", 0)
    exemption = exemption_told(given)
    assert (exemption["endedAt"], exemption["expiresAt"]) == (None, "2026-11-21T15:01:00Z")
    uses = [quota_told(each) for each in stage.ledger.quota_uses()]
    assert {"capabilityId", "scope", "subjectId", "used", "limit"} <= set(uses[0])
    decision = decision_told(Decision(False, "C", "r", "No.", 5, None, {"used": 1}))
    assert (decision["retryAfterSeconds"], decision["details"]) == (5, {"used": 1})
    json.dumps([status, exemption, uses, decision], allow_nan=False)
