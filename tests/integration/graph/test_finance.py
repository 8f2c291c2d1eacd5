"""Money in the main job, on the real twins: today's whole snapshot opens and resolves flags."""

import json

import dagster as dg
import pytest

from resources.clock import instant_text
from studio_assets.checks.findings import FINDINGS_IN_WORDS
from studio_assets.finance.assets import CONSERVATION
from studio_assets.findings.aside import ASIDE_DETECTOR, EVERY_ROW_IS_COUNTED
from studio_assets.keys import finance_key

pytestmark = pytest.mark.integration
FLAGS = "finance/reconciliation_flags"


def _keys(studio):
    return [
        finance_key(studio.settings.studio_id, name) for name in ("reconciliation_flags", "weekly_summary")
    ]


def _told(studio, asset):
    key = finance_key(studio.settings.studio_id, asset)
    records = studio.instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=key), limit=1).records
    return {name: value.value for name, value in records[0].asset_materialization.metadata.items()}


def _open(studio):
    found = studio.doors.findings.open("finance")
    return {(one.finding.kind, one.finding.subject_id): one for one in found}


def _revisions(studio):
    return {key: one.revision for key, one in _open(studio).items()}


def _flagged(weekly):
    return sum(week.data["flags"] for week in weekly["weeks"].records)


def _failed(run):
    return {check.check for check in run.checks if check.asset == FLAGS and not check.holds}


def test_an_order_nobody_paid_is_flagged_and_resolved_when_it_is_set_back(studio):
    sold_at = studio.clock.now()
    studio.put(
        *("materialsOrders", "byhand"),
        uid="member7",
        status="paid",
        paymentStatus="paid",
        totalCents=4000,
        currency="USD",
        mode="test",
        paidAt=sold_at,
        createdAt=sold_at,
        updatedAt=sold_at,
    )
    studio.clock.advance(hours=3)
    run = studio.run()
    assert run.success, run.errors
    held = {check.check for check in run.checks if check.asset == FLAGS and check.holds}
    assert held == {*FINDINGS_IN_WORDS, CONSERVATION, EVERY_ROW_IS_COUNTED}
    flag = _open(studio)["order_without_charge", "byhand"].finding
    assert (flag.expected_cents, flag.observed_cents, flag.currency) == (4000, 0, "usd")
    assert flag.capability_id == "finance.reconciliation.adjust"
    assert instant_text(flag.since) == instant_text(sold_at)
    assert flag.evidence[0].row == "byhand"
    assert flag.evidence[0].revision.startswith(f"{studio.day}.{run.revision}.")
    told = _told(studio, "reconciliation_flags")
    assert told["conservation_error_cents"] == 0
    weekly = _told(studio, "weekly_summary")
    assert len(weekly["weeks"].records if hasattr(weekly["weeks"], "records") else weekly["weeks"]) == 12
    assert "so far" in weekly["chart"]
    assert "member7" not in json.dumps([str(told), str(weekly)])
    before = set(_open(studio))
    assert studio.run().success
    assert set(_open(studio)) == before
    studio.put(
        *("materialsOrders", "byhand"),
        uid="member7",
        status="cancelled",
        paymentStatus=None,
        totalCents=4000,
        currency="USD",
        mode="test",
        paidAt=None,
        createdAt=sold_at,
        updatedAt=studio.clock.now(),
    )
    assert studio.run().success
    assert ("order_without_charge", "byhand") not in _open(studio)


@pytest.mark.parametrize("cents", [10**15 + 1, 1e20])
def test_an_absurd_amount_sets_one_order_aside_and_all_others_are_reconciled(studio, cents):
    """Told as itself by a finding and a check that warns; its own flag stays until it is corrected.

    Whether the amount was read and is too much to be counted, or fits into no number that is read.
    """
    sold_at = studio.clock.now()
    order = {"uid": "member7", "status": "paid", "paymentStatus": "paid", "currency": "USD", "mode": "test"}
    order |= {"paidAt": sold_at, "createdAt": sold_at, "totalCents": 4000}
    for name in ("absurd", "mended"):
        studio.put("materialsOrders", name, **order)
    studio.clock.advance(hours=3)
    assert _failed(studio.run()) == set()
    weekly = _told(studio, "weekly_summary")
    assert "set_aside" not in weekly
    flagged = _flagged(weekly)
    before = _revisions(studio)
    assert (before["order_without_charge", "absurd"], before["order_without_charge", "mended"]) == (1, 1)
    del before["order_without_charge", "mended"]
    studio.put("materialsOrders", "absurd", **order | {"totalCents": cents})
    studio.put("materialsOrders", "mended", **order | {"status": "cancelled", "paymentStatus": "cancelled"})
    studio.put("materialsOrders", "new", **order)
    run = studio.run()
    assert run.success, run.errors
    assert _failed(run) == {EVERY_ROW_IS_COUNTED}
    after = before | {("order_without_charge", "new"): 1}
    assert _revisions(studio) == after | {("row_set_aside", "absurd"): 1}
    weekly = _told(studio, "weekly_summary")
    assert weekly["set_aside"].startswith("1 row was set aside")
    # One flag is mended and one is new; that of the order set aside is still there.
    assert _flagged(weekly) == flagged
    finding = _open(studio)["row_set_aside", "absurd"].finding
    assert finding.detector == ASIDE_DETECTOR
    assert finding.likely_cause.startswith("totalCents ")
    assert finding.evidence[0].revision.startswith(f"{studio.day}.{run.revision}.")
    assert "member7" not in repr(finding)
    assert str(int(cents)) not in repr(finding)
    assert _told(studio, "reconciliation_flags")["conservation_error_cents"] == 0
    studio.put("materialsOrders", "absurd", **order | {"totalCents": 4000})
    assert _failed(studio.run()) == set()
    assert _revisions(studio) == after


def test_a_past_day_touches_no_flag(studio):
    """Rebuilding it does not reconcile at all, and reconciling it by hand says why nothing came of it."""
    assert studio.run().success
    before = {name: one.revision for name, one in _open(studio).items()}
    studio.clock.advance(days=1)
    assert studio.run(studio.day).success
    assert _told(studio, "reconciliation_flags")["origin"].startswith("Derived from cloud")
    assert studio.run_steps(_keys(studio)).success
    assert {name: one.revision for name, one in _open(studio).items()} == before
    assert _told(studio, "reconciliation_flags")["origin"] == "A past day touches no finding"
