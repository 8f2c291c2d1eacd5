"""Asset keys: ``studio_id/domain/thing``. Domains refer to each other only through these.

The studio id is the first part, so lineage, freshness and checks are per studio.
"""

import dagster as dg

CLOUD_TRUTH = "cloud_truth"
STUDIO_STATE = "studio_state"
OPERATIONS = "operations"
MARKETING = "marketing"
FINANCE = "finance"
TRUST_SAFETY = "trust_safety"
GOVERNANCE = "governance"
EXECUTION = "execution"
PROPOSALS = "proposals"
AUDIT_LOG = "audit_log"
GOVERNED = (PROPOSALS, AUDIT_LOG)
CONNECTOR_HEALTH = "connector_health"
DEVICE_FINDINGS = "device_findings"
DRAFTS = "drafts"
OCCASIONS = "occasions"
RECOMMENDATIONS = "recommendations"
ANOMALIES = "anomalies"
RECONCILIATION_FLAGS = "reconciliation_flags"
WEEKLY_SUMMARY = "weekly_summary"
TRIAGE = "triage"
REPORT_FINDINGS = "report_findings"


def cloud_truth_key(studio_id: str, collection: str) -> dg.AssetKey:
    """Return the key of one source collection."""
    return dg.AssetKey([studio_id, CLOUD_TRUTH, collection])


def studio_state_key(studio_id: str, thing: str) -> dg.AssetKey:
    """Return the key of ``snapshot``, ``diff`` or ``drift``."""
    return dg.AssetKey([studio_id, STUDIO_STATE, thing])


def devices_key(studio_id: str, connector_id: str) -> dg.AssetKey:
    """Return the key of the devices of one connector."""
    return cloud_truth_key(studio_id, f"{connector_id}_devices")


def operations_key(studio_id: str, thing: str) -> dg.AssetKey:
    """Return the key of ``device_findings``, ``recommendations`` or ``anomalies``."""
    return dg.AssetKey([studio_id, OPERATIONS, thing])


def finance_key(studio_id: str, thing: str) -> dg.AssetKey:
    """Return the key of ``reconciliation_flags`` or ``weekly_summary``."""
    return dg.AssetKey([studio_id, FINANCE, thing])


def marketing_key(studio_id: str, thing: str) -> dg.AssetKey:
    """Return the key of ``drafts`` or ``occasions``."""
    return dg.AssetKey([studio_id, MARKETING, thing])


def trust_safety_key(studio_id: str, thing: str) -> dg.AssetKey:
    """Return the key of ``triage`` or ``report_findings``."""
    return dg.AssetKey([studio_id, TRUST_SAFETY, thing])


def governance_key(studio_id: str, thing: str) -> dg.AssetKey:
    """Return the key of ``proposals`` or ``audit_log``."""
    return dg.AssetKey([studio_id, GOVERNANCE, thing])
