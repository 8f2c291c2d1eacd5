"""What a decision is made from and what it consists of. ``decide`` makes it, ``rules`` holds sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from policies.delegation import DelegationFacts
from policies.proposals import Approval, Execution, Proposal


class Operation(StrEnum):
    """What an actor wants to do."""

    PROPOSE = "propose"
    SUBMIT = "submit"
    EDIT = "edit"
    DRY_RUN = "dry_run"
    APPROVE = "approve"
    REJECT = "reject"
    REOPEN = "reopen"
    EXECUTE = "execute"
    ROLLBACK = "rollback"
    OVERRIDE_INTAKE = "override_intake"
    HALT = "halt"
    REQUEST_RESUME = "request_resume"
    RESUME = "resume"
    GRANT_EXEMPTION = "grant_exemption"
    REVOKE_EXEMPTION = "revoke_exemption"
    RESET_QUOTA = "reset_quota"
    READ = "read"
    JUDGE = "judge"  # a person's word on a swarm, a finding, a draft or a report


class Switch(StrEnum):
    """The kill switch as it could be read. Anything but ``off`` stops new external writes."""

    OFF = "off"
    ON = "on"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class SwitchState:
    """The kill switch: its state, who set it last, and who asked to resume (null when nobody has).

    ``revision`` counts changes; 0 when nothing is known.
    """

    switch: Switch
    revision: int = 0
    by: str | None = None
    at: datetime | None = None
    reason: str | None = None
    resume_requested_by: str | None = None


@dataclass(frozen=True, slots=True)
class Exemption:
    """A written permission to act without approval: one capability, one owner (null: any), until an instant.

    ``ended_at`` and ``ended_by_kind`` (``revoked`` or ``expired``) are null while it lives.
    """

    exemption_id: str
    capability_id: str
    owner_id: str | None
    justification: str
    granted_by: str
    granted_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    ended_by_kind: str | None = None
    audit_seq: int = 0


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """How much of one quota is used. The window began with its first use; null before any."""

    capability_id: str
    scope: str  # actor, owner or capability
    subject_id: str
    limit: int
    window_seconds: int
    used: int
    window_started_at: datetime | None
    last_used_at: datetime | None


NOT_ASKED: Final = "not-asked"
"""Stands among the red checks where nobody asked for them: whoever looks all the same carries nothing out."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a decision may rest on, read in one transaction (delegations just before it).

    Attributes:
        now: The instant of the decision, UTC.
        studio_id: The studio this deployment serves.
        switch: The kill switch.
        is_write_enabled: False is anchor mode.
        proposal: Null for operations without one.
        approvals: All approvals of the proposal, of every version and kind.
        executions: All attempts at the proposal.
        exemptions: Live or ended exemptions of the capability.
        quotas: Use of the quotas that apply, as far as any was used.
        delegation: What the cloud says about the agent; null if it was not looked up.
        is_delegation_readable: False when the cloud could not be asked: nobody may act on that.
        snapshot_read_at: As-of instant of the current full StudioState; null when there is none.
        red_checks: Names of governance checks that do not hold now.
        rationale: Rationale or reason that comes with the operation; null for none.
        input_hash: Hash the actor saw and decides on; null where the operation binds none.
        owner_id: Uid of the member whose things an operation touches.
    """

    now: datetime
    studio_id: str
    switch: SwitchState
    is_write_enabled: bool
    proposal: Proposal | None = None
    approvals: tuple[Approval, ...] = ()
    executions: tuple[Execution, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    quotas: tuple[QuotaUse, ...] = ()
    delegation: DelegationFacts | None = None
    is_delegation_readable: bool = True
    snapshot_read_at: datetime | None = None
    red_checks: tuple[str, ...] = ()
    rationale: str | None = None
    input_hash: str | None = None
    owner_id: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no, and why.

    Attributes:
        is_allowed: Whether the operation may go on.
        code: Stable, upper-case reason code; ``ALLOWED`` when allowed.
        rule: Stable kebab-case id of the rule that decided; audit rows cite it.
        sentence: What staff read.
        retry_after_seconds: Whole seconds until trying again may help; null when time will not help.
        exemption_id: The exemption that stood in for approvals; null when none did.
        details: Plain values that explain more (numbers, ids); never free text.
    """

    is_allowed: bool
    code: str
    rule: str
    sentence: str
    retry_after_seconds: int | None = None
    exemption_id: str | None = None
    details: Mapping[str, str | int] | None = None
