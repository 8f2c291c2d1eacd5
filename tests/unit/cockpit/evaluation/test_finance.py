"""``studio evaluate finance`` finds what was injected, is quiet in a calm studio, and adds up."""

from cockpit.cli.evaluation.finance import EXPECTED, evaluate_year
from studio_assets.finance.classes import Kind
from twins.world.incident_kinds import FINANCE, KIND_BY_NAME


def test_every_kind_of_money_trouble_of_the_world_is_expected():
    named = {name for name, kind in KIND_BY_NAME.items() if kind.department == FINANCE}
    assert named <= set(EXPECTED)
    assert {kind for rule in EXPECTED.values() for kind in rule.kinds} <= {kind.value for kind in Kind}


def test_a_calm_month_has_no_flag_and_no_lost_cent():
    year = evaluate_year(3, 30, has_incidents=False)
    assert (year.score.right, year.score.excused, year.score.false_kinds.total()) == (0, 0, 0)
    assert year.error_cents == 0
    assert 100 < year.rows < year.rows_looked_at


def test_two_months_with_incidents_are_told_by_name():
    year = evaluate_year(11, 60)
    said = year.score.to_json()
    assert year.error_cents == 0
    assert said["recall"] == 1
    assert sum(each["misclassified"] for each in said["classes"].values()) == 0
