"""Brings the databases up to date before anything uses them: ours, the ledger's first event, Dagster's."""

import os
import sys

from cockpit.parts.python_part import progress_line
from policies.actors import system_actor
from resources.clock import SystemClock
from resources.logs import configure_logs, known_secrets
from resources.postgres.engine import app_engine, ensure_database, owner_engine
from resources.postgres.errors import PostgresError
from resources.postgres.history import History
from resources.postgres.migrate import migrate
from resources.rows import OperationalEvent
from resources.settings import Settings, SettingsError, load_settings

EXPIRY = "expiry"
STARTED = "studio:instance:started"


def main() -> int:
    """Bring the databases up to date; return 0, or 1 after saying in one line why it cannot."""
    settings = load_settings(os.environ)
    configure_logs("prepare", level=settings.log_level, secrets=known_secrets(settings))
    try:
        _prepare(settings)
    except (PostgresError, SettingsError) as error:
        sys.stdout.write(f"{error}\n")
        return 1
    return 0


def _prepare(settings: Settings) -> None:
    if settings.database_url is None or settings.dagster_database_url is None:
        raise SettingsError(["STUDIO_DATABASE_URL and DAGSTER_PG_URL are not set."])
    url = settings.database_url.get_secret_value()
    _tell("databases")
    for each in (settings.database_url, settings.dagster_database_url):
        ensure_database(each.get_secret_value())
    _tell("migrations")
    migrate(owner_engine(url), settings.studio_id)
    engine = app_engine(url, settings.studio_id)
    event = OperationalEvent(
        STARTED,
        SystemClock().now(),
        {"posture": settings.posture, "twin": settings.is_twin, "host": settings.host},
    )
    History(engine, settings.studio_id).record_event(event)
    engine.dispose()
    _tell("governance")
    from studio_assets.doors import live_gateway  # noqa: PLC0415 - takes a moment; refusals come first

    with live_gateway(settings) as gateway:
        gateway.open_studio()
        # What became overdue while nothing ran: said before any check can complain of it.
        gateway.expire(system_actor(EXPIRY, settings.studio_id))
    _tell("Dagster's tables")
    from dagster import DagsterInstance  # noqa: PLC0415 - takes a second; the refusals above come first

    from cockpit.work.day import end_cut_off_runs  # noqa: PLC0415 - as above

    with DagsterInstance.get() as instance:
        # The first use makes the tables, before anything can race to do it. No part runs yet, so a run that
        # counts as under way belongs to an instance that was killed.
        end_cut_off_runs(instance, {})
    _tell("up to date")


def _tell(text: str) -> None:
    sys.stdout.write(f"{progress_line(text)}\n")


if __name__ == "__main__":
    sys.exit(main())
