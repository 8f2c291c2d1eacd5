"""``trust_safety/triage``: a suggestion for every open report, for staff to confirm or to change.

Only today is looked at, and only beside a full snapshot. A past day touches nothing. What is told of a run is
counts; the words of reports stay where they are.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any, Final

import dagster as dg

from resources.clock import Clock
from resources.errors import SourceUnreadableError
from resources.firestore.gateway import DocumentSource
from resources.postgres.history import History
from resources.postgres.triage import StoredSuggestion, TriageSuggestions
from resources.rows import Completeness
from resources.settings import Settings
from studio_assets.automation import on_new_content
from studio_assets.devices.assets import OWNERS, RETRY, is_today
from studio_assets.keys import studio_state_key
from studio_assets.partitions import studio_days
from studio_assets.trust_safety.reasons import CATEGORIES, CODES, SEVERITIES
from studio_assets.trust_safety.reports import Looked, suggest_for_open
from studio_assets.trust_safety.triage import CODE_VERSION, Triage

TRUST_SAFETY: Final = "trust_safety"
TRIAGE: Final = "triage"
RULES_IN_WORDS: Final = {
    "suggestions_are_of_known_words": "Every suggestion is of a known category, severity and reason code.",
    "abstentions_suggest_nothing": "Where the classifier abstains, neither category nor severity is kept.",
}


def build_trust_safety(settings: Settings) -> dg.AssetsDefinition:
    """Return the asset of a studio's triage suggestions, with its checks."""
    key = dg.AssetKey([settings.studio_id, TRUST_SAFETY, TRIAGE])
    spec = dg.AssetSpec(
        key,
        deps=[studio_state_key(settings.studio_id, "snapshot")],
        description="**Derived from cloud.** One row per open report and revision: what it seems about, "
        "how grave, how sure. Suggestions only; staff confirm or change them. The words are read in memory "
        "and never kept.",
        group_name=TRUST_SAFETY,
        code_version=CODE_VERSION,
        owners=OWNERS,
        kinds={"postgres"},
        partitions_def=studio_days(settings),
        automation_condition=on_new_content(),
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(minutes=settings.snapshot_stale_minutes)
        ),
        metadata={"dagster/table_name": "studio.triage_suggestions"},
    )

    @dg.multi_asset(
        name="suggest_triage",
        specs=[spec],
        check_specs=[
            dg.AssetCheckSpec(name, asset=key, description=said) for name, said in RULES_IN_WORDS.items()
        ],
        retry_policy=RETRY,
    )
    def suggest(
        context: dg.AssetExecutionContext,
        documents: dg.ResourceParam[DocumentSource],
        triage_suggestions: dg.ResourceParam[TriageSuggestions],
        history: dg.ResourceParam[History],
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        day, triage = date.fromisoformat(context.partition_key), Triage()
        looked, new, at = Looked((), 0), list[StoredSuggestion](), clock.now()
        if is_today(day, clock, settings):
            _require_full_snapshot(history, day)
            at = documents.read_time()
            try:
                looked = suggest_for_open(documents, triage, read_time=at)
            except SourceUnreadableError as error:
                raise dg.Failure(
                    f"Nothing was suggested: {error} What was suggested before is kept.",
                    allow_retries=error.is_transient,
                ) from error
            new = triage_suggestions.keep(
                looked.suggestions, at=at, run_id=context.op_execution_context.run_id
            )
        standing, agreed = triage_suggestions.newest(), triage_suggestions.agreement()
        decided = sum(one.confirmed + one.edited for one in agreed)
        yield dg.MaterializeResult(
            data_version=_version(standing),
            check_results=list(_checked(standing)),
            metadata={
                "origin": "Derived from cloud: notes of open reports, read in memory",
                "as_of": dg.MetadataValue.timestamp(at),
                "dagster/row_count": len(standing),
                "classifier": triage.classifier,
                "looked_at": len(looked.suggestions),
                "without_note": looked.without_note,
                "new": len(new),
                "abstained": sum(one.is_abstained for one in looked.suggestions),
                "by_category": dg.MetadataValue.json(
                    dict(Counter(one.category or "none" for one in looked.suggestions))
                ),
                "decided": decided,
                "mismatch_rate": sum(one.edited for one in agreed) / decided if decided else 0.0,
            },
        )

    return suggest


def broken_rules(standing: Sequence[StoredSuggestion]) -> dict[str, list[str]]:
    """Return rule -> ids of the reports whose suggestion breaks it."""
    broken: dict[str, list[str]] = {name: [] for name in RULES_IN_WORDS}
    for one in standing:
        said = one.suggestion
        if said.is_abstained:
            if said.category is not None or said.severity is not None:
                broken["abstentions_suggest_nothing"].append(said.report_id)
        elif (
            said.category not in CATEGORIES
            or said.severity not in SEVERITIES
            or said.reason_code not in CODES
        ):
            broken["suggestions_are_of_known_words"].append(said.report_id)
    return broken


def _checked(standing: Sequence[StoredSuggestion]) -> Iterator[dg.AssetCheckResult]:
    for name, reports in broken_rules(standing).items():
        yield dg.AssetCheckResult(
            passed=not reports,
            check_name=name,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"Broken by {', '.join(reports)}" if reports else RULES_IN_WORDS[name],
            metadata={"broken": len(reports), "suggestions": len(standing)},
        )


def _require_full_snapshot(history: History, day: date) -> None:
    snapshot = history.current_snapshot(day)
    told = None if snapshot is None else snapshot.payload["diagnostics"]["completeness"]
    if told != Completeness.FULL.value:
        raise dg.Failure(
            f"Nothing was suggested: there is no full snapshot of {day} yet.", allow_retries=False
        )


def _version(standing: Sequence[StoredSuggestion]) -> dg.DataVersion:
    said = repr(sorted((one.suggestion.report_id, repr(one.suggestion)) for one in standing))
    return dg.DataVersion(hashlib.sha256(said.encode()).hexdigest())
