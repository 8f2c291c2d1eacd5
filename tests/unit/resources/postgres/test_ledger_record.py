"""Rows as a statement's arguments: as many as it takes, in its order."""

from dataclasses import replace

import pytest

from policies.proposals import ApprovalKind, Execution, ExecutionState
from resources.postgres.ledger_record import record_statement, row_arguments
from tests.unit.policies.stage import START, Stage

EXECUTION = Execution(
    "exe_1", "prp_1", 1, ApprovalKind.EXECUTE, ExecutionState.INTENT, "hash", "key", "run-1", 1, START, START
)


@pytest.mark.parametrize("row", [Stage().propose(), EXECUTION])
def test_a_statement_gets_as_many_values_as_it_takes(row):
    """Beside studio and payload; for a row that changes also the event it was seen with."""
    new, change = row_arguments(row, is_change=False), row_arguments(row, is_change=True)
    assert len(record_statement([(row, False)]).types) == 2 + len(new)
    assert len(record_statement([(row, True)]).types) == 2 + len(change) + 1


def test_of_a_changed_row_only_what_may_change_is_sent():
    """Its id, which finds it, and then the rest in the order of a new row."""
    ended = replace(EXECUTION, state=ExecutionState.FAILED, failure_code="GONE", failure="No.")
    assert row_arguments(ended, is_change=True) == (
        *("exe_1", "failed", "run-1", 1),
        *(START, None, None, "GONE", "No."),
    )
