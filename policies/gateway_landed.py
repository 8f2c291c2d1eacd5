"""After a lost answer: whether a change that was sent to the database is there.

Reads only. What cannot be told apart from somebody else's change counts as not landed: the gateway then
decides again from what stands there, which is always safe and at worst tells a person of their own success.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar, cast

from policies.decisions import Exemption
from policies.marks import DraftReview, FindingMark, SwarmControl, TriageDecision
from policies.ports import ExemptionEnd, Ledger, Row, SwitchChange
from policies.proposals import Approval, Execution, Proposal

T = TypeVar("T")

Written = tuple[Row, int]
"""A row as it was given to the ledger, and the number of its event, perhaps a provisional one."""

_Numbered = Proposal | Approval | Execution | Exemption
_MARKS: Final = (SwarmControl, FindingMark, DraftReview, TriageDecision)
_NONE: Final[Mapping[int, int]] = {}


def has_landed(ledger: Ledger, rows: Sequence[Row]) -> bool:
    """Say whether the rows of one transaction are in the ledger; a transaction lands whole or not at all.

    Rows with an id of their own are looked for first: nobody else can have written them.
    """
    for kind in (Approval, Execution, Exemption, ExemptionEnd, SwitchChange, *_MARKS, Proposal):
        found = [row for row in rows if isinstance(row, kind)]
        if found:
            return _is_there(ledger, found[-1])
    return False


def numbered(rows: Iterable[Written]) -> list[Row]:
    """Return rows as the ledger keeps them: with the number of their event where there is a place for it."""
    return [replace(row, audit_seq=seq) if isinstance(row, _Numbered) else row for row, seq in rows]


def _is_there(ledger: Ledger, row: Row) -> bool:
    is_there = False
    match row:
        case Approval():
            is_there = any(it.approval_id == row.approval_id for it in ledger.approvals(row.proposal_id))
        case Execution():
            attempts = ledger.executions(row.proposal_id)
            mine = (row.execution_id, row.state, row.fence)
            is_there = any((it.execution_id, it.state, it.fence) == mine for it in attempts)
        case Exemption():
            is_there = any(it.exemption_id == row.exemption_id for it in ledger.exemptions())
        case ExemptionEnd():
            ended = {it.exemption_id: it.ended_at for it in ledger.exemptions()}
            is_there = ended.get(row.exemption_id) == row.at
        case SwitchChange():
            switch = ledger.switch()
            is_there = (switch.by, switch.at, switch.reason) == (row.actor_id, row.at, row.reason)
        case SwarmControl() | FindingMark() | DraftReview() | TriageDecision():
            is_there = ledger.has_mark(row)
        case Proposal():
            is_there = _same_proposal(ledger, row)
    return is_there


def _same_proposal(ledger: Ledger, row: Proposal) -> bool:
    with ledger.transaction() as transaction:
        facts = transaction.facts(
            now=row.updated_at, capability_id=row.capability_id, proposal_id=row.proposal_id
        )
    found = facts.proposal
    if found is not None and row.audit_seq < 0:
        # Its number was never told. The id is its writer's own: nobody else writes this proposal as new.
        found = replace(found, audit_seq=row.audit_seq)
    return found == row


def numbered_as(result: T, rows: Iterable[Written], numbers: Mapping[int, int] = _NONE) -> T:
    """Return a result (a row, or several) with the number of the event it was written with, if it was.

    Args:
        result: What a change returns; of it, the very objects in ``rows`` are numbered.
        rows: What the change wrote.
        numbers: Provisional numbers -> the numbers the events have got.
    """
    if isinstance(result, tuple):
        return cast("T", tuple(numbered_as(part, rows, numbers) for part in result))
    seq = next((seq for row, seq in rows if row is result), None)
    if seq is None or not isinstance(result, _Numbered):
        return result
    return cast("T", replace(result, audit_seq=numbers.get(seq, seq)))


def reread(ledger: Ledger, result: T) -> T:
    """Return a result that landed although its answer was lost, with the numbers that stand there."""
    if isinstance(result, tuple):
        return cast("T", tuple(reread(ledger, part) for part in result))
    if isinstance(result, Proposal) and result.audit_seq < 0:
        with ledger.transaction() as transaction:
            facts = transaction.facts(
                now=result.updated_at, capability_id=result.capability_id, proposal_id=result.proposal_id
            )
        seq = 0 if facts.proposal is None else facts.proposal.audit_seq
        return cast("T", replace(result, audit_seq=seq))
    if isinstance(result, Execution) and result.audit_seq < 0:
        seqs = {it.execution_id: it.audit_seq for it in ledger.executions(result.proposal_id)}
        return cast("T", replace(result, audit_seq=seqs.get(result.execution_id, 0)))
    return result
