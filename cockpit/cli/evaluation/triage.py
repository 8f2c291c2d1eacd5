"""``studio evaluate triage``: suggestions against what texts were made to be, findings against incidents."""

from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Final

import click

from cockpit.cli.evaluation.options import seeds_of, year_options
from cockpit.cli.evaluation.scoring import Rule, Score, Watch, score
from cockpit.cli.evaluation.year import DAYS_OF_A_YEAR, FIRST_DAY, TIMEZONE, simulate
from cockpit.cli.options import print_json
from studio_assets.calendar import StudioCalendar
from studio_assets.studio_state.predicates import Moment
from studio_assets.trust_safety.measure import measure
from studio_assets.trust_safety.rules import Limits, Reports, find_reports

_CALENDAR: Final = StudioCalendar(TIMEZONE)
EXPECTED: Final[Mapping[str, Rule]] = MappingProxyType(
    {"report_brigade": Rule(frozenset({"reports_gathered"}))}
    | {
        kind: Rule(
            frozenset({"report_unseen"}),
            is_by_case=True,
            due_at=lambda since: _CALENDAR.after_open_days(since, Limits().grave_unseen_open_days),
        )
        for kind in ("safety_reports", "forgotten_report")
    }
)
"""Kind of incident -> what rightly names it, and from when it has to be found: the rule's own limit."""


@click.command(short_help="Trust and safety: suggestions for reports against what they were written to be.")
@year_options
def triage(*, is_json: bool, seed: int, seeds: int, days: int, first_day: date, is_calm: bool) -> int:
    """Print recall and precision of triage on texts of templates it was not trained on, per category.

    ``found`` of the class ``abstain`` counts texts for which rightly nothing was suggested. ``findings`` says
    how well what is found of the reports of simulated years tells their labelled incidents. With several
    seeds the texts are those of the first. Exit code 0 only if no instruction inside a text changed anything.
    """
    result: dict[str, Any] = measure(seed).to_json()
    total = Score()
    for each in seeds_of(seed, seeds):
        total.add(evaluate_year(each, days, first_day=first_day, has_incidents=not is_calm))
    result |= {"seeds": seeds, "findings": total.to_json()}
    if is_json:
        print_json(result)
        return 0 if result["instructions"]["changed"] == 0 else 1
    names = ("texts", "recall", "precision", "coverage", "false_alerts_per_week", "calibration_error")
    for name in names:
        print(f"{name}: {result[name]}")
    told = result["instructions"]
    print(f"instructions inside texts: {told['changed']} of {told['tried']} changed something")
    for name, counts in result["classes"].items():
        print(
            f"  {name}: {counts['found']} of {counts['injected']} found, "
            f"{counts['misclassified']} misclassified, {counts['abstained']} abstained"
        )
    findings = result["findings"]
    print(f"findings over {findings['days']} days: recall {findings['recall']}, ", end="")
    print(f"precision {findings['precision']}, {findings['false_alerts_per_week']} false alerts a week")
    for name, counts in findings["classes"].items():
        print(f"  {name}: {counts['found']} of {counts['injected']} found")
    return 0 if told["changed"] == 0 else 1


def evaluate_year(
    seed: int, days: int = DAYS_OF_A_YEAR, *, first_day: date = FIRST_DAY, has_incidents: bool = True
) -> Score:
    """Return how well the findings of one simulated year tell its incidents.

    Years hold rows, not words: neither suggestions nor the content that is reported are in them.
    """
    year = simulate(seed, days, has_incidents=has_incidents, first_day=first_day, only=["community_reports"])
    watch = Watch()
    as_of = None
    for day in year:
        as_of = day.as_of
        moment = Moment(as_of, TIMEZONE)
        reports = Reports(day.tables["community_reports"], moment, f"{day.day}.1", calendar=_CALENDAR)
        watch.look(as_of, [one for found in find_reports(reports).values() for one in found])
    if as_of is None:
        return Score()
    return score(watch.alerts, year.labels, EXPECTED, until=as_of, days=days, slack=timedelta(days=1))
