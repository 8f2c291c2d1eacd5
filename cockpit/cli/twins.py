"""``studio twins`` and ``studio world``: hand over to the pretend studio's own command line."""

import os
import sys

import click

_PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


@click.command(context_settings=_PASSED_ON, short_help="Run the pretend studio alone, in the foreground.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def twins(*, arguments: tuple[str, ...]) -> None:
    """Run the pretend studio alone: up [--empty] [--seed N] [--days N] [--size S]; also fault, status."""
    become_twins(arguments or ("--help",))


def become_twins(arguments: tuple[str, ...]) -> None:
    """Become the twins' own process, so that signals and exit codes are theirs."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "twins", *arguments])  # noqa: S606 - no shell is involved
