"""Holds connectors to their promises on the user's own devices: strictly reading, and no trouble caused."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from cockpit.environment import settings_here
from cockpit.errors import CockpitError
from cockpit.home import read_home
from cockpit.session import history_settings
from resources.clock import SystemClock
from resources.connectors.contract.real import RealSubject
from resources.connectors.contract.verify import verify
from resources.connectors.registry import rows_by_id
from resources.postgres.connector_calls import PostgresCallLog
from resources.postgres.engine import app_engine
from resources.settings import Settings
from studio_assets.doors import live_gateway


def verify_on_own_devices(
    home: Path | None, names: Sequence[str]
) -> Mapping[str, Sequence[Mapping[str, object]]]:
    """Hold the named connectors (all that are set up, if none is named) to what can be tried by reading.

    Raises:
        CockpitError: There is no home, no such connector, or it is not set up.
    """
    settings = settings_here(home=home)
    if not settings.home.exists():
        raise CockpitError(
            "There is no home yet, so there is nowhere to record the calls.", "Start with ./studio up."
        )
    with history_settings(read_home(settings.home), settings) as ready:
        return verify_configured(ready, names)


def verify_configured(
    settings: Settings, names: Sequence[str]
) -> Mapping[str, Sequence[Mapping[str, object]]]:
    """Hold the connectors of settings to their promises; return what ``verify --json`` prints."""
    rows = rows_by_id()
    there = [name for name, row in rows.items() if row.is_configured(settings)]
    if missing := [name for name in names if name not in there]:
        raise CockpitError(
            f"{missing[0]} is not set up, so there is nobody to ask; nothing was sent.",
            f"Set up: {', '.join(there) or 'none'}. ./studio connectors status says how to set one up.",
            exit_code=2,
        )
    if not there or settings.database_url is None:
        raise CockpitError(
            "No connector is set up, so there is nobody to ask.",
            "./studio connectors status says how to set one up.",
            exit_code=2,
        )
    engine = app_engine(settings.database_url.get_secret_value(), settings.studio_id)
    try:
        with live_gateway(settings) as gateway:
            subjects = [
                RealSubject(
                    rows[name],
                    settings,
                    secrets=rows[name].secrets(settings),
                    gateway=gateway,
                    calls=PostgresCallLog(engine, settings.studio_id),
                    clock=SystemClock(),
                )
                for name in names or there
            ]
            return {"connectors": [verify(subject).as_json() for subject in subjects]}
    finally:
        engine.dispose()
