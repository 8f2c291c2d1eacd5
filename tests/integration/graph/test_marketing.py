"""Drafts in the main job, on the real twins: facts of today's full snapshot, and nothing otherwise."""

from datetime import timedelta

import dagster as dg
import pytest

from studio_assets.checks.marketing import RULES_IN_WORDS
from studio_assets.keys import marketing_key
from tests.integration.graph.pretend_studio import PHOENIX

pytestmark = pytest.mark.integration


@pytest.fixture
def drafts(studio):
    """Return the drafts of a studio with an event that has seats and a firing that is planned."""
    now = studio.clock.now()
    studio.put(
        "events",
        "e2",
        title="Wheel evening",
        status="published",
        startAt=now + timedelta(days=4),
        endAt=now + timedelta(days=4, hours=2),
        capacity=10,
        priceCents=4550,
        currency="USD",
        ticketedCount=1,
        offeredCount=0,
        checkedInCount=0,
        summary="Bring your friend Zoe, 555 1234567",
    )
    studio.put("eventSignups", "s9", eventId="e2", status="ticketed", uid="member7", displayName="Zoe")
    return studio.doors.drafts


def _told(studio):
    """Return the metadata of the newest materialization."""
    key = marketing_key(studio.settings.studio_id, "drafts")
    records = studio.instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=key), limit=1).records
    return {name: value.value for name, value in records[0].asset_materialization.metadata.items()}


def _promotion(drafts):
    return next(one for one in drafts.newest() if "Wheel evening" in one.draft.body + str(one.draft.subject))


def test_drafts_follow_from_todays_snapshot_and_every_check_holds(studio, drafts):
    """And what wants telling is a finding, beside them: an event that was called off, and has a guest."""
    ahead = studio.clock.now() + timedelta(days=5)
    studio.put("events", "e9", title="Glaze evening", status="cancelled", startAt=ahead)
    studio.put("eventSignups", "s90", eventId="e9", status="ticketed", uid="member9")
    run = studio.run()
    assert run.success, run.errors
    (found,) = (one.finding for one in studio.doors.findings.open("marketing"))
    assert (found.kind, found.subject_id, found.observed) == ("event_called_off", "e9", 1)
    (link,) = found.evidence
    assert (link.asset, link.revision, link.row) == (
        "cloud_truth/events",
        f"{studio.day}.{run.revision}",
        "e9",
    )
    held = {check.check for check in run.checks if check.asset == "marketing/drafts" and check.holds}
    assert held == set(RULES_IN_WORDS)
    kept = drafts.newest()
    assert {one.draft.channel for one in kept} >= {"instagram", "email", "website_news", "event_promotion"}
    assert {(one.status, one.revision, one.snapshot_date) for one in kept} == {("draft", 1, studio.day)}
    assert {one.snapshot_revision for one in kept} == {run.revision}
    texts = str(kept)
    assert "9 places" in texts
    day = (studio.clock.now() + timedelta(days=4)).astimezone(PHOENIX)
    assert f"{day:%A}, {day:%B} {day.day}" in texts
    assert not any(word in texts for word in ("Zoe", "1234567", "member7"))
    assert _told(studio)["drafted"] == len(kept)


def test_the_same_state_drafts_nothing_new_and_a_taken_seat_does(studio, drafts):
    studio.run()
    before = drafts.newest()
    studio.clock.advance(minutes=5)
    assert studio.run().success
    assert drafts.newest() == before
    studio.put("eventSignups", "s10", eventId="e2", status="ticketed", uid="member8")
    studio.firestore.store.put(
        studio.name("events", "e2"),
        {
            "title": "Wheel evening",
            "status": "published",
            "startAt": studio.clock.now() + timedelta(days=4, minutes=-5),
            "capacity": 10,
            "currency": "USD",
            "priceCents": 4550,
            "ticketedCount": 2,
            "offeredCount": 0,
            "checkedInCount": 0,
        },
    )
    studio.clock.advance(minutes=5)
    assert studio.run().success
    after = _promotion(drafts)
    assert after.revision == 2
    assert "8 places" in after.draft.body + str(after.draft.subject)


def test_a_partial_read_drafts_nothing(studio, drafts):
    """What was drafted before stands; nothing new is said."""
    studio.run()
    before = drafts.newest()
    studio.put("events", "e3", title="Glaze evening", status="published", startAt="not a time")
    studio.firestore.stop()
    run = studio.run()
    assert not run.success
    assert drafts.newest() == before


def test_a_past_day_is_not_drafted(studio, drafts):
    """Not by rebuilding it, which makes no drafts, and not by asking for its drafts."""
    day = studio.day - timedelta(days=2)
    key, other = (marketing_key(studio.settings.studio_id, name) for name in ("drafts", "occasions"))
    run = studio.run(day)
    assert run.success, run.errors
    assert studio.instance.fetch_materializations(key, limit=1).records == []
    assert studio.run_steps([key, other], day).success
    assert drafts.newest() == []
    assert _told(studio)["drafted"] == 0
