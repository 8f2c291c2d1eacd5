"""The promise of the gateway, from outside: nothing is written without a yes, once, with a complete audit."""

import pytest

from tests.acceptance.governed import ADJUST, CLOSE, MEMBER_AS_APPROVER, NOTE, REASON, WHY

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

NOTES, ACTIONS = "studioBrainPilotOpsNotes", "studioBrainPilotActions"


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
