"""The promise of the gateway, from outside: nothing is written without a yes, once, with a complete audit.

One pretend studio runs for the whole module. Proposals are independent of each other; what all share (the
kill switch, quotas, exemptions) is put back by the test that moves it. The last test restarts the house.

Over 400 lines because starting a house costs half a minute and a module is what shares one.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import psutil
import pytest
from google.cloud.firestore_v1 import FieldFilter

from tests.acceptance.governed import ADJUST, CLOSE, MEMBER_AS_APPROVER, NOTE, REASON, WHY, Studio
from tests.acceptance.house import CHECKOUT, House

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

NOTES, ACTIONS = "studioBrainPilotOpsNotes", "studioBrainPilotActions"


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """Give a running pretend studio that is always taken down, without a process left."""
    house = House(tmp_path_factory.mktemp("gateway") / "a home")
    made = Studio(house)
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("STUDIO_") or name == "FIRESTORE_EMULATOR_HOST":
                patch.delenv(name)
        house.start("--days", "1")
        house.wait_until(lambda told: told["ready"] and told["parts"]["daemon"]["phase"] == "ready")
        made.tokens["once"] = made.run("token", "--role", "staff", "--seconds", "1").out.strip()
        yield made
        with contextlib.suppress(subprocess.TimeoutExpired):
            house.stop()
    left = house.processes()
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    assert not left, f"left behind: {left}"


def names(proposal):
    return [entry["name"].rpartition(":")[2] for entry in proposal["audit"]]


def test_a_note_goes_from_draft_to_the_cloud_and_back(studio):
    """The whole life: draft, dry run, submitted, denied to staff, approved, run, in Firestore, undone."""
    draft = studio.create("ada", note="The celadon crawled on the top shelf.", is_draft=True)
    looked = studio.do("ada", "proposals", "dry-run", draft["id"])
    assert [write["operation"] for write in looked["dryRun"]["writes"]] == ["create", "create"]
    paths = [write["path"] for write in looked["dryRun"]["writes"]]
    assert [studio.document(path) for path in paths] == [None, None], "a dry run writes nothing"

    assert studio.do("ada", "proposals", "submit", draft["id"])["state"] == "pending_approval"
    assert studio.denied("ada", "proposals", "approve", draft["id"], "--reason", REASON) == "ROLE_MISSING"
    assert studio.approve("ben", draft["id"])["state"] == "approved"
    done = studio.executed(draft["id"])
    assert done["state"] == "executed"

    (run,) = studio.runs_of(draft["id"])
    studio.wait_for(lambda: studio.runs_of(draft["id"])[0]["status"] == "SUCCESS")
    (execution,) = done["executions"]
    assert (execution["executor"], execution["state"]) == (run["runId"], "succeeded")
    note = studio.document(f"{NOTES}/{execution['pointer']['docId']}")
    assert note["note"] == "The celadon crawled on the top shelf."
    assert (note["ownerUid"], note["rolledBackAt"]) == (studio.member, None)
    action = studio.document(f"{ACTIONS}/{execution['pointer']['actionId']}")
    assert (action["approvedBy"], action["idempotencyKey"]) == ("approver-ben", execution["idempotencyKey"])
    studio.is_audit_good()

    before = studio.head()
    assert studio.executed(draft["id"])["executions"] == done["executions"], "asked again, nothing happens"
    assert studio.entries_since(before) == []
    assert studio.denied("ben", "proposals", "approve", draft["id"], "--reason", REASON) == "ALREADY_EXECUTED"

    rollback = ("proposals", "rollback", draft["id"], "--reason", "It was about another batch.")
    assert studio.denied("ada", *rollback) == "ROLE_MISSING"
    undone = studio.do("ben", *rollback, "--wait", "150")
    assert undone["state"] == "rolled_back"
    assert [run["status"] for run in studio.runs_of(draft["id"], "rollback")] in (["SUCCESS"], ["STARTED"])
    after = studio.document(f"{NOTES}/{execution['pointer']['docId']}")
    assert after["rolledBackAt"] is not None
    assert {**after, "rolledBackAt": None, "rollbackReason": None} == note, "nothing else of it changed"
    assert studio.document(f"{ACTIONS}/{execution['pointer']['actionId']}")["rollbackState"] != "active"
    assert studio.denied("ben", *rollback) == "ALREADY_ROLLED_BACK"
    assert [each for each in names(studio.proposal(draft["id"])) if each != "denied"] == [
        "created", "dry_run", "submitted", "approval_given", "approved", "executing", "executed",
        "rollback_requested", "rolling_back", "rolled_back",
    ]  # fmt: skip
    studio.is_audit_good()


def test_no_environment_holds_the_writing_credential_and_only_one_part_knows_its_file(studio):
    """The value lies in one private file; of the parts, only the code server is told where."""
    house = studio.house
    file = house.home / "run" / "twin-writer.json"
    assert file.stat().st_mode & 0o777 == 0o600
    token = json.loads(file.read_text())["twin_token"]
    told, seen = [], 0
    for process in house.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            environment, argv = process.environ(), " ".join(process.cmdline())
            seen += 1
            assert token not in " ".join(environment.values()) + argv
            if "STUDIO_WRITE_CREDENTIALS" in environment:
                told.append(argv)
    assert seen > 4
    assert [argv for argv in told if "dagster api grpc" in argv]
    for argv in told:
        assert not any(part in argv for part in ("cockpit.web", "dagster._daemon", "twins", "cockpit.work"))
    for log in (house.home / "logs").iterdir():
        assert token not in log.read_text(errors="replace")


def test_dagster_shows_proposals_and_audit_log_with_their_checks(studio):
    """Both assets were observed, and every check of them was evaluated and holds."""
    studio.run_job("observe_governance_job")

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
    assert all(node["isObservable"] and node["assetObservations"] for node in found.values())
    checks = [check for node in found.values() for check in node["assetChecksOrError"]["checks"]]
    assert set(found) == {"governance/proposals", "governance/audit_log"}
    assert {check["name"] for check in checks} >= {
        "executions_are_approved", "nobody_approves_their_own", "transitions_are_legal",
        "nothing_executes_while_halted", "audit_chain_is_intact", "nothing_is_overdue",
    }  # fmt: skip
    for check in checks:
        assert check["executionForLatestMaterialization"]["evaluation"]["success"], check


def test_closing_a_batch_takes_two_people_and_is_undone_to_the_previous_values(studio):
    """The document changes as the dry run said, and afterwards is as it was, field for field."""
    batch_id, _ = studio.batches[1]
    before = studio.document(f"batches/{batch_id}")
    wish = studio.create("ada", CLOSE, about=1, batchId=batch_id, closeReason="picked_up")
    look = studio.do("ada", "proposals", "dry-run", wish["id"])
    assert studio.approve("ben", wish["id"])["state"] == "pending_approval"
    assert studio.why_not(wish["id"]) == "NOT_APPROVED"
    again = ("proposals", "approve", wish["id"], "--reason", REASON)
    assert studio.denied("ben", *again) == "DUPLICATE_APPROVAL"
    assert studio.approve("cleo", wish["id"])["state"] == "approved"
    assert studio.executed(wish["id"])["state"] == "executed"

    closed = studio.document(f"batches/{batch_id}")
    assert closed["isClosed"] is True
    assert closed["closedAt"] is not None
    update = next(write for write in look["dryRun"]["writes"] if write["operation"] == "update")
    assert {name for name in closed if closed.get(name) != before.get(name)} <= set(update["fields"])

    undone = studio.do("cleo", "proposals", "rollback", wish["id"], "--reason", REASON, "--wait", "150")
    assert undone["state"] == "rolled_back"
    assert studio.document(f"batches/{batch_id}") == before
    studio.is_audit_good()


def test_nobody_approves_what_they_or_their_agent_asked_for(studio):
    """An approver may not approve their own; nor may the owner of the agent, whatever they have become."""
    own = studio.create("ben", ADJUST)
    approve = ("proposals", "approve", own["id"], "--reason", REASON)
    assert studio.denied("ben", *approve) == "SELF_APPROVAL"
    assert studio.approve("cleo", own["id"])["state"] == "approved"

    agent = studio.agent()["agentClientId"]
    asked = studio.create(agent)
    assert asked["requester"] == {"id": agent, "kind": "agent"}
    approve = ("proposals", "approve", asked["id"], "--reason", REASON)
    assert studio.denied(MEMBER_AS_APPROVER, *approve) == "SELF_APPROVAL"
    assert studio.denied(agent, *approve) == "PERSON_REQUIRED"
    assert studio.proposal(asked["id"])["approvals"] == []


def test_an_agent_acts_only_under_what_the_cloud_says_was_delegated_to_it(studio):
    """For its owner, while the delegation lives; an agent sees what it asked for and nothing else."""
    agent = studio.agent()
    client = agent["agentClientId"]
    asked = studio.create(client, note="The glaze bucket is empty.")
    code, told = studio.ask(client, "proposals", "list")
    assert (code, [each["id"] for each in told["proposals"]]) == (0, [asked["id"]])
    other = studio.create("ada", ADJUST)
    assert studio.ask(client, "proposals", "show", other["id"])[0] == 1

    create = (
        "proposals", "create", NOTE, "--rationale", WHY, "--input", "resourceCollection=batches",
        "--input", "resourceId=b1", "--input", "note=Hello there.",
    )  # fmt: skip
    assert studio.denied(client, *create, "--owner", "member-other") == "DELEGATION_OWNER_MISMATCH"
    studio.approve("ben", asked["id"])
    assert studio.executed(asked["id"])["state"] == "executed"
    later = studio.create(client, note="The glaze bucket is full.")
    studio.house_control("/agents/revoke", {"delegationId": agent["delegationId"]})
    head = studio.head()
    assert studio.denied(client, *create, "--owner", studio.member) == "DELEGATION_REVOKED"
    assert studio.entries_since(head) == [f"policy:{NOTE}:denied"], "staff can see that it was tried"
    assert studio.approve("ben", later["id"])["state"] == "approved", "people may still say yes"
    assert studio.why_not(later["id"]) == "DELEGATION_REVOKED"
    assert studio.proposal(later["id"])["executions"] == []
    studio.do("cleo", "proposals", "reject", later["id"], "--reason", "Its owner took it back.")


@pytest.mark.parametrize("role", ["member", "agent"])
def test_a_member_may_look_at_nothing_and_ask_for_nothing(studio, role):
    """Neither the list, nor the audit log, nor the switch; and a guessed id is denied with a trace."""
    who = "member" if role == "member" else studio.agent()["agentClientId"]
    staffs = studio.create("ada", ADJUST)
    assert studio.do(who, "proposals", "list") == {"proposals": []}
    for command in (
        ("proposals", "show", staffs["id"]),
        ("kill-switch", "status"),
        ("exemptions", "list"),
        ("quotas", "list"),
        ("audit", "tail"),
        ("audit", "verify"),
    ):
        code, told = studio.ask(who, *command)
        assert code == 1, command
        assert set(told) == {"error", "remedy"}, command
    head = studio.head()
    denied = studio.denied(who, "proposals", "approve", staffs["id"], "--reason", REASON)
    assert denied in {"STAFF_REQUIRED", "PERSON_REQUIRED", "ROLE_MISSING"}
    assert studio.entries_since(head) == [f"policy:{ADJUST}:denied"]
    if role == "member":
        create = ("proposals", "create", ADJUST, "--rationale", WHY)
        code, told = studio.ask(who, *create)
        assert code in {1, 2}, told


def test_while_the_switch_is_on_nothing_is_written_and_two_people_let_it_go_on(studio):
    """What is approved stays approved; Dagster skips; the one who asks to resume may not confirm it."""
    wish = studio.create("ada", note="Only after the switch is off.")
    head = studio.head()
    status = studio.do("ada", "kill-switch", "on", "--reason", "Something smells odd in here.")
    try:
        assert (status["switch"], status["inFlight"]) == ("on", 0)
        assert studio.denied("ada", "kill-switch", "on", "--reason", REASON) == "ALREADY_HALTED"
        assert studio.approve("ben", wish["id"])["state"] == "approved"
        assert studio.why_not(wish["id"]) == "KILL_SWITCH_ON"
        since = time.time()
        assert "kill switch is on" in studio.wait_for(lambda: studio.skip_since("execution_sensor", since))
        assert studio.proposal(wish["id"])["state"] == "approved"
        assert studio.runs_of(wish["id"]) == []
        written = studio.cloud.collection(NOTES).where(filter=FieldFilter("proposalId", "==", wish["id"]))
        assert list(written.stream()) == []
        off = ("kill-switch", "off", "--reason", "It was the clay, really.")
        code, told = studio.ask("cleo", *off)
        assert (code, told["switch"], told["resumeRequestedBy"]) == (1, "on", "approver-cleo")
        assert studio.denied("cleo", *off) == "SELF_APPROVAL"
        assert studio.denied("ada", *off) == "ROLE_MISSING"
        code, told = studio.ask("ben", *off)
        assert (code, told["switch"]) == (0, "off")
        with urllib.request.urlopen(f"http://127.0.0.1:{studio.house.port}/", timeout=60) as page:
            assert "The kill switch is off." in page.read().decode()
        changes = [name for name in studio.entries_since(head) if not name.endswith(":denied")]
        assert [name.rpartition(":")[2] for name in changes] == [
            "halted", "approval_given", "approved", "resume_requested", "resumed",
        ]  # fmt: skip
    finally:
        studio.resume()
    assert studio.executed(wish["id"])["state"] == "executed"
    assert len(list(written.stream())) == 1


def test_an_exemption_stands_in_for_approval_until_it_is_revoked(studio):
    """Granted by an admin for one member; its use is on the execution; afterwards approval is needed."""
    owner = studio.batches[2][1]
    grant = ("exemptions", "grant", NOTE, "--owner", owner, "--justification", "Glaze tests all week.")
    assert studio.denied("ada", *grant) == "ROLE_MISSING"
    forbidden = ("exemptions", "grant", CLOSE, "--justification", "Glaze tests all week.")
    assert studio.denied("dana", *forbidden) == "EXEMPTION_FORBIDDEN"
    head = studio.head()
    given = studio.do("dana", *grant)
    assert studio.entries_since(head) == [f"exemption:{NOTE}:granted"]
    assert {"id", "capabilityId", "ownerId", "grantedBy", "expiresAt", "endedAt"} <= set(given)
    wish = studio.create("ada", about=2)
    done = studio.executed(wish["id"])
    assert (done["state"], done["approvals"]) == ("executed", [])
    assert [each["exemptionId"] for each in done["executions"]] == [given["id"]]

    revoke = ("exemptions", "revoke", given["id"], "--reason", "The tests are over.")
    head = studio.head()
    assert studio.do("dana", *revoke)["ended"] == "revoked"
    assert studio.entries_since(head) == [f"exemption:{NOTE}:revoked"]
    assert studio.denied("dana", *revoke) == "EXEMPTION_UNKNOWN"
    assert studio.do("ada", "exemptions", "list")["exemptions"][0]["ended"] == "revoked"
    later = studio.create("ada", about=2)
    assert later["state"] == "pending_approval"
    assert studio.why_not(later["id"]) == "NOT_APPROVED"


def test_a_quota_is_never_exceeded_and_says_when_it_is_free(studio):
    """Eight notes in an hour; the ninth waits, with the seconds; an admin may set it back, with a trace."""
    wishes = [
        studio.create("ada", note=f"Note number {number}.")["id"]
        for number in range(8 - studio.used(NOTE, "capability"))
    ]
    for wish in wishes:
        studio.approve("ben", wish)
    for wish in wishes:
        studio.executed(wish)
    assert studio.used(NOTE, "capability") == 8
    waiting = studio.create("ada", note="Note number nine.")["id"]
    assert studio.approve("ben", waiting)["state"] == "approved"
    assert studio.why_not(waiting) == "QUOTA_EXCEEDED"
    since = time.time()
    assert "QUOTA_EXCEEDED" in studio.wait_for(lambda: studio.skip_since("execution_sensor", since))
    assert studio.runs_of(waiting) == []
    code, told = studio.ask("ada", "proposals", "execute", waiting, "--wait", "0")
    assert (code, 0 < told["decision"]["retryAfterSeconds"] <= 3600) == (1, True)
    reset = ("quotas", "reset", NOTE, "capability", "*", "--reason", "A busy afternoon, all is well.")
    assert studio.denied("ben", *reset) == "ROLE_MISSING"
    head = studio.head()
    assert studio.do("dana", *reset)["used"] == 0
    assert studio.entries_since(head) == [f"quota:{NOTE}:reset"]
    assert studio.executed(waiting)["state"] == "executed"


def test_what_nothing_here_can_carry_out_stays_approved_and_says_so(studio):
    """Proposal-only: never silently done."""
    wish = studio.create("ada", ADJUST)
    assert studio.approve("ben", wish["id"])["state"] == "approved"
    assert studio.why_not(wish["id"]) == "PROPOSAL_ONLY"
    assert studio.proposal(wish["id"])["state"] == "approved"


def test_editing_voids_what_was_approved(studio):
    """A new version has a new hash; the approval of the old one binds nothing any more."""
    wish = studio.create("ada", ADJUST)
    stale = ("proposals", "approve", wish["id"], "--reason", REASON, "--input-hash", wish["inputHash"])
    edited = studio.do("ada", "proposals", "edit", wish["id"], "--input", "memo=Paid twice in June.")
    assert (edited["version"], edited["input"]["adjustmentCents"]) == (2, -250)
    assert edited["inputHash"] != wish["inputHash"]
    assert studio.denied("ben", *stale) == "INPUT_CHANGED"
    late = ("proposals", "edit", wish["id"], "--version", "1", "--input", "memo=Paid twice in July.")
    code, told = studio.ask("ada", *late)
    assert (code, "version 2" in told["error"]) == (2, True), told
    assert studio.proposal(wish["id"])["version"] == 2


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


def test_who_cannot_say_who_they_are_is_refused(studio, tmp_path):
    """No identity, no token at all, one signed by somebody else, one that was altered, one that is over."""
    from twins.identity.issuer import Issuer

    command = ("proposals", "list")
    foreign = Issuer("monsoonfire-portal").sign("staff-ada", {"staff": True}, seconds=600)
    good = studio.token("ada")
    altered = f"{good[:-12]}{'A' * 12}"
    for who, code in (
        (None, "Who are you"),
        ("not.a.token", "neither a signed token"),
        (foreign, "TOKEN_"),
        (altered, "TOKEN_SIGNATURE"),
    ):
        exit_code, told = studio.ask(who, *command)
        assert (exit_code, code in told["error"]) == (3, True), told
        assert set(told) == {"error", "remedy"}
    # One that was good for a second; clocks may differ by some.
    refused = studio.wait_for(lambda: (told := studio.ask("once", *command))[0] and told[1])
    assert "TOKEN_EXPIRED" in refused["error"]


def test_no_identity_is_pretended_where_a_real_project_is_configured(studio, monkeypatch):
    monkeypatch.setenv("STUDIO_FIRESTORE_PROJECT", "real-project")
    said = studio.run("token", "--role", "staff")
    assert (said.code, said.out) == (3, "")
    assert "real project is configured" in said.err


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


def test_an_exported_bundle_convinces_a_stranger_and_a_changed_one_does_not(studio, tmp_path):
    """The verifier shares no code with the product, and runs with any Python."""
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


def test_no_token_lies_anywhere_in_the_home(studio):
    """In no file, log or table: the signed part of every token that was used is searched for."""
    signatures = [token.rpartition(".")[2][:60].encode() for token in studio.tokens.values()]
    assert len(signatures) > 4
    seen = 0
    for path in [*studio.house.home.rglob("*"), studio.house.log]:
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                seen += 1
                text = path.read_bytes()
                assert not any(signature in text for signature in signatures), path
    assert seen > 100


def test_a_house_that_only_observes_writes_nothing_and_keeps_what_was_decided(studio):
    """Started again without the permission to write: everything is there, and nothing is carried out."""
    wish = studio.create("ada")
    assert studio.house.stop(number=signal.SIGINT) == 0, "Ctrl-C is no failure"
    studio.house.environment["STUDIO_WRITES_ENABLED"] = "false"
    studio.house.start("--days", "1")
    studio.house.wait_until(lambda told: told["ready"])
    code, told = studio.ask("ada", "proposals", "list")
    assert code == 3, "the pretend issuer has new keys"
    assert "TOKEN_" in told["error"]
    studio.tokens.clear()
    assert studio.approve("ben", wish["id"])["state"] == "approved"
    assert studio.why_not(wish["id"]) == "WRITES_DISABLED"
    code, told = studio.ask("ada", "proposals", "execute", wish["id"])
    assert (code, told["state"], told["isInstanceRunning"]) == (1, "approved", True)
    studio.is_audit_good()
