"""The checks of suggestions and findings about reports in Dagster: what stands is read back and judged."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Final

import dagster as dg

from resources.findings import FindingEvidence, StoredFinding
from resources.postgres.findings import Findings
from resources.postgres.history import History
from resources.postgres.triage import StoredSuggestion, TriageSuggestions
from resources.settings import Settings
from studio_assets.checks.operations import judge_findings
from studio_assets.keys import REPORT_FINDINGS, TRIAGE, TRUST_SAFETY, trust_safety_key
from studio_assets.operations.case import safe_id
from studio_assets.run_book import CheckOutcome, RunBook
from studio_assets.trust_safety.reasons import CATEGORIES, CODES, SEVERITIES
from studio_assets.trust_safety.rules import DEPARTMENT, REPORTS, SUGGESTIONS

OF_SUGGESTIONS: Final[Mapping[str, str]] = {
    "suggestions_are_of_known_words": "Every suggestion is of a known category, severity and reason code.",
    "abstentions_suggest_nothing": "Where the classifier abstains, neither category nor severity is kept.",
    "confidence_is_in_range": "Every confidence lies between 0 and 1.",
    "holds_no_words_of_members": "A suggestion holds codes and hashes alone, no word of a report.",
}
OF_FINDINGS: Final[Mapping[str, str]] = {
    "identities_are_stable": "Every finding has the id that follows from what it is about, and is open once.",
    "evidence_resolves": "Every finding points at rows of a snapshot, or at a suggestion, that exists.",
    "holds_no_personal_data": "Findings name reports by id, content by a hash, and hold no contact.",
    "confidence_is_in_range": "Every confidence lies between 0 and 1.",
}
RULES_IN_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    TRIAGE: OF_SUGGESTIONS,
    REPORT_FINDINGS: OF_FINDINGS,
}
_REVISION: Final = re.compile(r"(\d{4}-\d{2}-\d{2})\.(\d+)")
_CODE: Final = re.compile(r"[a-z_]{1,40}")
_CLASSIFIER: Final = re.compile(r"[a-z0-9_.+-]{1,80}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")


def build_trust_safety_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """Return the checks of what is suggested and found about reports; they warn."""
    keys = {trust_safety_key(settings.studio_id, asset): asset for asset in RULES_IN_WORDS}
    specs = [
        dg.AssetCheckSpec(name, asset=key, description=said)
        for key, asset in keys.items()
        for name, said in RULES_IN_WORDS[asset].items()
    ]

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
            judged = {
                TRIAGE: judge_suggestions(standing),
                REPORT_FINDINGS: judge_findings(kept, _missing(kept, standing, history)),
            }
        counted = {TRIAGE: len(standing), REPORT_FINDINGS: len(kept)}
        wanted = sorted(
            context.selected_asset_check_keys, key=lambda check: (check.asset_key.path, check.name)
        )
        for check in wanted:
            asset = keys[check.asset_key]
            broken = judged[asset][check.name]
            run_book.checks.append(
                CheckOutcome(f"{TRUST_SAFETY}/{asset}", check.name, not broken, False, tuple(broken))
            )
            yield dg.AssetCheckResult(
                asset_key=check.asset_key,
                check_name=check.name,
                passed=not broken,
                severity=dg.AssetCheckSeverity.WARN,
                description="; ".join(broken) or RULES_IN_WORDS[asset][check.name],
                metadata={"broken": len(broken), "rows": counted[asset]},
            )

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


def _missing(
    kept: Iterable[StoredFinding], standing: Sequence[StoredSuggestion], history: History
) -> frozenset[str]:
    """Return the revisions that findings point at and that do not exist."""
    newest = {safe_id(one.suggestion.report_id): one.revision for one in standing}
    links = {link for one in kept for link in one.finding.evidence}
    snapshots = {link.revision for link in links if link.asset == REPORTS}
    there = {revision for revision in snapshots if _exists(revision, history)}
    return frozenset(link.revision for link in links if not _is_there(link, there, newest))


def _is_there(link: FindingEvidence, snapshots: set[str], newest: Mapping[str, int]) -> bool:
    if link.asset == REPORTS:
        return link.revision in snapshots
    is_number = link.asset == SUGGESTIONS and link.revision.isdecimal()
    return is_number and 1 <= int(link.revision) <= newest.get(str(link.row), 0)


def _exists(revision: str, history: History) -> bool:
    match = _REVISION.fullmatch(revision)
    return match is not None and history.snapshot(date.fromisoformat(match[1]), int(match[2])) is not None
