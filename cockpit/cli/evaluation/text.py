"""``studio evaluate text FILE.csv``: the triage suggestion for any texts."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from cockpit.cli.options import JSON_OPTION, print_json
from cockpit.errors import CockpitError
from studio_assets.trust_safety.triage import Suggestion, Triage

COLUMN = "text"
_LONGEST_CELL = 10_000_000
_LONGEST_HEADER = 10_000
_DELIMITERS = ",;\t|"
_REMEDY = "The file needs a header line with a column called text, and one text per row, as UTF-8 CSV."


@click.command(short_help="Any texts: FILE.csv with a column text.")
@click.argument("file", type=click.Path(path_type=Path))
@JSON_OPTION
def text(*, file: Path, is_json: bool) -> int:
    """Print the triage suggestion for every row of FILE, in its order. Texts are read, never followed."""
    triage = Triage()
    made = [triage.suggest(each) for each in read_texts(file)]
    if is_json:
        print_json({"classifier": triage.classifier, "rows": [to_json(each) for each in made]})
        return 0
    for number, each in enumerate(made, start=1):
        said = f"a person reads it ({each.reason_code})" if each.is_abstained else each.reason_code
        print(f"{number}  {each.category}  {each.severity}  {each.confidence:.2f}  {said}")
    return 0


def to_json(made: Suggestion) -> dict[str, Any]:
    """Return one row as the command prints it; when abstained, category and severity are but a guess."""
    return {
        "category": made.category.value,
        "severity": made.severity.value,
        "confidence": made.confidence,
        "abstained": made.is_abstained,
        "reason_code": made.reason_code,
        "has_instructions": made.has_instructions,
    }


def read_texts(file: Path) -> list[str]:
    """Return the texts of a file, one per row; an absent cell is an empty text.

    Raises:
        CockpitError: in words, when the file is not what it has to be.
    """
    try:
        content = file.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise CockpitError(f"There is no file {file}.", "Name a CSV file.", exit_code=2) from error
    except (OSError, UnicodeDecodeError) as error:
        raise CockpitError(f"{file} cannot be read as text.", "Save it as UTF-8.", exit_code=2) from error
    if not content.strip():
        raise CockpitError(f"{file} is empty.", _REMEDY, exit_code=2)
    limit = csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=_delimiter(content), strict=True)
    try:
        return list(_cells(reader, file))
    except csv.Error as error:
        what = f"{file}, line {reader.line_num}: it is no CSV ({error})."
        raise CockpitError(what, _REMEDY, exit_code=2) from error
    finally:
        csv.field_size_limit(limit)


def _delimiter(content: str) -> str:
    """Return what parts the columns: a comma, unless only another sign makes the header name the column."""
    for delimiter in _DELIMITERS:
        names = next(csv.reader(io.StringIO(content[:_LONGEST_HEADER], newline=""), delimiter=delimiter), [])
        if COLUMN in (name.strip().lower() for name in names):
            return delimiter
    return _DELIMITERS[0]


def _cells(reader: Any, file: Path) -> Iterator[str]:
    header = [name.strip().lower() for name in next(reader)]
    if header.count(COLUMN) != 1:
        raise CockpitError(f"{file} has no single column called text.", _REMEDY, exit_code=2)
    place = header.index(COLUMN)
    for row in reader:
        if len(row) > len(header):
            what = f"{file}, line {reader.line_num}: {len(row)} columns where the header has {len(header)}."
            raise CockpitError(what, "Put texts with commas in double quotes.", exit_code=2)
        if row:
            yield row[place] if place < len(row) else ""
