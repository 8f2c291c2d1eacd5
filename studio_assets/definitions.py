"""The composition root: everything Dagster knows of a studio, put together from settings.

The only module that imports every domain and the sensors. Loading it reads no environment; ``defs`` does when
Dagster calls it. Tests hand in their own doors and clock.
"""

import os

import dagster as dg

from policies.gateway import GatewayContract
from policies.ports import Ledger
from resources.clock import Clock
from resources.connectors.access import DeviceAccess
from resources.firestore.gateway import DocumentSource
from resources.postgres.audit_log import AuditLog
from resources.postgres.device_readings import DeviceReadings
from resources.postgres.drafts import Drafts
from resources.postgres.findings import Findings
from resources.postgres.governance import GovernanceReads
from resources.postgres.history import History
from resources.postgres.swarms import Swarms
from resources.postgres.triage import TriageSuggestions
from resources.raw_store import RawStore
from resources.settings import Settings, load_settings
from resources.stripe.gateway import PaymentSource
from sensors.automation import build_automation_sensor
from sensors.execution import build_execution_sensor, build_recovery_sensor
from sensors.expiry import build_expiry_sensor
from sensors.freshness import build_freshness_sensor
from sensors.governance import (
    build_checkpoint_schedule,
    build_governance_schedules,
    build_red_checks_sensor,
)
from sensors.refresh import build_closing_schedule, build_refresh_schedule, build_retention_schedule
from sensors.run_failures import build_run_failure_sensor
from sensors.swarms.sensors import build_swarm_sensors
from studio_assets.checks.cloud_truth import build_cloud_truth_checks
from studio_assets.checks.devices import build_device_findings_checks
from studio_assets.checks.finance import build_finance_checks
from studio_assets.checks.governance import build_governance_checks
from studio_assets.checks.marketing import build_drafts_checks
from studio_assets.checks.operations import build_recommendation_checks
from studio_assets.checks.studio_state import build_snapshot_checks
from studio_assets.checks.trust_safety import build_trust_safety_checks
from studio_assets.cloud_truth.assets import build_cloud_truth
from studio_assets.devices.assets import build_devices
from studio_assets.devices.findings import build_device_findings
from studio_assets.execution.job import execution_job
from studio_assets.finance.assets import build_finance
from studio_assets.governance.assets import build_governance
from studio_assets.governance.signing import checkpoint_job
from studio_assets.jobs import build_governance_job, build_rebuild_job, build_snapshot_job, retention_job
from studio_assets.marketing.assets import build_marketing
from studio_assets.operations.assets import build_recommendations
from studio_assets.resources import Overrides, build_resources
from studio_assets.run_book import RunBook
from studio_assets.studio_state.assets import build_studio_state
from studio_assets.trust_safety.assets import build_trust_safety


def build_defs(
    settings: Settings,
    *,
    documents: DocumentSource | None = None,
    payments: PaymentSource | None = None,
    history: History | None = None,
    raw: RawStore | None = None,
    clock: Clock | None = None,
    run_book: RunBook | None = None,
    ledger: Ledger | None = None,
    governance: GovernanceReads | None = None,
    gateway: GatewayContract | None = None,
    executor: GatewayContract | None = None,
    audit: AuditLog | None = None,
    devices: DeviceAccess | None = None,
    device_readings: DeviceReadings | None = None,
    findings: Findings | None = None,
    drafts: Drafts | None = None,
    swarms: Swarms | None = None,
    triage_suggestions: TriageSuggestions | None = None,
) -> dg.Definitions:
    """Return the definitions of one studio.

    Args:
        settings: The studio's settings.
        documents: Firestore; the live door by default. As all doors given here, the caller closes it.
        payments: Stripe; the live door by default.
        history: PostgreSQL history; the live door by default.
        raw: Store of raw reads; under the home directory by default.
        clock: The clock; the machine's by default.
        run_book: Where runs leave their results for the caller; nobody's by default.
        ledger: Proposals and audit log; the live ledger by default.
        governance: What checks read of the ledger; over the live database by default.
        gateway: The gateway for sensors, which cannot write outside; the live one by default.
        executor: The gateway for execution runs, whose adapters may write; the live one by default.
        audit: The reading side of the audit log; over the live database by default.
        devices: The one door to devices; the live one by default.
        device_readings: What connectors read; over the live database by default.
        findings: What detectors found; over the live database by default.
        drafts: What was drafted; over the live database by default.
        swarms: What is kept of swarms; over the live database by default.
        triage_suggestions: What is suggested for reports; over the live database by default.
    """
    overrides = Overrides(
        *(documents, payments, history, raw, clock, run_book, ledger, governance, gateway, executor, audit),
        *(devices, device_readings, findings, drafts, swarms, triage_suggestions),
    )
    return dg.Definitions(
        assets=[
            build_cloud_truth(settings),
            build_devices(settings),
            *build_studio_state(settings),
            build_device_findings(settings),
            *build_recommendations(settings),
            build_marketing(settings),
            build_finance(settings),
            build_trust_safety(settings),
            build_governance(settings),
        ],
        asset_checks=[
            build_cloud_truth_checks(settings),
            build_snapshot_checks(settings),
            build_device_findings_checks(settings),
            build_recommendation_checks(settings),
            build_drafts_checks(settings),
            build_finance_checks(settings),
            build_trust_safety_checks(settings),
            build_governance_checks(settings),
        ],
        jobs=[
            build_snapshot_job(settings),
            build_rebuild_job(settings),
            retention_job,
            execution_job,
            build_governance_job(settings),
            checkpoint_job,
        ],
        schedules=[
            build_refresh_schedule(settings),
            build_closing_schedule(settings),
            build_retention_schedule(settings),
            *build_governance_schedules(settings),
            build_checkpoint_schedule(settings),
        ],
        sensors=[
            build_automation_sensor(),
            build_freshness_sensor(settings),
            build_run_failure_sensor(),
            build_execution_sensor(settings),
            build_recovery_sensor(settings),
            build_expiry_sensor(settings),
            build_red_checks_sensor(settings),
            *build_swarm_sensors(settings),
        ],
        resources=build_resources(settings, overrides),
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of the studio the environment describes; called by Dagster, never on import."""
    return build_defs(load_settings(os.environ))
