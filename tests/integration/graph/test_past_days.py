"""Past days: rebuilt from the source's own past they equal what was seen then, or are refused plainly."""

from datetime import timedelta

import pytest

from resources.clock import day_end
from studio_assets.keys import studio_state_key
from tests.integration.graph.pretend_studio import PHOENIX

pytestmark = pytest.mark.integration
WHAT_THE_CLOUD_SAYS = ("counts", "ops", "finance", "sourceHashes")


def said(document):
    return {key: document[key] for key in WHAT_THE_CLOUD_SAYS}


def test_a_day_rebuilt_later_equals_the_snapshot_taken_at_its_end(studio):
    """At midnight a snapshot is taken; days later, with everything changed, the rebuild says the same."""
    day = studio.day
    studio.clock.set(day_end(day, PHOENIX.key))
    then = studio.run(day)
    assert then.success, then.errors
    assert then.sources["batches"].read_at == day_end(day, PHOENIX.key)
    studio.clock.advance(days=2, hours=5)
    studio.put("communityReports", "c1", status="dismissed")
    studio.delete("batches", "b000")
    studio.put("batches", "b777", state="LOADED")
    studio.refund(studio.paid)
    studio.pay(9900)
    later = studio.run(day)
    assert later.success, later.errors
    assert said(later.snapshot) == said(then.snapshot)
    assert (later.is_new, later.content_hash) == (False, then.content_hash)
    assert not later.drift.drifting


def test_days_filled_in_newest_first_end_with_the_right_differences(studio):
    """The filler works backwards; each day's diff is repaired when the day before it appears."""
    days = [studio.day + timedelta(days=offset) for offset in range(3)]
    for day, reports in zip(days, (1, 3, 6), strict=True):
        studio.clock.set(day_end(day, PHOENIX.key) - timedelta(hours=6))
        for number in range(reports):
            studio.put("communityReports", f"late{number}", status="open", severity="low")
    studio.clock.set(day_end(days[-1], PHOENIX.key) + timedelta(hours=1))
    runs = {day: studio.run(day) for day in reversed(days)}
    assert [runs[day].errors for day in days] == [(), (), ()]
    assert [runs[day].snapshot["counts"]["reportsOpen"] for day in days] == [2, 4, 7]
    for before, day, delta in ((days[0], days[1], 2), (days[1], days[2], 3)):
        stored = studio.history.diff_for(day, 1)
        assert stored.from_date == before
        assert {c.counter: c.delta for c in stored.changes}["counts.reportsOpen"] == delta
    assert studio.history.diff_for(days[0], 1).from_date is None


def test_a_day_the_source_no_longer_keeps_is_refused_with_the_reason(studio):
    """The live service forgets; asked for a day it has forgotten, nothing is made up and nothing is lost."""
    good = studio.run()
    studio.clock.advance(days=1)
    studio.firestore.clock.retention = timedelta(hours=1)
    run = studio.run(studio.day)
    assert not run.success
    assert any("too old" in error or "no longer" in error for error in run.errors), run.errors
    assert studio.history.current_snapshot(studio.day).content_hash == good.content_hash


def test_a_day_that_has_not_begun_is_refused(studio):
    """Tomorrow cannot be read; the refusal says so and nothing is recorded as read."""
    run = studio.run(studio.day + timedelta(days=1))
    assert not run.success
    assert any("has not begun" in error for error in run.errors), run.errors
    assert studio.history.latest_reads() == []


def test_reads_of_a_running_day_are_not_taken_for_its_end(studio):
    """A day read at noon only is incomplete when it is over: deriving from those reads alone is refused."""
    studio.run()
    studio.clock.advance(days=1)
    result = studio.run_steps([studio_state_key(studio.settings.studio_id, "snapshot")])
    assert not result.success
    event = studio.history.events(limit=1)[0]
    assert event.name == "studio_state:snapshot:blocked"
    assert "more than 60 minutes ago" in event.payload["problems"][0]
