"""``studio evaluate series FILE.csv``: the baselines over any numbers over time."""

import csv
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from cockpit.cli.options import JSON_OPTION, print_json
from cockpit.errors import CockpitError
from studio_assets.operations.baselines import Judged, Tuning, judge

STAMP_NAMES = ("timestamp", "time", "date", "datetime", "ds", "ts")
VALUE_NAMES = ("value", "y", "count", "amount", "observed")
MISSING = ("", "nan", "null", "none", "na", "n/a")
_MILLISECONDS_FROM = 1e11  # later than the year 5000 in seconds


@click.command(short_help="Judge any series: FILE.csv with columns timestamp, value.")
@JSON_OPTION
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--timezone", default="UTC", show_default=True, help="Whose days and weeks are the rhythm.")
@click.option("--enter", type=click.FloatRange(min=1), default=Tuning().enter, show_default=True)
@click.option("--least-change", type=click.FloatRange(min=0), default=0.0, show_default=True)
def series(*, is_json: bool, file: Path, timezone: str, enter: float, least_change: float) -> int:
    """Print what is out of line in FILE: events with scores, and the score of every value.

    FILE is a CSV with a header. Time stamps are ISO 8601 or seconds (or milliseconds) since 1970; empty
    values are gaps. A score is 0 while there is too little history to say anything.
    """
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise CockpitError(
            f"{timezone} is no time zone.", "Name one like America/Phoenix.", exit_code=2
        ) from error
    points, gaps = read_points(file)
    judged = judge(points, timezone=timezone, tuning=Tuning(enter=enter, least_change=least_change))
    result = to_json(judged) | {"points": len(judged.series), "gaps": gaps}
    if is_json:
        print_json(result)
        return 0
    silent = judged.has_verdict.count(False)
    print(f"{len(judged.series)} values, {gaps} gaps; nothing can be said of {silent} (too little history).")
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


def read_points(file: Path) -> tuple[list[tuple[datetime, float]], int]:
    """Return the points of a file, and how many rows have no value.

    Raises:
        CockpitError: in words, with the line, when the file is not what it has to be.
    """
    try:
        text = file.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise CockpitError(f"There is no file {file}.", "Name a CSV file.", exit_code=2) from error
    except (OSError, UnicodeDecodeError) as error:
        raise CockpitError(f"{file} cannot be read as text.", "Save it as UTF-8.", exit_code=2) from error
    lines = text.splitlines()
    if not any(line.strip() for line in lines):
        raise CockpitError(f"{file} is empty.", "It needs a header and rows.", exit_code=2)
    reader = csv.reader(lines, delimiter=_delimiter(lines[0]))
    stamp_place, value_place = _places(next(reader), file)
    points, gaps = [], 0
    for number, row in _rows(reader, file):
        if len(row) <= max(stamp_place, value_place):
            raise _bad(file, number, "it has fewer columns than the header")
        word = row[value_place].strip()
        stamp = _stamp(row[stamp_place].strip(), file, number)
        if word.lower() in MISSING:
            gaps += 1
            continue
        points.append((stamp, _number(word, file, number)))
    if not points:
        raise CockpitError(f"{file} has no values.", "It needs rows below the header.", exit_code=2)
    return points, gaps


def _rows(reader: Any, file: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise _bad(file, reader.line_num, "it is not CSV") from error


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _places(header: list[str], file: Path) -> tuple[int, int]:
    names = [cell.strip().lower() for cell in header]
    stamp = next((names.index(name) for name in STAMP_NAMES if name in names), None)
    value = next((names.index(name) for name in VALUE_NAMES if name in names), None)
    if stamp is None or value is None:
        raise CockpitError(
            f"{file} has no columns timestamp and value.", f"Its header is: {', '.join(header)}.", exit_code=2
        )
    return stamp, value


def _stamp(word: str, file: Path, number: int) -> datetime:
    try:
        seconds = float(word)
    except ValueError:
        try:
            return datetime.fromisoformat(word)
        except ValueError as error:
            raise _bad(file, number, f"{word[:40]!r} is no time stamp") from error
    try:
        return datetime.fromtimestamp(seconds / 1000 if abs(seconds) >= _MILLISECONDS_FROM else seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise _bad(file, number, f"{word[:40]!r} is no time stamp") from error


def _number(word: str, file: Path, number: int) -> float:
    try:
        value = float(word)
    except ValueError as error:
        raise _bad(file, number, f"{word[:40]!r} is no number") from error
    if not math.isfinite(value):
        raise _bad(file, number, f"{word[:40]!r} is no finite number")
    return value


def _bad(file: Path, number: int, what: str) -> CockpitError:
    return CockpitError(
        f"Line {number} of {file} cannot be used: {what}.", "Mend that line; nothing was judged.", exit_code=2
    )
