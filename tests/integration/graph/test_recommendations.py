"""What rules find in today's snapshot opens, stays and is resolved; no past day or lost source touches it."""

from datetime import timedelta

import pytest

from studio_assets.findings.aside import EVERY_ROW_IS_COUNTED
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
    assert [check.holds for check in run.checks if check.asset in ours] == [True] * 10

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


def test_a_document_in_quarantine_is_not_taken_for_absent(studio):
    """It is told, and what may depend on it stays; the work beside it is opened and resolved as ever."""
    now = studio.clock.now()
    late = {"createdAt": now - timedelta(days=20), "updatedAt": now - timedelta(days=20)}
    late |= {"state": "SUBMITTED", "ownerUid": "member1", "isClosed": False}
    for name in ("bent", "mended"):
        studio.put_bare("batches", name, **late)
    assert studio.run().success
    before = {
        ("stalled_batch", name): opened(studio)["stalled_batch", name].revision for name in ("bent", "mended")
    }
    assert set(before.values()) == {1}

    studio.put_bare("batches", "bent", **late | {"updatedAt": {"a": 1}})
    studio.put_bare("batches", "mended", **late | {"state": "CLOSED_PICKED_UP", "isClosed": True})
    studio.put_bare("batches", "new", **late)
    studio.clock.advance(minutes=15)
    run = studio.run()
    assert run.success, run.errors
    assert [one.document_id for one in run.sources["batches"].quarantined] == ["bent"]
    told = {
        name: one.revision for name, one in opened(studio).items() if name[1] in {"bent", "mended", "new"}
    }
    assert told == {
        ("stalled_batch", "bent"): 1,
        ("stalled_batch", "new"): 1,
        ("row_set_aside", "bent"): 1,
    }
    assert opened(studio)["row_set_aside", "bent"].finding.likely_cause.startswith("updatedAt ")
    broken = {(check.asset, check.check) for check in run.checks if not check.holds}
    ours = {"operations/recommendations", "operations/anomalies"}
    assert {one for one in broken if one[0] in ours} == {(asset, EVERY_ROW_IS_COUNTED) for asset in ours}

    studio.put_bare("batches", "bent", **late | {"state": "CLOSED_PICKED_UP", "isClosed": True})
    studio.clock.advance(minutes=15)
    assert studio.run().success
    assert {name for name in opened(studio) if name[1] == "bent"} == set()
