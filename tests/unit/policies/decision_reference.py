"""What the rules should say, written from the specification as tables of predicates; shares no product code.

A situation is a mapping of dimension to value. For each operation the rows are read from the top: the first
whose predicate holds gives the code; if none holds the answer is ``ALLOWED``.
"""

LIVE = {
    "one": 1,
    "two": 2,
    "one_and_expired": 1,
    "same_person_twice": 1,
    "almost_expired": 1,
    "by_actor": 1,
}
BINDING = {
    "almost_expired": 1,
    "by_actor": 1,
    "one": 1,
    "two": 2,
    "one_and_expired": 2,
    "same_person_twice": 1,
    "expired_one": 1,
    "expired_two": 2,
    "just_expired": 1,
    "future": 1,
}
NEEDED = {"read": 0, "medium": 1, "high": 2, "manual": 1, "guarded": 1}
EXEMPTABLE = {"medium"}
COVERING_LIVE = {"anyone", "owner", "almost_expired"}
COVERING_ENDED = {"expired", "just_expired", "revoked", "not_yet"}
NOT_COVERING = {"other_owner", "by_requester", "other_capability"}


def exempt(s):
    """An exemption stands in: lawful, live, covering, and approvals lack."""
    return (
        s["profile"] in EXEMPTABLE
        and s["exemption"] in COVERING_LIVE
        and LIVE.get(s["approvals"], 0) < NEEDED[s["profile"]]
    )


def lacking(s):
    """The quorum is not there and nothing stands in."""
    return LIVE.get(s["approvals"], 0) < NEEDED[s["profile"]] and not exempt(s)


def is_(dimension, *values):
    return lambda s: s[dimension] in values


def both(*predicates):
    return lambda s: all(predicate(s) for predicate in predicates)


WHERE = [
    ("TENANT_MISMATCH", is_("tenant", "actor_elsewhere")),
    ("PROPOSAL_UNKNOWN", is_("proposal", "none")),
    ("TENANT_MISMATCH", is_("tenant", "proposal_elsewhere")),
    ("CAPABILITY_UNKNOWN", is_("capability", "unknown")),
    ("CAPABILITY_MISMATCH", is_("capability", "other")),
]
WHERE_WITHOUT_PROPOSAL = [
    ("TENANT_MISMATCH", is_("tenant", "actor_elsewhere")),
    ("CAPABILITY_UNKNOWN", is_("capability", "unknown")),
]
WHERE_OF_STUDIO = [("TENANT_MISMATCH", is_("tenant", "actor_elsewhere"))]

STATES = {
    "draft": "NOT_SUBMITTED",
    "pending_approval": "NOT_APPROVED",
    "approved": "ALREADY_APPROVED",
    "rejected": "PROPOSAL_REJECTED",
    "executing": "ALREADY_EXECUTING",
    "executed": "ALREADY_EXECUTED",
    "failed": "PROPOSAL_FAILED",
    "rolled_back": "ALREADY_ROLLED_BACK",
    "expired": "PROPOSAL_EXPIRED",
}


def states_but(*allowed, **instead):
    """One row per state that is not allowed."""
    codes = STATES | instead
    return [(codes[state], is_("state", state)) for state in STATES if state not in allowed]


# (roles and kind as named by the builder) -> which of the groups an actor is in
STAFF = {"staff", "approver", "admin", "requester", "requester_as_owner", "kiln_lead"}
PEOPLE = STAFF | {"admin_only", "member", "staff_in_name"}
APPROVERS = {"approver", "admin", "admin_only", "requester", "requester_as_owner", "staff_in_name"}
ADMINS = {"admin", "admin_only"}


def outside(group):
    return lambda s: s["actor"] not in group


PERSON = ("PERSON_REQUIRED", outside(PEOPLE))
STAFF_ROW = ("STAFF_REQUIRED", outside(STAFF))
WHO_APPROVES = [PERSON, STAFF_ROW, ("ROLE_MISSING", outside(APPROVERS))]
WHO_ADMINISTERS = [PERSON, STAFF_ROW, ("ROLE_MISSING", outside(ADMINS))]
REASON = [
    ("RATIONALE_TOO_SHORT", is_("reason", "none", "short", "blank", "padded")),
    ("RATIONALE_INVALID", is_("reason", "control", "huge", "surrogate")),
]
# A word is enough to stop everything.
HALT_REASON = [("RATIONALE_TOO_SHORT", is_("reason", "none", "blank")), REASON[1]]

AGENTS = {"agent", "agent_without_owner"}


def agent_is(*values):
    return lambda s: s["actor"] in AGENTS and s["delegation"] in values


