"""``studio evaluate finance``: the reconciliation against labelled errors of money, to the cent.

Every day of a simulated year is reconciled at its end by the code of the asset. ``conservation_error_cents``
is the worst of all days: by how much the explanations missed the whole difference.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Final

import click

from cockpit.cli.evaluation.options import seeds_of, year_options
from cockpit.cli.evaluation.scoring import Rule, Score, Watch, score
from cockpit.cli.evaluation.year import DAYS_OF_A_YEAR, FIRST_DAY, TIMEZONE, simulate
from cockpit.cli.options import print_json
from studio_assets.finance.classes import Kind
from studio_assets.finance.flags import flags
from studio_assets.finance.reconcile import reconcile
from studio_assets.finance.tables import SOURCES


def _rule(*kinds: Kind, days: float = 0.0) -> Rule:
    return Rule(frozenset(kinds), timedelta(days=days), is_by_case=True)


EXPECTED: Final[Mapping[str, Rule]] = MappingProxyType(
    {kind.value: _rule(kind) for kind in Kind if kind not in {Kind.REFUND_UNRECORDED, Kind.LEDGER_MISMATCH}}
    | {"dispute": _rule(Kind.DISPUTE_OPEN, Kind.DISPUTE_LOST, Kind.DISPUTE_WON)}
)
"""Kind of incident -> what rightly names it. Each case counts: every order, charge and payout of it."""


@click.command(short_help="Finance: reconciliation against labelled errors of money.")
@year_options
def finance(*, is_json: bool, seed: int, seeds: int, days: int, first_day: date, is_calm: bool) -> int:
    """Print recall, precision, classes and conservation; exits 1 when cents are lost."""
    total, by_seed, error, rows = Score(), [], 0, 0
    for each in seeds_of(seed, seeds):
        scored, missed, counted = evaluate_year(each, days, first_day=first_day, has_incidents=not is_calm)
        total.add(scored)
        error, rows = max(error, missed), rows + counted
        said = scored.to_json()
        short = {name: said[name] for name in ("recall", "precision", "false_alerts_per_week", "alerts")}
        by_seed.append({"seed": each, **short, "conservation_error_cents": missed})
    result: dict[str, Any] = {"seed": seed, "seeds": seeds, **_without_idle_classes(total.to_json())}
    result |= {"conservation_error_cents": error, "rows": rows, "by_seed": by_seed}
    if is_json:
        print_json(result)
    else:
        for name in ("seed", "seeds", "recall", "precision", "false_alerts_per_week", "alerts"):
            print(f"{name}: {result[name]}")
        print(f"false_by_kind: {result['false_by_kind']}\nconservation_error_cents: {error}")
        for name, counts in result["classes"].items():
            print(f"  {name}: {counts['found']} of {counts['injected']} found, ", end="")
            print(f"{counts['misclassified']} under another name, delay {counts['delay_days_median']} days")
    return 1 if error else 0


def evaluate_year(
    seed: int, days: int = DAYS_OF_A_YEAR, *, first_day: date = FIRST_DAY, has_incidents: bool = True
) -> tuple[Score, int, int]:
    """Return the score of a year, its worst conservation error in cents, and its rows at the end."""
    year = simulate(seed, days, has_incidents=has_incidents, first_day=first_day, only=SOURCES)
    watch, error, rows, until = Watch(), 0, 0, None
    for day in year:
        found = reconcile(day.tables, as_of=day.as_of, timezone=TIMEZONE, threads=1)
        error = max(error, found.conservation.error_cents)
        watch.look(day.as_of, flags(found.discrepancies, {}))
        rows, until = sum(table.num_rows for table in day.tables.values()), day.as_of
    if until is None:
        return Score(), 0, 0
    return score(watch.alerts, year.labels, EXPECTED, until=until, days=days), error, rows


def _without_idle_classes(said: dict[str, Any]) -> dict[str, Any]:
    """Leave out classes of which the worlds had none: nothing was measured of them."""
    return said | {"classes": {name: each for name, each in said["classes"].items() if each["injected"]}}
