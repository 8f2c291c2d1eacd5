"""One tick of a swarm: what is new since the cursor becomes draft proposals, or a reason why not.

Safe to repeat and to cut off anywhere: the cursor moves only when a tick ends, and what was proposed before
it ended is found again, by the finding's id, and not proposed twice.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from policies.errors import BadRequestError, DeniedError
from policies.gateway import GatewayContract
from policies.marks import TickEvent
from policies.ports import AuditDraft, Ledger
from policies.proposals import ProposalState
from policies.registry import Registry, default_registry
from resources.clock import Clock
from resources.findings import StoredFinding
from resources.postgres.findings import Findings
from resources.postgres.swarms import Proposed, Swarms
from sensors.swarms.candidates import ProposalCandidate, Why, candidate_of
from sensors.swarms.holds import holding, is_about_swarm, refused, throttled
from sensors.swarms.owners import Owners
from sensors.swarms.spec import SwarmSpec

PAGE: Final = 500
"""Revisions read at once; a backlog is worked through page by page."""
MOST_PER_TICK: Final = 10
"""Proposals made in one tick, so that a tick stays short; the next one goes on from there."""
BUDGET_SECONDS: Final = 0.5
"""No further page is begun after this long."""
_LIVE: Final = frozenset(
    {
        ProposalState.DRAFT,
        ProposalState.PENDING_APPROVAL,
        ProposalState.APPROVED,
        ProposalState.EXECUTING,
        ProposalState.EXECUTED,
    }
)


@dataclass(frozen=True, slots=True)
class Doors:
    """What a tick works with."""

    findings: Findings
    swarms: Swarms
    gateway: GatewayContract
    ledger: Ledger
    owners: Owners
    clock: Clock
    registry: Registry = field(default_factory=default_registry)


@dataclass(slots=True)
class Tick:
    """What one tick did.

    Attributes:
        number: Through which revision the findings were dealt with: the next cursor.
        seen: Revisions looked at.
        emitted: Ids of the proposals made.
        suppressed: Why -> how many findings.
        held: Why nothing (more) was proposed though something may wait; null when nothing holds the swarm.
        kept_at: When the revision of ``number`` was kept; null at 0. Tells this database from another.
        is_anew: Whether it began from the first finding, because the cursor was not of this database.
    """

    number: int
    seen: int = 0
    emitted: list[str] = field(default_factory=list)
    suppressed: Counter[str] = field(default_factory=Counter)
    held: str | None = None
    kept_at: datetime | None = None
    is_anew: bool = False

    def told(self) -> dict[str, Any]:
        """Return it as plain values, for the cursor, the log and the audit."""
        return {
            "number": self.number,
            "seen": self.seen,
            "emitted": len(self.emitted),
            "suppressed": dict(sorted(self.suppressed.items())),
            "held": self.held,
        }


def tick(
    spec: SwarmSpec,
    doors: Doors,
    *,
    after: int,
    timezone: str,
    kept_at: datetime | None = None,
    seconds: Callable[[], float] = time.monotonic,
) -> Tick:
    """Deal with a department's findings after a number; return what was done.

    A number that is not of this database (none has it, or another revision than the one kept at ``kept_at``)
    would pass over findings, so everything is dealt with anew; what was proposed is known by its id.
    Raises the errors of PostgreSQL and of the ledger; then the tick is repeated from the same number.
    """
    done = Tick(after, kept_at=kept_at)
    hold = holding(spec, doors.swarms, doors.ledger, now=doors.clock.now(), timezone=timezone)
    if hold is not None:
        done.held = hold.sentence
    elif after:
        known = doors.findings.kept_at(after)
        if known is None or kept_at not in {None, known}:
            done = Tick(0, is_anew=True)
    began = seconds()
    while done.held is None and seconds() - began < BUDGET_SECONDS:
        page = doors.findings.changes_after(done.number, PAGE, department=spec.department)
        if not page:
            break
        _deal_with(spec, doors, page, done, timezone)
    if done.emitted or done.suppressed:
        _tell(spec, doors, done, after)
    return done


def _deal_with(
    spec: SwarmSpec, doors: Doors, page: Sequence[StoredFinding], done: Tick, timezone: str
) -> None:
    """Propose what a page gives, in order, until something holds; move the number as far as that went."""
    newest = {stored.finding_id: stored for stored in page}
    # Most say nothing to propose as they were read; only of the others is it asked how they are now.
    likely = [it for it, stored in newest.items() if not isinstance(candidate_of(spec, stored), Why)]
    known = _Known(spec, doors, likely)
    for stored in page:
        if newest[stored.finding_id] is stored:
            outcome = known.outcome(stored)
            if isinstance(outcome, Why):
                done.suppressed[outcome.value] += 1
            else:
                done.held = _waits(spec, doors, outcome, done, timezone)
                done.held = done.held or _propose(spec, doors, known, outcome, done)
                if done.held is not None:
                    return
        done.number, done.kept_at = stored.number, stored.recorded_at
        done.seen += 1


class _Known:
    """What has to be known of the findings of one page, asked at once."""

    def __init__(self, spec: SwarmSpec, doors: Doors, finding_ids: Sequence[str]) -> None:
        actor_id = spec.actor(doors.findings.studio_id).actor_id
        self._spec = spec
        self._current = doors.findings.current_of(finding_ids)
        self._proposed = doors.swarms.proposed(finding_ids, actor_id)
        declined = [it for it, made in self._proposed.items() if made.state not in _LIVE]
        self._opened = doors.swarms.opened_at(declined)
        subjects = [
            one.finding.subject_id for one in self._current.values() if one.finding.subject_kind == "batch"
        ]
        self.owners: Mapping[str, str] | None = doors.owners.of(subjects)

    def outcome(self, stored: StoredFinding) -> ProposalCandidate | Why:
        """Return what to propose about a finding as it is now, or why nothing."""
        made = candidate_of(self._spec, stored)
        now = self._current.get(stored.finding_id)
        if isinstance(made, Why) or now is None:
            return made
        made = candidate_of(self._spec, now)
        if isinstance(made, Why):
            return made
        before = self._proposed.get(stored.finding_id)
        return (
            Why.ALREADY_PROPOSED if before is not None and self._is_same(before, stored.finding_id) else made
        )

    def owner_of(self, candidate: ProposalCandidate) -> str | None:
        """Return whose things a candidate is about; null where it is not known."""
        return None if self.owners is None else self.owners.get(str(candidate.input.get("resourceId")))

    def _is_same(self, before: Proposed, finding_id: str) -> bool:
        # Declined or expired, it is proposed again only when the finding has gone and come back since.
        opened = self._opened.get(finding_id)
        return before.state in _LIVE or opened is None or before.created_at >= opened


def _waits(
    spec: SwarmSpec, doors: Doors, candidate: ProposalCandidate, done: Tick, timezone: str
) -> str | None:
    """Return why nothing may be proposed any more in this tick; null when it may."""
    if len(done.emitted) >= MOST_PER_TICK:
        return f"{MOST_PER_TICK} proposals in one tick; the next tick goes on."
    now = doors.clock.now()
    # Again before each: who pauses the swarm, or halts everything, does not wait for the tick to end.
    hold = holding(spec, doors.swarms, doors.ledger, now=now, timezone=timezone)
    hold = hold or throttled(spec, doors.swarms, now=now, timezone=timezone)
    # Asked before: a no to a proposal is in the audit, and every tick would leave another.
    hold = hold or refused(spec, doors.gateway, candidate.capability_id, doors.findings.studio_id)
    return None if hold is None else hold.sentence


def _propose(
    spec: SwarmSpec, doors: Doors, known: _Known, candidate: ProposalCandidate, done: Tick
) -> str | None:
    """Propose one candidate, or count why it is not; return why the swarm has to stop before it, if so."""
    actor = spec.actor(doors.findings.studio_id)
    capability = doors.registry.get(candidate.capability_id)
    owner = known.owner_of(candidate)
    if capability is not None and capability.is_owner_required and owner is None:
        if known.owners is None:
            return "There is no whole read of the batches to tell whose they are; the next one does."
        done.suppressed[Why.OWNER_UNKNOWN.value] += 1
        return None
    try:
        made = doors.gateway.propose(
            actor,
            candidate.capability_id,
            candidate.input,
            candidate.rationale,
            owner_id=owner,
            dedupe_key=candidate.dedupe_key,
            evidence=candidate.evidence,
            predicted_effects=candidate.predicted_effects,
            is_draft=spec.is_draft_only,
        )
    except (DeniedError, BadRequestError) as error:
        if isinstance(error, DeniedError) and is_about_swarm(error.decision.code):
            return f"Refused {candidate.capability_id}: {error} ({error.decision.code})"
        done.suppressed[Why.REFUSED.value] += 1
        return None
    if made.requester_id == actor.actor_id:
        done.emitted.append(made.proposal_id)
    else:  # somebody else asked for it under the same key
        done.suppressed[Why.ALREADY_PROPOSED.value] += 1
    return None


def _tell(spec: SwarmSpec, doors: Doors, done: Tick, after: int) -> None:
    """Write down, once for the whole tick, what it proposed and what it did not, and why."""
    actor = spec.actor(doors.findings.studio_id)
    details = done.told() | {"after": after, "proposals": list(done.emitted)}
    name = f"swarm:{spec.department}:{TickEvent.EMITTED if done.emitted else TickEvent.SUPPRESSED}"
    event = AuditDraft(name, doors.clock.now(), actor, "swarm", spec.department, None, details)
    with doors.ledger.transaction() as transaction:
        transaction.record(event)
