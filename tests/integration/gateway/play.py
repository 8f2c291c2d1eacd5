"""Plays operations on the real gateway and on the model, and compares everything after every step.

Who chooses is left open: ``pick(n)`` gives a number below n, drawn by hypothesis or by a seeded generator.
Every operation may be chosen at every moment by anybody; most of them make sense, many do not.

One file, because every operation is said once for both sides and they are read together.
"""

import hashlib
import itertools
import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from policies.decisions import Operation
from policies.errors import BadRequestError, DeniedError, UnknownSubjectError
from policies.gateway import Gateway
from policies.marks import DraftStatus, TriageVerdict, Verdict
from policies.ports import AdapterError, LedgerRefusedError
from tests.integration.gateway.model import (
    ADJUST,
    CLOSE,
    DAY,
    DEPARTMENTS,
    DRAFT_STEPS,
    HOUR,
    NOTE,
    READ,
    RULES,
    SUGGESTED,
    Model,
    ToldError,
    after,
)
from tests.integration.gateway.world import AGENT_OWNER, BrokenPromiseError, Crash, World
from tests.integration.postgres.swarm_rows import DRAFT

OWNERS = ("uid_owner", "uid_other", AGENT_OWNER, None)
WHYS = (
    "The shelf was seen cracked this morning.",
    "Somebody asked for it at the desk.",
    "WEAPON mould wanted, she says.",
    "too short",
)
JUMPS = (1, 1, 1, 40, 40, 130, 600, 600, HOUR, 5 * HOUR, 25 * HOUR, 8 * DAY, -30, -900, -2 * HOUR)
FURTHEST_BACK = 6 * HOUR
MODES = ("ok", "ok", "ok", "certain", "uncertain", "lost", "odd")
CALL_CRASHES = (
    "execute:executing:before",
    "execute:executing:after",
    "execute:commit:before",
    "execute:commit:after",
    "execute_call:call:before",
    "execute_call:call:after",
    "execute_call:executed:before",
    "execute_call:executed:after",
    "execute_call:commit:before",
    "execute_call:commit:after",
)
_BACK = {
    "execute": "rollback",
    "executing": "rolling_back",
    "executed": "rolled_back",
    "execute_call": "rollback_call",
}
ROLLBACK_CRASHES = tuple(":".join(_BACK.get(part, part) for part in name.split(":")) for name in CALL_CRASHES)
TOLD = {
    DeniedError: "denied",
    UnknownSubjectError: "unknown",
    BadRequestError: "bad",
    LedgerRefusedError: "refused",
    AdapterError: "target",
    Crash: "crash",
}


