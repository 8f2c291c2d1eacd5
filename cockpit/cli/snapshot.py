"""``studio snapshot``: run the main job once and show the state that follows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from cockpit.cli.options import print_json, shared
from cockpit.cli.render import render_state
from cockpit.environment import settings_here
from cockpit.errors import CockpitError
from cockpit.home import open_home, read_json
from cockpit.session import run_snapshot_step


@click.command(short_help="Read the cloud once and show the state that follows.")
@shared
@click.option("--full", "mode", flag_value="full", default="full", help="Read everything (the default).")
@click.option(
    "--incremental", "mode", flag_value="incremental", help="Read only what changed, where provable."
)
def snapshot(*, home: Path | None, is_json: bool, mode: str) -> int:
    """Read the cloud once: state, what changed, drift, quarantine and checks.

    Works on the running instance; without one, starts what it needs and stops it again. Exits 0 only when
    there is a snapshot and every check holds.
    """
    settings = settings_here(home=home)
    place = open_home(settings.home)
    result = place.run / "snapshot.json"
    result.unlink(missing_ok=True)
    has_snapshot = run_snapshot_step(place, settings, ["--mode", mode])
    state = read_json(result)
    if state is None:
        raise CockpitError(
            "The snapshot was not made; the last good one stays current.",
            f"The reason is in {place.logs}/snapshot.log. ./studio doctor checks what is needed.",
            exit_code=1,
        )
    if is_json:
        print_json(state)
    elif has_snapshot:
        print("\n".join(render_state(state, settings.timezone)))
    else:
        kept = ["No snapshot was made; the last good one stays current.", *_last_good(state)]
        print("\n".join([*kept, *state["errors"]]))
    return 0 if has_snapshot and not state["checks"]["failed"] else 1


def _last_good(state: Mapping[str, Any]) -> list[str]:
    last = state.get("lastGood")
    if last is None:
        return []
    return [f"It is {last['snapshotDate']}, revision {last['revision']}, as of {last['asOf']}."]
