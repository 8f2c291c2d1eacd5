"""Reading a file of numbers over time: any common form of it, and plain words for what cannot be read.

Nothing is guessed: a column is taken where its name says so or where there is no other, and 3/4/2025 only
where other days of the file tell which is the month.
"""

import csv
import math
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cockpit.errors import CockpitError

STAMP_NAMES: Final = ("timestamp", "time", "date", "datetime", "ds", "ts", "day", "month")
VALUE_NAMES: Final = ("value", "y", "count", "amount", "observed")
MISSING: Final = ("", "nan", "null", "none", "na", "n/a", "-")
LARGEST: Final = 1e150
_DELIMITERS: Final = ",;\t|"
_EPOCH_UNITS: Final = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (math.inf, 1e9))
"""Numbers up to the first are seconds, then milliseconds, microseconds and nanoseconds (years 1970-5000)."""

_YEARS: Final = range(2, 9999)
_YEAR_FIRST: Final = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})(.*)")
_DOTTED: Final = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(.*)")
_SLASHED: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(.*)")
_SHORT_TIME: Final = re.compile(r"(.*\d)[ T](\d):(.*)")
_DECIMAL_COMMA: Final = re.compile(r"[-+]?\d+,\d+")


def read_points(
    file: Path, stamp_column: str | None = None, value_column: str | None = None
) -> tuple[list[tuple[datetime, float]], int]:
    """Return the points of a file in its order, and how many rows have no value.

    Args:
        file: CSV, separated by comma, semicolon, tab or bar; with a header, unless it is two bare columns.
        stamp_column: Name of the column of time stamps; told from its name when null.
        value_column: Name of the column of values; likewise.

    Raises:
        CockpitError: in words, with the line, when the file is not what it has to be.
    """
    lines = _lines(file)
    delimiter = max(_DELIMITERS, key=lines[0].count)
    rows = list(_rows(csv.reader(lines, delimiter=delimiter), file))
    if not rows:
        raise _empty(file)
    number, header = rows[0]
    if len(header) == 2 and not (stamp_column or value_column) and _is_data(header, delimiter):
        stamp_place, value_place = 0, 1
    else:
        stamp_place, value_place = _places(header, file, stamp_column, value_column)
        rows = rows[1:]
    for number, row in rows:
        if len(row) <= max(stamp_place, value_place):
            raise _bad(file, number, "it has fewer columns than the header")
        if any(cell.strip() for cell in row[len(header) :]):
            raise _bad(file, number, "it has more columns than the header")
    stamp_of = _stamps(file, [(number, row[stamp_place].strip()) for number, row in rows])
    points, gaps = [], 0
    for number, row in rows:
        stamp, word = stamp_of(number, row[stamp_place].strip()), row[value_place].strip()
        if word.lower() in MISSING:
            gaps += 1
        else:
            points.append((stamp, _number(word, file, number, delimiter)))
    if not points:
        raise CockpitError(f"{file} has no values.", "It needs rows below the header.", exit_code=2)
    return points, gaps


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise CockpitError(f"There is no file {file}.", "Name a CSV file.", exit_code=2) from error
    except (OSError, UnicodeDecodeError) as error:
        raise CockpitError(f"{file} cannot be read as text.", "Save it as UTF-8.", exit_code=2) from error
    lines = text.splitlines()
    while lines and not lines[0].strip():
        lines.pop(0)
    if not lines:
        raise _empty(file)
    return lines


def _rows(reader: Iterator[list[str]], file: Path) -> Iterator[tuple[int, list[str]]]:
    number = 0
    try:
        for row in reader:
            number = reader.line_num  # type: ignore[attr-defined]  # a csv reader's, which has no public type
            if any(cell.strip() for cell in row):
                yield number, row
    except csv.Error as error:
        raise _bad(file, number + 1, "it is not CSV") from error


def _is_data(row: list[str], delimiter: str) -> bool:
    """Return whether a first row of two cells is a point already, and not a header."""
    stamp, value = (cell.strip() for cell in row)
    try:
        float(_plain(value, delimiter))
    except ValueError:
        return False
    return _parsed(stamp, is_day_first=False) is not None or _parsed(stamp, is_day_first=True) is not None