class Play:
    """One studio played on, from its opening.

    Args:
        url: Of the prepared database.
        studio: A studio id nobody has used.
        gateway: The class to be driven.
    """

    def __init__(self, url: str, studio: str, *, gateway: type[Gateway] = Gateway) -> None:
        self.world, self.model = World(url, studio, gateway=gateway), Model()
        self.latest: datetime = self.world.clock.instant
        self.history: list[str] = []
        self.model.delegations = self.world.cloud.delegations
        self.model.finding, self.model.draft["hash"] = self.world.finding, DRAFT["content_hash"]
        self._pick: Callable[[int], int] = lambda n: 0
        self._depth = 0
        self.done: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self._sync()
        for _ in range(2):
            self.play_snapshot()
            self.play_delegate()
        self.compare()

    def close(self) -> None:
        self.world.close()

    # Choosing

    def one(self, choices):
        return choices[self._pick(len(choices))]

    def seldom(self, one_in: int) -> bool:
        """Zero is the usual: what hypothesis shrinks to."""
        return self._pick(one_in) == one_in - 1

    def who(self, *usual: str) -> tuple[str, dict]:
        name = self.one(usual) if not self.seldom(9) else self.one(tuple(self.world.actors))
        actor = self.world.actors[name]
        here = "here" if actor.studio_id == self.world.studio else "elsewhere"
        described = {
            "id": actor.actor_id,
            "kind": actor.kind.value,
            "roles": actor.roles,
            "owner": actor.owner_id,
        }
        return name, described | {"studio": here}

    def proposal(self, *states: str) -> str:
        known = list(self.model.proposals)
        if not known or self.seldom(40):
            return "prp_" + "z" * 26
        wanted = [pid for pid in known if self.model.proposals[pid]["state"] in states]
        return self.one((wanted if wanted and not self.seldom(6) else known)[-8:])

    def why(self):
        return self.one(WHYS[:2]) if not self.seldom(8) else self.one(WHYS)

    # Playing

    def step(self, pick: Callable[[int], int], name: str | None = None) -> None:
        """Play one operation, and compare everything. Raises ``BrokenPromiseError``."""
        self._pick = pick
        if self._depth == 0:
            self._move(1)
        operation = self._sensible() if name is None else name
        self.history.append(operation)
        self.done[operation] += 1
        getattr(self, f"play_{operation}")()
        self.compare()

    def _sensible(self) -> str:
        """Return an operation, usually one that has something to work on."""
        operation = self.one(OFTEN)
        for _ in range(4):
            wanted = WANTED.get(operation, ())
            is_idle = operation in {"request_resume", "resume"} and self.model.switch == "off"
            has_work = any(it["state"] in wanted for it in self.model.proposals.values())
            if not is_idle and (not wanted or has_work):
                break
            operation = self.one(OFTEN)
        return operation

    def _move(self, seconds: int) -> None:
        clock = self.world.clock
        clock.move(max(seconds, (after(self.latest, -FURTHEST_BACK) - clock.instant).total_seconds()))
        self.latest = max(self.latest, clock.instant)
        self._sync()

    def _sync(self) -> None:
        self.model.now = self.world.clock.instant

    def _called(self, call):
        """Return what the caller is told, and the result."""
        try:
            return "ok", call()
        except tuple(TOLD) as error:
            return next(told for kind, told in TOLD.items() if isinstance(error, kind)), None

    def _both(self, verb: str, call, model_call) -> None:
        """Run a verb that is one transaction, perhaps with a crash around its commit or a lost answer."""
        world = self.world
        world.crashed = None
        fate = self._pick(30)
        if fate in {28, 29}:
            world.crash_at = f"{verb}:commit:{'before' if fate == 28 else 'after'}"
        lose = {26: "ack", 27: "commit"}.get(fate)
        world.ledger.lose = lose
        told, result = self._called(call)
        is_answer_lost = lose is not None and world.ledger.lose is None
        world.crash_at = world.ledger.lose = None
        if world.crashed is not None and world.crashed.endswith("before"):
            self._expect("crash", told)
            return
        try:
            expected, made = "ok", model_call(result)
            if verb == "reset_quota" and lose == "ack" and is_answer_lost:
                model_call(result)  # a reset leaves no row to be found again; twice does no harm
        except ToldError as error:
            expected, made = str(error), None
            if expected == "denied":
                self.model.saw("denied", None)
                if lose == "ack" and is_answer_lost:
                    self.model.saw("denied", None)  # written twice is better than not at all
        self._expect("crash" if world.crashed else expected, told)
        if told == "ok" and isinstance(made, str) and made != result.proposal_id:
            raise BrokenPromiseError(f"{verb} gave {result.proposal_id}, not {made}")

    def _expect(self, expected: str, told: str) -> None:
        if expected != told:
            raise BrokenPromiseError(f"{self.history[-1]} should be {expected}, and was {told}")

    def compare(self) -> None:
        """Compare database and target with the model, and ask the database what needs no model."""
        dump = self.world.dump()
        for promise, count in dump["broken"].items():
            if count:
                raise BrokenPromiseError(f"{promise}: {count}")
        if self.world.target.broken:
            raise BrokenPromiseError(self.world.target.broken[0])
        model = self.model
        same("proposals", dump["proposals"], {
            it["id"]: [it["capability"], it["state"], it["version"], it["hash"], it["requester"],
                       it["owner"], it["blocked"], it["dry"], iso(it["expires"])]
            for it in model.proposals.values()})  # fmt: skip
        same("approvals", dump["approvals"], [
            [a["pid"], a["version"], a["kind"], a["who"], iso(a["at"]), iso(a["expires"])]
            for a in model.approvals])  # fmt: skip
        same("attempts", dump["attempts"], {
            eid: [a["pid"], a["version"], a["kind"], a["state"], a["fence"], iso(a["lease"]), a["exemption"]]
            for eid, a in model.attempts.items()})  # fmt: skip
        same("exemptions", dump["exemptions"], {
            xid: [x["capability"], x["owner"], iso(x["expires"]), x["ended"]]
            for xid, x in model.exemptions.items()})  # fmt: skip
        same("quotas", sorted(dump["quotas"] or ()), sorted(
            [*key, used, iso(began)] for key, (used, began, _) in model.quotas.items()))  # fmt: skip
        kind, by = dump["switch"]
        asked = by if kind == "resume_requested" else None
        same(
            "switch",
            ["off" if kind in {"opened", "resumed"} else "on", asked],
            [model.switch, model.asked_by],
        )
        same("swarms", dump["swarms"], model.swarms)
        same("marks", dump["marks"], model.marks)
        same("draft", dump["draft"], [model.draft[part] for part in ("revision", "status", "hash")])
        same("decided", dump["decided"], model.decided)
        same("effects", self.world.target.effects, model.effects)
        found = self.world.new_events(dump)
        same("events", dict(found), dict(model.expected()))
        for (name, _), count in found.items():
            self.events[name.rpartition(":")[2]] += count
        if self.world.others_see():
            raise BrokenPromiseError("another studio sees rows")

    # Operations on proposals

    def input_of(self, capability):
        place = str(self._pick(4))
        return {
            NOTE: {"resourceCollection": "batches", "resourceId": f"b{place}", "note": f"Cracked: {place}"},
            CLOSE: {"batchId": f"b{place}", "closeReason": "picked_up"},
            ADJUST: {"flagId": f"f{place}", "adjustmentCents": 1, "currency": "usd", "memo": "As was paid."},
            READ: {"deviceId": f"d{place}"},
        }.get(capability, {})  # fmt: skip

    def play_propose(self):
        name, who = self.who("sam", "sue", "amy", "agent", "swarm", "ada")
        capability = self.one((NOTE, NOTE, NOTE, CLOSE, READ, ADJUST)) if not self.seldom(30) else "no.such"
        owner = None if name == "agent" and not self.seldom(8) else self.one(OWNERS)
        dedupe = f"key{self._pick(3)}" if self.seldom(3) else None
        why, is_draft, input_ = self.why(), self.seldom(4), self.input_of(capability)
        self._both(
            "propose",
            lambda: self.world.gateway.propose(
                self.world.actors[name],
                capability,
                input_,
                why,
                owner_id=owner,
                dedupe_key=dedupe,
                is_draft=is_draft,
            ),
            lambda _: self.model.propose(
                who,
                capability,
                input_,
                why,
                owner=owner,
                dedupe=dedupe,
                is_draft=is_draft,
                pid=self.world.ids.last.get("prp"),
            ),
        )

    def requester(self, pid):
        """Return usually whoever asked for a proposal."""
        asked = self.model.proposals.get(pid, {}).get("requester")
        names = [name for name, actor in self.world.actors.items() if actor.actor_id == asked]
        return self.who(*(names or ["sam"]))

    def play_submit(self):
        pid = self.proposal("draft")
        name, who = self.requester(pid)
        self._both(
            "submit",
            lambda: self.world.gateway.submit(self.world.actors[name], pid),
            lambda _: self.model.submit(who, pid),
        )

    def play_edit(self):
        pid = self.proposal("pending_approval", "approved")
        name, who = self.requester(pid)
        there = self.model.proposals.get(pid, {"version": 1, "capability": NOTE})
        version = there["version"] - (1 if self.seldom(6) else 0)
        input_ = self.input_of(there["capability"]) if self._pick(2) else None
        why = self.why() if input_ is None or self._pick(2) else None
        self._both(
            "edit",
            lambda: self.world.gateway.edit(
                self.world.actors[name], pid, version=version, input_=input_, rationale=why
            ),
            lambda _: self.model.edit(who, pid, version, input_, why),
        )

    def play_dry_run(self):
        pid = self.proposal("draft", "pending_approval", "approved")
        name, who = self.who("sam", "amy", "agent", "swarm")
        mode = self.world.target.mode = "deaf" if self.seldom(6) else "ok"
        self._both(
            "dry_run",
            lambda: self.world.gateway.dry_run(self.world.actors[name], pid),
            lambda _: self.model.dry_run(who, pid, mode),
        )

    def play_approve(self):
        pid = self.proposal("pending_approval")
        name, who = self.who("amy", "bob", "cat", "ada")
        why = self.why()
        hash_ = self.model.proposals.get(pid, {"hash": "0" * 64})["hash"] if not self.seldom(5) else "f" * 64
        self._both(
            "approve",
            lambda: self.world.gateway.approve(self.world.actors[name], pid, why, input_hash=hash_),
            lambda _: self.model.approve(who, pid, why, hash_),
        )

    def _with_reason(self, verb, usual, *states):
        pid = self.proposal(*states)
        name, who = self.who(*usual)
        why = self.why()
        self._both(
            verb,
            lambda: getattr(self.world.gateway, verb)(self.world.actors[name], pid, why),
            lambda _: getattr(self.model, verb)(who, pid, why),
        )

    def play_reject(self):
        self._with_reason("reject", ("amy", "bob", "ada"), "pending_approval", "approved")

    def play_reopen(self):
        self._with_reason("reopen", ("ada",), "rejected", "failed", "expired")

    def play_request_rollback(self):
        self._with_reason("request_rollback", ("amy", "bob", "ada"), "executed")

    def play_override_intake(self):
        blocked = [pid for pid, it in self.model.proposals.items() if it["blocked"]]
        pid = self.one(blocked[-4:]) if blocked and not self.seldom(6) else self.proposal("pending_approval")
        name, who = self.who("amy", "bob", "cat", "ada")
        why, code = self.why(), "because" if self.seldom(12) else "false_positive"
        self._both(
            "override_intake",
            lambda: self.world.gateway.override_intake(self.world.actors[name], pid, code, why),
            lambda _: self.model.override_intake(who, pid, code, why),
        )

    # Acting

    def play_execute(self):
        ready = [
            pid
            for pid, it in self.model.proposals.items()
            if it["state"] == "approved" and RULES[it["capability"]]["adapter"]
        ]
        if ready and not self.seldom(3):
            pid = self.one(ready[-4:])
        else:
            pid = self.proposal("approved", "pending_approval", "executed", "executing")
        self._act("execute", pid, CALL_CRASHES)

    def play_rollback(self):
        asked = [a["pid"] for a in self.model.approvals if a["kind"] == "rollback"]
        waiting = [pid for pid in asked if self.model.proposals[pid]["state"] == "executed"]
        pid = self.one(waiting[-4:]) if waiting and not self.seldom(6) else self.proposal("executed")
        self._act("rollback", pid, ROLLBACK_CRASHES)

    def _act(self, kind, pid, crashes):
        """Execute or roll back, with others acting before and during the call, crashes, and lost answers."""
        world, model = self.world, self.model
        name, who = self.who("executor")
        is_anchored = self.seldom(15)
        gateway = world.anchored if is_anchored else world.gateway
        mode = world.target.mode = self.one(MODES)
        world.crashed, world.crash_at = None, self.one(crashes) if self.seldom(4) else None
        lose = world.ledger.lose = self.one((None, "ack", "commit")) if self.seldom(10) else None
        late = self.one(("ack", "commit")) if world.crash_at is lose is None and self.seldom(8) else None
        before_call = self._pick(3) if not self._depth and self.seldom(3) else 0
        in_call = self._pick(3) if not self._depth and self.seldom(4) else 0
        begun, under_way = [], []

        def begin():
            model.begin(kind, who, pid, is_anchored, world.ids.last.get("exe"))
            begun.append(world.ids.last["exe"])

        def between():
            begin()
            self.compare()
            self._interlude(before_call, BETWEEN, mode)
            world.ledger.lose = late

        def during():
            under_way.append(True)
            model.called.add(begun[0])
            self._interlude(in_call, DURING, mode)
            model.called.clear()

        world.hooks = {f"{kind}:commit:after": between, f"{kind}_call:call:before": during}
        told, result = self._called(
            lambda: getattr(gateway, kind)(world.actors[name], pid, executor_id=f"run-{self._pick(3)}")
        )
        world.hooks.clear()
        is_gone = world.ledger.lose is None
        is_answer_lost, is_lost = lose is not None and is_gone, late == "commit" and is_gone
        world.crash_at = world.ledger.lose = None
        if world.crashed == f"{kind}:commit:after":
            begin()  # the crash came before anybody could look
            return self._expect("crash", told)
        try:
            if not begun:
                if world.crashed is not None:
                    return self._expect("crash", told)
                begin()
                # The intent was found after a lost answer: nothing may be called on it.
                expected = "ok" if lose == "ack" and is_answer_lost else "begun"
            else:
                expected = "ok"
                model.call(begun[0], mode, world.crashed, is_lost=is_lost, is_under_way=bool(under_way))
        except ToldError as error:
            expected = str(error)
            if expected == "denied":
                model.saw("denied", None)
                if lose == "ack" and is_answer_lost and not begun:
                    model.saw("denied", None)
        self._expect("crash" if world.crashed else expected, told)
        if told == "ok" and begun and result.state.value != model.attempts[begun[0]]["state"]:
            raise BrokenPromiseError(
                f"{kind} says {result}, not {model.attempts[begun[0]]} ({mode}, {lose}, {late})"
            )
        return None

    def _interlude(self, steps, operations, mode):
        """Let others act while an execution is between two of its steps."""
        world = self.world
        held = world.crash_at, world.crashed, world.ledger.lose, dict(world.hooks)
        world.hooks.clear()
        world.crash_at = world.ledger.lose = None  # what is to be lost is the execution's, not theirs
        self._depth += 1
        for _ in range(steps):
            self.step(self._pick, self.one(operations))
        self._depth -= 1
        world.crash_at, world.crashed, world.ledger.lose = held[:3]
        world.hooks.update(held[3])
        world.target.mode = mode

    def play_recover(self):
        name, who = self.who("executor")
        mode = self.world.target.mode = "deaf" if self.seldom(5) else "ok"
        if not self._pick(2):
            self._move(130)
        self._swept("recover", name, who, mode)

    def play_expire(self):
        name, who = self.who("swarm", "executor")
        self._swept("expire", name, who)

    def _swept(self, verb, name, who, *mode):
        """Many small transactions: whatever a crash leaves, the next sweep finishes."""
        extra = {"executor_id": "run-9"} if verb == "recover" else {}
        told, _ = self._called(lambda: getattr(self.world.gateway, verb)(self.world.actors[name], **extra))
        try:
            getattr(self.model, verb)(who, *mode)
            expected = "ok"
        except ToldError as error:
            expected = str(error)
            self.model.saw("denied", None)
        self._expect(expected, told)

    # Policies and the world

    def _switch(self, verb, *usual):
        name, who = self.who(*usual)
        why = self.why()
        self._both(
            verb,
            lambda: getattr(self.world.gateway, verb)(self.world.actors[name], why) and None,
            lambda _: getattr(self.model, verb)(who, why),
        )

    def play_halt(self):
        self._switch("halt", "sam", "sue", "amy")

    def play_request_resume(self):
        self._switch("request_resume", "sam", "amy", "bob")

    def play_resume(self):
        self._switch("resume", "amy", "bob", "ada")

    def play_grant_exemption(self):
        name, who = self.who("ada")
        capability = self.one((NOTE, NOTE, NOTE, CLOSE, READ))
        owner, why = self.one(OWNERS), self.why()
        seconds = self.one((HOUR, DAY, 60, 7 * DAY, 8 * DAY, 0))
        self._both(
            "grant_exemption",
            lambda: self.world.gateway.grant_exemption(
                self.world.actors[name], capability, owner_id=owner, seconds=seconds, justification=why
            ),
            lambda _: self.model.grant_exemption(
                who, capability, owner=owner, seconds=seconds, why=why, xid=self.world.ids.last.get("exm")
            ),
        )

    def play_revoke_exemption(self):
        name, who = self.who("ada")
        xid = self.one([*self.model.exemptions, "exm_none"][-5:])
        why = self.why()
        self._both(
            "revoke_exemption",
            lambda: self.world.gateway.revoke_exemption(self.world.actors[name], xid, why),
            lambda _: self.model.revoke_exemption(who, xid, why),
        )

    def play_reset_quota(self):
        name, who = self.who("ada")
        known = [*self.model.quotas, (NOTE, "capability", "*"), (CLOSE, "owner", "uid_owner")]
        capability, scope, subject = self.one(known)
        why = self.why()
        self._both(
            "reset_quota",
            lambda: self.world.gateway.reset_quota(self.world.actors[name], capability, scope, subject, why),
            lambda _: self.model.reset_quota(who, capability, scope, subject, why),
        )

    # What people say of swarms, findings, drafts and reports

    def play_swarm(self):
        name, who = self.who("sam", "sue", "amy")
        department, why = self.one(DEPARTMENTS), self.why()
        is_paused = self.model.swarms.get(department) == "paused"
        verb, kind = ("resume_swarm", "resumed") if is_paused != self.seldom(5) else ("pause_swarm", "paused")
        self._both(
            verb,
            lambda: getattr(self.world.gateway, verb)(self.world.actors[name], department, why),
            lambda _: self.model.control_swarm(who, department, kind, why),
        )

    def play_mark_finding(self):
        name, who = self.who("sam", "sue", "amy")
        finding = self.world.finding if not self.seldom(8) else "fnd_" + "z" * 26
        revision, verdict, why = 2 if self.seldom(8) else 1, self.one(tuple(Verdict)), self.why()
        self._both(
            "mark_finding",
            lambda: self.world.gateway.mark_finding(self.world.actors[name], finding, revision, verdict, why),
            lambda _: self.model.mark_finding(who, finding, revision, verdict.value, why),
        )

    def play_review_draft(self):
        name, who = self.who("sam", "amy", "ada")
        seen, why, to_status = dict(self.model.draft), self.why(), self.one(tuple(DRAFT_STEPS))
        if self.seldom(6):
            seen["revision"] -= 1
        if self.seldom(8):
            seen["status"] = self.one(tuple(DRAFT_STEPS))
        body = f"Warm kilns: {self._pick(4)}" if self._pick(2) else None
        after = seen["hash"] if body is None else hashlib.sha256(body.encode()).hexdigest()
        self._both(
            "review_draft",
            lambda: self.world.gateway.review_draft(
                self.world.actors[name],
                "drf_1",
                revision=seen["revision"],
                from_status=DraftStatus(seen["status"]),
                to_status=DraftStatus(to_status),
                before_hash=seen["hash"],
                after_hash=after,
                body=body,
                reason=why,
            ),
            lambda _: self.model.review_draft(
                who, seen, to_status, after, is_edited=body is not None, why=why
            ),
        )

    def play_decide_triage(self):
        name, who = self.who("sam", "sue", "amy")
        report = SUGGESTED[0] if not self.seldom(8) else "report-2"
        category, severity = self.one((SUGGESTED[1], "spam")), self.one((SUGGESTED[2], "low"))
        is_same = (category, severity) == SUGGESTED[1:]
        verdict = TriageVerdict.CONFIRMED if is_same != self.seldom(6) else TriageVerdict.EDITED
        why = self.why()
        self._both(
            "decide_triage",
            lambda: self.world.gateway.decide_triage(
                self.world.actors[name],
                report,
                category=category,
                severity=severity,
                verdict=verdict,
                reason=why,
            ),
            lambda _: self.model.decide_triage(who, report, (category, severity), verdict.value, why),
        )

    def play_clock(self):
        self._move(self.one(JUMPS))

    def play_snapshot(self):
        self.world.take_snapshot()
        self.model.snapshot = self.model.now

    def play_check(self):
        is_red = self.seldom(8)
        self.world.turn_check(is_red=is_red)
        self.model.check(is_red)

    def play_delegate(self):
        """The cloud changes its mind about the agent."""
        cloud, model = self.world.cloud, self.model
        what = self._pick(6)
        if what <= 1:
            cloud.delegations.append({"expires": after(model.now, DAY), "revoked": None})
        elif what == 2 and cloud.delegations:
            self.one(cloud.delegations)["revoked"] = model.now
        elif what == 3:
            cloud.is_readable = not cloud.is_readable
        elif what == 4:
            cloud.client = self.one(("active", "suspended"))
        else:
            cloud.delegations.clear()
        model.is_readable, model.client = cloud.is_readable, cloud.client

    def play_explain(self):
        """Changes and records nothing."""
        operation = self.one(tuple(Operation))
        name, _ = self.who("amy", "executor")
        pid = self.proposal("approved") if self._pick(2) else None
        capability = self.model.proposals.get(pid, {"capability": NOTE})["capability"]
        self._called(lambda: self.world.gateway.explain(self.world.actors[name], operation, capability, pid))


