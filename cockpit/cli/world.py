"""``studio world``: print the incidents of the pretend studio."""

import click

from cockpit.cli.twins import become_twins

_PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


@click.command(context_settings=_PASSED_ON, short_help="Print the incidents of the pretend studio.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def world(*, arguments: tuple[str, ...]) -> None:
    """Print the incidents of a world: world [--seed N] [--days N] [--size S] [--label-file F]."""
    become_twins(("world", *arguments))
