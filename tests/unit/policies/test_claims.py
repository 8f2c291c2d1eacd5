"""Claims become roles exactly as the cloud reads them, and nothing else becomes one."""

import pytest

from policies.actors import ROLES, ActorKind
from policies.claims import ClaimsError, actor_of, roles_of

APPROVES = {"opsCapabilities": ["approvals:manage", "finance:act"]}

TABLE = [
    # claims, roles
    ({}, set()),
    ({"staff": True}, {"staff"}),
    ({"staff": False}, set()),
    ({"admin": True}, {"admin"}),
    ({"staff": True, "admin": True}, {"staff", "admin"}),
    ({"roles": ["staff"]}, {"staff"}),
    ({"roles": ["admin"]}, {"admin"}),
    ({"roles": ["staff", "admin", "potter"]}, {"staff", "admin"}),
    # A boolean wins over the list, also when it says no.
    ({"staff": False, "roles": ["staff"]}, set()),
    ({"staff": False, "roles": ["staff", "admin"]}, {"admin"}),
    ({"admin": False, "roles": ["staff", "admin"]}, {"staff"}),
    ({"staff": True, "roles": []}, {"staff"}),
    # What is no boolean neither grants nor hides.
    ({"staff": "true"}, set()),
    ({"staff": 1}, set()),
    ({"staff": "false", "roles": ["staff"]}, {"staff"}),
    ({"staff": None, "roles": ["staff"]}, {"staff"}),
    # Exact case, and a list.
    ({"roles": ["Staff", "STAFF", "Admin"]}, set()),
    ({"roles": "staff"}, set()),
    ({"roles": {"staff": True}}, set()),
    ({"roles": [["staff"], 1, None]}, set()),
    # The local portal's text grants nothing.
    ({"role": "staff"}, set()),
    ({"role": "admin"}, set()),
    ({"role": "owner", "roles": ["owner"]}, set()),
    # Ops roles and capabilities count for staff only.
    ({"opsRoles": ["kiln_lead", "owner"]}, set()),
    ({"staff": True, "opsRoles": ["kiln_lead", "owner"]}, {"staff", "kiln_lead", "owner"}),
    ({"staff": True, "opsRoles": ["staff_lead", "approver", "admin"]}, {"staff"}),
    ({"staff": True, "opsRoles": "kiln_lead"}, {"staff"}),
    ({"staff": True, **APPROVES}, {"staff", "approver"}),
    ({"staff": True, "opsCapabilities": ["approvals:Manage", "approvals"]}, {"staff"}),
    ({"staff": True, "opsCapabilities": "approvals:manage"}, {"staff"}),
    (APPROVES, set()),
    # An admin who is not staff: no approver, no ops role.
    ({"admin": True, "opsRoles": ["finance_ops"], **APPROVES}, {"admin"}),
    ({"admin": True, "staff": False, "roles": ["staff"], **APPROVES}, {"admin"}),
    ({"staff": True, "admin": True, **APPROVES}, {"staff", "admin", "approver"}),
    # Role names of ours in the list are not the cloud's.
    ({"staff": True, "roles": ["approver", "agent", "finance_ops"]}, {"staff"}),
]


@pytest.mark.parametrize(("claims", "roles"), TABLE)
def test_roles(claims, roles):
    """Each row of the cloud's table of claims gives its roles; only staff make the kind staff."""
    actor = actor_of("u_1", claims, "monsoonfire")
    assert actor.roles == roles == roles_of(claims)
    assert roles <= ROLES
    assert actor.kind is (ActorKind.STAFF if "staff" in roles else ActorKind.HUMAN)
    assert (actor.actor_id, actor.principal_id, actor.studio_id) == ("u_1", "u_1", "monsoonfire")


def test_agent_never_inherits_powers():
    """A token that names an agent is that agent's, for its owner, whatever else it claims."""
    claims = {"agentClientId": "client_1", "staff": True, "admin": True, **APPROVES}
    actor = actor_of("u_owner", claims, "monsoonfire")
    assert (actor.kind, actor.actor_id, actor.owner_id) == (ActorKind.AGENT, "client_1", "u_owner")
    assert actor.roles == {"agent"}
    assert actor.principal_id == "u_owner"


@pytest.mark.parametrize("agent_id", [None, "", 7, [], "system:executor", " padded ", "a\nb", "x" * 129])
def test_broken_agent_claim_is_nobody(agent_id):
    """A malformed agent claim never falls back to the person's own powers."""
    with pytest.raises(ClaimsError):
        actor_of("u_owner", {"agentClientId": agent_id, "staff": True}, "monsoonfire")


@pytest.mark.parametrize("uid", ["", None, "system:executor", "a b\x00", " u_1", "x" * 129])
def test_nobody_is_our_own_process(uid):
    """No token speaks for our own processes, or for no one."""
    with pytest.raises(ClaimsError):
        actor_of(uid, {"staff": True}, "monsoonfire")


def test_studio_comes_from_the_deployment():
    """A studio in the claims is not looked at."""
    claims = {"staff": True, "studio": "elsewhere", "tenantId": "elsewhere", "studio_id": "elsewhere"}
    assert actor_of("u_1", claims, "monsoonfire").studio_id == "monsoonfire"
