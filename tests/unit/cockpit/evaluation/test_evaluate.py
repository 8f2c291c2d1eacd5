"""Promises of ``studio evaluate``: only what is there is listed, and it is loaded when it is run."""

import json
import sys
import types
from datetime import date

import click
import pytest

from cockpit.cli import evaluate as group
from cockpit.cli.evaluation.options import seeds_of, year_options
from cockpit.cli.main import main


@pytest.fixture
def only_ops(monkeypatch):
    """Make ``ops`` the only evaluation there is, as a command that prints what it was given."""

    @click.command()
    @year_options
    def ops(**given):
        click.echo(json.dumps(given, default=str))
        return 1

    module = types.ModuleType(f"{group.PLACE}.ops")
    module.ops = ops
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(group, "_is_there", lambda name: name == "ops")


def test_a_department_without_a_module_is_not_listed(only_ops, capsys):
    """Help names what can be run, and the rest is an unknown command."""
    assert main(["evaluate", "--help"]) == 0
    listed = capsys.readouterr().out
    assert "ops" in listed
    assert "finance" not in listed
    assert main(["evaluate", "finance"]) == 2


def test_an_evaluation_gets_its_options_and_gives_its_exit_code(only_ops, capsys):
    """Defaults are a year of seed 1; the command's own number is the exit code."""
    assert main(["evaluate", "ops", "--seed", "7", "--calm"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "seed": 7,
        "seeds": 1,
        "days": 365,
        "first_day": str(date(2026, 1, 1)),
        "is_calm": True,
        "is_json": False,
    }


def test_seeds_follow_one_another():
    """``--seed 5 --seeds 3`` is five, six and seven."""
    assert list(seeds_of(5, 3)) == [5, 6, 7]


@pytest.mark.parametrize(
    "given",
    [("--days", "0"), ("--days", "1000000"), ("--first-day", "0001-01-01"), ("--first-day", "9999-12-31")],
)
def test_years_that_no_calendar_has_are_refused_in_words(only_ops, capsys, given):
    """What cannot be simulated is no surprise of the simulation."""
    assert main(["evaluate", "ops", *given, "--json"]) == 2
    assert "should not have happened" not in capsys.readouterr().out
