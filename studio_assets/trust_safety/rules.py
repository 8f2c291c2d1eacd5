"""What of the open reports wants a person's attention: pure, rows and suggestions in, findings out.

Every rule is a detector of its own. Findings name reports by id and content by a hash; no word of a member is
looked at here.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Final

import pyarrow as pa

from resources.clock import local_date
from resources.findings import Finding, FindingEvidence, Severity
from resources.postgres.triage import StoredSuggestion
from studio_assets.calendar import StudioCalendar
from studio_assets.findings.making import links_to_rows, make_finding, safe_id
from studio_assets.studio_state import masks
from studio_assets.studio_state.predicates import OPEN_REPORT, Moment

DEPARTMENT: Final = "trust_safety"
UNSEEN: Final = "reports_unseen"
GATHERED: Final = "reports_of_one_content"
DISAGREED: Final = "severity_disagreement"
DETECTORS: Final = (UNSEEN, GATHERED, DISAGREED)
REVIEW: Final = "moderation.report.review"
REPORTS: Final = "community_reports"
SUGGESTIONS: Final = "trust_safety/triage"
_KNOWN: Final = ("low", "medium", "high")
_finding = partial(make_finding, DEPARTMENT)
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {REPORTS: ("status", "severity", "category", "coordination_signal", "created_at")}
)
"""Contract name -> what the rules look at."""


_Told = tuple[str, datetime]
"""A report and when it was made."""


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a report wants a person's attention. Open days are those of the studio's calendar.

    Attributes:
        grave_unseen_open_days: A report of high severity nobody looked at.
        unseen_open_days: Any other.
        gathered: Fewest open reports of one content that are more than chance.
        gathered_grave: From where on they are grave.
        joined_within: Signalled reports of unknown content are one matter when they follow within this.
        least_confidence: Of a suggestion, to be set against what the reporter chose.
    """

    grave_unseen_open_days: int = 3
    unseen_open_days: int = 7
    gathered: int = 4
    gathered_grave: int = 6
    joined_within: timedelta = timedelta(hours=2)
    least_confidence: float = 0.8


@dataclass(frozen=True, slots=True)
class Reports:
    """The reports at one moment.

    Attributes:
        table: Rows of the contract of reports, with ``COLUMNS``.
        moment: The instant they describe.
        revision: Of the snapshot whose read they are, as ``2026-03-01.2``.
        targets: Report -> hash of the content it is about, of the open ones; empty where that was not read.
        suggestions: The newest suggestion of each report.
        decided: Reports a person has decided on.
        calendar: Open days of the studio.
        limits: From where on something counts.
    """

    table: pa.Table
    moment: Moment
    revision: str
    targets: Mapping[str, str] = field(default_factory=dict)
    suggestions: Sequence[StoredSuggestion] = ()
    decided: frozenset[str] = frozenset()
    calendar: StudioCalendar = field(default_factory=StudioCalendar)
    limits: Limits = field(default_factory=Limits)

    def day_text(self, at: datetime) -> str:
        """Return an instant's studio-local day, for words: it does not grow from day to day."""
        return local_date(at, self.moment.timezone).isoformat()

    def evidence(self, report_ids: Sequence[str]) -> tuple[FindingEvidence, ...]:
        """Return links to reports in the read of the snapshot."""
        return links_to_rows(self.revision, *(f"{REPORTS}/{each}" for each in report_ids))


