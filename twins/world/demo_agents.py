"""Agents made on request, for demonstrations: a client and one delegation that lives for a while.

They are written beside the world's plan, with its own right to write; the plan does not know them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from google.api_core.exceptions import InvalidArgument, NotFound
from google.cloud import firestore

from twins.world.chance import draw_id
from twins.world.people import MARK

SHORTEST_SECONDS, LONGEST_SECONDS, USUAL_SECONDS = 1, 3600, 300
_FIELDS = frozenset({"ownerUid", "scopes", "seconds", "resources", "clientStatus"})


class AgentRequestError(ValueError):
    """An agent that cannot be made; the message is a sentence for the person who asked."""


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """Which agent shall be made.

    Attributes:
        owner_uid: The member it acts for.
        scopes: What it may do, for the client and the delegation alike.
        resources: What it may do it to; the owner's things when empty.
        seconds: How long the delegation lives.
        client_status: ``active``, ``suspended`` or ``revoked``.
    """

    owner_uid: str
    scopes: tuple[str, ...]
    resources: tuple[str, ...] = ()
    seconds: int = USUAL_SECONDS
    client_status: str = "active"

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> "AgentRequest":
        """Return the request in a JSON object; raise ``AgentRequestError`` for anything it cannot mean."""
        if unknown := sorted(set(given) - _FIELDS):
            raise AgentRequestError(f"unknown field {unknown[0]!r}; known: {', '.join(sorted(_FIELDS))}")
        owner, seconds = given.get("ownerUid"), given.get("seconds", USUAL_SECONDS)
        if not isinstance(owner, str) or not owner or "/" in owner:
            raise AgentRequestError("ownerUid is the uid of a member")
        if isinstance(seconds, bool) or not isinstance(seconds, int):
            raise AgentRequestError("seconds is a whole number")
        if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
            raise AgentRequestError(f"seconds is from {SHORTEST_SECONDS} to {LONGEST_SECONDS}")
        status = given.get("clientStatus", "active")
        if status not in {"active", "suspended", "revoked"}:
            raise AgentRequestError("clientStatus is active, suspended or revoked")
        return cls(owner, _texts(given, "scopes"), _texts(given, "resources"), seconds, status)


class DemoAgents:
    """Makes agents in one Firestore database.

    Args:
        documents: A client that may write.
        now: Tells real time: delegations expire by it.
    """

    def __init__(self, documents: Any, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._documents = documents
        self._now = now

    def make(self, wish: AgentRequest) -> dict[str, Any]:
        """Write the client and its delegation; return their ids and when the delegation ends."""
        at = self._now()
        expires_at = at + timedelta(seconds=wish.seconds)
        client_id = draw_id("demo agent", at.isoformat(), wish.owner_uid, length=16)
        delegation_id = draw_id("demo delegation", at.isoformat(), wish.owner_uid)
        batch: firestore.WriteBatch = self._documents.batch()
        batch.create(
            self._documents.document(f"agentClients/{client_id}"),
            {
                "ownerUid": wish.owner_uid,
                "name": f"agent on request ({MARK})",
                "status": wish.client_status,
                "trustTier": "low",
                "scopes": list(wish.scopes),
                "rateLimits": {"perMinute": 60, "perHour": 600},
                "spendingLimits": {"orderMaxCents": 75_000, "maxOrdersPerHour": 30},
                "keyHash": draw_id("key hash", client_id, length=43),
                "keyPrefix": "mf_agent_v1",
                "keyLast4": draw_id("key end", client_id, length=4),
                "keyVersion": 1,
                "createdAt": at,
                "updatedAt": at,
                "createdByUid": wish.owner_uid,
                "updatedByUid": wish.owner_uid,
            },
        )
        batch.create(
            self._documents.document(f"delegations/{delegation_id}"),
            {
                "ownerUid": wish.owner_uid,
                "agentClientId": client_id,
                "scopes": list(wish.scopes),
                "resources": list(wish.resources or (f"owner:{wish.owner_uid}",)),
                "status": "active",
                "note": None,
                "createdBy": wish.owner_uid,
                "createdAt": at,
                "updatedAt": at,
                "expiresAt": expires_at,
                "revokedAt": None,
            },
        )
        batch.commit()
        return {
            "agentClientId": client_id,
            "delegationId": delegation_id,
            "ownerUid": wish.owner_uid,
            "expiresAt": expires_at.isoformat(),
        }

    def revoke(self, delegation_id: str) -> None:
        """Revoke a delegation, as its owner would.

        Raises:
            AgentRequestError: when there is no such delegation.
        """
        at = self._now()
        try:
            self._documents.document(f"delegations/{delegation_id}").update(
                {"status": "revoked", "revokedAt": at, "updatedAt": at}
            )
        except (NotFound, InvalidArgument, ValueError):
            raise AgentRequestError(f"there is no delegation {delegation_id!r}") from None


def _texts(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = given.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise AgentRequestError(f"{name} is a list of texts")
    return tuple(value)
