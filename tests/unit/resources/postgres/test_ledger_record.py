"""Rows as a statement's arguments: as many as it takes, in its order."""

from dataclasses import replace

import pytest

from policies.proposals import ApprovalKind, Execution, ExecutionState, ProposalState, stepped
from resources.postgres.ledger_record import ProposalStep, record_statement, row_arguments, written_as
from tests.unit.policies.stage import START, Stage

EXECUTION = Execution(
    "exe_1", "prp_1", 1, ApprovalKind.EXECUTE, ExecutionState.INTENT, "hash", "key", "run-1", 1, START, START
)


PROPOSAL = Stage().propose()
STEP = stepped(PROPOSAL, ProposalState.REJECTED, START, state_reason="Not now.")


@pytest.mark.parametrize("row", [PROPOSAL, EXECUTION])
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


def test_of_a_step_only_the_step_is_sent():
    """State, reason and instant; the content is not named, so what stands there stays."""
    step = written_as(STEP, PROPOSAL)
    assert row_arguments(step, is_change=True) == (PROPOSAL.proposal_id, "rejected", START, "Not now.")
    assert "input" not in record_statement([(step, True)]).sql


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"rationale": "Another."},
        {"predicted_effects": ("Another.",)},
        {"evidence": (None,)},
        {"input": {"note": "Another."}},
        {"input_hash": "b" * 64},
        {"dry_run": {"summary": "Nothing."}},
        {"expires_at": START},
        {"intake": "unknown"},
        {"is_intake_blocked": True},
        {"intake_classifier": "another/1"},
    ],
)
def test_what_changes_more_than_its_state_is_sent_whole(change):
    """Whatever of the content differs from what was seen."""
    changed = replace(STEP, **change)
    assert written_as(changed, PROPOSAL) is changed
    assert isinstance(written_as(changed, changed), ProposalStep)


def test_what_was_not_seen_is_sent_whole():
    """Also an attempt, of which little may change anyhow."""
    assert written_as(STEP, None) is STEP
    assert written_as(EXECUTION, None) is EXECUTION


@pytest.mark.parametrize(("seen", "foreseen"), [(1, True), (0, False), (1, 1.0)])
def test_what_python_calls_equal_is_sent_whole_where_it_is_not_the_same(seen, foreseen):
    """The log has the hash of what was foreseen, and JSON tells a number from true."""
    kept = replace(PROPOSAL, dry_run={"open": seen})
    changed = replace(kept, dry_run={"open": foreseen}, updated_at=START)
    assert written_as(changed, kept) is changed
