"""The swarms in Dagster: one sensor per department, made from its declaration."""

import json
from typing import Any

import dagster as dg

from policies.gateway import GatewayContract
from policies.ports import Ledger
from resources.clock import Clock
from resources.postgres.findings import Findings
from resources.postgres.history import History
from resources.postgres.swarms import Swarms
from resources.raw_store import RawStore
from resources.settings import Settings
from sensors.swarms.emit import Doors, Tick, tick
from sensors.swarms.owners import OwnersInReads
from sensors.swarms.spec import SWARMS, SwarmSpec

INTERVAL_SECONDS = 15


def build_swarm_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Return the sensor of every department's swarm."""
    return [build_swarm_sensor(settings, spec) for spec in SWARMS]


def build_swarm_sensor(settings: Settings, spec: SwarmSpec) -> dg.SensorDefinition:
    """Return the sensor that proposes drafts about a department's findings.

    Dedupe key: the finding's id. Cursor: the number of the newest revision dealt with, and what the last tick
    did. Skips always, as it starts no run; proposes nothing while paused, in quiet hours, while the kill
    switch is on, and beyond its throttle. Never approves, never does anything outside.
    """

    @dg.sensor(
        name=f"{spec.department}_swarm_sensor",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Turns findings of {spec.department} into draft proposals. Owner: {spec.owner}.",
        metadata={"department": spec.department, "capabilities": sorted(spec.makers), "owner": spec.owner},
    )
    def swarm_sensor(  # noqa: PLR0917 - Dagster hands resources in by parameter name
        context: dg.SensorEvaluationContext,
        findings: dg.ResourceParam[Findings],
        swarms: dg.ResourceParam[Swarms],
        gateway: dg.ResourceParam[GatewayContract],
        ledger: dg.ResourceParam[Ledger],
        history: dg.ResourceParam[History],
        raw: dg.ResourceParam[RawStore],
        clock: dg.ResourceParam[Clock],
    ) -> dg.SkipReason:
        doors = Doors(findings, swarms, gateway, ledger, OwnersInReads(history, raw), clock)
        done = tick(spec, doors, after=number_of(context.cursor), timezone=settings.timezone)
        told = done.told()
        if done.emitted or done.suppressed:
            context.log.info("%s: %s", spec.department, sentence(done), extra=told)
        context.update_cursor(json.dumps(told, sort_keys=True))
        return dg.SkipReason(sentence(done))

    return swarm_sensor


def number_of(cursor: str | None) -> int:
    """Return the number a cursor holds; 0 when there is none yet."""
    if not cursor:
        return 0
    held: Any = json.loads(cursor)
    return int(held["number"])


def sentence(done: Tick) -> str:
    """Return what a tick did, for people."""
    parts = [f"{len(done.emitted)} proposed"] if done.emitted else []
    parts += [f"{count} {why.replace('_', ' ')}" for why, count in sorted(done.suppressed.items())]
    parts += [done.held] if done.held else []
    return "; ".join(parts) or "No new finding."
