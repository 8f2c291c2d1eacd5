"""What an agent may, by what the cloud says of it now: its client record and its delegations."""

from datetime import datetime
from math import ceil

from policies.actors import ActorKind
from policies.cases import Case
from policies.decisions import Decision, Facts
from policies.delegation import ANY_CAPABILITY_SCOPE, ANY_RESOURCE, AgentClient, Delegation, scope_of
from policies.rules import deny

LOOK_UP_AGAIN_SECONDS = 60
_ACTIVE = "active"
_REVOKED = "revoked"
_EXPIRED = "expired"


def proposing_agent(case: Case) -> Decision | None:
    """An agent that proposes holds a live delegation of its owner, and names that owner's things."""
    if case.actor.kind is not ActorKind.AGENT:
        return None
    return _acting(case, case.facts.owner_id)


def acting_agent(case: Case) -> Decision | None:
    """An agent that goes on with its proposal still holds a live delegation."""
    if case.actor.kind is not ActorKind.AGENT:
        return None
    return _acting(case, case.proposal.owner_id)


def requesting_agent(case: Case) -> Decision | None:
    """An agent's proposal is carried out only while the agent is active and nothing was revoked since.

    Delegations live minutes and approval takes longer, so one that merely ran out is good enough here.
    """
    proposal, facts = case.proposal, case.facts
    if proposal.requester_kind != ActorKind.AGENT:
        return None
    denial = _client(facts, proposal.requester_id, proposal.requester_principal_id, proposal.owner_id, case)
    if denial is not None or facts.delegation is None:
        return denial or deny("delegation-present")
    nearest, covering = (0, "delegation-present"), []
    for delegation in facts.delegation.delegations:
        missed = _reach(delegation, proposal.requester_id, proposal.requester_principal_id, case)
        nearest = max(nearest, missed or nearest)
        covering += [delegation] if missed is None else []
    since = [one for one in covering if _is_revoked(one) and _is_since(one.revoked_at, proposal.created_at)]
    if since or (covering and all(_is_revoked(one) for one in covering)):
        return deny("delegation-not-revoked")
    return None if covering else deny(nearest[1])


def _acting(case: Case, owner_id: str | None) -> Decision | None:
    facts, actor = case.facts, case.actor
    principal = actor.owner_id
    denial = _client(facts, actor.actor_id, principal, owner_id, case)
    if denial is not None or facts.delegation is None or facts.delegation.client is None:
        return denial or deny("delegation-present")
    until = facts.delegation.client.cooldown_until
    if until is not None and facts.now < until:
        seconds = ceil((until - facts.now).total_seconds())
        return deny("agent-rested", seconds, seconds=seconds)
    nearest = (0, "delegation-present")
    for delegation in facts.delegation.delegations:
        missed = _reach(delegation, actor.actor_id, principal, case) or _liveness(delegation, facts.now)
        if missed is None:
            return None
        nearest = max(nearest, missed)
    return deny(nearest[1])


def _client(
    facts: Facts, agent_id: str, principal_id: str | None, owner_id: str | None, case: Case
) -> Decision | None:
    """The agent itself: readable, known, active, its owner's, on its owner's things, registered for it."""
    if not facts.is_delegation_readable:
        return deny("delegation-readable", LOOK_UP_AGAIN_SECONDS)
    if facts.delegation is None:
        return deny("delegation-present")
    client = facts.delegation.client
    if client is None:
        return deny("agent-known")
    rule = _client_rule(client, agent_id, principal_id, owner_id, case)
    return None if rule is None else deny(rule)


def _client_rule(
    client: AgentClient, agent_id: str, principal_id: str | None, owner_id: str | None, case: Case
) -> str | None:
    if client.client_id != agent_id:
        return "delegation-of-agent"
    if client.status != _ACTIVE:
        return "agent-active"
    # An agent acts for one person: any other owner would make it somebody's confused deputy.
    if principal_id is None or client.owner_id != principal_id or owner_id != principal_id:
        return "delegation-of-owner"
    return None if _has_scope(client.scopes, case) else "agent-scope"


def _reach(
    delegation: Delegation, agent_id: str, principal_id: str | None, case: Case
) -> tuple[int, str] | None:
    """Return how far a delegation reaches before it misses, and the rule it misses; null if it covers."""
    if delegation.agent_client_id != agent_id:
        return 1, "delegation-of-agent"
    if delegation.owner_id != principal_id:
        return 2, "delegation-of-owner"
    if not _has_scope(delegation.scopes, case):
        return 3, "delegation-scope"
    resources = delegation.resources
    if resources and ANY_RESOURCE not in resources and f"owner:{principal_id}" not in resources:
        return 4, "delegation-resource"
    return None


def _liveness(delegation: Delegation, now: datetime) -> tuple[int, str] | None:
    if _is_revoked(delegation):
        return 7, "delegation-not-revoked"
    # Without an expiry nobody said how long; what nobody said is denied.
    if delegation.status == _EXPIRED or delegation.expires_at is None or now >= delegation.expires_at:
        return 5, "delegation-not-expired"
    return None if delegation.status == _ACTIVE else (6, "delegation-active")


def _is_revoked(delegation: Delegation) -> bool:
    return delegation.status == _REVOKED or delegation.revoked_at is not None


def _is_since(revoked_at: datetime | None, created_at: datetime) -> bool:
    return revoked_at is None or revoked_at >= created_at


def _has_scope(scopes: frozenset[str], case: Case) -> bool:
    return ANY_CAPABILITY_SCOPE in scopes or scope_of(case.capability.capability_id) in scopes
