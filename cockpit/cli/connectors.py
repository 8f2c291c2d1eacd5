"""``studio connectors``: how devices' connectors do, and what they promise, held against them."""

import click

from cockpit.cli.connector_status import status
from cockpit.cli.options import JSON_OPTION, print_json
from cockpit.errors import CockpitError


@click.group(short_help="Show how the connectors to devices do, and hold them to their promises.")
def connectors() -> None:
    """Connectors read devices behind a hub or a vendor's cloud, and never act on them."""


connectors.add_command(status)


@connectors.command(short_help="Run the contract suite against the pretend hub and robots.")
@JSON_OPTION
@click.argument("names", nargs=-1)
def verify(*, is_json: bool, names: tuple[str, ...]) -> int:
    """Hold every connector (or those NAMED) to its promises, each on a twin of its own.

    Health, refused credentials, retries, the shape of errors, deadlines, malformed answers, rate limits,
    reading only, secrets and what it costs while idle. Exit code 0 only if all promises are kept.
    """
    from cockpit.cli.connector_subjects import SUBJECTS, connector_id_of, verify_on_twins  # noqa: PLC0415 - both vendors' clients take a second

    known = {connector_id_of(subject): subject for subject in SUBJECTS}
    if unknown := sorted(set(names) - set(known)):
        raise CockpitError(
            f"There is no connector {unknown[0]}.", f"There are: {', '.join(known)}.", exit_code=2
        )
    told = verify_on_twins([known[name] for name in names] if names else SUBJECTS)
    if is_json:
        print_json(told)
    else:
        for verdict in told["connectors"]:
            passed, failed = verdict["passed"], verdict["failed"]
            kept = len(passed) if isinstance(passed, list) else passed
            broken = f", breaks {', '.join(failed)}" if isinstance(failed, list) and failed else ""
            print(f"{verdict['id']}: keeps {kept} promises{broken}.")
    return 1 if any(verdict["failed"] for verdict in told["connectors"]) else 0
