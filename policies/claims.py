"""How the claims of a verified token become an actor.

Exactly the cloud's own reading, so that Studio OS and the cloud never disagree about who is staff. A boolean
``staff`` or ``admin`` wins over the ``roles`` list, also when it is false; role names match in exact case;
``role`` (text) is the local portal's and grants nothing; ops roles count for staff only. An admin who is not
staff stays an ordinary person to everything that writes.
"""

from collections.abc import Mapping
from typing import Any, Final

from policies.actors import ADMIN_ROLE, AGENT_ROLE, APPROVER_ROLE, OPS_ROLES, STAFF_ROLE, Actor, ActorKind

AGENT_CLAIM: Final = "agentClientId"
"""Names the agent client that acts; the token's uid is then the owner it acts for."""

MANAGES_APPROVALS: Final = "approvals:manage"
_SYSTEM_PREFIX: Final = "system:"
_LONGEST_ID: Final = 128


class ClaimsError(ValueError):
    """Claims that name nobody. Nobody acts; the message repeats nothing of the token."""


def actor_of(uid: str, claims: Mapping[str, Any], studio_id: str) -> Actor:
    """Return the actor a verified token speaks for, in the studio of this deployment.

    Args:
        uid: The token's uid: the person, or the owner an agent acts for.
        claims: The token's claims. A studio named in them is not looked at.
        studio_id: This deployment's studio.

    Raises:
        ClaimsError: when an id is missing, malformed, or one of our own processes'.
    """
    _require_id(uid, "The token has no usable uid.")
    if AGENT_CLAIM in claims:
        agent_id = claims[AGENT_CLAIM]
        # Whoever wrote this claim meant an agent: it never falls back to the person's own powers.
        _require_id(agent_id, "The token names an agent, but no usable agent client id.")
        return Actor(ActorKind.AGENT, agent_id, studio_id, frozenset({AGENT_ROLE}), uid)
    roles = roles_of(claims)
    kind = ActorKind.STAFF if STAFF_ROLE in roles else ActorKind.HUMAN
    return Actor(kind, uid, studio_id, roles)


def roles_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the roles that a person's claims grant; anything of an unexpected type grants nothing."""
    listed = _texts(claims.get("roles"))
    roles = {ADMIN_ROLE} if _has(claims.get("admin"), ADMIN_ROLE in listed) else set()
    if _has(claims.get("staff"), STAFF_ROLE in listed):
        roles |= {STAFF_ROLE, *_texts(claims.get("opsRoles")).intersection(OPS_ROLES)}
        if MANAGES_APPROVALS in _texts(claims.get("opsCapabilities")):
            roles.add(APPROVER_ROLE)
    return frozenset(roles)


def _has(flag: Any, is_listed: bool) -> bool:  # noqa: FBT001 - two halves of one question
    return flag if isinstance(flag, bool) else is_listed


def _texts(value: Any) -> frozenset[str]:
    is_list = isinstance(value, list | tuple)
    return frozenset(item for item in value if isinstance(item, str)) if is_list else frozenset()


def _require_id(value: Any, sentence: str) -> None:
    is_usable = isinstance(value, str) and 0 < len(value) <= _LONGEST_ID and value.isprintable()
    if not is_usable or value.strip() != value or value.startswith(_SYSTEM_PREFIX):
        raise ClaimsError(sentence)
