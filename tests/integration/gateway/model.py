"""What the gateway should do, as simply as can be said: dictionaries and ifs, written from the specification.

Nothing of the product is imported here. Instants are plain datetimes; a proposal, an approval, an attempt is
a dict. A method changes the model and notes the events it expects, or raises what the caller should be told.

One file, because whoever checks the gateway against the specification reads it from top to bottom.
"""

import hashlib
import json
from collections import Counter
from datetime import timedelta

HERE = "here"
NOTE, CLOSE = "firestore.ops_note.append", "firestore.batch.close"
ADJUST, READ = "finance.reconciliation.adjust", "hubitat.devices.read"
HOUR, DAY = 3600, 86_400
LEASE, DEADLINE = 120, 20
LIVE = {"draft", "pending_approval", "approved", "executing", "executed"}
RULES = {
    NOTE: {
        "need": 1, "kinds": {"staff", "agent", "system"}, "approval": 24 * HOUR, "exempt": 7 * DAY,
        "snapshot": 26 * HOUR, "adapter": True, "owner": True, "is_read": False,
        "quotas": {"capability": (4, HOUR, 0), "actor": (6, DAY, 0), "owner": (8, DAY, 0)},
    },
    CLOSE: {
        "need": 2, "kinds": {"staff", "agent", "system"}, "approval": 4 * HOUR, "exempt": 0,
        "snapshot": 26 * HOUR, "adapter": True, "owner": True, "is_read": False,
        "quotas": {"capability": (3, HOUR, 300), "actor": (20, DAY, 0)},
    },
    ADJUST: {
        "need": 1, "kinds": {"staff", "system"}, "approval": 24 * HOUR, "exempt": 0, "snapshot": 26 * HOUR,
        "adapter": False, "owner": False, "is_read": False, "quotas": {"capability": (5, HOUR, 0)},
    },
    READ: {
        "need": 0, "kinds": {"staff", "system"}, "approval": 24 * HOUR, "exempt": 0, "snapshot": None,
        "adapter": True, "owner": False, "is_read": True, "quotas": {"capability": (5, HOUR, 0)},
    },
}  # fmt: skip
TTL = 7 * DAY
DEPARTMENTS = ("operations", "finance")
DRAFT_STEPS = {
    "draft": {"needs_review", "rejected"},
    "needs_review": {"draft", "needs_review", "approved_for_publish", "rejected"},
    "approved_for_publish": {"needs_review", "rejected"},
    "rejected": {"needs_review"},
}
SUGGESTED = ("report-1", "safety", "high")


class ToldError(Exception):
    """What the caller is told instead: ``denied``, ``bad``, ``unknown``, ``refused`` or ``target``."""


def after(instant, seconds):
    return instant + timedelta(seconds=seconds)


