"""After a lost answer: whether a change that was sent to the database is there.

Reads only. What cannot be told apart from somebody else's change counts as not landed: the gateway then
decides again from what stands there, which is always safe and at worst tells a person of their own success.
"""

from collections.abc import Sequence

from policies.decisions import Exemption
from policies.ports import ExemptionEnd, Ledger, Row, SwitchChange
from policies.proposals import Approval, Execution, Proposal


def has_landed(ledger: Ledger, rows: Sequence[Row]) -> bool:
    """Say whether the rows of one transaction are in the ledger; a transaction lands whole or not at all.

    Rows with an id of their own are looked for first: nobody else can have written them.
    """
    for kind in (Approval, Execution, Exemption, ExemptionEnd, SwitchChange, Proposal):
        found = [row for row in rows if isinstance(row, kind)]
        if found:
            return _is_there(ledger, found[-1])
    return False


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
        case Proposal():
            is_there = _same_proposal(ledger, row)
    return is_there


def _same_proposal(ledger: Ledger, row: Proposal) -> bool:
    with ledger.transaction() as transaction:
        facts = transaction.facts(
            now=row.updated_at, capability_id=row.capability_id, proposal_id=row.proposal_id
        )
    return facts.proposal == row