def target_hash(target_id: str) -> str:
    """Return what content is called in findings: a hash, for its id may name a person or a page."""
    return hashlib.sha256(target_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def find_reports(reports: Reports) -> dict[str, list[Finding]]:
    """Return detector -> its findings in order of identity, also of those that find nothing."""
    found = {UNSEEN: _unseen(reports), GATHERED: _gathered(reports), DISAGREED: _disagreed(reports)}
    return {name: sorted(each, key=lambda one: one.finding_id) for name, each in found.items()}


def _unseen(reports: Reports) -> Iterator[Finding]:
    """Find reports nobody has looked at: nothing but a look takes them out of ``open``."""
    table, limits = reports.table, reports.limits
    waits = masks.all_of(
        masks.is_one_of(table, "status", ("open",), if_missing=True),
        masks.is_before(table, "created_at", reports.moment.as_of),
    )
    for row in masks.rows_of(table, waits, "created_at", "severity"):
        is_grave = str(row["severity"]).lower() == "high"
        days = limits.grave_unseen_open_days if is_grave else limits.unseen_open_days
        if reports.calendar.open_days(row["created_at"], reports.moment.as_of) <= days:
            continue
        yield _finding(
            *(UNSEEN, "report_unseen", "report", row["document_id"]),
            severity=Severity.HIGH if is_grave else Severity.LOW,
            confidence=0.95,
            since=row["created_at"],
            expected=f"looked at within {days} open days",
            observed=f"open since {reports.day_text(row['created_at'])}, severity {row['severity']}"
            if row["severity"] in _KNOWN
            else f"open since {reports.day_text(row['created_at'])}",
            cause="Nobody has it on their list.",
            step="Read the report in the portal, set its severity and take it on.",
            capability_id=REVIEW if is_grave else None,
            evidence=reports.evidence([row["document_id"]]),
        )


def _gathered(reports: Reports) -> Iterator[Finding]:
    """Find content that many open reports are about, and storms the cloud has signalled."""
    table, limits = reports.table, reports.limits
    rows = masks.rows_of(table, masks.is_set(table, "created_at"), "created_at", "coordination_signal")
    rows.sort(key=lambda row: (row["created_at"], row["document_id"]))
    open_ids = {row["document_id"] for row in masks.rows_of(table, _is_open(table))}
    signalled = {row["document_id"] for row in rows if row["coordination_signal"]}
    by_target: dict[str, list[_Told]] = defaultdict(list)
    unplaced: list[_Told] = []
    for row in rows:
        report_id, target = row["document_id"], reports.targets.get(row["document_id"])
        if target is not None and report_id in open_ids:
            by_target[target].append((report_id, row["created_at"]))
        elif target is None and report_id in signalled:
            unplaced.append((report_id, row["created_at"]))
    for target, about in sorted(by_target.items()):
        if len(about) >= limits.gathered or any(each in signalled for each, _ in about):
            yield _gathered_finding(reports, "content", target, about, signalled)
    yield from _storms(reports, unplaced, open_ids, signalled)


def _storms(
    reports: Reports, unplaced: Sequence[_Told], open_ids: set[str], signalled: set[str]
) -> Iterator[Finding]:
    """Find signalled reports whose content was not read; those close in time are one matter.

    Those already dealt with count for what the matter is called, so that its name stays.
    """
    storms: list[list[_Told]] = []
    for told in unplaced:
        if not storms or told[1] - storms[-1][-1][1] > reports.limits.joined_within:
            storms.append([])
        storms[-1].append(told)
    for storm in storms:
        about = [told for told in storm if told[0] in open_ids]
        if about:
            yield _gathered_finding(reports, "report", storm[0][0], about, signalled)


def _gathered_finding(
    reports: Reports,
    subject_kind: str,
    subject_id: str,
    about: Sequence[_Told],
    signalled: set[str],
) -> Finding:
    is_signalled = any(each in signalled for each, _ in about)
    is_grave = is_signalled or len(about) >= reports.limits.gathered_grave
    return _finding(
        *(GATHERED, "reports_gathered", subject_kind, subject_id),
        severity=Severity.HIGH if is_grave else Severity.MEDIUM,
        confidence=0.9,
        since=about[0][1],
        expected=f"fewer than {reports.limits.gathered} open reports of one content",
        observed=f"{len(about)} open reports, the first of {reports.day_text(about[0][1])}",
        cause="Many report it together: the cloud signals that they act in concert."
        if is_signalled
        else "The content troubles many people, or some report it over and over.",
        step="Read these reports together and decide on them once.",
        capability_id=REVIEW,
        evidence=reports.evidence([each for each, _ in about]),
    )


def _disagreed(reports: Reports) -> Iterator[Finding]:
    """Find reports their reporter called mild whose words are of something grave; nobody decided on them."""
    table, limits = reports.table, reports.limits
    rows = {
        row["document_id"]: row for row in masks.rows_of(table, _is_open(table), "severity", "created_at")
    }
    for stored in reports.suggestions:
        said = stored.suggestion
        row = rows.get(said.report_id)
        if row is None or said.is_abstained or said.report_id in reports.decided:
            continue
        if said.severity != Severity.HIGH.value or said.confidence < limits.least_confidence:
            continue
        if row["severity"] not in {None, "low", "medium"}:
            continue
        yield _finding(
            *(DISAGREED, "severity_disagreed", "report", said.report_id),
            severity=Severity.MEDIUM if row["severity"] == "medium" else Severity.HIGH,
            confidence=round(said.confidence, 2),
            since=row["created_at"],
            expected=f"severity high, by the suggestion {said.reason_code}",
            observed=f"severity {row['severity']}, by the reporter" if row["severity"] else "no severity",
            cause="Reporters choose the severity, and low is what the form begins with.",
            step="Read the report and confirm or edit the suggestion: ./studio triage show.",
            capability_id=REVIEW,
            evidence=(
                *reports.evidence([said.report_id]),
                FindingEvidence(SUGGESTIONS, str(stored.revision), safe_id(said.report_id)),
            ),
        )


def _is_open(table: pa.Table) -> pa.Array:
    return masks.is_one_of(table, "status", OPEN_REPORT, if_missing=True)
