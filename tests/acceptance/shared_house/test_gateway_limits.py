"""What holds writing back though it was approved, and what stands in for approval, seen from outside.

The kill switch, an exemption and a quota are shared by all in the house: each test puts back what it moves.
"""

import time
import urllib.request

import pytest
from google.cloud.firestore_v1 import FieldFilter

from tests.acceptance.governed import CLOSE, NOTE, REASON

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

NOTES = "studioBrainPilotOpsNotes"


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
