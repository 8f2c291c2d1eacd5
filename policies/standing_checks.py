"""What must hold of the ledger at any time: the names of the standing checks, and what staff read.

The database refuses most of what they look for. They are there for what nobody thought of, and for hands
that reach past the rules; one that does not hold stops all executions until it holds again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final


class StandingCheck(StrEnum):
    """The property that holds; the names are those of Dagster's checks and of the audit's events."""

    EXECUTIONS_ARE_APPROVED = "executions_are_approved"
    NOBODY_APPROVES_THEIR_OWN = "nobody_approves_their_own"
    ROWS_AND_EVENTS_AGREE = "rows_and_events_agree"
    TRANSITIONS_ARE_LEGAL = "transitions_are_legal"
    NOTHING_EXECUTES_WHILE_HALTED = "nothing_executes_while_halted"
    AUDIT_CHAIN_IS_INTACT = "audit_chain_is_intact"
    NOTHING_IS_OVERDUE = "nothing_is_overdue"


SENTENCES: Final[Mapping[StandingCheck, str]] = {
    StandingCheck.EXECUTIONS_ARE_APPROVED: "Whatever was executed had enough approvals that were good when "
    "it began, or an exemption, and the audit announced it before and told its end after.",
    StandingCheck.NOBODY_APPROVES_THEIR_OWN: "No approval is by who asked, or by whose agent asked.",
    StandingCheck.ROWS_AND_EVENTS_AGREE: "Every row rests on an event about it, every event on a row, and "
    "both say the same state.",
    StandingCheck.TRANSITIONS_ARE_LEGAL: "The audit's own history of every proposal takes only steps that "
    "the table of transitions has.",
    StandingCheck.NOTHING_EXECUTES_WHILE_HALTED: "No execution was announced while the kill switch was on.",
    StandingCheck.AUDIT_CHAIN_IS_INTACT: "Every entry of the audit hashes to what it says and follows the "
    "one before.",
    StandingCheck.NOTHING_IS_OVERDUE: "Nothing waits long after it should have expired or been looked up.",
}

EXPIRY_GRACE: Final = timedelta(minutes=15)
"""How long after its expiry something may still stand as live: the sweep may have been off for a while."""
LOOK_UP_GRACE: Final = timedelta(hours=1)
"""How long after its lease an attempt may stay unexplained: its target may be away."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that breaks a check: which row or entry, and how, in words without member-written text."""

    subject_id: str
    what: str
