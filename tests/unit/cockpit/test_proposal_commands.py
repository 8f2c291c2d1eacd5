"""Promises of ``proposals``, ``kill-switch``, ``exemptions`` and ``quotas``: exit codes mean what they say.

The commands run on the real gateway, over a ledger in memory.
"""

import json
from types import SimpleNamespace

import pytest

from cockpit.cli import policies, proposal_outcome, proposals
from cockpit.cli.main import main
from cockpit.refusals import decision_of, of_gateway
from policies.decisions import Decision
from policies.errors import BadRequestError, DeniedError
from policies.ports import AdapterError, LedgerRefusedError, OutcomeUnknownError
from tests.unit.cockpit.desk_stage import DeskStage
from tests.unit.policies.stage import (
    ADJUST,
    ADMIN,
    APPROVER,
    ASKER,
    EXECUTOR,
    MEMBER,
    NOTE,
    REASON,
    SECOND,
    WHY,
)

CREATE = (
    "proposals", "create", NOTE, "--rationale", WHY, "--owner", "uid_owner",
    "--input", "resourceCollection=batches", "--input", "resourceId=b1", "--input", "note=It is dry.",
)  # fmt: skip
SHOWN = {"id", "state", "capabilityId", "inputHash", "approvals", "executions", "audit"}


@pytest.fixture
def stage(monkeypatch):
    """A stage under the commands, with an instance that runs; ``at_look`` is done while one waits."""
    made = DeskStage(ASKER)
    made.at_look, made.slept = [], 0.0
    made.put_under(monkeypatch, proposals, proposal_outcome, policies)
    made.is_running = True

    def sleep(seconds):
        made.slept += seconds
        if made.at_look:
            made.at_look.pop(0)()

    time = SimpleNamespace(monotonic=lambda: made.slept, sleep=sleep)
    monkeypatch.setattr(proposal_outcome, "time", time)
    monkeypatch.setattr(proposal_outcome, "read_home", lambda home: home)
    monkeypatch.setattr(proposal_outcome, "running_instance", lambda _: "it" if made.is_running else None)
    return made


