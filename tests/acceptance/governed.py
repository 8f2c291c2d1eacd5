"""A running pretend studio with people in it: their commands, its cloud and its Dagster, seen from outside.

Commands are called in this process, through the same entry as ``./studio``; a process each would say the same
and take ten times as long.
"""

import contextlib
import io
import json
import time
import urllib.request
from dataclasses import dataclass

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
    "eve": ("--role", "member"),
    # Eve again, should she ever be made staff: she owns what the agent does.
    "eve-approver": ("--role", "approver", "--uid", "member-eve"),
}


@dataclass(frozen=True)
class Said:
    """What a command said: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


class Studio:
    """A house that runs, and who works in it."""

    def __init__(self, house):
        self.house = house
        self.tokens = {}

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
            said = self.run("token", *PEOPLE[who])
            assert said.code == 0, said
            self.tokens[who] = said.out.strip()
        return self.tokens[who]

    def agent(self, owner="member-eve"):
        """Return a new agent: its token, client id and delegation id."""
        code, made = self.ask_plain("token", "--role", "agent", "--owner", owner)
        assert code == 0, made
        self.tokens[made["agentClientId"]] = made["token"]
        return made

    def ask_plain(self, *arguments):
        said = self.run(*arguments, "--json")
        return said.code, json.loads(said.out)

    def create(self, who, capability=NOTE, *, owner="member-eve", rationale=WHY, **fields):
        """Propose something; return the proposal. ``draft=True`` keeps it a draft."""
        is_draft = fields.pop("draft", False)
        if capability == NOTE:
            fields = {"resourceCollection": "batches", "resourceId": "b1", "note": "It is dry."} | fields
        if capability == ADJUST:
            fields = {
                "flagId": "f1", "adjustmentCents": "-250", "currency": "usd", "memo": "Paid twice in May.",
            } | fields  # fmt: skip
        inputs = [word for name, value in fields.items() for word in ("--input", f"{name}={value}")]
        owned = ["--owner", owner] if owner else []
        draft = ["--draft"] if is_draft else []
        return self.do(
            who, "proposals", "create", capability, *inputs, *owned, "--rationale", rationale, *draft
        )

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
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
            told = json.loads(answer.read())
        assert "errors" not in told, told
        return told["data"]

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
            time.sleep(0.2)
        return found

    def house_control(self, path, wish):
        """Tell the pretend studio's control server something, as its operator would."""
        url = running_instance(read_home(self.house.home)).environment["STUDIO_TWINS_CONTROL"]
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

    def settled(self, proposal_ids):
        """Return states by id once at most one of several proposals waits and none is under way."""
        listed = self.do("ada", "proposals", "list", "--limit", "200")["proposals"]
        states = {each["id"]: each["state"] for each in listed if each["id"] in proposal_ids}
        is_settled = "executing" not in states.values() and list(states.values()).count("approved") <= 1
        return states if is_settled else None

    def skip_since(self, instant):
        """Return why the execution sensor skipped after an instant; null if it has not been asked since."""
        told = self.dagster(
            "{ repositoriesOrError { ... on RepositoryConnection { nodes { sensors { name sensorState {"
            " ticks(limit: 1) { timestamp status skipReason } } } } } } }"
        )
        for repository in told["repositoriesOrError"]["nodes"]:
            for sensor in repository["sensors"]:
                ticks = sensor["sensorState"]["ticks"]
                if sensor["name"] == "execution_sensor" and ticks and ticks[0]["timestamp"] > instant:
                    return ticks[0]["skipReason"]
        return None
