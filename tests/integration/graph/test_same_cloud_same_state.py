"""Same cloud state, same hash, no new revision; one change, exactly one difference."""

import pytest

from studio_assets.contracts import catalog
from studio_assets.studio_state.events import SNAPSHOT_CONFIRMED
from studio_assets.studio_state.snapshot import flat_counters

pytestmark = pytest.mark.integration

EXPECTED = {
    "counts": {
        "batchesActive": 9,
        "batchesClosed": 5,
        "reservationsOpen": 4,
        "firingsScheduled": 1,
        "reportsOpen": 1,
        "reportsActioned": 1,
        "studioBookingsUpcoming": 1,
        "loansOut": 2,
        "loansOverdue": 1,
        "eventsUpcoming": 1,
        "supportRequestsNew": 1,
        "kilnsUnavailable": 1,
    },
    "ops": {
        "highSeverityReports": 1,
        "agentRequestsPending": 1,
        "agentRequestsActive": 2,
        "agentOrdersOpen": 1,
    },
    "finance": {
        "pendingOrders": 1,
        "ordersAwaitingPickup": 1,
        "staleCarts": 1,
        "unpaidEvents": 1,
        "unpaidAgentOrders": 1,
        "unsettledPayments": 2,
        "unsettledCents": 12_500,
        "disputesLast30Days": 0,
        "refundsLast30Days": 1,
    },
}


def test_two_runs_over_an_unchanged_cloud_are_one_revision(studio):
    """The second run, a quarter of an hour later, confirms what the first one found; full and by changes."""
    first = studio.run()
    assert first.success, first.errors
    assert {section: first.snapshot[section] for section in EXPECTED} == EXPECTED
    assert (first.revision, first.is_new) == (1, True)
    for mode in ("full", "incremental"):
        studio.clock.advance(minutes=15)
        again = studio.run(mode=mode)
        assert again.success, again.errors
        assert (again.revision, again.is_new) == (1, False)
        assert again.content_hash == first.content_hash
        assert again.snapshot["asOf"] > first.snapshot["asOf"]
    assert len(studio.history.revisions(studio.day)) == 1
    confirmations = studio.history.events(name=SNAPSHOT_CONFIRMED)
    assert [event.payload["isNew"] for event in confirmations] == [False, False, True]


def test_every_check_holds_in_a_healthy_studio_and_nothing_drifts(studio):
    """A healthy day leaves no failed check, no drift and no warning."""
    run = studio.run()
    assert not run.checks_failed
    assert run.checks_passed == len(run.checks) >= 93
    assert len(run.drift.metrics) == 17
    assert not run.drift.drifting
    assert run.snapshot["diagnostics"]["warnings"] == []
    assert set(run.sources) == {contract.name for contract in catalog.ALL}
    assert {read.completeness.value for read in run.sources.values()} == {"full"}
    assert set(run.phases) == {
        *("import", "read", "checks", "snapshot", "hash", "diff", "drift", "dagster", "total")
    }


@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_one_changed_document_changes_exactly_its_counters(studio, mode):
    """One report becomes actioned: three counters move, one source changes, one diff tells of it."""
    first = studio.run()
    studio.clock.advance(minutes=15)
    studio.put("communityReports", "c1", status="actioned", severity="high", category="safety")
    second = studio.run(mode=mode)
    assert second.success, second.errors
    assert (second.revision, second.is_new) == (2, True)
    before, after = flat_counters(first.snapshot), flat_counters(second.snapshot)
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {
        "counts.reportsOpen": -1,
        "counts.reportsActioned": 1,
        "ops.highSeverityReports": -1,
    }
    assert [(c.counter, c.delta) for c in second.diff.changes] == [
        ("counts.reportsOpen", -1),
        ("counts.reportsActioned", 1),
        ("ops.highSeverityReports", -1),
    ]
    assert second.diff.sources_changed == ("community_reports",)
    assert (second.diff.from_revision, second.diff.to_revision) == (1, 2)
    stored = studio.history.diff_for(studio.day, 2)
    assert sorted(c.counter for c in stored.changes) == sorted(c.counter for c in second.diff.changes)


def test_a_deleted_document_is_noticed_by_a_change_read(studio):
    """Deletions show through the source's count, and the state equals that of a whole read."""
    studio.run()
    studio.clock.advance(minutes=15)
    studio.delete("batches", "b000")
    changed = studio.run(mode="incremental")
    assert changed.snapshot["counts"]["batchesActive"] == 8
    whole = studio.run()
    assert (whole.is_new, whole.content_hash) == (False, changed.content_hash)


def test_a_counter_that_moves_with_time_alone_makes_a_revision(studio):
    """A firing and a booking end while the cloud stays as it is: the state differs, the sources do not."""
    studio.run()
    studio.clock.advance(hours=11)
    later = studio.run()
    assert {c.counter: c.delta for c in later.diff.changes} == {
        "counts.studioBookingsUpcoming": -1,
        "counts.firingsScheduled": -1,
    }
    assert later.diff.sources_changed == ()


def test_a_document_that_violates_its_contract_is_set_aside_and_said(studio):
    """One absurd batch is quarantined with id and reason, counted, never fatal, and explains its drift."""
    studio.put("batches", "b666", state="LOADED", estimatedCostCents=-5)
    run = studio.run()
    assert run.success, run.errors
    assert run.quarantined == 1
    (aside,) = run.sources["batches"].quarantined
    assert (aside.document_id, aside.field_path) == ("b666", "estimatedCostCents")
    assert run.snapshot["counts"]["batchesActive"] == 9
    found = {metric.metric: metric for metric in run.drift.metrics}["counts.batchesActive"]
    assert (found.expected, found.observed, found.is_drift) == (10, 9, False)
    assert found.confidence < 1
