"""Whether the standing checks hold now, and the record of those that turned; pure, over the doors."""

from collections.abc import Sequence
from datetime import datetime

from policies.actors import system_actor
from policies.audit import GENESIS
from policies.ports import AuditDraft, CheckResult, Ledger
from policies.standing_checks import EXPIRY_GRACE, LOOK_UP_GRACE, StandingCheck, Violation
from resources.postgres.governance import GovernanceReads

ACTOR = "governance"
MOST = 20
"""How many violations of one check are named; one is enough to stop executions."""


def judge(
    check: StandingCheck,
    reads: GovernanceReads,
    ledger: Ledger,
    now: datetime,
    *,
    verified_seq: int = 0,
    verified_hash: str = GENESIS,
) -> Sequence[Violation]:
    """Return what breaks a check now; nothing when it holds.

    Args:
        check: Which one.
        reads: Reads rows and events.
        ledger: The same ledger, for what waits in it.
        now: The instant by which things are overdue.
        verified_seq: The audit's entry up to which its chain was verified; 0 when never.
        verified_hash: That entry's hash as it was verified.
    """
    if check is StandingCheck.AUDIT_CHAIN_IS_INTACT:
        return reads.verify_chain(verified_seq, verified_hash).broken
    if check is StandingCheck.NOTHING_IS_OVERDUE:
        return overdue(ledger, now)
    return reads.violations(check, MOST)


def overdue(ledger: Ledger, now: datetime) -> Sequence[Violation]:
    """Return what should have expired, or have been looked up, long before ``now``."""
    found = [
        Violation(proposal.proposal_id, f"is {proposal.state} beyond its expiry")
        for proposal in ledger.overdue(now - EXPIRY_GRACE, MOST)
    ]
    found += [
        Violation(exemption.exemption_id, "stands beyond its expiry")
        for exemption in ledger.exemptions()
        if exemption.ended_at is None and exemption.expires_at < now - EXPIRY_GRACE
    ]
    found += [
        Violation(execution.execution_id, "was cut off and its target was not asked since")
        for execution in ledger.abandoned(now - LOOK_UP_GRACE, MOST)
    ]
    return found[:MOST]


def record_turns(
    ledger: Ledger, found: dict[StandingCheck, Sequence[Violation]], now: datetime
) -> list[CheckResult]:
    """Record every check that turned red, or green again, each with its event; return those.

    A check that says what it said before is not recorded again; one that was never red needs no green.
    """
    with ledger.transaction() as transaction:
        red = set(transaction.facts(now=now, capability_id=None).red_checks)
        turned = [
            CheckResult(check.value, holds=not broken, at=now)
            for check, broken in found.items()
            if bool(broken) is not (check.value in red)
        ]
        for result in turned:
            transaction.record(_event(ledger.studio_id, result, found[StandingCheck(result.name)]), result)
    return turned


def _event(studio_id: str, result: CheckResult, broken: Sequence[Violation]) -> AuditDraft:
    return AuditDraft(
        name=f"check:{result.name}:{'green' if result.holds else 'red'}",
        at=result.at,
        actor=system_actor(ACTOR, studio_id),
        subject_kind="check",
        subject_id=result.name,
        state=None,
        details={"violations": len(broken), "subjects": [each.subject_id for each in broken[:5]]},
    )
