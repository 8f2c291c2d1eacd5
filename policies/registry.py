"""The capability registry: what Studio OS may ever do outside, as reviewed data (``capabilities.yaml``).

Nothing outside this list can be proposed. The same data is mirrored into PostgreSQL by the owner's
migration, so the runtime role cannot lower a quorum.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Risk(StrEnum):
    """How much harm a mistake does."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Hazard(StrEnum):
    """Physical classes that are never exempt from approval."""

    NONE = "none"
    DOOR = "door"
    LOCK = "lock"
    POWER = "power"
    MOBILITY = "mobility"


@dataclass(frozen=True, slots=True)
class QuotaRule:
    """At most ``limit`` executions in ``window_seconds``, counted per actor, owner or capability."""

    scope: Literal["actor", "owner", "capability"]
    limit: int
    window_seconds: int
    cooldown_seconds: int = 0


@dataclass(frozen=True, slots=True)
class InputField:
    """One field of a capability's input: text (length bounds), integer (value bounds) or choice."""

    name: str
    kind: Literal["text", "integer", "choice"]
    is_required: bool = True
    least: int = 0
    most: int = 500
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    is_free_text: bool = False  # written by people: may hold personal data, never leaves the proposal


@dataclass(frozen=True, slots=True)
class Capability:
    """One thing Studio OS may do.

    Attributes:
        adapter: Name of the adapter that carries it out; null makes it proposal-only.
        approvals_required: Different people who must say yes; 0 only for reads.
        approver_roles: Any one of these entitles to approve, together with the staff role where
            ``is_staff_required``.
        is_four_eyes: Whether the requester (and an agent's owner) may not approve. True wherever approvals
            are required.
        requester_kinds: Kinds of actor that may propose it.
        proposal_ttl_seconds: How long a proposal may wait for approval.
        approval_ttl_seconds: How long an approval stays good.
        snapshot_max_age_seconds: StudioState may not be older at execution; null where it does not matter.
        least_rationale: Characters a rationale must have.
    """

    capability_id: str
    target: Literal["firestore", "stripe", "hubitat", "roborock", "website"]
    description: str
    is_read_only: bool
    risk: Risk
    hazard: Hazard
    adapter: str | None
    requester_kinds: frozenset[str]
    approvals_required: int
    approver_roles: frozenset[str]
    is_staff_required: bool
    is_four_eyes: bool
    is_exemptable: bool
    longest_exemption_seconds: int
    quotas: tuple[QuotaRule, ...]
    proposal_ttl_seconds: int
    approval_ttl_seconds: int
    snapshot_max_age_seconds: int | None
    least_rationale: int
    inputs: tuple[InputField, ...]
    owner: str
    failure_mode: str
    rollback: str
    escalation: str
    tests: tuple[str, ...]


Registry = Mapping[str, Capability]
"""Capabilities by id."""
