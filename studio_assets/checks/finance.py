"""The checks of reconciliation flags in Dagster: what is open is read back and judged."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date

import dagster as dg

from resources.findings import StoredFinding
from resources.postgres.findings import Findings
from resources.postgres.history import History
from resources.settings import Settings
from studio_assets.checks.operations import judge_findings
from studio_assets.finance.flags import DEPARTMENT, DETECTOR
from studio_assets.keys import FINANCE, RECONCILIATION_FLAGS, finance_key
from studio_assets.run_book import CheckOutcome, RunBook

RULES_IN_WORDS: Mapping[str, str] = {
    "identities_are_stable": "Every flag has the id that follows from what it is about, and is open once.",
    "evidence_resolves": "Every flag points at rows of a snapshot that exists, with the hash of their read.",
    "holds_no_personal_data": "Flags name documents by id, and no words hold an address or a contact.",
    "confidence_is_in_range": "Every confidence lies between 0 and 1.",
}
_REVISION = re.compile(r"(\d{4}-\d{2}-\d{2})\.(\d+)\.[0-9a-f]{16}")


def build_finance_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """Return the checks of what the reconciliation found; they warn."""
    key = finance_key(settings.studio_id, RECONCILIATION_FLAGS)
    specs = [dg.AssetCheckSpec(name, asset=key, description=said) for name, said in RULES_IN_WORDS.items()]

    @dg.multi_asset_check(name="check_reconciliation", specs=specs, can_subset=True)
    def check_reconciliation(
        context: dg.AssetCheckExecutionContext,
        findings: dg.ResourceParam[Findings],
        history: dg.ResourceParam[History],
        run_book: dg.ResourceParam[RunBook],
    ) -> Iterator[dg.AssetCheckResult]:
        wanted = {check.name for check in context.selected_asset_check_keys}
        with run_book.timed("checks"):
            kept = [one for one in findings.open(DEPARTMENT) if one.finding.detector == DETECTOR]
            judged = judge_findings(kept, _missing(kept, history))
        for name in RULES_IN_WORDS:
            if name not in wanted:
                continue
            broken = judged[name]
            run_book.checks.append(
                CheckOutcome(f"{FINANCE}/{RECONCILIATION_FLAGS}", name, not broken, False, tuple(broken))
            )
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name=name,
                passed=not broken,
                severity=dg.AssetCheckSeverity.WARN,
                description="; ".join(broken) or RULES_IN_WORDS[name],
                metadata={"broken": len(broken), "findings": len(kept)},
            )

    return check_reconciliation


def _missing(kept: Iterable[StoredFinding], history: History) -> frozenset[str]:
    named = {link.revision for one in kept for link in one.finding.evidence}
    known: dict[tuple[str, str], bool] = {}
    for revision in named:
        match = _REVISION.fullmatch(revision)
        if match is not None and (match[1], match[2]) not in known:
            found = history.snapshot(date.fromisoformat(match[1]), int(match[2]))
            known[match[1], match[2]] = found is not None
    return frozenset(
        revision
        for revision in named
        if (match := _REVISION.fullmatch(revision)) is None or not known[match[1], match[2]]
    )
