"""What commands say of proposals and policies: as JSON for programs, as lines for people.

Times are the studio's own. Text that people wrote is shown as it is kept, with control characters made
visible, so that no proposal can move the cursor of who reads it.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from cockpit import words
from policies.audit_entries import Entry
from policies.decisions import Decision, Exemption, QuotaUse
from policies.gateway import SwitchStatus
from policies.proposals import Approval, Execution, Proposal


def proposal_told(proposal: Proposal) -> dict[str, Any]:
    """Return a proposal as JSON values."""
    return {
        "id": proposal.proposal_id,
        "state": str(proposal.state),
        "stateReason": proposal.state_reason,
        "capabilityId": proposal.capability_id,
        "version": proposal.version,
        "inputHash": proposal.input_hash,
        "input": dict(proposal.input),
        "rationale": proposal.rationale,
        "predictedEffects": list(proposal.predicted_effects),
        "evidence": [
            {"asset": each.asset, "revision": each.revision, "findingId": each.finding_id}
            for each in proposal.evidence
        ],
        "requester": {"id": proposal.requester_id, "kind": str(proposal.requester_kind)},
        "ownerId": proposal.owner_id,
        "dedupeKey": proposal.dedupe_key,
        "dryRun": dict(proposal.dry_run) if proposal.dry_run is not None else None,
        "createdAt": _iso(proposal.created_at),
        "updatedAt": _iso(proposal.updated_at),
        "expiresAt": _iso(proposal.expires_at),
        "intake": {
            "category": proposal.intake,
            "isBlocked": proposal.is_intake_blocked,
            "classifier": proposal.intake_classifier,
        },
        "auditSeq": proposal.audit_seq,
    }


def approval_told(approval: Approval) -> dict[str, Any]:
    """Return an approval as JSON values."""
    return {
        "id": approval.approval_id,
        "kind": str(approval.kind),
        "version": approval.version,
        "inputHash": approval.input_hash,
        "approver": approval.approver_id,
        "role": approval.role,
        "reason": approval.reason,
        "at": _iso(approval.at),
        "expiresAt": _iso(approval.expires_at),
        "auditSeq": approval.audit_seq,
    }


def execution_told(execution: Execution) -> dict[str, Any]:
    """Return an execution as JSON values."""
    return {
        "id": execution.execution_id,
        "kind": str(execution.kind),
        "state": str(execution.state),
        "version": execution.version,
        "idempotencyKey": execution.idempotency_key,
        "executor": execution.executor_id,
        "fence": execution.fence,
        "leaseUntil": _iso(execution.lease_until),
        "startedAt": _iso(execution.started_at),
        "finishedAt": _iso(execution.finished_at) if execution.finished_at else None,
        "pointer": dict(execution.pointer) if execution.pointer is not None else None,
        "failureCode": execution.failure_code,
        "failure": execution.failure,
        "exemptionId": execution.exemption_id,
        "auditSeq": execution.audit_seq,
    }


def entry_told(entry: Entry) -> dict[str, Any]:
    """Return an audit event as JSON values; its details hold no free text."""
    payload = json.loads(entry.payload)
    return {
        "seq": entry.seq,
        "at": payload["at"],
        "name": payload["name"],
        "actor": payload["actor"],
        "state": payload["state"],
        "details": payload["details"],
        "hash": entry.hash.hex(),
    }


def switch_told(status: SwitchStatus) -> dict[str, Any]:
    """Return the kill switch as JSON values."""
    state = status.state
    return {
        "switch": str(state.switch),
        "revision": state.revision,
        "by": state.by,
        "at": _iso(state.at) if state.at else None,
        "reason": state.reason,
        "resumeRequestedBy": state.resume_requested_by,
        "inFlight": status.in_flight,
    }


def exemption_told(exemption: Exemption) -> dict[str, Any]:
    """Return an exemption as JSON values."""
    return {
        "id": exemption.exemption_id,
        "capabilityId": exemption.capability_id,
        "ownerId": exemption.owner_id,
        "justification": exemption.justification,
        "grantedBy": exemption.granted_by,
        "grantedAt": _iso(exemption.granted_at),
        "expiresAt": _iso(exemption.expires_at),
        "endedAt": _iso(exemption.ended_at) if exemption.ended_at else None,
        "ended": exemption.ended_by_kind,
    }


def quota_told(use: QuotaUse) -> dict[str, Any]:
    """Return a quota counter as JSON values."""
    return {
        "capabilityId": use.capability_id,
        "scope": use.scope,
        "subjectId": use.subject_id,
        "used": use.used,
        "limit": use.limit,
        "windowSeconds": use.window_seconds,
        "windowStartedAt": _iso(use.window_started_at) if use.window_started_at else None,
        "lastUsedAt": _iso(use.last_used_at) if use.last_used_at else None,
    }


def decision_told(decision: Decision) -> dict[str, Any]:
    """Return a decision as JSON values."""
    return {
        "isAllowed": decision.is_allowed,
        "code": decision.code,
        "rule": decision.rule,
        "sentence": decision.sentence,
        "retryAfterSeconds": decision.retry_after_seconds,
        "exemptionId": decision.exemption_id,
        "details": dict(decision.details or {}),
    }


def proposal_line(proposal: Proposal, timezone: str) -> str:
    """Return one line of a list."""
    when = words.local_time(proposal.created_at, timezone)
    held = "  WAITS FOR AN INTAKE OVERRIDE" if proposal.is_intake_blocked else ""
    return (
        f"{proposal.proposal_id}  {proposal.state:<16} {proposal.capability_id:<32} v{proposal.version}"
        f"  {when}  {visible(proposal.requester_id)}{held}"
    )


def proposal_lines(
    proposal: Proposal,
    approvals: Sequence[Approval],
    executions: Sequence[Execution],
    events: Sequence[Entry],
    timezone: str,
) -> Iterator[str]:
    """Yield everything about one proposal: what, why, how it stands, who did what when."""
    yield f"{proposal.proposal_id}: {proposal.state}" + (
        f" ({visible(proposal.state_reason)})" if proposal.state_reason else ""
    )
    yield f"  capability   {proposal.capability_id}, version {proposal.version} of the proposal"
    yield f"  input hash   {proposal.input_hash}"
    for name, value in proposal.input.items():
        yield f"  input        {visible(name)} = {visible(str(value))}"
    yield f"  why          {visible(proposal.rationale)}"
    for effect in proposal.predicted_effects:
        yield f"  effect       {visible(effect)}"
    for link in proposal.evidence:
        finding = f", finding {visible(link.finding_id)}" if link.finding_id else ""
        yield f"  evidence     {visible(link.asset)} revision {visible(link.revision)}{finding}"
    yield f"  asked by     {visible(proposal.requester_id)} ({proposal.requester_kind})" + (
        f", for {visible(proposal.owner_id)}" if proposal.owner_id else ""
    )
    yield f"  may wait     until {words.local_time(proposal.expires_at, timezone)} ({timezone})"
    blocked = "; waits for an override" if proposal.is_intake_blocked else ""
    yield f"  screening    {proposal.intake} by {proposal.intake_classifier}{blocked}"
    if proposal.dry_run is not None:
        yield f"  dry run      {visible(str(proposal.dry_run.get('summary', '')))}"
        yield from (
            f"               {visible(json.dumps(write, ensure_ascii=False, default=str))}"
            for write in proposal.dry_run.get("writes", ())
        )
    for approval in approvals:
        is_bound = (approval.version, approval.input_hash) == (proposal.version, proposal.input_hash)
        void = "" if is_bound else "  (of an older version: binds nothing)"
        yield (
            f"  {approval.kind} yes  {visible(approval.approver_id)} as {approval.role}, "
            f"{words.local_time(approval.at, timezone)}: {visible(approval.reason)}{void}"
        )
    for execution in executions:
        pointer = (execution.pointer or {}).items()
        where = "".join(f", {visible(str(name))} {visible(str(value))}" for name, value in pointer)
        yield f"  {execution.kind:<11}  {execution.state}{where} (run {visible(execution.executor_id[:8])})"
        if execution.failure_code:
            yield f"               {execution.failure_code}: {visible(execution.failure or '')}"
        if execution.exemption_id:
            yield f"               exemption {execution.exemption_id} stood in for approval"
    for entry in events:
        told = entry_told(entry)
        at = words.local_time(datetime.fromisoformat(told["at"]), timezone)
        code = f" {told['details']['code']}" if told["name"].endswith(":denied") else ""
        yield f"  audit {entry.seq:>6}  {at}  {told['name']}{code}  by {visible(told['actor']['id'])}"


def switch_lines(status: SwitchStatus, timezone: str) -> Iterator[str]:
    """Yield the state of the kill switch in words."""
    state = status.state
    yield {
        "off": "The kill switch is off: approved proposals are executed.",
        "on": "The kill switch is ON: nothing new is written outside.",
        "unreadable": "The kill switch cannot be read, which counts as ON: nothing new is written outside.",
    }[str(state.switch)]
    is_asked = state.resume_requested_by is not None
    if state.at is not None:
        # The newest change is what is known: of a switch that is on it may be somebody's wish to resume.
        yield (
            f"  {'resuming asked for' if is_asked else 'set'} by {visible(state.by or '')}, "
            f"{words.local_time(state.at, timezone)}: {visible(state.reason or '')}"
        )
    if is_asked:
        yield "  another approver or admin must confirm with: ./studio kill-switch off"
    yield f"  calls in flight: {status.in_flight}"


def visible(text: str) -> str:
    """Return text with everything that is not printable shown as an escape; line breaks become ``⏎``."""
    return "".join(
        "⏎" if each == "\n" else each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text
    )


def _iso(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
