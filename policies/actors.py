"""Who acts: the four kinds of actor, and the roles the rules know.

An ``Actor`` is made by a door that has verified an identity, never from what a caller says of itself. How
claims of a token become roles is in ``claims``; what an agent may do for its owner is in ``delegation``.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class ActorKind(StrEnum):
    """What kind of being acts."""

    HUMAN = "human"  # signed in, but not staff
    STAFF = "staff"
    AGENT = "agent"  # acts for an owner, under a delegation looked up in the cloud
    SYSTEM = "system"  # our own sensors and the executor


STAFF_ROLE: Final = "staff"
APPROVER_ROLE: Final = "approver"
ADMIN_ROLE: Final = "admin"
AGENT_ROLE: Final = "agent"
OPS_ROLES: Final = (
    "owner",
    "member_ops",
    "support_ops",
    "kiln_lead",
    "floor_staff",
    "events_ops",
    "library_ops",
    "finance_ops",
)
ROLES: Final = frozenset({STAFF_ROLE, APPROVER_ROLE, ADMIN_ROLE, AGENT_ROLE, *OPS_ROLES})


@dataclass(frozen=True, slots=True)
class Actor:
    """A verified identity within one studio.

    Attributes:
        kind: What kind of being acts.
        actor_id: Pseudonymous id: a member's uid, an agent's client id, or ``system:<name>``.
        studio_id: The studio the identity belongs to; from the deployment, never from a request.
        roles: Subset of ``ROLES``.
        owner_id: For an agent, the uid of the person it acts for; null for everyone else.
    """

    kind: ActorKind
    actor_id: str
    studio_id: str
    roles: frozenset[str] = frozenset()
    owner_id: str | None = None

    @property
    def principal_id(self) -> str:
        """The person (or system) answerable: an agent's owner, else the actor itself."""
        return self.owner_id or self.actor_id


def system_actor(name: str, studio_id: str) -> Actor:
    """Return the actor of one of our own processes, such as ``executor`` or ``operations-swarm``."""
    return Actor(ActorKind.SYSTEM, f"system:{name}", studio_id)
