"""Options that several commands share, and how their results are printed."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

JSON_OPTION = click.option("--json", "is_json", is_flag=True, help="Print one JSON object.")
HOME_OPTION = click.option(
    "--home", type=click.Path(path_type=Path), help="Home directory (default: .studio in the checkout)."
)


def shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--home`` and ``--json`` to a command."""
    return JSON_OPTION(HOME_OPTION(command))


def print_json(value: Mapping[str, Any]) -> None:
    """Print exactly one JSON object on standard output."""
    print(json.dumps(value, indent=2, default=str, ensure_ascii=False))
