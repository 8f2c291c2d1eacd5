"""Promises of ``python -m twins``."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from twins import cli
from twins.process import TwinsWish
from twins.world import almanac
from twins.world.device_troubles import KINDS
from twins.world.incident_kinds import FOLLOW_UPS, KIND_BY_NAME

WORLD = ["world", "--days", "40", "--seed", "3"]


def test_labels_are_printed_and_written(tmp_path, capsys):
    """The file holds every label, the table the injected ones; both without any server."""
    path = tmp_path / "labels.json"
    assert cli.main([*WORLD, "--label-file", str(path)]) == 0
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["seed"] == 3
    until = datetime.fromisoformat(document["until"])
    assert date.fromisoformat(document["firstDay"]) == almanac.day_of(until) - timedelta(days=40)
    kinds = {label["kind"] for label in document["labels"] if label["origin"] == "incident"}
    devices = {kind.name for kind in KINDS}
    assert kinds <= set(KIND_BY_NAME) | set(FOLLOW_UPS) | devices
    assert kinds >= devices
    assert len(kinds) > 10
    lines = capsys.readouterr().out.splitlines()
    injected = [label for label in document["labels"] if label["origin"] == "incident"]
    assert len(lines) == len(injected) + 2
    assert f"{len(injected)} labels" in lines[-1]


def test_json_is_exactly_one_object(capsys):
    """With --json nothing but the object is printed; quirks are among the labels."""
    assert cli.main([*WORLD, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {label["origin"] for label in document["labels"]} == {"incident", "quirk"}


def test_a_calm_world_has_no_labels(capsys):
    """--no-incidents: an empty list, and exit code 0."""
    assert cli.main([*WORLD, "--no-incidents", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labels"] == []


def test_an_unwritable_label_file_is_said_so(tmp_path, capsys):
    """One sentence, exit code 2."""
    assert cli.main([*WORLD, "--label-file", str(tmp_path / "none" / "labels.json")]) == 2
    assert "could not be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["up", "--size", "huge"],
        ["up", "--days", "-1"],
        ["world", "--first-day", "yesterday"],
        ["fault", "firestore", "cut", "--for", "soon"],
    ],
)
def test_misuse_ends_with_two(arguments, capsys):
    """What cannot be meant is refused before anything starts."""
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: python -m twins" in capsys.readouterr().err


def test_days_count_back_from_today_unless_a_first_day_is_given():
    """Both name the first day of the history, the latter exactly."""
    today = date(2026, 11, 21)
    assert TwinsWish(days=60).settings(today).first_day == date(2026, 9, 22)
    assert TwinsWish(days=60, first_day=date(2026, 1, 1)).settings(today).first_day == date(2026, 1, 1)
    assert TwinsWish(days=0).settings(today).first_day == today


@pytest.mark.parametrize("command", [["status"], ["fault", "clear"], ["fault", "firestore", "cut"]])
def test_asking_without_an_address_or_an_answer_says_what_to_do(command, monkeypatch, capsys):
    """No address, or nobody there: one sentence with the remedy, exit code 2."""
    monkeypatch.delenv(cli.CONTROL_VARIABLE, raising=False)
    assert cli.main(command) == 2
    assert cli.CONTROL_VARIABLE in capsys.readouterr().err
    assert cli.main([*command, "--control", "http://127.0.0.1:9"]) == 2
    assert "Start them with" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60.0), ("2m", 120.0), ("1.5", 1.5)])
def test_times_have_units(text, seconds):
    """Seconds and minutes, seconds when nothing is said."""
    assert cli._seconds(text) == seconds


def test_reports_are_json_lines_on_standard_error(capsys):
    """Level, time, component and event stand on every line."""
    cli._report("world:history:progress", day="2026-01-05", done=1, of=60)
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["component"], line["event"]) == ("info", "twins", "world:history:progress")
    assert datetime.fromisoformat(line["time"]).tzinfo is not None
    assert datetime.fromisoformat(line["time"]) <= datetime.now(UTC)
