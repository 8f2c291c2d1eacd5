"""Options that several commands share, and how their results are printed."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

JSON_OPTION = click.option("--json", "is_json", is_flag=True, help="Print one JSON object.")


class _HomePath(click.Path):
    """A path that is not empty: an unset shell variable must not mean the current directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if not str(value).strip():
            self.fail("the home directory is empty; leave --home out for .studio in the checkout", param, ctx)
        return super().convert(value, param, ctx)


HOME_OPTION = click.option(
    "--home", type=_HomePath(path_type=Path), help="Home directory (default: .studio in the checkout)."
)


def shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--home`` and ``--json`` to a command."""
    return JSON_OPTION(HOME_OPTION(command))


def print_json(value: Mapping[str, Any]) -> None:
    """Print exactly one JSON object on standard output."""
    print(json.dumps(value, indent=2, default=str, ensure_ascii=False))
