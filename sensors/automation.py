"""The sensor that evaluates automation conditions. Dagster's own is stopped by default; ours runs."""

import dagster as dg

from studio_assets.keys import FINANCE, MARKETING, OPERATIONS, STUDIO_STATE, TRUST_SAFETY

INTERVAL_SECONDS = 60


def build_automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """Return the sensor that lets derived assets follow new content. It only asks for our own runs."""
    return dg.AutomationConditionSensorDefinition(
        "automation_sensor",
        target=dg.AssetSelection.groups(STUDIO_STATE, OPERATIONS, FINANCE, MARKETING, TRUST_SAFETY),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=INTERVAL_SECONDS,
    )
