"""``studio evaluate ops``: the rules and baselines of operations against labelled incidents.

The rules look at the end of every day, the baselines at the numbers of all days before, as the assets do, and
the device detectors at the pretend devices every few hours. What all say together counts; devices are told on
their own as well, because their troubles are many and easy.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from statistics import median
from types import MappingProxyType
from typing import Any, Final

import click

from cockpit.cli.evaluation.devices import evaluate_devices
from cockpit.cli.evaluation.options import seeds_of, year_options
from cockpit.cli.evaluation.scoring import Rule, Score, Watch, score
from cockpit.cli.evaluation.year import DAYS_OF_A_YEAR, FIRST_DAY, TIMEZONE, Day, simulate
from cockpit.cli.options import print_json
from resources.clock import day_end
from resources.findings import Finding
from studio_assets.calendar import StudioCalendar
from studio_assets.operations.anomalies import LEAST_DAYS, WATCHED, departures, find_anomalies, kind_of
from studio_assets.operations.case import Case, Limits
from studio_assets.operations.rules import COLUMNS, find_all
from studio_assets.studio_state.counters import COUNTERS
from studio_assets.studio_state.predicates import Moment

_LIMITS: Final = Limits()


_CALENDAR: Final = StudioCalendar(TIMEZONE)


def _rule(*kinds: str, days: float = 0.0, due_at: Callable[[datetime], datetime] | None = None) -> Rule:
    return Rule(frozenset(kinds), timedelta(days=days), due_at=due_at)


def _open_days(days: int, *, back: int = 0) -> Callable[[datetime], datetime]:
    """Return when so many open days are over since some days before an incident's label begins."""
    return lambda started_at: _CALENDAR.after_open_days(started_at - timedelta(days=back), days)


def _past_window(started_at: datetime) -> datetime:
    lost = _CALENDAR.closed_days(started_at, _LIMITS.window_days)
    return _CALENDAR.after_open_days(started_at, _LIMITS.past_window_open_days + lost)


_NEVER: Final = datetime(9000, 1, 1, tzinfo=UTC)
_AT_ONCE: Final = -1.0
"""Due at the first look: what came within hours shows in full, though its label ends before a second one."""

EXPECTED: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "stalled_batches": _rule("stalled_batch", due_at=_open_days(_LIMITS.shelved_open_days + 1)),
        "overdue_pickups": _rule(
            *("overdue_pickup", "storage_fee_due"),
            due_at=_open_days(_LIMITS.pickup_open_days + 1, back=_LIMITS.pickup_days),
        ),
        "storage_fees_near": _rule("storage_fee_due"),
        "request_spike": _rule(kind_of("ops.agentRequestsPending"), days=_AT_ONCE),
        "request_ageing": _rule(
            "request_ageing", due_at=_open_days(_LIMITS.new_request_days, back=_LIMITS.new_request_days)
        ),
        "reservation_surge": _rule(
            *("station_over_capacity", kind_of("counts.reservationsOpen")), days=_AT_ONCE
        ),
        "reservations_past_window": _rule("reservation_past_window", due_at=_past_window),
        "kiln_idle": _rule("kiln_idle", days=2),
        "kiln_outage": _rule("kiln_out_of_service", "kiln_idle"),
        "firing_without_unload": _rule("firing_without_unload", due_at=_open_days(_LIMITS.unload_open_days)),
        "unpaid_attendees": _rule("unpaid_signup"),
    }
)
"""Kind of incident -> what rightly names it, and after how long it has to be found: the rule's own limit."""

SOURCES: Final = frozenset(COLUMNS).union(
    *(counter.sources for counter in COUNTERS if counter.path in WATCHED)
)
"""Contracts that rules and watched numbers rest on; no other table need be built."""


@dataclass(slots=True)
class Parts:
    """The score of operations, by what looked: rules and baselines at the work, detectors at the devices."""

    work: Score = field(default_factory=Score)
    devices: Score = field(default_factory=Score)

    def add(self, other: "Parts") -> None:
        """Add another year."""
        self.work.add(other.work)
        self.devices.add(other.devices)

    def to_json(self) -> dict[str, Any]:
        """Return both together, and the figures of each."""
        whole = Score()
        whole.add(self.work)
        whole.add(
            Score(0, self.devices.right, self.devices.excused, self.devices.false_kinds, self.devices.classes)
        )
        said = {"work": self.work.to_json(), "devices": self.devices.to_json()}
        return whole.to_json() | {
            "parts": {name: {key: one[key] for key in FIGURES} for name, one in said.items()}
        }


