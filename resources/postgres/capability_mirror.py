"""The capability registry as the database knows it: copied by the owner, only read by everyone else.

The rules in the database take quorum, roles and limits from the copy. It is made again whenever the reviewed
file changes, as part of bringing the database up to date.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, delete, insert

from policies.registry import REGISTRY_FILE, Capability, Registry, document_of
from resources.postgres.errors import DatabaseRefusedError
from resources.postgres.tables_governance import CAPABILITIES, CAPABILITY_QUOTAS

_SAME_NAME = (
    *("capability_id", "adapter", "is_read_only", "approvals_required", "is_staff_required", "is_four_eyes"),
    *("is_exemptable", "longest_exemption_seconds", "proposal_ttl_seconds", "approval_ttl_seconds"),
)


def registry_file_version() -> str:
    """Return SHA-256 hex over the reviewed file, without reading what it says."""
    return hashlib.sha256(REGISTRY_FILE.read_bytes()).hexdigest()


def mirror_registry(connection: Connection, registry: Registry) -> None:
    """Replace the copy in the database; needs the owner's rights, and is part of the caller's transaction.

    Raises ``DatabaseRefusedError`` when a capability has two quotas of one scope: the rules know one.
    """
    capabilities = tuple(registry.values())
    quotas = [row for capability in capabilities for row in _quota_rows(capability)]
    connection.execute(delete(CAPABILITIES))
    if capabilities:
        connection.execute(insert(CAPABILITIES), [_capability_row(capability) for capability in capabilities])
    if quotas:
        connection.execute(insert(CAPABILITY_QUOTAS), quotas)


def _capability_row(capability: Capability) -> dict[str, Any]:
    return {
        **{name: getattr(capability, name) for name in _SAME_NAME},
        "requester_kinds": sorted(capability.requester_kinds),
        "approver_roles": sorted(capability.approver_roles),
        "document": document_of(capability),
    }


def _quota_rows(capability: Capability) -> Iterator[dict[str, Any]]:
    scopes = [quota.scope for quota in capability.quotas]
    if len(set(scopes)) != len(scopes):
        raise DatabaseRefusedError(
            f"{capability.capability_id} has two quotas of one scope; the database can hold one. Nothing was "
            "changed. Mend policies/capabilities.yaml, then start again."
        )
    for quota in capability.quotas:
        yield {
            "capability_id": capability.capability_id,
            "scope": quota.scope,
            "limit_count": quota.limit,
            "window_seconds": quota.window_seconds,
            "cooldown_seconds": quota.cooldown_seconds,
        }
