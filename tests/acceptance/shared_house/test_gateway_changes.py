"""Every change of a proposal, every answer of the commands, and what auditors and engineers see of both."""

import subprocess
import sys

import pytest

from tests.acceptance.governed import ADJUST, NOTE, REASON
from tests.acceptance.house import CHECKOUT

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


# What changes something, who may, who may not and why, and the one event it leaves. ``before`` are commands
# that lead there; {id} is the proposal's. Nothing of it is carried out: the capability is proposal-only.
CHANGES = {
    "submit": (["draft"], "ada", "ben", "NOT_REQUESTER", "submitted"),
    "edit": ([], "ada", "ben", "NOT_REQUESTER", "edited"),
    "approve": ([], "ben", "ada", "ROLE_MISSING", "approval_given approved"),
    "reject": ([], "ben", "ada", "ROLE_MISSING", "rejected"),
    "reopen": (["reject"], "dana", "ben", "ROLE_MISSING", "reopened"),
    "override-intake": (["weapons"], "ben", "ada", "ROLE_MISSING", "intake_overridden"),
}


WORDS = {
    "submit": [],
    "edit": ["--version", "1", "--input", "memo=Paid twice in June."],
    "approve": ["--reason", REASON],
    "reject": ["--reason", "The books say otherwise."],
    "reopen": ["--reason", "The books were wrong."],
    "override-intake": ["--code", "false_positive", "--reason", "It is the name of a glaze."],
}


@pytest.mark.parametrize("verb", CHANGES)
def test_every_change_is_for_some_happens_once_and_leaves_its_event(studio, verb):
    """Denied to others with a reason; works; repeated it changes nothing; one event, no more."""
    before, who, other, reason, events = CHANGES[verb]
    fields = {"memo": "Brass knuckles glaze, paid twice."} if "weapons" in before else {}
    wish = studio.create("ada", ADJUST, is_draft="draft" in before, **fields)
    if "reject" in before:
        studio.do("ben", "proposals", "reject", wish["id"], *WORDS["reject"])
    command = ("proposals", verb, wish["id"], *WORDS[verb])
    head = studio.head()
    assert studio.denied(other, *command) == reason
    assert studio.entries_since(head) == [f"policy:{ADJUST}:denied"]

    head = studio.head()
    changed = studio.do(who, *command)
    assert studio.entries_since(head) == [f"proposal:{ADJUST}:{event}" for event in events.split()]

    head = studio.head()
    code, told = studio.ask(who, *command)
    assert code == (2 if verb == "edit" else 1), told
    kept = studio.proposal(wish["id"])
    assert {**kept, "audit": []} == {**changed, "audit": []}
    assert set(studio.entries_since(head)) <= {f"policy:{ADJUST}:denied"}
    studio.is_audit_good()


def test_every_answer_is_one_object_of_a_known_shape(studio):
    """What other programs rely on; more keys are welcome."""
    wish = studio.create("ada", ADJUST)
    shapes = {
        ("proposals", "show", wish["id"]): {
            "id", "state", "capabilityId", "inputHash", "approvals", "executions", "audit",
        },
        ("proposals", "list", "--limit", "3"): {"proposals"},
        ("audit", "verify"): {"ok", "entries", "checkpoints", "first_bad"},
        ("audit", "tail"): {"entries"},
        ("audit", "search", "--subject", wish["id"]): {"entries"},
        ("audit", "show", "1"): {"seq", "hash", "prevHash", "agrees"},
        ("kill-switch", "status"): {"switch", "revision", "by", "at", "reason", "inFlight"},
        ("exemptions", "list"): {"exemptions"},
        ("quotas", "list"): {"limits", "uses"},
        ("policy", "explain", "--capability", NOTE, "--operation", "propose"): {"isAllowed", "code", "rule"},
    }  # fmt: skip
    for command, keys in shapes.items():
        assert keys <= set(studio.do("ada", *command)), command
        plain = studio.run(*command, who="ada")
        assert (plain.code, plain.err) == (0, ""), command
        assert plain.out.strip()


def all_judged(studio):
    """Return the assets of governance by name; null while a check of one has no judgement."""
    told = studio.dagster(
        "{ assetNodes { assetKey { path } isObservable assetObservations(limit: 1) { timestamp }"
        " assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization {"
        " status evaluation { success } } } } } } }"
    )
    found = {
        "/".join(node["assetKey"]["path"][1:]): node
        for node in told["assetNodes"]
        if "governance" in node["assetKey"]["path"]
    }
    checks = [check for node in found.values() for check in node["assetChecksOrError"]["checks"]]
    judgements = [check["executionForLatestMaterialization"] for check in checks]
    return found if all(judgement and judgement["evaluation"] for judgement in judgements) else None


def test_dagster_shows_proposals_and_audit_log_with_their_checks(studio):
    """Both assets were observed, and every check of them was evaluated and holds."""
    studio.run_job("observe_governance_job")
    # The house looks at its log of its own accord, too: while it does, the newest judgement is still to come.
    found = studio.wait_for(lambda: all_judged(studio))
    assert all(node["isObservable"] and node["assetObservations"] for node in found.values())
    checks = [check for node in found.values() for check in node["assetChecksOrError"]["checks"]]
    assert set(found) == {"governance/proposals", "governance/audit_log"}
    assert {check["name"] for check in checks} >= {
        "executions_are_approved", "nobody_approves_their_own", "transitions_are_legal",
        "nothing_executes_while_halted", "audit_chain_is_intact", "nothing_is_overdue",
    }  # fmt: skip
    for check in checks:
        assert check["executionForLatestMaterialization"]["evaluation"]["success"], check


def test_an_exported_bundle_convinces_a_stranger_and_a_changed_one_does_not(studio, tmp_path):
    """The verifier shares no code with the product, and runs with any Python."""
    wish = studio.create("ada", ADJUST)
    studio.approve("ben", wish["id"])
    bundle = tmp_path / "bundle"
    told = studio.do("ada", "audit", "export", "--out", str(bundle))
    assert told["entries"] <= studio.is_audit_good()

    def verdict():
        return subprocess.run(
            [sys.executable, "-I", str(CHECKOUT / "verifier" / "verify_bundle.py"), str(bundle),
             "--key", told["publicKey"]],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    assert verdict().returncode == 0, verdict()
    events = next(path for path in bundle.iterdir() if "event" in path.name)
    events.write_text(events.read_text().replace("approver-ben", "approver-bob", 1))
    assert verdict().returncode == 1, verdict()
