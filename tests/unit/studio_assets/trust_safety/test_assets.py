"""The assets of reports: today only, nothing from half a look, and without a word of a report."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace

import dagster as dg

from resources.errors import SourceUnreadableError
from resources.findings import Applied
from resources.firestore.gateway import DocumentBatch
from resources.postgres.triage import Agreement, StoredSuggestion
from resources.settings import load_settings
from studio_assets.studio_state.predicates import Moment
from studio_assets.trust_safety import assets
from studio_assets.trust_safety.rules import DETECTORS, Reports
from tests.dagster_memory import memory_instance
from tests.unit.studio_assets.trust_safety.report_rows import NOON, reports_table

TODAY, YESTERDAY = "2026-03-02", "2026-03-01"
SECRET = "zebracanary"


@dataclass
class Kept:
    """Stands for the doors to suggestions and findings."""

    rows: list = field(default_factory=list)
    applied: list = field(default_factory=list)

    def keep(self, suggestions, *, at, run_id):
        new = [StoredSuggestion(one, 1, at, run_id) for one in suggestions]
        self.rows += new
        return new

    def newest(self):
        return self.rows

    def decisions(self):
        return []

    def agreement(self):
        return [Agreement("safety", 3, 1)]

    def apply(self, department, detector, found, **about):
        self.applied.append((department, detector, len(found), about["at"]))
        return Applied(opened=len(found))

    def open(self, department):
        return []


@dataclass
class Cloud:
    """Two open reports, or a source that does not answer."""

    is_down: bool = False

    def read_time(self):
        return NOON

    def scan(self, query, *, read_time, stats):
        if self.is_down:
            raise SourceUnreadableError("The cloud is away.", reason="unavailable", is_transient=False)
        notes = [f"A gas leak next to the kiln, {SECRET}", "???"]
        yield DocumentBatch(["r1", "r2"], [{"note": note} for note in notes])


def _run(monkeypatch, day, *, cloud=None):
    settings, kept = load_settings({"STUDIO_HISTORY_START": "2026-02-01"}), Kept()
    table = reports_table({"document_id": "r1"}, {"document_id": "r2"})
    today = Reports(table, Moment(NOON, settings.timezone), "2026-03-02.1")
    monkeypatch.setattr(assets, "todays_reports", lambda *_: today)
    with memory_instance() as instance:
        result = dg.materialize(
            [assets.build_trust_safety(settings)],
            partition_key=day,
            instance=instance,
            raise_on_error=False,
            resources={
                "documents": cloud or Cloud(),
                "triage_suggestions": kept,
                "findings": kept,
                "history": SimpleNamespace(),
                "raw": SimpleNamespace(),
                "clock": SimpleNamespace(now=lambda: datetime(2026, 3, 2, 19, tzinfo=UTC)),
            },
        )
        told = [str(event) for event in result.all_events]
    return result, kept, told


def test_open_reports_of_today_get_suggestions_and_no_word_of_them_leaves(monkeypatch):
    """Suggestions are kept and counted; every detector is heard; the text is in no event and no row."""
    result, kept, told = _run(monkeypatch, TODAY)
    assert result.success
    assert [one.suggestion.category for one in kept.rows] == ["safety", None]
    assert kept.applied == [
        ("trust_safety", name, int(name == "severity_disagreement"), NOON) for name in DETECTORS
    ]
    made = result.asset_materializations_for_node("look_at_reports")[0]
    said = {name: value.value for name, value in made.metadata.items()}
    assert (said["looked_at"], said["abstained"], said["mismatch_rate"]) == (2, 1, 0.25)
    assert SECRET not in repr(kept.rows) + "".join(told)


def test_past_days_touch_nothing(monkeypatch):
    """Yesterday is materialized without a look at the cloud."""
    result, kept, _ = _run(monkeypatch, YESTERDAY, cloud=Cloud(is_down=True))
    assert result.success
    assert (kept.rows, kept.applied) == ([], [])


def test_reports_that_cannot_be_read_whole_leave_everything_as_it_was(monkeypatch):
    """Neither a suggestion nor a finding comes or goes, and nobody tries again what cannot work."""
    result, kept, _ = _run(monkeypatch, TODAY, cloud=Cloud(is_down=True))
    assert not result.success
    assert (kept.rows, kept.applied) == ([], [])
