"""``studio evaluate finance``: the reconciliation against labelled errors of money, to the cent.

Every day of a simulated year is reconciled at its end by the code of the asset. ``conservation_error_cents``
is the worst of all days: by how much the explanations missed the whole difference. ``rows`` are those of the
years' last looks, ``rows_looked_at`` those of all looks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

import click

from cockpit.cli.evaluation.options import seeds_of, year_options
from cockpit.cli.evaluation.scoring import Rule, Score, Watch, score
from cockpit.cli.evaluation.side_by_side import reconcile_all
from cockpit.cli.evaluation.year import DAYS_OF_A_YEAR, FIRST_DAY, TIMEZONE, simulate
from cockpit.cli.options import print_json
from resources.findings import Finding
from studio_assets.finance.classes import Kind
from studio_assets.finance.flags import flags
from studio_assets.finance.reconcile import Discrepancy
from studio_assets.finance.tables import SOURCES

_LOOKS_AT_ONCE: Final = 63


def _rule(*kinds: Kind, days: float = 0.0) -> Rule:
    return Rule(frozenset(kinds), timedelta(days=days), is_by_case=True)


EXPECTED: Final[Mapping[str, Rule]] = MappingProxyType(
    {kind.value: _rule(kind) for kind in Kind if kind not in {Kind.REFUND_UNRECORDED, Kind.LEDGER_MISMATCH}}
    | {"dispute": _rule(Kind.DISPUTE_OPEN, Kind.DISPUTE_LOST, Kind.DISPUTE_WON)}
)
"""Kind of incident -> what rightly names it. Each case counts: every order, charge and payout of it."""


@dataclass(frozen=True, slots=True)
class YearOfMoney:
    """What one simulated year showed.

    Attributes:
        error_cents: The worst conservation error of all days.
        rows: Of the last day's tables.
        rows_looked_at: Of all days' tables.
    """

    score: Score
    error_cents: int
    rows: int
    rows_looked_at: int


@click.command(short_help="Finance: reconciliation against labelled errors of money.")
@year_options
def finance(*, is_json: bool, seed: int, seeds: int, days: int, first_day: date, is_calm: bool) -> int:
    """Print recall, precision, classes and conservation; exits 1 when cents are lost."""
    total, by_seed, error, rows, looked_at = Score(), [], 0, 0, 0
    for each in seeds_of(seed, seeds):
        year = evaluate_year(each, days, first_day=first_day, has_incidents=not is_calm)
        total.add(year.score)
        error, rows, looked_at = (
            max(error, year.error_cents),
            rows + year.rows,
            looked_at + year.rows_looked_at,
        )
        said = year.score.to_json()
        short = {name: said[name] for name in ("recall", "precision", "false_alerts_per_week", "alerts")}
        short |= {"classified_right": _classified_right(said), "rows": year.rows}
        by_seed.append({"seed": each, **short, "conservation_error_cents": year.error_cents})
    told = total.to_json()
    result: dict[str, Any] = {"seed": seed, "seeds": seeds, **_without_idle_classes(told)}
    result |= {"classified_right": _classified_right(told), "conservation_error_cents": error}
    result |= {"rows": rows, "rows_looked_at": looked_at, "by_seed": by_seed}
    if is_json:
        print_json(result)
    else:
        for name in ("seed", "seeds", "recall", "classified_right", "precision", "alerts", "false_by_kind"):
            print(f"{name}: {result[name]}")
        print(f"rows: {rows}\nconservation_error_cents: {error}")
        for name, counts in result["classes"].items():
            print(f"  {name}: {counts['found']} of {counts['injected']} found, ", end="")
            print(f"{counts['misclassified']} under another name, delay {counts['delay_days_median']} days")
    return 1 if error else 0


def evaluate_year(
    seed: int, days: int = DAYS_OF_A_YEAR, *, first_day: date = FIRST_DAY, has_incidents: bool = True
) -> YearOfMoney:
    """Return how the reconciliation did on one simulated year."""
    year = simulate(seed, days, has_incidents=has_incidents, first_day=first_day, only=SOURCES)
    watch, error, rows, looked_at = Watch(), 0, 0, 0
    first_look = until = None
    # Most discrepancies are there again the next day.
    flagged = cache(_flagged)
    while looks := [(day.tables, day.as_of) for day in islice(year, _LOOKS_AT_ONCE)]:
        for (tables, until), found in zip(looks, reconcile_all(looks, timezone=TIMEZONE), strict=True):
            first_look = first_look or until
            error = max(error, found.conservation.error_cents)
            watch.look(until, [flagged(one) for one in found.discrepancies])
            rows = sum(table.num_rows for table in tables.values())
            looked_at += rows
    if until is None:
        return YearOfMoney(Score(), 0, 0, 0)
    scored = score(watch.alerts, year.labels, EXPECTED, until=until, days=days, first_look=first_look)
    return YearOfMoney(scored, error, rows, looked_at)


def _flagged(one: Discrepancy) -> Finding:
    (finding,) = flags([one], {})
    return finding


def _classified_right(said: Mapping[str, Any]) -> float | None:
    """Return the share of errors found that were also called by their name; null when none were found."""
    found = sum(each["found"] for each in said["classes"].values())
    wrong = sum(each["misclassified"] for each in said["classes"].values())
    return round(1 - wrong / found, 6) if found else None


def _without_idle_classes(said: dict[str, Any]) -> dict[str, Any]:
    """Leave out classes of which the worlds had none: nothing was measured of them."""
    return said | {"classes": {name: each for name, each in said["classes"].items() if each["injected"]}}
