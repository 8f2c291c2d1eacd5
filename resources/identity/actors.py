"""From a verified identity to the actor that the rules know.

How claims become kinds and roles is a rule (``policies.claims``). What is added here is the tenant: it is the
deployment's studio, unless the issuer says that the account belongs to another one; then the actor is of that
one, and the rules refuse it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from policies.actors import Actor, ActorKind
from policies.claims import AGENT_CLAIM, ClaimsError
from policies.claims import actor_of as actor_of_claims
from resources.identity.gateway import IdentityError, VerifiedIdentity

LONGEST_TENANT: Final = 128
_TENANT_CLAIMS: Final = ("studioId", "tenant")


def actor_of(verified: VerifiedIdentity, studio_id: str, owner_id: str | None = None) -> Actor:
    """Return who acts.

    Args:
        verified: As a verifier returned it.
        studio_id: The studio of this deployment.
        owner_id: For an agent, whom the caller says that it acts for; null for whom its token names. That it
            may at all is looked up in the cloud by the gateway. Without meaning for everybody else.

    Raises:
        IdentityError: ``TOKEN_CLAIMS`` when the claims name nobody or a tenant that is no text;
            ``TOKEN_OWNER`` when an agent is said to act for another owner than its token names.
    """
    if verified.claims.get("agent") and AGENT_CLAIM not in verified.claims:
        raise IdentityError("TOKEN_CLAIMS", "The token is an agent's, but names no agent client.")
    try:
        actor = actor_of_claims(verified.uid, verified.claims, studio_id)
    except ClaimsError as error:
        raise IdentityError("TOKEN_CLAIMS", str(error)) from None
    if actor.kind is ActorKind.AGENT and owner_id is not None and owner_id != actor.owner_id:
        raise IdentityError("TOKEN_OWNER", "The agent's token is not for the owner it wants to act for.")
    return replace(actor, studio_id=_studio_of(verified.claims, studio_id))


def _studio_of(claims: Mapping[str, Any], studio_id: str) -> str:
    """Return the deployment's studio, or the other one that a claim names."""
    for name in _TENANT_CLAIMS:
        tenant = claims.get(name, studio_id)
        if not isinstance(tenant, str) or not 0 < len(tenant) <= LONGEST_TENANT or not tenant.isprintable():
            raise IdentityError("TOKEN_CLAIMS", "The token names a studio in a way that means nothing.")
        if tenant != studio_id:
            return tenant
    return studio_id
