"""The checks of suggestions and findings about reports in Dagster: what stands is read back and judged."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import dagster as dg

from resources.postgres.findings import Findings
from resources.postgres.history import History
from resources.postgres.triage import StoredSuggestion, TriageSuggestions
from resources.settings import Settings
from studio_assets.checks.findings import FINDINGS_IN_WORDS, judge_findings, unresolved
from studio_assets.checks.telling import Judged, check_specs, told
from studio_assets.findings.making import safe_id
from studio_assets.keys import REPORT_FINDINGS, TRIAGE, trust_safety_key
from studio_assets.run_book import RunBook
from studio_assets.trust_safety.reasons import CATEGORIES, CODES, SEVERITIES
from studio_assets.trust_safety.rules import DEPARTMENT, SUGGESTIONS

OF_SUGGESTIONS: Final[Mapping[str, str]] = {
    "suggestions_are_of_known_words": "Every suggestion is of a known category, severity and reason code.",
    "abstentions_suggest_nothing": "Where the classifier abstains, neither category nor severity is kept.",
    "confidence_is_in_range": "Every confidence lies between 0 and 1.",
    "holds_no_words_of_members": "A suggestion holds codes and hashes alone, no word of a report.",
}
RULES_IN_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    TRIAGE: OF_SUGGESTIONS,
    REPORT_FINDINGS: FINDINGS_IN_WORDS,
}
_CODE: Final = re.compile(r"[a-z_]{1,40}")
_CLASSIFIER: Final = re.compile(r"[a-z0-9_.+-]{1,80}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")


def build_trust_safety_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """Return the checks of what is suggested and found about reports; they warn."""
    keys = {trust_safety_key(settings.studio_id, asset): asset for asset in RULES_IN_WORDS}
    specs = check_specs({key: RULES_IN_WORDS[asset] for key, asset in keys.items()})

    @dg.multi_asset_check(name="check_reports", specs=specs, can_subset=True)
    def check_reports(
        context: dg.AssetCheckExecutionContext,
        triage_suggestions: dg.ResourceParam[TriageSuggestions],
        findings: dg.ResourceParam[Findings],
        history: dg.ResourceParam[History],
        run_book: dg.ResourceParam[RunBook],
    ) -> Iterator[dg.AssetCheckResult]:
        with run_book.timed("checks"):
            standing, kept = triage_suggestions.newest(), findings.open(DEPARTMENT)
            newest = {safe_id(one.suggestion.report_id): one.revision for one in standing}
            missing = unresolved(kept, history, {SUGGESTIONS: newest})
            broken = {TRIAGE: judge_suggestions(standing), REPORT_FINDINGS: judge_findings(kept, missing)}
        counted = {TRIAGE: len(standing), REPORT_FINDINGS: len(kept)}
        judged = {
            key: Judged(broken[asset], RULES_IN_WORDS[asset], counted[asset]) for key, asset in keys.items()
        }
        yield from told(context.selected_asset_check_keys, judged, run_book)

    return check_reports


def judge_suggestions(standing: Iterable[StoredSuggestion]) -> dict[str, list[str]]:
    """Return check -> what breaks it, in words that repeat nothing of a report."""
    broken: dict[str, list[str]] = {name: [] for name in OF_SUGGESTIONS}
    for one in standing:
        said, name = one.suggestion, f"the suggestion for {safe_id(one.suggestion.report_id)}"
        if said.is_abstained and (said.category is not None or said.severity is not None):
            broken["abstentions_suggest_nothing"].append(f"{name} abstains and suggests")
        if not said.is_abstained and (
            said.category not in CATEGORIES
            or said.severity not in SEVERITIES
            or said.reason_code not in CODES
        ):
            broken["suggestions_are_of_known_words"].append(f"{name} is of no known words")
        if not 0 <= said.confidence <= 1:
            broken["confidence_is_in_range"].append(f"{name} has a confidence of {said.confidence}")
        if not (
            _CODE.fullmatch(said.reason_code)
            and _CLASSIFIER.fullmatch(said.classifier)
            and _HASH.fullmatch(said.text_hash)
        ):
            broken["holds_no_words_of_members"].append(f"{name} holds more than codes and hashes")
    return broken
