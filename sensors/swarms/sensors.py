"""The swarms in Dagster: one sensor per department, made from its declaration."""

import json
from datetime import datetime
from typing import Any, Final

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
_MOST: Final = 2**63 - 1  # what a number in the database can be


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
        number, kept_at = place_of(context.cursor)
        done = tick(spec, doors, after=number, kept_at=kept_at, timezone=settings.timezone)
        told = done.told()
        if done.emitted or done.suppressed:
            context.log.info("%s: %s", spec.department, sentence(done), extra=told)
        place = {"keptAt": None if done.kept_at is None else done.kept_at.isoformat()}
        context.update_cursor(json.dumps(told | place, sort_keys=True))
        return dg.SkipReason(sentence(done))

    return swarm_sensor


def place_of(cursor: str | None) -> tuple[int, datetime | None]:
    """Return the number a cursor holds and when its revision was kept; 0 and null when it holds none.

    A cursor that cannot be read holds none: everything is dealt with anew, and nothing proposed twice.
    """
    try:
        held: Any = json.loads(cursor or "{}")
        number, kept_at = held["number"], held.get("keptAt")
        if type(number) is not int or not 0 < number <= _MOST:
            return 0, None
        return number, None if kept_at is None else datetime.fromisoformat(kept_at)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return 0, None


def sentence(done: Tick) -> str:
    """Return what a tick did, for people."""
    parts = [f"{len(done.emitted)} proposed"] if done.emitted else []
    parts += [f"{count} {why.replace('_', ' ')}" for why, count in sorted(done.suppressed.items())]
    parts += ["Began anew: the cursor was of another database"] if done.is_anew else []
    parts += [done.held] if done.held else []
    return "; ".join(parts) or "No new finding."
