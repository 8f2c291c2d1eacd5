"""``studio twins`` and ``studio world``: hand over to the pretend studio's own command line."""

import argparse
import os
import sys
from pathlib import Path

import click

from cockpit.environment import settings_here
from cockpit.errors import CockpitError
from cockpit.home import read_home
from cockpit.instance import running_instance
from resources.settings import SettingsError

CONTROL = "STUDIO_TWINS_CONTROL"
_PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


@click.command(context_settings=_PASSED_ON, short_help="Run the pretend studio alone, in the foreground.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def twins(*, arguments: tuple[str, ...]) -> None:
    """Run the pretend studio alone: up [--empty] [--seed N] [--days N] [--size S]; also fault, status."""
    become_twins(arguments or ("--help",))


def become_twins(arguments: tuple[str, ...]) -> None:
    """Become the twins' own process, so that signals and exit codes are theirs."""
    arguments, home = split_home(arguments)
    if home is not None:
        os.environ[CONTROL] = control_of(home)
    elif CONTROL not in os.environ:
        _tell_control()
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "twins", *arguments])  # noqa: S606 - no shell is involved


def split_home(arguments: tuple[str, ...]) -> tuple[tuple[str, ...], Path | None]:
    """Return what is for the twins, and the home whose twins are meant; null where none was named.

    Only commands that talk to running twins know homes: elsewhere ``--home`` stays, and is refused there.
    """
    if arguments[:1] not in {("fault",), ("status",)}:
        return arguments, None
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--home", type=Path)
    try:
        known, rest = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise CockpitError(f"--home: {error.message}.", "Write --home DIR.", exit_code=2) from None
    return tuple(rest), known.home


def control_of(home: Path) -> str:
    """Return the control address of the twins that run on a home.

    Raises:
        CockpitError: When nothing runs there, or no pretend studio.
    """
    path = settings_here(home=home).home
    instance = running_instance(read_home(path)) if path.exists() else None
    if instance is None:
        raise CockpitError(f"Nothing is running on {path}.", "Start it with ./studio up --home DIR.")
    if CONTROL not in instance.environment:
        raise CockpitError(
            f"No pretend studio runs on {path} (any more, or yet).",
            "./studio status shows the parts; with real sources there is none.",
        )
    return instance.environment[CONTROL]


def _tell_control() -> None:
    """Let ``twins fault`` and ``twins status`` find the twins of the instance that runs here."""
    try:
        instance = running_instance(read_home(settings_here().home))
    except (CockpitError, SettingsError):
        return
    if instance is not None and CONTROL in instance.environment:
        os.environ[CONTROL] = instance.environment[CONTROL]
