"""``operations/device_findings``: what of devices wants a person's attention, opened and resolved.

Only a current reading opens or resolves a finding; a past day touches none.
"""

from datetime import date
from typing import Any, Final

import dagster as dg

from resources.clock import Clock
from resources.findings import Applied
from resources.postgres.device_readings import DeviceReadings
from resources.postgres.findings import Findings
from resources.postgres.history import History
from resources.settings import Settings
from studio_assets.automation import on_new_content
from studio_assets.derived import RETRY, spec_of
from studio_assets.devices.detect import (
    DEPARTMENT,
    detect,
    detect_silence,
    detector_of,
    detector_of_silence,
    is_of_devices,
    scope_of,
)
from studio_assets.devices.events import newest_connector_reads
from studio_assets.devices.section import ConnectorRead, ReadingStatus, limits_of
from studio_assets.findings.telling import findings_version, told_of_findings
from studio_assets.keys import (
    CONNECTOR_HEALTH,
    DEVICE_FINDINGS,
    OPERATIONS,
    cloud_truth_key,
    operations_key,
)
from studio_assets.partitions import is_today

FINDINGS_VERSION: Final = "device-findings-1"


def build_device_findings(settings: Settings) -> dg.AssetsDefinition:
    """Return the asset of what was found of a studio's devices."""
    spec = spec_of(
        settings,
        operations_key(settings.studio_id, DEVICE_FINDINGS),
        deps=[cloud_truth_key(settings.studio_id, CONNECTOR_HEALTH)],
        description="One row per thing about a device that wants a person's attention, as it is now. Only a "
        "current reading opens or resolves one; a code nobody knows is a finding, never health.",
        view="analytics.findings",
        group_name=OPERATIONS,
        code_version=FINDINGS_VERSION,
        kinds={"postgres"},
        automation_condition=on_new_content(),
    )

    @dg.multi_asset(name="detect_devices", specs=[spec], retry_policy=RETRY)
    def detect_devices(
        context: dg.AssetExecutionContext,
        device_readings: dg.ResourceParam[DeviceReadings],
        findings: dg.ResourceParam[Findings],
        history: dg.ResourceParam[History],
        clock: dg.ResourceParam[Clock],
    ) -> dg.MaterializeResult[Any]:
        day, run_id = date.fromisoformat(context.partition_key), context.op_execution_context.run_id
        looked_at, applied = [], []
        if is_today(day, clock, settings):
            for read in newest_connector_reads(history, day, run_id=run_id):
                done = _detect_one(settings, read, device_readings, findings, clock, run_id)
                looked_at += [read.connector_id] if len(done) > 1 else []
                applied += done
        kept = [one for one in findings.open(DEPARTMENT) if is_of_devices(one.finding)]
        return dg.MaterializeResult(
            data_version=findings_version(kept),
            metadata={
                "origin": f"Derived from cloud: current readings of {', '.join(looked_at) or 'no connector'}",
                "as_of": dg.MetadataValue.timestamp(clock.now()),
                **told_of_findings(kept, applied),
            },
        )

    return detect_devices


def _detect_one(  # noqa: PLR0917 - the doors of one step, in one order everywhere
    settings: Settings,
    read: ConnectorRead,
    readings: DeviceReadings,
    findings: Findings,
    clock: Clock,
    run_id: str,
) -> list[Applied]:
    """Bring the findings of one connector up to date; its devices' only where its reading is current."""
    name, now, limits = read.connector_id, clock.now(), limits_of(settings)
    about: dict[str, Any] = {"run_id": run_id, "code_version": FINDINGS_VERSION}
    silence = detect_silence(read, now, limits)
    done = [findings.apply(DEPARTMENT, detector_of_silence(name), silence, at=now, **about)]
    stored = readings.newest(name)
    if stored is None or read.status(now, limits.stale_minutes) is not ReadingStatus.CURRENT:
        return done
    detector = detector_of(name)
    opened = [one.finding for one in findings.open(DEPARTMENT) if one.finding.detector == detector]
    done.append(
        findings.apply(
            DEPARTMENT,
            detector,
            detect(name, stored.reading, stored.revision, limits),
            at=stored.read_at,
            scope=scope_of(name, stored.reading, opened),
            **about,
        )
    )
    return done