AGENT_ACTS = [
    ("DELEGATION_UNREADABLE", agent_is("unreadable")),
    ("DELEGATION_MISSING", agent_is("not_looked_up")),
    ("AGENT_UNKNOWN", agent_is("unknown_client")),
    ("DELEGATION_ACTOR_MISMATCH", agent_is("other_client")),
    ("AGENT_NOT_ACTIVE", agent_is("suspended", "client_revoked")),
    ("DELEGATION_OWNER_MISMATCH", agent_is("client_of_other_owner")),
    ("DELEGATION_OWNER_MISMATCH", is_("actor", "agent_without_owner")),
    ("DELEGATION_OWNER_MISMATCH", lambda s: s["actor"] == "agent" and s["owner"] != "own"),
    ("DELEGATION_SCOPE_MISSING", agent_is("client_without_scope")),
    ("AGENT_COOLDOWN", agent_is("cooling")),
    ("DELEGATION_MISSING", agent_is("none")),
    ("DELEGATION_ACTOR_MISMATCH", agent_is("of_other_agent")),
    ("DELEGATION_OWNER_MISMATCH", agent_is("of_other_owner")),
    ("DELEGATION_SCOPE_MISSING", agent_is("without_scope")),
    ("DELEGATION_RESOURCE_MISSING", agent_is("without_resource")),
    ("DELEGATION_EXPIRED", agent_is("expired", "just_expired", "endless", "expired_by_status")),
    ("DELEGATION_NOT_ACTIVE", agent_is("paused")),
    ("DELEGATION_REVOKED", agent_is("revoked", "revoked_before", "revoked_undated")),
]


def asked_by_agent(*values):
    return lambda s: s["requester"] == "agent" and s["delegation"] in values


AGENT_ASKED = [
    ("DELEGATION_UNREADABLE", asked_by_agent("unreadable")),
    ("DELEGATION_MISSING", asked_by_agent("not_looked_up")),
    ("AGENT_UNKNOWN", asked_by_agent("unknown_client")),
    ("DELEGATION_ACTOR_MISMATCH", asked_by_agent("other_client")),
    ("AGENT_NOT_ACTIVE", asked_by_agent("suspended", "client_revoked")),
    ("DELEGATION_OWNER_MISMATCH", asked_by_agent("client_of_other_owner")),
    ("DELEGATION_OWNER_MISMATCH", lambda s: s["requester"] == "agent" and s["owner"] != "own"),
    ("DELEGATION_SCOPE_MISSING", asked_by_agent("client_without_scope")),
    ("DELEGATION_MISSING", asked_by_agent("none")),
    ("DELEGATION_ACTOR_MISMATCH", asked_by_agent("of_other_agent")),
    ("DELEGATION_OWNER_MISMATCH", asked_by_agent("of_other_owner")),
    ("DELEGATION_SCOPE_MISSING", asked_by_agent("without_scope")),
    ("DELEGATION_RESOURCE_MISSING", asked_by_agent("without_resource")),
    ("DELEGATION_REVOKED", asked_by_agent("revoked", "revoked_before", "revoked_undated")),
    # Whoever revokes one of two after the proposal meant this agent; what was revoked before did not count.
    (
        "DELEGATION_REVOKED",
        asked_by_agent("revoked_at_creation_beside_good", "revoked_since_beside_good"),
    ),
    # Expiry, a pause of the client and a status do not undo what was asked in time.
]

ACTS = [
    ("EXECUTOR_ONLY", lambda s: s["actor"] != "executor"),
    ("KILL_SWITCH_ON", is_("switch", "on")),
    ("KILL_SWITCH_UNREADABLE", is_("switch", "unreadable")),
    ("WRITES_DISABLED", lambda s: s["writes"] == "disabled" and s["profile"] != "read"),
    ("PROPOSAL_ONLY", is_("profile", "manual")),
]

APPROVED_ENOUGH = [
    ("INPUT_CHANGED", both(lacking, is_("approvals", "other_hash"))),
    (
        "APPROVAL_EXPIRED",
        both(lacking, lambda s: BINDING.get(s["approvals"], 0) >= NEEDED[s["profile"]]),
    ),
    ("SELF_APPROVAL", both(lacking, is_("approvals", "own"))),
    ("QUORUM_NOT_REACHED", both(lacking, lambda s: LIVE.get(s["approvals"], 0) > 0)),
    (
        "EXEMPTION_EXPIRED",
        both(lacking, is_("exemption", *COVERING_ENDED), is_("profile", *EXEMPTABLE)),
    ),
    (
        "EXEMPTION_MISMATCH",
        both(lacking, is_("exemption", *NOT_COVERING), is_("profile", *EXEMPTABLE)),
    ),
    ("NOT_APPROVED", lacking),
    (
        "PROPOSAL_EXPIRED",
        both(is_("time", "at_expiry", "late"), lambda s: exempt(s) or s["profile"] == "read"),
    ),
]

