"""A running pretend studio with people in it: their commands, its cloud and its Dagster, seen from outside.

Commands are called in this process, through the same entry as ``./studio``; a process each would say the same
and take ten times as long.
"""

import contextlib
import io
import json
import os
import time
import urllib.request
from dataclasses import dataclass
from functools import cached_property
from unittest import mock

from cockpit.cli.main import main
from cockpit.home import read_home
from cockpit.instance import running_instance

NOTE = "firestore.ops_note.append"
CLOSE = "firestore.batch.close"
ADJUST = "finance.reconciliation.adjust"
WHY = "Ana asked about it on Friday."
REASON = "Looked at it together, it is right."
WAIT_SECONDS = 150

PEOPLE = {
    "ada": ("--role", "staff"),
    "ben": ("--role", "approver"),
    "cleo": ("--role", "approver", "--uid", "approver-cleo"),
    "dana": ("--role", "admin"),
    "member": ("--role", "member"),
}
MEMBER_AS_APPROVER = "the member, made staff"


@dataclass(frozen=True)
class Said:
    """What a command said: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


class Studio:
    """A house that runs, and who works in it.

    Attributes:
        house: The house.
        tokens: Every token that was given out, by whose it is.
        cloud: Google's own client on the pretend Firestore; it may only read.
        batches: Batches that are open, one of each member: id and owner.
    """

    def __init__(self, house):
        self.house = house
        self.tokens = {}

    @cached_property
    def cloud(self):
        from google.cloud import firestore

        told = self.instance().environment
        with mock.patch.dict(os.environ, FIRESTORE_EMULATOR_HOST=told["FIRESTORE_EMULATOR_HOST"]):
            return firestore.Client(project=told["STUDIO_FIRESTORE_PROJECT"])

    @cached_property
    def batches(self):
        found = [(batch.id, batch.to_dict()) for batch in self.cloud.collection("batches").stream()]
        is_open = [(id_, batch) for id_, batch in found if batch.get("isClosed") is False]
        quiet = sorted(is_open, key=lambda each: each[1]["updatedAt"])
        owners = {batch["ownerUid"]: id_ for id_, batch in quiet}
        return [(id_, owner) for owner, id_ in owners.items()]

    @property
    def member(self):
        """Return the uid of the member whom most proposals are about."""
        return self.batches[0][1]

    def document(self, path):
        """Return a document of the cloud; null if there is none."""
        return self.cloud.document(path).get().to_dict()

    def instance(self):
        """Return what the supervisor says of the running instance."""
        return running_instance(read_home(self.house.home))

    def run(self, *arguments, who=None):
        """Run a command to its end, as somebody."""
        words = [*arguments, "--home", str(self.house.home)]
        if who is not None:
            words += ["--as", self.token(who)]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(words)
        return Said(code, out.getvalue(), err.getvalue())

    def ask(self, who, *arguments):
        """Run a command with ``--json``; return its exit code and the one object it printed."""
        said = self.run(*arguments, "--json", who=who)
        try:
            told = json.loads(said.out)
        except ValueError:
            raise AssertionError(f"not one JSON object: {said}") from None
        assert isinstance(told, dict), said
        return said.code, told

    def do(self, who, *arguments):
        """Run a command that must do what was asked; return its object."""
        code, told = self.ask(who, *arguments)
        assert code == 0, told
        return told

    def denied(self, who, *arguments):
        """Run a command that must be denied; return the code of the reason, which must come in words, too."""
        code, told = self.ask(who, *arguments)
        assert code == 1, told
        decision = told["decision"]
        assert decision["rule"]
        assert decision["sentence"] in told["error"]
        return decision["code"]

    def token(self, who):
        """Return somebody's token; a text with dots is one already."""
        if who.count(".") == 2:
            return who
        if who not in self.tokens:
            said = self.run("token", *(PEOPLE.get(who) or ("--role", "approver", "--uid", self.member)))
            assert said.code == 0, said
            self.tokens[who] = said.out.strip()
        return self.tokens[who]

    def agent(self):
        """Return a new agent of the member: its client id and delegation id."""
        made = json.loads(self.run("token", "--role", "agent", "--owner", self.member, "--json").out)
        self.tokens[made["agentClientId"]] = made["token"]
        return made

    def create(self, who, capability=NOTE, *, about=0, is_draft=False, **fields):
        """Propose something about one of the batches; return the proposal."""
        batch, owner = self.batches[about]
        if capability == NOTE:
            fields = {"resourceCollection": "batches", "resourceId": batch, "note": "It is dry."} | fields
        if capability == ADJUST:
            fields = {
                "flagId": "f1", "adjustmentCents": "-250", "currency": "usd", "memo": "Paid twice in May.",
            } | fields  # fmt: skip
        inputs = [word for name, value in fields.items() for word in ("--input", f"{name}={value}")]
        more = (["--owner", owner] if capability != ADJUST else []) + (["--draft"] if is_draft else [])
        return self.do(who, "proposals", "create", capability, *inputs, "--rationale", WHY, *more)

    def proposal(self, proposal_id, who="ada"):
        return self.do(who, "proposals", "show", proposal_id)

    def approve(self, who, proposal_id):
        return self.do(who, "proposals", "approve", proposal_id, "--reason", REASON)

    def executed(self, proposal_id):
        """Wait until the instance has carried a proposal out; return it."""
        return self.do("ada", "proposals", "execute", proposal_id, "--wait", str(WAIT_SECONDS))

    def why_not(self, proposal_id):
        """Return the code of what keeps a proposal from being executed, the same by both ways to ask."""
        code, told = self.ask("ada", "proposals", "execute", proposal_id, "--wait", "0")
        assert code == 1, told
        explained = self.do("ada", "policy", "explain", "--proposal", proposal_id)
        assert not explained["isAllowed"]
        assert (explained["code"], explained["rule"]) == (told["decision"]["code"], told["decision"]["rule"])
        assert explained["sentence"] == told["decision"]["sentence"]
        return told["decision"]["code"]

    def head(self):
        """Return the number of the newest audit entry."""
        return self.do("ada", "audit", "tail", "--limit", "1")["entries"][-1]["seq"]

    def entries_since(self, seq):
        """Return the names of audit entries of people after a number; the system's own come in between."""
        newest = self.do("ada", "audit", "tail", "--limit", "100")["entries"]
        return [
            each["name"]
            for each in newest
            if each["seq"] > seq and each["payload"]["actor"]["kind"] != "system"
        ]

    def is_audit_good(self):
        code, told = self.ask("ada", "audit", "verify")
        assert (code, told["ok"], told["first_bad"]) == (0, True, None), told
        return told["entries"]

    def dagster(self, query, **variables):
        """Ask Dagster's own API; return the data."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        url = f"http://127.0.0.1:{self.house.port}/dagster/graphql"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
            told = json.loads(answer.read())
        assert "errors" not in told, told
        return told["data"]

    def run_job(self, name):
        """Start a job as a person does in Dagster, and wait until it has succeeded."""
        selector = {"repositoryLocationName": "studio", "repositoryName": "__repository__", "jobName": name}
        told = self.dagster(
            "mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { ... on LaunchRunSuccess {"
            " run { runId } } } }",
            p={"selector": selector, "mode": "default", "runConfigData": {}},
        )
        ask = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
        run_id = told["launchRun"]["run"]["runId"]
        over = {"SUCCESS", "FAILURE", "CANCELED"}
        status = self.wait_for(lambda: over & {self.dagster(ask, id=run_id)["runOrError"]["status"]})
        assert status == {"SUCCESS"}

    def runs_of(self, proposal_id, action="execute"):
        """Return the runs that Dagster knows of a proposal: id and status."""
        tags = [{"key": "studio/proposal", "value": proposal_id}, {"key": "studio/action", "value": action}]
        told = self.dagster(
            "query($f: RunsFilter!) { runsOrError(filter: $f) { ... on Runs {"
            " results { runId status jobName } } } }",
            f={"pipelineName": "execution_job", "tags": tags},
        )
        return told["runsOrError"]["results"]

    def wait_for(self, ask, *, seconds=WAIT_SECONDS):
        """Ask until the answer is true; return it."""
        deadline = time.monotonic() + seconds
        while not (found := ask()):
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(0.4)  # looking costs the house something, too
        return found

    def house_control(self, path, wish):
        """Tell the pretend studio's control server something, as its operator would."""
        url = self.instance().environment["STUDIO_TWINS_CONTROL"]
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{url}{path}", json.dumps(wish).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
            assert json.loads(answer.read())["ok"]

    def resume(self):
        """Let writing go on, whatever a test has left of the kill switch."""
        for who in ("ben", "cleo"):
            if self.ask("ada", "kill-switch", "status")[0] != 0:
                self.ask(who, "kill-switch", "off", "--reason", "The test of it is over.")
        assert self.do("ada", "kill-switch", "status")["switch"] == "off"

    def used(self, capability, scope):
        """Return how often a capability was used in the window of a quota."""
        uses = self.do("ada", "quotas", "list")["uses"]
        return sum(use["used"] for use in uses if (use["capabilityId"], use["scope"]) == (capability, scope))

    def skip_since(self, sensor_name, instant):
        """Return why a sensor skipped after an instant; null if it has not been asked since."""
        selector = {"repositoryLocationName": "studio", "repositoryName": "__repository__"}
        told = self.dagster(
            "query($s: SensorSelector!) { sensorOrError(sensorSelector: $s) { ... on Sensor { sensorState {"
            " ticks(limit: 1) { timestamp status skipReason } } } } }",
            s={**selector, "sensorName": sensor_name},
        )
        ticks = told["sensorOrError"]["sensorState"]["ticks"]
        return ticks[0]["skipReason"] if ticks and ticks[0]["timestamp"] > instant else None
