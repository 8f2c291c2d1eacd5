"""``studio audit``: every command on a real log, for staff only, with the promised JSON and exit codes."""

import json
from contextlib import contextmanager

import pytest

from cockpit.cli import audit as commands
from cockpit.cli.main import main
from cockpit.desk import Desk
from policies.actors import Actor, ActorKind
from resources.settings import load_settings
from tests.integration.audit.conftest import STUDIO

STAFF = Actor(ActorKind.STAFF, "uid-staff", STUDIO, frozenset({"staff"}))
MEMBER = Actor(ActorKind.HUMAN, "uid-member", STUDIO)


@pytest.fixture
def studio(log, tmp_path, monkeypatch, capsys):
    """Return a function that runs ``studio audit ...`` on the log and returns exit code and JSON."""
    settings = load_settings({"STUDIO_HOME": str(tmp_path / "home")})
    acting = {"as": STAFF}

    @contextmanager
    def open_desk(_, actor):
        yield Desk(None, None, log, settings, actor)

    monkeypatch.setattr(commands, "open_desk", open_desk)
    monkeypatch.setattr("cockpit.cli.identity_option.actor_here", lambda *_: acting["as"])

    def run(*words, actor=STAFF, is_json=True):
        acting["as"] = actor
        code = main(["audit", *words, *(["--json"] if is_json else [])])
        out = capsys.readouterr()
        return code, json.loads(out.out) if is_json and out.out else out.out + out.err

    return run


def test_verify(studio, append, tamper):
    """A good log exits 0; a bad one exits 1 and names the first bad entry and what was done."""
    append(6)
    code, told = studio("verify")
    assert code == 0
    assert {name: told[name] for name in ("ok", "entries", "checkpoints", "first_bad")} == {
        "ok": True,
        "entries": 6,
        "checkpoints": 0,
        "first_bad": None,
    }
    assert studio("checkpoint")[0] == 0
    code, told = studio("verify")
    assert (code, told["entries"], told["checkpoints"]) == (0, 7, 1)
    tamper("UPDATE studio.audit_events SET state = 'approved' WHERE seq = 4")
    code, told = studio("verify")
    assert (code, told["ok"], told["first_bad"]) == (1, False, {"seq": 4, "kind": "edit"})
    assert "ENTRY 4 IS BAD (edit)" in studio("verify", is_json=False)[1]
    code, told = studio("checkpoint")
    assert code == 1


def test_verify_after_the_destinations_lost_something(studio, append, tmp_path):
    """A checkpoint that is missing at one place makes the log not ok, though every entry is good."""
    append(2)
    studio("checkpoint")
    append(2)
    studio("checkpoint")
    lost = min((tmp_path / "home" / "checkpoints" / STUDIO).glob("*.checkpoint"))
    lost.unlink()
    code, told = studio("verify")
    assert (code, told["ok"], told["first_bad"], len(told["problems"])) == (1, False, None, 1)


def test_verify_without_the_key(studio, append, tmp_path):
    """Checkpoints that nobody can check any more are a problem, not a pass."""
    append(2)
    studio("checkpoint")
    (tmp_path / "home" / "secrets" / "audit-signing.pub").unlink()
    code, told = studio("verify")
    assert (code, told["ok"]) == (1, False)
    assert "public key is gone" in told["problems"][0]


def test_looking(studio, append):
    """Entries are listed, searched and shown whole; words and hashes as they are kept."""
    append(5)
    assert [entry["seq"] for entry in studio("tail", "--limit", "2")[1]["entries"]] == [4, 5]
    found = studio("search", "--name", "proposal:*", "--subject", "prp 3 tab\tand\nline")[1]["entries"]
    assert [entry["seq"] for entry in found] == [3]
    code, told = studio("show", "3")
    assert (code, told["agrees"], told["payload"]["details"]["words"]) == (0, True, "tab\tand\nline")
    assert studio("show", "99")[0] == 1
    assert studio("search", "--since", "yesterday")[0] == 2
    assert "proposal:firestore" in studio("tail", is_json=False)[1]


def test_prove(studio, append):
    """An entry is proved under the newest checkpoint; one that none covers yet is refused."""
    append(5)
    assert studio("prove", "3")[0] == 1
    studio("checkpoint")
    code, told = studio("prove", "3")
    assert (code, told["ok"], told["seq"], told["size"]) == (0, True, 3, 5)
    assert "is under the checkpoint of 5 entries" in studio("prove", "3", is_json=False)[1]


def test_export(studio, append, tmp_path):
    """Export signs and writes a bundle; a directory that exists is left alone."""
    append(5)
    code, told = studio("export", "--out", str(tmp_path / "bundle"))
    assert (code, told["entries"], told["redacted"]) == (0, 5, 0)
    assert (tmp_path / "bundle" / "manifest.json").exists()
    assert studio("export", "--out", str(tmp_path / "bundle"))[0] == 1


def test_an_empty_log(studio, tmp_path):
    """An empty log is good, and there is nothing to sign or export."""
    assert studio("verify")[1]["entries"] == 0
    assert studio("checkpoint")[0] == 1
    assert studio("export", "--out", str(tmp_path / "bundle"))[0] != 0


@pytest.mark.parametrize(
    "words", [["verify"], ["tail"], ["show", "1"], ["search"], ["checkpoint"], ["prove", "1"]]
)
def test_members_see_nothing(studio, append, words):
    """Whoever is not staff is shown nothing."""
    append(1)
    code, told = studio(*words, actor=MEMBER)
    assert code == 1
    assert "entries" not in told
