"""A person's word on what swarms do: pauses, marks on findings, reviews of drafts, decisions on reports.

Rows only; who may give them is decided like everything else, and each comes with its audit event. Beside them
the names of what a swarm tells of itself.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SwarmState(StrEnum):
    """What a person did to a department's swarm; one that nobody ever paused runs."""

    PAUSED = "paused"
    RESUMED = "resumed"


class TickEvent(StrEnum):
    """What a swarm itself tells of a tick, once for all of it: it proposed something, or passed all over."""

    EMITTED = "emitted"
    SUPPRESSED = "suppressed"


class Verdict(StrEnum):
    """What a person makes of a finding."""

    USEFUL = "useful"
    NOISE = "noise"  # true, and not worth a look
    WRONG = "wrong"


class DraftStatus(StrEnum):
    """Where a draft stands; all but the first are given by people alone."""

    DRAFT = "draft"
    NEEDS_REVIEW = "needs_review"
    APPROVED = "approved_for_publish"
    REJECTED = "rejected"


class TriageVerdict(StrEnum):
    """Whether a person agrees with a suggestion, in category and severity."""

    CONFIRMED = "confirmed"
    EDITED = "edited"


@dataclass(frozen=True, slots=True)
class SwarmControl:
    """A department's swarm was paused, or let go on."""

    department: str
    kind: SwarmState
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FindingMark:
    """What a person makes of one revision of a finding."""

    finding_id: str
    revision: int
    verdict: Verdict
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DraftReview:
    """A review of one revision of a draft; the database writes the next revision from it.

    ``subject`` and ``body`` are null where the words were left as they were, and the hashes then equal.
    """

    draft_id: str
    revision: int
    from_status: DraftStatus
    to_status: DraftStatus
    before_hash: str
    after_hash: str
    by: str
    reason: str
    at: datetime
    subject: str | None = None
    body: str | None = None


@dataclass(frozen=True, slots=True)
class TriageDecision:
    """What a person says a report is about, and how bad."""

    report_id: str
    category: str
    severity: str
    verdict: TriageVerdict
    by: str
    reason: str
    at: datetime


Mark = SwarmControl | FindingMark | DraftReview | TriageDecision
"""A person's word, of whatever kind."""
