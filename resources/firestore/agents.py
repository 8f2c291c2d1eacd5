"""What the cloud says about agents: their clients and the delegations to them. Reads only.

Secrets and free text are never asked for: no key hash, no notes. Reading is tolerant (a date may come as a
timestamp, a text or milliseconds), deciding is not done here: what cannot be understood comes out as less.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from policies.delegation import AgentClient, Delegation, DelegationFacts
from resources.errors import SourceUnreadableError
from resources.firestore.gateway import CollectionQuery, DocumentLookup, DocumentSource, ScanStats, Where

CLIENTS: Final = "agentClients"
DELEGATIONS: Final = "delegations"
_CLIENT_FIELDS: Final = ("ownerUid", "status", "scopes", "cooldownUntil")
_DELEGATION_FIELDS: Final = (
    "ownerUid",
    "agentClientId",
    "status",
    "scopes",
    "resources",
    "createdAt",
    "expiresAt",
    "revokedAt",
)
_LONGEST_ID_BYTES: Final = 1500
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# An instant that cannot be read must not make anything last longer or be forgiven.
_LONG_AGO: Final = _EPOCH


class DelegationsUnreadableError(LookupError):
    """The cloud could not be asked about an agent. Whoever wanted to act on the answer may not."""


class AgentSource(DocumentSource, DocumentLookup, Protocol):
    """A source that scans and looks up."""


class LiveDelegations:
    """Looks agents up in the cloud, as they are at one instant."""

    def __init__(self, source: AgentSource) -> None:
        """Look agents up in ``source``; give it a short deadline, for somebody waits for the answer."""
        self._source = source

    def look_up(self, agent_client_id: str) -> DelegationFacts:
        """Return the client (null if unknown) and every delegation that names it, newest first.

        Raises:
            DelegationsUnreadableError: when the cloud cannot be asked.
        """
        try:
            at = self._source.read_time()
            if not _is_document_id(agent_client_id):
                return DelegationFacts(None, (), at)
            found = self._source.lookup(CLIENTS, [agent_client_id], _CLIENT_FIELDS, read_time=at)
            query = CollectionQuery(
                DELEGATIONS, _DELEGATION_FIELDS, [Where("agentClientId", "==", agent_client_id)]
            )
            delegations = [
                (_instant(record.get("createdAt")) or _LONG_AGO, _delegation(document_id, record))
                for batch in self._source.scan(query, read_time=at, stats=ScanStats())
                for document_id, record in zip(batch.ids, batch.records, strict=True)
            ]
        except SourceUnreadableError as error:
            raise DelegationsUnreadableError(str(error)) from None
        client = found.get(agent_client_id)
        delegations.sort(key=lambda each: (each[0], each[1].delegation_id), reverse=True)
        return DelegationFacts(
            _client(agent_client_id, client.record) if client else None,
            tuple(delegation for _, delegation in delegations),
            at,
        )


def _client(client_id: str, record: Mapping[str, Any]) -> AgentClient:
    return AgentClient(
        client_id,
        _text(record.get("ownerUid")),
        _text(record.get("status")).lower(),
        _texts(record.get("scopes")),
        _limit(record, "cooldownUntil", unreadable=datetime.max.replace(tzinfo=UTC)),
    )


def _delegation(delegation_id: str, record: Mapping[str, Any]) -> Delegation:
    return Delegation(
        delegation_id,
        _text(record.get("ownerUid")),
        _text(record.get("agentClientId")),
        _text(record.get("status")).lower(),
        _texts(record.get("scopes")),
        _resources(record.get("resources")),
        _limit(record, "expiresAt", unreadable=_LONG_AGO),
        _limit(record, "revokedAt", unreadable=_LONG_AGO),
    )


def _resources(value: Any) -> frozenset[str]:
    """Return the resources; something odd there must not look empty, which would mean all of them."""
    resources = _texts(value)
    return resources if resources or value in (None, [], "") else frozenset({"unreadable"})


def _limit(record: Mapping[str, Any], name: str, *, unreadable: datetime) -> datetime | None:
    value = record.get(name)
    return None if value is None else _instant(value) or unreadable


def _instant(value: Any) -> datetime | None:
    """Return an instant given as timestamp, ISO text or milliseconds; null for anything else."""
    if isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str):
            read = datetime.fromisoformat(value)
            return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _EPOCH + timedelta(milliseconds=value)
    except (ValueError, OverflowError):
        pass
    return None


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _texts(value: Any) -> frozenset[str]:
    if not isinstance(value, list | tuple):
        return frozenset()
    return frozenset(item for item in value if isinstance(item, str))


def _is_document_id(text: str) -> bool:
    return (
        0 < len(text.encode(errors="replace")) <= _LONGEST_ID_BYTES
        and "/" not in text
        and text not in {".", ".."}
        and not (text.startswith("__") and text.endswith("__"))
        and text.isprintable()
    )
