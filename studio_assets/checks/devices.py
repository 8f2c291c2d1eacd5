"""The checks of findings in Dagster: what is open is read back and judged."""

from collections.abc import Iterator

import dagster as dg

from resources.postgres.device_readings import DeviceReadings
from resources.postgres.findings import Findings
from resources.settings import Settings
from studio_assets.checks.device_rules import FINDING_RULES, personal, unresolved, unstable
from studio_assets.devices.detect import DEPARTMENT, devices_asset, is_of_devices
from studio_assets.devices.reading import CONNECTORS
from studio_assets.keys import DEVICE_FINDINGS, OPERATIONS, operations_key
from studio_assets.run_book import CheckOutcome, RunBook


def build_findings_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """Return the checks of what was found of a studio's devices; they warn."""
    key = operations_key(settings.studio_id, DEVICE_FINDINGS)
    specs = [dg.AssetCheckSpec(name, asset=key, description=said) for name, said in FINDING_RULES.items()]

    @dg.multi_asset_check(name="check_findings", specs=specs, can_subset=True)
    def check_findings(
        context: dg.AssetCheckExecutionContext,
        findings: dg.ResourceParam[Findings],
        device_readings: dg.ResourceParam[DeviceReadings],
        run_book: dg.ResourceParam[RunBook],
    ) -> Iterator[dg.AssetCheckResult]:
        wanted = {check.name for check in context.selected_asset_check_keys}
        with run_book.timed("checks"):
            kept = [one for one in findings.open(DEPARTMENT) if is_of_devices(one.finding)]
            newest = {name: device_readings.newest(name) for name in CONNECTORS}
            revisions = {devices_asset(name): one.revision for name, one in newest.items() if one is not None}
        judged = {
            "identities_are_stable": unstable(kept),
            "evidence_resolves": unresolved(kept, revisions),
            "holds_no_personal_data": personal(kept),
        }
        for name, broken in judged.items():
            if name not in wanted:
                continue
            run_book.checks.append(
                CheckOutcome(f"{OPERATIONS}/{DEVICE_FINDINGS}", name, not broken, False, tuple(broken))
            )
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name=name,
                passed=not broken,
                severity=dg.AssetCheckSeverity.WARN,
                description="; ".join(broken) or FINDING_RULES[name],
                metadata={"broken": len(broken), "findings": len(kept)},
            )

    return check_findings
