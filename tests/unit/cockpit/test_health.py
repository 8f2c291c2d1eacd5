"""Readiness: each thing that is missing has its own reason, and limits hold exactly."""

from datetime import timedelta

import pytest

from cockpit.facts import confirmed_at
from cockpit.health import HEARTBEAT_LIMIT, judge, stale_reasons
from resources.rows import Completeness, OperationalEvent
from tests.unit.cockpit.facts_of import NOW, facts_of, read_of, snapshot_of


def test_a_healthy_house_is_ready_without_reasons():
    readiness = judge(facts_of())
    assert readiness.is_ready
    assert readiness.describe() == {
        "ready": True,
        "reasons": [],
        "checks": {"database": True, "daemon": True, "snapshot": True},
    }


def test_without_a_database_nothing_is_ready_and_every_reason_says_why():
    readiness = judge(facts_of(problem="The database does not answer.", snapshot=None, heartbeat_at=None))
    assert not any(readiness.checks.values())
    assert all("database" in reason for reason in readiness.reasons)


@pytest.mark.parametrize(("late", "is_ready"), [(-1, True), (0, True), (1, False)])
def test_the_daemon_may_be_silent_for_so_long_and_no_longer(late, is_ready):
    heartbeat_at = NOW - HEARTBEAT_LIMIT - timedelta(seconds=late)
    assert judge(facts_of(heartbeat_at=heartbeat_at)).checks["daemon"] is is_ready


def test_a_sign_of_life_of_a_daemon_that_is_gone_does_not_count():
    """The supervisor knows first that the daemon died."""
    parts = [{"name": "daemon", "label": "Daemon", "phase": "restarting", "detail": ""}]
    readiness = judge(facts_of(parts=parts))
    assert readiness.reasons == ("The daemon is restarting.",)


def test_no_daemon_ever():
    assert judge(facts_of(heartbeat_at=None)).reasons == ("The daemon has given no sign of life yet.",)


@pytest.mark.parametrize(("minutes", "is_ready"), [(59.9, True), (60, True), (60.1, False)])
def test_a_snapshot_is_fresh_up_to_the_limit(minutes, is_ready):
    assert judge(facts_of(minutes_ago=minutes)).checks["snapshot"] is is_ready


def test_no_snapshot_yet():
    assert judge(facts_of(snapshot=None)).reasons == ("There is no snapshot yet.",)


def test_an_unchanged_cloud_stays_fresh_although_no_new_revision_is_made():
    """The age is that of the newest confirmation, not of the snapshot itself."""
    facts = facts_of(snapshot=snapshot_of(observed_at=NOW - timedelta(days=3)))
    assert judge(facts).is_ready


def test_a_confirmation_of_another_day_does_not_count():
    """Rebuilding a past day says nothing about today."""

    class Remembered:
        def events(self, limit, *, name):
            days = [("2026-11-20", "2026-11-21T07:00:00Z"), ("2026-11-21", "2026-11-21T18:00:00Z")]
            return [
                OperationalEvent(name, NOW, {"snapshotDate": day, "revision": 3, "asOf": as_of})
                for day, as_of in days
            ]

    assert confirmed_at(Remembered(), snapshot_of()).hour == 18


def test_what_is_shown_says_why_it_may_be_stale():
    """Too old, and a later read that failed, are each a reason of their own; a fresh state has none."""
    failed = read_of("firestore", "batches", 0, completeness=Completeness.FAILED, reason="Access was denied.")
    assert stale_reasons(facts_of()) == ()
    (old,) = stale_reasons(facts_of(minutes_ago=61))
    assert "61 minutes ago" in old
    (broken,) = stale_reasons(facts_of(newest_reads=[failed]))
    assert "batches" in broken
    assert broken.endswith("(failed), so no new numbers were derived: Access was denied.")
    assert len(stale_reasons(facts_of(minutes_ago=61, newest_reads=[failed]))) == 2