@pytest.fixture
def ask(stage, capsys):
    """Run a command as somebody; return its exit code and its one JSON object."""

    def asked(who, *arguments):
        stage.actor = who
        code = main([*arguments, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return asked


def test_a_proposal_is_made_shown_listed_edited_and_decided_on(stage, ask):
    """Every command shows the whole proposal as it is now."""
    code, made = ask(
        ASKER, *CREATE, "--draft", "--dedupe-key", "k", "--effect", "A note.", "--evidence", "a@b"
    )
    assert (code, made["state"], made["evidence"][0]["asset"]) == (0, "draft", "a")
    assert set(made) >= SHOWN
    id_ = made["id"]
    assert ask(ASKER, "proposals", "dry-run", id_)[1]["dryRun"]["summary"] == "Adds a note."
    assert ask(ASKER, "proposals", "submit", id_)[1]["state"] == "pending_approval"
    code, edited = ask(ASKER, "proposals", "edit", id_, "--input", "note=It is wet.")
    assert (edited["version"], edited["input"]["note"], edited["input"]["resourceId"]) == (
        2,
        "It is wet.",
        "b1",
    )
    assert ask(SECOND, "proposals", "reject", id_, "--reason", REASON)[1]["state"] == "rejected"
    assert ask(ADMIN, "proposals", "reopen", id_, "--reason", REASON)[1]["version"] == 3
    assert ask(APPROVER, "proposals", "approve", id_, "--reason", REASON)[1]["state"] == "approved"
    code, listed = ask(ASKER, "proposals", "list", "--state", "approved", "--capability", NOTE)
    assert [each["id"] for each in listed["proposals"]] == [id_]
    assert ask(ASKER, "proposals", "list", "--state", "draft") == (0, {"proposals": []})


def test_an_approval_binds_the_hash_that_was_seen(stage, ask):
    """Whole or its beginning; too little of it, or another, is denied and binds nothing."""
    seen = stage.propose()
    approve = ("proposals", "approve", seen.proposal_id, "--reason", REASON, "--input-hash")
    for given in (seen.input_hash[:11], "f" * 64, f"{seen.input_hash[:12]}x"):
        code, told = ask(APPROVER, *approve, given)
        assert (code, told["decision"]["code"]) == (1, "INPUT_CHANGED"), given
    assert ask(APPROVER, *approve, "")[0] == 2
    edited = stage.gateway.edit(ASKER, seen.proposal_id, version=1, rationale=f"{WHY} Or was it?")
    assert edited.input_hash == seen.input_hash
    code, told = ask(APPROVER, *approve, seen.input_hash, "--version", "1")
    assert (code, "version 2" in told["error"]) == (2, True), "other words, same hash"
    assert ask(APPROVER, *approve, seen.input_hash[:12])[1]["state"] == "approved"


def test_waiting_ends_with_the_execution(stage, ask):
    """Exit code 0 only if it is executed; done once, asked again it is still so."""
    wish = stage.approved()
    stage.at_look = [lambda: None, lambda: stage.execute(wish)]
    code, told = ask(ASKER, "proposals", "execute", wish.proposal_id)
    assert (code, told["state"], "decision" in told) == (0, "executed", False)
    assert stage.slept == 2 * proposal_outcome.LOOK_SECONDS
    assert ask(ASKER, "proposals", "execute", wish.proposal_id)[0] == 0


def test_waiting_ends_when_there_is_no_hope(stage, ask):
    """A kill switch thrown meanwhile is told at once, not after two minutes."""
    wish = stage.approved()
    stage.at_look = [lambda: stage.gateway.halt(APPROVER, REASON)]
    code, told = ask(ASKER, "proposals", "execute", wish.proposal_id)
    assert (code, told["state"], told["decision"]["code"]) == (1, "approved", "KILL_SWITCH_ON")
    assert stage.slept == proposal_outcome.LOOK_SECONDS


def test_waiting_ends_when_time_is_up_or_nothing_runs(stage, ask, capsys):
    """Then nothing stands in its way, and what does is told: time, or that nobody is there to do it."""
    wish = stage.approved()
    code, told = ask(ASKER, "proposals", "execute", wish.proposal_id, "--wait", "3")
    assert (code, told["decision"]["isAllowed"], told["isInstanceRunning"]) == (1, True, True)
    assert stage.slept == 3
    stage.is_running = False
    code, told = ask(ASKER, "proposals", "execute", wish.proposal_id)
    assert (code, told["isInstanceRunning"], stage.slept) == (1, False, 3)
    assert main(["proposals", "execute", wish.proposal_id]) == 1
    assert "./studio up carries approved proposals out" in capsys.readouterr().out


def test_what_is_not_approved_is_not_waited_for(stage, ask, capsys):
    wish = stage.propose()
    assert ask(ASKER, "proposals", "execute", wish.proposal_id)[1]["decision"]["code"] == "NOT_APPROVED"
    assert stage.slept == 0
    assert main(["proposals", "execute", wish.proposal_id]) == 1
    assert "Not executed: It still waits for approval. (NOT_APPROVED)" in capsys.readouterr().out


def test_a_rollback_is_approved_and_waited_for(stage, ask):
    done = stage.executed()
    rollback = ("proposals", "rollback", done.proposal_id, "--reason", REASON)
    stage.at_look = [lambda: stage.gateway.rollback(EXECUTOR, done.proposal_id, executor_id="run-2")]
    code, told = ask(APPROVER, *rollback)
    assert (code, told["state"]) == (0, "rolled_back")
    assert ask(APPROVER, *rollback)[1]["decision"]["code"] == "ALREADY_ROLLED_BACK"


def test_waiting_for_a_rollback_ends_when_the_attempt_has_failed(stage, ask, capsys):
    """It says why the attempt failed and what to do; asked for once more it is tried and waited for again."""
    done = stage.executed()
    rollback = ("proposals", "rollback", done.proposal_id, "--reason", REASON)

    def attempt(error):
        stage.target.error_before = error
        stage.gateway.rollback(EXECUTOR, done.proposal_id, executor_id="run-2")

    refusal = AdapterError("The note is gone.", code="NOT_FOUND", is_certain=True)
    stage.at_look = [lambda: attempt(refusal)]
    stage.actor = APPROVER
    assert main([*rollback]) == 1
    said = capsys.readouterr().out
    assert "Not rolled back: The note is gone. (NOT_FOUND) Nobody tries again unless" in said
    assert stage.slept == proposal_outcome.LOOK_SECONDS
    stage.clock.move(minutes=1)
    stage.at_look = [lambda: attempt(None)]
    code, told = ask(APPROVER, *rollback)
    assert (code, told["state"]) == (0, "rolled_back")


def test_who_asks_to_resume_is_not_said_to_have_halted(stage, ask, capsys):
    ask(ASKER, "kill-switch", "on", "--reason", "Smoke in the kiln room.")
    assert main(["kill-switch", "status"]) == 1
    assert "  set by uid_asker, 21 November 2026, 08:00: Smoke in" in capsys.readouterr().out
    ask(APPROVER, "kill-switch", "off", "--reason", "Smoke has cleared.")
    assert main(["kill-switch", "status"]) == 1
    shown = capsys.readouterr().out
    assert "  resuming asked for by uid_approver, 21 November 2026, 08:00: Smoke has cleared." in shown
    assert "set by" not in shown


def test_a_word_stops_everything(stage, ask):
    """Whoever halts has no time for sentences."""
    assert ask(ASKER, "kill-switch", "on", "--reason", "no")[1]["decision"]["code"] == "RATIONALE_TOO_SHORT"
    assert ask(ASKER, "kill-switch", "on", "--reason", "gas")[1]["switch"] == "on"


def test_a_screened_proposal_is_let_go_on_with_a_known_reason(stage, ask):
    """A code that is not one of the known ones is a misspelt command."""
    wish = stage.propose(rationale="The brass knuckles glaze is dry on the shelf.")
    assert wish.is_intake_blocked
    override = ("proposals", "override-intake", wish.proposal_id, "--reason", REASON, "--code")
    assert ask(APPROVER, *override, "BECAUSE")[0] == 2
    code, told = ask(APPROVER, *override, "false_positive")
    assert (code, told["intake"]["isBlocked"]) == (0, False)


def test_a_stranger_is_denied_with_a_trace_and_sees_nothing(stage, ask):
    """The denial says why and nothing of the proposal; what is only shown is not there for them."""
    wish = stage.propose()
    for verb in ("approve", "reject", "edit", "submit", "dry-run", "rollback", "reopen"):
        reason = [] if verb in {"edit", "submit", "dry-run"} else ["--reason", REASON]
        reason += ["--rationale", WHY] if verb == "edit" else []
        before = len(stage.names())
        code, told = ask(MEMBER, "proposals", verb, wish.proposal_id, *reason)
        assert (code, stage.names()[before:]) == (1, ["denied"]), verb
        assert "Kiln shelf" not in json.dumps(told)
    for verb in ("show", "execute"):
        assert ask(MEMBER, "proposals", verb, wish.proposal_id)[0] == 1
    assert ask(MEMBER, "proposals", "list") == (0, {"proposals": []})


def test_the_kill_switch_takes_one_person_on_and_two_off(stage, ask):
    """Exit code 0 of ``on``: it is on; of ``off`` and ``status``: writing goes on."""
    assert ask(ASKER, "kill-switch", "status")[0] == 0
    code, told = ask(ASKER, "kill-switch", "on", "--reason", REASON)
    assert (code, told["switch"]) == (0, "on")
    assert ask(ASKER, "kill-switch", "status")[0] == 1
    off = ("kill-switch", "off", "--reason", REASON)
    code, told = ask(APPROVER, *off)
    assert (code, told["resumeRequestedBy"]) == (1, "uid_approver")
    assert ask(APPROVER, *off)[1]["decision"]["code"] == "SELF_APPROVAL"
    code, told = ask(SECOND, *off)
    assert (code, told["switch"]) == (0, "off")
    assert ask(MEMBER, "kill-switch", "status")[0] == 1


def test_exemptions_are_given_shown_and_ended(stage, ask, capsys):
    grant = ("exemptions", "grant", NOTE, "--justification", "Glaze tests all week.", "--seconds", "60")
    code, given = ask(ADMIN, *grant)
    assert (code, given["expiresAt"]) == (0, "2026-11-21T15:01:00Z")
    assert main(["exemptions", "list"]) == 0
    assert "for anybody  until 21 November 2026, 08:01" in capsys.readouterr().out
    assert ask(ADMIN, "exemptions", "revoke", given["id"], "--reason", REASON)[1]["ended"] == "revoked"
    assert ask(ASKER, "exemptions", "list")[1]["exemptions"][0]["ended"] == "revoked"
    assert ask(ADMIN, "exemptions", "revoke", "exm_nothing", "--reason", REASON)[0] == 2


def test_quotas_are_shown_and_set_back(stage, ask, capsys):
    stage.executed()
    _, told = ask(ASKER, "quotas", "list")
    assert {use["scope"]: use["used"] for use in told["uses"]} == {"actor": 1, "capability": 1, "owner": 1}
    assert ADJUST in {limit["capabilityId"] for limit in told["limits"]}
    reset = ("quotas", "reset", NOTE, "capability", "*", "--reason", REASON)
    assert ask(APPROVER, *reset)[0] == 1
    assert ask(ADMIN, *reset)[1]["used"] == 0
    assert main(["quotas", "list"]) == 0
    out = capsys.readouterr().out
    assert f"used: {NOTE} owner uid_owner: 1 of 20" in out
    assert f"used: {NOTE} capability *" not in out


DENIAL = Decision(False, "QUOTA_EXCEEDED", "quota-left", "8 of 8 are used.", 40)


@pytest.mark.parametrize(
    ("error", "words", "code"),
    [
        (DeniedError(DENIAL), "Denied: 8 of 8 are used. (QUOTA_EXCEEDED)", 1),
        (BadRequestError(["The note is too long."]), "Nothing was stored.", 2),
        (LedgerRefusedError("Somebody was first.", code="STATE_CHANGED"), "Nothing was changed.", 1),
        (OutcomeUnknownError("The answer was lost."), "The answer was lost.", 3),
    ],
)
def test_every_refusal_has_words_a_remedy_and_an_exit_code(error, words, code):
    what, remedy, exit_code = of_gateway(error)
    assert words in what
    assert remedy
    assert exit_code == code


def test_a_denial_tells_programs_the_reason_and_when_to_try_again():
    assert decision_of(DeniedError(DENIAL)) == {
        "code": "QUOTA_EXCEEDED",
        "rule": "quota-left",
        "sentence": "8 of 8 are used.",
        "retryAfterSeconds": 40,
    }
    assert "40 s" in of_gateway(DeniedError(DENIAL))[1]
    assert decision_of(ValueError()) == {}
    assert of_gateway(ValueError()) is None
