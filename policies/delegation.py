"""What an agent may do for its owner, as the cloud records it (``delegations``, ``agentClients``).

Only records read from the cloud count; a delegation that comes with a request is never looked at. A
delegation is not trusted to change its ``status`` when it expires: the instant decides.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

ANY_CAPABILITY_SCOPE: Final = "capability:*:execute"
ANY_RESOURCE: Final = "*"


@dataclass(frozen=True, slots=True)
class AgentClient:
    """An agent registered in the cloud. ``status`` is ``active``, ``suspended`` or ``revoked``."""

    client_id: str
    owner_id: str
    status: str
    scopes: frozenset[str]
    cooldown_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delegation:
    """A person's permission for one agent client, as stored. ``resources`` empty means all."""

    delegation_id: str
    owner_id: str
    agent_client_id: str
    status: str
    scopes: frozenset[str]
    resources: frozenset[str]
    expires_at: datetime | None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DelegationFacts:
    """What the cloud said about an agent at ``read_at``: its client (null if unknown), its delegations.

    ``delegations`` holds every delegation that names the client, whoever owns it, newest first.
    """

    client: AgentClient | None
    delegations: tuple[Delegation, ...]
    read_at: datetime


def scope_of(capability_id: str) -> str:
    """Return the scope an agent needs for a capability."""
    return f"capability:{capability_id}:execute"
