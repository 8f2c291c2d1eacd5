"""``studio twins`` and ``studio world``: hand over to the pretend studio's own command line."""

import os
import sys

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
    if CONTROL not in os.environ:
        _tell_control()
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "twins", *arguments])  # noqa: S606 - no shell is involved


def _tell_control() -> None:
    """Let ``twins fault`` and ``twins status`` find the twins of the instance that runs here."""
    try:
        instance = running_instance(read_home(settings_here().home))
    except (CockpitError, SettingsError):
        return
    if instance is not None and CONTROL in instance.environment:
        os.environ[CONTROL] = instance.environment[CONTROL]
