"""``studio evaluate series``: one JSON object of the agreed shape, and plain words for a bad file."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from cockpit.cli.evaluation.points import read_points
from cockpit.cli.evaluation.series import series
from cockpit.cli.main import main
from cockpit.errors import CockpitError

START = datetime(2025, 1, 6, tzinfo=UTC)


def write(path, rows, header="timestamp,value"):
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


def spiked(stamp):
    values = [20 + n % 3 for n in range(60)]
    values[50] = 80
    return [f"{stamp(START + timedelta(days=n))},{value}" for n, value in enumerate(values)]


def said(file, *options):
    result = CliRunner().invoke(series, [str(file), "--json", *options], standalone_mode=False)
    assert result.exception is None, result.exception
    assert result.return_value == 0
    return json.loads(result.output)


@pytest.mark.parametrize(
    "stamp",
    [
        lambda at: at.isoformat(),
        lambda at: at.strftime("%Y-%m-%d"),
        lambda at: at.strftime("%Y-%m-%d %H:%M:%S"),
        lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        lambda at: int(at.timestamp()),
        lambda at: int(at.timestamp() * 1000),
        lambda at: int(at.timestamp()) * 10**9,
        lambda at: at.strftime("%Y/%m/%d 0:00"),
        lambda at: at.strftime("%d.%m.%Y"),
        lambda at: at.strftime("%m/%d/%Y"),
        lambda at: at.strftime("%d/%m/%Y %H:%M"),
        lambda at: at.strftime("%Y-%m-%d %H:%M:%S UTC"),
    ],
)
def test_a_spike_is_told(tmp_path, stamp):
    result = said(write(tmp_path / "a.csv", spiked(stamp)))
    (event,) = result["events"]
    assert event["start"] == event["end"] == (START + timedelta(days=50)).isoformat()
    assert event.keys() >= {"start", "end", "score", "expected", "observed"}
    assert event["observed"] == 80
    assert len(result["scores"]) == 60
    assert result["scores"][50]["score"] == pytest.approx(event["score"], abs=0.01)


def test_gaps_other_columns_and_other_separators_are_understood(tmp_path):
    rows = ["x;2025-01-06;3", "x;2025-01-07;", "", "x;2025-01-08;NaN", "x;2025-01-09;4"]
    points, gaps = read_points(write(tmp_path / "a.csv", rows, "Name;Date;Value"))
    assert [value for _, value in points] == [3, 4]
    assert gaps == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        (",,\n,,\n", "is empty"),
        ("a,b\n1,2\n", "no columns timestamp and value"),
        ("timestamp,value\n", "no values"),
        ("timestamp,value\n2025-01-06,3\nsoon,4\n", "Line 3 .* no time stamp"),
        ("timestamp,value\n2025-01-06,many\n", "Line 2 .* no number"),
        ("timestamp,value\n2025-01-06,inf\n", "Line 2 .* no finite number"),
        ("timestamp,value\n2025-01-06\n", "Line 2 .* fewer columns"),
        ("timestamp,value\n2025-01-06,3,5\n", "Line 2 .* more columns"),
        ("timestamp,value\n1e300,3\n", "Line 2 .* no time stamp"),
        ("timestamp,value\n0001-01-01,3\n", "Line 2 .* no time stamp"),
        ("timestamp,value\n3/4/2025,3\n", "Line 2 .* day and month"),
        ("timestamp,value\n2025-01-06,1e200\n", "Line 2 .* too large"),
        ('timestamp,value\n2025-01-06,"1,234"\n', "Line 2 .* no number"),
        ("x,date,sales\n1,2025-01-06,3\n", "--value-column"),
        ("value\n3\n", "no columns timestamp and value"),
    ],
)
def test_a_bad_file_is_told_in_words(tmp_path, text, words):
    file = tmp_path / "a.csv"
    file.write_text(text, "utf-8")
    with pytest.raises(CockpitError) as caught:
        read_points(file)
    assert re.search(words, f"{caught.value} {caught.value.remedy}")


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("2025-01-06,3\n2025-01-07,4\n", ()),
        ("Date|Close\n2025-01-06|3\n2025-01-07|4\n", ()),
        ("when,value\n2025-01-06,3\n2025-01-07,4\n", ()),
        ("date;value\n06.01.2025;3,0\n07.01.2025;4,0\n", ()),
        ("id,week,sold\n1,2025-01-06,3\n2,2025-01-07,4\n", ("Week", "sold")),
        ("date,value\n2025-01-06,3,\n2025-01-07,4,\n", ()),
    ],
)
def test_common_forms_are_understood_without_guessing(tmp_path, text, columns):
    """Two bare columns, other names, separators and decimals; or columns by name."""
    file = tmp_path / "a.csv"
    file.write_text(text, "utf-8")
    points, gaps = read_points(file, *columns)
    assert [(stamp.day, value) for stamp, value in points] == [(6, 3.0), (7, 4.0)]
    assert gaps == 0


def test_what_is_missing_and_what_came_twice_is_told(tmp_path):
    days = [START + timedelta(days=n) for n in (0, 1, 1, 2, 3, 8, 9, 10)]
    result = said(write(tmp_path / "a.csv", [f"{day.date()},5" for day in days]))
    (gap,) = result["missing"]
    assert (gap["after"], gap["values"]) == (days[4].isoformat(), 4)
    assert (result["points"], result["merged"], result["events"]) == (7, 1, [])


def test_no_file_and_no_text_are_told(tmp_path):
    with pytest.raises(CockpitError, match="no file"):
        read_points(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CockpitError, match="cannot be read"):
        read_points(tmp_path / "b.csv")


@pytest.mark.parametrize("limit", ["--enter", "--least-change"])
def test_a_limit_that_is_no_number_is_refused(tmp_path, limit):
    """Nothing compares with it, so that everything or nothing would be out of line."""
    file = tmp_path / "series.csv"
    file.write_text("timestamp,value\n2025-01-06,3\n", encoding="utf-8")
    assert main(["evaluate", "series", str(file), limit, "nan"]) == 2
