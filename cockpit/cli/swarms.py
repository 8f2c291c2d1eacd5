"""``studio swarms``: which departments propose, what they proposed, and how to pause one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from cockpit import words
from cockpit.cli.desk_words import visible
from cockpit.cli.identity_option import acting
from cockpit.cli.options import print_json, shared
from cockpit.desk import Desk, open_desk
from cockpit.errors import CockpitError
from policies.actors import Actor
from policies.marks import SwarmControl, SwarmState
from resources.clock import SystemClock
from resources.postgres.swarms import Acceptance, Swarms
from sensors.swarms.holds import Hold, hold_now
from sensors.swarms.spec import SWARMS, SwarmSpec
from studio_assets.doors import live_swarms

_REASON = click.option("--reason", required=True, help="Why; kept with the change.")
_DEPARTMENT = click.argument("department")
_MOST_OF_A_REASON: Final = 200  # of one that may have a million letters; the audit has it whole


@click.group(short_help="See and pause the departments' swarms.")
def swarms() -> None:
    """Swarms turn findings into draft proposals, and nothing else. Everything needs an identity."""


@swarms.command("list", short_help="List them, with what they proposed and how it was received.")
@shared
@acting
def list_(*, home: Path | None, is_json: bool, actor: Actor) -> int:
    """List the swarms: what each proposed, what holds it now, and how findings were received."""
    with open_desk(home, actor) as desk:
        desk.require_staff()
        with live_swarms(desk.settings) as kept:
            told = [_told(spec, desk, kept) for spec in SWARMS]
            rates = [acceptance_told(each) for each in kept.acceptance()]
            timezone = desk.settings.timezone
    if is_json:
        print_json({"swarms": told, "acceptance": rates})
        return 0
    for each in told:
        print(_line(each))
    print(f"Quiet hours are in studio time ({timezone}).")
    for rate in rates:
        print(
            f"{rate['department']} {rate['kind']}: {rate['useful']} of {rate['marked']} marked useful, "
            f"{rate['noise']} noise, {rate['wrong']} wrong"
        )
    return 0


@swarms.command(short_help="Keep one from proposing.")
@shared
@acting
@_DEPARTMENT
@_REASON
def pause(*, home: Path | None, is_json: bool, actor: Actor, department: str, reason: str) -> int:
    """Keep a department's swarm from proposing until somebody lets it go on. Its findings wait."""
    return _control(home, actor, department, reason, SwarmState.PAUSED, is_json=is_json)


@swarms.command(short_help="Let a paused one go on.")
@shared
@acting
@_DEPARTMENT
@_REASON
def resume(*, home: Path | None, is_json: bool, actor: Actor, department: str, reason: str) -> int:
    """Let a paused swarm go on, from where it stopped."""
    return _control(home, actor, department, reason, SwarmState.RESUMED, is_json=is_json)


def acceptance_told(each: Acceptance) -> dict[str, Any]:
    """Return how findings of one kind were marked, as JSON values."""
    return {
        "department": each.department,
        "detector": each.detector,
        "kind": each.kind,
        "marked": each.marked,
        "useful": each.useful,
        "noise": each.noise,
        "wrong": each.wrong,
        "acceptanceRate": round(each.rate, 4),
    }


def _control(
    home: Path | None, actor: Actor, department: str, reason: str, kind: SwarmState, *, is_json: bool
) -> int:
    known = [spec.department for spec in SWARMS]
    if department not in known:
        raise CockpitError(
            "There is no swarm of that department.", f"There are: {', '.join(known)}.", exit_code=2
        )
    with open_desk(home, actor) as desk:
        verb = desk.gateway.pause_swarm if kind is SwarmState.PAUSED else desk.gateway.resume_swarm
        made = verb(actor, department, reason)
        timezone = desk.settings.timezone
    if is_json:
        print_json({"department": made.department, **_control_told(made)})
    else:
        print(f"The swarm of {made.department} is {made.kind}, {words.local_time(made.at, timezone)}.")
    return 0


def _told(spec: SwarmSpec, desk: Desk, kept: Swarms) -> dict[str, Any]:
    now, actor = SystemClock().now(), spec.actor(desk.settings.studio_id)
    hours, control = spec.quiet_hours, kept.controls().get(spec.department)
    emitted = [each for each in desk.events("swarm", spec.department) if each.name.endswith(":emitted")]
    is_paused = control is not None and control.kind is SwarmState.PAUSED
    timezone = desk.settings.timezone
    hold = hold_now(spec, kept, desk.ledger, desk.gateway, now=now, timezone=timezone)
    return {
        "department": spec.department,
        "owner": spec.owner,
        "state": "paused" if is_paused else "running",
        "control": None if control is None else _control_told(control),
        "held": None if hold is None else _hold_told(hold),
        "isQuiet": hours.holds(now, timezone),
        "quietHours": [f"{hours.begins:%H:%M}", f"{hours.ends:%H:%M}"],
        "throttle": {
            "most": spec.throttle.most,
            "windowSeconds": int(spec.throttle.window.total_seconds()),
        },
        "capabilities": sorted(spec.makers),
        "isDraftOnly": spec.is_draft_only,
        "proposedLastDay": kept.proposals_since(actor.actor_id, now - timedelta(days=1)),
        "lastEmittedAt": emitted[-1].at if emitted else None,
    }


def _hold_told(hold: Hold) -> dict[str, Any]:
    until = None if hold.until is None else _iso(hold.until)
    return {"why": str(hold.why), "sentence": hold.sentence, "until": until}


def _control_told(control: SwarmControl) -> dict[str, Any]:
    return {
        "kind": str(control.kind),
        "by": control.by,
        "reason": control.reason,
        "at": _iso(control.at),
    }


def _line(told: dict[str, Any]) -> str:
    begins, ends = told["quietHours"]
    line = (
        f"{told['department']:<12} {told['state']:<8} {told['proposedLastDay']} proposed in a day "
        f"(at most {told['throttle']['most']}), quiet {begins} to {ends}"
    )
    held = told["held"]
    if told["state"] == "paused":
        reason = visible(told["control"]["reason"][:_MOST_OF_A_REASON])
        line += f"; PAUSED by {visible(told['control']['by'])}: {reason}"
    elif held is not None:
        line += f"; HELD: {held['sentence']}"
    return line


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
