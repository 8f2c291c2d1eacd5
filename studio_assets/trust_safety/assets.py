"""``trust_safety/*``: a suggestion for every open report, and what of the reports wants a person's attention.

Only today is looked at, and only beside a full snapshot. A past day touches nothing. What is told of a run is
counts; the words of reports stay where they are.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

import dagster as dg

from resources.clock import Clock
from resources.errors import SourceUnreadableError
from resources.findings import Applied, StoredFinding
from resources.firestore.gateway import DocumentSource
from resources.postgres.findings import Findings
from resources.postgres.history import History
from resources.postgres.triage import Agreement, StoredSuggestion, TriageSuggestions
from resources.raw_store import RawStore
from resources.settings import Settings
from studio_assets.automation import on_new_content
from studio_assets.calendar import StudioCalendar
from studio_assets.derived import RETRY, data_version, resting_on_today, spec_of
from studio_assets.findings.telling import findings_version, told_of_findings
from studio_assets.keys import REPORT_FINDINGS, TRIAGE, TRUST_SAFETY, studio_state_key, trust_safety_key
from studio_assets.partitions import is_today
from studio_assets.studio_state.predicates import Moment
from studio_assets.studio_state.today import todays_state
from studio_assets.trust_safety.reports import Looked, suggest_for_open
from studio_assets.trust_safety.rules import COLUMNS, DEPARTMENT, DETECTORS, Reports, find_reports
from studio_assets.trust_safety.triage import CODE_VERSION, Triage

FINDINGS_VERSION: Final = "report-findings-1"
_PAST: Final = "A past day touches neither suggestions nor findings"


@dataclass(frozen=True, slots=True)
class _Done:
    """What one look changed; empty for a past day."""

    at: datetime
    looked: Looked = field(default_factory=lambda: Looked((), 0))
    new: Sequence[StoredSuggestion] = ()
    applied: Sequence[Applied] = ()
    classifier: str = CODE_VERSION
    origin: str = _PAST


def build_trust_safety(settings: Settings) -> dg.AssetsDefinition:
    """Return the assets ``triage`` and ``report_findings`` of a studio."""
    triage_key = trust_safety_key(settings.studio_id, TRIAGE)
    findings_key = trust_safety_key(settings.studio_id, REPORT_FINDINGS)

    @dg.multi_asset(name="look_at_reports", specs=_specs(settings), retry_policy=RETRY)
    def look_at_reports(  # noqa: PLR0917 - Dagster hands resources in by parameter name
        context: dg.AssetExecutionContext,
        documents: dg.ResourceParam[DocumentSource],
        triage_suggestions: dg.ResourceParam[TriageSuggestions],
        findings: dg.ResourceParam[Findings],
        history: dg.ResourceParam[History],
        raw: dg.ResourceParam[RawStore],
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        day, run_id = date.fromisoformat(context.partition_key), context.op_execution_context.run_id
        done = _Done(clock.now())
        if is_today(day, clock, settings):
            reports = todays_reports(settings, history, raw, clock, day, run_id)
            done = _look(reports, documents, triage_suggestions, findings, run_id)
        standing = triage_suggestions.newest()
        yield dg.MaterializeResult(
            asset_key=triage_key,
            data_version=data_version(sorted(repr(one.suggestion) for one in standing)),
            metadata=_told_of_suggestions(done, standing, triage_suggestions.agreement()),
        )
        kept = findings.open(DEPARTMENT)
        yield dg.MaterializeResult(
            asset_key=findings_key,
            data_version=findings_version(kept),
            metadata=_told_of_findings(done, kept),
        )

    return look_at_reports


def todays_reports(  # noqa: PLR0917 - the doors of one step, in one order everywhere
    settings: Settings, history: History, raw: RawStore, clock: Clock, day: date, run_id: str
) -> Reports:
    """Return today's reports, when every source was read whole and lately and a snapshot rests on it.

    Raises ``dg.Failure`` otherwise: from half a look nothing is suggested, opened or resolved.
    """
    with resting_on_today("Nothing was suggested or found."):
        today = todays_state(settings, history, clock, day, run_id)
        (table,) = today.tables(raw, COLUMNS).values()
    moment = Moment(today.as_of, settings.timezone)
    return Reports(table, moment, today.revision, calendar=StudioCalendar(settings.timezone))


def _look(
    reports: Reports,
    documents: DocumentSource,
    suggestions: TriageSuggestions,
    findings: Findings,
    run_id: str,
) -> _Done:
    """Suggest for what is open now, then bring the findings up to date with it."""
    triage, at = Triage(), documents.read_time()
    try:
        looked = suggest_for_open(documents, triage, read_time=at)
    except SourceUnreadableError as error:
        raise dg.Failure(
            f"Nothing was suggested: {error} What was suggested before is kept.",
            allow_retries=error.is_transient,
        ) from error
    new = suggestions.keep(looked.suggestions, at=at, run_id=run_id)
    whole = Reports(
        reports.table,
        reports.moment,
        reports.revision,
        targets=looked.targets,
        suggestions=suggestions.newest(),
        decided=frozenset(one.report_id for one in suggestions.decisions()),
        calendar=reports.calendar,
    )
    applied = [
        findings.apply(
            *(DEPARTMENT, detector, found),
            at=reports.moment.as_of,
            run_id=run_id,
            code_version=FINDINGS_VERSION,
        )
        for detector, found in find_reports(whole).items()
    ]
    origin = f"Derived from cloud: snapshot {reports.revision}, and notes of open reports read in memory"
    return _Done(at, looked, new, applied, triage.classifier, origin)


def _specs(settings: Settings) -> list[dg.AssetSpec]:
    common: dict[str, Any] = {
        "group_name": TRUST_SAFETY,
        "kinds": {"postgres"},
        "automation_condition": on_new_content(),
    }
    triage_key = trust_safety_key(settings.studio_id, TRIAGE)
    return [
        spec_of(
            settings,
            triage_key,
            deps=[studio_state_key(settings.studio_id, "snapshot")],
            description="One row per report as it is suggested for now: what it seems about, how grave, how "
            "sure. Suggestions only; staff confirm or change them. The words are read in memory and never "
            "kept.",
            view="analytics.triage",
            code_version=CODE_VERSION,
            **common,
        ),
        spec_of(
            settings,
            trust_safety_key(settings.studio_id, REPORT_FINDINGS),
            deps=[triage_key],
            description="One row per thing about reports that wants a person's attention, by "
            f"{', '.join(DETECTORS)}. Opened and resolved by today's whole snapshot alone.",
            view="analytics.findings",
            code_version=FINDINGS_VERSION,
            **common,
        ),
    ]


def _told_of_suggestions(
    done: _Done, standing: Sequence[StoredSuggestion], agreed: Sequence[Agreement]
) -> dict[str, Any]:
    suggested = [one for one in agreed if one.category is not None]
    decided = sum(one.confirmed + one.edited for one in suggested)
    said = done.looked.suggestions
    return {
        "origin": done.origin,
        "as_of": dg.MetadataValue.timestamp(done.at),
        "dagster/row_count": len(standing),
        "classifier": done.classifier,
        "looked_at": len(said),
        "without_note": done.looked.without_note,
        "new": len(done.new),
        "abstained": sum(one.is_abstained for one in said),
        "by_category": dg.MetadataValue.json(dict(Counter(one.category or "none" for one in said))),
        "decided": decided,
        "mismatch_rate": sum(one.edited for one in suggested) / decided if decided else 0.0,
    }


def _told_of_findings(done: _Done, kept: Sequence[StoredFinding]) -> dict[str, Any]:
    return {
        "origin": done.origin,
        "as_of": dg.MetadataValue.timestamp(done.at),
        **told_of_findings(kept, done.applied),
    }
