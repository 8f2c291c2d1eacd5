"""The checks of recommendations and anomalies in Dagster: what is open is read back and judged."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date

import dagster as dg

from resources.findings import StoredFinding
from resources.postgres.findings import Findings
from resources.postgres.history import History
from resources.settings import Settings
from studio_assets.checks.device_rules import unstable
from studio_assets.devices.detect import DEPARTMENT
from studio_assets.keys import ANOMALIES, OPERATIONS, RECOMMENDATIONS, operations_key
from studio_assets.operations.anomalies import ANOMALIES as COUNTER_BASELINES
from studio_assets.operations.rules import RULES
from studio_assets.run_book import CheckOutcome, RunBook

RULES_IN_WORDS: Mapping[str, str] = {
    "identities_are_stable": "Every finding has the id that follows from what it is about, and is open once.",
    "evidence_resolves": "Every finding points at rows of a revision of a snapshot that exists.",
    "holds_no_personal_data": "Findings name documents by id, and no words hold an address or a contact.",
    "confidence_is_in_range": "Every confidence lies between 0 and 1.",
}
DETECTORS: Mapping[str, frozenset[str]] = {
    RECOMMENDATIONS: frozenset(RULES),
    ANOMALIES: frozenset({COUNTER_BASELINES}),
}
_SUBJECT = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_ADDRESS = re.compile(r"@|\d{1,3}(\.\d{1,3}){3}|://|\d{7,}")
_REVISION = re.compile(r"(\d{4}-\d{2}-\d{2})\.(\d+)")


def build_recommendation_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """Return the checks of what rules and baselines found; they warn."""
    keys = {operations_key(settings.studio_id, asset): asset for asset in DETECTORS}
    specs = [
        dg.AssetCheckSpec(name, asset=key, description=said)
        for key in keys
        for name, said in RULES_IN_WORDS.items()
    ]

    @dg.multi_asset_check(name="check_recommendations", specs=specs, can_subset=True)
    def check_recommendations(
        context: dg.AssetCheckExecutionContext,
        findings: dg.ResourceParam[Findings],
        history: dg.ResourceParam[History],
        run_book: dg.ResourceParam[RunBook],
    ) -> Iterator[dg.AssetCheckResult]:
        with run_book.timed("checks"):
            kept = findings.open(DEPARTMENT)
            missing = _missing_revisions(kept, history)
        wanted = sorted(
            context.selected_asset_check_keys, key=lambda check: (check.asset_key.path, check.name)
        )
        for check in wanted:
            asset = keys[check.asset_key]
            mine = [one for one in kept if one.finding.detector in DETECTORS[asset]]
            broken = judge_findings(mine, missing)[check.name]
            run_book.checks.append(
                CheckOutcome(f"{OPERATIONS}/{asset}", check.name, not broken, False, tuple(broken))
            )
            yield dg.AssetCheckResult(
                asset_key=check.asset_key,
                check_name=check.name,
                passed=not broken,
                severity=dg.AssetCheckSeverity.WARN,
                description="; ".join(broken) or RULES_IN_WORDS[check.name],
                metadata={"broken": len(broken), "findings": len(mine)},
            )

    return check_recommendations


def judge_findings(kept: Iterable[StoredFinding], missing: frozenset[str]) -> dict[str, list[str]]:
    """Return check -> what breaks it, in words.

    Args:
        kept: Open findings.
        missing: Revisions that findings point at and that do not exist.
    """
    found = list(kept)
    return {
        "identities_are_stable": unstable(found),
        "evidence_resolves": [
            f"{one.finding_id} points at no revision that exists"
            for one in found
            if not one.finding.evidence or any(link.revision in missing for link in one.finding.evidence)
        ],
        "holds_no_personal_data": [
            f"{one.finding_id} holds more than ids and plain words" for one in found if _is_personal(one)
        ],
        "confidence_is_in_range": [
            f"{one.finding_id} has a confidence of {one.finding.confidence}"
            for one in found
            if not 0 <= one.finding.confidence <= 1
        ],
    }


def _is_personal(one: StoredFinding) -> bool:
    finding = one.finding
    words = (finding.likely_cause, finding.next_step, finding.expected, finding.observed)
    rows = [link.row for link in finding.evidence if link.row is not None]
    return any(not _SUBJECT.fullmatch(name) for name in (finding.subject_id, *rows)) or any(
        _ADDRESS.search(text) for text in words if isinstance(text, str)
    )


def _missing_revisions(kept: Iterable[StoredFinding], history: History) -> frozenset[str]:
    named = {
        link.revision
        for one in kept
        if any(one.finding.detector in detectors for detectors in DETECTORS.values())
        for link in one.finding.evidence
    }
    return frozenset(revision for revision in named if not _exists(revision, history))


def _exists(revision: str, history: History) -> bool:
    match = _REVISION.fullmatch(revision)
    if match is None:
        return False
    return history.snapshot(date.fromisoformat(match[1]), int(match[2])) is not None
