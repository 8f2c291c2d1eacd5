"""Builds what ``decide`` takes from a situation: a mapping of dimension to the name of a value.

Over 400 lines because each dimension lists all its values, and the reference is checked against that list.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

from policies.actors import Actor, ActorKind
from policies.decisions import Exemption, Facts, Operation, QuotaUse, Switch, SwitchState
from policies.delegation import AgentClient, Delegation, DelegationFacts
from policies.proposals import Approval, ApprovalKind, Execution, ExecutionState, Proposal, ProposalState
from policies.registry import Capability, Hazard, QuotaRule, Risk

NOW = datetime(2026, 11, 21, 15, tzinfo=UTC)
CREATED = NOW - timedelta(hours=2)
HOME = "monsoonfire"
HASH = "a" * 64
TICK = timedelta(microseconds=1)
SCOPE = "capability:test.thing:execute"

DIMENSIONS = {
    "tenant": ["home", "actor_elsewhere", "proposal_elsewhere"],
    "proposal": ["there", "none"],
    "capability": ["known", "unknown", "other"],
    "profile": ["medium", "high", "read", "manual", "guarded"],
    "readers": ["staff_and_ours", "everybody", "staff", "ours"],
    "actor": [
        "approver",
        "executor",
        "swarm",
        "staff",
        "admin",
        "admin_only",
        "member",
        "kiln_lead",
        "requester",
        "requester_as_owner",
        "staff_in_name",
        "agent",
        "agent_without_owner",
    ],
    "requester": ["staff", "agent"],
    "owner": ["own", "other", "none"],
    "delegation": [
        "good",
        "any_scope",
        "any_resource",
        "all_resources",
        "one_good_of_three",
        "revoked_before_beside_good",
        "revoked_at_creation_beside_good",
        "revoked_since_beside_good",
        "unreadable",
        "not_looked_up",
        "unknown_client",
        "other_client",
        "suspended",
        "client_revoked",
        "client_of_other_owner",
        "client_without_scope",
        "cooling",
        "cooled",
        "none",
        "of_other_agent",
        "of_other_owner",
        "without_scope",
        "without_resource",
        "expired",
        "just_expired",
        "almost_expired",
        "endless",
        "expired_by_status",
        "paused",
        "revoked",
        "revoked_before",
        "revoked_undated",
    ],
    "state": [state.value for state in ProposalState],
    "time": ["in_time", "one_tick_left", "at_expiry", "late"],
    "hash": ["same", "other", "none"],
    "reason": [
        "exact",
        "longest",
        "none",
        "short",
        "blank",
        "padded",
        "control",
        "surrogate",
        "huge",
    ],
    "kept_rationale": ["good", "short"],
    "dry_run": ["none", "kept"],
    "intake": ["clear", "blocked"],
    "switch": ["off", "on", "unreadable"],
    "resume": ["nobody", "another", "actor"],
    "writes": ["enabled", "disabled"],
    "attempts": [
        "none",
        "failed",
        "released",
        "intent",
        "succeeded",
        "rolling_back",
        "rolled_back",
        "rollback_failed",
    ],
    "checks": ["green", "red"],
    "approvals": [
        "none",
        "one",
        "two",
        "one_and_expired",
        "same_person_twice",
        "almost_expired",
        "expired_one",
        "expired_two",
        "just_expired",
        "future",
        "by_actor",
        "other_hash",
        "other_version",
        "other_proposal",
        "own",
        "wrong_role",
        "rollback",
        "rollback_expired",
        "rollback_by_requester",
    ],
    "exemption": [
        "none",
        "anyone",
        "owner",
        "almost_expired",
        "other_owner",
        "other_capability",
        "by_requester",
        "expired",
        "just_expired",
        "not_yet",
        "revoked",
    ],
    "snapshot": ["fresh", "at_limit", "over", "missing", "ahead", "future"],
    "quota": [
        "none",
        "room",
        "exhausted",
        "last_second",
        "window_over",
        "owner_exhausted",
        "of_somebody_else",
        "cooling",
        "cooled",
    ],
}

_PROFILES = {
    "medium": (Risk.MEDIUM, 1, frozenset({"staff", "agent", "system"})),
    "high": (Risk.HIGH, 2, frozenset({"staff", "system"})),
    "read": (Risk.LOW, 0, frozenset({"staff", "system"})),
    "manual": (Risk.MEDIUM, 1, frozenset({"staff", "system"})),
    "guarded": (Risk.MEDIUM, 1, frozenset({"staff", "system"})),
}

_READERS = {
    "staff_and_ours": frozenset({"staff", "system"}),
    "everybody": frozenset({"staff", "system", "agent", "human"}),
    "staff": frozenset({"staff"}),
    "ours": frozenset({"system"}),
}


@cache
def capability_of(profile):
    risk, approvals, kinds = _PROFILES[profile]
    is_touching = profile in {"medium", "high"}
    return Capability(
        capability_id="test.thing",
        target="firestore",
        description="A thing",
        is_read_only=profile == "read",
        risk=risk,
        hazard=Hazard.MOBILITY if profile == "guarded" else Hazard.NONE,
        adapter=None if profile == "manual" else "thing",
        requester_kinds=kinds,
        approvals_required=approvals,
        approver_roles=frozenset({"approver", "admin"}),
        is_staff_required=True,
        is_four_eyes=approvals > 0,
        # Guarded: a careless registry says exempt; the law of the house must still hold.
        is_exemptable=profile in {"medium", "guarded"},
        longest_exemption_seconds=86_400,
        quotas=(
            QuotaRule("capability", 3, 3600, 300 if profile == "guarded" else 0),
            QuotaRule("owner", 2, 86_400),
        ),
        proposal_ttl_seconds=86_400,
        approval_ttl_seconds=3600,
        snapshot_max_age_seconds=None if profile in {"read", "guarded"} else 93_600,
        least_rationale=10,
        inputs=(),
        owner="Somebody",
        failure_mode="Something",
        rollback="Undo",
        escalation="Somebody",
        tests=(),
        is_owner_required=is_touching,
    )


def depending_on(*names):
    """Make a builder remember what it built: it depends on these dimensions only."""

    def remembering(build):
        built = {}

        def remembered(situation):
            key = tuple(situation[name] for name in names)
            if key not in built:
                built[key] = build(situation)
            return built[key]

        return remembered

    return remembering


_OWNERS = {"own": "u_owner", "other": "m_1", "none": None}
_ACTORS = {
    "executor": (ActorKind.SYSTEM, "system:executor", ()),
    "swarm": (ActorKind.SYSTEM, "system:operations-swarm", ()),
    "staff": (ActorKind.STAFF, "u_staff", ("staff",)),
    "approver": (ActorKind.STAFF, "u_approver", ("staff", "approver")),
    "admin": (ActorKind.STAFF, "u_admin", ("staff", "admin")),
    "admin_only": (ActorKind.HUMAN, "u_admin_only", ("admin",)),
    "member": (ActorKind.HUMAN, "u_member", ()),
    "kiln_lead": (ActorKind.STAFF, "u_kiln", ("staff", "kiln_lead")),
    "requester": (ActorKind.STAFF, "u_requester", ("staff", "approver")),
    "requester_as_owner": (ActorKind.STAFF, "u_owner", ("staff", "approver")),
    "staff_in_name": (ActorKind.STAFF, "u_half", ("approver",)),
    "agent": (ActorKind.AGENT, "agent_1", ("agent",)),
    "agent_without_owner": (ActorKind.AGENT, "agent_1", ("agent",)),
}
_REASONS = {
    "exact": "0123456789",
    "longest": "x" * 1_200_000,
    "none": None,
    "short": "012345678",
    "blank": " " * 20,
    "padded": "   short          ",
    "control": "0123456789\x00",
    "surrogate": "0123456789\ud800",
    "huge": "x" * 1_200_001,
}


@depending_on("actor", "tenant")
def actor_of(situation):
    kind, actor_id, roles = _ACTORS[situation["actor"]]
    studio = "elsewhere" if situation["tenant"] == "actor_elsewhere" else HOME
    owner = "u_owner" if situation["actor"] == "agent" else None
    return Actor(kind, actor_id, studio, frozenset(roles), owner)


@depending_on(
    "proposal",
    "requester",
    "time",
    "tenant",
    "capability",
    "state",
    "kept_rationale",
    "owner",
    "dry_run",
    "intake",
)
def proposal_of(situation):
    if situation["proposal"] == "none":
        return None
    is_agents = situation["requester"] == "agent"
    left = {
        "in_time": timedelta(days=1),
        "one_tick_left": TICK,
        "at_expiry": timedelta(0),
        "late": -timedelta(days=1),
    }
    return Proposal(
        proposal_id="prp_1",
        studio_id="elsewhere" if situation["tenant"] == "proposal_elsewhere" else HOME,
        capability_id="test.other" if situation["capability"] == "other" else "test.thing",
        state=ProposalState(situation["state"]),
        version=2,
        rationale="short" if situation["kept_rationale"] == "short" else "0123456789",
        predicted_effects=(),
        evidence=(),
        input={},
        input_hash=HASH,
        requester_id="agent_1" if is_agents else "u_requester",
        requester_kind="agent" if is_agents else "staff",
        requester_principal_id="u_owner" if is_agents else "u_requester",
        owner_id=_OWNERS[situation["owner"]],
        dedupe_key=None,
        dry_run={} if situation["dry_run"] == "kept" else None,
        created_at=CREATED,
        updated_at=CREATED,
        expires_at=NOW + left[situation["time"]],
        intake="weaponisation" if situation["intake"] == "blocked" else "clear",
        is_intake_blocked=situation["intake"] == "blocked",
        intake_classifier="test/1",
    )


_LIVE = Approval(
    approval_id="apr_1",
    proposal_id="prp_1",
    version=2,
    kind=ApprovalKind.EXECUTE,
    input_hash=HASH,
    approver_id="u_one",
    role="approver",
    reason="a good reason",
    at=NOW - timedelta(hours=1),
    expires_at=NOW + timedelta(hours=1),
)
_SECOND = replace(_LIVE, approval_id="apr_2", approver_id="u_two", role="admin")
_PAST = {"expires_at": NOW - timedelta(minutes=1)}


@depending_on("requester", "approvals")
def approvals_of(situation):
    own = "u_owner" if situation["requester"] == "agent" else "u_requester"
    rollback = replace(_LIVE, kind=ApprovalKind.ROLLBACK)
    return {
        "none": (),
        "one": (_LIVE,),
        "two": (_LIVE, _SECOND),
        "one_and_expired": (_LIVE, replace(_SECOND, **_PAST)),
        "same_person_twice": (_LIVE, replace(_LIVE, approval_id="apr_2", at=NOW)),
        "almost_expired": (replace(_LIVE, expires_at=NOW + TICK),),
        "expired_one": (replace(_LIVE, **_PAST),),
        "expired_two": (replace(_LIVE, **_PAST), replace(_SECOND, **_PAST)),
        "just_expired": (replace(_LIVE, expires_at=NOW),),
        "future": (replace(_LIVE, at=NOW + TICK),),
        "by_actor": (replace(_LIVE, approver_id="u_approver"),),
        "other_hash": (replace(_LIVE, input_hash="b" * 64),),
        "other_version": (replace(_LIVE, version=1), replace(_SECOND, version=3)),
        "other_proposal": (replace(_LIVE, proposal_id="prp_2"),),
        "own": (replace(_LIVE, approver_id=own),),
        "wrong_role": (replace(_LIVE, role="kiln_lead"),),
        "rollback": (rollback,),
        "rollback_expired": (replace(rollback, **_PAST),),
        "rollback_by_requester": (replace(rollback, approver_id=own),),
    }[situation["approvals"]]


@depending_on("exemption", "owner", "requester")
def exemptions_of(situation):
    if situation["exemption"] == "none":
        return ()
    owner = _OWNERS[situation["owner"]]
    own = "u_owner" if situation["requester"] == "agent" else "u_requester"
    one = Exemption(
        exemption_id="exm_1",
        capability_id="test.thing",
        owner_id=None,
        justification="a good reason",
        granted_by="u_admin_2",
        granted_at=NOW - timedelta(hours=1),
        expires_at=NOW + timedelta(hours=1),
    )
    change = {
        "anyone": {},
        "owner": {"owner_id": owner},
        "almost_expired": {"expires_at": NOW + TICK},
        "other_owner": {"owner_id": "m_9"},
        "other_capability": {"capability_id": "test.other"},
        "by_requester": {"granted_by": own},
        "expired": {"expires_at": NOW - TICK},
        "just_expired": {"expires_at": NOW},
        "not_yet": {"granted_at": NOW + TICK},
        "revoked": {"ended_at": NOW - TICK, "ended_by_kind": "revoked"},
    }[situation["exemption"]]
    return (replace(one, **change),)


@depending_on("delegation")
def delegation_of(situation):
    """Return the facts about the agent; null where nothing was looked up or could be read."""
    name = situation["delegation"]
    if name in {"unreadable", "not_looked_up"}:
        return None
    client = AgentClient("agent_1", "u_owner", "active", frozenset({SCOPE}))
    client_change = {
        "any_scope": {"scopes": frozenset({"capability:*:execute"})},
        "other_client": {"client_id": "agent_2"},
        "suspended": {"status": "suspended"},
        "client_revoked": {"status": "revoked"},
        "client_of_other_owner": {"owner_id": "m_9"},
        "client_without_scope": {"scopes": frozenset({"batches:read", "capability:test.other:execute"})},
        "cooling": {"cooldown_until": NOW + TICK},
        "cooled": {"cooldown_until": NOW},
    }.get(name, {})
    good = Delegation(
        delegation_id="dlg_1",
        owner_id="u_owner",
        agent_client_id="agent_1",
        status="active",
        scopes=frozenset({SCOPE}),
        resources=frozenset({"owner:u_owner"}),
        expires_at=NOW + timedelta(minutes=5),
    )
    change = {
        "any_scope": {"scopes": frozenset({"capability:*:execute"})},
        "any_resource": {"resources": frozenset({"*"})},
        "all_resources": {"resources": frozenset()},
        "of_other_agent": {"agent_client_id": "agent_2"},
        "of_other_owner": {"owner_id": "m_9"},
        "without_scope": {"scopes": frozenset({"batches:read"})},
        "without_resource": {"resources": frozenset({"owner:m_9"})},
        "expired": {"expires_at": NOW - timedelta(minutes=1)},
        "just_expired": {"expires_at": NOW},
        "almost_expired": {"expires_at": NOW + TICK},
        "endless": {"expires_at": None},
        "expired_by_status": {"status": "expired"},
        "paused": {"status": "paused"},
        "revoked": {"status": "revoked", "revoked_at": NOW - timedelta(minutes=1)},
        "revoked_before": {"revoked_at": CREATED - TICK},
        "revoked_undated": {"status": "revoked"},
    }.get(name, {})
    found = (replace(good, **change),)
    if name == "none":
        found = ()
    elif name == "one_good_of_three":
        found = (replace(good, scopes=frozenset()), good, replace(good, owner_id="m_9"))
    elif name.endswith("_beside_good"):
        at = {"before": CREATED - TICK, "at_creation": CREATED, "since": NOW - TICK}
        ended_at = at[name.removeprefix("revoked_").removesuffix("_beside_good")]
        found = (good, replace(good, delegation_id="dlg_2", status="revoked", revoked_at=ended_at))
    return DelegationFacts(None if name == "unknown_client" else replace(client, **client_change), found, NOW)


@depending_on("attempts")
def executions_of(situation):
    kind, state = {
        "none": (None, None),
        "failed": ("execute", "failed"),
        "released": ("execute", "released"),
        "intent": ("execute", "intent"),
        "succeeded": ("execute", "succeeded"),
        "rolling_back": ("rollback", "intent"),
        "rolled_back": ("rollback", "succeeded"),
        "rollback_failed": ("rollback", "failed"),
    }[situation["attempts"]]
    if kind is None:
        return ()
    return (
        Execution(
            execution_id="exe_1",
            proposal_id="prp_1",
            version=2,
            kind=ApprovalKind(kind),
            state=ExecutionState(state),
            input_hash=HASH,
            idempotency_key="key",
            executor_id="run",
            fence=1,
            lease_until=NOW,
            started_at=NOW,
        ),
    )


@depending_on("quota", "owner")
def quotas_of(situation):
    def use(scope, subject, used, began, last=timedelta(hours=1)):
        return QuotaUse("test.thing", scope, subject, 3, 3600, used, NOW - began, NOW - last)

    owner = str(_OWNERS[situation["owner"]])
    hour, tick = timedelta(hours=1), TICK
    return {
        "none": (),
        "room": (use("capability", "*", 2, tick), use("owner", owner, 1, tick)),
        "exhausted": (use("capability", "*", 3, tick), use("owner", owner, 1, tick)),
        "last_second": (use("capability", "*", 3, hour - tick),),
        "window_over": (use("capability", "*", 3, hour),),
        "owner_exhausted": (use("capability", "*", 1, tick), use("owner", owner, 2, hour)),
        "of_somebody_else": (use("owner", "m_9", 9, tick), use("actor", "u_requester", 9, tick)),
        "cooling": (use("capability", "*", 1, tick, timedelta(seconds=300) - tick),),
        "cooled": (use("capability", "*", 1, tick, timedelta(seconds=300)),),
    }[situation["quota"]]


def facts_of(situation):
    age = {
        "fresh": timedelta(minutes=1),
        "at_limit": timedelta(seconds=93_600),
        "over": timedelta(seconds=93_600) + TICK,
        "missing": None,
        "ahead": -timedelta(seconds=300),
        "future": -timedelta(seconds=300) - TICK,
    }[situation["snapshot"]]
    asked = {"nobody": None, "another": "u_else", "actor": _ACTORS[situation["actor"]][1]}
    return Facts(
        now=NOW,
        studio_id=HOME,
        switch=SwitchState(Switch(situation["switch"]), 3, resume_requested_by=asked[situation["resume"]]),
        is_write_enabled=situation["writes"] == "enabled",
        proposal=proposal_of(situation),
        approvals=approvals_of(situation),
        executions=executions_of(situation),
        exemptions=exemptions_of(situation),
        quotas=quotas_of(situation),
        delegation=delegation_of(situation),
        is_delegation_readable=situation["delegation"] != "unreadable",
        snapshot_read_at=None if age is None else NOW - age,
        red_checks=("approvals_are_quorate",) if situation["checks"] == "red" else (),
        rationale=_REASONS[situation["reason"]],
        input_hash={"same": HASH, "other": "b" * 64, "none": None}[situation["hash"]],
        owner_id=_OWNERS[situation["owner"]],
    )


def question(operation, situation):
    """Return the arguments of ``decide``."""
    capability = None if situation["capability"] == "unknown" else capability_of(situation["profile"])
    if operation == "read" and capability is not None:
        capability = replace(capability, requester_kinds=_READERS[situation["readers"]])
    name = "rollback" if operation == "rollback_by_executor" else operation
    return Operation(name), actor_of(situation), capability, facts_of(situation)


GOOD_PROPOSAL = proposal_of({name: values[0] for name, values in DIMENSIONS.items()} | {"requester": "staff"})
"""An ordinary proposal of a staff member."""
