"""The asset of suggestions: today only, beside a full snapshot only, and without a word of a report."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace

import dagster as dg
import pytest

from resources.errors import SourceUnreadableError
from resources.firestore.gateway import DocumentBatch
from resources.postgres.triage import Agreement, NewSuggestion, StoredSuggestion
from resources.settings import load_settings
from studio_assets.trust_safety.assets import RULES_IN_WORDS, broken_rules, build_trust_safety

NOON = datetime(2026, 3, 1, 19, tzinfo=UTC)
TODAY, YESTERDAY = "2026-03-01", "2026-02-28"
SECRET = "zebracanary"


@dataclass
class Kept:
    """Stands for the door to suggestions."""

    rows: list = field(default_factory=list)

    def keep(self, suggestions, *, at, run_id):
        new = [StoredSuggestion(one, 1, at, run_id) for one in suggestions]
        self.rows += new
        return new

    def newest(self):
        return self.rows

    def agreement(self):
        return [Agreement("safety", 3, 1)]


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


def _run(day, *, completeness="full", cloud=None):
    settings = load_settings({"STUDIO_HISTORY_START": "2026-02-01"})
    payload = {"diagnostics": {"completeness": completeness}}
    kept = Kept()
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [build_trust_safety(settings)],
            partition_key=day,
            instance=instance,
            raise_on_error=False,
            resources={
                "documents": cloud or Cloud(),
                "triage_suggestions": kept,
                "history": SimpleNamespace(current_snapshot=lambda _: SimpleNamespace(payload=payload)),
                "clock": SimpleNamespace(now=lambda: NOON),
            },
        )
        told = [str(event) for event in result.all_events]
    return result, kept, told


def test_open_reports_of_today_get_suggestions_and_no_word_of_them_leaves():
    """Suggestions are kept, counted and checked; the text is in no event and no row."""
    result, kept, told = _run(TODAY)
    assert result.success
    assert [one.suggestion.category for one in kept.rows] == ["safety", None]
    assert {one.check_name: one.passed for one in result.get_asset_check_evaluations()} == dict.fromkeys(
        RULES_IN_WORDS, True
    )
    (made,) = result.asset_materializations_for_node("suggest_triage")
    said = {name: value.value for name, value in made.metadata.items()}
    assert (said["looked_at"], said["abstained"], said["mismatch_rate"]) == (2, 1, 0.25)
    assert SECRET not in repr(kept.rows) + "".join(told)


def test_past_days_touch_nothing():
    """Yesterday is materialized without a look at the cloud."""
    result, kept, _ = _run(YESTERDAY, cloud=Cloud(is_down=True))
    assert result.success
    assert kept.rows == []


@pytest.mark.parametrize(("completeness", "is_down"), [("partial", False), ("full", True)])
def test_nothing_is_suggested_from_half_a_look(completeness, is_down):
    """A snapshot that is not full, or reports that cannot be read, stop it before anything is kept."""
    result, kept, _ = _run(TODAY, completeness=completeness, cloud=Cloud(is_down=is_down))
    assert not result.success
    assert kept.rows == []


def test_checks_notice_what_should_not_be():
    """An unknown word, and an abstention that suggests after all, are told by report."""
    rows = [
        StoredSuggestion(
            NewSuggestion(name, category, "high", code, 0.5, is_abstained, "x", "y"), 1, NOON, "r"
        )
        for name, category, code, is_abstained in (
            ("r1", "safety", "hazard_equipment", False),
            ("r2", "weather", "hazard_equipment", False),
            ("r3", "safety", "because", False),
            ("r4", "safety", "unsure", True),
        )
    ]
    assert broken_rules(rows) == {
        "suggestions_are_of_known_words": ["r2", "r3"],
        "abstentions_suggest_nothing": ["r4"],
    }
