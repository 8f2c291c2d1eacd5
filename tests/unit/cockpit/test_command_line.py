"""The command line's manners: quick help, plain errors, one JSON object, exit codes that mean something."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cockpit.cli import main as entry
from cockpit.cli.main import COMMANDS, main
from cockpit.cli.twins import control_of, split_home
from cockpit.errors import CockpitError
from cockpit.home import open_home
from resources.settings import SettingsError


@pytest.fixture
def failing(monkeypatch):
    """Make the command ``status`` fail with a given error."""

    def make(error):
        @click.command(context_settings={"ignore_unknown_options": True})
        @click.argument("rest", nargs=-1)
        def command(rest):
            raise error

        monkeypatch.setattr(entry._Commands, "get_command", lambda *_: command)

    return make


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (CockpitError("The port is taken.", "Choose another."), 3, "The port is taken."),
        (CockpitError("It does not hold.", "", exit_code=1), 1, "It does not hold."),
        (SettingsError(["STUDIO_X is wrong."]), 3, "STUDIO_X is wrong."),
        (OSError(36, "File name too long", "/far"), 3, "/far cannot be used: File name too long."),
        (RuntimeError("canary rk_live_abcdefgh"), 1, "RuntimeError: canary [redacted]"),
        (KeyboardInterrupt(), 130, "Interrupted"),
    ],
)
def test_every_error_is_plain_words_and_an_exit_code(failing, capsys, error, code, said):
    """No traceback, no secret; with --json the same as one object."""
    failing(error)
    assert main(["status"]) == code
    shown = capsys.readouterr()
    assert said in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""
    assert main(["status", "--json"]) == code
    out = capsys.readouterr().out
    assert said in json.loads(out)["error"]


def test_an_empty_home_is_not_the_current_directory(capsys):
    """``--home ""``, as an unset shell variable gives it, is refused and makes nothing."""
    assert main(["up", "--once", "--home", ""]) == 2
    assert "home" in capsys.readouterr().err


def test_a_misspelt_command_or_option_is_exit_code_2(capsys):
    assert main(["stauts"]) == 2
    assert main(["status", "--jsno"]) == 2
    assert "No such" in capsys.readouterr().err


def test_help_lists_every_command_and_loads_none_of_them():
    code = (
        "import sys; from cockpit.cli.main import main; main(['--help']);"
        "heavy = ('dagster', 'sqlalchemy', 'rich', 'cockpit.cli.');"
        "print([name for name in sys.modules if name.startswith(heavy) and name != 'cockpit.cli.main'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_exists_under_its_name_and_has_help(name, capsys):
    if name in {"twins", "world"}:
        pytest.skip("these hand everything over to the twins, help included")
    assert main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith("Usage:")


def test_the_twins_of_a_named_home_are_asked_and_the_rest_is_handed_over():
    """``twins fault ... --home DIR`` means the instance of DIR; other commands keep their own options."""
    given = ("fault", "firestore", "cut", "--home", "/x y", "--count", "2")
    assert split_home(given) == (("fault", "firestore", "cut", "--count", "2"), Path("/x y"))
    assert split_home(("status", "--home=/h")) == (("status",), Path("/h"))
    assert split_home(("up", "--home", "/h")) == (("up", "--home", "/h"), None)
    assert split_home(()) == ((), None)
    with pytest.raises(CockpitError):
        split_home(("fault", "--home"))


def test_a_home_without_running_twins_is_named(tmp_path):
    with pytest.raises(CockpitError, match=r"Nothing is running on .*absent"):
        control_of(tmp_path / "absent")
    open_home(tmp_path / "home")
    with pytest.raises(CockpitError, match=r"Nothing is running on .*home"):
        control_of(tmp_path / "home")