FIGURES: Final = ("recall", "precision", "false_alerts_per_week")


@click.command(short_help="Operations: rules, baselines and device detectors against labelled incidents.")
@year_options
def ops(*, is_json: bool, seed: int, seeds: int, days: int, first_day: date, is_calm: bool) -> int:
    """Print recall, precision, false alerts a week and delay of operations over simulated years."""
    total, by_seed = Parts(), []
    for each in seeds_of(seed, seeds):
        scored = evaluate_seed(each, days, first_day=first_day, has_incidents=not is_calm)
        total.add(scored)
        said = scored.to_json()
        by_seed.append({"seed": each, **{name: said[name] for name in (*FIGURES, "parts")}})
    result = {"seed": seed, "seeds": seeds, **total.to_json(), "spread": spread(by_seed), "by_seed": by_seed}
    if is_json:
        print_json(result)
        return 0
    for name in ("seed", "seeds", *FIGURES, "alerts", "false_by_kind"):
        print(f"{name}: {result[name]}")
    for part, figures in result["spread"].items():
        for name, numbers in figures.items():
            print(
                f"  {part} {name} by seed: {numbers['min']} to {numbers['max']}, median {numbers['median']}"
            )
    for name, counts in result["classes"].items():
        print(f"  {name}: {counts['found']} of {counts['injected']} found, ", end="")
        print(f"{counts['misclassified']} under another name, delay {counts['delay_days_median']} days")
    return 0


def evaluate_seed(
    seed: int, days: int = DAYS_OF_A_YEAR, *, first_day: date = FIRST_DAY, has_incidents: bool = True
) -> Parts:
    """Return the score of one simulated year, of the work and of the devices."""
    return Parts(
        evaluate_year(seed, days, first_day=first_day, has_incidents=has_incidents),
        evaluate_devices(seed, days, first_day=first_day, has_incidents=has_incidents),
    )


def spread(by_seed: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return part -> figure -> lowest, middle and highest of the seeds; figures of nothing are left out."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for part in by_seed[0]["parts"] if by_seed else ():
        for name in FIGURES:
            numbers = [one["parts"][part][name] for one in by_seed if one["parts"][part][name] is not None]
            if numbers:
                found.setdefault(part, {})[name] = {
                    "min": min(numbers),
                    "median": round(median(numbers), 6),
                    "max": max(numbers),
                }
    return found


def evaluate_year(
    seed: int, days: int = DAYS_OF_A_YEAR, *, first_day: date = FIRST_DAY, has_incidents: bool = True
) -> Score:
    """Return the score of one simulated year's work: rules and baselines."""
    year = simulate(seed, days, has_incidents=has_incidents, first_day=first_day, only=SOURCES)
    watch, until = Watch(), day_end(first_day, TIMEZONE)
    history: dict[str, list[tuple[date, int]]] = {}
    found: list[tuple[Day, list[Finding]]] = []
    for day in year:
        for counter, value in day.counters.items():
            history.setdefault(counter, []).append((day.day, value))
        until = day.as_of
        found.append((day, rule_findings(day, _CALENDAR)))
    # A verdict about a day rests on the days before it alone, so that all may be judged in one pass.
    departed = departures(history, _CALENDAR)
    for day, by_rule in found:
        moment = Moment(day.as_of, TIMEZONE)
        watch.look(day.as_of, [*by_rule, *find_anomalies(departed, moment, day.tables, f"{day.day}.1")])
    rules = dict(EXPECTED) | {"request_spike": _once_there_is_history(EXPECTED["request_spike"], first_day)}
    return score(watch.alerts, year.labels, rules, until=until, days=days, slack=timedelta(days=1))


def _once_there_is_history(rule: Rule, first_day: date) -> Rule:
    """Return a rule for what a baseline alone can find: not due while it has too little history to speak."""
    judged_from = day_end(first_day + timedelta(days=LEAST_DAYS), TIMEZONE)
    return replace(rule, due_at=lambda at: at - timedelta(days=1) if at >= judged_from else _NEVER)


def rule_findings(day: Day, calendar: StudioCalendar) -> list[Finding]:
    """Return what every rule finds at the end of a day."""
    case = Case(day.tables, Moment(day.as_of, TIMEZONE), f"{day.day}.1", _LIMITS, calendar)
    return [finding for findings in find_all(case).values() for finding in findings]
