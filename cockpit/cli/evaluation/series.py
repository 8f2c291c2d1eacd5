"""``studio evaluate series FILE.csv``: the baselines over any numbers over time."""

from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from cockpit.cli.evaluation.points import read_points
from cockpit.cli.options import JSON_OPTION, print_json
from cockpit.errors import CockpitError
from studio_assets.operations.baselines import Judged, Tuning, judge

_A_GAP: Final = 1.9  # usual steps


@click.command(short_help="Judge any series: FILE.csv with columns timestamp, value.")
@JSON_OPTION
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--timezone", default="UTC", show_default=True, help="Whose days and weeks are the rhythm.")
@click.option("--enter", type=click.FloatRange(min=1), default=Tuning().enter, show_default=True)
@click.option("--least-change", type=click.FloatRange(min=0), default=0.0, show_default=True)
@click.option("--timestamp-column", default=None, help="Where it is not called timestamp, time or date.")
@click.option("--value-column", default=None, help="Where it is not called value, count or y.")
def series(
    *,
    is_json: bool,
    file: Path,
    timezone: str,
    enter: float,
    least_change: float,
    timestamp_column: str | None,
    value_column: str | None,
) -> int:
    """Print what is out of line in FILE: events with scores, and the score of every value.

    FILE is a CSV with a header, or two bare columns. Time stamps are ISO 8601, a common form of date, or
    seconds (or finer) since 1970; empty values are gaps. A score is 0 while there is too little history to
    say anything.
    """
    if not (isfinite(enter) and isfinite(least_change)):
        raise CockpitError(
            "A limit must be a finite number.", "Leave --enter as it is, or name one.", exit_code=2
        )
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise CockpitError(
            f"{timezone} is no time zone.", "Name one like America/Phoenix.", exit_code=2
        ) from error
    points, gaps = read_points(file, timestamp_column, value_column)
    judged = judge(points, timezone=timezone, tuning=Tuning(enter=enter, least_change=least_change))
    missing = missing_of(judged)
    result = to_json(judged) | {
        "points": len(judged.series),
        "gaps": gaps,
        "merged": len(points) - len(judged.series),
        "missing": missing,
    }
    if is_json:
        print_json(result)
        return 0
    silent = judged.has_verdict.count(False)
    print(f"{len(judged.series)} values, {gaps} gaps; nothing can be said of {silent} (too little history).")
    for stretch in missing:
        print(f"{stretch['after']} to {stretch['before']}: about {stretch['values']} values are missing")
    for event in result["events"]:
        print(
            f"{event['start']} to {event['end']}: {event['observed']:g} where {event['expected']:g} was "
            f"expected, score {event['score']}"
        )
    if not result["events"]:
        print("Nothing is out of line.")
    return 0


def to_json(judged: Judged) -> dict[str, Any]:
    """Return events and scores as the command prints them."""
    return {
        "events": [
            {
                "start": event.start.isoformat(),
                "end": event.end.isoformat(),
                "score": round(event.score, 3),
                "expected": round(event.expected, 6),
                "observed": round(event.observed, 6),
                "isOpen": event.is_open,
            }
            for event in judged.events
        ],
        "scores": [
            {"timestamp": stamp.isoformat(), "score": round(float(score), 4), "abstained": not has_verdict}
            for stamp, score, has_verdict in zip(
                judged.series.stamps, judged.scores, judged.has_verdict, strict=True
            )
        ],
    }


def missing_of(judged: Judged) -> list[dict[str, Any]]:
    """Return the stretches in which values should have come at the series' usual step, and none did."""
    step, stamps = judged.series.step, judged.series.stamps
    found = []
    for before, after in pairwise(stamps):
        steps = (after - before).total_seconds() / step
        if steps > _A_GAP:
            stretch = {"after": before.isoformat(), "before": after.isoformat(), "values": round(steps) - 1}
            found.append(stretch)
    return found
