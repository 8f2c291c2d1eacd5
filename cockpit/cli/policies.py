"""``studio kill-switch``, ``exemptions`` and ``quotas``: what stands above single proposals."""

from pathlib import Path

import click

from cockpit import words
from cockpit.cli.desk_words import exemption_told, quota_told, switch_lines, switch_told, visible
from cockpit.cli.identity_option import acting
from cockpit.cli.options import print_json, shared
from cockpit.desk import Desk, open_desk
from policies.actors import Actor
from policies.decisions import Switch
from policies.registry import default_registry

DAY_SECONDS = 86_400
_REASON = click.option("--reason", required=True, help="Why; kept with the change.")


@click.group("kill-switch", short_help="Stop all writing outside; resuming takes two people.")
def kill_switch() -> None:
    """Stop all new writing outside with one word; letting it go on takes two different people."""


@kill_switch.command("status", short_help="Say whether writing goes on.")
@shared
@acting
def switch_status(*, home: Path | None, is_json: bool, actor: Actor) -> int:
    """Say whether writing goes on, and how many calls are in flight. Exit code 0 only if it is off."""
    with open_desk(home, actor) as desk:
        desk.require_staff()
        return _show_switch(desk, is_json=is_json)


@kill_switch.command("on", short_help="Halt.")
@shared
@acting
@_REASON
def switch_on(*, home: Path | None, is_json: bool, actor: Actor, reason: str) -> int:
    """Halt: no new writing outside begins after this."""
    with open_desk(home, actor) as desk:
        desk.gateway.halt(actor, reason)
        _show_switch(desk, is_json=is_json)
    return 0


@kill_switch.command("off", short_help="Ask to resume, or confirm that somebody else asked.")
@shared
@acting
@_REASON
def switch_off(*, home: Path | None, is_json: bool, actor: Actor, reason: str) -> int:
    """Ask to resume; when another person has asked already, confirm it, and writing goes on.

    Exit code 0 only if writing goes on.
    """
    with open_desk(home, actor) as desk:
        asked = desk.gateway.switch_status().state.resume_requested_by
        if asked is None:
            desk.gateway.request_resume(actor, reason)
        else:
            desk.gateway.resume(actor, reason)
        return _show_switch(desk, is_json=is_json)


@click.group(short_help="Written permissions to act without approval, for a while.")
def exemptions() -> None:
    """Exemptions: one capability, one member or all, until an instant; never for dangerous ones."""


@exemptions.command("list", short_help="List them, newest first.")
@shared
@acting
def list_exemptions(*, home: Path | None, is_json: bool, actor: Actor) -> int:
    """List exemptions, newest first, ended ones too."""
    with open_desk(home, actor) as desk:
        desk.require_staff()
        found, timezone = list(desk.ledger.exemptions()), desk.settings.timezone
    if is_json:
        print_json({"exemptions": [exemption_told(each) for each in found]})
        return 0
    for each in found:
        end = each.ended_by_kind or f"until {words.local_time(each.expires_at, timezone)}"
        print(
            f"{each.exemption_id}  {each.capability_id}  for {visible(each.owner_id or 'anybody')}  {end}"
            f"  by {visible(each.granted_by)}: {visible(each.justification)}"
        )
    if not found:
        print("There are no exemptions.")
    return 0


@exemptions.command("grant", short_help="Let a capability act without approval for a while.")
@shared
@acting
@click.argument("capability")
@click.option("--owner", help="Only for this member's things.")
@click.option("--seconds", type=click.IntRange(1), default=DAY_SECONDS, help="How long.")
@click.option("--justification", required=True, help="Why approval is not needed.")
def grant_exemption(
    *,
    home: Path | None,
    is_json: bool,
    actor: Actor,
    capability: str,
    owner: str | None,
    seconds: int,
    justification: str,
) -> int:
    """Let CAPABILITY be executed without approval for a while."""
    with open_desk(home, actor) as desk:
        made = desk.gateway.grant_exemption(
            actor, capability, owner_id=owner, seconds=seconds, justification=justification
        )
        timezone = desk.settings.timezone
    if is_json:
        print_json(exemption_told(made))
    else:
        print(f"{made.exemption_id} lives until {words.local_time(made.expires_at, timezone)}.")
    return 0


@exemptions.command("revoke", short_help="End one now.")
@shared
@acting
@click.argument("exemption_id")
@_REASON
def revoke_exemption(
    *, home: Path | None, is_json: bool, actor: Actor, exemption_id: str, reason: str
) -> int:
    """End an exemption now."""
    with open_desk(home, actor) as desk:
        ended = desk.gateway.revoke_exemption(actor, exemption_id, reason)
    if is_json:
        print_json(exemption_told(ended))
    else:
        print(f"{ended.exemption_id} has ended.")
    return 0


@click.group(short_help="How often capabilities may be used, and were.")
def quotas() -> None:
    """Quotas: how often a capability may be executed in a window, and how often it was."""


@quotas.command("list", short_help="List limits and use.")
@shared
@acting
def list_quotas(*, home: Path | None, is_json: bool, actor: Actor) -> int:
    """List every limit of the registry, and every counter in use."""
    with open_desk(home, actor) as desk:
        desk.require_staff()
        uses = list(desk.ledger.quota_uses())
    limits = [
        {
            "capabilityId": capability.capability_id,
            "scope": rule.scope,
            "limit": rule.limit,
            "windowSeconds": rule.window_seconds,
            "cooldownSeconds": rule.cooldown_seconds,
        }
        for capability in default_registry().values()
        for rule in capability.quotas
    ]
    if is_json:
        print_json({"limits": limits, "uses": [quota_told(use) for use in uses]})
        return 0
    for limit in limits:
        print(
            f"{limit['capabilityId']:<32} per {limit['scope']:<10} {limit['limit']:>5} "
            f"in {limit['windowSeconds']} s"
        )
    for use in uses:
        print(f"used: {use.capability_id} {use.scope} {visible(use.subject_id)}: {use.used} of {use.limit}")
    return 0


@quotas.command("reset", short_help="Set one counter to none.")
@shared
@acting
@click.argument("capability")
@click.argument("scope", type=click.Choice(["actor", "owner", "capability"]))
@click.argument("subject")
@_REASON
def reset_quota(
    *, home: Path | None, is_json: bool, actor: Actor, capability: str, scope: str, subject: str, reason: str
) -> int:
    """Set the use of one quota to none: CAPABILITY, SCOPE, and the SUBJECT that `quotas list` shows."""
    with open_desk(home, actor) as desk:
        use = desk.gateway.reset_quota(actor, capability, scope, subject, reason)
    if is_json:
        print_json(quota_told(use))
    else:
        print(f"{use.capability_id} {use.scope} {visible(use.subject_id)}: {use.used} of {use.limit}")
    return 0


def _show_switch(desk: Desk, *, is_json: bool) -> int:
    """Show the switch as it is now; return 0 only if writing goes on."""
    status = desk.gateway.switch_status()
    if is_json:
        print_json(switch_told(status))
    else:
        print("\n".join(switch_lines(status, desk.settings.timezone)))
    return 0 if status.state.switch is Switch.OFF else 1
