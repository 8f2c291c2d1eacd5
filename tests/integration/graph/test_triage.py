"""Suggestions for open reports, on the real twins: kept once, by what the notes say, without the notes."""

import dagster as dg
import pytest

from resources.postgres.triage import TriageSuggestions
from studio_assets.trust_safety.assets import build_trust_safety

pytestmark = pytest.mark.integration
SECRET = "zebracanary"


def _materialize(studio, suggestions):
    return dg.materialize(
        [build_trust_safety(studio.settings)],
        partition_key=studio.day.isoformat(),
        instance=studio.instance,
        resources={
            "documents": studio.documents,
            "triage_suggestions": suggestions,
            "history": studio.history,
            "clock": studio.clock,
        },
    )


def test_open_reports_get_suggestions_once(studio):
    """Only open reports are looked at; looking again keeps nothing; no word of a note is kept."""
    notes = {"open": f"A gas leak next to the kiln, {SECRET}", "resolved": "The link is broken"}
    for status, note in notes.items():
        studio.put("communityReports", f"report-{status}", status=status, severity="low", note=note)
    assert studio.run().success
    suggestions = TriageSuggestions(studio.history._engine, studio.settings.studio_id)
    assert _materialize(studio, suggestions).success
    kept = {one.suggestion.report_id: one for one in suggestions.newest()}
    assert "report-resolved" not in kept
    assert (kept["report-open"].suggestion.category, kept["report-open"].suggestion.severity) == (
        "safety",
        "high",
    )
    assert _materialize(studio, suggestions).success
    assert {one.suggestion.report_id: one for one in suggestions.newest()} == kept
    assert SECRET not in repr(kept)
