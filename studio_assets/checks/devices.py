"""The checks of findings about devices in Dagster: what is open is read back and judged."""

from collections.abc import Iterator

import dagster as dg

from resources.postgres.device_readings import DeviceReadings
from resources.postgres.findings import Findings
from resources.postgres.history import History
from resources.settings import Settings
from studio_assets.checks.findings import FINDINGS_IN_WORDS, judge_findings, unresolved
from studio_assets.checks.telling import Judged, check_specs, told
from studio_assets.devices.detect import DEPARTMENT, devices_asset, is_of_devices, is_of_no_reading
from studio_assets.devices.reading import CONNECTORS
from studio_assets.keys import DEVICE_FINDINGS, operations_key
from studio_assets.run_book import RunBook


def build_device_findings_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """Return the checks of what was found of a studio's devices; they warn."""
    key = operations_key(settings.studio_id, DEVICE_FINDINGS)

    @dg.multi_asset_check(name="check_findings", specs=check_specs({key: FINDINGS_IN_WORDS}), can_subset=True)
    def check_findings(
        context: dg.AssetCheckExecutionContext,
        findings: dg.ResourceParam[Findings],
        device_readings: dg.ResourceParam[DeviceReadings],
        history: dg.ResourceParam[History],
        run_book: dg.ResourceParam[RunBook],
    ) -> Iterator[dg.AssetCheckResult]:
        with run_book.timed("checks"):
            kept = [one for one in findings.open(DEPARTMENT) if is_of_devices(one.finding)]
            newest = {devices_asset(name): device_readings.newest(name) for name in CONNECTORS if kept}
            revisions = {asset: 0 if one is None else one.revision for asset, one in newest.items()}
            rowless = {one.finding_id for one in kept if is_of_no_reading(one.finding)}
            broken = judge_findings(kept, unresolved(kept, history, revisions), rowless)
        judged = {key: Judged(broken, FINDINGS_IN_WORDS, len(kept))}
        yield from told(context.selected_asset_check_keys, judged, run_book)

    return check_findings
