"""From a finding to what a swarm would propose about it, or why it would not. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from policies.proposals import Evidence
from resources.findings import FindingState, Severity, StoredFinding
from sensors.swarms.inputs import said
from sensors.swarms.spec import SwarmSpec

FINDINGS_ASSET: Final = "findings"
"""What evidence names as its asset when it is the finding itself; its revision is the finding's."""
_MOST_EVIDENCE: Final = 50
_LONGEST_EFFECT: Final = 500


class Why(StrEnum):
    """Why a finding is not proposed."""

    RESOLVED = "resolved"  # by now; what was read is history
    NO_CAPABILITY = "no_capability"  # nothing could be asked for
    NOT_OF_SWARM = "not_of_swarm"  # the swarm may not ask for that
    DOES_NOT_FIT = "does_not_fit"  # no input can be made of it
    TOO_MILD = "too_mild"
    TOO_UNSURE = "too_unsure"
    ALREADY_PROPOSED = "already_proposed"
    OWNER_UNKNOWN = "owner_unknown"  # nobody's things, as far as the newest read says
    REFUSED = "refused"  # by the gateway, whose reason is in the audit


@dataclass(frozen=True, slots=True)
class ProposalCandidate:
    """What a swarm would propose.

    ``dedupe_key`` is the finding's id, whatever its revision: one finding has one live proposal.
    """

    finding_id: str
    capability_id: str
    input: Mapping[str, Any]
    rationale: str
    predicted_effects: Sequence[str]
    evidence: Sequence[Evidence]
    dedupe_key: str


def candidate_of(
    spec: SwarmSpec, stored: StoredFinding, *, by_person: bool = False
) -> ProposalCandidate | Why:
    """Return what would be proposed about a finding as it is now, or why nothing is.

    A person may propose also what is too mild or too unsure for a swarm.
    """
    finding = stored.finding
    why = _held_back(spec, stored, by_person=by_person)
    if why is not None:
        return why
    capability_id = str(finding.capability_id)
    input_ = spec.makers[capability_id](stored)
    if input_ is None:
        return Why.DOES_NOT_FIT
    links = [Evidence(link.asset, link.revision, stored.finding_id) for link in finding.evidence]
    itself = Evidence(FINDINGS_ASSET, str(stored.revision), stored.finding_id)
    return ProposalCandidate(
        finding_id=stored.finding_id,
        capability_id=capability_id,
        input=input_,
        rationale=f"{said(stored)} Likely cause: {finding.likely_cause}",
        predicted_effects=(finding.next_step[:_LONGEST_EFFECT],),
        evidence=tuple(dict.fromkeys([itself, *links]))[:_MOST_EVIDENCE],
        dedupe_key=stored.finding_id,
    )


def _held_back(spec: SwarmSpec, stored: StoredFinding, *, by_person: bool) -> Why | None:
    finding, order = stored.finding, list(Severity)
    checks = (
        (stored.state is not FindingState.OPEN, Why.RESOLVED),
        (finding.capability_id is None, Why.NO_CAPABILITY),
        (finding.capability_id not in spec.makers, Why.NOT_OF_SWARM),
        (
            not by_person and order.index(finding.severity) < order.index(spec.least_severity),
            Why.TOO_MILD,
        ),
        (not by_person and finding.confidence < spec.least_confidence, Why.TOO_UNSURE),
    )
    return next((why for is_so, why in checks if is_so), None)