def hash_of(capability, input_):
    text = json.dumps(
        {"capability": capability, "input": input_}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def need(holds, told="denied"):
    if not holds:
        raise ToldError(told)


def person(who):
    return who["kind"] in {"staff", "human"}


def staff(who):
    return who["kind"] == "staff" and "staff" in who["roles"]


def principal(who):
    return who["owner"] or who["id"]


def says_why(text, least=10):
    return text is not None and len(text.strip()) >= least


class Model:
    """The whole state of one studio."""

    def __init__(self):
        self.proposals, self.approvals, self.attempts, self.exemptions = {}, [], {}, {}
        self.quotas = {}
        self.switch, self.asked_by = "off", None
        self.snapshot, self.is_red = None, False
        self.client, self.is_readable, self.delegations = "active", True, []
        self.effects, self.called = {}, set()
        self.swarms, self.marks, self.decided = {}, [], []
        self.draft = {"revision": 1, "status": "draft", "hash": None, "at": None}
        self.events = Counter({("kill_switch:opened", "off"): 1})
        self.now = self.finding = None

    def saw(self, name, state):
        self.events[name, state] += 1

    def _saw(self, proposal, action):
        self.saw(f"proposal:{proposal['capability']}:{action}", proposal["state"])

    def expected(self):
        """Return the events expected since this was asked last."""
        events, self.events = self.events, Counter()
        return events

    # Who may

    def here(self, who):
        need(who["studio"] == HERE)

    def known(self, pid):
        need(pid in self.proposals, "unknown")
        return self.proposals[pid]

    def approver(self, who):
        need(person(who) and staff(who) and who["roles"] & {"approver", "admin"})

    def admin(self, who):
        need(person(who) and staff(who) and "admin" in who["roles"])

    def same_side(self, who, proposal):
        sides = {proposal["requester"], proposal["principal"]}
        return who["id"] in sides or principal(who) in sides

    def requester_kind(self, who, rules):
        need(who["kind"] in rules["kinds"] and (who["kind"] != "staff" or staff(who)))

    def acting_agent(self, who, owner):
        if who["kind"] != "agent":
            return
        need(self.is_readable and self.client == "active" and owner == who["owner"])
        need(any(d["revoked"] is None and self.now < d["expires"] for d in self.delegations))

    def agent_still(self, proposal):
        if proposal["kind"] != "agent":
            return
        need(self.is_readable and self.client == "active" and proposal["owner"] == proposal["principal"])
        revoked = [d["revoked"] for d in self.delegations if d["revoked"] is not None]
        need(self.delegations and len(revoked) < len(self.delegations))
        need(all(at < proposal["created"] for at in revoked))

    # What binds

    def live(self, proposal, kind="execute"):
        return {
            a["who"]
            for a in self.approvals
            if (a["pid"], a["version"], a["hash"], a["kind"])
            == (proposal["id"], proposal["version"], proposal["hash"], kind)
            and a["at"] <= self.now < a["expires"]
        }

    def waiting(self, proposal):
        """A rollback was asked for and no attempt at it has failed since."""
        failed = [
            a["started"]
            for a in self.attempts.values()
            if (a["pid"], a["kind"], a["state"]) == (proposal["id"], "rollback", "failed")
        ]
        return any(
            a["pid"] == proposal["id"] and not (failed and a["at"] <= max(failed))
            for a in self.approvals
            if a["who"] in self.live(proposal, "rollback") and a["kind"] == "rollback"
            and (a["version"], a["hash"]) == (proposal["version"], proposal["hash"])
            and a["at"] <= self.now < a["expires"]
        )  # fmt: skip

    def exemption(self, proposal, *, by_requester_too=False):
        found = [
            (x["expires"], xid)
            for xid, x in self.exemptions.items()
            if x["capability"] == proposal["capability"]
            and x["owner"] in {None, proposal["owner"]}
            and x["ended"] is None
            and x["granted"] <= self.now < x["expires"]
            and (by_requester_too or x["by"] not in {proposal["requester"], proposal["principal"]})
        ]
        return max(found)[1] if found else None

    def by_rule(self, proposal):
        """Approve what nobody has to approve, or what enough people have said yes to or is exempt."""
        required = RULES[proposal["capability"]]["need"]
        if proposal["state"] != "pending_approval" or proposal["blocked"]:
            return
        if len(self.live(proposal)) >= required or self.exemption(proposal):
            proposal["state"] = "approved"
            self._saw(proposal, "approved")

    # Proposals

    def propose(self, who, capability, input_, why, *, owner, dedupe, is_draft, pid):
        if owner is None and who["kind"] == "agent":
            owner = who["owner"]
        self.here(who)
        need(capability in RULES)
        rules = RULES[capability]
        self.requester_kind(who, rules)
        self.acting_agent(who, owner)
        need(owner or not rules["owner"])
        need(says_why(why))
        for other in self.proposals.values():
            if (
                dedupe
                and (other["capability"], other["dedupe"]) == (capability, dedupe)
                and other["state"] in LIVE
            ):
                need(who["kind"] != "agent" or other["principal"] == principal(who), "bad")
                return other["id"]
        proposal = self.proposals[pid] = {
            "id": pid, "capability": capability, "state": "draft", "version": 1, "why": why, "input": input_,
            "hash": hash_of(capability, input_), "requester": who["id"], "kind": who["kind"],
            "principal": principal(who), "owner": owner, "dedupe": dedupe, "dry": False,
            "created": self.now, "expires": after(self.now, TTL), "blocked": "WEAPON" in why,
        }  # fmt: skip
        self._saw(proposal, "created")
        if not is_draft:
            self._submitted(proposal)
        return pid

    def _submitted(self, proposal):
        proposal["state"] = "pending_approval"
        self._saw(proposal, "submitted")
        self.by_rule(proposal)

    def _requesters(self, who, proposal, *, is_anybodys=False):
        self.here(who)
        self.requester_kind(who, RULES[proposal["capability"]])
        need(is_anybodys or who["id"] in {proposal["requester"], proposal["principal"]})
        self.acting_agent(who, proposal["owner"])

    def submit(self, who, pid):
        proposal = self.known(pid)
        # A process drafts and never asks; any of the staff may ask for it.
        self._requesters(who, proposal, is_anybodys=proposal["kind"] == "system" and staff(who))
        need(proposal["state"] == "draft" and self.now < proposal["expires"])
        self._submitted(proposal)

    def edit(self, who, pid, version, input_, why):
        proposal = self.known(pid)
        self._requesters(who, proposal)
        need(proposal["state"] in {"pending_approval", "approved"} and self.now < proposal["expires"])
        need(why is None or says_why(why))
        need(version == proposal["version"], "bad")
        self._next(proposal, "edited", why, input_)

    def _next(self, proposal, action, why=None, input_=None):
        proposal["version"] += 1
        proposal["state"], proposal["dry"] = "pending_approval", False
        proposal["why"] = proposal["why"] if why is None else why
        proposal["input"] = proposal["input"] if input_ is None else input_
        proposal["hash"] = hash_of(proposal["capability"], proposal["input"])
        proposal["blocked"] = "WEAPON" in proposal["why"]
        self._saw(proposal, action)
        self.by_rule(proposal)

    def dry_run(self, who, pid, mode):
        proposal = self.known(pid)
        self.here(who)
        if not (staff(who) or who["kind"] == "system"):
            need(who["id"] in {proposal["requester"], proposal["principal"]})
        self.acting_agent(who, proposal["owner"])
        need(RULES[proposal["capability"]]["adapter"])
        need(proposal["state"] in {"draft", "pending_approval", "approved"})
        need(not (proposal["dry"] and self.live(proposal)))
        need(mode != "deaf", "target")
        proposal["dry"] = True
        self._saw(proposal, "dry_run")

    def approve(self, who, pid, why, hash_):
        proposal = self.known(pid)
        self.here(who)
        self.approver(who)
        # Whatever it is about: also what nobody has to approve, and only screening holds back.
        need(not self.same_side(who, proposal))
        need(proposal["state"] == "pending_approval" and self.now < proposal["expires"])
        need(hash_ == proposal["hash"] and who["id"] not in self.live(proposal) and says_why(why))
        self._approval(who, proposal, "execute")
        self._saw(proposal, "approval_given")
        if not proposal["blocked"] and len(self.live(proposal)) >= RULES[proposal["capability"]]["need"]:
            proposal["state"] = "approved"
            self._saw(proposal, "approved")

    def _approval(self, who, proposal, kind):
        expires = after(self.now, RULES[proposal["capability"]]["approval"])
        self.approvals.append(
            {"pid": proposal["id"], "version": proposal["version"], "hash": proposal["hash"], "kind": kind,
             "who": who["id"], "at": self.now, "expires": expires}
        )  # fmt: skip

    def reject(self, who, pid, why):
        proposal = self.known(pid)
        self.here(who)
        self.approver(who)
        need(proposal["state"] in {"pending_approval", "approved"} and says_why(why))
        proposal["state"] = "rejected"
        self._saw(proposal, "rejected")

    def reopen(self, who, pid, why):
        proposal = self.known(pid)
        self.here(who)
        self.admin(who)
        need(proposal["state"] in {"rejected", "failed", "expired"} and says_why(why))
        key = proposal["capability"], proposal["dedupe"]
        is_taken = any(
            (it["capability"], it["dedupe"]) == key and it["state"] in LIVE for it in self.proposals.values()
        )
        need(not (proposal["dedupe"] and is_taken), "refused")
        proposal["expires"] = after(self.now, TTL)
        self._next(proposal, "reopened")

    def override_intake(self, who, pid, code, why):
        need(code == "false_positive", "bad")
        proposal = self.known(pid)
        self.here(who)
        self.approver(who)
        need(not self.same_side(who, proposal))
        need(
            proposal["state"] in {"draft", "pending_approval", "approved"}
            and proposal["blocked"]
            and says_why(why)
        )
        proposal["blocked"] = False
        self._saw(proposal, "intake_overridden")
        self.by_rule(proposal)

    def request_rollback(self, who, pid, why):
        need(says_why(why), "bad")  # the reason goes to the target, which wants one
        proposal = self.known(pid)
        self.here(who)
        self.approver(who)
        need(proposal["state"] == "executed" and not self.running(pid, "rollback"))
        need(not self.waiting(proposal) and says_why(why))
        self._approval(who, proposal, "rollback")
        self._saw(proposal, "rollback_requested")

    # Acting

    def running(self, pid, kind):
        mine = [a for a in self.attempts.values() if (a["pid"], a["kind"]) == (pid, kind)]
        return any(a["state"] in {"intent", "succeeded"} for a in mine)

    def begin(self, kind, who, pid, is_anchored, eid):
        """The first half of execute and rollback: everything is decided again, and the intent is kept."""
        is_executor = (who["kind"], who["id"]) == ("system", "system:executor")
        proposal = self.known(pid)
        self.here(who)
        rules = RULES[proposal["capability"]]
        need(
            is_executor
            and self.switch == "off"
            and (rules["is_read"] or not is_anchored)
            and rules["adapter"]
        )
        exemption = None
        if kind == "execute":
            need(proposal["state"] == "approved" and not self.running(pid, kind))
            self.agent_still(proposal)
            need(not proposal["blocked"] and not self.is_red)
            if not rules["need"] or len(self.live(proposal)) < rules["need"]:
                exemption = self.exemption(proposal) if rules["need"] else None
                need((exemption or not rules["need"]) and self.now < proposal["expires"])
            if rules["snapshot"] is not None:
                need(self.snapshot is not None)
                need(-300 <= (self.now - self.snapshot).total_seconds() <= rules["snapshot"])
            self._use_quotas(proposal, rules)
            proposal["state"] = "executing"
            self._saw(proposal, "executing")
        else:
            need(proposal["state"] == "executed" and not self.running(pid, kind))
            need(self.live(proposal, "rollback"))
            self._saw(proposal, "rolling_back")
        self.attempts[eid] = {
            "pid": pid, "version": proposal["version"], "kind": kind, "state": "intent", "fence": 1,
            "lease": after(self.now, LEASE), "started": self.now, "exemption": exemption, "code": None,
        }  # fmt: skip
        return eid

    def _use_quotas(self, proposal, rules):
        subjects = {"capability": "*", "actor": proposal["principal"], "owner": proposal["owner"]}
        used = []
        for scope, (limit, window, pause) in rules["quotas"].items():
            if subjects[scope] is None:
                continue
            key = proposal["capability"], scope, subjects[scope]
            count, began, last = self.quotas.get(key, (0, None, None))
            is_over = began is None or self.now >= after(began, window)
            need(is_over or count < limit)
            need(not (pause and count and self.now < after(last, pause)))
            fresh = (1, self.now, self.now)
            used.append((key, fresh if is_over else (count + 1, began, max(last, self.now))))
        self.quotas.update(used)

    def call(self, eid, mode, crashed, *, is_lost=False, is_under_way=False):
        """The second half. Returns the state of the attempt, or raises ``ToldError``.

        ``is_lost``: what it writes down is lost. ``is_under_way``: the call had begun before others acted.
        """
        attempt = self.attempts[eid]
        is_kept = not is_lost and (crashed is None or crashed.endswith("_call:commit:after"))
        need((attempt["state"], attempt["fence"]) == ("intent", 1), "refused")
        if self.switch != "off" and not is_under_way:
            if is_kept:
                self.end(eid, "released")
            need(crashed is not None)
        elif self.now >= after(attempt["lease"], -DEADLINE) and not is_under_way:
            if is_kept:
                self.end(eid, "released")
        else:
            if crashed is None or not crashed.endswith("call:call:before"):
                self._happen(attempt, mode)
            if is_kept and mode in {"ok", "certain"}:
                self.end(eid, "succeeded" if mode == "ok" else "failed")
        return attempt["state"]

    def _happen(self, attempt, mode):
        if mode in {"ok", "lost", "odd"}:
            self.effects[attempt["pid"]] = "done" if attempt["kind"] == "execute" else "undone"

    def end(self, eid, state):
        attempt = self.attempts[eid]
        attempt["state"] = state
        proposal = self.proposals[attempt["pid"]]
        is_forward = attempt["kind"] == "execute"
        action, new = {
            "succeeded": ("executed", "executed") if is_forward else ("rolled_back", "rolled_back"),
            "failed": ("failed", "failed") if is_forward else ("rollback_failed", "executed"),
            "released": ("released", "approved") if is_forward else ("released", "executed"),
        }[state]
        proposal["state"] = new
        self._saw(proposal, action)

    def recover(self, who, mode):
        self.here(who)
        need((who["kind"], who["id"]) == ("system", "system:executor"))
        for eid, attempt in self.attempts.items():
            # While its executor is in the call, nobody takes an attempt over, whatever the lease says.
            if attempt["state"] != "intent" or attempt["lease"] > self.now or eid in self.called:
                continue
            attempt["fence"] += 1
            attempt["lease"] = after(self.now, LEASE)
            self._saw(self.proposals[attempt["pid"]], "taken_over")
            found = self.effects.get(attempt["pid"])
            if mode != "deaf":
                forward = {"done": "succeeded", "undone": "succeeded", None: "released"}
                backward = {"done": "released", "undone": "succeeded", None: "failed"}
                self.end(eid, (forward if attempt["kind"] == "execute" else backward)[found])

    def expire(self, who):
        self.here(who)
        need(who["kind"] == "system")
        for proposal in self.proposals.values():
            if self._is_overdue(proposal):
                proposal["state"] = "expired"
                self._saw(proposal, "expired")
        for exemption in self.exemptions.values():
            if exemption["ended"] is None and exemption["expires"] <= self.now:
                exemption["ended"], exemption["ended_at"] = "expired", self.now
                self.saw(f"exemption:{exemption['capability']}:expired", "expired")

    def _is_overdue(self, proposal):
        required = RULES[proposal["capability"]]["need"]
        if proposal["state"] in {"draft", "pending_approval"} or (
            proposal["state"] == "approved" and not required
        ):
            return proposal["expires"] <= self.now
        if proposal["state"] != "approved":
            return False
        lasting = {
            a["who"]
            for a in self.approvals
            if (a["pid"], a["version"], a["hash"], a["kind"])
            == (proposal["id"], proposal["version"], proposal["hash"], "execute")
            and self.now < a["expires"]
        }
        # By instants alone: where the clock went back, what is yet to be granted or to end covers it still.
        return len(lasting) < required and not any(
            x["capability"] == proposal["capability"]
            and x["owner"] in {None, proposal["owner"]}
            and x["by"] not in {proposal["requester"], proposal["principal"]}
            and self.now < x["expires"]
            and (x["ended"] is None or self.now < x["ended_at"])
            for x in self.exemptions.values()
        )

    # Policies

    def halt(self, who, why):
        self.here(who)
        need(
            person(who)
            and staff(who)
            and says_why(why, least=3)
            and not (self.switch == "on" and self.asked_by is None)
        )
        self.switch, self.asked_by = "on", None
        self.saw("kill_switch:halted", "on")

    def request_resume(self, who, why):
        self.here(who)
        need(person(who) and staff(who) and says_why(why) and self.switch == "on" and self.asked_by is None)
        self.asked_by = who["id"]
        self.saw("kill_switch:resume_requested", "on")

    def resume(self, who, why):
        self.here(who)
        self.approver(who)
        need(says_why(why) and self.switch == "on" and self.asked_by not in {None, who["id"], principal(who)})
        self.switch, self.asked_by = "off", None
        self.saw("kill_switch:resumed", "off")

    def grant_exemption(self, who, capability, *, owner, seconds, why, xid):
        self.here(who)
        need(capability in RULES)
        self.admin(who)
        need(RULES[capability]["exempt"] and says_why(why) and 1 <= seconds <= RULES[capability]["exempt"])
        self.exemptions[xid] = {
            "capability": capability, "owner": owner, "by": who["id"], "granted": self.now,
            "expires": after(self.now, seconds), "ended": None, "ended_at": None,
        }  # fmt: skip
        self.saw(f"exemption:{capability}:granted", "live")

    def revoke_exemption(self, who, xid, why):
        need(xid in self.exemptions, "unknown")
        exemption = self.exemptions[xid]
        self.here(who)
        self.admin(who)
        need(
            exemption["ended"] is None
            and exemption["granted"] <= self.now < exemption["expires"]
            and says_why(why)
        )
        exemption["ended"], exemption["ended_at"] = "revoked", self.now
        self.saw(f"exemption:{exemption['capability']}:revoked", "revoked")

    def reset_quota(self, who, capability, scope, subject, why):
        need(capability not in RULES or scope in RULES[capability]["quotas"], "unknown")
        self.here(who)
        need(capability in RULES)
        self.admin(who)
        need(says_why(why))
        self.quotas.pop((capability, scope, subject), None)
        self.saw(f"quota:{capability}:reset", None)

    def check(self, is_red):
        self.is_red = is_red
        self.saw(f"check:model:{'red' if is_red else 'green'}", None)

    # What people say of swarms, findings, drafts and reports

    def _judge(self, who, why):
        self.here(who)
        need(person(who) and staff(who) and says_why(why))

    def control_swarm(self, who, department, kind, why):
        self._judge(who, why)
        need(kind != self.swarms.get(department, "resumed"), "refused")
        self.swarms[department] = kind
        self.saw(f"swarm:{department}:{kind}", kind)

    def mark_finding(self, who, finding, revision, verdict, why):
        self._judge(who, why)
        need((finding, revision) == (self.finding, 1), "refused")
        self.marks.append([finding, revision, verdict, who["id"]])
        self.saw(f"finding:{verdict}:marked", None)

    def review_draft(self, who, seen, to_status, after, *, is_edited, why):
        before = seen["hash"]
        need(seen["revision"] >= 1 and is_edited == (after != before), "bad")
        self._judge(who, why)
        need(seen == self.draft and to_status in DRAFT_STEPS[seen["status"]], "refused")
        need(seen["status"] != to_status or after != before, "refused")
        need(seen["at"] is None or self.now >= seen["at"], "refused")
        self.draft = {
            "revision": seen["revision"] + 1, "status": to_status, "hash": after, "at": self.now,
        }  # fmt: skip
        self.saw(f"draft:{to_status}:reviewed", to_status)

    def decide_triage(self, who, report, found, verdict, why):
        category, severity = found
        self._judge(who, why)
        need(report == SUGGESTED[0], "refused")
        need((verdict == "confirmed") == ((report, category, severity) == SUGGESTED), "refused")
        self.decided.append([report, category, severity, verdict, who["id"]])
        self.saw(f"triage:{verdict}:decided", None)
