"""What a department's swarm is: one small declaration, and the list of all of them.

A new department is a new entry here, with a maker of inputs for every capability that it may ask for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from policies.actors import Actor, system_actor
from resources.findings import Severity
from sensors.swarms.inputs import Maker, adjustment, announcement, batch_note, report_review


@dataclass(frozen=True, slots=True)
class Throttle:
    """At most so many proposals in a window, counted from what was really proposed."""

    most: int
    window: timedelta


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one studio-local time of day to another, perhaps across midnight; equal times mean never."""

    begins: time
    ends: time

    def holds(self, at: datetime, timezone: str) -> bool:
        """Say whether an instant lies in the quiet hours, by the studio's own clock."""
        local = at.astimezone(ZoneInfo(timezone)).time()
        if self.begins <= self.ends:
            return self.begins <= local < self.ends
        return local >= self.begins or local < self.ends

    def until(self, at: datetime, timezone: str) -> datetime:
        """Return when quiet hours that hold at an instant are over."""
        local = at.astimezone(ZoneInfo(timezone))
        ends = datetime.combine(local.date(), self.ends, local.tzinfo)
        return ends if ends > local else ends + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SwarmSpec:
    """One department's swarm.

    Attributes:
        department: Whose findings it watches, snake_case.
        owner: Who answers for it.
        makers: Capability -> what makes its input of a finding. A finding that names another capability, or
            none, stays a finding.
        throttle: How much it may propose.
        quiet_hours: When it waits.
        least_severity: Findings below it stay findings.
        least_confidence: As above, 0 to 1.
        is_draft_only: Always true: a swarm proposes drafts, and people ask for approval.
    """

    department: str
    owner: str
    makers: Mapping[str, Maker]
    throttle: Throttle = field(default=Throttle(20, timedelta(days=1)))
    quiet_hours: QuietHours = field(default=QuietHours(time(0), time(5)))
    least_severity: Severity = Severity.LOW
    least_confidence: float = 0.6
    is_draft_only: bool = True

    def __post_init__(self) -> None:
        if not self.is_draft_only:
            raise ValueError(f"The swarm of {self.department} must be draft-only: people ask for approval.")

    def actor(self, studio_id: str) -> Actor:
        """Return the system's actor that proposes for this swarm."""
        return system_actor(f"swarm_{self.department}", studio_id)


SWARMS: Final[tuple[SwarmSpec, ...]] = (
    SwarmSpec(
        "operations",
        owner="Studio Ops",
        makers=MappingProxyType({"firestore.ops_note.append": batch_note}),
        least_severity=Severity.MEDIUM,
    ),
    SwarmSpec(
        "finance",
        owner="Finance Ops",
        makers=MappingProxyType({"finance.reconciliation.adjust": adjustment}),
    ),
    SwarmSpec(
        "marketing",
        owner="Marketing",
        makers=MappingProxyType({"website.announcement.publish": announcement}),
        throttle=Throttle(5, timedelta(days=1)),
        least_severity=Severity.MEDIUM,
    ),
    SwarmSpec(
        "trust_safety",
        owner="Trust & Safety",
        makers=MappingProxyType({"moderation.report.review": report_review}),
        least_severity=Severity.MEDIUM,
    ),
)
"""Every swarm there is."""
