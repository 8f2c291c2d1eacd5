"""``studio connectors``: how devices' connectors do, and what they promise, held against them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from cockpit.cli.connector_login import login
from cockpit.cli.connector_status import status
from cockpit.cli.options import print_json, shared
from cockpit.errors import CockpitError

_Told = Mapping[str, Sequence[Mapping[str, Any]]]


@click.group(short_help="Show how the connectors to devices do, and hold them to their promises.")
def connectors() -> None:
    """Connectors read devices behind a hub or a vendor's cloud, and never act on them."""


connectors.add_command(status)
connectors.add_command(login)


@connectors.command(short_help="Hold connectors to their promises, on twins or on your own devices.")
@shared
@click.option(
    "--real",
    "is_real",
    is_flag=True,
    help="Your own devices: only reading, no trouble, every call on record.",
)
@click.argument("names", nargs=-1)
def verify(*, home: Path | None, is_json: bool, is_real: bool, names: tuple[str, ...]) -> int:
    """Hold every connector (or those NAMED) to its promises, each on a twin of its own.

    Health, refused credentials, retries, the shape of errors, deadlines, malformed answers, rate limits,
    reading only, secrets and what it costs while idle. With --real, those that are set up are asked instead
    of twins: nothing is commanded, no trouble is caused, and what needs either is skipped. Exit code 0 only
    if all promises that were tried are kept.
    """
    told = _on_own_devices(home, names) if is_real else _on_twins(names)
    if is_json:
        print_json(told)
    else:
        print("\n".join(line for verdict in told["connectors"] for line in _lines(verdict)))
    return 1 if any(verdict["failed"] for verdict in told["connectors"]) else 0


def _on_own_devices(home: Path | None, names: Sequence[str]) -> _Told:
    from cockpit.cli.connector_real import verify_on_own_devices  # noqa: PLC0415 - the contract loads a while

    return verify_on_own_devices(home, names)


def _on_twins(names: Sequence[str]) -> _Told:
    from cockpit.cli.connector_subjects import SUBJECTS, connector_id_of, verify_on_twins  # noqa: PLC0415 - both vendors' clients take a second

    known = {connector_id_of(subject): subject for subject in SUBJECTS}
    if unknown := sorted(set(names) - set(known)):
        raise CockpitError(
            f"There is no connector {unknown[0]}.", f"There are: {', '.join(known)}.", exit_code=2
        )
    return verify_on_twins([known[name] for name in names] if names else SUBJECTS)


def _lines(verdict: Mapping[str, Any]) -> Iterator[str]:
    failed, skipped = verdict["failed"], verdict.get("skipped")
    broken = f", breaks {', '.join(failed)}" if failed else ""
    reasons = verdict.get("reasons", {})
    for_twins = [name for name in skipped or () if name not in reasons]
    untried = f"; {len(for_twins)} can be tried on a twin only" if for_twins else ""
    yield f"{verdict['id']}: keeps {len(verdict['passed'])} promises{broken}{untried}."
    for name, reason in reasons.items():
        yield f"  {name}: {reason}"
