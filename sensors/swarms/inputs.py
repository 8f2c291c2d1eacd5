"""How a finding becomes the input of a capability. Pure; words are the detector's own, never a person's."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from resources.findings import StoredFinding
from resources.money import amount_text
from studio_assets.finance.classes import correction_cents
from studio_assets.marketing.occasions import (
    CALLED_OFF,
    CLOSED_KILN,
    DRAFTS_ASSET,
    MOVED,
    PAYMENTS,
    PICKUPS,
    UNDERSOLD,
)

Maker = Callable[[StoredFinding], Mapping[str, Any] | None]
"""Makes an input; null when the capability does not fit the finding."""

_LONGEST_WORDS: Final = 500
_REPORTS: Final = "cloud_truth/community_reports"
_REQUESTS: Final = {
    "report_unseen": "read_now",
    "reports_gathered": "read_together",
    "severity_disagreed": "compare_severity",
}
_OCCASIONS: Final = {
    UNDERSOLD: "invitation",
    CALLED_OFF: "cancellation",
    CLOSED_KILN: "schedule",
    MOVED: "correction",
    PICKUPS: "reminder",
    PAYMENTS: "reminder",
}
_MOST_CENTS: Final = 1_000_000  # of one adjustment, as the registry has it; more is for people to split


def batch_note(stored: StoredFinding) -> Mapping[str, Any] | None:
    """Return the input of a note at the batch a finding is about; null when it is about something else."""
    finding = stored.finding
    if finding.subject_kind != "batch":
        return None
    note = f"{said(stored)} {finding.likely_cause} {finding.next_step}"
    return {"resourceCollection": "batches", "resourceId": finding.subject_id, "note": note[:_LONGEST_WORDS]}


def adjustment(stored: StoredFinding) -> Mapping[str, Any] | None:
    """Return the input of a correction that makes an order agree with Stripe; null without two amounts.

    Positive: the order counts too little as paid. Amounts that do not differ need no correction.
    """
    finding = stored.finding
    if finding.expected_cents is None or finding.observed_cents is None or finding.currency != "usd":
        return None
    cents = correction_cents(finding.kind, finding.expected_cents, finding.observed_cents)
    if cents == 0 or abs(cents) > _MOST_CENTS:
        return None
    memo = f"{said(stored)} {finding.next_step}"
    return {
        "flagId": stored.finding_id,
        "adjustmentCents": cents,
        "currency": finding.currency,
        "memo": memo[:_LONGEST_WORDS],
    }


def announcement(stored: StoredFinding) -> Mapping[str, Any] | None:
    """Return the input of something to be told, with its draft where there is one; null for other kinds."""
    finding = stored.finding
    occasion = _OCCASIONS.get(finding.kind)
    if occasion is None:
        return None
    texts = [link.row for link in finding.evidence if link.asset == DRAFTS_ASSET and link.row is not None]
    note = f"{said(stored)} {finding.next_step}"
    return {
        "occasion": occasion,
        "subjectId": finding.subject_id,
        **({"draftId": texts[0]} if texts else {}),
        "note": note[:_LONGEST_WORDS],
    }


def report_review(stored: StoredFinding) -> Mapping[str, Any] | None:
    """Return the input of a second look at a report; of several the first. Null for what names none."""
    finding = stored.finding
    request = _REQUESTS.get(finding.kind)
    reports = [link.row for link in finding.evidence if link.asset == _REPORTS and link.row is not None]
    if request is None or not reports:
        return None
    note = f"{said(stored)} {finding.likely_cause} {finding.next_step}"
    return {"reportId": reports[0], "request": request, "note": note[:_LONGEST_WORDS]}


def said(stored: StoredFinding) -> str:
    """Return one sentence on what was found: what was expected, what was observed, and since when."""
    finding = stored.finding
    what = finding.kind.replace("_", " ").capitalize()
    unit = f" {finding.unit}" if finding.unit else ""
    parts = []
    if finding.expected is not None:
        parts.append(f"expected {finding.expected}{unit}")
    if finding.observed is not None:
        parts.append(f"observed {finding.observed}{unit}")
    if finding.expected_cents is not None:
        parts.append(f"expected {amount_text(finding.expected_cents, finding.currency)}")
    if finding.observed_cents is not None:
        parts.append(f"observed {amount_text(finding.observed_cents, finding.currency)}")
    if finding.since is not None:
        parts.append(f"since {finding.since:%Y-%m-%d %H:%M} UTC")
    return f"{what}: {', '.join(parts)}." if parts else f"{what}."
