"""How often a capability may be executed: whose counters apply, and when a counter is used up.

A window begins with its first use and is over when its length has passed; the next use begins the next one.
Who asked is counted by the person answerable, so one person's agents share that person's quota.
"""

from datetime import datetime, timedelta
from math import ceil
from typing import Final

from policies.decisions import QuotaUse
from policies.proposals import Proposal
from policies.registry import Capability, QuotaRule

EVERYBODY: Final = "*"
"""The subject of a quota that counts a capability for the whole studio."""


def subjects(
    capability: Capability, requester_principal_id: str, owner_id: str | None
) -> tuple[tuple[str, str], ...]:
    """Return (scope, subject id) of every quota that applies, in the registry's order.

    A quota per owner does not apply where nobody's things are touched.
    """
    of = {"actor": requester_principal_id, "owner": owner_id, "capability": EVERYBODY}
    found = ((rule.scope, of[rule.scope]) for rule in capability.quotas)
    return tuple((scope, subject) for scope, subject in found if subject is not None)


def applicable(capability: Capability, proposal: Proposal) -> tuple[tuple[str, str], ...]:
    """Return (scope, subject id) of every quota that executing a proposal uses."""
    return subjects(capability, proposal.requester_principal_id, proposal.owner_id)


def uses_of(capability: Capability, proposal: Proposal) -> tuple[QuotaUse, ...]:
    """Return one use of every applicable quota, to be counted by the ledger."""
    rules: dict[str, QuotaRule] = {rule.scope: rule for rule in capability.quotas}
    return tuple(
        QuotaUse(
            capability_id=capability.capability_id,
            scope=scope,
            subject_id=subject,
            limit=rules[scope].limit,
            window_seconds=rules[scope].window_seconds,
            used=1,
            window_started_at=None,
            last_used_at=None,
        )
        for scope, subject in applicable(capability, proposal)
    )


def used_now(rule: QuotaRule, use: QuotaUse, now: datetime) -> int:
    """Return how many uses of the current window are gone; 0 once the window is over."""
    started = use.window_started_at
    is_over = started is None or now >= started + timedelta(seconds=rule.window_seconds)
    return 0 if is_over else use.used


def seconds_until_free(rule: QuotaRule, use: QuotaUse, now: datetime) -> int:
    """Return whole seconds until the quota has room again; 0 if it has room now."""
    if use.window_started_at is None or used_now(rule, use, now) < rule.limit:
        return 0
    return _seconds_until(use.window_started_at + timedelta(seconds=rule.window_seconds), now)


def seconds_of_cooldown(rule: QuotaRule, use: QuotaUse, now: datetime) -> int:
    """Return whole seconds until the pause after the last use is over; 0 if it is."""
    if rule.cooldown_seconds == 0 or use.last_used_at is None:
        return 0
    return _seconds_until(use.last_used_at + timedelta(seconds=rule.cooldown_seconds), now)


def _seconds_until(then: datetime, now: datetime) -> int:
    return max(0, ceil((then - now).total_seconds()))
