"""``findings`` and ``swarms`` on a real ledger: what they show is so, and only staff have a word."""

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cockpit.cli import findings, swarms
from cockpit.cli.main import main
from cockpit.desk import Desk
from policies.actors import Actor, ActorKind
from resources.findings import Severity
from resources.postgres.audit_log import AuditLog
from resources.postgres.engine import app_engine
from sensors.swarms.spec import SWARMS, QuietHours
from tests.integration.governance.governed import ANA, STUDIO
from tests.integration.governance.test_swarms import ALWAYS, Swarm, missing, stalled

pytestmark = pytest.mark.integration
MEMBER = Actor(ActorKind.HUMAN, "member-1", STUDIO)


@pytest.fixture
def swarm(governed):
    made = Swarm(governed)
    made.find(stalled(1), stalled(2, severity=Severity.HIGH))
    made.find(missing(), detector="reconciliation", department="finance")
    yield made
    made.close()


@pytest.fixture
def ask(swarm, monkeypatch, capsys):
    """Run a command as somebody; return its exit code and its one JSON object."""
    engine = app_engine(swarm.governed.url, STUDIO)
    who = {"actor": ANA}

    @contextmanager
    def opened(home, actor):
        governed = swarm.governed
        yield Desk(governed.gateway, governed.ledger, AuditLog(engine, STUDIO), governed.settings, actor)

    for module in (findings, swarms):
        monkeypatch.setattr(module, "open_desk", opened)
    monkeypatch.setattr("cockpit.cli.identity_option.actor_here", lambda *_: who["actor"])
    monkeypatch.setattr("cockpit.cli.identity_option.settings_of", lambda _: None)

    def run(*arguments, actor=ANA, is_json=True):
        who["actor"] = actor
        code = main([*arguments, *(["--json"] if is_json else [])])
        out = capsys.readouterr().out
        return code, json.loads(out) if is_json else out

    yield run
    engine.dispose()


def test_findings_are_listed_the_worst_first_and_shown_whole(ask):
    code, told = ask("findings", "list")
    assert (code, told["open"]) == (0, 3)
    assert [each["severity"] for each in told["findings"]] == ["high", "high", "medium"]
    _, told = ask("findings", "list", "--department", "finance")
    (each,) = told["findings"]
    assert (each["expectedCents"], each["observedCents"], each["currency"]) == (1250, 1000, "usd")
    code, shown = ask("findings", "show", each["id"][-8:])
    assert (code, shown["id"], len(shown["revisions"]), shown["marks"]) == (0, each["id"], 1, [])
    code, words = ask("findings", "show", each["id"], is_json=False)
    assert code == 0
    assert "Expected: 12.50 USD. Observed: 10.00 USD." in words
    assert ask("findings", "show", "fnd_nothing")[0] == 1


def test_a_mark_is_kept_shown_and_counted(ask, swarm):
    finding_id = stalled(1).finding_id
    code, told = ask("findings", "mark", finding_id, "noise", "--reason", "It waits for its owner.")
    assert (code, told["verdict"], told["revision"], told["by"]) == (0, "noise", 1, "ana")
    assert ask("findings", "mark", finding_id, "noise", "--reason", "no")[0] == 1
    assert ask("findings", "mark", finding_id, "wrong", "--reason", "Too early.", "--revision", "2")[0] == 1
    _, shown = ask("findings", "show", finding_id)
    assert [(each["verdict"], each["reason"]) for each in shown["marks"]] == [
        ("noise", "It waits for its owner.")
    ]
    _, listed = ask("swarms", "list")
    (rate,) = listed["acceptance"]
    assert (rate["kind"], rate["marked"], rate["noise"], rate["acceptanceRate"]) == ("stalled_batch", 1, 1, 0)
    assert "0 of 1 marked useful" in ask("swarms", "list", is_json=False)[1]


def test_a_pause_is_given_shown_and_ended(ask, swarm):
    assert ask("swarms", "pause", "gardening", "--reason", "There is no garden.")[0] == 2
    code, told = ask("swarms", "pause", "operations", "--reason", "The rules are being mended.")
    assert (code, told["kind"]) == (0, "paused")
    assert ask("swarms", "pause", "operations", "--reason", "The rules are being mended.")[0] == 1
    assert swarm.tick().emitted == []
    _, listed = ask("swarms", "list")
    states = {each["department"]: each["state"] for each in listed["swarms"]}
    assert states.pop("operations") == "paused"
    assert states == dict.fromkeys(("finance", "marketing", "trust_safety"), "running")
    assert ask("swarms", "resume", "operations", "--reason", "The rules are mended.")[0] == 0
    assert len(swarm.tick().emitted) == 2
    operations = ask("swarms", "list")[1]["swarms"][0]
    assert (operations["state"], operations["proposedLastDay"]) == ("running", 2)
    assert operations["lastEmittedAt"] is not None


