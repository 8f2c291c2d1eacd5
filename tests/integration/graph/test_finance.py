"""Money in the main job, on the real twins: today's whole snapshot opens and resolves flags."""

import json
import re

import dagster as dg
import pytest

from resources.clock import instant_text
from studio_assets.checks.findings import FINDINGS_IN_WORDS
from studio_assets.finance import amounts
from studio_assets.finance.assets import CONSERVATION
from studio_assets.keys import finance_key

pytestmark = pytest.mark.integration


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


def test_an_order_nobody_paid_is_flagged_and_resolved_when_it_is_set_back(studio, monkeypatch):
    """While an amount is beyond counting nothing is reconciled: the flag stays, and the failure says why."""
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
    held = {
        check.check for check in run.checks if check.asset == "finance/reconciliation_flags" and check.holds
    }
    assert held == {*FINDINGS_IN_WORDS, CONSERVATION}
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
    with monkeypatch.context() as bounds:
        bounds.setattr(amounts, "MOST_CENTS", 3999)
        refused = studio.run_steps(_keys(studio))
    (why,) = [event.event_specific_data.error_display_string for event in refused.get_step_failure_events()]
    assert re.search(r"_cents of \w+/\w+ is [\d,]+: more than 3,999.*every flag stays as it was", why)
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