SNAPSHOT_MATTERS = {"medium", "high", "manual"}
OUTSIDE_NOW = [
    ("SNAPSHOT_MISSING", both(is_("snapshot", "missing"), is_("profile", *SNAPSHOT_MATTERS))),
    ("SNAPSHOT_STALE", both(is_("snapshot", "over", "future"), is_("profile", *SNAPSHOT_MATTERS))),
    ("QUOTA_EXCEEDED", is_("quota", "exhausted", "last_second")),
    ("QUOTA_EXCEEDED", lambda s: s["quota"] == "owner_exhausted" and s["owner"] != "none"),
    ("COOLDOWN", both(is_("quota", "cooling"), is_("profile", "guarded"))),
]

REQUESTS = [
    (
        "REQUESTER_NOT_ALLOWED",
        lambda s: (
            s["actor"] in {"member", "admin_only", "staff_in_name"}
            or (s["actor"] in AGENTS and s["profile"] in {"high", "manual", "guarded", "read"})
        ),
    )
]
IS_REQUESTER = {
    "staff": {"requester"},
    "agent": {"agent", "agent_without_owner", "requester_as_owner"},
}
REQUESTER = ("NOT_REQUESTER", lambda s: s["actor"] not in IS_REQUESTER[s["requester"]])

OURS = {"executor", "swarm"}
# What a reading capability lists -> who may read. Agents and members may not even where it lists everybody.
READERS = {"staff_and_ours": STAFF | OURS, "everybody": STAFF | OURS, "staff": STAFF, "ours": OURS}

