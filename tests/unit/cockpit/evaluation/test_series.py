"""``studio evaluate series``: one JSON object of the agreed shape, and plain words for a bad file."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from cockpit.cli.evaluation.series import read_points, series
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
        ("a,b\n1,2\n", "no columns timestamp and value"),
        ("timestamp,value\n", "no values"),
        ("timestamp,value\n2025-01-06,3\nsoon,4\n", "Line 3 .* no time stamp"),
        ("timestamp,value\n2025-01-06,many\n", "Line 2 .* no number"),
        ("timestamp,value\n2025-01-06,inf\n", "Line 2 .* no finite number"),
        ("timestamp,value\n2025-01-06\n", "Line 2 .* fewer columns"),
        ("timestamp,value\n1e300,3\n", "Line 2 .* no time stamp"),
    ],
)
def test_a_bad_file_is_told_in_words(tmp_path, text, words):
    file = tmp_path / "a.csv"
    file.write_text(text, "utf-8")
    with pytest.raises(CockpitError, match=words):
        read_points(file)


def test_no_file_and_no_text_are_told(tmp_path):
    with pytest.raises(CockpitError, match="no file"):
        read_points(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CockpitError, match="cannot be read"):
        read_points(tmp_path / "b.csv")
