"""Rows of the ledger between JSON (as the database says them) and the rules' own types.

Instants come as ISO text in UTC, JSON columns as JSON. Columns are named as the fields.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from policies.decisions import NOT_ASKED, Exemption, Facts, QuotaUse, Switch, SwitchState
from policies.proposals import (
    Approval,
    ApprovalKind,
    Evidence,
    Execution,
    ExecutionState,
    Proposal,
    ProposalState,
)

Json = Mapping[str, Any]
_OFF_AFTER = frozenset({"opened", "resumed"})


def parse(text: str | None) -> Any:
    """Return what JSON text says; null for null."""
    return None if text is None else orjson.loads(text)


def instant(text: str | None) -> Any:
    """Return an aware UTC instant from the database's ISO text; null for null."""
    return None if text is None else datetime.fromisoformat(text)


def proposal_from(row: Json) -> Proposal:
    """Return the proposal a row says."""
    return Proposal(
        proposal_id=row["proposal_id"],
        studio_id=row["studio_id"],
        capability_id=row["capability_id"],
        state=ProposalState(row["state"]),
        version=row["version"],
        rationale=row["rationale"],
        predicted_effects=tuple(row["predicted_effects"]),
        evidence=tuple(Evidence(**link) for link in row["evidence"]),
        input=row["input"],
        input_hash=row["input_hash"],
        requester_id=row["requester_id"],
        requester_kind=row["requester_kind"],
        requester_principal_id=row["requester_principal_id"],
        owner_id=row["owner_id"],
        dedupe_key=row["dedupe_key"],
        dry_run=row["dry_run"],
        created_at=instant(row["created_at"]),
        updated_at=instant(row["updated_at"]),
        expires_at=instant(row["expires_at"]),
        intake=row["intake"],
        is_intake_blocked=row["is_intake_blocked"],
        intake_classifier=row["intake_classifier"],
        state_reason=row["state_reason"],
        audit_seq=row["audit_seq"],
    )


def approval_from(row: Json) -> Approval:
    """Return the approval a row says."""
    return Approval(
        approval_id=row["approval_id"],
        proposal_id=row["proposal_id"],
        version=row["version"],
        kind=ApprovalKind(row["kind"]),
        input_hash=row["input_hash"],
        approver_id=row["approver_id"],
        role=row["role"],
        reason=row["reason"],
        at=instant(row["at"]),
        expires_at=instant(row["expires_at"]),
        audit_seq=row["audit_seq"],
    )


def execution_from(row: Json) -> Execution:
    """Return the attempt a row says."""
    return Execution(
        execution_id=row["execution_id"],
        proposal_id=row["proposal_id"],
        version=row["version"],
        kind=ApprovalKind(row["kind"]),
        state=ExecutionState(row["state"]),
        input_hash=row["input_hash"],
        idempotency_key=row["idempotency_key"],
        executor_id=row["executor_id"],
        fence=row["fence"],
        lease_until=instant(row["lease_until"]),
        started_at=instant(row["started_at"]),
        finished_at=instant(row["finished_at"]),
        pointer=row["pointer"],
        failure_code=row["failure_code"],
        failure=row["failure"],
        exemption_id=row["exemption_id"],
        audit_seq=row["audit_seq"],
    )


def exemption_from(row: Json) -> Exemption:
    """Return the exemption a row says, with its end if it has one."""
    return Exemption(
        exemption_id=row["exemption_id"],
        capability_id=row["capability_id"],
        owner_id=row["owner_id"],
        justification=row["justification"],
        granted_by=row["granted_by"],
        granted_at=instant(row["granted_at"]),
        expires_at=instant(row["expires_at"]),
        ended_at=instant(row["ended_at"]),
        ended_by_kind=row["ended_by_kind"],
        audit_seq=row["audit_seq"],
    )


def quota_from(row: Json) -> QuotaUse:
    """Return the use of one quota."""
    return QuotaUse(
        capability_id=row["capability_id"],
        scope=row["scope"],
        subject_id=row["subject_id"],
        limit=row["limit_count"],
        window_seconds=row["window_seconds"],
        used=row["used"],
        window_started_at=instant(row["window_started_at"]),
        last_used_at=instant(row["last_used_at"]),
    )


def facts_from(found: Json, now: datetime, studio_id: str) -> Facts:
    """Return what a decision rests on, as far as the database knows it.

    What an execution alone rests on and was not asked for allows none: no snapshot, and a check that is red.
    """
    proposal = found.get("proposal")
    is_for_deed = "red_checks" in found
    return Facts(
        now=now,
        studio_id=studio_id,
        switch=switch_from(found["switch"]),
        is_write_enabled=False,
        proposal=None if proposal is None else proposal_from(proposal),
        approvals=tuple(map(approval_from, found.get("approvals") or ())),
        executions=tuple(map(execution_from, found.get("executions") or ())),
        exemptions=tuple(map(exemption_from, found["exemptions"] or ())),
        quotas=tuple(map(quota_from, found.get("quotas") or ())),
        snapshot_read_at=instant(found.get("snapshot_read_at")),
        red_checks=tuple(found["red_checks"] or ()) if is_for_deed else (NOT_ASKED,),
    )


def quota_arguments(studio_id: str, uses: Sequence[QuotaUse], at: datetime) -> tuple[Any, ...]:
    """Return what the statements that use quotas are given: a list for each column."""
    return (
        studio_id,
        [use.capability_id for use in uses],
        [use.scope for use in uses],
        [use.subject_id for use in uses],
        [use.limit for use in uses],
        [use.window_seconds for use in uses],
        at,
    )


def exhausted(uses: Sequence[QuotaUse], row: Json) -> QuotaUse:
    """Return the use that had no room, as far as the quota is used."""
    use: QuotaUse = uses[row["place"] - 1]
    return replace(
        use,
        used=0 if row["is_over"] else row["used"],
        window_started_at=instant(row["window_started_at"]),
        last_used_at=instant(row["last_used_at"]),
    )


def switch_from(row: Json | None) -> SwitchState:
    """Return the kill switch its newest change says; unreadable when nothing was ever written."""
    if row is None:
        return SwitchState(Switch.UNREADABLE)
    kind, actor = row["kind"], row["actor_id"]
    return SwitchState(
        switch=Switch.OFF if kind in _OFF_AFTER else Switch.ON,
        revision=row["revision"],
        by=actor,
        at=instant(row["at"]),
        reason=row["reason"],
        resume_requested_by=actor if kind == "resume_requested" else None,
    )


def evidence_json(links: Sequence[Evidence]) -> list[dict[str, str | None]]:
    """Return evidence as it is stored: an object per link."""
    return [{"asset": link.asset, "revision": link.revision, "finding_id": link.finding_id} for link in links]
