"""The checks of reconciliation flags in Dagster: what is open is read back and judged."""

from collections.abc import Iterator

import dagster as dg

from resources.postgres.findings import Findings
from resources.postgres.history import History
from resources.settings import Settings
from studio_assets.checks.findings import FINDINGS_IN_WORDS, judge_findings, unresolved
from studio_assets.checks.telling import Judged, check_specs, told
from studio_assets.finance.flags import DEPARTMENT, DETECTOR
from studio_assets.findings.aside import ASIDE_DETECTOR
from studio_assets.keys import RECONCILIATION_FLAGS, finance_key
from studio_assets.run_book import RunBook


def build_finance_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """Return the checks of what the reconciliation found; they warn."""
    key = finance_key(settings.studio_id, RECONCILIATION_FLAGS)

    @dg.multi_asset_check(
        name="check_reconciliation", specs=check_specs({key: FINDINGS_IN_WORDS}), can_subset=True
    )
    def check_reconciliation(
        context: dg.AssetCheckExecutionContext,
        findings: dg.ResourceParam[Findings],
        history: dg.ResourceParam[History],
        run_book: dg.ResourceParam[RunBook],
    ) -> Iterator[dg.AssetCheckResult]:
        with run_book.timed("checks"):
            looked = (DETECTOR, ASIDE_DETECTOR)
            kept = [one for one in findings.open(DEPARTMENT) if one.finding.detector in looked]
            broken = judge_findings(kept, unresolved(kept, history))
        judged = {key: Judged(broken, FINDINGS_IN_WORDS, len(kept))}
        yield from told(context.selected_asset_check_keys, judged, run_book)

    return check_reconciliation
