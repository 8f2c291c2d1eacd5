"""A run by hand while the schedule's own is under way: each shows one instant, and a day never goes back."""

import pytest

from resources.clock import local_date
from studio_assets.cloud_truth.read import read_collection
from studio_assets.contracts import catalog
from tests.integration.graph.pretend_studio import PHOENIX

pytestmark = pytest.mark.integration


def between_reading_and_deriving(act):
    """Return a listener to progress that acts once, when a run has read everything and derived nothing."""
    waiting = [act]

    def listen(progress):
        if progress.phase == "checks" and waiting:
            waiting.pop()()

    return listen


def test_half_the_reads_of_another_run_do_not_mix_into_a_snapshot(studio):
    """Another run has read one collection a minute later: the snapshot shows the instant of its own reads."""

    def other_run_reads_one_collection():
        studio.clock.advance(minutes=1)
        studio.put("communityReports", "c9", status="open")
        contract = catalog.collection("community_reports")
        read = read_collection(
            studio.documents,
            contract,
            studio.raw,
            studio_id=studio.settings.studio_id,
            snapshot_date=local_date(studio.clock.now(), PHOENIX.key),
            read_at=studio.documents.read_time(),
        )
        studio.history.record_read(read, "another-run", "v")

    run = studio.run(on_progress=between_reading_and_deriving(other_run_reads_one_collection))
    assert run.success, run.errors
    assert len({source["readAt"] for source in run.snapshot["sources"].values()}) == 1
    assert run.snapshot["counts"]["reportsOpen"] == 1
    assert not run.drift.drifting


def test_a_run_that_was_overtaken_does_not_put_the_day_back(studio):
    """A run that read earlier but derives later leaves the later state standing, and says so as its own."""
    other = []

    def another_run():
        studio.clock.advance(minutes=1)
        studio.put("communityReports", "c9", status="open")
        other.append(studio.run())

    run = studio.run(on_progress=between_reading_and_deriving(another_run))
    assert run.success, run.errors
    assert (other[0].revision, other[0].is_new) == (1, True)
    assert (run.revision, run.is_new, run.content_hash) == (1, False, other[0].content_hash)
    assert run.snapshot["counts"]["reportsOpen"] == 2
    assert [s.revision for s in studio.history.revisions(studio.day)] == [1]
    assert not run.drift.drifting
