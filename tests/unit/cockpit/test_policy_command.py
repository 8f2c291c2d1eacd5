"""Promises of ``studio policy``: it shows and lints the registry, explains decisions, and changes nothing."""

import json
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from cockpit.cli import policy
from cockpit.cli.main import main
from policies.actors import Actor, ActorKind
from policies.decide import decide
from policies.decisions import Facts, Operation, Switch, SwitchState
from policies.registry import REGISTRY_FILE, default_registry, registry_version
from tests.unit.policies.decision_cases import NOW

STAFF = Actor(ActorKind.STAFF, "u_staff", "monsoonfire", frozenset({"staff"}))
MEMBER = Actor(ActorKind.HUMAN, "u_member", "monsoonfire")
NOTE = "firestore.ops_note.append"


class FakeGateway:
    """Decides by the real rules on facts without a proposal, and remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def explain(self, actor, operation, capability_id, proposal_id=None):
        self.asked.append((actor, operation, capability_id, proposal_id))
        facts = Facts(
            now=NOW,
            studio_id="monsoonfire",
            switch=SwitchState(Switch.OFF, 1),
            is_write_enabled=True,
            rationale="0123456789",
            owner_id="m_1",
        )
        return decide(operation, actor, default_registry().get(capability_id), facts)


@pytest.fixture
def desk(monkeypatch):
    """A desk with a fake gateway; ``desk.actor`` is who the token would speak for."""
    gateway = FakeGateway()
    found = SimpleNamespace(proposal_id="prp_1", capability_id=NOTE)
    desk = SimpleNamespace(gateway=gateway, proposal=lambda _: found, actor=STAFF)

    @contextmanager
    def opened(home, actor):
        yield desk

    monkeypatch.setattr(policy, "open_desk", opened)
    monkeypatch.setattr("cockpit.cli.identity_option.actor_here", lambda *_: desk.actor)
    return desk


def told(capsys, *arguments):
    code = main(["policy", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_show_lists_every_capability(capsys):
    """All eleven, with the registry's version; needs no identity and no running instance."""
    code, shown = told(capsys, "show")
    assert code == 0
    assert [one["capability_id"] for one in shown["capabilities"]] == list(default_registry())
    assert shown["version"] == registry_version(default_registry())


def test_show_one(capsys):
    """One capability is shown whole, as data or as lines."""
    code, shown = told(capsys, "show", NOTE)
    assert (code, shown["capability_id"], shown["approvals_required"]) == (0, NOTE, 1)
    assert main(["policy", "show", NOTE]) == 0
    assert "Studio Ops" in capsys.readouterr().out


def test_show_unknown_says_so(capsys):
    """An unknown capability is a plain no."""
    code, shown = told(capsys, "show", "no.such.thing")
    assert code == 1
    assert "no such capability" in shown["error"]


def test_lint_of_the_shipped_registry(capsys):
    """The shipped registry has no violation, and its covering tests exist."""
    assert told(capsys, "lint") == (0, {"violations": []})


def test_lint_of_another_file(capsys, tmp_path):
    """A violation is named with its rule, and the exit code says that what was asked does not hold."""
    path = tmp_path / "registry.yaml"
    text = REGISTRY_FILE.read_text(encoding="utf-8").replace(
        "approvals_required: 2", "approvals_required: 1", 1
    )
    path.write_text(text, encoding="utf-8")
    code, shown = told(capsys, "lint", "--file", str(path))
    assert code == 1
    assert [(one["subject"], one["rule"]) for one in shown["violations"]] == [
        ("firestore.batch.close", "QUORUM_TOO_SMALL")
    ]


def test_explain_names_rule_and_questions(capsys, desk):
    """The answer comes with its code, rule, sentence and everything that was asked, in order."""
    code, shown = told(capsys, "explain", "--capability", NOTE, "--operation", "propose")
    assert code == 0
    assert (shown["isAllowed"], shown["code"], shown["actor"]["id"]) == (True, "ALLOWED", "u_staff")
    assert shown["asked"]
    code, shown = told(capsys, "explain", "--capability", "no.such", "--operation", "propose")
    assert (code, shown["code"], shown["rule"]) == (0, "CAPABILITY_UNKNOWN", "capability-known")


def test_explain_reading(capsys, desk):
    """A read is explained without a proposal: yes for what only reads, no for what changes something."""
    code, shown = told(capsys, "explain", "--capability", "hubitat.devices.read", "--operation", "read")
    assert (code, shown["isAllowed"], shown["actor"]["id"]) == (0, True, "u_staff")
    assert len(shown["asked"]) == 2
    _, shown = told(capsys, "explain", "--capability", NOTE, "--operation", "read")
    assert (shown["code"], shown["rule"]) == ("NOT_A_READ", "only-reads")


def test_explain_execution_asks_for_the_executor(capsys, desk):
    """Whether something would be executed is a question about the execution run, not about who asks."""
    told(capsys, "explain", "--proposal", "prp_1")
    asked, operation, capability_id, proposal_id = desk.gateway.asked[0]
    assert (asked.actor_id, operation) == ("system:executor", Operation.EXECUTE)
    assert (capability_id, proposal_id) == (NOTE, "prp_1")


@pytest.mark.parametrize(
    ("given", "actor"),
    [
        (
            "staff:u_9:approver",
            Actor(ActorKind.STAFF, "u_9", "monsoonfire", frozenset({"staff", "approver"})),
        ),
        ("human:u_9:admin", Actor(ActorKind.HUMAN, "u_9", "monsoonfire", frozenset({"admin"}))),
        ("agent:c_1@u_9:agent", Actor(ActorKind.AGENT, "c_1", "monsoonfire", frozenset({"agent"}), "u_9")),
        ("system:system:executor", Actor(ActorKind.SYSTEM, "system:executor", "monsoonfire")),
    ],
)
def test_explain_for_somebody_else(capsys, desk, given, actor):
    """Staff may ask about any actor; the studio stays their own."""
    told(capsys, "explain", "--capability", NOTE, "--operation", "propose", "--actor", given)
    assert desk.gateway.asked[0][0] == actor


@pytest.mark.parametrize("given", ["robot:x", "staff:", "staff", "staff:u:janitor", ""])
def test_explain_refuses_a_malformed_actor(capsys, desk, given):
    """A malformed actor is told, with what is possible."""
    code, shown = told(capsys, "explain", "--capability", NOTE, "--actor", given)
    assert code != 0
    assert "--actor is" in shown["error"]
    assert desk.gateway.asked == []


def test_only_staff_ask_about_others(capsys, desk):
    """A member learns nothing about what others may do."""
    desk.actor = MEMBER
    code, shown = told(capsys, "explain", "--capability", NOTE, "--actor", "staff:u_9")
    assert (code, desk.gateway.asked) == (1, [])
    assert "Only staff" in shown["error"]


def test_explain_wants_a_subject(capsys, desk):
    """Neither capability nor proposal: nothing to explain."""
    code, shown = told(capsys, "explain")
    assert code != 0
    assert "Explain what" in shown["error"]


def test_explain_asks_of_a_capability_whether_it_may_be_proposed(capsys, desk):
    """There is no proposal yet that could be executed."""
    assert told(capsys, "explain", "--capability", NOTE)[1]["operation"] == "propose"


def test_explain_in_words(capsys, desk):
    """Without --json the answer begins with yes or no and a sentence."""
    assert main(["policy", "explain", "--capability", NOTE, "--operation", "halt"]) == 0
    assert capsys.readouterr().out.startswith("Yes: Every rule allows it.")
