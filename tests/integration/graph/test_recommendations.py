"""What rules find in today's snapshot opens, stays and is resolved; no past day or lost source touches it."""

from datetime import timedelta

import pytest

from studio_assets.keys import operations_key
from twins.firestore.faults import Fault

pytestmark = pytest.mark.integration


def opened(studio):
    kept = studio.doors.findings.open("operations")
    return {(one.finding.kind, one.finding.subject_id): one for one in kept}


def test_findings_follow_todays_whole_snapshot_alone(studio):
    now = studio.clock.now()
    old = {"createdAt": now - timedelta(days=20), "updatedAt": now - timedelta(days=20)}
    studio.put_bare("batches", "b950", state="SUBMITTED", ownerUid="member1", isClosed=False, **old)
    run = studio.run()
    assert run.success, run.errors
    name = ("stalled_batch", "b950")
    one = opened(studio)[name]
    assert one.finding.capability_id == "firestore.ops_note.append"
    assert (one.run_id, one.revision) == (run.run_id, 1)
    assert one.finding.evidence[0].revision == f"{run.snapshot['snapshotDate']}.{run.revision}"
    asset = operations_key(studio.settings.studio_id, "recommendations")
    event = studio.instance.get_latest_materialization_event(asset)
    assert event.asset_materialization.metadata["dagster/row_count"].value >= 1
    ours = {"operations/recommendations", "operations/anomalies"}
    assert [check.holds for check in run.checks if check.asset in ours] == [True] * 8

    studio.clock.advance(minutes=15)
    studio.run()
    assert opened(studio)[name].revision == 1
    # Rebuilding a past day does not look at all; asked for by hand, both look and touch nothing.
    keys = [operations_key(studio.settings.studio_id, each) for each in ("recommendations", "anomalies")]
    assert studio.run_steps(keys, studio.day - timedelta(days=1)).success
    assert opened(studio)[name].revision == 1

    studio.put("batches", "b950", state="SHELVED", ownerUid="member1", isClosed=False, createdAt=now)
    studio.clock.advance(minutes=15)
    studio.firestore.faults.add(Fault("unavailable", collection="kilns", count=None))
    assert not studio.run().success
    studio.firestore.faults.clear()
    assert opened(studio)[name].revision == 1
    assert studio.run().success
    assert name not in opened(studio)