def _places(
    header: list[str], file: Path, stamp_column: str | None, value_column: str | None
) -> tuple[int, int]:
    names = [cell.strip().lower() for cell in header]

    def place_of(wanted: str | None, usual: tuple[str, ...]) -> int | None:
        known = (wanted.strip().lower(),) if wanted else usual
        return next((names.index(name) for name in known if name in names), None)

    stamp, value = place_of(stamp_column, STAMP_NAMES), place_of(value_column, VALUE_NAMES)
    if len(names) == 2:
        # The other one of two: with one known, or the first of them being the time.
        if stamp is None and value is not None and not stamp_column:
            stamp = 1 - value
        elif value is None and stamp is not None and not value_column:
            value = 1 - stamp
    if stamp is None or value is None or stamp == value:
        raise CockpitError(
            f"{file} has no columns timestamp and value.",
            f"Its header is: {', '.join(header)[:200]}. Name them by --timestamp-column and --value-column.",
            exit_code=2,
        )
    return stamp, value


def _stamps(file: Path, words: Iterable[tuple[int, str]]) -> Callable[[int, str], datetime]:
    """Return what reads the file's time stamps, once it is known which way its dates with strokes are."""
    slashed = [(number, found) for number, word in words if (found := _SLASHED.fullmatch(word))]
    firsts = max((int(found[1]) for _, found in slashed), default=0)
    seconds = max((int(found[2]) for _, found in slashed), default=0)
    if slashed and (firsts > 12) == (seconds > 12):
        number, found = slashed[0]
        raise _bad(file, number, f"{found[0]!r} may be a day and month or a month and day; write 2025-12-31")

    def stamp_of(number: int, word: str) -> datetime:
        stamp = _parsed(word, is_day_first=firsts > 12)
        if stamp is None:
            raise _bad(file, number, f"{word[:40]!r} is no time stamp")
        return stamp

    return stamp_of


def _parsed(word: str, *, is_day_first: bool) -> datetime | None:
    """Return an instant, without a zone where the word names none; null for what is none."""
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    try:
        if math.isfinite(number) and not re.fullmatch(r"(19|20)\d{6}", word):
            unit = next(unit for limit, unit in _EPOCH_UNITS if abs(number) < limit)
            stamp = datetime.fromtimestamp(number / unit, UTC)
        else:
            stamp = datetime.fromisoformat(_iso(word, is_day_first=is_day_first))
    except (ValueError, OverflowError, OSError):
        return None
    return stamp if stamp.year in _YEARS else None


def _iso(word: str, *, is_day_first: bool) -> str:
    """Return a time stamp of another common form as ISO 8601; others as they are."""
    word = word.removesuffix(" UTC").removesuffix(" GMT") + ("Z" if word.endswith((" UTC", " GMT")) else "")
    if re.fullmatch(r"\d{4}-\d{2}", word):
        return f"{word}-01"
    if found := _YEAR_FIRST.fullmatch(word):
        year, month, day, rest = found.groups()
    elif found := _DOTTED.fullmatch(word):
        day, month, year, rest = found.groups()
    elif found := _SLASHED.fullmatch(word):
        day, month, year, rest = found.groups()
        day, month = (day, month) if is_day_first else (month, day)
    else:
        return word
    short = _SHORT_TIME.fullmatch(f"{year}-{month:0>2}-{day:0>2}{rest}")
    return f"{short[1]} 0{short[2]}:{short[3]}" if short else f"{year}-{month:0>2}-{day:0>2}{rest}"


def _plain(word: str, delimiter: str) -> str:
    """Return a number with a decimal point; a comma is one only where it does not part columns."""
    if delimiter == ";" and _DECIMAL_COMMA.fullmatch(word):
        return word.replace(",", ".")
    return word


def _number(word: str, file: Path, number: int, delimiter: str) -> float:
    try:
        value = float(_plain(word, delimiter))
    except ValueError as error:
        raise _bad(file, number, f"{word[:40]!r} is no number") from error
    if not math.isfinite(value):
        raise _bad(file, number, f"{word[:40]!r} is no finite number")
    if abs(value) > LARGEST:
        raise _bad(file, number, f"{word[:40]!r} is too large to be judged")
    return value


def _empty(file: Path) -> CockpitError:
    return CockpitError(f"{file} is empty.", "It needs a header and rows.", exit_code=2)


def _bad(file: Path, number: int, what: str) -> CockpitError:
    return CockpitError(
        f"Line {number} of {file} cannot be used: {what}.", "Mend that line; nothing was judged.", exit_code=2
    )
