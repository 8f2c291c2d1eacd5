"""``studio state``: what history keeps: the current state, the days, the difference of two."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from cockpit import summary, words
from cockpit.checks import checks_of_run
from cockpit.cli.options import print_json, shared
from cockpit.cli.render import render_diff, render_state
from cockpit.environment import as_variables, settings_here
from cockpit.errors import CockpitError
from cockpit.facts import Facts, confirmed_at
from cockpit.health import stale_reasons
from cockpit.home import read_home
from cockpit.session import history_settings
from resources.clock import SystemClock, instant_text
from resources.postgres.history import History
from resources.rows import Snapshot
from resources.settings import Settings
from studio_assets.devices.events import newest_connector_reads
from studio_assets.devices.section import section
from studio_assets.doors import live_history
from studio_assets.studio_state.diff import compare


@click.group(short_help="Show the state, its history, or the difference of two.")
def state() -> None:
    """Read what history keeps. Works with or without a running instance; reads no cloud."""


@state.command(short_help="Show the current state, or that of a day.")
@shared
@click.argument("day", required=False)
def show(*, home: Path | None, is_json: bool, day: str | None) -> int:
    """Show the current state, or that of DAY (YYYY-MM-DD, or YYYY-MM-DD/REVISION)."""
    with _history(home) as (history, settings):
        found = _find(history, day)
        diff = history.diff_for(found.snapshot_date, found.revision)
        told = summary.of_snapshot(found, diff, history.drift_for(found.snapshot_date, found.revision))
        as_of = confirmed_at(history, found)
        told["asOf"] = instant_text(as_of) if as_of else told["asOf"]
        facts = _facts(history, settings, found, as_of)
        if devices := newest_connector_reads(history, found.snapshot_date):
            # Ages are told of now while a day runs: an unchanged state keeps the ages it began with.
            told["devices"] = section(devices, facts.now, settings.device_stale_minutes)
        reasons = stale_reasons(facts)
        told |= {"stale": bool(reasons), "staleReasons": list(reasons)}
        told["checks"] = checks_of_run(found.run_id, _dagster(settings))
    if is_json:
        print_json(told)
    else:
        print("\n".join(render_state(told, settings.timezone)))
    return 0


@state.command(short_help="List the days.")
@shared
@click.option("--limit", type=click.IntRange(1, 10000), default=60, help="How many days, newest first.")
def history(*, home: Path | None, is_json: bool, limit: int) -> int:
    """List the days in history with their revision, hash and numbers, newest first."""
    with _history(home) as (kept, _):
        days = [_day(snapshot) for snapshot in kept.snapshots(limit)]
    if is_json:
        print_json({"days": days})
    else:
        print("\n".join(_table(days)))
    return 0 if days else 1


@state.command(short_help="Show what changed between two.")
@shared
@click.argument("before")
@click.argument("after")
def diff(*, home: Path | None, is_json: bool, before: str, after: str) -> int:
    """Show what changed from BEFORE to AFTER (YYYY-MM-DD, or YYYY-MM-DD/REVISION)."""
    with _history(home) as (kept, settings):
        old, new = _find(kept, before), _find(kept, after)
    told = summary.of_diff(compare(old, new))
    if is_json:
        print_json(told)
    else:
        print("\n".join(render_diff(told, settings.timezone)))
    return 0


@contextmanager
def _history(home: Path | None) -> Iterator[tuple[History, Settings]]:
    settings = settings_here(home=home)
    if not settings.home.exists():
        raise CockpitError(
            "There is no home yet, so there is no state.", "Start with ./studio up.", exit_code=1
        )
    with history_settings(read_home(settings.home), settings) as ready, live_history(ready) as kept:
        yield kept, ready


def _facts(history: History, settings: Settings, shown: Snapshot, confirmed: datetime | None) -> Facts:
    current = history.current_snapshot()
    is_current = current is not None and (current.snapshot_date, current.revision) == (
        shown.snapshot_date,
        shown.revision,
    )
    now = SystemClock().now()
    return Facts(
        # A past day is over: it shows what it was, and does not grow old.
        now=now if is_current else confirmed or shown.observed_at,
        timezone=settings.timezone,
        stale_minutes=settings.snapshot_stale_minutes,
        snapshot=shown,
        newest_reads=history.latest_reads() if is_current else (),
        confirmed_at=confirmed or (None if is_current else shown.observed_at),
    )


def _dagster(settings: Settings) -> dict[str, str]:
    return as_variables(settings) | {"DAGSTER_HOME": str(settings.dagster_home)}


def _find(history: History, wanted: str | None) -> Snapshot:
    if wanted is None:
        found = history.current_snapshot()
    else:
        day, _, revision = wanted.partition("/")
        try:
            found = history.snapshot(date.fromisoformat(day), int(revision) if revision else None)
        except ValueError:
            raise CockpitError(
                f"{wanted} is not a day.", "Write YYYY-MM-DD or YYYY-MM-DD/REVISION.", exit_code=2
            ) from None
    if found is None:
        raise CockpitError(
            f"There is no snapshot{f' of {wanted}' if wanted else ''}.",
            "./studio state history lists the days; ./studio snapshot makes today's.",
            exit_code=1,
        )
    return found


def _day(snapshot: Snapshot) -> Mapping[str, Any]:
    return {
        "snapshotDate": snapshot.snapshot_date.isoformat(),
        "revision": snapshot.revision,
        "contentHash": snapshot.content_hash,
        "asOf": snapshot.payload.get("asOf"),
        **{section: snapshot.payload.get(section, {}) for section in summary.SECTIONS},
    }


def _table(days: list[Mapping[str, Any]]) -> Iterator[str]:
    shown = (
        "counts.batchesActive",
        "counts.reservationsOpen",
        "finance.pendingOrders",
        "finance.unsettledCents",
    )
    yield "day         rev  hash          " + "  ".join(f"{words.label(path):>22}" for path in shown)
    for day in days:
        values = []
        for path in shown:
            section, name = path.split(".")
            value = day[section].get(name)
            values.append(f"{'-' if value is None else words.number(path, value):>22}")
        yield f"{day['snapshotDate']}  {day['revision']:>3}  {day['contentHash'][:12]}  {'  '.join(values)}"
