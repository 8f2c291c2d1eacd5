"""Suggestions for open reports and what of them wants attention, in the main job on the real twins."""

from datetime import timedelta

import dagster as dg
import pytest

from studio_assets.checks.trust_safety import RULES_IN_WORDS
from studio_assets.keys import trust_safety_key

pytestmark = pytest.mark.integration
SECRET = "zebracanary"
GRAVE = f"A gas leak next to the kiln, {SECRET}"


def _report(studio, report_id, *, status="open", severity="low", note=GRAVE, target="video-1", days=0):
    at = studio.clock.now() - timedelta(days=days)
    studio.put(
        "communityReports",
        report_id,
        status=status,
        severity=severity,
        category="other",
        note=note,
        targetRef={"id": target},
        createdAt=at,
    )


def _found(studio):
    return {
        (one.finding.kind, one.finding.subject_id): one for one in studio.doors.findings.open("trust_safety")
    }


def test_open_reports_get_suggestions_and_findings_once_and_every_check_holds(studio):
    """Only open ones are looked at; looking again keeps nothing; what is dealt with is resolved."""
    _report(studio, "grave")
    _report(studio, "resolved", status="resolved", note="The link is broken")
    _report(studio, "waits", severity="high", note=None, target="video-2", days=12)
    for number in range(4):
        _report(studio, f"many{number}", note="The link is broken", target=f"talk by {SECRET}")
    run = studio.run()
    assert run.success, run.errors
    held = {(check.asset, check.check) for check in run.checks if check.holds}
    assert held >= {
        (f"trust_safety/{asset}", name) for asset, rules in RULES_IN_WORDS.items() for name in rules
    }
    suggestions = studio.doors.triage_suggestions
    kept = {one.suggestion.report_id: one for one in suggestions.newest()}
    assert set(kept) == {"grave", "many0", "many1", "many2", "many3"}
    assert (kept["grave"].suggestion.category, kept["grave"].suggestion.severity) == ("safety", "high")
    found = _found(studio)
    kinds = [kind for kind, _ in found]
    assert sorted(kinds) == ["report_unseen", "reports_gathered", "severity_disagreed"]
    assert ("report_unseen", "waits") in found
    assert ("severity_disagreed", "grave") in found
    assert {one.finding.capability_id for one in found.values()} == {"moderation.report.review"}
    told = [
        studio.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=trust_safety_key(studio.settings.studio_id, name)), limit=5
        ).records
        for name in RULES_IN_WORDS
    ]
    assert SECRET not in repr(kept) + repr(found) + repr(told)

    studio.clock.advance(minutes=5)
    _report(studio, "waits", status="triaged", severity="high", note=None, target="video-2", days=12)
    assert studio.run().success
    assert {one.suggestion.report_id: one for one in suggestions.newest()} == kept
    again = _found(studio)
    assert again == {key: one for key, one in found.items() if key != ("report_unseen", "waits")}


def test_half_a_look_and_a_past_day_change_nothing(studio):
    """Neither a suggestion nor a finding comes or goes without today's full snapshot."""
    _report(studio, "grave")
    keys = [trust_safety_key(studio.settings.studio_id, name) for name in RULES_IN_WORDS]
    assert studio.run_steps(keys, studio.day - timedelta(days=2)).success
    studio.firestore.stop()
    assert not studio.run().success
    assert (studio.doors.triage_suggestions.newest(), _found(studio)) == ([], {})
