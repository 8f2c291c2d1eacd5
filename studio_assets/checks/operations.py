"""The checks of recommendations and anomalies in Dagster: what is open is read back and judged."""

from collections.abc import Iterator, Mapping

import dagster as dg

from resources.postgres.findings import Findings
from resources.postgres.history import History
from resources.settings import Settings
from studio_assets.checks.findings import FINDINGS_IN_WORDS, judge_findings, unresolved
from studio_assets.checks.telling import Judged, check_specs, told
from studio_assets.findings.aside import ASIDE_DETECTOR
from studio_assets.keys import ANOMALIES, RECOMMENDATIONS, operations_key
from studio_assets.operations.anomalies import ANOMALIES as COUNTER_BASELINES
from studio_assets.operations.case import DEPARTMENT
from studio_assets.operations.rules import RULES
from studio_assets.run_book import RunBook

DETECTORS: Mapping[str, frozenset[str]] = {
    RECOMMENDATIONS: frozenset({*RULES, ASIDE_DETECTOR}),
    ANOMALIES: frozenset({COUNTER_BASELINES}),
}


def build_recommendation_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """Return the checks of what rules and baselines found; they warn."""
    keys = {operations_key(settings.studio_id, asset): found for asset, found in DETECTORS.items()}
    specs = check_specs(dict.fromkeys(keys, FINDINGS_IN_WORDS))

    @dg.multi_asset_check(name="check_recommendations", specs=specs, can_subset=True)
    def check_recommendations(
        context: dg.AssetCheckExecutionContext,
        findings: dg.ResourceParam[Findings],
        history: dg.ResourceParam[History],
        run_book: dg.ResourceParam[RunBook],
    ) -> Iterator[dg.AssetCheckResult]:
        with run_book.timed("checks"):
            kept = findings.open(DEPARTMENT)
            judged = {}
            for key, detectors in keys.items():
                mine = [one for one in kept if one.finding.detector in detectors]
                broken = judge_findings(mine, unresolved(mine, history))
                judged[key] = Judged(broken, FINDINGS_IN_WORDS, len(mine))
        yield from told(context.selected_asset_check_keys, judged, run_book)

    return check_recommendations
