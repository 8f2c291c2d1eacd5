"""``studio connectors status``: how each connector does, from what is on record. Touches no device."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from cockpit import words
from cockpit.cli.options import print_json, shared
from cockpit.environment import settings_here
from cockpit.errors import CockpitError
from cockpit.home import read_home, read_json
from cockpit.session import history_settings
from cockpit.world import TWINS
from resources.clock import SystemClock
from resources.connector import Fault
from resources.connectors.circuits import CircuitState
from resources.connectors.records import Ending
from resources.connectors.registry import ROWS, ConnectorRow
from resources.connectors.runner import state_of
from resources.postgres.breakers import PostgresBreakerStore
from resources.postgres.connector_calls import PostgresCallLog
from resources.postgres.connector_status import connector_record
from resources.postgres.engine import app_engine
from resources.settings import Settings

COUNTED: Final = timedelta(hours=24)
_WHY: Final[Mapping[str, str]] = {
    Fault.AUTH: "our login is refused: changed, withdrawn, or missing",
    Fault.TIMEOUT: "it does not answer in time",
    Fault.UNAVAILABLE: "it cannot be reached, or is out of order",
    Fault.RATE_LIMITED: "it asks to be asked less often",
    Fault.BAD_RESPONSE: "what it answers makes no sense",
    Fault.READ_ONLY_VIOLATION: "something wanted to change a device; nothing was sent",
    Fault.UNSUPPORTED: "it does not offer what we ask for",
    Fault.UNKNOWN: "it fails in a way nobody has seen yet",
}
_NEEDS_SOMEBODY: Final[Mapping[str, str]] = {
    "hubitat": "check STUDIO_HUBITAT_TOKEN and STUDIO_HUBITAT_APP_ID",
    "roborock": "./studio connectors login roborock",
}
_TO_SET_UP: Final[Mapping[str, str]] = {
    "hubitat": "set STUDIO_HUBITAT_URL, _APP_ID and _TOKEN (.env.example)",
    "roborock": "./studio connectors login roborock",
}
_NAMES: Final[Mapping[str, str]] = {"hubitat": "Hubitat", "roborock": "Roborock"}
_LASTING: Final = frozenset({Fault.AUTH, Fault.UNSUPPORTED})


@click.command(short_help="Say how each connector does; asks no device.")
@shared
def status(*, home: Path | None, is_json: bool) -> int:
    """Say of each connector whether it is set up and in order, and since when not, and why.

    Reads what is on record only: no hub, robot or cloud is asked. Exit code 0 also when a connector is
    degraded: the question was answered.
    """
    settings = settings_here(home=home)
    if not settings.home.exists():
        raise CockpitError(
            "There is no home yet, so no device was ever read.", "Start with ./studio up.", exit_code=1
        )
    with history_settings(read_home(settings.home), settings) as ready:
        told = describe(ready, SystemClock().now())
    if is_json:
        print_json({"connectors": told})
        return 0
    print("\n".join(lines(told, ready.timezone, SystemClock().now())))
    world = read_json(settings.home / "world.json") or {}
    if world.get("sources") == TWINS and not any(each["configured"] for each in told):
        print("This is a pretend studio: its hub and robots are there while ./studio up runs.")
    return 0


def describe(settings: Settings, now: datetime) -> list[dict[str, Any]]:
    """Return each connector of the registry as JSON data; instants are aware, UTC."""
    if settings.database_url is None:
        raise CockpitError("No database is configured.", "Start with ./studio up.")
    engine = app_engine(settings.database_url.get_secret_value(), settings.studio_id)
    breakers = PostgresBreakerStore(engine, settings.studio_id)
    calls = PostgresCallLog(engine, settings.studio_id)

    def one(row: ConnectorRow) -> dict[str, Any]:
        state = state_of(row.connector_id, row.version, breakers, calls)
        record = connector_record(engine, settings.studio_id, row.connector_id, now - COUNTED)
        is_configured = row.is_configured(settings)
        is_degraded = is_configured and state.is_degraded
        return {
            "id": row.connector_id,
            "capabilityId": row.capability_id,
            "version": row.version,
            "configured": is_configured,
            "state": _state(is_configured=is_configured, is_degraded=is_degraded),
            "circuit": state.circuit.value,
            "degradedSince": record.entered_at if is_degraded else None,
            "fault": state.fault.value if is_degraded and state.fault else None,
            "reason": _WHY[state.fault] if is_degraded and state.fault else None,
            "lastGoodReadAt": state.last_good_read_at,
            "lastCallEnding": record.last_ending.value if record.last_ending else None,
            "lastCallFault": record.last_fault.value if record.last_fault else None,
            "nextRetryAt": state.next_retry_at if is_degraded else None,
            "calls24h": record.calls,
            "failures24h": record.failures,
            "refusals24h": record.refusals,
            "devices": record.devices,
            "unreadDevices": record.unread_devices,
        }

    try:
        return [one(row) for row in ROWS]
    finally:
        engine.dispose()


def lines(told: list[dict[str, Any]], timezone: str, now: datetime) -> Iterator[str]:
    """Yield what a person reads, at most 80 columns wide."""
    for each in told:
        yield f"{_NAMES.get(each['id'], each['id'])}: {_headline(each, timezone)}"
        for what, value in _facts(each, timezone, now):
            yield f"  {what:<16} {value}"


def _state(*, is_configured: bool, is_degraded: bool) -> str:
    if not is_configured:
        return "not_configured"
    return "degraded" if is_degraded else "in_order"


def _headline(each: Mapping[str, Any], timezone: str) -> str:
    if each["state"] == "not_configured":
        return "not set up now, read before" if each["lastGoodReadAt"] else "not set up"
    if each["state"] == "in_order":
        if _is_failing(each):
            return "in order so far, but the last call failed"
        return "in order" if each["lastGoodReadAt"] else "set up, not read yet"
    since = each["degradedSince"]
    return f"degraded since {words.local_time(since, timezone)}" if since else "degraded"


def _is_failing(each: Mapping[str, Any]) -> bool:
    """Say whether nothing came of the newest call, though not often enough yet for degraded mode."""
    is_failed = each["lastCallEnding"] in {Ending.FAILED, Ending.REFUSED}
    return each["state"] == "in_order" and is_failed and each["lastCallFault"] is not None


def _facts(each: Mapping[str, Any], timezone: str, now: datetime) -> Iterator[tuple[str, str]]:
    connector_id, read_at, retry_at = each["id"], each["lastGoodReadAt"], each["nextRetryAt"]
    if each["state"] == "not_configured":
        yield "to set it up", _TO_SET_UP.get(connector_id, "see .env.example")
    if each["reason"]:
        yield "why", each["reason"]
    elif _is_failing(each):
        yield "why", _WHY[each["lastCallFault"]]
    if each["fault"] in _LASTING:
        yield "what to do", _NEEDS_SOMEBODY.get(connector_id, "check its settings")
    if read_at is not None:
        at = f"{words.local_time(read_at, timezone)} ({words.ago((now - read_at).total_seconds())})"
        yield "last good read", at
        yield "devices", _devices(each)
    elif each["configured"]:
        yield "last good read", "none so far"
    if retry_at is not None:
        is_due = retry_at <= now or each["circuit"] == CircuitState.CLOSED
        yield "next try", "with the next read" if is_due else f"from {words.local_time(retry_at, timezone)}"
    elif each["state"] == "degraded":
        yield "next try", "with the next read"
    if each["configured"] or each["calls24h"]:
        yield "last 24 hours", _counts(each)


def _devices(each: Mapping[str, Any]) -> str:
    unread = each["unreadDevices"]
    return f"{each['devices']} read" + (f", {unread} did not answer" if unread else "")


def _counts(each: Mapping[str, Any]) -> str:
    calls = f"{each['calls24h']} call{'' if each['calls24h'] == 1 else 's'}"
    refused = f", {each['refusals24h']} not tried" if each["refusals24h"] else ""
    return f"{calls}, {each['failures24h'] - each['refusals24h']} failed{refused}"