def test_what_holds_a_swarm_now_is_listed(ask, swarm, monkeypatch):
    """At two in the morning, too: each line says why nothing is proposed, and until when."""
    until = (datetime.now(ZoneInfo("America/Phoenix")) + timedelta(hours=2)).replace(
        minute=0, second=0, microsecond=0
    )
    quiet = QuietHours((until - timedelta(hours=4)).time(), until.time())
    asleep, awake = replace(SWARMS[1], quiet_hours=quiet), replace(SWARMS[0], quiet_hours=ALWAYS)
    monkeypatch.setattr(swarms, "SWARMS", (awake, asleep))
    held = [each["held"] for each in ask("swarms", "list")[1]["swarms"]]
    assert (held[0], held[1]["why"]) == (None, "quiet_hours")
    assert datetime.fromisoformat(held[1]["until"]) == until
    lines = ask("swarms", "list", is_json=False)[1].splitlines()
    assert "HELD" not in lines[0]
    assert f"HELD: Quiet hours, {quiet.begins:%H:%M} to {until:%H:%M} studio time." in lines[1]
    swarm.governed.gateway.halt(ANA, "Something smells of smoke.")
    lines = ask("swarms", "list", is_json=False)[1].splitlines()[:2]
    assert all("HELD: The kill switch is on" in line for line in lines)
    reason = "Too much at once. \x1b[2J" + "x" * 5000
    assert ask("swarms", "pause", "operations", "--reason", reason)[0] == 0
    told = ask("swarms", "list", is_json=False)[1].splitlines()[0]
    assert ("PAUSED by ana: Too much at once. \\x1b[2J" in told, len(told) < 500) == (True, True)


def test_whoever_is_no_staff_learns_nothing_of_what_was_found(ask):
    """Neither that there is such a finding, nor that there is none; and the no is in the audit."""
    told = [
        ask("findings", "mark", id_, "useful", "--reason", "It was looked at.", actor=MEMBER)
        for id_ in (stalled(1).finding_id, "fnd_", "fnd_nothing")
    ]
    assert told[0] == told[1] == told[2]
    assert told[0][1]["decision"]["code"] == "STAFF_REQUIRED"


def test_a_department_nobody_knows_is_not_a_calm_one(ask):
    code, told = ask("findings", "list", "--department", "operation")
    assert (code, "There are: operations, finance" in told["error"]) == (2, True)
    assert ask("findings", "list", "--department", "marketing", is_json=False) == (
        0,
        "Nothing of that is open.\n",
    )


def test_a_person_turns_a_flag_into_a_proposal_once(ask, swarm):
    """Also one that the swarm has drafted; who is no staff cannot, and what nothing mends is not proposed."""
    flag = missing().finding_id
    assert ask("findings", "propose", flag, actor=MEMBER)[0] == 1
    code, told = ask("findings", "propose", flag, "--rationale", "Read the receipt, it is so.")
    assert (code, told["capabilityId"], told["state"]) == (0, missing().capability_id, "pending_approval")
    assert (told["input"]["flagId"], told["input"]["adjustmentCents"]) == (flag, -250)
    assert [link["findingId"] for link in told["evidence"]] == [flag]
    assert ask("findings", "propose", flag)[1]["id"] == told["id"]
    swarm.find(stalled(1, capability_id=None))
    code, words = ask("findings", "propose", stalled(1).finding_id, is_json=False)
    assert (code, words) == (1, "")


def test_who_is_no_staff_sees_nothing_and_changes_nothing(ask, swarm):
    finding_id = stalled(1).finding_id
    swarm_actor = replace(MEMBER, kind=ActorKind.SYSTEM, actor_id="system:swarm_operations")
    for actor in (MEMBER, swarm_actor):
        for command in (
            ("findings", "list"),
            ("findings", "show", finding_id),
            ("findings", "mark", finding_id, "useful", "--reason", "It was looked at."),
            ("swarms", "list"),
            ("swarms", "pause", "operations", "--reason", "It was looked at."),
        ):
            assert ask(*command, actor=actor)[0] == 1
    assert swarm.swarms.marks(finding_id) == []
    assert swarm.swarms.controls() == {}