LATE = ("PROPOSAL_EXPIRED", is_("time", "at_expiry", "late"))
SELF = ("SELF_APPROVAL", lambda s: s["actor"] in IS_REQUESTER[s["requester"]])
TABLES = {
    "propose": [
        *WHERE_WITHOUT_PROPOSAL,
        *REQUESTS,
        *AGENT_ACTS,
        ("OWNER_MISSING", both(is_("owner", "none"), is_("profile", "medium", "high"))),
        *REASON,
    ],
    "submit": [
        *WHERE,
        *REQUESTS,
        REQUESTER,
        *AGENT_ACTS,
        *states_but("draft", pending_approval="ALREADY_SUBMITTED", approved="ALREADY_SUBMITTED"),
        LATE,
        ("RATIONALE_TOO_SHORT", is_("kept_rationale", "short")),
    ],
    "edit": [
        *WHERE,
        *REQUESTS,
        REQUESTER,
        *AGENT_ACTS,
        *states_but("pending_approval", "approved"),
        LATE,
        ("RATIONALE_TOO_SHORT", is_("reason", "short", "blank", "padded")),
        ("RATIONALE_INVALID", is_("reason", "control", "huge", "surrogate")),
    ],
    "dry_run": [
        *WHERE,
        (
            "NOT_REQUESTER",
            lambda s: s["actor"] not in STAFF | {"executor", "swarm"} | IS_REQUESTER[s["requester"]],
        ),
        *AGENT_ACTS,
        ("PROPOSAL_ONLY", is_("profile", "manual")),
        *states_but("draft", "pending_approval", "approved"),
        ("DRY_RUN_BOUND", lambda s: s["dry_run"] == "kept" and LIVE.get(s["approvals"], 0) > 0),
        # Where nobody's yes is needed there are not four eyes either: a requester's own yes would count.
        ("DRY_RUN_BOUND", both(is_("dry_run", "kept"), is_("approvals", "own"), is_("profile", "read"))),
    ],
    "approve": [
        *WHERE,
        *WHO_APPROVES,
        SELF,
        *states_but("pending_approval"),
        LATE,
        ("INPUT_CHANGED", is_("hash", "other", "none")),
        ("DUPLICATE_APPROVAL", both(is_("approvals", "by_actor"), is_("actor", "approver"))),
        *REASON,
    ],
    "reject": [
        *WHERE,
        *WHO_APPROVES,
        *states_but("pending_approval", "approved"),
        ("INPUT_CHANGED", is_("hash", "other")),
        *REASON,
    ],
    "reopen": [
        *WHERE,
        *WHO_ADMINISTERS,
        ("NOT_REOPENABLE", lambda s: s["state"] not in {"rejected", "failed", "expired"}),
        *REASON,
    ],
    "override_intake": [
        *WHERE,
        *WHO_APPROVES,
        SELF,
        *states_but("draft", "pending_approval", "approved"),
        ("INTAKE_NOT_BLOCKED", is_("intake", "clear")),
        *REASON,
    ],
    "execute": [
        *WHERE,
        *ACTS,
        *states_but("approved"),
        ("ALREADY_EXECUTED", is_("attempts", "succeeded")),
        ("ALREADY_EXECUTING", is_("attempts", "intent")),
        *AGENT_ASKED,
        ("INTAKE_BLOCKED", is_("intake", "blocked")),
        ("CHECK_RED", is_("checks", "red")),
        ("INPUT_CHANGED", is_("hash", "other")),
        *APPROVED_ENOUGH,
        *OUTSIDE_NOW,
    ],
    "rollback_by_executor": [
        *WHERE,
        *ACTS[1:],  # by anyone else it is a request
        ("ALREADY_ROLLED_BACK", is_("state", "rolled_back")),
        ("NOT_EXECUTED", lambda s: s["state"] != "executed"),
        ("ALREADY_ROLLED_BACK", is_("attempts", "rolled_back")),
        ("ALREADY_EXECUTING", is_("attempts", "rolling_back")),
        ("INPUT_CHANGED", is_("hash", "other")),
        ("APPROVAL_EXPIRED", is_("approvals", "rollback_expired")),
        ("NOT_APPROVED", lambda s: s["approvals"] not in {"rollback", "rollback_by_requester"}),
    ],
    "rollback": [
        *WHERE,
        *WHO_APPROVES,
        ("ALREADY_ROLLED_BACK", is_("state", "rolled_back")),
        ("NOT_EXECUTED", lambda s: s["state"] != "executed"),
        ("ALREADY_ROLLED_BACK", is_("attempts", "rolled_back")),
        ("ALREADY_EXECUTING", is_("attempts", "rolling_back")),
        ("INPUT_CHANGED", is_("hash", "other")),
        (
            "DUPLICATE_APPROVAL",
            lambda s: (
                s["approvals"] in {"rollback", "rollback_by_requester"} and s["attempts"] != "rollback_failed"
            ),
        ),
        *REASON,
    ],
    "judge": [*WHERE_OF_STUDIO, PERSON, STAFF_ROW, *REASON],
    "halt": [
        *WHERE_OF_STUDIO,
        PERSON,
        STAFF_ROW,
        *HALT_REASON,
        ("ALREADY_HALTED", both(is_("switch", "on"), is_("resume", "nobody"))),
    ],
    "request_resume": [
        *WHERE_OF_STUDIO,
        PERSON,
        STAFF_ROW,
        *REASON,
        ("KILL_SWITCH_UNREADABLE", is_("switch", "unreadable")),
        ("NOT_HALTED", is_("switch", "off")),
        ("RESUME_ALREADY_REQUESTED", is_("resume", "another", "actor")),
    ],
    "resume": [
        *WHERE_OF_STUDIO,
        *WHO_APPROVES,
        *REASON,
        ("KILL_SWITCH_UNREADABLE", is_("switch", "unreadable")),
        ("NOT_HALTED", is_("switch", "off")),
        ("RESUME_NOT_REQUESTED", is_("resume", "nobody")),
        ("SELF_APPROVAL", is_("resume", "actor")),
    ],
    "grant_exemption": [
        *WHERE_WITHOUT_PROPOSAL,
        *WHO_ADMINISTERS,
        ("EXEMPTION_FORBIDDEN", lambda s: s["profile"] not in EXEMPTABLE),
        *REASON,
    ],
    "revoke_exemption": [
        *WHERE_WITHOUT_PROPOSAL,
        *WHO_ADMINISTERS,
        ("EXEMPTION_UNKNOWN", is_("exemption", "none", *COVERING_ENDED)),
        *REASON,
    ],
    "reset_quota": [*WHERE_WITHOUT_PROPOSAL, *WHO_ADMINISTERS, *REASON],
    # Reading needs no proposal, approval, switch, executor or quota: only a reading capability and a reader.
    "read": [
        *WHERE_WITHOUT_PROPOSAL,
        ("NOT_A_READ", lambda s: s["profile"] != "read"),
        ("READER_NOT_ALLOWED", lambda s: s["actor"] not in READERS[s["readers"]]),
    ],
}


def expected(operation, situation):
    """Return the code the specification wants."""
    for code, holds in TABLES[operation]:
        if holds(situation):
            return code
    return "ALLOWED"
