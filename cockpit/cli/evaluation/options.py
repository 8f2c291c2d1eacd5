"""Options that the evaluations over simulated years share, and the walk over several seeds."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, Final

import click

from cockpit.cli.evaluation.year import DAYS_OF_A_YEAR, FIRST_DAY
from cockpit.cli.options import JSON_OPTION

_YEARS: Final = range(1971, 2101)
_MOST_DAYS: Final = 36_525


def year_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--seed``, ``--seeds``, ``--days``, ``--first-day``, ``--calm`` and ``--json`` to a command.

    They arrive as ``seed`` and ``seeds`` (both ints), ``days``, ``first_day`` (a date), ``is_calm``,
    ``is_json``.
    """
    for option in reversed(
        (
            click.option("--seed", type=int, default=1, show_default=True, help="The world to simulate."),
            click.option(
                "--seeds",
                type=click.IntRange(min=1),
                default=1,
                show_default=True,
                help="How many worlds: this seed and those after it, counted together.",
            ),
            click.option(
                "--days",
                type=click.IntRange(min=1, max=_MOST_DAYS),
                default=DAYS_OF_A_YEAR,
                show_default=True,
                help="How long each.",
            ),
            click.option(
                "--first-day",
                type=click.DateTime(["%Y-%m-%d"]),
                default=FIRST_DAY.isoformat(),
                show_default=True,
                callback=_as_date,
                help="The first of the days.",
            ),
            click.option("--calm", "is_calm", is_flag=True, help="Worlds in which nothing goes wrong."),
            JSON_OPTION,
        )
    ):
        command = option(command)
    return command


def seeds_of(seed: int, seeds: int) -> Iterator[int]:
    """Yield the seeds that ``--seed`` and ``--seeds`` ask for."""
    yield from range(seed, seed + seeds)


def _as_date(ctx: click.Context, param: click.Parameter, value: Any) -> date:  # noqa: ARG001 - click's shape
    if value.year not in _YEARS:
        raise click.BadParameter(f"the year must be one of {_YEARS[0]} to {_YEARS[-1]}.")
    return value.date()  # type: ignore[no-any-return]  # click hands in a datetime