def same(what, real, expected):
    """Raise ``BrokenPromiseError`` where the database (null: nothing) and the model differ."""
    real = real or type(expected)()
    if real == expected:
        return
    if isinstance(expected, dict):
        keys = [key for key in {*real, *expected} if real.get(key) != expected.get(key)]
        real, expected = ({key: it.get(key) for key in sorted(keys, key=str)} for it in (real, expected))
    raise BrokenPromiseError(f"{what} should be {expected}, and are {real}")


def iso(instant):
    """Return an instant as PostgreSQL writes it into JSON, in UTC."""
    return instant.isoformat()


OFTEN = (
    *["propose"] * 9, *["approve"] * 10, *["execute"] * 14, *["request_rollback"] * 4, *["rollback"] * 4,
    *["recover"] * 4, *["clock"] * 5, *["snapshot"] * 5, *["expire"] * 2, *["delegate"] * 2, *["resume"] * 4,
    *["request_resume"] * 4, "halt", "submit", "submit", "edit", "edit", "edit", "dry_run", "dry_run",
    "reject", "reopen", "reopen", "override_intake", "override_intake", "grant_exemption", "revoke_exemption",
    "reset_quota", "reset_quota", "check", "check", "explain", "swarm", "swarm", "mark_finding",
    "review_draft", "review_draft", "decide_triage",
)  # fmt: skip
"""Operations by how often a seeded generator takes them."""
WANTED = {
    "approve": {"pending_approval"},
    "reject": {"pending_approval", "approved"},
    "edit": {"pending_approval", "approved"},
    "submit": {"draft"},
    "execute": {"approved"},
    "rollback": {"executed"},
    "request_rollback": {"executed"},
    "reopen": {"rejected", "failed", "expired"},
}
"""What an operation usually works on."""
OPERATIONS = tuple(dict.fromkeys(OFTEN))
BETWEEN = tuple(name for name in OFTEN if name != "explain")
"""What others do between an intent and its call."""
DURING = tuple(name for name in BETWEEN if name != "halt")
"""What others do during the call; a halt would wait for it (the tests of many at once show that)."""
STEPS_OF_A_STUDIO = 150
_RUNS = itertools.count(1)  # two runs in one database play in studios of their own


def run_steps(url, steps, seed, *, gateway=Gateway):
    """Play so many steps, a new studio every ``STEPS_OF_A_STUDIO``; the seed decides everything.

    Returns (steps played, what broke a promise in the last of them or null, operations, events).
    """
    played, violation = 0, None
    operations, events = Counter(), Counter()
    run_id = next(_RUNS)
    for number in range(-(-steps // STEPS_OF_A_STUDIO)):
        generator = random.Random(f"{seed}/{number}")
        play = Play(url, f"model_{run_id}_{number}", gateway=gateway)
        try:
            for _ in range(min(STEPS_OF_A_STUDIO, steps - played)):
                played += 1
                play.step(generator.randrange)
        except Exception as error:  # noqa: BLE001 - a violation, whatever it is that broke
            violation = f"{type(error).__name__}: {error} (after {', '.join(play.history[-8:])})"
        finally:
            play.close()
        operations += play.done
        events += play.events
        if violation is not None:
            break
    return played, violation, operations, events
