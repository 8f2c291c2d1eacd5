"""Quota windows: begun by the first use, over when their length has passed, the same for any history."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from policies.checks_outside import quota_denial
from policies.decisions import QuotaUse
from policies.quotas import (
    EVERYBODY,
    applicable,
    seconds_of_cooldown,
    seconds_until_free,
    subjects,
    used_now,
    uses_of,
)
from policies.registry import QuotaRule
from tests.unit.policies.decision_cases import GOOD_PROPOSAL, NOW, capability_of

HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
RULE = QuotaRule("capability", 8, 3600, 60)


def use(used, began, last=None):
    return QuotaUse("test.thing", "capability", EVERYBODY, 8, 3600, used, began, last)


def test_before_any_use_everything_is_free():
    """A counter never used has room and no pause."""
    fresh = use(0, None)
    assert (used_now(RULE, fresh, NOW), seconds_until_free(RULE, fresh, NOW)) == (0, 0)
    assert seconds_of_cooldown(RULE, fresh, NOW) == 0


def test_limit_on_under_over():
    """Seven of eight leave room; eight do not; nine (a lowered limit) do not either."""
    waits = [seconds_until_free(RULE, use(count, NOW - timedelta(minutes=10)), NOW) for count in (7, 8, 9)]
    assert waits == [0, 3000, 3000]


def test_window_on_under_over():
    """A window is over exactly when its length has passed, not a tick before."""
    assert seconds_until_free(RULE, use(8, NOW - HOUR + TICK), NOW) == 1
    assert seconds_until_free(RULE, use(8, NOW - HOUR), NOW) == 0
    assert seconds_until_free(RULE, use(8, NOW - HOUR - TICK), NOW) == 0
    assert used_now(RULE, use(8, NOW - HOUR + TICK), NOW) == 8
    assert used_now(RULE, use(8, NOW - HOUR), NOW) == 0


def test_cooldown_on_under_over():
    """A pause is over exactly when its length has passed; a rule without one never pauses."""
    minute = timedelta(minutes=1)
    waits = [
        seconds_of_cooldown(RULE, use(1, NOW - HOUR, NOW - minute + change), NOW)
        for change in (TICK, timedelta(0), -TICK)
    ]
    assert waits == [1, 0, 0]
    assert seconds_of_cooldown(replace(RULE, cooldown_seconds=0), use(1, NOW, NOW), NOW) == 0


@given(st.lists(st.integers(0, 4000), max_size=60), st.integers(1, 5))
def test_never_more_than_the_limit_in_a_window(gaps, limit):
    """Any sequence of tries, counted as the ledger counts, stays within the limit of every window."""
    rule = QuotaRule("capability", limit, 3600)
    state = use(0, None)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    windows = {}
    for gap in gaps:
        now += timedelta(seconds=gap)
        wait = seconds_until_free(rule, state, now)
        if wait:
            # Trying again at the said instant helps, and a second earlier does not.
            assert seconds_until_free(rule, state, now + timedelta(seconds=wait)) == 0
            assert seconds_until_free(rule, state, now + timedelta(seconds=wait - 1)) > 0
            continue
        is_new = state.window_started_at is None or used_now(rule, state, now) == 0
        began = now if is_new else state.window_started_at
        state = use(1 if is_new else state.used + 1, began, now)
        windows[began] = windows.get(began, 0) + 1
    starts = sorted(windows)
    assert all(count <= limit for count in windows.values())
    assert all(later - earlier >= HOUR for earlier, later in itertools.pairwise(starts))


def test_whose_quotas_apply():
    """An agent's uses count for the person answerable; nobody's things have no quota per owner."""
    capability = replace(
        capability_of("medium"),
        quotas=(QuotaRule("capability", 8, 3600), QuotaRule("actor", 4, 60), QuotaRule("owner", 2, 60)),
    )
    all_three = (("capability", EVERYBODY), ("actor", "u_owner"), ("owner", "m_1"))
    assert subjects(capability, "u_owner", "m_1") == all_three
    assert subjects(capability, "u_owner", None) == all_three[:2]
    agents = replace(GOOD_PROPOSAL, requester_id="agent_1", requester_principal_id="u_owner", owner_id="m_1")
    assert applicable(capability, agents) == all_three
    uses = uses_of(capability, agents)
    assert [(one.scope, one.subject_id) for one in uses] == list(all_three)
    assert [(one.limit, one.window_seconds) for one in uses] == [(8, 3600), (4, 60), (2, 60)]


def test_denial_of_an_unknown_scope_is_none():
    """A counter of a scope the registry no longer has denies nothing."""
    stranger = replace(use(99, NOW, NOW), scope="actor")
    assert quota_denial(capability_of("medium"), stranger, NOW) is None
