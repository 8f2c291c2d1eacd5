"""Whether anything may be done outside now: switch, anchor mode, checks, snapshot, quotas."""

from datetime import datetime
from typing import Final

from policies.cases import Case
from policies.decisions import Decision, QuotaUse, Switch
from policies.quotas import applicable, seconds_of_cooldown, seconds_until_free, used_now
from policies.registry import Capability
from policies.rules import deny

NEXT_SNAPSHOT_SECONDS: Final = 300  # a refresh takes minutes; sooner is no use
SKEW_SECONDS: Final = 300  # how far the cloud's clock may be ahead of ours


def switch_off(case: Case) -> Decision | None:
    """The kill switch is certainly off. Time does not help: people do."""
    switch = case.facts.switch.switch
    if switch is Switch.OFF:
        return None
    return deny("switch-off" if switch is Switch.ON else "switch-readable")


def writes_enabled(case: Case) -> Decision | None:
    """This deployment may write; reads need no permission to write."""
    is_free = case.facts.is_write_enabled or case.capability.is_read_only
    return None if is_free else deny("writes-enabled")


def has_executor(case: Case) -> Decision | None:
    """Something here can carry it out."""
    return None if case.capability.adapter is not None else deny("has-executor")


def checks_green(case: Case) -> Decision | None:
    """Every governance check holds."""
    red = case.facts.red_checks
    return deny("checks-green", check=red[0], red=len(red)) if red else None


def snapshot_fresh(case: Case) -> Decision | None:
    """StudioState is there and not too old; one from the future is not believed."""
    most = case.capability.snapshot_max_age_seconds
    if most is None:
        return None
    read_at = case.facts.snapshot_read_at
    if read_at is None:
        return deny("snapshot-present", NEXT_SNAPSHOT_SECONDS)
    age = (case.facts.now - read_at).total_seconds()
    if -SKEW_SECONDS <= age <= most:
        return None
    return deny("snapshot-fresh", NEXT_SNAPSHOT_SECONDS, age=int(age), most=most)


def quota_left(case: Case) -> Decision | None:
    """Every quota that applies has room, and every pause is over.

    Of several, the one that lasts longest decides.
    """
    facts, capability = case.facts, case.capability
    if not facts.quotas:
        return None
    applying = applicable(capability, case.proposal)
    found = [
        denial
        for use in facts.quotas
        if use.capability_id == capability.capability_id and (use.scope, use.subject_id) in applying
        if (denial := quota_denial(capability, use, facts.now)) is not None
    ]
    return max(found, key=lambda denial: denial.retry_after_seconds or 0, default=None)


def quota_denial(capability: Capability, use: QuotaUse, now: datetime) -> Decision | None:
    """Return the no for a quota that is used up or pauses; null if it has room."""
    rule = next((rule for rule in capability.quotas if rule.scope == use.scope), None)
    if rule is None:
        return None
    wait = seconds_until_free(rule, use, now)
    if wait:
        used = used_now(rule, use, now)
        return deny("quota-left", wait, used=used, limit=rule.limit, scope=use.scope)
    pause = seconds_of_cooldown(rule, use, now)
    return deny("cooldown-over", pause, seconds=pause, scope=use.scope) if pause else None
