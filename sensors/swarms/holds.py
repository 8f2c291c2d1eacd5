"""Why a swarm proposes nothing now, and until when: the same for the tick that waits and for who asks."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from policies.audit import instant
from policies.decisions import Operation, Switch
from policies.gateway import GatewayContract
from policies.marks import SwarmState
from policies.ports import Ledger
from resources.postgres.swarms import Swarms
from sensors.swarms.spec import SwarmSpec

_OF_THE_FINDING: Final = frozenset({"RATIONALE_TOO_SHORT", "RATIONALE_INVALID", "OWNER_MISSING"})
"""Codes of a no that is about what one finding says; any other no is about the swarm, and may pass."""


class Held(StrEnum):
    """What keeps a swarm from proposing."""

    PAUSED = "paused"
    KILL_SWITCH = "kill_switch"
    QUIET_HOURS = "quiet_hours"
    REFUSED = "refused"  # whatever it would ask for
    THROTTLED = "throttled"


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing is proposed, in words, and until when by itself; null where somebody has to act."""

    why: Held
    sentence: str
    until: datetime | None = None


def hold_now(
    spec: SwarmSpec, swarms: Swarms, ledger: Ledger, gateway: GatewayContract, *, now: datetime, timezone: str
) -> Hold | None:
    """Return what holds a swarm now, whatever it might find; null when it may propose."""
    held = holding(spec, swarms, ledger, now=now, timezone=timezone)
    for capability_id in sorted(spec.makers):
        held = held or refused(spec, gateway, capability_id, swarms.studio_id)
    return held or throttled(spec, swarms, now=now, timezone=timezone)


def holding(spec: SwarmSpec, swarms: Swarms, ledger: Ledger, *, now: datetime, timezone: str) -> Hold | None:
    """Return a pause, the kill switch or the quiet hours; null when none of them holds the swarm."""
    control = swarms.controls().get(spec.department)
    if control is not None and control.kind is SwarmState.PAUSED:
        goes_on = f"./studio swarms resume {spec.department} lets it go on."
        return Hold(Held.PAUSED, f"Paused since {instant(control.at)}; {goes_on}")
    switch = ledger.switch().switch
    if switch is not Switch.OFF:
        return Hold(
            Held.KILL_SWITCH, f"The kill switch is {switch}; two people end it: ./studio kill-switch off"
        )
    if spec.quiet_hours.holds(now, timezone):
        hours = spec.quiet_hours
        said = f"Quiet hours, {hours.begins:%H:%M} to {hours.ends:%H:%M} studio time."
        return Hold(Held.QUIET_HOURS, said, hours.until(now, timezone))
    return None


def refused(spec: SwarmSpec, gateway: GatewayContract, capability_id: str, studio_id: str) -> Hold | None:
    """Return a no of the gateway to whatever the swarm would ask for; asking leaves no trace in the audit."""
    decision = gateway.explain(spec.actor(studio_id), Operation.PROPOSE, capability_id)
    if decision.is_allowed or not is_about_swarm(decision.code):
        return None
    return Hold(Held.REFUSED, f"Refused {capability_id}: {decision.sentence} ({decision.code})")


def is_about_swarm(code: str) -> bool:
    """Say whether a no is one to the swarm, so that its findings have to wait, and not to one finding."""
    return code not in _OF_THE_FINDING


def throttled(spec: SwarmSpec, swarms: Swarms, *, now: datetime, timezone: str) -> Hold | None:
    """Return that the swarm has proposed as much as it may, and until when; null while there is room."""
    actor_id, most, window = spec.actor(swarms.studio_id).actor_id, spec.throttle.most, spec.throttle.window
    if swarms.proposals_since(actor_id, now - window) < most:
        return None
    oldest = swarms.newest_proposal_at(actor_id, most) if most else None
    until = None if oldest is None else oldest + window
    said = f"Throttled: {most} proposals within {window / timedelta(hours=1):g} hours"
    if until is not None:
        said += f"; the next from {until.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M}"
    return Hold(Held.THROTTLED, f"{said}.", until)
