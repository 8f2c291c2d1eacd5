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
