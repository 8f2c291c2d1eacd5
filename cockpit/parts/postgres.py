"""The part that is the embedded database server."""

import signal

from cockpit.errors import CockpitError
from cockpit.parts.part import BasePart
from cockpit.processes import Command
from resources.postgres.embedded import EmbeddedPostgres
from resources.postgres.errors import DataDirectoryError


class PostgresPart(BasePart):
    """The server of this home; not used when ``STUDIO_DATABASE_URL`` names another one."""

    name = "postgres"
    label = "Database"
    start_limit_seconds = 90.0  # crash recovery after kill -9 may take a while

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server

    def prepare(self) -> None:
        """Make the cluster if there is none, and stop a server that an earlier supervisor left."""
        try:
            self._server.prepare()
        except DataDirectoryError as error:
            raise CockpitError(str(error), "") from error

    def command(self) -> Command:
        """Return the server itself; SIGINT asks it for a fast shutdown."""
        return Command(
            self._server.command(), self._server.environment, stop_signal=signal.SIGINT, is_tied=True
        )

    def probe(self) -> bool:
        """Return whether it answers a query."""
        return self._server.is_ready()
