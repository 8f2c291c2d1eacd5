"""``studio evaluate ops``: the rules and baselines of operations against labelled incidents.

The rules look at the end of every day, the baselines at the numbers of all days before, as the assets do.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Final

import click

from cockpit.cli.evaluation.options import seeds_of, year_options
from cockpit.cli.evaluation.scoring import Rule, Score, Watch, score
from cockpit.cli.evaluation.year import DAYS_OF_A_YEAR, FIRST_DAY, TIMEZONE, Day, simulate
from cockpit.cli.options import print_json
from resources.findings import Finding
from studio_assets.operations.anomalies import departures, find_anomalies, kind_of
from studio_assets.operations.calendar import StudioCalendar
from studio_assets.operations.case import Case, Limits
from studio_assets.operations.rules import find_all
from studio_assets.studio_state.predicates import Moment

_LIMITS: Final = Limits()


def _rule(*kinds: str, days: float = 0.0) -> Rule:
    return Rule(frozenset(kinds), timedelta(days=days))


EXPECTED: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "stalled_batches": _rule("stalled_batch", days=_LIMITS.shelved_open_days + 1),
        "overdue_pickups": _rule("overdue_pickup", "storage_fee_due"),
        "request_spike": _rule(kind_of("ops.agentRequestsPending")),
        "request_ageing": _rule("request_ageing", days=1),
        "reservation_surge": _rule("station_over_capacity", kind_of("counts.reservationsOpen")),
        "reservations_past_window": _rule("reservation_past_window", days=_LIMITS.past_window_open_days + 1),
        "kiln_idle": _rule("kiln_idle", days=2),
        "kiln_outage": _rule("kiln_out_of_service", "kiln_idle"),
        "firing_without_unload": _rule("firing_without_unload", days=_LIMITS.unload_open_days + 1),
        "unpaid_attendees": _rule("unpaid_signup"),
    }
)
"""Kind of incident -> what rightly names it, and after how long it has to be found: the rule's own limit."""


@click.command(short_help="Operations: rules and baselines against labelled incidents.")
@year_options
def ops(*, is_json: bool, seed: int, seeds: int, days: int, first_day: date, is_calm: bool) -> int:
    """Print recall, precision, false alerts a week and delay of operations over simulated years."""
    total, by_seed = Score(), []
    for each in seeds_of(seed, seeds):
        scored = evaluate_year(each, days, first_day=first_day, has_incidents=not is_calm)
        total.add(scored)
        by_seed.append({"seed": each, **_short(scored.to_json())})
    result = {"seed": seed, "seeds": seeds, **total.to_json(), "by_seed": by_seed}
    if is_json:
        print_json(result)
        return 0
    for name in ("seed", "seeds", "recall", "precision", "false_alerts_per_week", "alerts", "false_by_kind"):
        print(f"{name}: {result[name]}")
    for name, counts in result["classes"].items():
        print(f"  {name}: {counts['found']} of {counts['injected']} found, ", end="")
        print(f"{counts['misclassified']} under another name, delay {counts['delay_days_median']} days")
    return 0


def evaluate_year(
    seed: int, days: int = DAYS_OF_A_YEAR, *, first_day: date = FIRST_DAY, has_incidents: bool = True
) -> Score:
    """Return the score of one simulated year."""
    year = simulate(seed, days, has_incidents=has_incidents, first_day=first_day)
    calendar, seen = StudioCalendar(TIMEZONE), list[Day]()
    watch = Watch()
    history: dict[str, list[tuple[date, int]]] = {}
    found: list[tuple[Day, list[Finding]]] = []
    for day in year:
        for counter, value in day.counters.items():
            history.setdefault(counter, []).append((day.day, value))
        seen.append(day)
        found.append((day, rule_findings(day, calendar)))
    # A verdict about a day rests on the days before it alone, so that all may be judged in one pass.
    departed = departures(history, calendar)
    for day, by_rule in found:
        moment = Moment(day.as_of, TIMEZONE)
        watch.look(day.as_of, [*by_rule, *find_anomalies(departed, moment, day.tables, f"{day.day}.1")])
    return score(
        watch.alerts, year.labels, EXPECTED, until=seen[-1].as_of, days=days, slack=timedelta(days=1)
    )


def rule_findings(day: Day, calendar: StudioCalendar) -> list[Finding]:
    """Return what every rule finds at the end of a day."""
    case = Case(day.tables, Moment(day.as_of, TIMEZONE), f"{day.day}.1", _LIMITS, calendar)
    return [finding for findings in find_all(case).values() for finding in findings]


def _short(said: Mapping[str, Any], names: Sequence[str] = ("recall", "precision")) -> dict[str, Any]:
    return {name: said[name] for name in (*names, "false_alerts_per_week")}
