"""What a proposal is made from on the command line: fields, files and evidence links."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cockpit.errors import CockpitError
from policies.proposals import Evidence
from policies.registry import default_registry

MOST_INPUT_BYTES = 2_000_000
"""A larger input file is not even read; what is smaller gets the gateway's own answer."""
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,15}")


def input_of(capability_id: str, inputs: Sequence[str], input_file: Path | None) -> dict[str, Any] | None:
    """Return the input that options give; null when they give none.

    Only fields that the registry calls whole numbers become numbers; everything else stays text.

    Raises:
        click.UsageError: when options cannot be understood.
        CockpitError: when the file does not hold one JSON object.
    """
    if inputs and input_file:
        raise click.UsageError("Give --input or --input-file, not both.")
    if input_file:
        return _from_file(input_file)
    capability = default_registry().get(capability_id)
    whole_numbers = (
        {field.name for field in capability.inputs if field.kind == "integer"} if capability else set()
    )
    given: dict[str, Any] = {}
    for pair in inputs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise click.UsageError("An input is FIELD=VALUE, such as --input note='Glaze kiln is free'.")
        if name in given:
            raise click.UsageError("A field of the input is given twice.")
        given[name] = int(value) if name in whole_numbers and _WHOLE_NUMBER.fullmatch(value) else value
    return given or None


def _from_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(MOST_INPUT_BYTES + 1)
        if len(text) > MOST_INPUT_BYTES:
            raise CockpitError(
                "The input file is larger than 2 MB; nothing was kept.", "Shorten it.", exit_code=2
            )
        found = json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise CockpitError(
            "The input file is not JSON, or has a name twice; nothing was kept.", "Check it.", exit_code=2
        ) from None
    if not isinstance(found, dict):
        raise CockpitError("The input file must hold one JSON object.", "Write {...}.", exit_code=2)
    return found


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object; of two values for one name a reader could see the other one."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def evidence_of(link: str) -> Evidence:
    """Return the evidence that ``ASSET@REVISION[#FINDING]`` names. Raises ``click.UsageError``."""
    asset, separator, rest = link.partition("@")
    revision, _, finding = rest.partition("#")
    if not separator or not asset or not revision:
        raise click.UsageError("Evidence is ASSET@REVISION, such as studio_state/snapshot@2026-11-20/3.")
    return Evidence(asset, revision, finding or None)
