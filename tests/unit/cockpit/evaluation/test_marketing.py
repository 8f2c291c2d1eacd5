"""``studio evaluate marketing`` tells true drafts from untrue ones, and what the fact check lets pass."""

import json
from dataclasses import replace

from cockpit.cli.evaluation import marketing as evaluation
from cockpit.cli.main import main

DAYS = 12


def test_every_draft_is_true_and_every_planted_error_is_refused(capsys):
    assert main(["evaluate", "marketing", "--seed", "3", "--days", str(DAYS), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["drafts"] > 10
    assert said["claims"] > 100
    assert (said["precision"], said["recall"], said["false_alerts_per_week"]) == (1, 1, 0)
    assert {"number", "weekday", "month", "time", "price", "fact_moved"} <= set(said["classes"])
    assert said["sentences"] == said["sentences_traced"] > 50
    assert said["unfit_snapshots"] == DAYS
    wrong = ("drafts_of_unfit_snapshots", "drafts_with_personal_data", "drafts_too_alike")
    assert [said[name] for name in wrong] == [0, 0, 0]
    assert set(said["occasions"]["classes"]) == {"undersold_event", "kiln_outage"}


def test_a_writer_that_lies_is_found_out_by_the_world(monkeypatch):
    """The judge does not trust facts: here they are wrong, and text and facts agree with each other."""

    def lying(tables, basis):
        later = {name: value + 1 for name, value in basis.counters.items()}
        return honest(tables, replace(basis, counters=later))

    honest = evaluation.fact_sheet
    monkeypatch.setattr(evaluation, "fact_sheet", lying)
    scored = evaluation.evaluate_year(3, DAYS)
    assert scored.true_drafts < scored.drafts
    assert scored.untrue


def test_a_blind_fact_check_is_told(monkeypatch):
    monkeypatch.setattr(evaluation, "is_fit", lambda checked: True)
    scored = evaluation.evaluate_year(3, DAYS)
    assert scored.caught.total() < scored.planted.total()


def test_what_marketing_must_not_do_is_told(monkeypatch):
    """Drafts of unfit snapshots, texts that repeat, and words that stand for members."""
    fit = evaluation.basis_of_day
    monkeypatch.setattr(evaluation, "basis_of_day", lambda day, **changes: fit(day))
    monkeypatch.setattr(evaluation, "closest", lambda text, others: 1.0)
    monkeypatch.setattr(evaluation, "MARK", "the")
    scored = evaluation.evaluate_year(3, DAYS)
    assert scored.of_unfit > 0
    assert scored.alike == scored.drafts
    assert scored.personal > 0
    assert not scored.is_good
