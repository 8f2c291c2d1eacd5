"""``python -m cockpit.web``: serves the desk; started by the supervisor, which gives it its environment."""

import os
import sys
from collections.abc import Callable
from functools import cache

import uvicorn

from cockpit import words
from cockpit.app import DAGSTER, create_app
from cockpit.dagster_mount import LazyDagster
from cockpit.facts import Desk, Remembered
from cockpit.layout import code_socket, workspace_file
from resources.clock import SystemClock
from resources.logs import configure_logs, known_secrets
from resources.postgres.engine import app_engine
from resources.postgres.governance import GovernanceReads
from resources.postgres.history import History
from resources.settings import Settings, SettingsError, load_settings
from resources.settings_rules import is_loopback


def main() -> int:
    """Serve until asked to stop; return the exit code."""
    settings = load_settings(os.environ)
    configure_logs("web", level=settings.log_level, secrets=known_secrets(settings))
    dagster = LazyDagster(
        workspace_file(settings.home),
        code_socket(settings.home),
        prefix=DAGSTER,
        is_read_only=not is_loopback(settings.host),
    )
    desk = Desk(
        settings,
        settings.home / "run",
        history=_opener(settings),
        heartbeat=dagster.last_heartbeat,
        clock=SystemClock(),
        governance=_governance_teller(settings),
    )
    dagster.start()
    app = create_app(desk, dagster=dagster, hosts=(settings.host,))
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run()
    dagster.stop()
    return 0


def _opener(settings: Settings) -> Callable[[], Remembered]:
    @cache
    def open_history() -> Remembered:
        if settings.database_url is None:
            raise SettingsError(["STUDIO_DATABASE_URL is not set."])
        return History(
            app_engine(settings.database_url.get_secret_value(), settings.studio_id), settings.studio_id
        )

    return open_history


def _governance_teller(settings: Settings) -> Callable[[], str]:
    @cache
    def open_reads() -> GovernanceReads:
        if settings.database_url is None:
            raise SettingsError(["STUDIO_DATABASE_URL is not set."])
        engine = app_engine(settings.database_url.get_secret_value(), settings.studio_id)
        return GovernanceReads(engine, settings.studio_id)

    def tell() -> str:
        reads = open_reads()
        return words.governance(reads.proposal_counts(), is_halted=reads.is_halted())

    return tell


if __name__ == "__main__":
    sys.exit(main())
